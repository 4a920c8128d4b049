//! Server-sent events: the same whatever pieces they come in.
#![no_main]

use downtrend::feed::http::events::fuzzing::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece_len, stream)) = bytes.split_first() else {
        return;
    };
    let whole = read(stream, usize::MAX);
    let pieces = read(stream, usize::from(piece_len));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
});
