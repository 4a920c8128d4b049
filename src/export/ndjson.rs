//! A JSON object a bucket, a line each.

use super::{Format, Options, Place, nothing, rows};
use crate::view::timeline::Timeline;

pub(super) const FORMAT: Format = Format {
    name: "ndjson",
    about: "a JSON object a line",
    head: |_| nothing(),
    part,
    tail: nothing,
};

fn part(timeline: &Timeline, _: Options, _: Place) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows(timeline) {
        serde_json::to_writer(&mut bytes, &row).expect("memory does not fail");
        bytes.push(b'\n');
    }
    bytes
}
