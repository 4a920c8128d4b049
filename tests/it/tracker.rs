//! The tracker and live feeds: what is lost, what is missed, and what that does to coverage and spikes.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::ops::Range;

use downtrend::hashtag::Hashtag;
use downtrend::post::{AuthorId, PostId};
use downtrend::store::sqlite::Sqlite;
use downtrend::store::{Ledger, Record};
use downtrend::time::Minute;
use downtrend::trend::mention::{FeedId, HashtagId, LangId, Mention, SourceId};
use downtrend::trend::settings::Settings;
use downtrend::trend::spike::Spike;
use downtrend::trend::tracker::{self, Memory, Progress, Tick, Tracker, Verdict};

use super::support::Place;

const LATENESS: u32 = 10;
const START: u32 = 27_778_000;
const LARGE: FeedId = FeedId(1);
const SMALL: FeedId = FeedId(2);
const DOWN: HashtagId = HashtagId(1);

/// A tracker that is fed minute by minute, and everything that its ticks told.
struct World {
    tracker: Tracker,
    posts: u64,
    gaps: BTreeSet<u32>,
    spikes: Vec<Spike>,
    mentions_settled: usize,
}

impl World {
    fn listening_to(feeds: &[FeedId]) -> Self {
        let mut tracker = Tracker::new(Settings::default(), LATENESS);
        for &feed in feeds {
            tracker.expect_feed(feed, true);
        }
        Self {
            tracker,
            posts: 0,
            gaps: BTreeSet::new(),
            spikes: Vec::new(),
            mentions_settled: 0,
        }
    }

    /// `count` posts that bear the hashtag, each by somebody else.
    fn post(&mut self, feed: FeedId, minute: u32, count: u32) {
        for _ in 0..count {
            self.posts += 1;
            let mention = Mention {
                hashtag: DOWN,
                post: PostId(self.posts),
                author: NonZeroU64::new(self.posts).map(AuthorId),
                source: SourceId(1),
                lang: LangId(1),
                bot: false,
            };
            let verdict = self.tracker.record(
                feed,
                Minute(START + minute),
                PostId(self.posts),
                Some(SourceId(1)),
                false,
                |mentions| {
                    mentions.push(mention);
                    Ok::<(), ()>(())
                },
            );
            assert_eq!(verdict, Ok(Verdict::Counted), "minute {minute}");
        }
    }

    /// Every minute of a range: so many posts of the large feed, one of the small one every `every` minutes.
    fn live(&mut self, minutes: Range<u32>, large: Option<u32>, every: u32) {
        for minute in minutes {
            if let Some(count) = large {
                self.post(LARGE, minute, count);
                self.hear(LARGE, minute + 1);
            }
            if minute % every == 0 {
                self.post(SMALL, minute, 1);
            }
            self.hear(SMALL, minute + 1);
            self.advance();
        }
    }

    fn hear(&mut self, feed: FeedId, until: u32) {
        self.tracker.hear(feed, Minute(START + until));
    }

    fn miss(&mut self, feed: FeedId, minutes: Range<u32>) {
        let missed = Minute(START + minutes.start)..Minute(START + minutes.end);
        self.tracker.miss(feed, missed);
    }

    fn advance(&mut self) {
        let tick = self.tracker.advance();
        for gap in tick.gaps {
            self.gaps.extend(gap.start.0 - START..gap.end.0 - START);
        }
        self.spikes.extend(tick.spikes);
        let settled = tick.settled.iter().map(|minute| minute.mentions.len());
        self.mentions_settled += settled.sum::<usize>();
    }

    fn heard(&self, minute: u32) -> bool {
        !self.gaps.contains(&minute)
    }
}

#[test]
fn a_gap_of_the_first_minutes_is_kept_until_there_is_coverage() {
    let mut world = World::listening_to(&[LARGE]);
    world.post(LARGE, 0, 3);
    world.hear(LARGE, 1);
    world.advance();
    world.miss(LARGE, 1..4);
    world.hear(LARGE, 4);
    world.post(LARGE, 4, 3);
    world.hear(LARGE, 5);
    world.advance();
    world.hear(LARGE, 40);
    world.advance();
    assert!(
        (1..4).all(|minute| !world.heard(minute)),
        "{:?}",
        world.gaps
    );
    assert!(world.heard(0) && world.heard(4), "{:?}", world.gaps);
}

#[test]
fn a_gap_of_the_first_minutes_outlives_a_restart() {
    let place = Place::new();
    let path = place.path("gaps.db");
    {
        let mut ledger = Sqlite::open(&path).expect("opens");
        let feed = ledger.feed("bluesky", "bluesky").expect("numbered");
        let mut tracker = Tracker::new(Settings::default(), LATENESS);
        tracker.expect_feed(feed, true);
        tracker.hear(feed, Minute(START));
        tracker.miss(feed, Minute(START)..Minute(START + 3));
        record(&mut ledger, &mut tracker);
    }
    let mut ledger = Sqlite::open(&path).expect("opens");
    let feed = ledger.feed("bluesky", "bluesky").expect("numbered");
    let memory = ledger.memory().expect("readable");
    let mut tracker = Tracker::restore(Settings::default(), LATENESS, memory);
    tracker.expect_feed(feed, true);
    for minute in [START + 1, START + 5] {
        let counted = tracker.record(
            feed,
            Minute(minute),
            PostId(u64::from(minute)),
            None,
            false,
            |_| Ok::<(), ()>(()),
        );
        assert_eq!(counted, Ok(Verdict::Counted));
    }
    tracker.hear(feed, Minute(START + 60));
    record(&mut ledger, &mut tracker);
    let coverage = tracker.coverage().expect("minutes are settled");
    assert!(!coverage.covers(START + 2) && coverage.covers(START + 3));
    let stored = ledger.coverage().expect("readable").expect("heard");
    assert_eq!(&stored, coverage, "the store knows what the tracker knows");
}

fn record(ledger: &mut Sqlite, tracker: &mut Tracker) -> Tick {
    let tick = tracker.advance();
    let progress = tracker.feeds().collect();
    ledger
        .record(&Record {
            tick: tick.clone(),
            progress,
            ..Record::default()
        })
        .expect("recorded");
    tick
}

#[test]
fn the_larger_feed_lost_is_a_gap_in_every_minute_and_the_small_one_counts_on() {
    let mut world = World::listening_to(&[LARGE, SMALL]);
    world.live(0..300, Some(4), 10);
    world.tracker.lose(LARGE);
    world.live(300..400, None, 10);
    // It cannot make up for what it missed.
    world.hear(LARGE, 400);
    world.miss(LARGE, 300..400);
    world.live(400..500, Some(4), 10);
    assert_eq!(
        world.gaps,
        (300..400).collect(),
        "silent minutes among them"
    );
    assert!(world.spikes.is_empty(), "{:?}", world.spikes);
    let settled = (0..490).filter(|minute| minute % 10 == 0).count() + 390 * 4;
    assert_eq!(world.mentions_settled, settled);
}

#[test]
fn the_larger_feed_lost_does_not_close_a_spike() {
    let mut world = World::listening_to(&[LARGE, SMALL]);
    world.live(0..300, Some(1), 10);
    world.live(300..330, Some(40), 10);
    world.tracker.lose(LARGE);
    world.live(330..430, None, 10);
    world.hear(LARGE, 430);
    world.miss(LARGE, 330..430);
    world.live(430..450, Some(40), 10);
    let flagged: BTreeSet<Minute> = world.spikes.iter().map(|spike| spike.flagged).collect();
    assert_eq!(flagged.len(), 1, "{:?}", world.spikes);
    assert!(world.spikes.iter().all(|spike| spike.end.is_none()));
}

#[test]
fn the_smaller_feed_lost_is_no_gap() {
    let mut world = World::listening_to(&[LARGE, SMALL]);
    world.live(0..200, Some(4), 10);
    world.tracker.lose(SMALL);
    for minute in 200..300 {
        world.post(LARGE, minute, 4);
        world.hear(LARGE, minute + 1);
        world.advance();
    }
    assert!(world.gaps.is_empty(), "{:?}", world.gaps);
    assert!(world.spikes.is_empty(), "{:?}", world.spikes);
}

#[test]
fn what_the_larger_feed_makes_up_for_in_time_is_no_gap() {
    let mut world = World::listening_to(&[LARGE, SMALL]);
    world.live(0..200, Some(4), 10);
    world.tracker.lose(LARGE);
    world.live(200..208, None, 10);
    for minute in 200..208 {
        world.post(LARGE, minute, 4);
    }
    world.hear(LARGE, 208);
    world.live(208..300, Some(4), 10);
    assert!(world.gaps.is_empty(), "{:?}", world.gaps);
}

#[test]
fn a_feed_that_was_lost_for_long_has_not_lost_its_weight() {
    let mut world = World::listening_to(&[LARGE, SMALL]);
    world.live(0..200, Some(4), 10);
    world.tracker.lose(LARGE);
    world.live(200..400, None, 10);
    world.hear(LARGE, 400);
    world.live(400..415, Some(4), 10);
    world.tracker.lose(LARGE);
    world.live(415..500, None, 10);
    assert!(
        (415..490).all(|minute| !world.heard(minute)),
        "{:?}",
        world.gaps
    );
}

/// What a run that has ended at `newest` leaves behind.
fn left_at(newest: u32) -> Memory {
    let progress = Progress {
        newest: Some(Minute(newest)),
        running: false,
        ..Progress::default()
    };
    Memory {
        settled_until: Some(Minute(newest - LATENESS)),
        watermark: Some(Minute(newest + 1)),
        feeds: vec![(LARGE, progress)],
        ..Memory::default()
    }
}

#[test]
fn the_watermark_does_not_go_back_and_an_older_file_is_no_later_for_it() {
    let mut tracker = Tracker::restore(Settings::default(), LATENESS, left_at(START));
    tracker.expect_feed(SMALL, false);
    let oldest = Minute(START - LATENESS);
    let counted = tracker.record(SMALL, oldest, PostId(1), None, false, |_| Ok::<(), ()>(()));
    assert_eq!(counted, Ok(Verdict::Counted));
    assert_eq!(tracker.advance().watermark, Some(Minute(START + 1)));
    tracker.end_feed(SMALL);
    assert_eq!(tracker.advance().watermark, Some(Minute(START + 1)));
}

#[test]
fn while_nobody_hears_time_stands_still_whatever_the_lateness() {
    for lateness in [1, LATENESS, 6 * 60] {
        let mut tracker = Tracker::restore(Settings::default(), lateness, left_at(START));
        tracker.expect_feed(LARGE, true);
        tracker.lose(LARGE);
        let tick = tracker.advance();
        assert_eq!(
            tick.watermark,
            Some(Minute(START + 1)),
            "lateness {lateness}"
        );
        assert_eq!(tick.settled_until, Some(Minute(START - LATENESS)));
    }
}

/// The spikes of a hashtag that is used now and then, and at the end by many at once; `flood` hashtags a minute that
/// nobody uses again come between.
fn spikes_with(flood: u32) -> (Vec<Spike>, usize) {
    let place = Place::new();
    let mut ledger = Sqlite::open(&place.path("flood.db")).expect("opens");
    let feed = ledger.feed("bluesky", "bluesky").expect("numbered");
    let rare = ledger
        .hashtag(&Hashtag::from_label("rare"))
        .expect("numbered");
    let mut tracker = Tracker::new(Settings::default(), LATENESS);
    tracker.expect_feed(feed, true);
    let (mut spikes, mut idle_max, mut posts) = (Vec::new(), 0, 0);
    for minute in 0..440 {
        let uses = match minute {
            400.. => 20,
            _ => u32::from(minute % 40 == 0),
        };
        let strangers = if (300..305).contains(&minute) {
            flood
        } else {
            0
        };
        let strangers = (0..strangers).map(|at| HashtagId(1_000 + minute * flood + at));
        for hashtag in std::iter::repeat_n(rare, uses as usize).chain(strangers) {
            posts += 1;
            let mention = Mention {
                hashtag,
                post: PostId(posts),
                author: NonZeroU64::new(posts).map(AuthorId),
                source: SourceId(1),
                lang: LangId(1),
                bot: false,
            };
            let at = Minute(START + minute);
            let counted = tracker.record(
                feed,
                at,
                PostId(posts),
                Some(SourceId(1)),
                false,
                |mentions| {
                    mentions.push(mention);
                    Ok::<(), ()>(())
                },
            );
            assert_eq!(counted, Ok(Verdict::Counted));
        }
        tracker.hear(feed, Minute(START + minute + 1));
        let known = ledger.tracks(&tracker.unknown()).expect("readable");
        tracker.admit(known);
        spikes.extend(record(&mut ledger, &mut tracker).spikes);
        idle_max = idle_max.max(tracker.idle());
    }
    (spikes, idle_max)
}

#[test]
fn a_flood_of_hashtags_is_let_go_and_changes_nothing_for_the_others() {
    let (quiet, idle) = spikes_with(0);
    assert!(!quiet.is_empty(), "the hashtag spikes");
    assert!(idle < 10);
    let (flooded, idle) = spikes_with(30_000);
    assert_eq!(flooded, quiet);
    assert!(idle <= tracker::IDLE_MAX, "{idle} in memory");
}
