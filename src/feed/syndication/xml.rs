//! XML as feeds write it, made into XML that the parser takes.
//!
//! One pass over the text, which never grows beyond a few signs more for each that stands wrong. Declarations, comments
//! and document types go: no entity is ever defined and nothing is fetched. Signs that should have been escaped are.
//! What stands behind the end of the root is left out, as are hosts' additions there. Nesting is bounded here, since the
//! parser itself follows too far.
//!
//! RSS of every version, 0.90 and 1.0 among them, becomes RSS 2.0, which has all that the others have, with a `channel`
//! around it where there is none; of Atom 0.3 the names become those of Atom 1.0.

use std::borrow::Cow;
use std::time::Duration;

use crate::post::Reject;

/// Elements inside elements. No honest feed comes near; the parser itself would follow 65,535.
const DEPTH_MAX: usize = 256;
/// A reference is hardly longer: `&CounterClockwiseContourIntegral;`.
const REFERENCE_BYTES_MAX: usize = 40;
const RSS: &str = "http://purl.org/rss/1.0/";
/// What the namespace of RSS was called as well, each with something behind it.
const RSS_TOO: [&str; 5] = [
    "http://backend.userland.com/rss",
    "http://blogs.law.harvard.edu/tech/rss",
    "http://my.netscape.com/rdf/simple/0.9",
    "http://channel.netscape.com/rdf/simple/0.9",
    "http://my.netscape.com/publish/formats/rss",
];
const ATOM: &str = "http://www.w3.org/2005/Atom";
const ATOM_0_3: &str = "http://purl.org/atom/ns#";

/// XML for the parser.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// One root element and what is in it.
    pub(super) text: String,
    /// How long the feed stays as it is, by its `updatePeriod` and `updateFrequency`.
    pub(super) stays: Duration,
}

/// Mends a document.
pub(super) fn mend(xml: &str) -> Result<Mended, Reject> {
    let mut mender = Mender::default();
    let mut rest = xml;
    while !rest.is_empty() && !mender.is_done {
        let (piece, behind) = Piece::first(rest);
        mender.take(&piece)?;
        rest = behind;
    }
    Ok(Mended {
        stays: mender.stays(),
        text: mender.text,
    })
}

/// What XML is made of.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Cdata(&'a str),
    /// A comment, a processing instruction, a document type.
    Aside,
    /// With its brackets; the last one may be missing at the end of the document.
    Tag(&'a str),
}

impl<'a> Piece<'a> {
    /// The first piece of what is not empty, and the rest.
    fn first(xml: &'a str) -> (Self, &'a str) {
        let until = |end: &str| xml.find(end).map_or(xml.len(), |at| at + end.len());
        let (length, make): (usize, fn(&'a str) -> Self) = if xml.starts_with("<![CDATA[") {
            (until("]]>"), Self::Cdata)
        } else if xml.starts_with("<!--") {
            (until("-->"), |_| Self::Aside)
        } else if xml.starts_with("<?") {
            (until("?>"), |_| Self::Aside)
        } else if xml.starts_with("<!") {
            (document_type_length(xml), |_| Self::Aside)
        } else if begins_tag(xml) {
            (tag_length(xml), Self::Tag)
        } else {
            // The first sign may be a `<` that begins nothing.
            let first = xml.chars().next().map_or(0, char::len_utf8);
            let length = xml[first..].find('<').map_or(xml.len(), |at| first + at);
            (length, Self::Text)
        };
        let (piece, rest) = xml.split_at(length);
        (make(piece), rest)
    }
}

fn begins_tag(xml: &str) -> bool {
    let name = xml.strip_prefix("</").or_else(|| xml.strip_prefix('<'));
    name.is_some_and(|name| name.starts_with(|first: char| first.is_alphabetic() || first == '_'))
}

/// A `>` in a quoted value does not end a tag.
fn tag_length(xml: &str) -> usize {
    let mut quote = None;
    for (at, byte) in xml.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // A quotation that never ends: then it was none.
    xml.find('>').map_or(xml.len(), |at| at + 1)
}

/// With what is declared in its square brackets.
fn document_type_length(xml: &str) -> usize {
    let end = xml.find('>').unwrap_or(xml.len());
    match xml[..end].find('[') {
        Some(open) => {
            let close = xml[open..].find(']').map_or(xml.len(), |at| open + at);
            xml[close..]
                .find('>')
                .map_or(xml.len(), |at| close + at + 1)
        }
        None => xml.len().min(end + 1),
    }
}

#[derive(Debug, Default)]
struct Mender {
    text: String,
    depth: usize,
    root: Root,
    /// The root has ended.
    is_done: bool,
    /// The last tag was this one.
    inside: Inside,
    period: Duration,
    frequency: u32,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Root {
    #[default]
    None,
    /// RSS before its first element.
    RssBegun,
    Rss,
    /// RSS into which a channel was put.
    RssWithoutChannel,
    /// RSS 0.90 or 1.0: items stand beside the channel, not in it.
    Rdf,
    /// Atom 0.3.
    OldAtom,
    Other,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Inside {
    #[default]
    Other,
    Period,
    Frequency,
}

impl Mender {
    fn take(&mut self, piece: &Piece<'_>) -> Result<(), Reject> {
        match piece {
            Piece::Text(text) => {
                self.note(text);
                if self.root != Root::None {
                    self.text.push_str(&escaped(text));
                }
            }
            Piece::Cdata(text) if self.root != Root::None => self.text.push_str(text),
            Piece::Cdata(_) | Piece::Aside => {}
            Piece::Tag(tag) if tag.starts_with("</") => self.close(tag),
            Piece::Tag(tag) => self.open(tag)?,
        }
        Ok(())
    }

    fn open(&mut self, tag: &str) -> Result<(), Reject> {
        let is_empty = tag.ends_with("/>");
        self.inside = match local_name(tag) {
            "updatePeriod" => Inside::Period,
            "updateFrequency" => Inside::Frequency,
            _ => Inside::Other,
        };
        let name = local_name(tag);
        match self.root {
            Root::None => self.open_root(tag),
            Root::RssBegun if name != "channel" => {
                self.root = Root::RssWithoutChannel;
                self.text.push_str("<channel>");
                self.push(tag);
            }
            Root::RssBegun => {
                self.root = Root::Rss;
                self.push(tag);
            }
            // What is in it stands in the channel that was opened with the root.
            Root::Rdf if self.depth == 1 && name == "channel" => {}
            Root::Rdf if self.depth == 1 && name == "item" => {
                self.push(tag);
                let id = attributes(tag).find(|(name, _)| name.ends_with("about"));
                if let Some((_, id)) = id.filter(|_| !is_empty) {
                    self.text
                        .extend(["<guid>", id.trim_matches(['"', '\'']), "</guid>"]);
                }
            }
            _ => self.push(tag),
        }
        self.depth += usize::from(!is_empty);
        if self.depth > DEPTH_MAX {
            return Err(Reject::Depth);
        }
        if self.depth == 0 {
            self.end_root(None);
        }
        Ok(())
    }

    fn close(&mut self, tag: &str) {
        self.inside = Inside::Other;
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            self.end_root(Some(tag));
        } else if !(self.root == Root::Rdf && self.depth == 1 && local_name(tag) == "channel") {
            self.push(tag);
        }
    }

    fn open_root(&mut self, tag: &str) {
        self.root = match local_name(tag) {
            "rss" => Root::RssBegun,
            "RDF" => Root::Rdf,
            "feed" if tag.contains(ATOM_0_3) => Root::OldAtom,
            _ => Root::Other,
        };
        if !matches!(self.root, Root::RssBegun | Root::Rdf) {
            return self.text.push_str(&tag.replace(ATOM_0_3, ATOM));
        }
        self.text
            .extend(["<rss version=\"2.0\" xmlns=\"", RSS, "\""]);
        for (name, value) in attributes(tag) {
            let bare = value.trim_matches(['"', '\'']);
            if name.starts_with("xmlns:") && RSS_TOO.iter().any(|too| bare.starts_with(too)) {
                self.text.extend([" ", name, "=\"", RSS, "\""]);
            } else if name.starts_with("xmlns:") || name.starts_with("xml:") {
                self.text.extend([" ", name, "=", value]);
            }
        }
        self.text.push('>');
        if self.root == Root::Rdf {
            self.text.push_str("<channel>");
        }
    }

    /// Takes a tag, by its name of today.
    fn push(&mut self, tag: &str) {
        let today = match (self.root, local_name(tag)) {
            (Root::OldAtom, "issued" | "created") => "published",
            (Root::OldAtom, "modified") => "updated",
            // Dublin Core, where RSS has a word of its own.
            (Root::Rdf, "language") => "language",
            (Root::Rss | Root::RssWithoutChannel | Root::Rdf, "subject") => "category",
            (Root::OldAtom, _) => {
                let types = [
                    ("application/xhtml+xml", "xhtml"),
                    ("text/html", "html"),
                    ("text/plain", "text"),
                ];
                let tag = types
                    .iter()
                    .fold(tag.to_owned(), |tag, (old, new)| tag.replace(old, new));
                return self.text.push_str(&tag);
            }
            _ => return self.text.push_str(tag),
        };
        let bracket = if tag.starts_with("</") { "</" } else { "<" };
        let behind = tag.find(|sign: char| sign.is_whitespace() || sign == '>');
        let behind = behind.map_or(">", |at| &tag[at..]);
        self.text.extend([bracket, today, behind]);
    }

    /// The root ends, with this tag if it had one.
    fn end_root(&mut self, tag: Option<&str>) {
        self.is_done = self.root != Root::None;
        self.text.push_str(match self.root {
            Root::None => "",
            Root::RssBegun => "<channel></channel></rss>",
            Root::Rss => "</rss>",
            Root::RssWithoutChannel | Root::Rdf => "</channel></rss>",
            Root::OldAtom | Root::Other => tag.unwrap_or_default(),
        });
    }

    /// How often a feed says that it changes (<https://web.resource.org/rss/1.0/modules/syndication/>).
    fn note(&mut self, text: &str) {
        const HOUR: u64 = 60 * 60;
        match self.inside {
            Inside::Other => {}
            Inside::Frequency => self.frequency = text.trim().parse().unwrap_or(0),
            Inside::Period => {
                self.period = Duration::from_secs(match text.trim() {
                    "hourly" => HOUR,
                    "daily" => 24 * HOUR,
                    "weekly" => 7 * 24 * HOUR,
                    "monthly" => 30 * 24 * HOUR,
                    "yearly" => 365 * 24 * HOUR,
                    _ => 0,
                });
            }
        }
    }

    fn stays(&self) -> Duration {
        self.period / self.frequency.max(1)
    }
}

/// The name of a tag without its prefix.
fn local_name(tag: &str) -> &str {
    let name = tag.trim_start_matches(['<', '/']);
    let end = name.find(|sign: char| sign.is_whitespace() || matches!(sign, '>' | '/'));
    let name = &name[..end.unwrap_or(name.len())];
    name.rsplit(':').next().unwrap_or(name)
}

/// Names and quoted values, quotes included.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = tag.find(char::is_whitespace).map_or("", |at| &tag[at..]);
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let quote = behind
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))?;
        let end = behind[1..].find(quote)? + 2;
        rest = &behind[end..];
        Some((name.trim(), &behind[..end]))
    })
}

/// Text in which each `&` begins a reference that can be followed and each `<` is escaped.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<']) {
        escaped.push_str(&rest[..at]);
        let sign = &rest[at..];
        escaped.push_str(if sign.starts_with('<') {
            "&lt;"
        } else if begins_reference(sign) {
            "&"
        } else {
            "&amp;"
        });
        rest = &sign[1..];
    }
    escaped.push_str(rest);
    Cow::Owned(escaped)
}

fn begins_reference(text: &str) -> bool {
    let near = text.as_bytes();
    let near = &near[1..near.len().min(REFERENCE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b';', near) else {
        return false;
    };
    let name = &text[1..=end];
    match name.strip_prefix('#') {
        Some(number) => {
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            number.is_ok_and(|number| number > 0 && char::from_u32(number).is_some())
        }
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mended(xml: &str) -> String {
        mend(xml).expect("not deep").text
    }

    fn rss_2(inside: &str) -> String {
        format!("<rss version=\"2.0\" xmlns=\"{RSS}\">{inside}</rss>")
    }

    #[test]
    fn every_rss_is_read_as_version_2_with_a_channel() {
        for (xml, want) in [
            ("<rss><channel/></rss>", "<channel/>"),
            (
                "<rss version='0.91'><channel>x</channel></rss>",
                "<channel>x</channel>",
            ),
            (
                "<rss version='2.01' xmlns='http://backend.userland.com/rss2'> <channel/></rss>",
                " <channel/>",
            ),
            ("<rss>\n</rss>", "\n<channel></channel>"),
            ("<rss/>", "<channel></channel>"),
            (
                "<rss><item/><item>a</item></rss>",
                "<channel><item/><item>a</item></channel>",
            ),
            ("<rss><channel></channel></rss", "<channel></channel>"),
            (
                "<x:RDF><channel y='z'><title>t</title></channel><item r:about='7'>a</item></x:RDF>",
                "<channel><title>t</title><item r:about='7'><guid>7</guid>a</item></channel>",
            ),
            (
                "<RDF><item><dc:subject>a</dc:subject></item></RDF>",
                "<channel><item><category>a</category></item></channel>",
            ),
        ] {
            assert_eq!(mended(xml), rss_2(want), "{xml}");
        }
        let prefixed = "<r:rss xmlns:r = 'http://backend.userland.com/rss2' xmlns:a='b>c' xml:lang=\"bn\"></r:rss>";
        let names = format!("xmlns:r=\"{RSS}\" xmlns:a='b>c' xml:lang=\"bn\"");
        assert!(mended(prefixed).contains(&names), "{}", mended(prefixed));
    }

    #[test]
    fn nothing_is_defined_and_nothing_stands_before_or_behind_the_root() {
        let xml = "\n<!-- <rss> --><?xml version='1.0'?><!DOCTYPE feed [<!ENTITY x SYSTEM 'file:///etc/passwd'> ]>\
                   junk<feed><!-- in --><a>&x;</a></feed><script>x</script>";
        assert_eq!(mended(xml), "<feed><a>&x;</a></feed>");
        assert_eq!(
            mended("<!DOCTYPE html PUBLIC 'x' 'http://site.invalid/'><feed/>"),
            "<feed/>"
        );
    }

    #[test]
    fn signs_that_should_be_escaped_are() {
        let xml = "<feed>R&D 1 < 2 &nbsp; &amp; &#38; &#x26; &#0; &#xd800; &# & &;<![CDATA[a & b]]></feed>";
        assert_eq!(
            mended(xml),
            "<feed>R&amp;D 1 &lt; 2 &nbsp; &amp; &#38; &#x26; &amp;#0; &amp;#xd800; &amp;# &amp; &amp;;<![CDATA[a & b]]></feed>"
        );
    }

    #[test]
    fn the_names_of_old_atom_become_those_of_today() {
        let xml = "<feed xmlns='http://purl.org/atom/ns#'><content type='text/html'/><issued>x</issued></feed>";
        assert_eq!(
            mended(xml),
            format!("<feed xmlns='{ATOM}'><content type='html'/><published>x</published></feed>")
        );
    }

    #[test]
    fn how_often_a_feed_changes_is_read() {
        let stays = |period: &str, frequency: &str| {
            let xml = format!(
                "<rss><channel><sy:updatePeriod>\n{period}\t</sy:updatePeriod>\
                 <sy:updateFrequency>{frequency}</sy:updateFrequency></channel></rss>"
            );
            mend(&xml).expect("not deep").stays
        };
        assert_eq!(stays("hourly", "1"), Duration::from_hours(1));
        assert_eq!(stays("daily", "4"), Duration::from_hours(6));
        assert_eq!(stays("hourly", "often"), Duration::from_hours(1));
        assert_eq!(stays("sometimes", "1"), Duration::ZERO);
    }

    #[test]
    fn nesting_has_a_cap() {
        let nested = |depth: usize| {
            let (open, close) = ("<a>".repeat(depth), "</a>".repeat(depth));
            format!(
                "<?xml version='1.0'?><!-- <a><a> -->{open}<![CDATA[<a>]]><b/><c x='>'/>{close}"
            )
        };
        assert!(mend(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(mend(&nested(DEPTH_MAX + 1)).unwrap_err(), Reject::Depth);
        assert_eq!(mend(&"<rss>".repeat(200_000)).unwrap_err(), Reject::Depth);
    }

    proptest! {
        #[test]
        fn any_text_is_mended_without_panic_and_not_much_longer(xml in "[<>&;#/!?\\[\\]'\"=a-c \u{995}-]{0,80}") {
            let mended = mend(&xml).expect("not deep").text;
            prop_assert!(mended.len() <= xml.len() * 5 + 100);
        }
    }
}
