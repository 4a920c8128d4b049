//! A line or a whole document of posts, of any service: at least one thing is read from it, and a post is counted.
#![no_main]

use downtrend::feed::format;
use downtrend::post::{HASHTAGS_A_POST_MAX, Identity, Item};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut items = Vec::new();
    format::read(bytes, &mut items);
    assert!(!items.is_empty(), "what was read is counted");
    let identity = Identity::new([7; 16]);
    for item in items {
        if let Ok(Item::Post(post)) = item {
            let post = post.anonymise(&identity);
            assert!(post.hashtags.len() <= HASHTAGS_A_POST_MAX);
        }
    }
});
