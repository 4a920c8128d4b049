//! Hashtags: text in, hashtags out, in every script.
//!
//! [`scan`] finds the labels of a text, as people wrote them; [`fold`] gives the key under which one is counted;
//! [`extract`] does both. The grammar decides everything about what a hashtag is (letters before the sign, URLs,
//! length, that there is a letter at all), so whoever gets a label need not look again. Repeats are all reported:
//! counting once a post is the counter's business.
//! `data/hashtags/*.tsv` has a case for every rule and every choice, with its reason.

mod class;
mod fold;
mod scan;

pub use self::fold::fold;
pub use self::scan::scan;

/// A hashtag: what people see and what is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hashtag {
    /// The spelling as written, without its sign.
    pub label: String,
    /// The folded form: one for every way to type one spelling.
    pub key: String,
}

impl Hashtag {
    /// Folds a label that [`scan`] found.
    pub fn from_label(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            key: fold(label),
        }
    }
}

/// The hashtags of `text`, in order, repeats included.
pub fn extract(text: &str) -> Vec<Hashtag> {
    scan(text)
        .map(|span| Hashtag::from_label(&text[span]))
        .collect()
}

/// The hashtags in a tag that came as data, read as the text `#tag`: mostly one, none for `123`, two for `a#b`.
pub fn declared(tag: &str) -> Vec<Hashtag> {
    extract(&format!("#{}", tag.trim_start_matches(SIGNS)))
}

/// The signs that may begin a hashtag: number sign, fullwidth and small number sign.
pub(crate) const SIGNS: [char; 3] = ['#', '\u{FF03}', '\u{FE5F}'];
