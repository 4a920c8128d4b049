//! The cursor of every kind of live feed, as a database might hold it that somebody else has written.
#![no_main]

use downtrend::feed::file::Context;
use downtrend::feed::{Asked, KINDS};
use downtrend::post::{Cursor, Identity};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &str| {
    let cursor = Cursor::Token(token.to_owned());
    for kind in KINDS {
        let Some(open) = kind.open else { continue };
        // Each kind takes one of these.
        for url in ["", "https://example.org/", "wss://example.org/"] {
            let Ok(feed) = open(Asked::Url(url.to_owned())) else { continue };
            let context = Context { identity: Identity::new([7; 16]) };
            if let Err(why) = (feed.start)(context, Some(&cursor)) {
                assert!(!why.is_empty());
            }
        }
    }
});
