//! Times as people and services write them: what is printed is read as the same instant.
#![no_main]

use downtrend::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (i64, &str)| {
    let (number, text) = input;
    let times = [
        text.parse().ok(),
        Timestamp::from_millis(number).ok(),
        Timestamp::from_unix(number).ok(),
    ];
    for time in times.into_iter().flatten() {
        assert!((Timestamp::FIRST..=Timestamp::LAST).contains(&time));
        assert_eq!(time.to_string().parse(), Ok(time));
        assert!(time.minute().start() <= time);
    }
});
