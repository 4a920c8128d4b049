//! The letters of a feed, out of its bytes.
//!
//! What the byte order mark says, else the zeros beside the first sign, else the server, else the XML declaration
//! (RFC 7303). Servers and declarations are often wrong: the first of these by which every byte is a letter is
//! believed, and if none is, the bytes are taken as the one that browsers take them for.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Decodes a feed; `charset` is what its server says.
pub(super) fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    let mut text = utf_32(bytes).unwrap_or_else(|| by_labels(bytes, charset));
    // No feed may hold zeros, and some do.
    text.retain(|letter| letter != '\0');
    text
}

fn by_labels(bytes: &[u8], charset: Option<&str>) -> String {
    let marked = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let said = [
        marked.or_else(|| two_bytes_a_letter(bytes)),
        charset.and_then(labelled),
        declared(bytes).and_then(labelled),
        Some(UTF_8),
    ];
    let mut candidates = said
        .into_iter()
        .flatten()
        // One byte a letter, as can be seen, is not UTF-16, whatever is said.
        .filter(|encoding| encoding.is_ascii_compatible() || bytes.contains(&0));
    candidates
        .find_map(|encoding| {
            let (rest, _) = without_mark(bytes, encoding);
            encoding.decode_without_bom_handling_and_without_replacement(rest)
        })
        .unwrap_or_else(|| marked.unwrap_or(WINDOWS_1252).decode(bytes).0)
        .into_owned()
}

fn without_mark<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> (&'a [u8], bool) {
    match Encoding::for_bom(bytes) {
        Some((marked, length)) if marked == encoding => (&bytes[length..], true),
        _ => (bytes, false),
    }
}

/// An encoding by its name. Who says ASCII and writes more means UTF-8, not the Latin letters of the standard's table.
fn labelled(label: &str) -> Option<&'static Encoding> {
    let label = label.trim();
    if label.eq_ignore_ascii_case("us-ascii") || label.eq_ignore_ascii_case("ascii") {
        return Some(UTF_8);
    }
    // Python's way to write it.
    Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(label.replace('_', "-").as_bytes()))
}

/// UTF-16 without a mark, known by the zero beside the first bracket.
fn two_bytes_a_letter(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<' | b'{', 0, ..] => Some(UTF_16LE),
        [0, b'<' | b'{', ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// UTF-32, with a mark or known by the zeros beside the first bracket. The web has given it up; old feeds have not.
fn utf_32(bytes: &[u8]) -> Option<String> {
    let number: fn([u8; 4]) -> u32 = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [b'<' | b'{', 0, 0, 0, ..] => u32::from_le_bytes,
        [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, b'<' | b'{', ..] => u32::from_be_bytes,
        _ => return None,
    };
    let (letters, _) = bytes.as_chunks::<4>();
    let letters = letters.iter().map(|letter| number(*letter));
    Some(
        letters
            .map(|letter| char::from_u32(letter).unwrap_or(char::REPLACEMENT_CHARACTER))
            .filter(|letter| *letter != '\u{feff}')
            .collect(),
    )
}

/// The encoding in the XML declaration, which is written in ASCII.
fn declared(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let declaration = bytes.trim_ascii_start().strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(declaration, b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value
        .chars()
        .next()
        .filter(|letter| matches!(letter, '"' | '\''))?;
    value[1..].split(quote).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latin(text: &str) -> Vec<u8> {
        WINDOWS_1252.encode(text).0.into_owned()
    }

    fn wide<const N: usize>(text: &str, bytes: impl Fn(char) -> [u8; N]) -> Vec<u8> {
        text.chars().flat_map(bytes).collect()
    }

    fn utf_16(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    const TEXT: &str = "<rss>über</rss>";

    fn declares(name: &str) -> String {
        format!("<?xml version='1.0' encoding='{name}'?>{TEXT}")
    }

    #[test]
    fn the_mark_goes_before_the_server_and_the_server_before_the_declaration() {
        for (bytes, charset) in [
            (declares("utf-8").into_bytes(), None),
            (TEXT.as_bytes().to_vec(), None),
            (latin(&declares("iso-8859-1")), None),
            (latin(&declares("utf-8")), Some("iso-8859-1")),
            (
                format!("\u{feff}{}", declares("koi8-r")).into_bytes(),
                Some("koi8-r"),
            ),
            (utf_16(&declares("utf-16"), u16::to_le_bytes), None),
            (utf_16(&declares("utf-16"), u16::to_be_bytes), Some("utf-8")),
            (utf_16(&format!("\u{feff}{TEXT}"), u16::to_be_bytes), None),
            (wide(TEXT, |c| (c as u32).to_le_bytes()), Some("utf-32")),
            (
                wide(&format!("\u{feff}{TEXT}"), |c| (c as u32).to_be_bytes()),
                None,
            ),
        ] {
            let text = decode(&bytes, charset);
            assert!(text.ends_with(TEXT), "{charset:?} {bytes:?}: {text}");
        }
    }

    #[test]
    fn a_label_that_cannot_be_true_is_not_believed() {
        for (bytes, charset) in [
            // Says UTF-16, and has one byte a letter.
            (declares("utf-16").into_bytes(), None),
            // The server's default is wrong, the declaration is right, and the other way round.
            (latin(&declares("iso-8859-1")), Some("utf-8")),
            (declares("utf-8").into_bytes(), Some("us-ascii")),
            (declares("us-ascii").into_bytes(), None),
            (declares("bogus").into_bytes(), Some("bogus")),
            // Both are wrong.
            (latin(&declares("utf-8")), Some("utf-8")),
            (latin(TEXT), None),
        ] {
            let text = decode(&bytes, charset);
            assert!(text.ends_with(TEXT), "{charset:?} {bytes:?}: {text}");
        }
    }

    #[test]
    fn zeros_are_left_out() {
        assert_eq!(decode(b"<rss>a\0b", None), "<rss>ab");
    }
}
