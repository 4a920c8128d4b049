//! The feed of Bluesky against a server that cuts, refuses, stalls and forgets.

use std::collections::BTreeMap;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::bluesky::{Options, Protocol};
use downtrend::feed::contract::Standing;
use downtrend::post::{Cursor, Reject};
use downtrend::time::Timestamp;

use super::support::ear::Ear;
use super::support::jetstream::{After, End, Jetstream, Manner, Visit};

fn options(servers: &[&Jetstream]) -> Options {
    Options {
        hosts: servers.iter().map(|server| server.url()).collect(),
        allow_private: true,
        ..Options::default()
    }
}

/// That many seconds ago, in microseconds.
fn ago_us(seconds: i64) -> i64 {
    (clock::now().as_millis() - seconds * 1_000) * 1_000
}

fn at(time_us: i64) -> Timestamp {
    Timestamp::from_millis(time_us / 1_000).expect("a time")
}

/// The cursor after one post, number 1, with this place.
fn cursor_after(server: &Jetstream, seq: u64, time_us: i64, options: &Options) -> Cursor {
    let mut ear = Ear::open(options, None);
    ear.until_live();
    server.push(1, seq, time_us);
    ear.until_tags(1..=1);
    let cursor = ear.cursor.clone().expect("a cursor after a post");
    ear.stop();
    cursor
}

#[test]
fn after_a_cut_it_goes_on_without_loss_and_without_repeat() {
    let server = Jetstream::start();
    server.next_visit(Manner::Ends(After::Frames(4), End::Cut));
    let mut ear = Ear::open(&options(&[&server]), None);
    ear.until_live();
    for number in 1..=10 {
        server.push(number, 100 + number, ago_us(0));
    }
    ear.until_tags(1..=10);
    assert!(ear.each_once(), "{:?}", ear.tags);
    assert_eq!(ear.gaps, []);
    let visits = server.visits(2);
    assert_eq!((visits[0].cursor(), visits[1].cursor()), (None, Some(104)));
    assert!(visits[0].user_agent.starts_with("downtrend/"));
    let waited = |standing: &Standing| matches!(standing, Standing::Waiting { .. });
    assert!(ear.standings.iter().any(waited));
    assert_eq!(ear.standings.last(), Some(&Standing::Live));
    assert!(
        !server.client_spoke(),
        "a client that speaks is cut off by the real server"
    );
    ear.stop();
}

#[test]
fn on_another_host_it_goes_on_by_time() {
    let (first, second) = (Jetstream::start(), Jetstream::start());
    first.next_visit(Manner::Ends(After::Frames(3), End::Cut));
    for _ in 0..9 {
        first.next_visit(Manner::Answer("500 Internal Server Error", "", ""));
    }
    let mut ear = Ear::open(&options(&[&first, &second]), None);
    ear.until_live();
    let start = ago_us(3);
    for number in 1..=5 {
        let time_us = start + i64::try_from(number).expect("small") * 1_000;
        second.push(number, 9_000_000 + number, time_us);
        first.push(number, number, time_us);
    }
    ear.until_tags(1..=5);
    assert_eq!(ear.gaps, []);
    let asked = second.visits(1)[0].cursor();
    assert_eq!(asked, Some(start + 3_000 - 10_000_000));
    assert_eq!(first.visits(2).len(), 2, "two failures, then the next");
    ear.stop();
}

#[test]
fn a_silent_peer_is_noticed_and_left() {
    let server = Jetstream::start();
    server.next_visit(Manner::Silence);
    let options = Options {
        idle_after: Duration::from_millis(300),
        ..options(&[&server])
    };
    let mut ear = Ear::open(&options, None);
    ear.until("wait", |ear| {
        ear.standings.iter().any(|standing| {
            matches!(standing, Standing::Waiting { why, .. } if why.contains("nothing for 0.3 s"))
        })
    });
    assert_eq!(ear.heard_until, None, "nothing was heard");
    server.visits(2);
    ear.stop();
}

#[test]
fn a_peer_that_only_babbles_is_left() {
    let server = Jetstream::start();
    server.next_visit(Manner::Babble("{\"$type\":\"message\", and so on"));
    let options = Options {
        idle_after: Duration::from_millis(300),
        ..options(&[&server])
    };
    let mut ear = Ear::open(&options, None);
    ear.until("wait", |ear| {
        ear.standings.iter().any(|standing| {
            matches!(standing, Standing::Waiting { why, .. } if why.contains("nothing that can be read for 0.3 s"))
        })
    });
    assert_eq!(ear.heard_until, None, "nothing was heard");
    assert!(ear.rejected[&Reject::Json] > 0);
    server.visits(2);
    ear.stop();
}

#[test]
fn a_connection_torn_in_the_middle_of_a_frame_is_one_that_was_cut() {
    let server = Jetstream::start();
    for end in [End::Torn, End::Farewell] {
        server.next_visit(Manner::Ends(After::Frames(2), end));
    }
    let mut ear = Ear::open(&options(&[&server]), None);
    ear.until_live();
    for number in 1..=6 {
        server.push(number, number, ago_us(0));
    }
    ear.until_tags(1..=6);
    assert!(ear.each_once() && ear.rejected.is_empty(), "{:?}", ear.tags);
    let asked: Vec<_> = server.visits(3).iter().map(Visit::cursor).collect();
    assert_eq!(asked, [None, Some(2), Some(3)]);
    ear.stop();
}

#[test]
fn a_host_that_says_when_to_come_back_is_left_alone_till_then() {
    let server = Jetstream::start();
    let busy = Manner::Answer("429 Too Many Requests", "Retry-After: 2\r\n", "slow down");
    server.next_visit(busy);
    let mut ear = Ear::open(&options(&[&server]), None);
    ear.until_live();
    let visits = server.visits(2);
    assert!(visits[1].at.duration_since(visits[0].at) >= Duration::from_secs(2));
    assert!(
        matches!(&ear.standings[0], Standing::Waiting { why, .. } if why.contains("429 Too Many Requests slow down")),
        "{:?}",
        ear.standings
    );
    ear.stop();
}

#[test]
fn a_broken_frame_is_counted_and_the_next_one_is_read() {
    let server = Jetstream::start();
    let mut ear = Ear::open(&options(&[&server]), None);
    ear.until_live();
    server.push(1, 1, ago_us(0));
    server.push_frame(r#"{"$type":"message","payload":{"seq":2,"#);
    server.push_frame(r#"{"$type":"weather","payload":"rain"}"#);
    server.push(2, 4, ago_us(0));
    server.push(3, 5, ago_us(-3_600));
    server.push(4, 6, ago_us(0));
    ear.until_tags(4..=4);
    assert_eq!(
        ear.tags.keys().collect::<Vec<_>>(),
        ["tag1", "tag2", "tag4"]
    );
    let expected = [(Reject::Json, 1), (Reject::Shape, 1), (Reject::Future, 1)];
    assert_eq!(ear.rejected, BTreeMap::from(expected));
    assert!(
        ear.heard_until <= Some(clock::now()),
        "the future was not heard"
    );
    server.visits(1);
    ear.stop();
}

#[test]
fn a_stop_is_quick_and_polite_and_the_next_run_goes_on_at_the_last_batch() {
    let server = Jetstream::start();
    let options = options(&[&server]);
    let cursor = cursor_after(&server, 7, ago_us(0), &options);
    server.farewell();
    for number in 2..=4 {
        server.push(number, 6 + number, ago_us(0));
    }
    let mut ear = Ear::open(&options, Some(&cursor));
    ear.until_tags(2..=4);
    assert!(
        ear.each_once() && !ear.tags.contains_key("tag1"),
        "{:?}",
        ear.tags
    );
    assert_eq!(ear.gaps, []);
    assert_eq!(server.visits(2)[1].cursor(), Some(7));
    ear.stop();
}

#[test]
fn what_a_host_has_forgotten_is_a_gap_up_to_the_moment_it_goes_on_live() {
    let server = Jetstream::start();
    let options = options(&[&server]);
    let last = ago_us(3_600);
    let cursor = cursor_after(&server, 7, last, &options);
    server.forget_before(5_000, ago_us(60));
    let before = clock::now();
    let mut ear = Ear::open(&options, Some(&cursor));
    ear.until_live();
    let after = clock::now();
    server.push(2, 6_000, ago_us(0));
    ear.until_tags(2..=2);
    let [gap] = &ear.gaps[..] else {
        panic!("one gap, not {:?}", ear.gaps);
    };
    assert_eq!(gap.start, at(last));
    assert!((before..=after).contains(&gap.end), "{gap:?}");
    let asked: Vec<_> = server.visits(3).iter().map(Visit::cursor).collect();
    assert_eq!(asked, [None, Some(7), None]);
    ear.stop();
}

#[test]
fn a_time_that_was_moved_up_is_a_gap_up_to_the_first_event() {
    let (old, new) = (Jetstream::start(), Jetstream::start());
    let last = ago_us(3_600);
    let cursor = cursor_after(&old, 7, last, &options(&[&old]));
    let first_kept = ago_us(60);
    new.push(2, 40, first_kept);
    new.forget_before(40, first_kept);
    let mut ear = Ear::open(&options(&[&new]), Some(&cursor));
    ear.until_tags(2..=2);
    assert_eq!(ear.gaps, [at(last)..at(first_kept)]);
    assert_eq!(ear.standings.last(), Some(&Standing::CatchingUp));
    ear.stop();
}

#[test]
fn a_server_that_counts_anew_is_a_gap_and_no_silence() {
    let server = Jetstream::start();
    let options = options(&[&server]);
    let last = ago_us(5);
    let cursor = cursor_after(&server, 1_000_000, last, &options);
    server.reset();
    let mut ear = Ear::open(&options, Some(&cursor));
    server.visits(2);
    ear.until("connection", |ear| {
        ear.standings.contains(&Standing::CatchingUp)
    });
    let first = ago_us(0);
    server.push(2, 3, first);
    server.push(3, 4, first);
    ear.until_tags(2..=3);
    assert_eq!(ear.gaps, [at(last)..at(first)]);
    ear.stop();
}

#[test]
fn a_fault_told_in_the_stream_ends_the_connection_and_it_goes_on_where_it_was() {
    let server = Jetstream::start();
    let mut ear = Ear::open(&options(&[&server]), None);
    ear.until_live();
    server.push(1, 1, ago_us(0));
    server.push_frame(r#"{"$type":"error","error":"ConsumerTooSlow","message":"read faster"}"#);
    ear.until("wait", |ear| {
        ear.standings.iter().any(|standing| {
            matches!(standing, Standing::Waiting { why, .. } if why.contains("ConsumerTooSlow read faster"))
        })
    });
    server.reset();
    server.push(1, 1, ago_us(0));
    server.push(2, 2, ago_us(0));
    ear.until_tags(1..=2);
    assert!(ear.each_once() && ear.rejected.is_empty(), "{:?}", ear.tags);
    assert_eq!(server.visits(2)[1].cursor(), Some(1));
    ear.stop();
}

#[test]
fn a_host_that_refuses_is_said_to_and_waiting_for_it_holds_no_stop_up() {
    let server = Jetstream::start();
    server.next_visit(Manner::Answer("403 Forbidden", "", "\u{1b}[2Jgo away"));
    let mut ear = Ear::open(&options(&[&server]), None);
    ear.until("refusal", |ear| !ear.standings.is_empty());
    let why = "open a websocket at 127.0.0.1: it answers 403 Forbidden [2Jgo away".to_owned();
    assert_eq!(ear.standings, [Standing::Refused { why }]);
    ear.stop();
}

#[test]
fn a_private_address_is_not_connected_to_unless_that_is_allowed() {
    let server = Jetstream::start();
    let options = Options {
        allow_private: false,
        ..options(&[&server])
    };
    let mut ear = Ear::open(&options, None);
    ear.until("refusal", |ear| !ear.standings.is_empty());
    assert!(
        matches!(&ear.standings[..], [Standing::Refused { why }] if why.contains("127.0.0.1 is not a public address")),
        "{:?}",
        ear.standings
    );
    assert!(server.visits(0).is_empty());
    ear.stop();
}

#[test]
fn the_first_protocol_goes_on_a_little_before_its_last_time() {
    let server = Jetstream::start();
    server.next_visit(Manner::Ends(After::Frames(2), End::Cut));
    let options = Options {
        protocol: Protocol::V1,
        ..options(&[&server])
    };
    let mut ear = Ear::open(&options, None);
    ear.until_live();
    let start = ago_us(20);
    for number in 1..=4 {
        let seconds = i64::try_from(number).expect("small") * 5;
        server.push(number, number, start + seconds * 1_000_000);
    }
    ear.until_tags(1..=4);
    assert_eq!(ear.gaps, []);
    let visits = server.visits(2);
    assert_eq!(visits[0].path, "/subscribe");
    assert_eq!(visits[1].cursor(), Some(start));
    assert_eq!(
        ear.tags["tag1"], 2,
        "repeats are left to the store, which knows posts by id"
    );
    ear.stop();
}
