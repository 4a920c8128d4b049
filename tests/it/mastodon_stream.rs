//! A Mastodon stream that is followed, and what becomes of it when it is cut, refused, silent or broken.

use std::collections::BTreeMap;
use std::time::Duration;

use downtrend::feed::contract::Standing;
use downtrend::feed::mastodon::Mastodon;
use downtrend::feed::mastodon::options::{Options, Timeline};
use downtrend::post::{Cursor, Reject};

use super::support::Place;
use super::support::http::{Ear, PATIENCE, Reply, answer, context, ok};
use super::support::mastodon::{STREAM_HEAD, Town, event, id, post_ids, seconds_ago, status};
use super::support::program::Program;

fn open(options: Options, cursor: Option<&Cursor>) -> Ear {
    Ear::open(Mastodon::new(options, &context(), cursor).expect("good options"))
}

/// A feed that has read what the town held and follows its stream.
fn follow(town: &Town) -> Ear {
    town.hold(0..3, &seconds_ago(60));
    let mut ear = open(town.streamed(), None);
    ear.until_posts(&post_ids(0..3));
    ear
}

#[test]
fn posts_are_heard_as_they_are_told_and_everything_else_is_skipped() {
    let town = Town::start();
    let mut ear = follow(&town);
    town.publish(3);
    ear.until_posts(&post_ids(3..4));
    let edited = status(3, &seconds_ago(1)).replace(
        r#""edited_at":null"#,
        &format!(r#""edited_at":"{}""#, seconds_ago(0)),
    );
    town.tell(":thump\n");
    town.tell(&event("status.update", &edited));
    town.tell(&event("delete", "106692867363994015"));
    town.tell(&event("notification", "{}"));
    town.publish(4);
    ear.until_posts(&post_ids(4..5));
    assert_eq!((ear.edits, ear.skipped), (1, 2));
    assert!(ear.rejected.is_empty() && ear.gaps.is_empty());
    assert!(ear.token().contains(&id(4)), "{}", ear.token());
    assert_eq!(ear.standings, [Standing::Live]);
    let asked = &town.streams_asked()[0];
    assert_eq!(asked.target(), "/api/v1/streaming/public");
    assert_eq!(asked.header("authorization"), Some("Bearer canary"));
    assert_eq!(asked.header("accept"), Some("text/event-stream"));
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert_eq!(
        town.pages_asked().len(),
        1,
        "what is told is not asked for as well"
    );
}

#[test]
fn the_hole_after_a_cut_is_filled_from_the_timeline() {
    let town = Town::start();
    let mut ear = follow(&town);
    town.publish(3);
    ear.until_posts(&post_ids(3..4));
    town.cut();
    // Nobody tells these.
    town.hold(4..100, &seconds_ago(0));
    ear.until_posts(&post_ids(4..100));
    town.publish(100);
    ear.until_posts(&post_ids(100..101));
    assert!(
        ear.posts.values().all(|count| *count == 1),
        "none comes twice"
    );
    assert!(ear.gaps.is_empty() && ear.rejected.is_empty());
    let asked = town.pages_asked();
    assert_eq!(
        asked[1].parameter("min_id"),
        Some(&*id(3)),
        "it goes on behind the last post that was told"
    );
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("has ended its stream"), "{why}");
    assert_eq!(ear.standings.last(), Some(&Standing::Live));
}

#[test]
fn what_is_told_while_older_pages_are_read_is_heard_at_once_and_keeps_the_place_back() {
    let town = Town::start();
    town.hold(0..100, &seconds_ago(60));
    let cursor = town.cursor(&id(0), &seconds_ago(120));
    let (told, stream) = std::sync::mpsc::channel();
    told.send(STREAM_HEAD.into())
        .expect("the other end is here");
    town.next_stream(Reply::Flow(stream));
    let options = Options {
        // Between the pages there is time to hear what is told.
        poll: Duration::from_millis(700),
        ..town.streamed()
    };
    let mut ear = open(options, Some(&cursor));
    ear.until("the first page", |ear| ear.posts.len() == 40);
    town.hold(100..101, &seconds_ago(0));
    told.send(event("update", &status(100, &seconds_ago(0))).into())
        .expect("it listens");
    ear.until_posts(&post_ids(100..101));
    if ear.posts.len() < 100 {
        assert!(!ear.token().contains(&id(100)), "pages are missing yet");
    }
    ear.until_standing(&Standing::Live);
    assert_eq!(ear.posts.len(), 100);
    ear.until("the place moves on", |ear| ear.token().contains(&id(100)));
    assert!(ear.gaps.is_empty());
}

#[test]
fn a_stream_that_falls_silent_is_noticed_and_opened_again() {
    let town = Town::start();
    town.next_stream(Reply::Stall(
        format!("{STREAM_HEAD}:)\n: no line end").into(),
    ));
    town.hold(0..3, &seconds_ago(60));
    let options = Options {
        idle_after: Duration::from_secs(1),
        ..town.streamed()
    };
    let mut ear = open(options, None);
    ear.until_posts(&post_ids(0..3));
    town.hold(3..5, &seconds_ago(0));
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("has been silent for 1 s"), "{why}");
    ear.until_posts(&post_ids(3..5));
    ear.until("another stream", |_| town.streams_asked().len() > 1);
}

#[test]
fn a_429_of_the_stream_is_obeyed_to_the_second() {
    let town = Town::start();
    town.hold(0..3, &seconds_ago(60));
    town.next_stream(answer("429 Too Many Requests", "", &["Retry-After: 2"]));
    let mut ear = open(town.streamed(), None);
    let (until, why) = ear.until_wait(1);
    assert!(why.contains("429"), "{why}");
    ear.until_posts(&post_ids(0..3));
    town.publish(3);
    ear.until_posts(&post_ids(3..4));
    let asked = town.streams_asked();
    assert!(asked[1].at >= until, "{} before {until}", asked[1].at);
    let pages = town.pages_asked();
    assert!(pages[0].at >= until, "a 429 is for all that we ask there");
}

#[test]
fn a_429_of_a_server_that_only_streams_keeps_nobody_from_polling() {
    let (town, station) = (Town::start(), Town::start());
    town.hold(0..3, &seconds_ago(60));
    let host = station.server.url().replace("http:", "ws:");
    town.describe(format!(
        r#"{{"configuration":{{"urls":{{"streaming":"{host}"}}}}}}"#
    ));
    station.next_stream(answer("429 Too Many Requests", "", &["Retry-After: 3"]));
    let mut ear = open(town.streamed(), None);
    let (until, why) = ear.until_wait(1);
    assert!(why.contains("polled meanwhile"), "{why}");
    ear.until_posts(&post_ids(0..3));
    ear.until("a stream", |_| station.streams_asked().len() > 1);
    assert!(station.streams_asked()[1].at >= until);
    assert!(town.pages_asked()[0].at < until);
}

#[test]
fn what_is_broken_is_counted_and_the_next_event_is_read() {
    let town = Town::start();
    let mut ear = follow(&town);
    town.tell(&event("update", "{\"id\":"));
    town.tell(&event("update", "{\"id\":\"1\"}"));
    town.tell(&event("update", &"x".repeat(2 << 20)));
    town.tell("event: update\ndata: \u{0}\n\n");
    town.publish(3);
    ear.until_posts(&post_ids(3..4));
    assert_eq!(
        ear.rejected,
        BTreeMap::from([(Reject::Json, 2), (Reject::TooLong, 1), (Reject::Shape, 1)])
    );
    assert!(ear.gaps.is_empty());
    assert_eq!(town.streams_asked().len(), 1, "the stream goes on");
}

#[test]
fn a_stop_closes_the_stream_and_leaves_the_cursor_of_the_last_post() {
    let town = Town::start();
    let mut ear = follow(&town);
    town.publish(3);
    ear.until_posts(&post_ids(3..4));
    let cursor = ear.stop();
    town.hold(4..6, &seconds_ago(0));
    let mut ear = open(town.streamed(), cursor.as_ref());
    ear.until_posts(&post_ids(4..6));
    assert_eq!(ear.posts.len(), 2);
    let asked = town.pages_asked();
    let asked = asked.last().expect("it was asked");
    assert_eq!(asked.parameter("min_id"), Some(&*id(3)));
}

#[test]
fn a_post_that_the_server_discovers_years_late_does_not_take_the_place_back() {
    let town = Town::start();
    let mut ear = follow(&town);
    town.publish(3);
    town.tell(&event("update", &status(900, "2019-01-01T00:00:00Z")));
    ear.until_posts(&post_ids(900..901));
    assert!(ear.token().contains(&id(3)), "{}", ear.token());
}

#[test]
fn a_stream_that_is_refused_is_said_to_once_and_the_timeline_is_polled() {
    for (reply, words) in [
        (answer("401 Unauthorized", "", &[]), "read:statuses"),
        (answer("403 Forbidden", "", &[]), "read:statuses"),
        (answer("404 Not Found", "", &[]), "it has no stream there"),
        (ok("[]", &[]), "has no stream of events there"),
    ] {
        let town = Town::start();
        town.hold(0..3, &seconds_ago(60));
        town.next_stream(reply);
        let mut ear = open(town.streamed(), None);
        ear.until_posts(&post_ids(0..3));
        town.hold(3..6, &seconds_ago(0));
        ear.until_posts(&post_ids(3..6));
        let refusals = ear.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert!(
            refusals[0].contains(words) && refusals[0].contains("polled instead"),
            "{refusals:?}"
        );
        assert_eq!(ear.standings.last(), Some(&Standing::Live));
        assert_eq!(town.streams_asked().len(), 1);
    }
}

#[test]
fn without_its_stream_a_server_is_polled_until_there_is_one() {
    let town = Town::start();
    town.hold(0..3, &seconds_ago(60));
    town.next_stream(answer("500 Oops", "", &[]));
    town.next_stream(Reply::Bytes(Vec::new()));
    let mut ear = open(town.streamed(), None);
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("polled meanwhile"), "{why}");
    ear.until_posts(&post_ids(0..3));
    assert_eq!(town.streams_asked().len(), 1, "it is polled at once");
    ear.until("a stream", |_| town.streams_asked().len() == 3);
    let polls = town.pages_asked().len();
    town.publish(3);
    ear.until_posts(&post_ids(3..4));
    assert!(polls > 1, "{polls}");
}

#[test]
fn polling_can_be_had_in_spite_of_a_token() {
    let town = Town::start();
    town.hold(0..3, &seconds_ago(60));
    let options = Options {
        streaming: Some(false),
        ..town.streamed()
    };
    let mut ear = open(options, None);
    ear.until_posts(&post_ids(0..3));
    ear.until("polls", |_| town.pages_asked().len() > 3);
    assert!(town.streams_asked().is_empty());
}

#[test]
fn each_timeline_has_its_own_stream_where_the_instance_document_says() {
    for (timeline, want) in [
        (Timeline::Public, "/api/v1/streaming/public"),
        (Timeline::Local, "/api/v1/streaming/public/local"),
        (
            Timeline::Tag("ডাউন".to_owned()),
            "/api/v1/streaming/hashtag?tag=%E0%A6%A1%E0%A6%BE%E0%A6%89%E0%A6%A8",
        ),
    ] {
        let (town, station) = (Town::start(), Town::start());
        let host = station.server.url().replace("http:", "ws:");
        town.hold(0..1, &seconds_ago(60));
        town.describe(format!(
            r#"{{"configuration":{{"urls":{{"streaming":"{host}"}}}}}}"#
        ));
        let options = Options {
            timeline,
            ..town.streamed()
        };
        let mut ear = open(options, None);
        // Pages are read once the stream is open.
        ear.until_posts(&post_ids(0..1));
        assert_eq!(station.streams_asked()[0].target(), want);
        station.publish(1);
        ear.until_posts(&post_ids(1..2));
        assert!(town.streams_asked().is_empty());
    }
}

#[test]
fn the_program_counts_each_post_once_through_cuts_stops_and_a_kill() {
    let town = Town::start();
    let place = Place::new();
    place.write(
        "downtrend.toml",
        format!(
            "[[feed]]\nkind = \"mastodon\"\nserver = \"{}\"\ntoken = \"canary\"\nallow_private = true\n\
             poll = \"50ms\"\n",
            town.server.url()
        ),
    );
    town.hold(0..3, &seconds_ago(0));
    let start = || Program::start(&place, &["--json"]);
    let counts = |program: &Program, posts: u64| {
        program.until(PATIENCE, |counted| counted.values().eq([&posts]));
    };
    let program = start();
    counts(&program, 3);
    town.publish(3);
    counts(&program, 4);
    town.cut();
    town.hold(4..50, &seconds_ago(0));
    counts(&program, 50);
    // Without a farewell.
    drop(program);

    town.hold(50..100, &seconds_ago(0));
    let program = start();
    counts(&program, 100);
    program.stop(PATIENCE);

    town.hold(100..110, &seconds_ago(0));
    let program = start();
    counts(&program, 110);
    let summary = program.stop_and_read(PATIENCE);
    assert_eq!(summary["posts_counted"], 10, "{summary}");
    assert_eq!(summary["late"], 0, "{summary}");
}
