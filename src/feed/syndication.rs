//! Entries of an RSS, Atom or JSON Feed, by polling it.
//!
//! Every kind of feed is read into one shape by `feed-rs`; an entry becomes a post whose text is its title and its
//! content without HTML, and whose categories are declared hashtags. What comes in is bytes of unknown honesty: the
//! fetcher bounds their size, [`is_too_deep`] their nesting, and no entity or DTD is ever fetched.
//!
//! The cursor holds what the server said about the page's state, byte for byte, where the page has moved for good, and
//! hashes of the entries that were handed on, so that each is handed on once. Beyond their cap the store's own memory
//! of posts decides. A page on which no entry is known has rolled on without us: the stretch since is a gap.
//!
//! Manners: conditional requests; never more often than the setting, `max-age` or `ttl` allow, with some jitter; a 410
//! ends the feed. Real feeds and faults are played through in `tests/it/syndication.rs`.

use std::time::Duration;

use encoding_rs::Encoding;
use feed_rs::model;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Kind;
use super::contract::{Batch, Closed, Ending, Feed, Outlet, Standing};
use super::file::Context;
use super::format::html;
use super::http::polling::{self, Line};
use super::http::{self, Answer, Fetcher, Page, Request, Settings, Token, Validators, wait};
use crate::clock;
use crate::post::{Cursor, Identity, Item, RawPost, Reject};
use crate::time::Timestamp;

/// Entries remembered as handed on; the longest real feeds seen have a few hundred.
const SEEN_MAX: usize = 2_000;
/// Elements inside elements. Real feeds stay below 20; the parser itself would follow 65,535.
const DEPTH_MAX: usize = 256;
/// Between polls by default.
const POLL: Duration = Duration::from_mins(5);
/// The least one may set, for a server that is not one's own.
const POLL_MIN: Duration = Duration::from_mins(1);
/// However long a page says that it will stay, it is asked again after a day.
const POLL_MAX: Duration = Duration::from_hours(24);
/// Polls are late by up to this share, so that many feeds do not meet.
const JITTER: f64 = 0.1;
/// Between two looks at a server that refuses.
const REFUSED_RETRY: Duration = Duration::from_mins(15);
/// An entry may appear in the page so long after it was written.
const SETTLING: Duration = Duration::from_secs(5);
const SECONDS_PER_MINUTE: u64 = 60;
/// Feeds first, then anything: many servers label them wrong.
const ACCEPT: &str = "application/atom+xml, application/rss+xml, application/feed+json, \
                      application/xml;q=0.9, */*;q=0.8";

/// Syndicated feeds.
pub const KIND: Kind = Kind {
    name: "feed",
    about: "an RSS, Atom or JSON Feed, as in feed:https://example.org/news.rss",
};

/// Which feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `https://…` or `http://…`.
    pub url: String,
    /// Sent as a bearer token to the host of `url`.
    #[serde(default)]
    pub token: Option<Token>,
    /// The server may be at a private address and be asked as often as one likes: it is one's own.
    #[serde(default)]
    pub allow_private: bool,
    /// Between polls; at least a minute.
    #[serde(default = "poll_by_default", deserialize_with = "polling::duration")]
    pub poll: Duration,
}

fn poll_by_default() -> Duration {
    POLL
}

/// Why a feed cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an address.
    #[error("use the feed {0:?}: write it as https://HOST/PATH")]
    Url(String),
    /// More often than feeds are made for.
    #[error("poll {0:?} so often: the shortest time between polls is 1m")]
    TooOften(String),
    /// No fetcher.
    #[error("read {url}")]
    Fetcher {
        /// Which feed.
        url: String,
        /// Why not.
        #[source]
        source: http::Error,
    },
}

/// A feed that is polled.
#[derive(Debug)]
pub struct Syndication {
    options: Options,
    fetcher: Fetcher,
    identity: Identity,
    place: Place,
    /// How long the page says that it stays as it is.
    stays: Duration,
    back_off: wait::BackOff,
}

/// How far the feed is read, as the store keeps it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    /// The address it was opened by.
    asked: String,
    /// Where it is now, if it has moved for good.
    moved: Option<String>,
    validators: Option<Validators>,
    /// The last time that all of it was read.
    time: Option<String>,
    /// Hashes of entries that were handed on, newest first.
    seen: Vec<u64>,
}

impl Syndication {
    /// A feed that goes on at `cursor`. A cursor of another address means nothing here.
    pub fn new(
        options: Options,
        context: &Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let url: Url = options
            .url
            .parse()
            .map_err(|_| Error::Url(options.url.clone()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Url(options.url));
        }
        if options.poll < POLL_MIN && !options.allow_private {
            return Err(Error::TooOften(options.url));
        }
        let settings = Settings {
            private_host: url
                .host_str()
                .filter(|_| options.allow_private)
                .map(str::to_owned),
            host_interval: Settings::default().host_interval.min(options.poll),
            ..Settings::default()
        };
        let fetcher = Fetcher::new(settings).map_err(|source| Error::Fetcher {
            url: options.url.clone(),
            source,
        })?;
        Ok(Self {
            place: Place::restore(cursor, &url),
            options,
            fetcher,
            identity: context.identity.clone(),
            stays: Duration::ZERO,
            back_off: wait::BackOff::default(),
        })
    }
}

impl Feed for Syndication {
    fn run(mut self: Box<Self>, outlet: Outlet) {
        polling::run(&outlet, async |line| self.listen(line).await);
    }
}

impl Syndication {
    async fn listen(&mut self, line: &mut Line<'_>) -> Result<(), Closed> {
        loop {
            let heard_until = wait::before(clock::now(), SETTLING);
            let request = self.request();
            match line.during(self.fetcher.get(&request)).await? {
                Answer::Body(page) => {
                    self.advance(*page, heard_until, line)?;
                    line.pause(self.interval()).await?;
                }
                Answer::NotModified { max_age } => {
                    self.stays = max_age.unwrap_or(self.stays);
                    self.hand_on(Batch::default(), heard_until, line)?;
                    line.pause(self.interval()).await?;
                }
                Answer::Wait { until, why } => line.pause_until(until, why).await?,
                Answer::Failed { why } => {
                    let until = wait::after(clock::now(), self.back_off.next());
                    line.pause_until(until, why).await?;
                }
                Answer::Refused {
                    status: Some(410),
                    why,
                } => {
                    let batch = Batch {
                        ending: Some(Ending::Complete),
                        ..Batch::default()
                    };
                    return line.send(batch, Standing::Refused { why });
                }
                Answer::Refused { why, .. } => {
                    line.send(Batch::default(), Standing::Refused { why })?;
                    line.pause(REFUSED_RETRY.max(self.interval())).await?;
                }
            }
        }
    }

    /// Hands on what is new on a page.
    fn advance(
        &mut self,
        page: Page,
        heard_until: Timestamp,
        line: &mut Line<'_>,
    ) -> Result<(), Closed> {
        let host = page.final_url.host_str().unwrap_or_default().to_owned();
        let mut batch = Batch::default();
        let parsed = match parse(&page.bytes, page.charset.as_deref(), &host, clock::now()) {
            Ok(parsed) => parsed,
            Err(reject) => {
                polling::reject(reject, &mut batch);
                let until = wait::after(clock::now(), self.interval());
                let why = format!("{host} sends what is no RSS, Atom or JSON Feed");
                return line.send(batch, Standing::Waiting { until, why });
            }
        };
        self.stays = page.max_age.unwrap_or_default().max(parsed.ttl);
        if let Some(moved) = page.permanent_redirect {
            self.place.moved = Some(moved.into());
        }
        self.place.validators = page.validators;
        self.take(parsed.entries, &mut batch);
        self.hand_on(batch, heard_until, line)
    }

    /// Sorts out which entries are new, and whether some came and went unseen.
    fn take(&mut self, entries: Vec<RawPost<'_>>, batch: &mut Batch) {
        let hash = |entry: &RawPost<'_>| xxh3_64(entry.id.as_bytes());
        let is_seen = |entry: &RawPost<'_>| self.place.seen.contains(&hash(entry));
        let is_any_known = entries.iter().any(is_seen);
        let oldest = entries.iter().map(|entry| entry.at).min();
        if let (Some(last), Some(oldest), false) = (self.place.last_read(), oldest, is_any_known)
            && !self.place.seen.is_empty()
            && last < oldest
        {
            batch.gaps.push(last..oldest);
        }
        let on_page: Vec<u64> = entries.iter().rev().map(hash).collect();
        let now = clock::now();
        for entry in entries {
            if self.place.seen.contains(&hash(&entry)) {
                batch.skipped += 1;
            } else {
                let item = Ok(Item::Post(Box::new(entry)));
                polling::take(item, &self.identity, now, batch);
            }
        }
        self.place.seen.retain(|seen| !on_page.contains(seen));
        self.place.seen.splice(..0, on_page);
        self.place.seen.truncate(SEEN_MAX);
    }

    fn hand_on(
        &mut self,
        mut batch: Batch,
        heard_until: Timestamp,
        line: &mut Line<'_>,
    ) -> Result<(), Closed> {
        self.back_off.reset();
        self.place.time = Some(heard_until.to_string());
        batch.heard_until = Some(heard_until);
        batch.cursor = Some(self.place.store());
        line.send(batch, Standing::Live)
    }

    fn request(&self) -> Request {
        let now_at = self.place.moved.as_ref().unwrap_or(&self.place.asked);
        Request {
            url: now_at
                .parse()
                .expect("addresses were parsed before they were kept"),
            accept: ACCEPT,
            validators: self.place.validators.clone(),
            // The token was given for the host that was configured.
            token: self
                .options
                .token
                .clone()
                .filter(|_| self.place.moved.is_none()),
        }
    }

    fn interval(&self) -> Duration {
        let interval = self.options.poll.max(self.stays.min(POLL_MAX));
        interval.mul_f64(1.0 + JITTER * wait::random_share())
    }
}

impl Place {
    fn restore(cursor: Option<&Cursor>, url: &Url) -> Self {
        let stored = match cursor {
            Some(Cursor::Token(token)) => serde_json::from_str::<Self>(token).ok(),
            Some(Cursor::Place(_)) | None => None,
        };
        let mut place = stored
            .filter(|stored| stored.asked == url.as_str())
            .unwrap_or_default();
        url.as_str().clone_into(&mut place.asked);
        place.moved = place.moved.filter(|moved| moved.parse::<Url>().is_ok());
        place
    }

    fn store(&self) -> Cursor {
        Cursor::Token(serde_json::to_string(self).expect("texts and numbers are JSON"))
    }

    fn last_read(&self) -> Option<Timestamp> {
        self.time.as_ref()?.parse().ok()
    }
}

/// What a feed holds.
#[derive(Debug)]
pub struct Parsed {
    /// Its entries, oldest first.
    pub entries: Vec<RawPost<'static>>,
    /// How long it says that it stays as it is.
    pub ttl: Duration,
}

/// Reads a feed that came from `host` at `now`, in the encoding that `charset` names unless its bytes know better. An
/// empty page is a feed without entries.
pub fn parse(
    bytes: &[u8],
    charset: Option<&str>,
    host: &str,
    now: Timestamp,
) -> Result<Parsed, Reject> {
    let text = decode(bytes, charset);
    if text.trim_ascii().is_empty() {
        return Ok(Parsed {
            entries: Vec::new(),
            ttl: Duration::ZERO,
        });
    }
    if is_too_deep(text.as_bytes()) {
        return Err(Reject::Depth);
    }
    // The parser makes up a new id at each reading where an entry has none; ours is a hash of what it says.
    let feed = feed_rs::parser::Builder::new()
        .id_generator(|_, _, _| String::new())
        .build()
        .parse(text.as_bytes())
        .map_err(|_| Reject::Shape)?;
    let lang = feed.language.as_deref();
    let mut entries: Vec<RawPost<'static>> = feed
        .entries
        .iter()
        .map(|entry| post(entry, host, lang, now))
        .collect();
    // Pages come newest first; of entries of one time the last on the page is the oldest.
    entries.reverse();
    entries.sort_by_key(|entry| entry.at);
    Ok(Parsed {
        entries,
        ttl: Duration::from_secs(u64::from(feed.ttl.unwrap_or(0)) * SECONDS_PER_MINUTE),
    })
}

fn post(entry: &model::Entry, host: &str, lang: Option<&str>, now: Timestamp) -> RawPost<'static> {
    let text = text(entry);
    let link = entry
        .links
        .iter()
        .find(|link| link.rel.as_deref().is_none_or(|rel| rel == "alternate"))
        .map(|link| link.href.as_str());
    let id = if entry.id.is_empty() {
        let said = [link.unwrap_or_default(), &text].join("\n");
        format!("feed:{host}:{:016x}", xxh3_64(said.as_bytes()))
    } else {
        format!("feed:{host}:{}", entry.id)
    };
    let author = entry
        .authors
        .iter()
        .find_map(|author| author.name.as_deref().or(author.email.as_deref()))
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let tags = entry
        .categories
        .iter()
        .map(|category| category.term.split_whitespace().collect::<String>())
        .filter(|tag| !tag.is_empty());
    let lang = entry.language.as_deref().or(lang).unwrap_or_default();
    let primary = lang.split(['-', '_']).next().unwrap_or_default().trim();
    RawPost {
        id: id.into(),
        author: author.map(|name| format!("feed:{host}:{name}").into()),
        at: time(entry, now),
        text: text.into(),
        tags: tags.map(Into::into).collect(),
        truncated: false,
        source: format!("feed:{host}").into(),
        lang: (!primary.is_empty()).then(|| primary.to_ascii_lowercase().into()),
        bot: false,
        edit: false,
        url: link
            .filter(|link| link.starts_with("https://") || link.starts_with("http://"))
            .map(|link| link.to_owned().into()),
    }
}

/// Title, then content, or else the summary, or else what is said of its media.
fn text(entry: &model::Entry) -> String {
    let content = entry
        .content
        .as_ref()
        .and_then(|content| content.body.as_deref());
    let summary = entry.summary.as_ref().map(|summary| &*summary.content);
    let media = entry
        .media
        .iter()
        .find_map(|media| media.description.as_ref())
        .map(|description| &*description.content);
    let parts = [
        entry.title.as_ref().map(|title| &*title.content),
        content.or(summary).or(media),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().map(html::to_text).collect();
    parts.join("\n")
}

/// When it was published or changed, if that is a time in the past; else now.
fn time(entry: &model::Entry, now: Timestamp) -> Timestamp {
    entry
        .published
        .or(entry.updated)
        .and_then(|time| Timestamp::from_millis(time.timestamp_millis()).ok())
        .map_or(now, |time| time.min(now))
}

/// The letters of a feed: by its byte order mark, else as the server says, else as its XML declaration says (RFC 7303).
///
/// The declaration is taken out, since it is no longer true; the parser would believe it, and panics at one that comes
/// late. So are zeros, which no feed may hold and which look like two-byte letters.
fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    let said = |label: &str| Encoding::for_label(label.as_bytes());
    let encoding = Encoding::for_bom(bytes)
        .map(|(encoding, _)| encoding)
        .or_else(|| two_bytes_a_letter(bytes))
        .or_else(|| charset.and_then(said))
        .or_else(|| declared_encoding(bytes).and_then(said))
        // One byte a letter, as was just seen, is not UTF-16, whatever is said.
        .filter(|encoding| encoding.is_ascii_compatible() || bytes.contains(&0))
        .unwrap_or(encoding_rs::UTF_8);
    let (letters, _, _) = encoding.decode(bytes);
    let mut text = String::with_capacity(letters.len());
    let mut rest = &*letters;
    while let Some(at) = rest.find("<?xml") {
        let (before, declaration) = rest.split_at(at);
        text.push_str(before);
        let is_declaration = declaration["<?xml".len()..].starts_with([' ', '\t', '\r', '\n']);
        rest = match declaration.find("?>") {
            Some(end) if is_declaration => &declaration[end + "?>".len()..],
            _ => {
                text.push_str("<?xml");
                &declaration["<?xml".len()..]
            }
        };
    }
    text.push_str(rest);
    text.retain(|char| char != '\0');
    text
}

/// UTF-16 without a mark, known by the zero beside the first bracket.
fn two_bytes_a_letter(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<' | b'{', 0, ..] => Some(encoding_rs::UTF_16LE),
        [0, b'<' | b'{', ..] => Some(encoding_rs::UTF_16BE),
        _ => None,
    }
}

/// The encoding in the XML declaration, which is written in ASCII.
fn declared_encoding(bytes: &[u8]) -> Option<&str> {
    let declaration = bytes.trim_ascii_start().strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(declaration, b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value
        .chars()
        .next()
        .filter(|char| matches!(char, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// Whether XML nests deeper than [`DEPTH_MAX`]. It looks at tags alone, closed or not: more than the parser needs, and
/// no honest feed is near. JSON has a cap of its own in `serde_json`.
fn is_too_deep(xml: &[u8]) -> bool {
    let mut rest = xml;
    let mut depth = 0_usize;
    while let Some(at) = memchr::memchr(b'<', rest) {
        rest = &rest[at..];
        let close: &[u8] = if rest.starts_with(b"<![CDATA[") {
            b"]]>"
        } else if rest.starts_with(b"<!--") {
            b"-->"
        } else {
            b">"
        };
        let Some(end) = memchr::memmem::find(rest, close) else {
            return false;
        };
        match (rest[1], rest[end - 1]) {
            (b'/', _) => depth = depth.saturating_sub(1),
            (b'!' | b'?', _) | (_, b'/') => {}
            _ => depth += 1,
        }
        if depth > DEPTH_MAX {
            return true;
        }
        rest = &rest[end + close.len()..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T10:00:00Z";

    fn read(xml: &str) -> Vec<RawPost<'static>> {
        parse(xml.as_bytes(), None, "a.example", NOW.parse().unwrap())
            .unwrap()
            .entries
    }

    #[test]
    fn an_entry_is_a_title_a_text_without_html_and_declared_tags() {
        let entries = read(
            r##"<rss version="2.0"><channel><title>t</title><language>bn-BD</language><ttl>7</ttl>
            <item><guid>https://x.example/1</guid><title>চলছে না</title><link>https://a.example/1</link>
            <description>&lt;p&gt;#&lt;span&gt;হোয়াটসঅ্যাপডাউন&lt;/span&gt;&lt;/p&gt;</description>
            <category>server  outage</category><pubDate>Tue, 24 Nov 2026 09:00:00 GMT</pubDate></item>
            </channel></rss>"##,
        );
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert_eq!(entry.text, "চলছে না\n#হোয়াটসঅ্যাপডাউন");
        assert_eq!(entry.tags, ["serveroutage"]);
        assert_eq!(entry.at.to_string(), "2026-11-24T09:00:00Z");
        assert_eq!(entry.id, "feed:a.example:https://x.example/1");
        assert_eq!(
            (&*entry.source, entry.lang.as_deref()),
            ("feed:a.example", Some("bn"))
        );
        assert_eq!(entry.url.as_deref(), Some("https://a.example/1"));
    }

    #[test]
    fn an_entry_without_id_link_or_title_has_the_same_id_at_each_reading() {
        let xml = r#"<rss version="2.0"><channel><title>t</title><item><description>one</description></item>
            <item><description>two</description></item></channel></rss>"#;
        let (first, second) = (read(xml), read(xml));
        assert_eq!(first, second);
        assert_ne!(first[0].id, first[1].id);
    }

    #[test]
    fn a_time_in_the_future_or_none_is_now() {
        let entries = read(
            r#"<rss version="2.0"><channel><title>t</title>
            <item><guid>1</guid><pubDate>Tue, 24 Nov 2099 09:00:00 GMT</pubDate></item>
            <item><guid>2</guid></item></channel></rss>"#,
        );
        assert!(entries.iter().all(|entry| entry.at.to_string() == NOW));
    }

    #[test]
    fn nesting_has_a_cap() {
        let nested = |depth: usize| {
            let (open, close) = ("<a>".repeat(depth), "</a>".repeat(depth));
            format!("<?xml version='1.0'?><!-- <a><a> --><![CDATA[<a>]]>{open}<b/><c x=''/>{close}")
        };
        assert!(!is_too_deep(nested(DEPTH_MAX).as_bytes()));
        assert!(is_too_deep(nested(DEPTH_MAX + 1).as_bytes()));
        assert!(!is_too_deep(b"<"));
        let result = parse(
            "<rss>".repeat(200_000).as_bytes(),
            None,
            "a.example",
            Timestamp::FIRST,
        );
        assert_eq!(result.unwrap_err(), Reject::Depth);
    }

    #[test]
    fn letters_are_read_by_mark_then_header_then_declaration() {
        let body = "<rss version='2.0'><channel><title>t</title><item><title>über</title></item></channel></rss>";
        let declared = |name: &str| format!("<?xml version='1.0' encoding='{name}'?>{body}");
        let latin = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
        let utf16: fn(&str, fn(u16) -> [u8; 2]) -> Vec<u8> =
            |text, bytes| text.encode_utf16().flat_map(bytes).collect();
        for (bytes, charset) in [
            (declared("utf-8").into_bytes(), None),
            (body.as_bytes().to_vec(), None),
            (latin(&declared("iso-8859-1")), None),
            (latin(&declared("utf-8")), Some("iso-8859-1")),
            (
                format!("\u{feff}{}", declared("koi8-r")).into_bytes(),
                Some("koi8-r"),
            ),
            (declared("utf-16").into_bytes(), None),
            (utf16(&declared("utf-16"), u16::to_le_bytes), None),
            (utf16(&declared("utf-16"), u16::to_be_bytes), Some("utf-8")),
        ] {
            let parsed = parse(&bytes, charset, "a.example", Timestamp::FIRST);
            assert_eq!(
                parsed.unwrap().entries[0].text,
                "über",
                "{charset:?} {bytes:?}"
            );
        }
    }

    #[test]
    fn a_declaration_that_comes_late_is_no_panic() {
        for late in [" ".repeat(9_000), "<rss version='2.0'><channel>".to_owned()] {
            let xml = format!("{late}<?xml version='1.0' encoding='koi8-r'?><rss version='2.0'/>");
            let read = parse(xml.as_bytes(), None, "a.example", Timestamp::FIRST);
            assert!(read.is_err() || read.is_ok_and(|parsed| parsed.entries.is_empty()));
        }
    }

    #[test]
    fn what_is_no_feed_is_named_so_and_nothing_is_nothing() {
        let parse = |text: &str| parse(text.as_bytes(), None, "a.example", Timestamp::FIRST);
        assert_eq!(parse("hello").unwrap_err(), Reject::Shape);
        assert_eq!(parse("<rss").unwrap_err(), Reject::Shape);
        assert_eq!(parse("{}").unwrap_err(), Reject::Shape);
        assert!(parse(" \n").unwrap().entries.is_empty());
    }

    #[test]
    fn a_cursor_comes_back_for_its_own_address_alone() {
        let url: Url = "https://a.example/feed".parse().unwrap();
        let place = Place {
            asked: url.to_string(),
            seen: vec![1, u64::MAX],
            ..Place::default()
        };
        let cursor = place.store();
        assert_eq!(Place::restore(Some(&cursor), &url).seen, [1, u64::MAX]);
        let other = "https://a.example/other".parse().unwrap();
        assert!(Place::restore(Some(&cursor), &other).seen.is_empty());
    }
}
