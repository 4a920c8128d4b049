//! A status page: rows from the oldest to the newest, each with the ids it is known by.
#![no_main]

use downtrend::feed::status::page::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(page) = parse(bytes, |_| None) {
        assert!(page.officials.is_sorted_by_key(|official| official.at));
        for official in &page.officials {
            assert!(!official.page_id.is_empty() && !official.incident_id.is_empty());
        }
    }
});
