//! A Mastodon timeline that is polled, against servers of every temper.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::Standing;
use downtrend::feed::mastodon::Mastodon;
use downtrend::feed::mastodon::options::{Options, Timeline};
use downtrend::post::{Cursor, Reject};
use downtrend::time::Timestamp;

use super::support::http::{Ear, PATIENCE, Reply, answer, context, ok, run, time, wait_for};
use super::support::mastodon::{Town, id, post_ids, seconds_ago, status};

const AT: &str = "2026-11-24T10:00:00.000Z";

fn open(options: Options, cursor: Option<&Cursor>) -> Ear {
    Ear::open(Mastodon::new(options, &context(), cursor).expect("good options"))
}

fn targets(town: &Town) -> Vec<String> {
    let asked = town.pages_asked();
    asked
        .iter()
        .map(|heard| heard.target().to_owned())
        .collect()
}

#[test]
fn the_first_page_is_handed_on_and_then_only_what_is_new() {
    let town = Town::start();
    town.hold(0..60, AT);
    let mut ear = open(town.polled(), None);
    ear.until_posts(&post_ids(20..60));
    assert_eq!(ear.posts.len(), 40);
    assert_eq!(ear.standings, [Standing::Live]);
    assert!(ear.heard_until.expect("all was heard") < clock::now());
    assert!(ear.token().contains(&id(59)), "{}", ear.token());

    town.hold(60..63, AT);
    ear.until_posts(&post_ids(60..63));
    assert!(ear.gaps.is_empty() && ear.posts.values().all(|count| *count == 1));
    assert_eq!(town.server.heard()[0].target(), "/api/v2/instance");
    let asked = targets(&town);
    assert_eq!(asked[0], "/api/v1/timelines/public?limit=40");
    assert_eq!(
        asked[1],
        format!("/api/v1/timelines/public?limit=40&min_id={}", id(59))
    );
    assert!(asked.iter().all(|asked| !asked.contains("since_id")));
}

#[test]
fn of_a_server_that_was_never_heard_the_time_is_told_before_the_posts() {
    let town = Town::start();
    town.hold(0..3, "2019-01-01T00:00:00Z");
    let batches = run(Mastodon::new(town.polled(), &context(), None).expect("good options"));
    let first = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert!(
        first.posts.is_empty() && first.cursor.is_none(),
        "posts of long ago are late by the time that is told here, and the cursor comes with them"
    );
    let second = wait_for(&batches, |batch| batch.cursor.is_some());
    assert_eq!(second.posts.len(), 3);
}

#[test]
fn full_pages_are_followed_without_loss_or_repeat() {
    let town = Town::start();
    town.hold(0..100, AT);
    town.hold(100..187, "2026-11-24T10:30:00Z");
    let cursor = town.cursor(&id(6), "2026-11-24T09:00:00Z");
    let mut ear = open(town.polled(), Some(&cursor));

    ear.until("the first page", |ear| ear.posts.len() == 40);
    assert_eq!(
        ear.heard_until,
        Some(time("2026-11-24T10:00:00Z")),
        "it says how far it has come, so that nobody waits for the end"
    );
    ear.until_standing(&Standing::Live);
    assert_eq!(ear.posts.len(), 180);
    assert!(post_ids(7..187).iter().all(|id| ear.posts[id] == 1));
    assert_eq!(ear.standings, [Standing::CatchingUp, Standing::Live]);
    assert!(ear.gaps.is_empty());
}

#[test]
fn who_has_been_away_too_long_gives_up_the_rest_and_tells_it_as_a_gap() {
    const PAGES_MAX: usize = 200;
    let town = Town::start();
    town.hold(0..1, "2026-11-24T09:00:00Z");
    town.hold(1..PAGES_MAX * 40 + 1, "2026-11-24T09:30:00Z");
    town.hold(PAGES_MAX * 40 + 1..PAGES_MAX * 40 + 500, AT);
    let cursor = town.cursor(&id(0), "2026-11-24T09:00:00Z");
    let options = Options {
        poll: Duration::from_millis(1),
        ..town.polled()
    };
    let mut ear = open(options, Some(&cursor));
    ear.until_standing(&Standing::Live);
    assert_eq!(
        ear.gaps,
        [time("2026-11-24T09:30:00Z")..time("2026-11-24T10:00:00Z")]
    );
    assert_eq!(ear.posts.len(), (PAGES_MAX + 1) * 40);
    let last = id(PAGES_MAX * 40 + 499);
    assert!(ear.token().contains(&last), "{}", ear.token());
}

#[test]
fn a_closed_timeline_is_told_in_plain_words_and_not_taken_for_silence() {
    let town = Town::start();
    let closed = r#"{"live_feeds":{"local":"disabled","remote":"disabled"}}"#;
    town.describe(format!(
        r#"{{"configuration":{{"timelines_access":{closed}}}}}"#
    ));
    let mut ear = open(town.polled(), None);
    ear.until("a refusal", |ear| !ear.refusals().is_empty());
    let why = ear.refusals()[0];
    assert!(why.contains("answers with nothing because"), "{why}");
    assert_eq!(ear.heard_until, None);
    assert!(town.pages_asked().is_empty());
}

#[test]
fn a_timeline_without_a_post_is_not_taken_for_silence() {
    let town = Town::start();
    let mut ear = open(town.polled(), None);
    let (_, why) = ear.until_wait(2);
    assert!(why.contains("shows no post at all"), "{why}");
    assert_eq!(ear.heard_until, None);
    town.hold(0..1, AT);
    ear.until_posts(&post_ids(0..1));
    assert!(ear.heard_until.is_some());
}

#[test]
fn every_refusal_is_told_with_advice() {
    for (status, advice) in [
        ("401 Unauthorized", "closed to strangers"),
        ("403 Forbidden", "closed to strangers"),
        ("422 Unprocessable Content", "closed to strangers"),
        ("404 Not Found", "does not speak the API of Mastodon"),
    ] {
        let town = Town::start();
        town.next_page(answer(status, r#"{"error":"no"}"#, &[]));
        let mut ear = open(town.polled(), None);
        ear.until("a refusal", |ear| !ear.refusals().is_empty());
        let why = ear.refusals()[0];
        assert!(why.contains(&status[..3]) && why.contains(advice), "{why}");
        assert_eq!(ear.heard_until, None);
    }
}

#[test]
fn a_token_that_opens_nothing_is_said_to() {
    let town = Town::start();
    town.next_page(answer("401 Unauthorized", "", &[]));
    let options = Options {
        streaming: Some(false),
        ..town.streamed()
    };
    let mut ear = open(options, None);
    ear.until("a refusal", |ear| !ear.refusals().is_empty());
    let why = ear.refusals()[0];
    assert!(why.contains("the token does not open"), "{why}");
    let asked = &town.pages_asked()[0];
    assert_eq!(asked.header("authorization"), Some("Bearer canary"));
}

#[test]
fn a_web_page_instead_of_json_is_a_refusal() {
    let town = Town::start();
    town.next_page(ok("<!doctype html><title>Are you human?</title>", &[]));
    let mut ear = open(town.polled(), None);
    ear.until("a refusal", |ear| !ear.refusals().is_empty());
    let why = ear.refusals()[0];
    assert!(why.contains("Are you human?"), "{why}");
}

#[test]
fn what_cannot_be_read_is_counted_and_asked_for_again() {
    let town = Town::start();
    town.hold(0..10, AT);
    town.next_page(ok(r#"[{"id":"1","created_at":"2026-11-24T10:0"#, &[]));
    town.next_page(ok(r#"{"error":"try again"}"#, &[]));
    let mut ear = open(town.polled(), None);
    ear.until_posts(&post_ids(0..10));
    assert_eq!(
        ear.rejected,
        BTreeMap::from([(Reject::Json, 1), (Reject::Shape, 1)])
    );
    let is_wait = |standing: &&Standing| matches!(standing, Standing::Waiting { .. });
    assert_eq!(ear.standings.iter().filter(is_wait).count(), 2);
}

#[test]
fn a_broken_status_costs_the_page_no_other() {
    let town = Town::start();
    let (good, timeless) = (status(1, AT), status(2, "yesterday"));
    town.next_page(ok(
        format!(r#"[{good},{timeless},{{"id":"3"}},null,7]"#),
        &[],
    ));
    let mut ear = open(town.polled(), None);
    ear.until_posts(&post_ids(1..2));
    assert_eq!(
        ear.rejected,
        BTreeMap::from([(Reject::Time, 1), (Reject::Shape, 2)])
    );
    assert_eq!(ear.skipped, 1, "nothing is nothing");
}

#[test]
fn a_page_that_is_cut_off_is_asked_for_again_without_loss_or_repeat() {
    let town = Town::start();
    town.hold(0..10, AT);
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n[{\"id\":";
    town.next_page(ok("[]", &[]));
    town.next_page(Reply::Bytes(cut.into()));
    town.next_page(Reply::Bytes(Vec::new()));
    let cursor = town.cursor(&id(4), "2026-11-24T09:00:00Z");
    let mut ear = open(town.polled(), Some(&cursor));
    ear.until_posts(&post_ids(5..10));
    assert!(ear.posts.len() == 5 && ear.posts.values().all(|count| *count == 1));
    assert!(ear.rejected.is_empty() && ear.gaps.is_empty());
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("cannot be read"), "{why}");
}

#[test]
fn a_server_that_does_not_answer_is_noticed_and_asked_again() {
    let town = Town::start();
    town.hold(0..10, AT);
    town.next_page(Reply::Stall(Vec::new()));
    let mut ear = open(town.polled(), None);
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("did not answer within 10 s"), "{why}");
    ear.until_posts(&post_ids(0..10));
}

/// `seconds` after `at`.
fn after(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis() + seconds * 1_000).expect("this century")
}

#[test]
fn every_form_of_a_429_is_obeyed_to_the_second() {
    let forms: [fn(jiff::Timestamp) -> String; 3] = [
        |at| format!("Retry-After: {}", at.strftime("%a, %d %b %Y %H:%M:%S GMT")),
        |at| {
            format!(
                "X-RateLimit-Reset: {}",
                at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
            )
        },
        |at| format!("X-RateLimit-Reset: {}", at.as_second()),
    ];
    thread::scope(|scope| {
        for form in forms {
            scope.spawn(move || {
                let second = after(clock::now(), 5).as_millis() / 1_000;
                let header = form(jiff::Timestamp::from_second(second).expect("this century"));
                let second = Timestamp::from_millis(second * 1_000).expect("this century");
                // A machine so loaded that the time comes before the answer waits a second all the same.
                obey(&header, |told| second..=second.max(after(told, 1)));
            });
        }
        let before = clock::now();
        obey("Retry-After: 2", |told| after(before, 2)..=after(told, 2));
    });
}

/// Plays a 429: the time that is told must lie in `expected`, which is given the time by which it was told, and
/// nothing is asked before it.
fn obey(header: &str, expected: impl Fn(Timestamp) -> RangeInclusive<Timestamp>) {
    let town = Town::start();
    town.hold(0..3, AT);
    town.next_page(answer("429 Too Many Requests", "", &[header]));
    let mut ear = open(town.polled(), None);
    let (until, why) = ear.until_wait(1);
    assert!(why.contains("too many requests (429)"), "{why}");
    assert!(expected(clock::now()).contains(&until), "{header}: {until}");
    ear.until_posts(&post_ids(0..3));
    let again = &town.pages_asked()[1];
    assert!(again.at >= until, "{header}: {} before {until}", again.at);
}

#[test]
fn an_absurd_wait_is_cut_to_an_hour() {
    let town = Town::start();
    let reset = "X-RateLimit-Reset: 2199-01-01T00:00:00.000000Z";
    town.next_page(answer("429 Too Many Requests", "", &[reset]));
    let before = clock::now();
    let (until, _) = open(town.polled(), None).until_wait(1);
    let wait_ms = until.as_millis() - before.as_millis();
    let told_after_ms = clock::now().as_millis() - before.as_millis();
    assert!((3_600_000..=3_600_000 + told_after_ms).contains(&wait_ms));
}

#[test]
fn a_min_id_that_the_server_has_forgotten_means_a_new_start_and_a_gap() {
    let town = Town::start();
    town.hold(100..105, AT);
    let heard_before = "2026-11-24T09:00:00Z";
    let cursor = town.cursor("forgotten", heard_before);
    let mut ear = open(town.polled(), Some(&cursor));
    ear.until("posts", |ear| {
        assert!(
            !ear.posts.is_empty() || ear.heard_until.is_none(),
            "silence from a server that has forgotten us is not heard"
        );
        ear.posts.len() == 5
    });
    assert_eq!(ear.gaps, [time(heard_before)..time(AT)]);
    assert!(ear.token().contains(&id(104)), "{}", ear.token());
}

#[test]
fn a_new_start_from_a_page_that_reaches_back_to_where_we_were_leaves_no_gap() {
    let town = Town::start();
    town.hold(0..3, "2026-11-24T09:00:00Z");
    town.hold(3..5, AT);
    // Somebody has deleted the post that we were at.
    let cursor = town.cursor("deleted", "2026-11-24T09:30:00Z");
    let mut ear = open(town.polled(), Some(&cursor));
    ear.until_posts(&post_ids(3..5));
    ear.until_standing(&Standing::Live);
    assert!(ear.gaps.is_empty(), "{:?}", ear.gaps);
    assert!(ear.token().contains(&id(4)), "{}", ear.token());
}

#[test]
fn the_silence_of_a_server_that_knows_our_place_is_heard_without_a_gap() {
    let town = Town::start();
    town.hold(0..5, "2026-11-24T08:00:00.000Z");
    let cursor = town.cursor(&id(4), "2026-11-24T09:00:00Z");
    let mut ear = open(town.polled(), Some(&cursor));
    ear.until("silence", |ear| ear.heard_until.is_some());
    assert!(ear.posts.is_empty() && ear.gaps.is_empty());
    assert_eq!(ear.standings, [Standing::Live]);
    assert!(ear.token().contains(&id(4)), "an empty page moves nothing");
}

#[test]
fn a_server_that_passes_over_min_id_gives_nothing_new_twice() {
    let town = Town::start();
    let page: Vec<String> = (0..5).rev().map(|number| status(number, AT)).collect();
    for _ in 0..3 {
        town.next_page(ok(format!("[{}]", page.join(",")), &[]));
    }
    let cursor = town.cursor(&id(4), "2026-11-24T10:30:00Z");
    let mut ear = open(town.polled(), Some(&cursor));
    ear.until("three polls", |_| town.pages_asked().len() > 3);
    assert!(ear.posts.is_empty() && ear.gaps.is_empty());
    assert!(ear.token().contains(&id(4)), "{}", ear.token());
}

#[test]
fn local_and_hashtag_timelines_have_their_own_addresses() {
    for (timeline, want) in [
        (
            Timeline::Local,
            "/api/v1/timelines/public?limit=40&local=true",
        ),
        (
            Timeline::Tag("ডাউন/?".to_owned()),
            "/api/v1/timelines/tag/%E0%A6%A1%E0%A6%BE%E0%A6%89%E0%A6%A8%2F%3F?limit=40",
        ),
    ] {
        let town = Town::start();
        let options = Options {
            timeline,
            ..town.polled()
        };
        open(options, None).until("a poll", |_| !town.pages_asked().is_empty());
        assert_eq!(targets(&town)[0], want);
    }
}

#[test]
fn a_stop_leaves_a_cursor_that_the_next_run_goes_on_from() {
    let town = Town::start();
    town.hold(0..3, &seconds_ago(60));
    let mut ear = open(town.polled(), None);
    ear.until_posts(&post_ids(0..3));
    let cursor = ear.stop();
    town.hold(3..6, &seconds_ago(30));
    let mut ear = open(town.polled(), cursor.as_ref());
    ear.until_posts(&post_ids(3..6));
    assert_eq!(ear.posts.len(), 3);
    assert!(ear.gaps.is_empty());
}

#[test]
fn a_feed_that_waits_ends_with_the_loop() {
    let town = Town::start();
    town.next_page(answer("429 Too Many Requests", "", &["Retry-After: 3000"]));
    let mut ear = open(town.polled(), None);
    ear.until_wait(1);
    let since = clock::start();
    ear.stop();
    // It had been told to wait for 50 minutes.
    assert!(since.elapsed() < PATIENCE);
}
