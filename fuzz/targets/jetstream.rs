//! A frame of Jetstream: the envelope for the cursor, the post in it for the counts. What moves the cursor is JSON.
#![no_main]

use downtrend::feed::{bluesky, format};
use downtrend::post::Item;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fuzz_target!(|frame: &[u8]| {
    if bluesky::fuzzing::has_place(frame) {
        assert!(serde_json::from_slice::<IgnoredAny>(frame).is_ok());
    }
    let mut items = Vec::new();
    format::read(frame, &mut items);
    for item in items {
        if let Ok(Item::Post(post)) = item {
            assert!(!post.id.is_empty());
        }
    }
});
