//! The feed of Nostr against `nostr-relay` of `PyPI`, which checks signatures by another library than ours.

use std::collections::BTreeMap;
use std::time::Duration;

use downtrend::feed::nostr::Options;
use serde_json::Value;

use crate::nostr::{ago, ann, assert_each_is_one_post, cursor_of, listen, options_of, tags};
use crate::support::ear::Ear;
use crate::support::nostr::{Author, Publisher};
use crate::support::peer::Peer;

fn url(peer: &Peer) -> String {
    format!("ws://127.0.0.1:{}", peer.port())
}

fn notes(numbers: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    numbers
        .map(|number| {
            let author = Author::new(1 + u8::try_from(number % 5).expect("small"));
            author.note(number, ago(0))
        })
        .collect()
}

fn assert_nothing_went_wrong(ear: &Ear) {
    assert_eq!((&ear.gaps[..], &ear.rejected), (&[][..], &BTreeMap::new()));
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn each_note_counts_once_through_a_freeze_a_kill_and_a_stop() {
    let Some(mut peer) = Peer::start("nostr-relay", &[]) else {
        return;
    };
    let options = Options {
        idle_after: Some(Duration::from_secs(5)),
        ..options_of(url(&peer))
    };
    let mut publisher = Publisher::connect(peer.port());
    let mut ear = listen(&options, None);
    ear.until_live_now();
    publisher.publish_all(&notes(1..=20));
    ear.until_labels(tags(1..=20));

    peer.freeze();
    let why = ear.until_setback();
    assert!(why.contains("nothing for 5 s"), "{why}");
    peer.thaw();
    publisher.publish_all(&notes(21..=30));
    ear.until_labels(tags(1..=30));

    peer.kill();
    ear.until_setback();
    peer.start_again();
    let mut publisher = Publisher::connect(peer.port());
    publisher.publish_all(&notes(31..=40));
    ear.until_labels(tags(1..=40));
    ear.until_live_now();
    assert_each_is_one_post(&ear, 1..=40);
    assert_nothing_went_wrong(&ear);
    ear.take_one();
    let cursor = ear.cursor.clone();
    ear.stop();

    publisher.publish_all(&notes(41..=50));
    let mut ear = listen(&options, cursor.as_ref());
    ear.until_labels(tags(41..=50));
    ear.until_live_now();
    assert_nothing_went_wrong(&ear);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn what_it_has_stored_is_found_page_by_page() {
    let Some(peer) = Peer::start("nostr-relay", &[("MAX_LIMIT", "10")]) else {
        return;
    };
    let mut publisher = Publisher::connect(peer.port());
    let first = ann().note(0, ago(7_200));
    publisher.publish_all([&first]);
    for number in 1..=55 {
        // Three a second now and then.
        let seconds = 7_200 - i64::try_from(number / 3).expect("small") * 100;
        publisher.publish_all([&ann().note(number, ago(seconds))]);
    }
    let options = options_of(url(&peer));
    let mut ear = listen(&options, Some(&cursor_of(&url(&peer), &first)));
    ear.until_live_now();
    assert_each_is_one_post(&ear, 0..=55);
    assert_nothing_went_wrong(&ear);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn it_takes_what_we_sign_and_refuses_what_is_forged() {
    let Some(peer) = Peer::start("nostr-relay", &[]) else {
        return;
    };
    let mut publisher = Publisher::connect(peer.port());
    let mut ear = listen(&options_of(url(&peer)), None);
    ear.until_live_now();
    let good = ann().event(
        1,
        ago(0),
        "#tag1 \"quoted\" \\ / \n\r\t\u{8}\u{c} বন্ধ \u{1f6ab}\u{2028}",
    );
    assert_eq!(publisher.publish(&good), (true, String::new()));
    let mut forged = good.clone();
    forged["content"] = "#forged".into();
    let (is_taken, why) = publisher.publish(&forged);
    assert!(!is_taken, "{why}");
    let (is_taken, why) = publisher.publish(&ann().note(2, ago(-25 * 3_600)));
    assert!(!is_taken && why.contains("future"), "{why}");
    ear.until_labels(tags(1..=1));
    assert_each_is_one_post(&ear, 1..=1);
    assert_nothing_went_wrong(&ear);
    ear.stop();
}
