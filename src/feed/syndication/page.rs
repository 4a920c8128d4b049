//! A page of a feed: bytes of unknown honesty in, entries out.
//!
//! Letters are decoded first ([`letters`]); XML is mended and bounded ([`xml`]) and read by `feed-rs`, JSON by [`json`];
//! an entry becomes a post. Pure: the time is told.

use std::time::Duration;

use feed_rs::model;
use xxhash_rust::xxh3::xxh3_64;

use super::{date, json, letters, xml};
use crate::feed::format::html;
use crate::post::{RawPost, Reject};
use crate::time::Timestamp;

const SECONDS_PER_MINUTE: u64 = 60;

/// What a feed holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Its entries, oldest first.
    pub entries: Vec<Entry>,
    /// Why some of what it holds is no entry.
    pub rejected: Vec<Reject>,
    /// How long it says that it stays as it is.
    pub stays: Duration,
}

/// An entry as a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The post; its time is that of the reading if the entry has none.
    pub post: RawPost<'static>,
    /// Whether the entry says its time.
    pub is_dated: bool,
}

/// An entry as it is written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Opaque; empty where there is none.
    pub(super) id: String,
    pub(super) link: Option<String>,
    pub(super) author: Option<String>,
    /// Plain text.
    pub(super) title: Option<String>,
    /// Plain text.
    pub(super) content: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) lang: Option<String>,
    pub(super) at: Option<Timestamp>,
}

/// Reads a feed that came from `host` at `now`, in the encoding that `charset` names unless its bytes know better. An
/// empty page is a feed without entries.
pub fn parse(
    bytes: &[u8],
    charset: Option<&str>,
    host: &str,
    now: Timestamp,
) -> Result<Parsed, Reject> {
    let text = letters::decode(bytes, charset);
    let text = text.trim();
    if text.is_empty() {
        return Ok(Parsed::default());
    }
    let (items, stays) = if text.starts_with('{') {
        (json::read(text)?, Duration::ZERO)
    } else {
        read_xml(text)?
    };
    let mut parsed = Parsed {
        stays,
        ..Parsed::default()
    };
    // Pages come newest first; of entries of one time the last on the page is the oldest.
    for item in items.into_iter().rev() {
        match item {
            Ok(written) => parsed.entries.push(written.entry(host, now)),
            Err(reject) => parsed.rejected.push(reject),
        }
    }
    parsed.entries.sort_by_key(|entry| entry.post.at);
    Ok(parsed)
}

/// Entries as they are written, and how long the page stays as it is.
type Read = (Vec<Result<Written, Reject>>, Duration);

fn read_xml(text: &str) -> Result<Read, Reject> {
    let mended = xml::mend(text)?;
    let feed = feed_rs::parser::Builder::new()
        // The parser makes up a new id at each reading where an entry has none; ours is a hash of what it says.
        .id_generator(|_, _, _| String::new())
        .timestamp_parser(|text| {
            let at = u64::try_from(date::read(text)?.as_millis()).ok()?;
            Some((std::time::UNIX_EPOCH + Duration::from_millis(at)).into())
        })
        .build()
        .parse(mended.text.as_bytes())
        .map_err(|_| Reject::Shape)?;
    let ttl = Duration::from_secs(u64::from(feed.ttl.unwrap_or(0)) * SECONDS_PER_MINUTE);
    let lang = feed.language;
    let entries = feed.entries.into_iter().map(|entry| {
        let mut written = Written::from(entry);
        written.lang = written.lang.or_else(|| lang.clone());
        Ok(written)
    });
    Ok((entries.collect(), ttl.max(mended.stays)))
}

impl From<model::Entry> for Written {
    /// Of the content, or else the summary, or else what is said of its media, the text.
    fn from(entry: model::Entry) -> Self {
        let link = entry
            .links
            .into_iter()
            .find(|link| link.rel.as_deref().is_none_or(|rel| rel == "alternate"));
        let media = entry.media.into_iter().find_map(|media| media.description);
        let content = entry.content.and_then(|content| content.body);
        let content = content.or_else(|| Some(entry.summary.or(media)?.content));
        let plain = |html: String| html::to_text(&html).into_owned();
        Self {
            id: entry.id,
            link: link.map(|link| link.href),
            author: entry
                .authors
                .into_iter()
                .find_map(|author| author.name.or(author.email)),
            title: entry.title.map(|title| plain(title.content)),
            content: content.map(plain),
            tags: entry
                .categories
                .into_iter()
                .map(|category| category.term)
                .collect(),
            lang: entry.language,
            at: entry
                .published
                .or(entry.updated)
                .and_then(|time| Timestamp::from_millis(time.timestamp_millis()).ok()),
        }
    }
}

impl Written {
    fn entry(self, host: &str, now: Timestamp) -> Entry {
        let link = self.link.unwrap_or_default();
        let text = text(self.title, self.content.unwrap_or_default());
        let id = if self.id.is_empty() {
            let said = [&*link, &text].join("\n");
            format!("feed:{host}:{:016x}", xxh3_64(said.as_bytes()))
        } else {
            format!("feed:{host}:{}", self.id)
        };
        let author = self.author.as_deref().map(str::trim);
        let tags = self
            .tags
            .iter()
            .map(|tag| tag.split_whitespace().collect::<String>());
        let lang = self.lang.as_deref().unwrap_or_default();
        let primary = lang.split(['-', '_']).next().unwrap_or_default().trim();
        let is_shown = link.starts_with("https://") || link.starts_with("http://");
        let post = RawPost {
            id: id.into(),
            author: author
                .filter(|name| !name.is_empty())
                .map(|name| format!("feed:{host}:{name}").into()),
            // A time in the future is an error of theirs or of a clock.
            at: self.at.map_or(now, |at| at.min(now)),
            text: text.into(),
            tags: tags.filter(|tag| !tag.is_empty()).map(Into::into).collect(),
            truncated: false,
            source: format!("feed:{host}").into(),
            lang: (!primary.is_empty()).then(|| primary.to_ascii_lowercase().into()),
            bot: false,
            edit: false,
            url: is_shown.then(|| link.into()),
        };
        Entry {
            post,
            is_dated: self.at.is_some(),
        }
    }
}

/// Title, then content. A title that is no more than the beginning of what follows is left out: where posts have none,
/// feeds cut one out of the text, in the middle of a hashtag if need be.
fn text(title: Option<String>, content: String) -> String {
    match title {
        Some(title) if content.is_empty() => title,
        Some(title) if !is_beginning(&title, &content) => [title, content].join("\n"),
        Some(_) | None => content,
    }
}

/// Whether `title` is `content` up to a cut, whatever white space there is.
fn is_beginning(title: &str, content: &str) -> bool {
    let letters = |text| str::chars(text).filter(|letter| !letter.is_whitespace());
    let uncut = title.trim_end_matches(['.', '\u{2026}', char::REPLACEMENT_CHARACTER, ' ']);
    let mut content = letters(content);
    letters(uncut).all(|letter| content.next() == Some(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T10:00:00Z";

    fn read(xml: &str) -> Vec<RawPost<'static>> {
        parse(xml.as_bytes(), None, "a.example", NOW.parse().unwrap())
            .unwrap()
            .entries
            .into_iter()
            .map(|entry| entry.post)
            .collect()
    }

    #[test]
    fn an_entry_is_a_title_a_text_without_html_and_declared_tags() {
        let entries = read(
            r#"<rss version="2.0"><channel><title>t</title><language>bn-BD</language><ttl>7</ttl>
            <item><guid>https://x.example/1</guid><title>চলছে না</title><link>https://a.example/1</link>
            <description>&lt;p&gt;#&lt;span&gt;হোয়াটসঅ্যাপডাউন&lt;/span&gt;&lt;/p&gt;</description>
            <category>server  outage</category><pubDate>Tue, 24 Nov 2026 09:00:00 GMT</pubDate></item>
            </channel></rss>"#,
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
    fn a_title_that_was_cut_out_of_the_text_is_none() {
        for (title, want) in [
            ("#WhatsApp...", "#WhatsAppDown  since ten"),
            ("#WhatsAppDown since…", "#WhatsAppDown  since ten"),
            ("#WhatsAppDown since ten", "#WhatsAppDown  since ten"),
            ("", "#WhatsAppDown  since ten"),
            ("Since ten...", "Since ten...\n#WhatsAppDown  since ten"),
        ] {
            let entries = read(&format!(
                "<rss version='2.0'><channel><title>t</title><item><guid>1</guid><title>{title}</title>\
                 <description>#WhatsAppDown  since ten</description></item></channel></rss>"
            ));
            assert_eq!(entries[0].text, want, "{title}");
        }
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
}
