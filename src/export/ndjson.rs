//! A JSON object a bucket, a line each.

use super::{Format, Options, rows};
use crate::view::timeline::Timeline;

pub(super) const FORMAT: Format = Format {
    name: "ndjson",
    about: "a JSON object a line",
    write,
};

fn write(timelines: &[Timeline], _: Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows(timelines) {
        serde_json::to_writer(&mut bytes, &row).expect("memory does not fail");
        bytes.push(b'\n');
    }
    bytes
}
