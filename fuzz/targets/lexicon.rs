//! A user's additions to the lexicon.
#![no_main]

use std::sync::LazyLock;

use downtrend::hashtag::declared;
use downtrend::lexicon::Lexicon;
use libfuzzer_sys::fuzz_target;

static BUILTIN: LazyLock<Lexicon> = LazyLock::new(Lexicon::builtin);

fuzz_target!(|text: &str| {
    match BUILTIN.clone().with_user(text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(lexicon) => {
            for hashtag in declared(text.lines().next().unwrap_or_default()) {
                lexicon.outage(&hashtag.key);
            }
        }
    }
});
