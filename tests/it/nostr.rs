//! The feed of Nostr against a relay that others wrote, and one that cuts, refuses, stalls, forgets and lies.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::Standing;
use downtrend::feed::file::Context;
use downtrend::feed::nostr::{Nostr, Options};
use downtrend::post::{Cursor, Identity, Post, PostId, Reject};
use downtrend::time::Timestamp;
use serde_json::{Value, json};

use super::support::ear::Ear;
use super::support::jetstream::PATIENCE;
use super::support::nostr::{Author, Manner, Relay};
use super::support::program::Program;
use super::support::{Place, report, shared};

fn options(relay: &Relay) -> Options {
    options_of(relay.url())
}

pub(crate) fn options_of(url: String) -> Options {
    Options {
        allow_private: true,
        ..Options::of(url)
    }
}

pub(crate) fn listen(options: &Options, cursor: Option<&Cursor>) -> Ear {
    let context = Context {
        identity: Identity::new([7; 16]),
    };
    Ear::listen(
        Nostr::new(options, context, cursor).expect("good options"),
        PATIENCE,
    )
}

pub(crate) fn ann() -> Author {
    Author::new(1)
}

/// That many seconds ago, in seconds.
pub(crate) fn ago(seconds: i64) -> i64 {
    clock::now().as_millis() / 1_000 - seconds
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).expect("a time")
}

pub(crate) fn tags(numbers: RangeInclusive<u64>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("tag{number}"))
}

/// The cursor after a note of a relay.
fn cursor_after(relay: &Relay, note: &Value) -> Cursor {
    cursor_of(&relay.url(), note)
}

pub(crate) fn cursor_of(url: &str, note: &Value) -> Cursor {
    let position = json!({"relay": url, "time": note["created_at"], "id": note["id"]});
    Cursor::Token(position.to_string())
}

/// What the token of a cursor holds.
fn place(ear: &Ear) -> Value {
    match &ear.cursor {
        Some(Cursor::Token(token)) => serde_json::from_str(token).expect("JSON"),
        other => panic!("{other:?} is no token"),
    }
}

/// Each of these hashtags came with one post, however often.
pub(crate) fn assert_each_is_one_post(ear: &Ear, numbers: RangeInclusive<u64>) {
    let found = ear.posts_by_tag();
    let expected: Vec<String> = tags(numbers).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for tag in expected {
        assert_eq!(found[tag.as_str()].len(), 1, "{tag}");
    }
}

#[test]
fn after_a_cut_it_goes_on_without_loss_and_without_repeat() {
    let start = ago(0);
    let relay = Relay::start();
    relay.next_visit(Manner::CutAfter(4));
    let mut ear = listen(&options(&relay), None);
    ear.until_live_now();
    for number in 1..=10 {
        relay.push(ann().note(number, ago(0)));
    }
    ear.until_labels(tags(1..=10));
    ear.until_live_now();
    assert_each_is_one_post(&ear, 1..=10);
    assert_eq!((&ear.gaps[..], &ear.rejected), (&[][..], &BTreeMap::new()));
    let waited = |standing: &Standing| matches!(standing, Standing::Waiting { .. });
    assert!(ear.standings.iter().any(waited), "{:?}", ear.standings);
    let visits = relay.visits(2);
    assert!(visits[0].user_agent.starts_with("downtrend/"));
    assert_eq!(visits[0].requests.len(), 1, "no past is asked for at first");
    let (_, first) = &visits[0].requests[0];
    assert_eq!(first["kinds"], json!([1, 6, 16]));
    let (_, page) = &visits[1].requests[1];
    assert!(page["since"].as_i64() >= Some(start - 60), "{page}");
    ear.stop();
}

#[test]
fn what_was_missed_is_asked_for_page_by_page() {
    let relay = Relay::start();
    relay.cap(7);
    let last = ann().note(0, ago(3 * 3_600));
    relay.push(last.clone());
    for number in 1..=60 {
        let seconds = 3 * 3_600 - i64::try_from(number).expect("small") * 150;
        relay.push(ann().note(number, ago(seconds)));
    }
    let mut ear = listen(&options(&relay), Some(&cursor_after(&relay, &last)));
    ear.until("connection", |ear| !ear.standings.is_empty());
    assert_eq!(ear.standings, [Standing::CatchingUp]);
    ear.until_live_now();
    assert_each_is_one_post(&ear, 0..=60);
    assert_eq!(ear.gaps, []);
    for post in &ear.posts {
        assert!(
            post.at >= at(ago(3 * 3_600 + 60)),
            "the minute is the note's own"
        );
    }
    ear.stop();
}

#[test]
fn a_cut_while_it_catches_up_leaves_the_cursor_where_it_was() {
    let relay = Relay::start();
    relay.cap(5);
    let last = ann().note(0, ago(7_200));
    relay.push(last.clone());
    for number in 1..=29 {
        let seconds = 7_200 - i64::try_from(number).expect("small") * 100;
        relay.push(ann().note(number, ago(seconds)));
    }
    let newest = ann().note(30, ago(60));
    relay.push(newest.clone());
    relay.next_visit(Manner::CutAfter(13));
    let mut ear = listen(&options(&relay), Some(&cursor_after(&relay, &last)));
    ear.until_setback();
    assert_eq!(ear.cursor, None, "it stays where it was");
    assert_eq!(ear.heard_until, None, "not all is heard");
    ear.until_live_now();
    assert_each_is_one_post(&ear, 0..=30);
    ear.until("cursor", |ear| ear.cursor.is_some());
    assert_eq!(place(&ear)["id"], newest["id"]);
    assert_eq!(ear.gaps, []);
    ear.stop();
}

#[test]
fn a_silent_peer_is_noticed_and_left() {
    let relay = Relay::start();
    relay.next_visit(Manner::Silence);
    let options = Options {
        idle_after: Some(Duration::from_millis(300)),
        ..options(&relay)
    };
    let mut ear = listen(&options, None);
    let why = ear.until_setback();
    assert!(why.contains("nothing for 0.3 s"), "{why}");
    assert_eq!(ear.heard_until, None, "nothing was heard");
    relay.visits(2);
    ear.stop();
}

#[test]
fn a_relay_that_says_when_to_come_back_is_left_alone_till_then() {
    let until = at(ago(-4));
    let date = jiff::Timestamp::from_millisecond(until.as_millis()).expect("a time");
    let http_date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers = [
        ("retry-after", "4".to_owned()),
        ("retry-after", http_date),
        ("x-ratelimit-reset", date.to_string()),
    ];
    let all: Vec<(Relay, Ear)> = headers
        .into_iter()
        .map(|header| {
            let relay = Relay::start();
            relay.next_visit(Manner::Answer(429, vec![header], "slow down"));
            let ear = listen(&options(&relay), None);
            (relay, ear)
        })
        .collect();
    for (relay, mut ear) in all {
        let why = ear.until_setback();
        assert!(why.contains("429 Too Many Requests"), "{why}");
        ear.until_live_now();
        let visits = relay.visits(2);
        assert!(visits[1].at >= until, "{visits:?}");
        ear.stop();
    }
}

#[test]
fn what_is_broken_or_not_asked_for_is_counted_and_the_next_note_is_read() {
    let relay = Relay::start();
    let mut ear = listen(&options(&relay), None);
    ear.until_live_now();
    let now = ago(0);
    relay.push(ann().note(1, now));
    let message = |event: &Value| json!(["EVENT", "SUB", event]).to_string();
    let with = |field: &str, value: Value| {
        let mut note = ann().note(90, now);
        note[field] = value;
        message(&note)
    };
    let deep = "[".repeat(100_000);
    let broken = [
        (Reject::Json, r#"["EVENT","SUB",{"id":"#.to_owned()),
        (Reject::Json, "what?".to_owned()),
        (Reject::Shape, r#"["WEATHER","rain"]"#.to_owned()),
        (Reject::Depth, format!(r#"["EVENT","SUB",{deep}"#)),
        (Reject::Signature, with("id", json!("0".repeat(64)))),
        (Reject::Signature, with("sig", json!("0".repeat(128)))),
        (Reject::Signature, with("content", json!("it is #forged"))),
        (Reject::Signature, with("sig", Value::Null)),
        (Reject::Id, with("id", Value::Null)),
        (Reject::Unasked, message(&ann().event(7, now, "+"))),
        (Reject::Unasked, message(&ann().note(91, now - 86_400))),
        (
            Reject::Unasked,
            json!(["EVENT", "other", ann().note(92, now)]).to_string(),
        ),
        (
            Reject::Unasked,
            json!(["EVENT", ann().note(93, now)]).to_string(),
        ),
        (Reject::Unasked, ann().note(94, now).to_string()),
        (Reject::Future, message(&ann().note(95, now + 3_600))),
        (Reject::Time, message(&ann().note(96, i64::MAX))),
        (Reject::Unasked, message(&ann().note(97, i64::MIN))),
    ];
    let mut expected = BTreeMap::new();
    for (reject, frame) in &broken {
        *expected.entry(*reject).or_insert(0) += 1;
        relay.push_frame(frame);
    }
    relay.push(ann().note(2, now));
    ear.until_labels(tags(2..=2));
    assert_each_is_one_post(&ear, 1..=2);
    assert_eq!(ear.rejected, expected);
    assert_eq!(relay.visits(1).len(), 1, "all on one connection");
    ear.stop();
}

#[test]
fn a_field_that_nobody_signed_decides_nothing() {
    let relay = Relay::start();
    let mut ear = listen(&options(&relay), None);
    ear.until_live_now();
    let mut note = ann().note(1, ago(0));
    for (field, value) in [
        ("ts", json!(1)),
        ("text", json!("#forged")),
        ("source", json!("x")),
    ] {
        note[field] = value;
    }
    relay.push(note);
    ear.until_labels(tags(1..=1));
    assert_each_is_one_post(&ear, 1..=1);
    assert!(ear.posts[0].source.starts_with("nostr:127.0.0.1:"));
    ear.stop();
}

#[test]
fn a_repost_counts_for_who_reposts_with_the_text_that_it_carries() {
    let relay = Relay::start();
    let mut ear = listen(&options(&relay), None);
    ear.until_live_now();
    let note = ann().note(1, ago(86_400));
    relay.push(Author::new(2).event(6, ago(0), &note.to_string()));
    relay.push(Author::new(3).event(6, ago(0), ""));
    ear.until_labels(tags(1..=1));
    ear.until("skipped repost", |ear| ear.skipped >= 2);
    assert_eq!(ear.posts.len(), 1);
    ear.stop();
}

#[test]
fn a_stop_is_quick_and_polite_and_the_next_run_goes_on_at_the_last_batch() {
    let relay = Relay::start();
    let options = options(&relay);
    let mut ear = listen(&options, None);
    ear.until_live_now();
    relay.push(ann().note(1, ago(0)));
    ear.until_labels(tags(1..=1));
    let cursor = ear.cursor.clone();
    ear.stop();
    relay.farewells(1);
    for number in 2..=4 {
        relay.push(ann().note(number, ago(0)));
    }
    let mut ear = listen(&options, cursor.as_ref());
    ear.until_labels(tags(2..=4));
    ear.until_live_now();
    assert_each_is_one_post(&ear, 1..=4);
    assert_eq!(ear.gaps, []);
    ear.stop();
}

#[test]
fn a_relay_that_was_quiet_is_asked_for_what_came_while_nobody_listened() {
    let relay = Relay::start();
    let mut ear = listen(&options(&relay), None);
    ear.until_live_now();
    ear.until("cursor", |ear| ear.cursor.is_some());
    assert!(ear.heard_until.is_some(), "silence was heard");
    let cursor = ear.cursor.clone();
    ear.stop();
    relay.push(ann().note(1, ago(0)));
    let mut ear = listen(&options(&relay), cursor.as_ref());
    ear.until_live_now();
    assert_each_is_one_post(&ear, 1..=1);
    assert_eq!(ear.gaps, []);
    ear.stop();
}

#[test]
fn what_a_relay_has_forgotten_is_a_gap_up_to_what_it_still_has() {
    let relay = Relay::start();
    let last = ann().note(0, ago(7_200));
    relay.push(last.clone());
    let first_kept = ago(600);
    relay.push(ann().note(1, first_kept));
    relay.push(ann().note(2, first_kept + 60));
    relay.forget_before(first_kept);
    let mut ear = listen(&options(&relay), Some(&cursor_after(&relay, &last)));
    ear.until_live_now();
    assert_each_is_one_post(&ear, 1..=2);
    let [gap] = &ear.gaps[..] else {
        panic!("one gap, not {:?}", ear.gaps);
    };
    assert_eq!(
        gap.start.as_millis() / 1_000,
        last["created_at"].as_i64().expect("a time")
    );
    assert!(
        (at(first_kept - 1)..=at(first_kept)).contains(&gap.end),
        "{gap:?}"
    );
    ear.stop();
}

#[test]
fn a_note_that_breaks_every_connection_that_asks_for_it_is_passed_by() {
    let relay = Relay::start();
    let last = ann().note(0, ago(7_200));
    relay.push(last.clone());
    relay.push(ann().event(1, ago(3_600), &"x".repeat(2 << 20)));
    relay.push(ann().note(1, ago(1_800)));
    let mut ear = listen(&options(&relay), Some(&cursor_after(&relay, &last)));
    ear.until_live_now();
    assert_eq!(ear.rejected, BTreeMap::from([(Reject::TooLong, 1)]));
    assert_eq!(ear.gaps.len(), 1, "{:?}", ear.gaps);
    relay.push(ann().note(2, ago(0)));
    ear.until_labels(tags(1..=2));
    ear.stop();
}

#[test]
fn a_future_date_does_not_push_the_cursor() {
    let relay = Relay::start();
    let mut ear = listen(&options(&relay), None);
    ear.until_live_now();
    relay.push(ann().note(1, ago(0)));
    relay.push(ann().note(2, ago(-240)));
    ear.until_labels(tags(1..=2));
    let of_tag2 = ear
        .posts
        .iter()
        .find(|post| post.hashtags[0].label == "tag2");
    assert!(
        of_tag2.expect("it came").at > clock::now(),
        "it counts in its own minute"
    );
    assert!(
        place(&ear)["time"].as_i64() <= Some(ago(0)),
        "{}",
        place(&ear)
    );
    ear.stop();
}

#[test]
fn a_relay_that_never_says_where_its_stored_notes_end_is_left() {
    let relay = Relay::start();
    relay.next_visit(Manner::Say(vec![
        r#"["NOTICE","\u001b[2Jbad request"]"#.to_owned(),
    ]));
    let options = Options {
        answer_within: Duration::from_secs(2),
        ..options(&relay)
    };
    let mut ear = listen(&options, None);
    let why = ear.until_setback();
    assert!(why.contains("does not say within 2 s"), "{why}");
    assert!(why.ends_with("it said: [2Jbad request"), "{why}");
    assert!(matches!(
        ear.standings.last(),
        Some(Standing::Waiting { .. })
    ));
    relay.visits(2);
    ear.stop();
}

#[test]
fn a_relay_that_wants_a_login_or_money_is_told_of_as_refusing() {
    let challenge = r#"["AUTH","who are you"]"#.to_owned();
    let closed = |reason: &str| json!(["CLOSED", "SUB", reason]).to_string();
    for (messages, expected) in [
        (
            vec![challenge.clone()],
            "it asks for a login, and there is none",
        ),
        (
            vec![challenge, closed("auth-required: members only")],
            "members only; it asks for a login",
        ),
        (
            vec![closed("restricted: pay first")],
            "ends the subscription: restricted: pay first",
        ),
        (vec![closed("blocked: \u{7}go away")], "blocked: go away"),
    ] {
        let relay = Relay::start();
        relay.next_visit(Manner::Say(messages));
        let options = Options {
            answer_within: Duration::from_secs(2),
            ..options(&relay)
        };
        let mut ear = listen(&options, None);
        let why = ear.until_setback();
        assert!(why.contains(expected), "{why}");
        let last = ear.standings.last();
        assert!(matches!(last, Some(Standing::Refused { .. })), "{last:?}");
        ear.stop();
    }
}

#[test]
fn a_relay_that_finds_us_too_busy_is_left_alone_for_a_minute() {
    let relay = Relay::start();
    let busy = r#"["CLOSED","SUB","rate-limited: slow down"]"#.to_owned();
    relay.next_visit(Manner::Say(vec![busy]));
    let before = clock::now();
    let mut ear = listen(&options(&relay), None);
    ear.until_setback();
    let Some(Standing::Waiting { until, .. }) = ear.standings.last() else {
        panic!("{:?}", ear.standings);
    };
    assert!(until.as_millis() - before.as_millis() >= 60_000);
    assert_eq!(relay.visits(1).len(), 1);
    ear.stop();
}

#[test]
fn a_relay_that_shows_no_past_is_heard_live_and_the_past_is_a_gap() {
    let relay = Relay::start();
    let last = ann().note(0, ago(7_200));
    // The stand-in serves whatever is asked, so the page is refused by hand, before it is answered.
    let closed =
        |name: &str| json!(["CLOSED", name, "restricted: members may look back"]).to_string();
    let live_end = json!(["EOSE", "SUB"]).to_string();
    relay.next_visit(Manner::Say(vec![live_end, closed("page1")]));
    let mut ear = listen(&options(&relay), Some(&cursor_after(&relay, &last)));
    ear.until_live_now();
    assert_eq!(ear.gaps.len(), 1, "{:?}", ear.gaps);
    ear.stop();
}

#[test]
fn a_private_address_is_not_connected_to_unless_that_is_allowed() {
    let relay = Relay::start();
    let options = Options {
        allow_private: false,
        ..options(&relay)
    };
    let mut ear = listen(&options, None);
    let why = ear.until_setback();
    assert!(why.contains("127.0.0.1 is not a public address"), "{why}");
    assert!(relay.visits(0).is_empty());
    ear.stop();
}

#[test]
fn a_note_of_two_relays_is_one_post_of_one_minute() {
    let (first, second) = (Relay::start(), Relay::start());
    let mut ears = [
        listen(&options(&first), None),
        listen(&options(&second), None),
    ];
    for ear in &mut ears {
        ear.until_live_now();
    }
    let note = ann().note(1, ago(0));
    first.push(note.clone());
    second.push(note);
    let [here, there] = ears.map(|mut ear| {
        ear.until_labels(tags(1..=1));
        let post = ear.posts[0].clone();
        ear.stop();
        post
    });
    assert_ne!(here.source, there.source);
    let (source, one) = (here.source.clone(), here);
    assert_eq!(one, Post { source, ..there });
}

/// Recorded notes, of which keys and ids were hashed and signatures zeroed before they were shared: none of them holds,
/// and all of them do once somebody signs them anew.
#[test]
fn recorded_notes_count_when_they_are_signed_and_only_then() {
    let Some(folder) = shared("realdata/payloads/nostr") else {
        return;
    };
    let recorded: Vec<Value> = ["random.ndjson", "search.ndjson"]
        .into_iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(folder.join(file)).expect("the folder is whole");
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect();
            lines
        })
        .map(|message| message.as_array().and_then(|parts| parts.last()).cloned())
        .map(|event| event.expect("an event is the last of its message"))
        .collect();
    let text = |event: &Value| event["content"].as_str().expect("a text").to_owned();
    let time = |event: &Value| event["created_at"].as_i64().expect("a time");
    let kind =
        |event: &Value| u32::try_from(event["kind"].as_u64().expect("a kind")).expect("small");
    let relay = Relay::start();
    for event in &recorded {
        relay.push(event.clone());
        relay.push(ann().tagged_event(kind(event), time(event), &text(event), &event["tags"]));
    }
    let oldest = recorded.iter().map(time).min().expect("there are some");
    let position = json!({"relay": relay.url(), "time": oldest, "id": null});
    let mut ear = listen(&options(&relay), Some(&Cursor::Token(position.to_string())));
    ear.until_live_now();
    let notes: Vec<&Value> = recorded.iter().filter(|event| kind(event) == 1).collect();
    let ids: BTreeSet<PostId> = ear.posts.iter().map(|post| post.id).collect();
    let bad = ear.rejected[&Reject::Signature];
    report(&format!(
        "{} recorded events, {} of them notes; as recorded {bad} signatures did not hold (some came twice), signed anew \
         {} notes count",
        recorded.len(),
        notes.len(),
        ids.len()
    ));
    assert_eq!((recorded.len(), notes.len(), ids.len()), (8, 7, 7));
    assert!(bad >= 7, "{:?}", ear.rejected);
    ear.stop();
}

/// The program with two relays in its configuration, as a child of this test.
#[test]
fn the_program_counts_a_note_of_two_relays_once_and_goes_on_where_it_stopped() {
    let relays = [Relay::start(), Relay::start()];
    let place = Place::new();
    let tables = relays.each_ref().map(|relay| {
        let url = relay.url();
        format!("[[feed]]\nkind = \"nostr\"\nrelay = \"{url}\"\nallow_private = true\n")
    });
    place.write("downtrend.toml", tables.concat());
    let first = Program::start(&place, &["--json"]);
    for relay in &relays {
        relay.subscriptions(1);
    }
    for number in 0..10 {
        let note = ann().note(number, ago(0));
        for relay in &relays {
            relay.push(note.clone());
        }
    }
    for number in 10..15 {
        relays[1].push(ann().note(number, ago(0)));
    }
    first.until(PATIENCE, |counted| counted.values().sum::<u64>() == 15);
    let summary = first.stop_and_read(PATIENCE);
    assert_eq!(summary["posts_counted"], 15, "{summary}");
    for number in 15..20 {
        relays[0].push(ann().note(number, ago(0)));
    }
    let second = Program::start(&place, &["--json"]);
    second.until(PATIENCE, |counted| counted.values().sum::<u64>() == 20);
    let summary = second.stop_and_read(PATIENCE);
    assert_eq!(summary["posts_counted"], 5, "{summary}");
    assert_eq!(summary["late"], 0, "{summary}");
}

/// The relay of the crate `nostr-relay-builder`, which checks what it is sent by itself.
mod with_a_relay_of_others {
    use nostr_relay_builder::prelude::*;
    use serde_json::json;
    use tokio::runtime::Runtime;

    use super::*;
    use crate::support::nostr::Publisher;

    struct Theirs {
        relay: LocalRelay,
        port: u16,
        /// It lives as long as this.
        runtime: Runtime,
    }

    impl Theirs {
        fn start(builder: RelayBuilder) -> Self {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            let relay = LocalRelay::new(builder);
            let url = runtime.block_on(async {
                relay.run().await.expect("it runs");
                relay.url().await.to_string()
            });
            let port = url
                .trim_end_matches('/')
                .rsplit_once(':')
                .expect("a port")
                .1;
            let port = port.parse().expect("a number");
            Self {
                relay,
                port,
                runtime,
            }
        }

        fn url(&self) -> String {
            format!("ws://127.0.0.1:{}", self.port)
        }

        fn options(&self) -> Options {
            options_of(self.url())
        }
    }

    #[test]
    fn it_takes_our_notes_whatever_is_in_them_and_we_take_them_from_it() {
        let theirs = Theirs::start(RelayBuilder::default());
        let mut publisher = Publisher::connect(theirs.port);
        let mut ear = listen(&theirs.options(), None);
        ear.until_live_now();
        let texts = [
            "#tag1 \"quoted\" \\ / \n\r\t",
            "#tag2 বন্ধ \u{1f6ab}\u{2028}\u{7f}",
            "#tag3 \u{8}\u{c}\u{1}\u{1f}",
        ];
        for text in texts {
            let tags = json!([["t", "tag"], ["client", "\u{1b}\"", ""]]);
            publisher.publish_all([&ann().tagged_event(1, ago(0), text, &tags)]);
        }
        ear.until_labels(tags(1..=3));
        assert_each_is_one_post(&ear, 1..=3);
        assert!(ear.rejected.is_empty(), "{:?}", ear.rejected);
        ear.stop();
        theirs.relay.shutdown();
        drop(theirs.runtime);
    }

    #[test]
    fn what_it_has_stored_is_found_page_by_page_and_what_comes_is_heard() {
        let builder = RelayBuilder::default().max_filter_limit(10);
        let theirs = Theirs::start(builder);
        let mut publisher = Publisher::connect(theirs.port);
        let first = ann().note(0, ago(7_200));
        let cursor = cursor_of(&theirs.url(), &first);
        let mut notes = vec![first];
        for number in 1..=55 {
            // Three a second now and then.
            let seconds = 7_200 - i64::try_from(number / 3).expect("small") * 100;
            notes.push(
                Author::new(1 + u8::try_from(number % 5).expect("small"))
                    .note(number, ago(seconds)),
            );
        }
        publisher.publish_all(&notes);
        let mut ear = listen(&theirs.options(), Some(&cursor));
        ear.until_live_now();
        assert_each_is_one_post(&ear, 0..=55);
        publisher.publish_all([&ann().note(56, ago(0))]);
        ear.until_labels(tags(56..=56));
        assert_eq!((&ear.gaps[..], &ear.rejected), (&[][..], &BTreeMap::new()));
        ear.stop();
        theirs.relay.shutdown();
        drop(theirs.runtime);
    }
}
