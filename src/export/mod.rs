//! Timelines as bytes, one file a format: the same timelines give the same bytes.
//!
//! A format is a head, parts and a tail, so that nobody need hold a whole export in memory.
//! Adding a format is one file and one row of [`FORMATS`].

mod csv;
mod json;
mod ndjson;

use crate::view::timeline::{Bucket, Timeline};

/// A way to write timelines.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// As `--format` takes it.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What stands before everything.
    pub head: fn(Options) -> Vec<u8>,
    /// A part of a timeline.
    pub part: fn(&Timeline, Options, Place) -> Vec<u8>,
    /// What stands after everything.
    pub tail: fn() -> Vec<u8>,
}

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing was written before it but the head.
    First,
    /// Buckets stand before it.
    Later,
}

/// Nothing.
fn nothing() -> Vec<u8> {
    Vec::new()
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Width of a bucket.
    pub bucket_minutes: u32,
    /// Leave cells as they are that a spreadsheet would run as a formula.
    pub raw: bool,
}

/// Every format.
pub const FORMATS: &[Format] = &[csv::FORMAT, json::FORMAT, ndjson::FORMAT];

/// One bucket of one hashtag, with the names that every format uses.
#[derive(Debug, serde::Serialize)]
struct Row<'a> {
    hashtag: &'a str,
    bucket_start: String,
    uses: Option<u64>,
    authors: Option<u64>,
    expected: Option<f64>,
    growth: Option<f64>,
    score: Option<f64>,
    state: Option<&'static str>,
    coverage: f64,
}

impl<'a> Row<'a> {
    fn of(timeline: &'a Timeline, bucket: &Bucket) -> Self {
        let figures = bucket.figures.as_ref();
        Self {
            hashtag: &timeline.name.key,
            bucket_start: bucket.start.to_string(),
            uses: figures.map(|figures| figures.uses),
            authors: figures.and_then(|figures| figures.authors),
            expected: figures.and_then(|figures| figures.expected).map(rounded),
            growth: figures.and_then(|figures| figures.growth).map(rounded),
            score: figures.and_then(|figures| figures.score).map(rounded),
            state: figures.map(|figures| figures.state.name()),
            coverage: rounded(bucket.coverage),
        }
    }
}

fn rows(timeline: &Timeline) -> impl Iterator<Item = Row<'_>> {
    timeline
        .buckets
        .iter()
        .map(|bucket| Row::of(timeline, bucket))
}

/// To a thousandth: finer than any of the figures is certain, and short to read.
pub fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
