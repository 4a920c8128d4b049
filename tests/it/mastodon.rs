//! A Mastodon timeline that is polled, against servers of every temper.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::{Batch, Feed, Outlet, Standing};
use downtrend::feed::mastodon::Mastodon;
use downtrend::feed::mastodon::options::{Options, Timeline};
use downtrend::post::{Cursor, PostId, Reject};

use super::support::http::{
    Heard, PATIENCE, Reply, Server, answer, context, identity, ok, refusal, run, time, wait_for,
};

const PAGE_LEN: usize = 40;

/// A status of the server, the `number`th of its life.
fn status(number: usize, at: &str) -> String {
    serde_json::json!({
        "id": id(number), "created_at": at, "visibility": "public", "language": "bn", "spoiler_text": "",
        "uri": uri(number), "url": null, "edited_at": null, "reblog": null,
        "content": format!("<p>#<span>হোয়াটসঅ্যাপডাউন</span> {number}</p>"),
        "account": {"acct": "ann", "url": "https://town.example/@ann", "bot": false},
    })
    .to_string()
}

/// Ids that sort in no useful order, as Pleroma's and snac's do.
fn id(number: usize) -> String {
    format!("{:x}z{number}", number.wrapping_mul(2_654_435_761) % 65_521)
}

fn uri(number: usize) -> String {
    format!("https://town.example/statuses/{number}")
}

/// A timeline of statuses, oldest first, paged as Mastodon pages.
fn timeline(statuses: &[(String, String)], heard: &Heard) -> Reply {
    let Some(limit) = heard.parameter("limit") else {
        // The instance document, which many servers do not have.
        return answer("404 Not Found", "", &[]);
    };
    let limit: usize = limit.parse().expect("a number");
    let limit = limit.min(PAGE_LEN);
    let page: Vec<&str> = match heard.parameter("min_id") {
        None => statuses
            .iter()
            .rev()
            .take(limit)
            .map(|(_, json)| &**json)
            .collect(),
        Some(min_id) => match statuses.iter().position(|(id, _)| id == min_id) {
            None => Vec::new(),
            Some(at) => {
                let after = &statuses[at + 1..];
                let page = &after[..after.len().min(limit)];
                page.iter().rev().map(|(_, json)| &**json).collect()
            }
        },
    };
    ok(
        format!("[{}]", page.join(",")),
        &["Content-Type: application/json"],
    )
}

fn statuses(numbers: std::ops::Range<usize>, at: &str) -> Vec<(String, String)> {
    numbers
        .map(|number| (id(number), status(number, at)))
        .collect()
}

fn options(server: &Server) -> Options {
    Options {
        server: server.url(),
        timeline: Timeline::Public,
        token: None,
        allow_private: true,
        poll: Duration::from_millis(10),
    }
}

fn start(options: Options, cursor: Option<&Cursor>) -> Receiver<Batch> {
    run(Mastodon::new(options, &context(), cursor).expect("good options"))
}

fn cursor(host: &str, min_id: &str, time: &str) -> Cursor {
    Cursor::Token(serde_json::json!({"host": host, "min_id": min_id, "time": time}).to_string())
}

fn host(server: &Server) -> String {
    server.url().replace("http://", "")
}

fn post_ids(numbers: std::ops::Range<usize>) -> Vec<PostId> {
    numbers
        .map(|number| identity().post(&uri(number)))
        .collect()
}

#[test]
fn the_first_page_is_handed_on_and_then_only_what_is_new() {
    let all = Arc::new(Mutex::new(statuses(0..60, "2026-11-24T10:00:00.000Z")));
    let shown = Arc::clone(&all);
    let server = Server::start(move |heard| timeline(&shown.lock().unwrap(), heard));
    let batches = start(options(&server), None);

    let first = wait_for(&batches, |batch| !batch.posts.is_empty());
    let mut ids: Vec<PostId> = first.posts.iter().map(|post| post.id).collect();
    ids.sort();
    let mut want = post_ids(20..60);
    want.sort();
    assert_eq!(ids, want);
    assert_eq!(first.standing, Some(Standing::Live));
    let heard_until = first.heard_until.expect("all was heard");
    assert!(heard_until < clock::now());
    let Some(Cursor::Token(token)) = first.cursor else {
        panic!("no cursor")
    };
    assert!(
        token.contains(&id(59)) && token.contains(&host(&server)),
        "{token}"
    );

    all.lock()
        .unwrap()
        .extend(statuses(60..63, "2026-11-24T10:01:00.000Z"));
    let next = wait_for(&batches, |batch| !batch.posts.is_empty());
    assert_eq!(next.posts.len(), 3);
    assert_eq!(next.posts[0].hashtags.len(), 1);
    assert!(next.gaps.is_empty());
    let asked: Vec<String> = server
        .heard()
        .iter()
        .map(|heard| heard.target().to_owned())
        .collect();
    assert_eq!(asked[0], "/api/v2/instance");
    assert_eq!(asked[1], "/api/v1/timelines/public?limit=40");
    assert_eq!(
        asked[2],
        format!("/api/v1/timelines/public?limit=40&min_id={}", id(59))
    );
    assert!(asked.iter().all(|asked| !asked.contains("since_id")));
}

#[test]
fn full_pages_are_followed_without_loss_or_repeat() {
    let all = statuses(0..187, "2026-11-24T10:00:00.000Z");
    let server = Server::start(move |heard| timeline(&all, heard));
    let cursor = cursor(&host(&server), &id(6), "2026-11-24T09:00:00Z");
    let batches = start(options(&server), Some(&cursor));

    let mut count: BTreeMap<PostId, u32> = BTreeMap::new();
    let mut standings = Vec::new();
    let mut was_heard_before_the_end = false;
    wait_for(&batches, |batch| {
        for post in &batch.posts {
            *count.entry(post.id).or_default() += 1;
        }
        standings.extend(batch.standing.clone());
        was_heard_before_the_end |= batch.heard_until.is_some() && count.len() < 180;
        count.len() == 180 && batch.heard_until.is_some()
    });
    assert!(post_ids(7..187).iter().all(|id| count.get(id) == Some(&1)));
    assert_eq!(standings, [Standing::CatchingUp, Standing::Live]);
    assert!(
        !was_heard_before_the_end,
        "it is heard once all of it is read"
    );
}

#[test]
fn a_closed_timeline_is_told_in_plain_words_and_not_taken_for_silence() {
    let server = Server::start(|heard| match heard.target() {
        "/api/v2/instance" => ok(
            r#"{"configuration":{"timelines_access":{"live_feeds":{"local":"disabled","remote":"disabled"}}}}"#,
            &[],
        ),
        _ => ok("[]", &[]),
    });
    let batches = start(options(&server), None);
    let why = refusal(&batches);
    assert!(why.contains("answers with nothing because"), "{why}");
    assert_eq!(server.heard().len(), 1, "an empty page is not asked for");
}

#[test]
fn a_timeline_that_wants_a_login_is_refused_with_advice() {
    let server = Server::start(|_| answer("401 Unauthorized", r#"{"error":"no"}"#, &[]));
    let batches = start(options(&server), None);
    let why = refusal(&batches);
    assert!(why.contains("401") && why.contains("token"), "{why}");
}

#[test]
fn a_page_cut_in_the_middle_is_counted_and_asked_for_again() {
    let all = statuses(0..10, "2026-11-24T10:00:00.000Z");
    let mut polls = 0;
    let server = Server::start(move |heard| {
        if heard.target() == "/api/v2/instance" {
            return answer("404 Not Found", "", &[]);
        }
        polls += 1;
        match polls {
            1 => ok(&status(3, "2026-11-24T10:00:00.000Z")[..50], &[]),
            2 => ok(r#"[{"id":"1","created_at":"2026-11-24T10:0"#, &[]),
            3 => ok(r#"{"error":"try again"}"#, &[]),
            _ => timeline(&all, heard),
        }
    });
    let batches = start(options(&server), None);
    let mut rejected: BTreeMap<Reject, u64> = BTreeMap::new();
    let mut waits = 0;
    let whole = wait_for(&batches, |batch| {
        for (reject, count) in &batch.rejected {
            *rejected.entry(*reject).or_default() += count;
        }
        waits += u32::from(matches!(batch.standing, Some(Standing::Waiting { .. })));
        !batch.posts.is_empty()
    });
    assert_eq!(whole.posts.len(), 10);
    assert_eq!(
        rejected,
        BTreeMap::from([(Reject::Json, 2), (Reject::Shape, 1)])
    );
    assert_eq!(waits, 3);
}

#[test]
fn a_web_page_instead_of_json_is_a_refusal() {
    let server = Server::start(|_| ok("<!doctype html><title>Are you human?</title>", &[]));
    let batches = start(options(&server), None);
    let why = refusal(&batches);
    assert!(why.contains("Are you human?"), "{why}");
}

#[test]
fn a_wait_is_obeyed_and_told() {
    let reset = "2199-01-01T00:00:00.000000Z";
    let server = Server::start(move |_| {
        answer(
            "429 Too Many Requests",
            "",
            &[&format!("X-RateLimit-Reset: {reset}")],
        )
    });
    let batches = start(options(&server), None);
    let before = clock::now();
    let told = wait_for(&batches, |batch| batch.standing.is_some());
    let Some(Standing::Waiting { until, .. }) = told.standing else {
        panic!("{:?}", told.standing)
    };
    assert!(until.as_millis() - before.as_millis() > 3_590_000);
    assert_eq!(server.heard().len(), 1);
}

#[test]
fn a_min_id_that_the_server_has_forgotten_means_a_new_start_and_a_gap() {
    let all = statuses(100..105, "2026-11-24T10:00:00.000Z");
    let server = Server::start(move |heard| timeline(&all, heard));
    let heard_before = "2026-11-24T09:00:00Z";
    let cursor = cursor(&host(&server), "forgotten", heard_before);
    let batches = start(options(&server), Some(&cursor));

    let mut was_heard = false;
    let batch = wait_for(&batches, |batch| {
        was_heard |= batch.posts.is_empty() && batch.heard_until.is_some();
        !batch.posts.is_empty()
    });
    assert!(
        !was_heard,
        "silence from a server that has forgotten us is not heard"
    );
    assert_eq!(batch.posts.len(), 5);
    assert_eq!(
        batch.gaps,
        [time(heard_before)..time("2026-11-24T10:00:00Z")]
    );
    let Some(Cursor::Token(token)) = batch.cursor else {
        panic!("no cursor")
    };
    assert!(token.contains(&id(104)), "{token}");
}

#[test]
fn the_silence_of_a_server_that_knows_our_place_is_heard_without_a_gap() {
    let all = statuses(0..5, "2026-11-24T08:00:00.000Z");
    let server = Server::start(move |heard| timeline(&all, heard));
    let cursor = cursor(&host(&server), &id(4), "2026-11-24T09:00:00Z");
    let batches = start(options(&server), Some(&cursor));
    let batch = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert!(batch.posts.is_empty() && batch.gaps.is_empty());
    assert_eq!(batch.standing, Some(Standing::Live));
}

#[test]
fn a_server_that_passes_over_min_id_gives_nothing_new_twice() {
    let all = statuses(0..5, "2026-11-24T08:00:00.000Z");
    let page: Vec<String> = all.iter().rev().map(|(_, json)| json.clone()).collect();
    let page = format!("[{}]", page.join(","));
    let server = Server::start(move |_| ok(&page, &[]));
    let cursor = cursor(&host(&server), &id(4), "2026-11-24T09:00:00Z");
    let batches = start(options(&server), Some(&cursor));
    let mut polls = 0;
    wait_for(&batches, |batch| {
        assert!(batch.posts.is_empty() && batch.gaps.is_empty());
        polls += u32::from(batch.heard_until.is_some());
        polls == 3
    });
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
        let server = Server::start(|_| ok("[]", &[]));
        let batches = start(
            Options {
                timeline,
                ..options(&server)
            },
            None,
        );
        wait_for(&batches, |batch| batch.heard_until.is_some());
        assert_eq!(server.heard()[1].target(), want);
    }
}

#[test]
fn a_feed_that_waits_ends_with_the_loop() {
    let server = Server::start(|_| answer("429 Too Many Requests", "", &["Retry-After: 3000"]));
    let feed = Mastodon::new(options(&server), &context(), None).expect("good options");
    let (outlet, batches) = Outlet::open();
    let feed = thread::spawn(move || Box::new(feed).run(outlet));
    wait_for(&batches, |batch| batch.standing.is_some());
    drop(batches);
    let since = clock::start();
    feed.join().expect("it ends");
    // It had been told to wait for 50 minutes; a loaded machine may take its time over a second.
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
}
