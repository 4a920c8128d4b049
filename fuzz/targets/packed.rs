//! Minutes as the database packs them, from one that is damaged: an error, never more than the bytes can hold.
#![no_main]

use downtrend::store::sqlite::fuzzing::unpack;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert!(unpack(bytes) <= 4 * bytes.len());
});
