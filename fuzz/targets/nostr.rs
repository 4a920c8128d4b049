//! A message of a relay: nothing that was made up passes for what somebody signed.
#![no_main]

use downtrend::feed::{format, nostr};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    assert!(!nostr::fuzzing::brings_genuine_event(frame));
    let mut items = Vec::new();
    format::read(frame, &mut items);
});
