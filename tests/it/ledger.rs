//! What every ledger must do, written against the trait: a second implementation is held to the same list.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use downtrend::hashtag::Hashtag;
use downtrend::official::Official;
use downtrend::post::{self, AuthorId, Cursor, PostId};
use downtrend::store::sqlite::Sqlite;
use downtrend::store::{Error, Ledger, Record};
use downtrend::time::Minute;
use downtrend::trend::mention::{FeedId, HashtagId, Mention, Tally};
use downtrend::trend::tracker::{Remembered, Segment, SettledMinute, Tick};

use super::support::Place;

/// Runs the whole suite on the ledgers that `open` opens; called twice with the same name it opens the same one.
fn conforms<L: Ledger>(open: impl Fn(&str) -> L) {
    a_segment_recorded_twice_counts_once(open("twice"));
    a_settled_minute_replaces_its_segments(open("settled"));
    what_is_recorded_is_there_after_reopening(&open);
    numbers_stay(&open);
    labels_are_the_spelling_seen_most(open("labels"));
    sealing_keeps_tallies_and_drops_mentions(open("seal"));
    forgetting_keeps_hours(open("forget"));
    forgetting_again_adds_to_an_hour(open("forget-again"));
    what_a_restart_needs_is_not_forgotten(open("forget-not"));
    sealing_does_not_go_back(open("seal-back"));
    gaps_are_not_covered(open("gaps"));
    gaps_that_touch_are_one(open("gaps-touching"));
    memory_gives_back_what_a_restart_needs(open("memory"));
    the_newest_version_of_what_a_status_page_says_stays(open("officials"));
}

#[test]
fn sqlite_conforms() {
    let place = Place::new();
    conforms(|name| Sqlite::open(&place.path(&format!("{name}.db"))).expect("opens"));
}

const NOON: Minute = Minute(27_778_000);

struct Names {
    feed: FeedId,
    down: HashtagId,
    other: HashtagId,
}

fn names(ledger: &mut impl Ledger) -> Names {
    let mut hashtag = |label: &str| {
        ledger
            .hashtag(&Hashtag::from_label(label))
            .expect("numbered")
    };
    let (down, other) = (hashtag("WhatsAppDown"), hashtag("Other"));
    Names {
        feed: ledger.feed("test", "file").expect("numbered"),
        down,
        other,
    }
}

fn mention(ledger: &mut impl Ledger, hashtag: HashtagId, post: u64, author: u64) -> Mention {
    Mention {
        hashtag,
        post: PostId(post),
        author: NonZeroU64::new(author).map(AuthorId),
        source: ledger.source("test").expect("numbered"),
        lang: ledger.lang("bn").expect("numbered"),
        bot: false,
    }
}

fn segment(feed: FeedId, minute: Minute, mentions: Vec<Mention>) -> Segment {
    let posts: Vec<PostId> = mentions.iter().map(|mention| mention.post).collect();
    let heard = u32::try_from(posts.len()).expect("few");
    Segment {
        minute,
        heard: vec![(feed, heard)],
        posts,
        mentions,
    }
}

fn settled(feed: FeedId, minute: Minute, mentions: Vec<Mention>) -> SettledMinute {
    let mut by_hashtag: BTreeMap<HashtagId, u32> = BTreeMap::new();
    for mention in &mentions {
        *by_hashtag.entry(mention.hashtag).or_default() += 1;
    }
    let heard = u32::try_from(mentions.len()).expect("few");
    let tallies = by_hashtag
        .into_iter()
        .map(|(hashtag, uses)| Tally {
            hashtag,
            uses,
            authors: Some(uses),
            fresh: uses,
        })
        .collect();
    SettledMinute {
        minute,
        heard: vec![(feed, heard)],
        mentions,
        tallies,
    }
}

fn record(ledger: &mut impl Ledger, tick: Tick) {
    ledger
        .record(&Record {
            tick,
            ..Record::default()
        })
        .expect("recorded");
}

fn uses(ledger: &impl Ledger, hashtag: HashtagId) -> (u64, Option<u64>) {
    let busiest = ledger
        .busiest(NOON..Minute(NOON.0 + 60), 1)
        .expect("readable");
    let found = busiest.iter().find(|busy| busy.hashtag == hashtag);
    found.map_or((0, None), |busy| (busy.uses, busy.authors))
}

fn a_segment_recorded_twice_counts_once(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let mentions = vec![
        mention(&mut ledger, names.down, 1, 7),
        mention(&mut ledger, names.down, 2, 7),
    ];
    for _ in 0..2 {
        let segments = vec![segment(names.feed, NOON, mentions.clone())];
        record(
            &mut ledger,
            Tick {
                segments,
                ..Tick::default()
            },
        );
    }
    assert_eq!(
        uses(&ledger, names.down),
        (2, Some(1)),
        "two posts of one author"
    );
}

fn a_settled_minute_replaces_its_segments(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let first = mention(&mut ledger, names.down, 1, 7);
    let second = mention(&mut ledger, names.down, 2, 8);
    let segments = vec![segment(names.feed, NOON, vec![first])];
    record(
        &mut ledger,
        Tick {
            segments,
            ..Tick::default()
        },
    );
    let settled = vec![settled(names.feed, NOON, vec![first, second])];
    record(
        &mut ledger,
        Tick {
            settled,
            settled_until: Some(NOON.next()),
            ..Tick::default()
        },
    );
    assert_eq!(uses(&ledger, names.down), (2, Some(2)));
    let wanted = BTreeSet::from([names.down]);
    let series = ledger.series(&wanted, NOON..NOON.next()).expect("readable");
    assert_eq!(series[&names.down][0].1.uses, 2);
    assert!(ledger.memory().expect("readable").segments.is_empty());
}

fn what_is_recorded_is_there_after_reopening<L: Ledger>(open: &impl Fn(&str) -> L) {
    let cursor = Cursor::Place(post::Place {
        offset_bytes: 1 << 40,
        lines: 77,
        fingerprint: u64::MAX,
    });
    let names = {
        let mut ledger = open("reopened");
        let names = names(&mut ledger);
        let mentions = vec![mention(&mut ledger, names.down, 1, 7)];
        let tick = Tick {
            segments: vec![segment(names.feed, NOON, mentions)],
            watermark: Some(NOON.next()),
            ..Tick::default()
        };
        let cursors = vec![(names.feed, cursor.clone())];
        ledger
            .record(&Record {
                tick,
                cursors,
                ..Record::default()
            })
            .expect("recorded");
        names
    };
    let ledger = open("reopened");
    assert_eq!(uses(&ledger, names.down), (1, Some(1)));
    assert_eq!(ledger.cursor(names.feed).expect("readable"), Some(cursor));
    assert_eq!(ledger.watermark().expect("readable"), Some(NOON.next()));
}

fn numbers_stay<L: Ledger>(open: &impl Fn(&str) -> L) {
    let (first, source) = {
        let mut ledger = open("numbers");
        let names = names(&mut ledger);
        let source = ledger.source("mastodon:example.social").expect("numbered");
        record(&mut ledger, Tick::default());
        (names, source)
    };
    let mut ledger = open("numbers");
    assert_eq!(
        ledger
            .hashtag(&Hashtag::from_label("other"))
            .expect("numbered"),
        first.other
    );
    assert_ne!(
        ledger
            .hashtag(&Hashtag::from_label("third"))
            .expect("numbered"),
        first.other
    );
    assert_eq!(
        ledger.source("mastodon:example.social").expect("numbered"),
        source
    );
    let keys = ["whatsappdown".to_owned(), "never".to_owned()];
    let found = ledger.find(&keys).expect("readable");
    assert_eq!(
        found,
        BTreeMap::from([("whatsappdown".to_owned(), first.down)])
    );
}

fn labels_are_the_spelling_seen_most(mut ledger: impl Ledger) {
    let mut see = |label: &str| {
        ledger
            .hashtag(&Hashtag::from_label(label))
            .expect("numbered")
    };
    let id = see("WHATSAPPDOWN");
    for label in ["WhatsAppDown", "WhatsAppDown", "whatsappdown"] {
        assert_eq!(see(label), id);
    }
    record(&mut ledger, Tick::default());
    let names = ledger.names(&BTreeSet::from([id])).expect("readable");
    assert_eq!(
        (names[&id].key.as_str(), names[&id].label.as_str()),
        ("whatsappdown", "WhatsAppDown")
    );
}

fn sealing_keeps_tallies_and_drops_mentions(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let mentions = vec![mention(&mut ledger, names.down, 1, 7)];
    let settled = vec![
        settled(names.feed, NOON, mentions.clone()),
        settled(
            names.feed,
            NOON.next(),
            vec![mention(&mut ledger, names.down, 2, 7)],
        ),
    ];
    record(
        &mut ledger,
        Tick {
            settled,
            ..Tick::default()
        },
    );
    assert_eq!(
        uses(&ledger, names.down),
        (2, Some(1)),
        "one author of two minutes"
    );
    assert_eq!(ledger.seal(Minute(NOON.0 + 2)).expect("sealed"), 2);
    assert_eq!(
        uses(&ledger, names.down),
        (2, Some(2)),
        "a sum of minutes from now on"
    );
    assert_eq!(
        ledger.mentions_since().expect("readable"),
        Some(Minute(NOON.0 + 2))
    );
    assert_eq!(
        ledger.seal(Minute(NOON.0 + 2)).expect("sealed"),
        0,
        "nothing is left to seal"
    );
}

/// As a tracker that remembers nothing would at the end of a minute.
fn checkpoint(ledger: &mut impl Ledger, until: Minute) {
    record(
        ledger,
        Tick {
            checkpoint: Some(Vec::new()),
            settled_until: Some(until),
            ..Tick::default()
        },
    );
}

fn settle_one(ledger: &mut impl Ledger, names: &Names, minute: Minute) {
    let mentions = vec![mention(ledger, names.down, u64::from(minute.0), 7)];
    let settled = vec![settled(names.feed, minute, mentions)];
    record(
        ledger,
        Tick {
            settled,
            ..Tick::default()
        },
    );
}

fn hours_of(ledger: &impl Ledger, hashtag: HashtagId, from: Minute) -> Vec<(u32, u32)> {
    let wanted = BTreeSet::from([hashtag]);
    let hours = ledger
        .hours(&wanted, from..Minute(from.0 + 1_440))
        .expect("readable");
    let since = |(at, tally): &(Minute, Tally)| (at.0 - from.0, tally.uses);
    hours[&hashtag].iter().map(since).collect()
}

fn forgetting_again_adds_to_an_hour(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let hour = Minute(NOON.0 / 60 * 60);
    settle_one(&mut ledger, &names, hour);
    checkpoint(&mut ledger, Minute(hour.0 + 120));
    assert_eq!(ledger.forget(Minute(hour.0 + 60)).expect("forgotten"), 1);
    settle_one(&mut ledger, &names, hour.next());
    assert_eq!(ledger.forget(Minute(hour.0 + 120)).expect("forgotten"), 1);
    assert_eq!(hours_of(&ledger, names.down, hour), [(0, 2)]);
    assert_eq!(ledger.forget(Minute(hour.0 + 60)).expect("forgotten"), 0);
    let since = ledger.minutes_since().expect("readable");
    assert_eq!(since, Some(Minute(hour.0 + 120)), "it does not go back");
    // Of the feed everything is still known.
    let feed = &ledger.feeds().expect("readable")[0];
    assert_eq!((feed.posts, feed.first), (2, Some(hour)));
    let coverage = ledger.coverage().expect("readable").expect("heard");
    assert_eq!(coverage.start(), hour.0);
}

fn what_a_restart_needs_is_not_forgotten(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let hour = Minute(NOON.0 / 60 * 60);
    settle_one(&mut ledger, &names, hour);
    assert_eq!(ledger.forget(Minute(hour.0 + 600)).expect("asked"), 0);
    checkpoint(&mut ledger, hour);
    let settled_until = Some(Minute(hour.0 + 600));
    record(
        &mut ledger,
        Tick {
            settled_until,
            ..Tick::default()
        },
    );
    assert_eq!(ledger.forget(Minute(hour.0 + 600)).expect("asked"), 0);
    let memory = ledger.memory().expect("readable");
    assert_eq!(memory.since_checkpoint.len(), 1);
    checkpoint(&mut ledger, Minute(hour.0 + 61));
    assert_eq!(ledger.forget(Minute(hour.0 + 600)).expect("forgotten"), 1);
}

fn sealing_does_not_go_back(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    settle_one(&mut ledger, &names, NOON);
    assert_eq!(ledger.seal(NOON.next()).expect("sealed"), 1);
    assert_eq!(ledger.seal(NOON.minus(10)).expect("asked"), 0);
    let since = ledger.mentions_since().expect("readable");
    assert_eq!(since, Some(NOON.next()));
}

fn forgetting_keeps_hours(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let hour = Minute(NOON.0 / 60 * 60);
    let settled = (0..3)
        .map(|minute| {
            let mentions = vec![mention(&mut ledger, names.down, u64::from(minute), 7)];
            settled(names.feed, Minute(hour.0 + minute * 30), mentions)
        })
        .collect();
    record(
        &mut ledger,
        Tick {
            settled,
            ..Tick::default()
        },
    );
    let next_hour = Minute(hour.0 + 60);
    checkpoint(&mut ledger, Minute(hour.0 + 120));
    assert_eq!(
        ledger.forget(Minute(next_hour.0 + 30)).expect("forgotten"),
        2,
        "whole hours only"
    );
    let wanted = BTreeSet::from([names.down]);
    let hours = ledger
        .hours(&wanted, hour..Minute(hour.0 + 120))
        .expect("readable");
    assert_eq!(
        hours[&names.down]
            .iter()
            .map(|(at, tally)| (*at, tally.uses))
            .collect::<Vec<_>>(),
        [(hour, 2)]
    );
    let minutes = ledger
        .series(&wanted, hour..Minute(hour.0 + 120))
        .expect("readable");
    assert_eq!(minutes[&names.down].len(), 1);
    assert_eq!(ledger.minutes_since().expect("readable"), Some(next_hour));
}

fn gaps_that_touch_are_one(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    settle_one(&mut ledger, &names, NOON);
    for minute in 10..20 {
        let gap = Minute(NOON.0 + minute)..Minute(NOON.0 + minute + 1);
        record(
            &mut ledger,
            Tick {
                gaps: vec![gap],
                ..Tick::default()
            },
        );
    }
    let coverage = ledger.coverage().expect("readable").expect("heard");
    let gap = NOON.0 + 10..NOON.0 + 20;
    assert_eq!(coverage.gaps(), std::slice::from_ref(&gap));
}

fn gaps_are_not_covered(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let mentions = vec![mention(&mut ledger, names.down, 1, 7)];
    let gap = NOON.next()..Minute(NOON.0 + 5);
    let tick = Tick {
        settled: vec![settled(names.feed, NOON, mentions)],
        gaps: vec![gap],
        ..Tick::default()
    };
    record(&mut ledger, tick);
    let coverage = ledger
        .coverage()
        .expect("readable")
        .expect("something was heard");
    assert_eq!(coverage.start(), NOON.0);
    assert!(coverage.covers(NOON.0) && !coverage.covers(NOON.0 + 1) && coverage.covers(NOON.0 + 5));
}

fn memory_gives_back_what_a_restart_needs(mut ledger: impl Ledger) {
    let names = names(&mut ledger);
    let old = mention(&mut ledger, names.other, 1, 7);
    let new = mention(&mut ledger, names.down, 2, 8);
    let state = downtrend::trend::track::Track::default().encode();
    let remembered = Remembered {
        hashtag: names.other,
        awake: true,
        state,
    };
    let tick = Tick {
        settled: vec![settled(names.feed, NOON, vec![old])],
        checkpoint: Some(vec![remembered]),
        settled_until: Some(NOON.next()),
        ..Tick::default()
    };
    record(&mut ledger, tick);
    let tick = Tick {
        settled: vec![settled(names.feed, NOON.next(), vec![new])],
        segments: vec![segment(names.feed, Minute(NOON.0 + 2), vec![new])],
        settled_until: Some(Minute(NOON.0 + 2)),
        ..Tick::default()
    };
    record(&mut ledger, tick);
    let memory = ledger.memory().expect("readable");
    assert_eq!(memory.settled_until, Some(Minute(NOON.0 + 2)));
    let tracks: Vec<HashtagId> = memory.tracks.iter().map(|(hashtag, _)| *hashtag).collect();
    assert_eq!(
        tracks,
        [names.other],
        "the awake one; the other was never in a checkpoint"
    );
    let since: Vec<Minute> = memory
        .since_checkpoint
        .iter()
        .map(|(minute, _)| *minute)
        .collect();
    assert_eq!(
        since,
        [NOON.next()],
        "what the checkpoint holds is not repeated"
    );
    let hour: Vec<Minute> = memory.last_hour.iter().map(|(minute, _)| *minute).collect();
    assert_eq!(hour, [NOON, NOON.next()]);
    assert_eq!(memory.segments.len(), 1);
    assert_eq!(memory.segments[0].heard, [(names.feed, 1)]);
}

fn the_newest_version_of_what_a_status_page_says_stays(mut ledger: impl Ledger) {
    let feed = ledger.feed("status:a.example", "status").expect("numbered");
    let other = ledger.feed("other", "file").expect("numbered");
    let said = |update: &str, minute: u32, edited: u32, text: &str| Official {
        page_id: "page".into(),
        incident_id: "incident".into(),
        update_id: update.into(),
        page: "WhatsApp".into(),
        service: Some("whatsapp".into()),
        incident: "No messages".into(),
        state: "investigating".into(),
        impact: "major".into(),
        text: text.into(),
        at: Minute(NOON.0 + minute).start(),
        updated_at: Minute(NOON.0 + edited).start(),
        url: None,
    };
    let mut keep = |officials: Vec<Official>| {
        ledger
            .record(&Record {
                officials: vec![(feed, officials)],
                ..Record::default()
            })
            .expect("recorded");
    };
    keep(vec![said("2", 5, 5, "second"), said("1", 0, 0, "first")]);
    keep(vec![said("1", 0, 7, "first, edited")]);
    keep(vec![said("1", 0, 0, "first, from a cache")]);
    let of = |service: &str, range| ledger.officials(service, range).expect("readable");
    let hour = NOON..Minute(NOON.0 + 60);
    let (first, second) = (said("1", 0, 7, "first, edited"), said("2", 5, 5, "second"));
    assert_eq!(of("whatsapp", hour.clone()), [first.clone(), second]);
    assert_eq!(of("whatsapp", NOON..Minute(NOON.0 + 5)), [first]);
    assert!(of("signal", hour).is_empty());
    let rows = ledger.feeds().expect("readable");
    let counts: Vec<(FeedId, u64)> = rows.iter().map(|row| (row.id, row.officials)).collect();
    assert_eq!(counts, [(feed, 2), (other, 0)]);
}

#[test]
fn a_second_writer_is_refused_at_once_and_a_reader_is_not() {
    let place = Place::new();
    let path = place.path("one.db");
    let writer = Sqlite::open(&path).expect("opens");
    assert!(matches!(Sqlite::open(&path), Err(Error::Locked { .. })));
    assert!(Sqlite::open_to_read(&path).expect("readable").is_some());
    drop(writer);
    assert!(Sqlite::open(&path).is_ok(), "the lock goes with its owner");
}
