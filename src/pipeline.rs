//! The loop: next, record, advance, commit.
//!
//! Reads a batch, records its posts, lets the tracker close what can be closed, and commits all of it in one
//! transaction before the next batch is read. It runs at its own pace on its own thread; feeds wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fixedbitset::FixedBitSet;

use crate::clock;
use crate::feed::contract::{Batch, Dropped, Ending, Standing};
use crate::feed::inlet::Inlet;
use crate::post::{Cursor, Post, Reject};
use crate::store::{Error, Ledger, Record, Retention, Stand};
use crate::time::{Minute, Timestamp};
use crate::trend::mention::{FeedId, HashtagId, Mention, SourceId};
use crate::trend::tracker::{Tick, Tracker, Verdict};

const DAY_MINUTES: u32 = 24 * 60;

/// What one run has done.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// What became of the things read from each feed.
    pub feeds: BTreeMap<FeedId, FeedSummary>,
    /// Mentions of counted posts.
    pub hashtag_uses: u64,
    /// Hashtags they bore, by number: a bit each, since a live run meets new ones for as long as it lasts.
    hashtags: FixedBitSet,
    /// Time of the oldest counted post.
    pub first_post: Option<Timestamp>,
    /// Time of the newest counted post.
    pub last_post: Option<Timestamp>,
    /// Spikes that were flagged in settled minutes: of which hashtag, when.
    spikes_settled: BTreeSet<(HashtagId, Minute)>,
    /// And those of the last look ahead.
    spikes_ahead: BTreeSet<(HashtagId, Minute)>,
    /// Up to where buckets are closed.
    pub watermark: Option<Minute>,
    /// Up to where they were closed when the run began; spikes flagged before are not new.
    began_at: Option<Minute>,
}

impl Summary {
    /// Distinct hashtags of counted posts.
    pub fn hashtags(&self) -> u64 {
        self.hashtags.count_ones(..) as u64
    }

    /// Spikes that were flagged, with those that the minutes still open would flag.
    pub fn spikes_opened(&self) -> u64 {
        self.spikes_settled.union(&self.spikes_ahead).count() as u64
    }

    fn see(&mut self, tick: &Tick) {
        self.watermark = self.watermark.max(tick.watermark);
        let flagged = self.new_spikes(tick);
        self.spikes_settled.extend(flagged);
    }

    fn look_ahead_at(&mut self, ahead: &Tick) {
        self.spikes_ahead = self.new_spikes(ahead);
    }

    fn new_spikes(&self, tick: &Tick) -> BTreeSet<(HashtagId, Minute)> {
        let flagged = tick
            .spikes
            .iter()
            .map(|spike| (spike.hashtag, spike.flagged));
        flagged
            .filter(|(_, minute)| Some(*minute) >= self.began_at)
            .collect()
    }
}

/// What became of the things read from one feed.
#[derive(Debug, Clone, Default)]
pub struct FeedSummary {
    /// Posts that were new.
    pub counted: u64,
    /// Posts seen before.
    pub duplicates: u64,
    /// Posts older than the lateness bound.
    pub late: u64,
    /// Well-formed events that are no posts.
    pub skipped: u64,
    /// What was dropped, by reason.
    pub rejected: BTreeMap<Reject, u64>,
    /// Why it broke off, if it did.
    pub broken: Option<Broken>,
    /// A live feed has heard everything up to here.
    pub heard_until: Option<Timestamp>,
    /// It was read to its end.
    pub complete: bool,
}

/// Why a feed broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// What it reads did.
    Input(String),
    /// Its reader did, which is a bug of ours.
    Bug,
}

impl FeedSummary {
    /// Everything read: the sum of what became of it.
    pub fn read(&self) -> u64 {
        self.counted
            + self.duplicates
            + self.late
            + self.skipped
            + self.rejected.values().sum::<u64>()
    }
}

/// Who wants to know while it runs.
pub trait Watcher {
    /// Something was dropped.
    fn dropped(&mut self, feed: FeedId, dropped: &Dropped);
    /// A live feed stands differently from before.
    fn stands(&mut self, feed: FeedId, standing: &Standing);
    /// A batch is durable.
    fn committed(&mut self, summary: &Summary);
}

/// How often a live feed that hears nothing new is written down all the same.
const WRITTEN_DOWN_EVERY: Duration = Duration::from_secs(5);

/// Runs until every feed has ended or the inlet is stopped; each batch is durable before the next is read.
pub fn run(
    inlet: &mut Inlet,
    tracker: &mut Tracker,
    ledger: &mut impl Ledger,
    retention: &Retention,
    watcher: &mut impl Watcher,
) -> Result<Summary, Error> {
    let mut summary = Summary {
        began_at: ledger.watermark()?,
        ..Summary::default()
    };
    let mut seen_until = None;
    let mut committed = Committed::default();
    let mut reached = Vec::new();
    while let Some((feed, mut batch)) = inlet.next_batch() {
        for post in &batch.posts {
            record(feed, post, tracker, ledger, &mut summary)?;
        }
        note(feed, &mut batch, tracker, &mut summary, watcher);
        let reached_before = std::mem::replace(&mut reached, reach(tracker));
        if reached != reached_before {
            tracker.admit(ledger.tracks(&tracker.unknown())?);
        }
        let tick = tracker.advance();
        summary.see(&tick);
        let is_new_minute = tracker.is_live() && summary.watermark > seen_until;
        let ahead = is_new_minute.then(|| tracker.ahead());
        if let Some(ahead) = &ahead {
            seen_until = summary.watermark;
            summary.look_ahead_at(ahead);
        }
        if committed.must_follow(feed, &batch, &tick) || ahead.is_some() {
            ledger.record(&Record {
                at: Some(clock::now()),
                tick,
                progress: tracker.feeds().collect(),
                provisional: ahead,
                ..of_feed(feed, batch)
            })?;
            retire(retention, summary.watermark, ledger)?;
        }
        watcher.committed(&summary);
    }
    end_listening(tracker, ledger, &mut summary)?;
    Ok(summary)
}

/// How far each feed has come: as long as that stays, no minute closes.
fn reach(tracker: &Tracker) -> Vec<(FeedId, Option<Minute>, bool)> {
    let feeds = tracker.feeds();
    feeds
        .map(|(feed, progress)| (feed, progress.newest, progress.running && !progress.deaf))
        .collect()
}

/// What is durable of each feed, so that a batch that brings nothing new costs nothing.
#[derive(Default)]
struct Committed {
    cursors: BTreeMap<FeedId, Cursor>,
    watermark: Option<Minute>,
    at: BTreeMap<FeedId, Instant>,
}

impl Committed {
    /// Whether a batch and its tick must be recorded; if so they count as recorded.
    fn must_follow(&mut self, feed: FeedId, batch: &Batch, tick: &Tick) -> bool {
        let is_new = batch.items() > 0
            || !batch.officials.is_empty()
            || batch.cursor.is_some() && batch.cursor.as_ref() != self.cursors.get(&feed)
            || batch.standing.is_some()
            || !tick.segments.is_empty()
            || !tick.settled.is_empty()
            || !tick.gaps.is_empty()
            || tick.checkpoint.is_some()
            || tick.watermark != self.watermark;
        let last = self.at.get(&feed);
        let is_due =
            batch.heard_until.is_some() && last.is_none_or(|at| at.elapsed() >= WRITTEN_DOWN_EVERY);
        if is_new || is_due {
            if let Some(cursor) = &batch.cursor {
                self.cursors.insert(feed, cursor.clone());
            }
            self.watermark = tick.watermark;
            self.at.insert(feed, clock::start());
        }
        is_new || is_due
    }
}

/// What a batch says about its feed.
fn of_feed(feed: FeedId, batch: Batch) -> Record<'static> {
    let stand = batch.standing.map(|standing| Stand {
        words: standing.to_string(),
        problem: standing.problem().map(str::to_owned),
    });
    Record {
        cursors: batch
            .cursor
            .map(|cursor| (feed, cursor))
            .into_iter()
            .collect(),
        standings: stand.map(|stand| (feed, stand)).into_iter().collect(),
        officials: vec![(feed, batch.officials)],
        heard: batch
            .heard_until
            .map(|until| (feed, until))
            .into_iter()
            .collect(),
        ..Record::default()
    }
}

/// Judges the minutes that are still open, for the views, leaves nothing for a restart to repeat, and says of live feeds
/// that nobody listens to them any more.
fn end_listening(
    tracker: &mut Tracker,
    ledger: &mut impl Ledger,
    summary: &mut Summary,
) -> Result<(), Error> {
    tracker.admit(ledger.tracks(&tracker.unknown())?);
    let mut tick = tracker.advance();
    tick.checkpoint
        .get_or_insert_default()
        .extend(tracker.checkpoint());
    let ahead = tracker.ahead();
    summary.see(&tick);
    summary.look_ahead_at(&ahead);
    let live = tracker.feeds().filter(|(_, progress)| progress.live);
    let stopped = live.map(|(feed, _)| {
        let words = "stopped".to_owned();
        let problem = None;
        (feed, Stand { words, problem })
    });
    ledger.record(&Record {
        at: Some(clock::now()),
        tick,
        standings: stopped.collect(),
        progress: tracker.feeds().collect(),
        provisional: Some(ahead),
        ..Record::default()
    })
}

fn record(
    feed: FeedId,
    post: &Post,
    tracker: &mut Tracker,
    ledger: &mut impl Ledger,
    summary: &mut Summary,
) -> Result<(), Error> {
    let source = match &post.hashtags[..] {
        [] => None,
        _ => Some(ledger.source(&post.source)?),
    };
    let (minute, id, edit) = (post.at.minute(), post.id, post.edit);
    let verdict = tracker.record(feed, minute, id, source, edit, |mentions| {
        let Some(source) = source else {
            return Ok(());
        };
        let before = mentions.len();
        add_mentions(post, source, ledger, mentions)?;
        for mention in &mentions[before..] {
            summary.hashtags.grow_and_insert(mention.hashtag.0 as usize);
        }
        Ok::<(), Error>(())
    })?;
    let of_feed = summary.feeds.entry(feed).or_default();
    match verdict {
        Verdict::Late => of_feed.late += 1,
        Verdict::Duplicate => of_feed.duplicates += 1,
        Verdict::Counted => {
            of_feed.counted += 1;
            summary.hashtag_uses += post.hashtags.len() as u64;
            summary.first_post = Some(
                summary
                    .first_post
                    .map_or(post.at, |first| first.min(post.at)),
            );
            summary.last_post = summary.last_post.max(Some(post.at));
        }
    }
    Ok(())
}

fn add_mentions(
    post: &Post,
    source: SourceId,
    ledger: &mut impl Ledger,
    mentions: &mut Vec<Mention>,
) -> Result<(), Error> {
    let lang = ledger.lang(&post.lang)?;
    for hashtag in &post.hashtags {
        mentions.push(Mention {
            hashtag: ledger.hashtag(hashtag)?,
            post: post.id,
            author: post.author,
            source,
            lang,
            bot: post.bot,
        });
    }
    Ok(())
}

/// Books what was no post, and how the feed goes on.
fn note(
    feed: FeedId,
    batch: &mut Batch,
    tracker: &mut Tracker,
    summary: &mut Summary,
    watcher: &mut impl Watcher,
) {
    let of_feed = summary.feeds.entry(feed).or_default();
    of_feed.skipped += batch.skipped;
    for (&reject, &count) in &batch.rejected {
        *of_feed.rejected.entry(reject).or_default() += count;
    }
    for dropped in &batch.dropped {
        watcher.dropped(feed, dropped);
    }
    if let Some(until) = batch.heard_until {
        of_feed.heard_until = of_feed.heard_until.max(Some(until));
        tracker.hear(feed, until.minute());
    }
    for gap in &batch.gaps {
        tracker.miss(feed, gap.start.minute()..gap.end.minute_ceil());
    }
    if let Some(standing) = &batch.standing {
        if matches!(
            standing,
            Standing::Waiting { .. } | Standing::Refused { .. }
        ) {
            tracker.lose(feed);
        }
        watcher.stands(feed, standing);
    }
    match batch.ending.take() {
        None => return,
        Some(Ending::Complete) => of_feed.complete = true,
        Some(Ending::Broken(error)) => of_feed.broken = Some(Broken::Input(error.to_string())),
        Some(Ending::Bug) => of_feed.broken = Some(Broken::Bug),
    }
    tracker.end_feed(feed);
}

/// Seals and forgets what retention no longer keeps, a day at a time.
fn retire(
    retention: &Retention,
    watermark: Option<Minute>,
    ledger: &mut impl Ledger,
) -> Result<(), Error> {
    let Some(watermark) = watermark else {
        return Ok(());
    };
    let day_before = |minutes: u32| {
        let before = watermark.minus(minutes).0;
        Minute(before - before % DAY_MINUTES)
    };
    let seal_before = day_before(retention.mentions_minutes);
    if ledger
        .mentions_since()?
        .is_none_or(|since| since < seal_before)
    {
        ledger.seal(seal_before)?;
    }
    if let Some(minutes) = retention.minutes.within(ledger)? {
        let forget_before = day_before(minutes);
        if ledger
            .minutes_since()?
            .is_none_or(|since| since < forget_before)
        {
            ledger.forget(forget_before)?;
        }
    }
    Ok(())
}
