//! Hashtags in a text, and one that is declared: what is folded once stays as it is.
#![no_main]

use downtrend::hashtag::{Hashtag, declared, extract, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut end = 0;
    for span in scan(text) {
        assert!(end <= span.start && span.start < span.end, "from left to right, one after the other");
        assert!(text.get(span.clone()).is_some(), "whole letters");
        end = span.end;
    }
    for hashtag in extract(text).into_iter().chain(declared(text)) {
        assert!(!hashtag.key.is_empty() && !hashtag.label.is_empty());
        assert_eq!(Hashtag::from_label(&hashtag.key).key, hashtag.key);
    }
});
