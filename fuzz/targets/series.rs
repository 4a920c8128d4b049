//! A file of counts for `backtest`.
#![no_main]

use downtrend::backtest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = backtest::fuzzing::read(bytes) {
        assert!(!error.to_string().is_empty());
    }
});
