//! Hashtags: text in, hashtags out (being built).

use std::ops::Range;

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
            key: label.to_lowercase(),
        }
    }
}

/// The byte ranges of the labels in `text`, in order, repeats included.
pub fn scan(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let _ = text;
    std::iter::empty()
}

/// The hashtags in a tag that came as data, read as the text `#tag`.
pub fn declared(tag: &str) -> Vec<Hashtag> {
    let _ = tag;
    Vec::new()
}
