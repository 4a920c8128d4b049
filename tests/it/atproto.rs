//! The feed of repository streams against a server that cuts, refuses, stalls and forgets.

use std::collections::BTreeMap;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::atproto::{Atproto, MESSAGE_BYTES_MAX, Options};
use downtrend::feed::bluesky;
use downtrend::feed::contract::Standing;
use downtrend::post::{Cursor, Reject};
use downtrend::time::Timestamp;
use ipld_core::ipld;

use super::support::ear::Ear;
use super::support::firehose::frame::{Change, commit, fault, info, message, other};
use super::support::firehose::{Firehose, Manner};
use super::support::jetstream::{Jetstream, PATIENCE, Visit};

fn options(server: &Firehose) -> Options {
    Options {
        host: server.url(),
        allow_private: true,
        idle_after: None,
    }
}

fn listen(options: &Options, cursor: Option<&Cursor>) -> Ear {
    listen_with(PATIENCE, options, cursor)
}

fn listen_with(patience: Duration, options: &Options, cursor: Option<&Cursor>) -> Ear {
    let feed = Atproto::new(options, Ear::context(), cursor).expect("good options");
    Ear::listen(feed, patience)
}

/// That many seconds ago, in milliseconds.
fn ago_ms(seconds: i64) -> i64 {
    clock::now().as_millis() - seconds * 1_000
}

fn at(time_ms: i64) -> Timestamp {
    Timestamp::from_millis(time_ms).expect("a time")
}

/// The cursor of a feed that had heard all of the server up to this place.
fn cursor_at(server: &Firehose, seq: u64, time_ms: i64) -> Cursor {
    let position = serde_json::json!({"host": server.url(), "seq": seq, "time_ms": time_ms});
    Cursor::Token(position.to_string())
}

fn asked(server: &Firehose, visits: usize) -> Vec<Option<i64>> {
    server.visits(visits).iter().map(Visit::cursor).collect()
}

#[test]
fn after_a_cut_it_goes_on_without_loss_and_without_repeat() {
    let server = Firehose::start();
    server.next_visit(Manner::CutAfter(4));
    let mut ear = listen(&options(&server), None);
    ear.until_live();
    for number in 1..=10 {
        server.push(number, 100 + number, ago_ms(0));
    }
    ear.until_tags(1..=10);
    assert!(ear.has_once(1..=10), "{:?}", ear.tags);
    assert_eq!((&ear.gaps[..], ear.skipped), (&[][..], 0));
    assert!(ear.rejected.is_empty(), "{:?}", ear.rejected);
    assert_eq!(asked(&server, 2), [None, Some(104)]);
    assert!(server.visits(2)[0].user_agent.starts_with("downtrend/"));
    ear.until_waiting("127.0.0.1");
    assert_eq!(ear.standings.last(), Some(&Standing::Live));
    ear.stop();
}

#[test]
fn a_post_that_comes_by_two_wires_is_one_post_by_one_author() {
    let (firehose, jetstream) = (Firehose::start(), Jetstream::start());
    let mut by_cbor = listen(&options(&firehose), None);
    let options = bluesky::Options {
        hosts: vec![jetstream.url()],
        allow_private: true,
        ..bluesky::Options::default()
    };
    let mut by_json = Ear::open(&options, None);
    by_cbor.until_live();
    by_json.until_live();
    let now_ms = ago_ms(0);
    firehose.push(1, 50, now_ms);
    jetstream.push(1, 9_000, now_ms * 1_000);
    by_cbor.until_tags(1..=1);
    by_json.until_tags(1..=1);
    let (one, other) = (&by_cbor.posts[0], &by_json.posts[0]);
    assert_eq!(
        (one.id, one.author, one.at),
        (other.id, other.author, other.at)
    );
    assert_eq!(one.hashtags, other.hashtags);
    let host = firehose.url().replace("ws://", "atproto:");
    assert_eq!((&one.source, &*other.source), (&host, "bluesky"));
    by_cbor.stop();
    by_json.stop();
}

#[test]
fn a_silent_peer_is_noticed_and_left() {
    let server = Firehose::start();
    server.next_visit(Manner::Silence);
    let options = Options {
        idle_after: Some(Duration::from_millis(300)),
        ..options(&server)
    };
    let mut ear = listen(&options, None);
    ear.until_waiting("nothing for 0.3 s");
    assert_eq!(ear.heard_until, None, "nothing was heard");
    server.visits(2);
    ear.stop();
}

#[test]
fn a_server_that_says_when_to_come_back_is_left_alone_till_then() {
    const WAIT_MS: i64 = 3_000;
    let now = clock::start();
    let then_ms = (ago_ms(0) + WAIT_MS) / 1_000 * 1_000;
    let then = jiff::Timestamp::from_millisecond(then_ms).expect("a time");
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&then);
    let headers = [
        "Retry-After: 2\r\n".to_owned(),
        format!("Retry-After: {}\r\n", date.expect("a date")),
        format!("X-RateLimit-Reset: {then:.6}\r\n"),
    ];
    let servers = headers.map(|headers| {
        let server = Firehose::start();
        server.next_visit(Manner::Answer(
            "429 Too Many Requests",
            headers,
            "slow down",
        ));
        server
    });
    for server in servers
        .each_ref()
        .map(|server| (server, listen(&options(server), None)))
    {
        let (server, mut ear) = server;
        ear.until_live();
        ear.until_waiting("429 Too Many Requests slow down");
        // The date and the reset were rounded down to a second; more than the second that chance would have waited.
        let visits = server.visits(2);
        assert!(visits[1].at.duration_since(now) >= Duration::from_secs(2));
        ear.stop();
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_the_next_message_is_read() {
    let server = Firehose::start();
    let mut ear = listen(&options(&server), None);
    ear.until_live();
    let now_ms = ago_ms(0);
    server.push(1, 1, now_ms);
    let whole = commit(2, now_ms, &[Change::post("x", "cut off")]);
    server.push_message(Some(2), whole[..whole.len() - 9].to_vec());
    server.push_message(Some(3), b"{\"json\": true}".to_vec());
    server.push_message(
        Some(4),
        message("#commit", &ipld!({"seq": 4, "ops": "none"})),
    );
    let withheld = Change {
        is_withheld: true,
        ..Change::post("w", "without its block")
    };
    server.push_message(
        Some(5),
        commit(5, now_ms, &[withheld, Change::post("r2", "it is #tag2")]),
    );
    let wordless = Change::create("app.bsky.feed.post/v", ipld!({"text": [1, 2]}));
    server.push_message(Some(6), commit(6, now_ms, &[wordless]));
    server.push(3, 7, ago_ms(-3_600));
    server.push(4, 8, now_ms);
    ear.until_tags(4..=4);
    assert_eq!(
        ear.tags.keys().collect::<Vec<_>>(),
        ["tag1", "tag2", "tag4"]
    );
    let expected = [
        (Reject::Cbor, 1),
        (Reject::Shape, 2),
        (Reject::Text, 2),
        (Reject::Future, 1),
    ];
    assert_eq!(ear.rejected, BTreeMap::from(expected));
    assert!(
        ear.heard_until <= Some(clock::now()),
        "the future was not heard"
    );
    assert_eq!(server.visits(1).len(), 1, "none of it ends the connection");
    ear.stop();
}

#[test]
fn what_is_no_new_post_is_skipped_and_an_edit_is_known_as_one() {
    let server = Firehose::start();
    let mut ear = listen(&options(&server), None);
    ear.until_live();
    let now_ms = ago_ms(0);
    for (seq, t) in [
        (1, "#identity"),
        (2, "#account"),
        (3, "#sync"),
        (4, "#weather"),
    ] {
        server.push_message(Some(seq), other(t, seq, now_ms));
    }
    server.push_message(None, info("Greeting"));
    server.push_message(None, message("#weather", &ipld!({"rain": true})));
    server.push_message(Some(5), commit(5, now_ms, &[]));
    let like = Change::create("app.bsky.feed.like/a", ipld!({"subject": "x"}));
    let delete = Change {
        action: "delete",
        record: None,
        ..Change::post("gone", "")
    };
    let update = Change {
        action: "update",
        ..Change::post("r1", "it is #tag1 and #tag2")
    };
    server.push(1, 6, now_ms);
    server.push_message(Some(7), commit(7, now_ms, &[like, delete, update]));
    ear.until_tags(1..=2);
    assert_eq!(ear.skipped, 9);
    assert!(ear.rejected.is_empty(), "{:?}", ear.rejected);
    let [new, edited] = &ear.posts[..] else {
        panic!("two posts, not {:?}", ear.posts);
    };
    assert_eq!((new.id, new.edit, edited.edit), (edited.id, false, true));
    ear.stop();
}

#[test]
fn a_stop_is_quick_and_polite_and_the_next_run_goes_on_at_the_last_batch() {
    let server = Firehose::start();
    let mut ear = listen(&options(&server), None);
    ear.until_live();
    for number in 1..=3 {
        server.push(number, 4 + number, ago_ms(0));
    }
    ear.until_tags(1..=3);
    let cursor = ear.cursor.clone().expect("a cursor after a post");
    ear.stop();
    server.farewell();
    for number in 4..=8 {
        server.push(number, 6 + number, ago_ms(0));
    }
    let mut ear = listen(&options(&server), Some(&cursor));
    ear.until_tags(4..=8);
    assert!(ear.has_once(4..=8), "{:?}", ear.tags);
    assert_eq!(ear.gaps, []);
    assert_eq!(asked(&server, 2), [None, Some(7)]);
    ear.stop();
}

#[test]
fn what_a_server_has_forgotten_is_a_gap_up_to_the_first_event_it_has() {
    let server = Firehose::start();
    let (last_ms, first_kept_ms) = (ago_ms(3_600), ago_ms(60));
    for number in 1..=3 {
        server.push(number, 40 + number, first_kept_ms);
    }
    server.forget_before(41);
    let mut ear = listen(&options(&server), Some(&cursor_at(&server, 7, last_ms)));
    ear.until_tags(1..=3);
    assert_eq!(ear.gaps, [at(last_ms)..at(first_kept_ms)]);
    assert_eq!(ear.standings, [Standing::CatchingUp]);
    assert_eq!(ear.heard_until, Some(at(first_kept_ms)));
    ear.stop();
}

#[test]
fn a_server_that_has_forgotten_all_and_says_nothing_more_is_heard_by_its_answers_to_pings() {
    let server = Firehose::start();
    let last_ms = ago_ms(3_600);
    server.push(1, 50, ago_ms(1_800));
    server.forget_before(51);
    server.push_message(Some(51), info("Greeting"));
    let cursor = cursor_at(&server, 7, last_ms);
    // It is pinged every ten seconds.
    let mut ear = listen_with(3 * PATIENCE, &options(&server), Some(&cursor));
    let before = clock::now();
    ear.until("answer to a ping", |ear| ear.heard_until.is_some());
    let [gap] = &ear.gaps[..] else {
        panic!("one gap, not {:?}", ear.gaps);
    };
    assert_eq!(gap.start, at(last_ms));
    assert!(gap.end > before, "{gap:?}");
    assert_eq!(ear.standings, [Standing::CatchingUp, Standing::Live]);
    let lag_ms = clock::now().as_millis() - ear.heard_until.expect("just seen").as_millis();
    assert!(lag_ms < 60_000, "it holds nobody up: {lag_ms} ms");
    ear.stop();
}

#[test]
fn a_cursor_in_the_future_of_a_server_is_a_gap_up_to_the_moment_it_goes_on_live() {
    let server = Firehose::start();
    server.push(1, 3, ago_ms(30));
    let last_ms = ago_ms(3_600);
    let before = clock::now();
    let mut ear = listen(&options(&server), Some(&cursor_at(&server, 1_000, last_ms)));
    ear.until_waiting(
        " ends it: it has not come as far as we had read, so it counts anew: FutureCursor",
    );
    ear.until_live();
    server.push(2, 4, ago_ms(0));
    ear.until_tags(2..=2);
    assert!(ear.has_once(2..=2), "{:?}", ear.tags);
    let [gap] = &ear.gaps[..] else {
        panic!("one gap, not {:?}", ear.gaps);
    };
    assert_eq!(gap.start, at(last_ms));
    assert!((before..=clock::now()).contains(&gap.end), "{gap:?}");
    assert_eq!(asked(&server, 2), [Some(1_000), None]);
    ear.stop();
}

#[test]
fn a_cursor_that_is_refused_before_there_is_a_stream_is_a_gap_and_no_end() {
    let server = Firehose::start();
    server.next_visit(Manner::Answer(
        "400 Bad Request",
        String::new(),
        r#"{"error":"FutureCursor","message":"Cursor in the future."}"#,
    ));
    let last_ms = ago_ms(3_600);
    let mut ear = listen(&options(&server), Some(&cursor_at(&server, 1_000, last_ms)));
    ear.until_live();
    assert_eq!(ear.gaps.len(), 1, "{:?}", ear.gaps);
    assert_eq!(ear.gaps[0].start, at(last_ms));
    assert_eq!(asked(&server, 2), [Some(1_000), None]);
    ear.stop();
}

#[test]
fn a_server_that_counts_anew_and_does_not_say_so_is_noticed_by_its_first_number() {
    let server = Firehose::start();
    server.forgive_the_future();
    let last_ms = ago_ms(60);
    let mut ear = listen(&options(&server), Some(&cursor_at(&server, 1_000, last_ms)));
    ear.until("connection", |ear| ear.standings == [Standing::CatchingUp]);
    let first_ms = ago_ms(0);
    server.push(1, 3, first_ms);
    server.push(2, 4, first_ms);
    ear.until_tags(1..=2);
    assert!(ear.has_once(1..=2), "{:?}", ear.tags);
    assert_eq!(ear.gaps, [at(last_ms)..at(first_ms)]);
    let cursor = ear.cursor.clone();
    ear.stop();
    let mut ear = listen(&options(&server), cursor.as_ref());
    server.push(3, 5, first_ms);
    ear.until_tags(3..=3);
    assert_eq!((asked(&server, 2)[1], &ear.gaps[..]), (Some(4), &[][..]));
    ear.stop();
}

#[test]
fn what_is_lost_while_no_number_is_known_is_a_gap() {
    let server = Firehose::start();
    server.next_visit(Manner::CutAfter(0));
    let before = clock::now();
    let mut ear = listen(&options(&server), None);
    ear.until("second connection", |ear| !ear.gaps.is_empty());
    assert_eq!(asked(&server, 2), [None, None]);
    let [gap] = &ear.gaps[..] else {
        panic!("one gap, not {:?}", ear.gaps);
    };
    assert!(
        before <= gap.start && gap.start < gap.end && gap.end <= clock::now(),
        "{gap:?}"
    );
    ear.stop();
}

#[test]
fn a_fault_told_in_the_stream_ends_the_connection_and_it_goes_on_where_it_was() {
    let server = Firehose::start();
    let mut ear = listen(&options(&server), None);
    ear.until_live();
    server.push(1, 1, ago_ms(0));
    server.push_message(None, fault("ConsumerTooSlow", "Stream consumer too slow"));
    ear.until_waiting(
        "we read more slowly than it writes: ConsumerTooSlow Stream consumer too slow",
    );
    server.push(2, 2, ago_ms(0));
    ear.until_tags(1..=2);
    assert!(
        ear.has_once(1..=2) && ear.rejected.is_empty(),
        "{:?}",
        ear.tags
    );
    assert_eq!(
        (asked(&server, 2), &ear.gaps[..]),
        (vec![None, Some(1)], &[][..])
    );
    ear.stop();
}

#[test]
fn a_message_over_the_cap_is_counted_once_and_stepped_over() {
    let server = Firehose::start();
    let mut ear = listen(&options(&server), None);
    ear.until_live();
    server.push(1, 1, ago_ms(0));
    server.push_message(Some(2), vec![0; MESSAGE_BYTES_MAX + 1]);
    server.push(3, 3, ago_ms(0));
    ear.until_tags(3..=3);
    assert_eq!(ear.rejected, BTreeMap::from([(Reject::TooLong, 1)]));
    assert_eq!(
        (asked(&server, 2), &ear.gaps[..]),
        (vec![None, Some(2)], &[][..])
    );
    ear.stop();
}

#[test]
fn messages_over_the_cap_in_a_row_are_a_gap_and_no_endless_round() {
    let server = Firehose::start();
    let mut ear = listen(&options(&server), None);
    ear.until_live();
    server.push(1, 1, ago_ms(0));
    for seq in 2..=9 {
        server.push_message(Some(seq), vec![0; MESSAGE_BYTES_MAX + 1]);
    }
    ear.until("third connection", |ear| !ear.gaps.is_empty());
    server.push(2, 10, ago_ms(0));
    ear.until_tags(2..=2);
    assert_eq!(ear.rejected, BTreeMap::from([(Reject::TooLong, 2)]));
    assert_eq!(
        (asked(&server, 3), ear.gaps.len()),
        (vec![None, Some(2), None], 1)
    );
    ear.stop();
}

#[test]
fn a_clock_that_is_ahead_among_many_does_not_tell_how_far_was_heard() {
    let server = Firehose::start();
    let then_ms = ago_ms(1_800);
    for number in 1..=20 {
        let is_wrong = number == 1 || number == 9;
        server.push(
            number,
            100 + number,
            if is_wrong { ago_ms(0) } else { then_ms },
        );
    }
    let mut ear = listen(&options(&server), Some(&cursor_at(&server, 100, then_ms)));
    ear.until_tags(1..=20);
    assert_eq!(ear.heard_until, Some(at(then_ms)));
    assert_eq!(ear.standings, [Standing::CatchingUp]);
    ear.stop();
}

#[test]
fn a_server_that_refuses_is_said_to_and_waiting_for_it_holds_no_stop_up() {
    let server = Firehose::start();
    server.next_visit(Manner::Answer(
        "403 Forbidden",
        String::new(),
        "\u{1b}[2Jgo away",
    ));
    let mut ear = listen(&options(&server), None);
    ear.until("refusal", |ear| !ear.standings.is_empty());
    let why = "open a websocket at 127.0.0.1: it answers 403 Forbidden [2Jgo away".to_owned();
    assert_eq!(ear.standings, [Standing::Refused { why }]);
    ear.stop();
}

#[test]
fn a_private_address_is_not_connected_to_unless_that_is_allowed() {
    let server = Firehose::start();
    let options = Options {
        allow_private: false,
        ..options(&server)
    };
    let mut ear = listen(&options, None);
    ear.until("refusal", |ear| !ear.standings.is_empty());
    assert!(
        matches!(&ear.standings[..], [Standing::Refused { why }] if why.contains("127.0.0.1 is not a public address")),
        "{:?}",
        ear.standings
    );
    assert!(server.visits(0).is_empty());
    ear.stop();
}
