//! `downtrend.toml`, whatever is in it.
#![no_main]

use std::path::PathBuf;

use downtrend::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = PathBuf::from(format!("/tmp/downtrend-fuzz-{}.toml", std::process::id()));
    std::fs::write(&file, text).expect("a file of ours");
    if let Err(error) = Config::load(Some(&file), &[], &|_| None) {
        assert!(!error.to_string().is_empty());
    }
});
