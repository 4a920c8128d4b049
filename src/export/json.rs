//! One JSON object: `{"bucket_ms", "rows": [...]}`, a row as in NDJSON.

use super::{Format, Options, Place, rows};
use crate::view::timeline::Timeline;

pub(super) const FORMAT: Format = Format {
    name: "json",
    about: "one JSON object",
    head,
    part,
    tail: || b"]}\n".to_vec(),
};

const MINUTE_MS: u64 = 60_000;

fn head(options: Options) -> Vec<u8> {
    let bucket_ms = u64::from(options.bucket_minutes) * MINUTE_MS;
    format!("{{\"bucket_ms\":{bucket_ms},\"rows\":[").into_bytes()
}

fn part(timeline: &Timeline, _: Options, place: Place) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows(timeline) {
        if place == Place::Later || !bytes.is_empty() {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, &row).expect("memory does not fail");
    }
    bytes
}
