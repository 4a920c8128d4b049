//! What a run says at its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::super::spikes::draw;
use super::super::{Error, Global, Out, program};
use super::asked::Running;
use crate::config::Config;
use crate::pipeline::{FeedSummary, Summary};
use crate::post::Reject;
use crate::store::Ledger;
use crate::store::sqlite::Sqlite;
use crate::time::Minute;
use crate::view::spikes::SpikeView;
use crate::view::table::{grouped, local_long, plain};

/// Heard minutes without which there is no baseline: see `docs/detector.md`.
const BASELINE_MINUTES: u32 = 120;
/// From this share of late posts on, a file is called out of order.
const LATE_SHARE_MAX: f64 = 0.01;

#[derive(Serialize)]
pub(super) struct Shown<'a> {
    posts_read: u64,
    posts_counted: u64,
    duplicates: u64,
    late: u64,
    skipped: u64,
    rejected: BTreeMap<&'static str, u64>,
    hashtag_uses: u64,
    hashtags: u64,
    first_post: Option<String>,
    last_post: Option<String>,
    watermark: Option<String>,
    spikes_opened: u64,
    elapsed_ms: u64,
    feeds: Vec<ShownFeed<'a>>,
}

#[derive(Serialize)]
struct ShownFeed<'a> {
    name: &'a str,
    kind: &'static str,
    posts_read: u64,
    posts_counted: u64,
    duplicates: u64,
    late: u64,
    skipped: u64,
    rejected: BTreeMap<&'static str, u64>,
    complete: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn of(summary: &Summary, feeds: &'a [Running], started: Instant) -> Self {
        let total = total(summary);
        Self {
            posts_read: total.read(),
            posts_counted: total.counted,
            duplicates: total.duplicates,
            late: total.late,
            skipped: total.skipped,
            rejected: named(&total.rejected),
            hashtag_uses: summary.hashtag_uses,
            hashtags: summary.hashtags(),
            first_post: summary.first_post.map(|at| at.to_string()),
            last_post: summary.last_post.map(|at| at.to_string()),
            watermark: summary.watermark.map(|minute| minute.to_string()),
            spikes_opened: summary.spikes_opened(),
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            feeds: feeds
                .iter()
                .map(|running| ShownFeed::of(summary, running))
                .collect(),
        }
    }
}

impl<'a> ShownFeed<'a> {
    fn of(summary: &Summary, running: &'a Running) -> Self {
        let feed = summary.feeds.get(&running.id).cloned().unwrap_or_default();
        Self {
            name: &running.name,
            kind: running.kind,
            posts_read: feed.read(),
            posts_counted: feed.counted,
            duplicates: feed.duplicates,
            late: feed.late,
            skipped: feed.skipped,
            rejected: named(&feed.rejected),
            complete: feed.complete,
        }
    }
}

fn named(rejected: &BTreeMap<Reject, u64>) -> BTreeMap<&'static str, u64> {
    rejected
        .iter()
        .map(|(reject, &count)| (reject.name(), count))
        .collect()
}

fn total(summary: &Summary) -> FeedSummary {
    let mut total = FeedSummary::default();
    for feed in summary.feeds.values() {
        total.counted += feed.counted;
        total.duplicates += feed.duplicates;
        total.late += feed.late;
        total.skipped += feed.skipped;
        for (&reject, count) in &feed.rejected {
            *total.rejected.entry(reject).or_default() += count;
        }
    }
    total
}

/// What was read, in sentences, on standard error.
pub(super) fn tell(summary: &Summary, feeds: &[Running], global: &Global) {
    for running in feeds {
        let feed = summary.feeds.get(&running.id).cloned().unwrap_or_default();
        let path = plain(&running.shown);
        if feed.complete && feed.read() == 0 {
            let why = if running.is_resumed {
                "nothing new; all of it was counted before."
            } else {
                "there is nothing in it."
            };
            global.say(&format!("{path}: {why}"));
            continue;
        }
        global.say(&format!("{path}: {}", sentence(&feed)));
        if feed.late as f64 > LATE_SHARE_MAX * feed.read() as f64 {
            global.say(&format!(
                "  {:.0} % of them came late: the file is not in the order of time. `run --sort` with another --db counts them all.",
                100.0 * feed.late as f64 / feed.read() as f64
            ));
        }
    }
}

fn sentence(feed: &FeedSummary) -> String {
    let mut parts = vec![
        format!("{} read", grouped(feed.read())),
        format!("{} posts counted", grouped(feed.counted)),
    ];
    for (count, what) in [
        (feed.duplicates, "seen before"),
        (feed.late, "late"),
        (feed.skipped, "no posts"),
        (feed.rejected.values().sum(), "dropped"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", grouped(count)));
        }
    }
    if feed.rejected.is_empty() {
        return parts.join(", ") + ".";
    }
    let reasons: Vec<String> = feed
        .rejected
        .iter()
        .map(|(reject, count)| format!("{} {}", grouped(*count), reject.about()))
        .collect();
    format!(
        "{} ({}; -v shows the lines).",
        parts.join(", "),
        reasons.join(", ")
    )
}

/// Minutes heard so far.
pub(super) fn covered_minutes(ledger: &Sqlite) -> Result<u32, Error> {
    let watermark = ledger.watermark()?.unwrap_or(Minute(0));
    let covered = ledger.coverage()?.map_or(0, |coverage| {
        coverage.covered_in(coverage.start()..watermark.0)
    });
    Ok(covered)
}

/// The flagged outage hashtags, and what to type next.
pub(super) fn show(
    found: Vec<SpikeView>,
    covered_minutes: u32,
    config: &Config,
    global: &Global,
    out: Out<'_>,
) -> Result<(), Error> {
    let outages: Vec<SpikeView> = found
        .into_iter()
        .filter(|view| view.service.is_some())
        .collect();
    let db = if config.db == Path::new("downtrend.db") {
        String::new()
    } else {
        format!(" --db {}", config.db.display())
    };
    let command = format!("{}{db}", program());
    let Some(first) = outages.iter().min_by_key(|view| view.spike.onset()) else {
        global.say("\nNo outage hashtag was flagged.");
        if covered_minutes < BASELINE_MINUTES {
            global.say("Less than two hours were heard: too little to know what is usual, so nothing can be flagged yet.");
        }
        global.say(&format!(
            "\nWhat else there is:\n  {command} trending --all"
        ));
        return Ok(());
    };
    let peak = outages.iter().max_by_key(|view| view.uses).unwrap_or(first);
    global.say(&format!(
        "\nFlagged outage hashtags; the first began at {}:\n",
        local_long(first.spike.onset(), &config.tz)
    ));
    out.flush()?;
    write!(out, "{}", draw(&outages, &config.tz))?;
    out.flush()?;
    global.say(&format!(
        "\nTo go on:\n  {command} spikes\n  {command} trending --at {}\n  {command} export --spike {} --bucket 5m",
        peak.peak.0, peak.id
    ));
    Ok(())
}
