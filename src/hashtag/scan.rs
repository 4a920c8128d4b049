//! Finds the hashtags of a text.
//!
//! For every sign, left to right: is it inside a URL, does a letter stand right before it, what is the longest body
//! after it, and does its key hold a letter. A label keeps its marks, joiners and digits as written; emoji and
//! punctuation end it. Too long a label is dropped whole, never cut. The time is linear in the text: a body holds no
//! sign, and every stretch between two signs is looked at once. The grammar as plain regular expressions is the
//! oracle in the tests: `the_scan_finds_what_the_grammar_finds`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use unicode_segmentation::UnicodeSegmentation as _;

use super::class::{ClassSet, Classes};
use super::fold::fold;

/// Extended grapheme clusters in a label at most: what a person sees as 64 characters.
const LABEL_GRAPHEMES_MAX: usize = 64;

/// Bytes in a label at most: ten a cluster, room for every script and none for towers of combining marks.
const LABEL_BYTES_MAX: usize = 640;

const ZWJ: char = '\u{200D}';

/// The byte ranges of the labels in `text`, without their signs, in order, repeats included.
pub fn scan(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    Scan {
        text,
        classes: Classes::table(),
        at: 0,
        last_sign_end: 0,
        in_url: false,
        last_tag_end: None,
    }
}

/// A walk over the signs of a text.
struct Scan<'t> {
    text: &'t str,
    classes: &'static Classes,
    /// Where to look for the next sign.
    at: usize,
    /// The end of the last sign, whether or not it began a hashtag.
    last_sign_end: usize,
    /// The last sign was inside a URL.
    in_url: bool,
    /// The end of the last hashtag: a sign right there begins another one.
    last_tag_end: Option<usize>,
}

impl Iterator for Scan<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let sign = next_sign(self.text, self.at)?;
            self.at = sign.end;
            self.follow_url(&sign);
            if self.in_url || self.is_blocked(sign.start) {
                continue;
            }
            let rest = &self.text[sign.end..];
            let body_len = body(rest, self.classes);
            self.at = sign.end + body_len;
            let label = without_scheme(&rest[..body_len], &rest[body_len..], self.classes);
            if is_short(label) && has_letter(label, self.classes) {
                let end = sign.end + label.len();
                self.last_tag_end = Some(end);
                return Some(sign.end..end);
            }
        }
    }
}

impl Scan<'_> {
    /// Learns whether `sign` is inside a URL.
    ///
    /// A URL ends where a gap begins, and no head of a URL holds a sign or a gap. So a sign is inside a URL when a
    /// head stands between the last gap and the sign; and what lies before the sign before has been searched.
    fn follow_url(&mut self, sign: &Range<usize>) {
        static HEAD: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(
                r"(?x) [A-Za-z][A-Za-z0-9+.\-]*://
                     | [Ww]{3}\.[A-Za-z0-9]
                     | (?:[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}(?::[0-9]+)?[/?]",
            )
            .expect("a constant, run by every test")
        });
        let between = &self.text[self.last_sign_end..sign.start];
        let is_gap = |c: char| self.classes.of(c).meets(ClassSet::GAP);
        let unbroken = match between.char_indices().rfind(|&(_, c)| is_gap(c)) {
            Some((gap, c)) => {
                self.in_url = false;
                &between[gap + c.len_utf8()..]
            }
            None => between,
        };
        if !self.in_url {
            // Every head has a dot or a slash; most texts have neither before a sign.
            self.in_url = memchr::memchr2(b'.', b'/', unbroken.as_bytes()).is_some()
                && HEAD.is_match(unbroken);
        }
        self.last_sign_end = sign.end;
    }

    /// Whether a character right before the sign makes it no sign, as in `C#` or `foo#bar`.
    fn is_blocked(&self, sign: usize) -> bool {
        let before = self.text[..sign].chars().next_back();
        self.last_tag_end != Some(sign)
            && before.is_some_and(|c| self.classes.of(c).meets(ClassSet::BLOCK))
    }
}

/// The next `#`, `＃` (U+FF03) or `﹟` (U+FE5F) from `from` on.
fn next_sign(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // Both wide signs begin with the byte EF.
    for hit in memchr::memchr2_iter(b'#', 0xEF, &bytes[from..]) {
        let start = from + hit;
        match bytes[start..] {
            [b'#', ..] => return Some(start..start + 1),
            [0xEF, 0xBC, 0x83, ..] | [0xEF, 0xB9, 0x9F, ..] => return Some(start..start + 3),
            _ => {}
        }
    }
    None
}

/// Bytes of the longest body that `text` begins with; 0 for none. Of the grammar:
/// `WORD (?:VJ|CONT)* (?: SEP (?:VJ|CONT)+ )*`, a joiner run counting as one `SEP`.
fn body(text: &str, classes: &Classes) -> usize {
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else {
        return 0;
    };
    if !classes.of(first).meets(ClassSet::WORD) {
        return 0;
    }
    let mut end = first.len_utf8();
    let mut before = classes.of(first);
    for (at, c) in chars {
        let class = classes.of(c);
        let conjoins = c == ZWJ && before.meets(ClassSet::VIRAMA);
        if class.meets(ClassSet::CONT) || conjoins {
            end = at + c.len_utf8();
        } else {
            let after_word = at == end;
            let goes_on_joining = class.meets(ClassSet::JOINER) && before.meets(ClassSet::JOINER);
            let separates = class.meets(ClassSet::SEP.or(ClassSet::JOINER)) && after_word;
            if !(separates || goes_on_joining) {
                break;
            }
        }
        before = class;
    }
    end
}

/// `label` less the scheme of a URL that is glued to it, as in `#downhttps://example.com`.
fn without_scheme<'t>(label: &'t str, after: &str, classes: &Classes) -> &'t str {
    if !after.starts_with("://") {
        return label;
    }
    let scheme = ["https", "http"].into_iter().find(|scheme| {
        let from = label.len().checked_sub(scheme.len());
        from.and_then(|from| label.get(from..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(scheme))
    });
    match scheme {
        Some(scheme) => {
            let rest = &label[..label.len() - scheme.len()];
            &rest[..body(rest, classes)]
        }
        None => label,
    }
}

/// Whether a label keeps to the two limits.
fn is_short(label: &str) -> bool {
    label.len() <= LABEL_GRAPHEMES_MAX
        || label.len() <= LABEL_BYTES_MAX
            && label.graphemes(true).nth(LABEL_GRAPHEMES_MAX).is_none()
}

/// Whether the key of a label holds a letter: digits, `_`, tatweel and invisible letters alone are no hashtag.
fn has_letter(label: &str, classes: &Classes) -> bool {
    label
        .chars()
        .any(|c| classes.of(c).meets(ClassSet::LASTING))
        || fold(label)
            .chars()
            .any(|c| classes.of(c).meets(ClassSet::LETTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGN: &str = r"[#\u{FF03}\u{FE5F}]";
    const WORD: &str = r"[\p{L}\p{Nl}\p{Nd}\p{Pc}]";
    const CONT: &str = r"[[\p{L}\p{Nl}\p{Nd}\p{Pc}\p{Mn}\p{Mc}\u{5F3}\u{F0B}\u{F0C}\u{3003}\u{309B}\u{309C}]--[\u{FE0E}\u{FE0F}]]";
    const VJ: &str =
        r"[\u{94D}\u{9CD}\u{A4D}\u{ACD}\u{B4D}\u{BCD}\u{C4D}\u{CCD}\u{D4D}\u{DCA}]\u{200D}";
    const SEP: &str = r"(?:[\u{B7}\u{387}\u{55B}\u{55C}\u{55E}\u{5BE}\u{5F4}\u{301C}\u{30A0}\u{30FB}\u{FF5E}\u{FF65}]|[\u{200C}\u{200D}]+)";
    const BLOCK: &str = r"[[\p{L}\p{Nl}\p{Nd}\p{Pc}\p{Mn}\p{Mc}&]--[\u{FE0E}\u{FE0F}]]";
    const URL: &str = concat!(
        r"(?:[A-Za-z][A-Za-z0-9+.\-]*://|[Ww]{3}\.[A-Za-z0-9]|(?:[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}(?::[0-9]+)?[/?])",
        r#"[^\s<>"\u{201C}\u{201D}\u{3000}-\u{3003}\u{3008}-\u{3011}\u{FF01}\u{FF08}\u{FF09}\u{FF0C}\u{FF1F}]*"#,
    );

    /// The specification, taken literally and slowly.
    struct Grammar {
        sign: Regex,
        body: Regex,
        block: Regex,
        url: Regex,
        scheme: Regex,
        letter: Regex,
    }

    impl Grammar {
        fn new() -> Self {
            let compile = |pattern: &str| Regex::new(pattern).expect("the grammar compiles");
            Self {
                sign: compile(SIGN),
                body: compile(&format!(
                    r"\A{WORD}(?:{VJ}|{CONT})*(?:{SEP}(?:{VJ}|{CONT})+)*"
                )),
                block: compile(&format!(r"{BLOCK}\z")),
                url: compile(URL),
                scheme: compile(r"(?i-u:https?)\z"),
                letter: compile(r"\p{L}"),
            }
        }

        fn scan(&self, text: &str) -> Vec<Range<usize>> {
            let urls: Vec<Range<usize>> = self.url.find_iter(text).map(|url| url.range()).collect();
            let mut found: Vec<Range<usize>> = Vec::new();
            for sign in self.sign.find_iter(text) {
                let chained = found.last().is_some_and(|last| last.end == sign.start());
                let blocked = self.block.is_match(&text[..sign.start()]) && !chained;
                let in_url = urls.iter().any(|url| url.contains(&sign.start()));
                let rest = &text[sign.end()..];
                if let (false, false, Some(label)) = (blocked, in_url, self.label(rest)) {
                    found.push(sign.end()..sign.end() + label.len());
                }
            }
            found
        }

        fn label<'t>(&self, rest: &'t str) -> Option<&'t str> {
            let mut label = self.body.find(rest)?.as_str();
            if rest[label.len()..].starts_with("://")
                && let Some(scheme) = self.scheme.find(label)
            {
                label = self.body.find(&label[..scheme.start()])?.as_str();
            }
            let short = label.len() <= 640 && label.graphemes(true).count() <= 64;
            (short && self.letter.is_match(&fold(label))).then_some(label)
        }
    }

    /// Text made of what the grammar turns on.
    fn knotty_text() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "#",
            "#",
            "#",
            "\u{FF03}",
            "\u{FE5F}",
            " ",
            "a",
            "B",
            "9",
            "_",
            "&",
            ".",
            "/",
            "://",
            "http",
            "HTTPS",
            "www.",
            "?",
            ":",
            "-",
            "com",
            "e.co/",
            "x.org:80?",
            "\u{9CD}",
            "\u{94D}",
            "\u{DCA}",
            "\u{200D}",
            "\u{200C}",
            "\u{200B}",
            "ক",
            "ি",
            "ড",
            "\u{B7}",
            "\u{387}",
            "\u{30FB}",
            "\u{FF65}",
            "\u{5F3}",
            "\u{5F4}",
            "\u{FE0F}",
            "\u{20E3}",
            "\u{640}",
            "\u{64E}",
            "\u{3164}",
            "\u{3007}",
            "٣",
            "Ⅷ",
            "𝟙",
            "½",
            "。",
            "、",
            "\u{3000}",
            "\u{201C}",
            "<",
            "障",
            "é",
            "e\u{301}",
            "ı",
            "\u{E33}",
            "\u{37A}",
            "😡",
            "\n",
        ]);
        let any_char = any::<char>().prop_map(String::from);
        let piece = prop_oneof![9 => pieces.prop_map(String::from), 1 => any_char];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    fn labels(text: &str) -> Vec<&str> {
        scan(text).map(|span| &text[span]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn the_scan_finds_what_the_grammar_finds(text in knotty_text()) {
            static GRAMMAR: LazyLock<Grammar> = LazyLock::new(Grammar::new);
            prop_assert_eq!(scan(&text).collect::<Vec<_>>(), GRAMMAR.scan(&text));
        }

        #[test]
        fn spans_are_in_order_and_begin_after_a_sign(text in prop_oneof![knotty_text(), any::<String>()]) {
            let mut end = 0;
            for span in scan(&text) {
                prop_assert!(text.get(span.clone()).is_some_and(|label| !label.is_empty()));
                prop_assert!(span.start > end || end == 0);
                let after_sign = text[..span.start].ends_with(['#', '\u{FF03}', '\u{FE5F}']);
                prop_assert!(after_sign);
                end = span.end;
            }
        }
    }

    #[test]
    fn a_lasting_letter_leaves_a_letter_in_the_key() {
        let classes = Classes::table();
        for c in ('\0'..=char::MAX).filter(|&c| classes.of(c).meets(ClassSet::LASTING)) {
            for label in [
                format!("{c}"),
                format!("1{c}"),
                format!("{c}\u{301}"),
                format!("i{c}\u{64E}"),
            ] {
                let key = fold(&label);
                assert!(
                    key.chars().any(|k| classes.of(k).meets(ClassSet::LETTER)),
                    "{label:?} {key:?}"
                );
            }
        }
    }

    #[test]
    fn a_chain_opens_only_after_a_hashtag() {
        assert_eq!(labels("#a#b"), ["a", "b"]);
        assert!(labels("#1#b foo#bar").is_empty());
    }

    #[test]
    fn a_text_without_a_sign_gives_nothing() {
        assert!(labels("no sign here, ！ nor a wide one").is_empty());
    }

    #[test]
    fn a_sign_in_the_second_part_of_a_url_is_still_in_it() {
        assert_eq!(labels("https://e.org/#a/#b \u{3001}#c"), ["c"]);
    }

    #[test]
    fn a_label_too_long_is_dropped_whole_and_hides_nothing() {
        let long = "a".repeat(65);
        assert_eq!(labels(&format!("#{long} #b")), ["b"]);
        assert!(labels(&format!("#{long}#b")).is_empty());
        let tower = format!("a{}", "\u{301}".repeat(320));
        assert!(labels(&format!("#{tower}")).is_empty());
    }
}
