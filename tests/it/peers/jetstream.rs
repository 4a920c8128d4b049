//! The stand-in for Jetstream against clients that others wrote: what they hear is what happened, in both protocols.
//! And the feed of Bluesky behind a proxy that cuts, refuses and falls silent.

use std::time::Duration;

use downtrend::clock;
use downtrend::feed::bluesky::Options;
use downtrend::feed::contract::Standing;
use serde_json::{Value, json};

use crate::support::ear::Ear;
use crate::support::jetstream::{ANN, After, End, Event, Jetstream, Manner, POSTS, Visit, What};
use crate::support::peer::{self, Peer};

const BOB: &str = "did:plc:z72i7hdynmk6r22z27h6tvur";
const LIKES: &str = "app.bsky.feed.like";
/// More bytes than any other event of [`happenings`] makes.
const LONG_BYTES: usize = 4_000;

/// One event of every sort, three seconds ago and since, numbered from 1.
fn happenings() -> Vec<Event> {
    let start_us = (clock::now().as_millis() - 3_000) * 1_000;
    let post = |text: &str| json!({"$type": POSTS, "text": text, "createdAt": "2026-11-22T06:59:58Z", "langs": ["bn"]});
    let like = json!({"$type": LIKES, "createdAt": "2026-11-22T06:59:58Z", "subject": {
        "uri": "at://did:plc:z72i7hdynmk6r22z27h6tvur/app.bsky.feed.post/3l3qo2vuowo2b",
        "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}});
    let commit = |operation, collection, rkey: &str, record| What::Commit {
        operation,
        collection,
        rkey: rkey.to_owned(),
        record,
    };
    let all = [
        commit("create", POSTS, "first", Some(post("আবার #হোয়াটসঅ্যাপডাউন"))),
        commit("create", LIKES, "second", Some(like)),
        What::Identity,
        commit("update", POSTS, "first", Some(post("better now"))),
        What::Account,
        What::Sync,
        commit("delete", POSTS, "first", None),
        commit("create", POSTS, "long", Some(post(&"x".repeat(LONG_BYTES)))),
        commit("create", POSTS, "bobs", Some(post("it is #down here"))),
    ];
    let events = all.into_iter().zip(1_u64..).map(|(what, seq)| Event {
        seq,
        time_us: start_us + i64::try_from(seq).expect("small") * 1_000,
        did: if seq == 9 { BOB } else { ANN }.to_owned(),
        what,
    });
    events.collect()
}

fn server(events: &[Event]) -> Jetstream {
    let server = Jetstream::start();
    for event in events {
        server.push_event(event.clone());
    }
    server
}

/// What a client of the second protocol hears of these events. It puts in the types of what is nested by itself.
fn heard_in_v2<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Value> {
    let frames = events.into_iter().map(|event| {
        let frame: Value = serde_json::from_str(&event.v2()).expect("JSON");
        bare(frame["payload"].clone())
    });
    frames.collect()
}

/// Without the types.
fn bare(mut value: Value) -> Value {
    if let Value::Object(object) = &mut value {
        object.remove("$type");
        for field in object.values_mut() {
            *field = bare(field.take());
        }
    }
    value
}

/// What the client `atproto` hears, and its last line.
fn listen_v2(
    server: &Jetstream,
    count: usize,
    params: &Value,
    more: &[&str],
) -> Option<(Vec<Value>, Value)> {
    let (count, params) = (count.to_string(), params.to_string());
    let arguments = [&[&*count, &*params], more].concat();
    let mut lines = peer::client("atproto-client", "listen", server.port(), &arguments)?;
    let last = lines.pop().expect("a last line");
    Some((lines.into_iter().map(bare).collect(), last))
}

fn listen_v1(server: &Jetstream, count: usize, options: &Value) -> Option<Vec<Value>> {
    let arguments = [&*count.to_string(), &*options.to_string()];
    peer::client("atcute-client", "listen", server.port(), &arguments)
}

fn heard_in_v1<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Value> {
    let frames = events.into_iter().filter_map(Event::v1);
    frames
        .map(|frame| serde_json::from_str(&frame).expect("JSON"))
        .collect()
}

/// The client `atproto` cannot read this kind: it wants bytes where JSON has `{"$bytes": ...}`.
const ALL_BUT_SYNC: [&str; 3] = ["commit", "identity", "account"];

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_client_of_the_second_protocol_hears_what_happened_plain_and_packed() {
    let events = happenings();
    let expected = heard_in_v2(events.iter().filter(|event| event.kind() != "sync"));
    for more in [&[][..], &["packed"][..]] {
        let server = server(&events);
        let params = json!({"cursor": 1, "kinds": ALL_BUT_SYNC});
        let Some((heard, last)) = listen_v2(&server, expected.len(), &params, more) else {
            return;
        };
        assert_eq!(last, json!({"packed": !more.is_empty()}));
        assert_eq!(heard, expected);
    }
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_client_of_the_second_protocol_hears_only_what_it_asks_for() {
    let events = happenings();
    let server = server(&events);
    let of = |event: &Event, collection| event.collection() == Some(collection);
    let is_long = |event: &Event| event.v2().len() > LONG_BYTES;
    let cases: [(Value, Vec<&Event>); 4] = [
        (
            json!({"cursor": 1, "kinds": ["commit"], "collections": [POSTS]}),
            events.iter().filter(|event| of(event, POSTS)).collect(),
        ),
        (
            json!({"cursor": 4, "kinds": ALL_BUT_SYNC, "collections": ["app.bsky.feed.*"], "dids": [ANN]}),
            events
                .iter()
                .filter(|event| event.seq >= 4 && event.kind() != "sync" && event.did == ANN)
                .collect(),
        ),
        (
            json!({"cursor": 1, "kinds": ["commit"], "maxMessageSizeBytes": LONG_BYTES}),
            events
                .iter()
                .filter(|event| event.kind() == "commit" && !is_long(event))
                .collect(),
        ),
        (
            json!({"cursor": events[1].time_us, "kinds": ["commit"], "collections": [LIKES]}),
            events.iter().filter(|event| of(event, LIKES)).collect(),
        ),
    ];
    for (params, wanted) in cases {
        assert!(!wanted.is_empty() && wanted.len() < events.len());
        let Some((heard, _)) = listen_v2(&server, wanted.len(), &params, &[]) else {
            return;
        };
        assert_eq!(heard, heard_in_v2(wanted), "{params}");
    }
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_client_of_the_second_protocol_goes_on_after_a_cut_at_the_event_it_had() {
    let events = happenings();
    let server = server(&events);
    server.next_visit(Manner::Ends(After::Frames(3), End::Torn));
    server.next_visit(Manner::Ends(After::Frames(2), End::Cut));
    let posts: Vec<&Event> = events
        .iter()
        .filter(|event| event.collection() == Some(POSTS))
        .collect();
    let params = json!({"cursor": 1, "kinds": ["commit"], "collections": [POSTS]});
    let Some((heard, _)) = listen_v2(&server, posts.len(), &params, &["packed"]) else {
        return;
    };
    assert_eq!(heard, heard_in_v2(posts));
    let asked: Vec<_> = server.visits(3).iter().map(Visit::cursor).collect();
    assert_eq!(asked, [Some(1), Some(7), Some(8)]);
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_client_of_the_second_protocol_understands_refusals_faults_and_advice() {
    let events = happenings();
    let server = server(&events);
    server.forget_before(4, events[3].time_us);
    let outcome = |params: Value| listen_v2(&server, 2, &params, &[]);
    let Some((heard, last)) = outcome(json!({"cursor": 2})) else {
        return;
    };
    assert_eq!((heard.len(), last), (0, json!({"refused": "CursorTooOld"})));
    let moved = json!({"cursor": events[1].time_us, "kinds": ["commit"]});
    let (heard, _) = outcome(moved).expect("installed");
    assert_eq!(heard[0]["name"], "OutdatedCursor");
    assert_eq!(heard[1..], heard_in_v2([&events[3]]));
    let params = json!({"cursor": 10_000, "kinds": ["commit"]});
    server.next_visit(Manner::Ends(After::Frames(1), End::Stall));
    let fault = json!({"$type": "error", "error": "InternalServerError", "message": "so sorry"});
    let (heard, last) = std::thread::scope(|scope| {
        let listening = scope.spawn(|| outcome(params));
        server.visits(3);
        server.push_frame(&fault.to_string());
        listening.join().expect("it ends").expect("installed")
    });
    assert_eq!(heard[0]["name"], "FutureCursor");
    assert_eq!(last, json!({"refused": "InternalServerError"}));
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_client_of_the_first_protocol_hears_what_happened_after_its_hello() {
    let events = happenings();
    let server = server(&events);
    let all = json!({"cursor": events[0].time_us});
    let expected = heard_in_v1(&events);
    let Some(heard) = listen_v1(&server, expected.len(), &all) else {
        return;
    };
    assert_eq!(heard, expected);
    let hello = ("requireHello".to_owned(), "true".to_owned());
    assert!(server.visits(1)[0].query.contains(&hello));

    let bobs =
        json!({"cursor": events[0].time_us, "wantedCollections": [POSTS], "wantedDids": [BOB]});
    let heard = listen_v1(&server, 1, &bobs).expect("installed");
    assert_eq!(heard, heard_in_v1(&events[8..]));
    let posts = json!({"cursor": events[2].time_us, "wantedCollections": [POSTS]});
    let heard = listen_v1(&server, 6, &posts).expect("installed");
    assert_eq!(
        heard,
        heard_in_v1(&events[2..]),
        "accounts come unasked for"
    );
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_client_of_the_first_protocol_goes_on_after_a_cut_at_the_time_it_had() {
    let events = happenings();
    let server = server(&events);
    server.next_visit(Manner::Ends(After::Frames(4), End::Cut));
    let expected = heard_in_v1(&events);
    let all = json!({"cursor": events[0].time_us});
    let Some(mut heard) = listen_v1(&server, expected.len() + 1, &all) else {
        return;
    };
    assert_eq!(heard[3], heard[4], "the one at the cursor comes again");
    heard.remove(4);
    assert_eq!(heard, expected);
}

/// A server behind `HAProxy`, and a feed that listens to it through that.
fn behind_a_proxy(
    settings: &[(&str, &str)],
    idle_after: Duration,
) -> Option<(Jetstream, Peer, Ear)> {
    let server = Jetstream::start();
    let port = server.port().to_string();
    let settings = [&[("SERVER_PORT", &*port)], settings].concat();
    let proxy = Peer::start("haproxy", &settings)?;
    let options = Options {
        hosts: vec![format!("ws://127.0.0.1:{}", proxy.port())],
        allow_private: true,
        idle_after,
        ..Options::default()
    };
    let mut ear = Ear::open(&options, None);
    ear.until_live();
    Some((server, proxy, ear))
}

fn push(server: &Jetstream, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        server.push(number, 10 * number, clock::now().as_millis() * 1_000);
    }
}

fn waits(ear: &Ear, why: &str) -> bool {
    ear.standings.iter().any(
        |standing| matches!(standing, Standing::Waiting { why: told, .. } if told.contains(why)),
    )
}

const MINUTE: Duration = Duration::from_mins(1);

#[test]
#[ignore = "needs servers of others: just peers"]
fn behind_a_proxy_that_cuts_and_answers_503_the_feed_loses_nothing_and_repeats_nothing() {
    let Some((server, proxy, mut ear)) = behind_a_proxy(&[], MINUTE) else {
        return;
    };
    push(&server, 1..=5);
    ear.until_tags(1..=5);
    proxy.tell("cut", &[]);
    push(&server, 6..=10);
    ear.until_tags(6..=10);
    proxy.tell("down", &[]);
    proxy.tell("cut", &[]);
    push(&server, 11..=15);
    ear.until("503", |ear| waits(ear, "503 Service Unavailable"));
    proxy.tell("up", &[]);
    push(&server, 16..=20);
    ear.until_tags(11..=20);
    assert!(ear.each_once(), "{:?}", ear.tags);
    assert_eq!(ear.gaps, []);
    assert!(ear.rejected.is_empty(), "{:?}", ear.rejected);
    let asked: Vec<_> = server.visits(3).iter().map(Visit::cursor).collect();
    assert_eq!(asked, [None, Some(50), Some(100)]);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn behind_a_proxy_that_cuts_what_is_idle_the_feed_comes_back_by_itself() {
    let Some((server, _proxy, mut ear)) = behind_a_proxy(&[("IDLE_MS", "400")], MINUTE) else {
        return;
    };
    push(&server, 1..=3);
    ear.until_tags(1..=3);
    ear.until("cut", |ear| {
        let waited = |standing: &&Standing| matches!(standing, Standing::Waiting { .. });
        ear.standings.iter().filter(waited).count() >= 2
    });
    push(&server, 4..=6);
    ear.until_tags(4..=6);
    assert!(ear.each_once(), "{:?}", ear.tags);
    assert_eq!(ear.gaps, []);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn behind_a_proxy_that_is_frozen_the_feed_notices_the_silence_and_goes_on_when_it_thaws() {
    let idle_after = Duration::from_secs(1);
    let Some((server, proxy, mut ear)) = behind_a_proxy(&[], idle_after) else {
        return;
    };
    push(&server, 1..=3);
    ear.until_tags(1..=3);
    proxy.freeze();
    push(&server, 4..=6);
    ear.until("silence", |ear| waits(ear, "nothing for 1 s"));
    proxy.thaw();
    push(&server, 7..=9);
    ear.until_tags(4..=9);
    assert!(ear.each_once(), "{:?}", ear.tags);
    assert_eq!(ear.gaps, []);
    ear.stop();
}
