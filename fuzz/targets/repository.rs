//! A frame of a repository stream: CBOR, blocks and records.
#![no_main]

use downtrend::feed::atproto;
use downtrend::post::Item;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    atproto::fuzzing::read(message, |item| {
        if let Ok(Item::Post(post)) = item {
            assert!(!post.id.is_empty() && post.author.is_some());
        }
    });
});
