//! The options of every kind of feed, as TOML.
#![no_main]

use downtrend::feed::{Asked, KINDS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(table) = text.parse::<toml::Table>() else { return };
    for kind in KINDS {
        let Some(open) = kind.open else { continue };
        match open(Asked::Table(table.clone())) {
            Ok(feed) => assert!(feed.name.starts_with(kind.name)),
            Err(why) => assert!(!why.is_empty()),
        }
    }
});
