//! The tracker and live feeds: what is lost, what is missed, and what that does to coverage and spikes.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::ops::Range;

use downtrend::post::{AuthorId, PostId};
use downtrend::store::sqlite::Sqlite;
use downtrend::store::{Ledger, Record};
use downtrend::time::Minute;
use downtrend::trend::mention::{FeedId, HashtagId, LangId, Mention, SourceId};
use downtrend::trend::settings::Settings;
use downtrend::trend::spike::Spike;
use downtrend::trend::tracker::{Tick, Tracker, Verdict};

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
        feeds
            .iter()
            .for_each(|&feed| tracker.expect_feed(feed, true));
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
