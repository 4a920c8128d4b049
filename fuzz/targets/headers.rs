//! What the headers of a 429 or 503 ask for: a time that is neither past nor farther than the cap.
#![no_main]

use downtrend::feed::http::fuzzing::told;
use downtrend::time::Timestamp;
use libfuzzer_sys::fuzz_target;

const HOUR_MS: i64 = 3_600_000;
const NAMES: [&str; 3] = ["retry-after", "x-ratelimit-reset", "ratelimit-reset"];

fuzz_target!(|input: (u8, i64, &str)| {
    let (name, now, value) = input;
    let Ok(now) = Timestamp::from_millis(now) else { return };
    if let Some(until) = told(NAMES[usize::from(name) % NAMES.len()], value, now) {
        assert!(until == Timestamp::LAST || until > now);
        assert!(until.as_millis() - now.as_millis() <= HOUR_MS);
    }
});
