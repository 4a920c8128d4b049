//! The body of an HTTP answer, packed or not, in pieces as the wire cuts it: never more comes out than the cap.
#![no_main]

use downtrend::feed::http::fuzzing::body;
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: usize = 1 << 20;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (encoding, piece_bytes, bytes) = input;
    let encoding = [None, Some("gzip"), Some("zstd"), Some("identity")][usize::from(encoding % 4)];
    let pieces = bytes.chunks(usize::from(piece_bytes).max(1));
    if let Ok(whole) = body(encoding, BYTES_MAX, pieces) {
        assert!(whole.len() <= BYTES_MAX);
    }
});
