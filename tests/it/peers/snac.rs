//! Kinds `mastodon` and `feed` against snac: a small fediverse server with ids that are no numbers, pages without a
//! Link header, and an RSS feed of every account.

use std::time::Duration;

use downtrend::feed::contract::Standing;
use downtrend::feed::mastodon::Mastodon;
use downtrend::feed::mastodon::options::{Options, Timeline};
use downtrend::feed::syndication::{self, Syndication};
use downtrend::post::Cursor;

use crate::support::http::{Ear, context};
use crate::support::peer::Peer;

fn options(peer: &Peer, timeline: Timeline) -> Options {
    Options {
        server: format!("http://127.0.0.1:{}", peer.port()),
        timeline,
        token: None,
        allow_private: true,
        poll: Duration::from_millis(100),
        streaming: None,
        idle_after: Duration::from_secs(30),
    }
}

fn open(options: Options, cursor: Option<&Cursor>) -> Ear {
    Ear::open(Mastodon::new(options, &context(), cursor).expect("good options"))
}

fn publish(peer: &Peer, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let text = format!("#হোয়াটসঅ্যাপডাউন #WhatsAppDown {number}");
        peer.tell("post", &[&text]);
    }
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_timeline_with_ids_that_are_no_numbers_is_read_without_loss_or_repeat() {
    let Some(peer) = Peer::start("snac", &[]) else {
        return;
    };
    publish(&peer, 0..3);
    let mut ear = open(options(&peer, Timeline::Public), None);
    ear.until("posts", |ear| ear.posts.len() == 3);
    publish(&peer, 3..6);
    ear.until("new posts", |ear| ear.posts.len() == 6);
    let cursor = ear.stop();
    publish(&peer, 6..70);
    let mut ear = open(options(&peer, Timeline::Public), cursor.as_ref());
    ear.until("what was missed", |ear| ear.posts.len() == 64);
    ear.until_standing(&Standing::Live);
    assert!(ear.posts.values().all(|count| *count == 1));
    assert!(ear.gaps.is_empty() && ear.rejected.is_empty());
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_place_that_it_has_forgotten_is_a_gap_and_a_new_start() {
    let Some(peer) = Peer::start("snac", &[]) else {
        return;
    };
    publish(&peer, 0..3);
    let host = format!("127.0.0.1:{}", peer.port());
    let place = serde_json::json!({
        "host": host, "min_id": "17953328152bb9b4f1633fdde8ace5b9d8fea2a0fa", "time": "2026-01-01T00:00:00Z"
    });
    let cursor = Cursor::Token(place.to_string());
    let mut ear = open(options(&peer, Timeline::Public), Some(&cursor));
    ear.until("posts", |ear| ear.posts.len() == 3);
    assert_eq!(ear.gaps.len(), 1);
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_server_that_freezes_and_one_that_dies_is_waited_for() {
    let Some(mut peer) = Peer::start("snac", &[]) else {
        return;
    };
    publish(&peer, 0..1);
    let mut ear = open(options(&peer, Timeline::Public), None);
    ear.until("a post", |ear| ear.posts.len() == 1);
    peer.freeze();
    let (_, why) = ear.until_wait(1);
    assert!(why.contains("did not answer within 10 s"), "{why}");
    peer.thaw();
    ear.until_standing(&Standing::Live);
    peer.kill();
    ear.until_wait(2);
    peer.start_again();
    publish(&peer, 1..4);
    ear.until("posts", |ear| ear.posts.len() == 4);
    assert!(ear.posts.values().all(|count| *count == 1));
    assert!(ear.gaps.is_empty());
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn its_rss_says_what_its_timeline_says() {
    let Some(peer) = Peer::start("snac", &[]) else {
        return;
    };
    publish(&peer, 0..5);
    let mut timeline = open(options(&peer, Timeline::Public), None);
    timeline.until("posts", |ear| ear.posts.len() == 5);
    let rss = syndication::Options {
        url: format!("http://127.0.0.1:{}/ann.rss", peer.port()),
        token: None,
        allow_private: true,
        poll: Duration::from_millis(100),
    };
    let mut rss = Ear::open(Syndication::new(rss, &context(), None).expect("good options"));
    rss.until("entries", |ear| ear.posts.len() == 5);
    assert_eq!(timeline.hashtags.len(), 2);
    assert_eq!(
        rss.hashtags, timeline.hashtags,
        "titles that it cuts out of the text, in the middle of a hashtag, are no texts"
    );
    assert!(rss.rejected.is_empty() && rss.gaps.is_empty());
}
