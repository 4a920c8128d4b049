//! RSS, Atom or JSON Feed, in any encoding: entries from the oldest to the newest, none of them from the future of
//! what can be.
#![no_main]

use downtrend::feed::syndication::page::parse;
use downtrend::time::Timestamp;
use libfuzzer_sys::fuzz_target;

const CHARSETS: [Option<&str>; 4] = [None, Some("utf-8"), Some("iso-8859-1"), Some("utf-16le")];

fuzz_target!(|input: (u8, &[u8])| {
    let (charset, bytes) = input;
    let charset = CHARSETS[usize::from(charset) % CHARSETS.len()];
    let now: Timestamp = "2026-11-22T07:00:00Z".parse().expect("a time");
    if let Ok(page) = parse(bytes, charset, "example.org", now) {
        assert!(page.entries.is_sorted_by_key(|entry| entry.post.at));
        for entry in &page.entries {
            assert!(!entry.post.id.is_empty());
            entry.post.hashtags();
        }
    }
});
