//! HTML to plain text, as the fediverse writes it.
//!
//! A line ends where a `<br>` stands or a paragraph, list item or quotation closes. Any other tag vanishes without a
//! trace, since a hashtag is written `#<span>cats</span>` and a blank would break it. Entities are decoded once,
//! after the tags are gone: `&lt;b&gt;` is text that shows a tag, not a tag. This is no sanitiser: what comes out is
//! text, and whoever shows it escapes it.

use std::borrow::Cow;

/// The text of an HTML fragment.
pub(in crate::feed) fn to_text(html: &str) -> Cow<'_, str> {
    if !html.contains(['<', '&']) {
        return Cow::Borrowed(html);
    }
    let stripped = strip_tags(html);
    let text = decode(stripped.trim_end_matches('\n'));
    Cow::Owned(text.into_owned())
}

/// Decodes character references, once.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    htmlize::unescape(text)
}

/// [`decode`] for a text that may be owned already.
pub(super) fn decode_cow(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => decode(text),
        Cow::Owned(text) => Cow::Owned(decode(&text).into_owned()),
    }
}

fn strip_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = tag_end(rest) else {
            // A lone `<`, as in "a < b": text.
            text.push('<');
            rest = &rest[1..];
            continue;
        };
        if breaks_line(&rest[..end]) {
            text.push('\n');
        }
        rest = &rest[end..];
    }
    text.push_str(rest);
    text
}

/// The length of the tag or comment that `html` begins with; none if its `<` opens neither.
fn tag_end(html: &str) -> Option<usize> {
    if html.starts_with("<!--") {
        return Some(html.find("-->").map_or(html.len(), |at| at + "-->".len()));
    }
    let opener = *html.as_bytes().get(1)?;
    if !(opener.is_ascii_alphabetic() || matches!(opener, b'/' | b'!' | b'?')) {
        return None;
    }
    // A `>` inside a quoted attribute does not close the tag. A tag that never closes swallows the rest, as in a
    // browser.
    let mut quote = None;
    for (at, byte) in html.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    Some(html.len())
}

fn breaks_line(tag: &str) -> bool {
    let inner = tag.trim_start_matches('<').trim_end_matches('>');
    let name_end = inner
        .bytes()
        .skip(1)
        .position(|byte| byte == b'/' || byte.is_ascii_whitespace())
        .map_or(inner.len(), |at| at + 1);
    let name = &inner[..name_end];
    ["br", "/p", "/li", "/blockquote"]
        .iter()
        .any(|breaking| name.eq_ignore_ascii_case(breaking))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hashtag_survives_the_span_inside_it() {
        let html = r#"<p>down? <a href="https://a.example/tags/x" class="mention hashtag">#<span>হোয়াটসঅ্যাপডাউন</span></a>!</p>"#;
        assert_eq!(to_text(html), "down? #হোয়াটসঅ্যাপডাউন!");
    }

    #[test]
    fn lines_end_at_breaks_paragraphs_items_and_quotations() {
        assert_eq!(
            to_text(
                "<p>a<br>b<br />c<BR/>d</p><ul><li>e</li><li>f</li></ul><blockquote>g</blockquote>h<div>i</div>j"
            ),
            "a\nb\nc\nd\ne\nf\ng\nhij"
        );
    }

    #[test]
    fn entities_are_decoded_once() {
        assert_eq!(
            to_text("<p>&lt;b&gt; &amp;amp; it&#39;s &#x23;x &nbsp;</p>"),
            "<b> &amp; it's #x \u{a0}"
        );
        assert_eq!(decode("R&amp;D &amp;copy;"), "R&D &copy;");
    }

    #[test]
    fn a_greater_sign_in_an_attribute_does_not_close_the_tag() {
        assert_eq!(to_text(r#"<a title="a > b" href='>'>link</a>"#), "link");
        assert_eq!(to_text("x<!-- a > b -->y"), "xy");
    }

    #[test]
    fn a_lone_less_sign_is_text_and_an_open_tag_swallows_the_rest() {
        assert_eq!(to_text("1 < 2 & 3 <3"), "1 < 2 & 3 <3");
        assert_eq!(to_text("cut <a href="), "cut ");
        assert_eq!(to_text("<"), "<");
    }

    #[test]
    fn the_hidden_halves_of_a_link_stay_together() {
        let html = r#"<a href="https://a.example/x#y"><span class="invisible">https://</span><span class="ellipsis">a.example/x</span><span class="invisible">#y</span></a>"#;
        assert_eq!(to_text(html), "https://a.example/x#y");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(html in "[<>&#;/a-z\"'! \u{995}\u{2026}-]{0,60}") {
            to_text(&html);
        }
    }
}
