//! Kind `mastodon` against mastodon-mock: Mastodon's API by another author, with its streams, its Link headers, its way
//! of editing and deleting, and faults on demand.

use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::Standing;
use downtrend::feed::http::Token;
use downtrend::feed::mastodon::Mastodon;
use downtrend::feed::mastodon::options::{Options, Timeline};
use downtrend::post::{Cursor, PostId, Reject};

use crate::support::http::{Ear, context, identity};
use crate::support::peer::Peer;

const TEXT: &str = "#হোয়াটসঅ্যাপডাউন চলছে না";

fn options(port: u16) -> Options {
    Options {
        server: format!("http://127.0.0.1:{port}"),
        timeline: Timeline::Public,
        token: None,
        allow_private: true,
        poll: Duration::from_millis(100),
        streaming: None,
        idle_after: Duration::from_secs(5),
    }
}

fn streamed(port: u16) -> Options {
    Options {
        token: Some(Token::new("ann_token")),
        ..options(port)
    }
}

fn open(options: Options, cursor: Option<&Cursor>) -> Ear {
    Ear::open(Mastodon::new(options, &context(), cursor).expect("good options"))
}

/// A post of the server: its id there, and ours.
struct Published {
    id: String,
    post: PostId,
}

fn publish(peer: &Peer) -> Published {
    let status: serde_json::Value =
        serde_json::from_str(&peer.tell("post", &[TEXT])).expect("a status");
    let field = |name: &str| status[name].as_str().expect("a text").to_owned();
    Published {
        id: field("id"),
        post: identity().post(&field("uri")),
    }
}

fn publish_some(peer: &Peer, count: usize) -> Vec<PostId> {
    (0..count).map(|_| publish(peer).post).collect()
}

/// The next requests for the timeline have this fault.
fn break_timeline(peer: &Peer, count: u32, effect: &serde_json::Value) {
    let fault = serde_json::json!({
        "match": {"path": "/api/v1/timelines/public"}, "effect": effect, "count": count
    });
    peer.tell("fault", &[&fault.to_string()]);
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_timeline_is_polled_forward_without_loss_or_repeat() {
    let Some(peer) = Peer::start("mastodon-mock", &[]) else {
        return;
    };
    let first = publish(&peer);
    let mut ear = open(options(peer.port()), None);
    ear.until_posts(&[first.post]);
    let cursor = ear.stop();
    // More than a page.
    let later = publish_some(&peer, 45);
    let mut ear = open(options(peer.port()), cursor.as_ref());
    ear.until_posts(&later);
    ear.until_standing(&Standing::Live);
    assert_eq!(ear.posts.len(), 45);
    assert!(ear.posts.values().all(|count| *count == 1));
    assert!(ear.gaps.is_empty() && ear.rejected.is_empty());
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_stream_is_followed_through_edits_deletes_and_a_cut() {
    let Some(peer) = Peer::start("mastodon-mock", &[]) else {
        return;
    };
    let port = peer.port().to_string();
    let Some(haproxy) = Peer::start("haproxy", &[("SERVER_PORT", &port)]) else {
        return;
    };
    let first = publish(&peer);
    let mut ear = open(streamed(haproxy.port()), None);
    ear.until_posts(&[first.post]);
    let told = publish(&peer);
    ear.until_posts(&[told.post]);
    peer.tell("edit", &[&told.id, "#হোয়াটসঅ্যাপডাউন এখনো"]);
    peer.tell("delete", &[&told.id]);
    // This server calls an edit `status_update`, which Mastodon does not.
    ear.until("an edit and a delete", |ear| ear.skipped == 2);

    haproxy.tell("cut", &[]);
    let missed = publish_some(&peer, 3);
    ear.until_posts(&missed);
    let told = publish(&peer);
    ear.until_posts(&[told.post]);
    assert!(ear.gaps.is_empty() && ear.rejected.is_empty());
    assert!(ear.token().contains(&told.id), "{}", ear.token());
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("stream"), "{why}");
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_server_that_stops_in_the_middle_of_a_stream_is_noticed() {
    let Some(peer) = Peer::start("mastodon-mock", &[]) else {
        return;
    };
    let first = publish(&peer);
    let mut ear = open(streamed(peer.port()), None);
    ear.until_posts(&[first.post]);
    peer.freeze();
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("has been silent for 5 s"), "{why}");
    peer.thaw();
    let second = publish(&peer);
    ear.until_posts(&[second.post]);
    ear.until_standing(&Standing::Live);
    assert!(ear.gaps.is_empty());
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_429_is_obeyed_in_both_of_its_forms() {
    let Some(peer) = Peer::start("mastodon-mock", &[]) else {
        return;
    };
    publish(&peer);
    for effect in [
        || serde_json::json!({"type": "ratelimit", "headers": {"Retry-After": "2"}}),
        || {
            let reset = jiff::Timestamp::from_millisecond(clock::now().as_millis() + 2_000)
                .expect("this century");
            // As Mastodon writes it: no other header says when.
            let reset = reset.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
            serde_json::json!({"type": "status", "status": 429, "headers": {"X-RateLimit-Reset": reset}})
        },
    ] {
        let effect = effect();
        break_timeline(&peer, 1, &effect);
        let mut ear = open(options(peer.port()), None);
        let (until, why) = ear.until_wait(1);
        assert!(why.contains("429"), "{why}");
        ear.until_standing(&Standing::Live);
        assert!(clock::now() >= until, "{effect}");
        ear.stop();
    }
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn what_is_cut_off_and_what_hangs_is_told_and_asked_for_again() {
    let Some(peer) = Peer::start("mastodon-mock", &[]) else {
        return;
    };
    let first = publish(&peer);
    break_timeline(&peer, 1, &serde_json::json!({"type": "malformed"}));
    break_timeline(&peer, 1, &serde_json::json!({"type": "timeout"}));
    let mut ear = open(options(peer.port()), None);
    ear.until_posts(&[first.post]);
    assert_eq!(ear.rejected.get(&Reject::Json), Some(&1));
    let (_, why) = ear.until_wait(2);
    assert!(why.contains("did not answer within 10 s"), "{why}");
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_server_that_has_lost_its_memory_is_read_from_its_new_beginning() {
    let Some(mut peer) = Peer::start("mastodon-mock", &[]) else {
        return;
    };
    let before = publish_some(&peer, 3);
    let mut ear = open(options(peer.port()), None);
    ear.until_posts(&before);
    peer.kill();
    ear.until_wait(1);
    peer.start_again();
    let after = publish(&peer);
    ear.until_posts(&[after.post]);
}
