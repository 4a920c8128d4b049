//! A page of a feed: bytes of unknown honesty in, entries out.
//!
//! Letters are decoded first, nesting is bounded, then `feed-rs` reads every kind of feed into one shape, and an entry
//! becomes a post. Pure: the time is told.

use std::time::Duration;

use encoding_rs::Encoding;
use feed_rs::model;
use xxhash_rust::xxh3::xxh3_64;

use crate::feed::format::html;
use crate::post::{RawPost, Reject};
use crate::time::Timestamp;

/// Elements inside elements. No honest feed comes near; the parser itself would follow 65,535.
const DEPTH_MAX: usize = 256;
const SECONDS_PER_MINUTE: u64 = 60;

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
        let little: Vec<u8> = declared("utf-16")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let big: Vec<u8> = little
            .chunks(2)
            .flat_map(|pair| [pair[1], pair[0]])
            .collect();
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
            (little, None),
            (big, Some("utf-8")),
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
}
