//! One JSON object: `{"bucket_ms", "rows": [...]}`, a row as in NDJSON.

use serde::Serialize;

use super::{Format, Options, Row, rows};
use crate::view::timeline::Timeline;

pub(super) const FORMAT: Format = Format {
    name: "json",
    about: "one JSON object",
    write,
};

const MINUTE_MS: u64 = 60_000;

#[derive(Serialize)]
struct Document<'a> {
    bucket_ms: u64,
    rows: Vec<Row<'a>>,
}

fn write(timelines: &[Timeline], options: Options) -> Vec<u8> {
    let document = Document {
        bucket_ms: u64::from(options.bucket_minutes) * MINUTE_MS,
        rows: rows(timelines).collect(),
    };
    let mut bytes = serde_json::to_vec(&document).expect("memory does not fail");
    bytes.push(b'\n');
    bytes
}
