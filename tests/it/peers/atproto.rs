//! The feed of repository streams against the reference PDS.

use std::time::Duration;

use downtrend::clock;
use downtrend::feed::atproto::{Atproto, Options};
use downtrend::feed::websocket::{self, Heard, Manners, Socket};
use downtrend::post::{Cursor, Identity, Post};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::super::support::Place;
use super::super::support::ear::Ear;
use super::super::support::firehose::Firehose;
use super::super::support::peer::Peer;
use super::super::support::program::Program;

/// Longer than any of these should wait for anything; a dead peer is noticed after a minute.
const PATIENCE: Duration = Duration::from_mins(3);
const POSTS: &str = "app.bsky.feed.post";

/// A PDS, and somebody who posts there.
struct Pds {
    peer: Peer,
    runtime: Runtime,
    client: reqwest::Client,
    did: String,
    token: String,
}

impl Pds {
    /// None where it is not installed.
    fn start(settings: &[(&str, &str)]) -> Option<Self> {
        let peer = Peer::start("atproto-pds", settings)?;
        websocket::install_tls();
        let mut pds = Self {
            peer,
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            // No connection is kept: the server may be another one by the next call.
            client: reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client"),
            did: String::new(),
            token: String::new(),
        };
        let account = json!({"handle": "ann.test", "email": "ann@example.invalid", "password": "a long password"});
        let account = pds.ask("com.atproto.server.createAccount", &account);
        pds.did = text(&account["did"]);
        pds.token = text(&account["accessJwt"]);
        Some(pds)
    }

    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.peer.port())
    }

    /// Calls a procedure, which must succeed.
    fn ask(&self, procedure: &str, input: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}/xrpc/{procedure}", self.peer.port());
        let mut request = self
            .client
            .post(url)
            .header("Content-Type", "application/json")
            .body(input.to_string());
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let (status, body) = self.runtime.block_on(async {
            let answer = request.send().await.expect("an answer");
            let status = answer.status();
            (status, answer.text().await.expect("a whole one"))
        });
        assert!(
            status.is_success(),
            "{procedure}: {status} {body} {}",
            self.peer.log()
        );
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// Writes a record and gives its address.
    fn create(&self, collection: &str, record: &Value) -> String {
        let input = json!({"repo": self.did, "collection": collection, "record": record});
        text(&self.ask("com.atproto.repo.createRecord", &input)["uri"])
    }

    /// A post with the hashtag `#tagNUMBER`.
    fn post(&self, number: u64) -> String {
        self.create(POSTS, &record(&format!("it is #tag{number}")))
    }

    fn options(&self) -> Options {
        Options {
            host: self.url(),
            allow_private: true,
            idle_after: None,
        }
    }

    fn listen(&self, cursor: Option<&Cursor>) -> Ear {
        let feed = Atproto::new(&self.options(), Ear::context(), cursor).expect("good options");
        Ear::listen(feed, PATIENCE)
    }

    /// The cursor of a feed that had heard everything up to there.
    fn cursor_at(&self, seq: u64) -> Cursor {
        let position = json!({"host": self.url(), "seq": seq, "time_ms": 1_700_000_000_000_i64});
        Cursor::Token(position.to_string())
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn record(text: &str) -> Value {
    json!({"$type": POSTS, "text": text, "createdAt": "2019-01-01T00:00:00Z"})
}

fn labels(post: &Post) -> Vec<&str> {
    post.hashtags
        .iter()
        .map(|hashtag| &*hashtag.label)
        .collect()
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn posts_of_a_pds_are_read_with_their_hashtags_their_edits_and_their_addresses() {
    let Some(pds) = Pds::start(&[]) else {
        return;
    };
    let mut ear = pds.listen(None);
    ear.until_live();
    // It tells what it has taken a moment later: the events of the new account may come now.
    pds.post(0);
    ear.until_tags(0..=0);
    let skipped_before = ear.skipped;
    let words = "আবার #হোয়াটসঅ্যাপডাউন, কেউ কি জানেন?";
    let start = words.find('#').expect("a hashtag");
    let end = words.find(',').expect("a comma");
    let mut bengali = record(words);
    bengali["langs"] = json!(["bn-BD", "en"]);
    bengali["tags"] = json!(["বিভ্রাট"]);
    bengali["facets"] = json!([{
        "index": {"byteStart": start, "byteEnd": end},
        "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "হোয়াটসঅ্যাপডাউন"}],
    }]);
    let uri = pds.create(POSTS, &bengali);
    let cid = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";
    let subject = json!({"uri": uri, "cid": cid});
    let mut reply = record("here too #signaldown");
    reply["reply"] = json!({"root": subject, "parent": subject});
    reply["embed"] = json!({"$type": "app.bsky.embed.record", "record": subject});
    pds.create(POSTS, &reply);
    let like = json!({"$type": "app.bsky.feed.like", "subject": subject, "createdAt": "2019-01-01T00:00:00Z"});
    pds.create("app.bsky.feed.like", &like);
    let rkey = uri.rsplit('/').next().expect("a name").to_owned();
    let input = |record: Value| json!({"repo": pds.did, "collection": POSTS, "rkey": rkey, "record": record});
    pds.ask(
        "com.atproto.repo.putRecord",
        &input(record("#হোয়াটসঅ্যাপডাউন #ফেসবুকডাউন")),
    );
    pds.ask("com.atproto.repo.deleteRecord", &input(Value::Null));
    pds.post(1);
    ear.until_tags(1..=1);

    let [_, new, reply, edited, last] = &ear.posts[..] else {
        panic!("five posts, not {:?}", ear.posts);
    };
    assert_eq!(labels(new), ["হোয়াটসঅ্যাপডাউন", "বিভ্রাট"]);
    assert_eq!(
        (&*new.lang, &*new.source),
        ("bn", &*pds.url().replace("ws://", "atproto:"))
    );
    assert_eq!(labels(reply), ["signaldown"]);
    assert_eq!(labels(edited), ["হোয়াটসঅ্যাপডাউন", "ফেসবুকডাউন"]);
    assert_eq!(labels(last), ["tag1"]);
    let identity = Identity::new([7; 16]);
    assert_eq!(
        (new.id, edited.id),
        (identity.post(&uri), identity.post(&uri))
    );
    assert_eq!([new.edit, edited.edit], [false, true]);
    assert_eq!(new.author, Some(identity.author(&pds.did)));
    assert_eq!(ear.skipped - skipped_before, 2, "the like and the delete");
    assert!(
        ear.rejected.is_empty() && ear.gaps.is_empty(),
        "{:?} {:?}",
        ear.rejected,
        ear.gaps
    );
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_pds_is_followed_from_its_first_event_on_and_each_is_heard_once() {
    let Some(pds) = Pds::start(&[]) else {
        return;
    };
    (1..=20).for_each(|number| drop(pds.post(number)));
    let mut ear = pds.listen(Some(&pds.cursor_at(0)));
    ear.until_tags(1..=20);
    assert!(ear.has_once(1..=20), "{:?}", ear.tags);
    assert!(
        ear.skipped >= 3,
        "a new account makes events of its own: {}",
        ear.skipped
    );
    ear.until_live();
    let cursor = ear.cursor.clone();
    ear.stop();
    (21..=30).for_each(|number| drop(pds.post(number)));
    let mut ear = pds.listen(cursor.as_ref());
    ear.until_tags(21..=30);
    assert!(ear.has_once(21..=30), "{:?}", ear.tags);
    assert_eq!((&ear.gaps[..], ear.skipped), (&[][..], 0));
    assert!(ear.rejected.is_empty(), "{:?}", ear.rejected);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_cursor_beyond_what_a_pds_has_is_a_gap_and_it_goes_on_live() {
    let Some(pds) = Pds::start(&[]) else {
        return;
    };
    let mut ear = pds.listen(Some(&pds.cursor_at(1_000_000)));
    ear.until_waiting("it has not come as far as we had read, so it counts anew: FutureCursor");
    ear.until_live();
    pds.post(1);
    ear.until_tags(1..=1);
    assert_eq!(ear.gaps.len(), 1, "{:?}", ear.gaps);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_cursor_older_than_a_pds_keeps_is_a_gap_and_it_goes_on() {
    let Some(pds) = Pds::start(&[("BACKFILL_MS", "1")]) else {
        return;
    };
    // What it has not told yet counts as new, however old: it has told these.
    let mut ear = pds.listen(None);
    ear.until_live();
    pds.post(1);
    pds.post(2);
    ear.until_tags(1..=2);
    ear.stop();
    let mut ear = pds.listen(Some(&pds.cursor_at(0)));
    ear.until("info", |ear| ear.skipped == 1);
    pds.post(3);
    ear.until_tags(3..=3);
    assert!(ear.has_once(3..=3), "{:?}", ear.tags);
    let [gap] = &ear.gaps[..] else {
        panic!("one gap, not {:?}", ear.gaps);
    };
    assert_eq!(
        (gap.start.as_millis(), gap.end),
        (1_700_000_000_000, ear.posts[0].at)
    );
    ear.stop();
}

/// A feed never asks so; what the PDS answers is played back to one.
#[test]
#[ignore = "needs servers of others: just peers"]
fn what_a_pds_says_of_a_cursor_that_is_no_number_is_told_in_plain_words() {
    let Some(pds) = Pds::start(&[]) else {
        return;
    };
    let url = format!(
        "{}/xrpc/com.atproto.sync.subscribeRepos?cursor=soon",
        pds.url()
    );
    let manners = Manners {
        allow_private: true,
        ..Manners::default()
    };
    let (message, end) = pds.runtime.block_on(async {
        let url = url.parse().expect("a URL");
        let mut socket = Socket::connect(&url, &manners).await.expect("a connection");
        let message = loop {
            if let Heard::Message(message) = socket.next().await.expect("a message") {
                break message;
            }
        };
        (message, socket.next().await.expect_err("it closes"))
    });
    assert!(end.in_words().contains("1008"), "{}", end.in_words());
    let server = Firehose::start();
    let options = Options {
        host: server.url(),
        ..pds.options()
    };
    let feed = Atproto::new(&options, Ear::context(), None).expect("good options");
    let mut ear = Ear::listen(feed, PATIENCE);
    ear.until_live();
    server.push_message(None, message.to_vec());
    ear.until_waiting("ends it: it has failed: I");
    assert!(ear.rejected.is_empty(), "{:?}", ear.rejected);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_pds_that_is_frozen_is_noticed_and_nothing_is_lost_once_it_goes_on() {
    let Some(pds) = Pds::start(&[]) else {
        return;
    };
    let mut ear = pds.listen(None);
    ear.until_live();
    pds.post(1);
    ear.until_tags(1..=1);
    pds.peer.freeze();
    ear.until_waiting("nothing for 60 s");
    pds.peer.thaw();
    pds.post(2);
    ear.until_tags(2..=2);
    assert!(ear.has_once(1..=2), "{:?}", ear.tags);
    assert_eq!(ear.gaps, []);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_pds_that_dies_and_comes_back_is_found_again_and_nothing_is_lost() {
    let Some(mut pds) = Pds::start(&[]) else {
        return;
    };
    let mut ear = pds.listen(None);
    ear.until_live();
    (1..=5).for_each(|number| drop(pds.post(number)));
    ear.until_tags(1..=5);
    pds.peer.kill();
    ear.until_waiting("127.0.0.1");
    pds.peer.start_again();
    (6..=9).for_each(|number| drop(pds.post(number)));
    ear.until_tags(6..=9);
    assert!(ear.has_once(1..=9), "{:?}", ear.tags);
    assert_eq!(ear.gaps, []);
    ear.stop();
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_run_on_a_pds_that_is_killed_and_started_again_counts_each_post_once() {
    let Some(pds) = Pds::start(&[]) else {
        return;
    };
    let place = Place::new();
    let table = format!(
        "[[feed]]\nkind = \"atproto\"\nhost = \"{}\"\nallow_private = true\n",
        pds.url()
    );
    place.write("downtrend.toml", table);
    let started = clock::start();
    let first = Program::start(&place, &["--json"]);
    let state = || {
        let shown = place.run(&["feeds", "--json"]).stdout;
        let shown: Value = serde_json::from_slice(&shown).unwrap_or_default();
        shown["feeds"][0]["state"].clone()
    };
    while state() != "live" {
        assert!(started.elapsed() < PATIENCE, "{}", first.errors());
    }
    (1..=15).for_each(|number| drop(pds.post(number)));
    let has_counted = |program: &Program, posts: u64| {
        program.until(PATIENCE, |counted| counted.values().sum::<u64>() == posts);
    };
    has_counted(&first, 15);
    // It is killed.
    drop(first);
    (16..=30).for_each(|number| drop(pds.post(number)));
    let second = Program::start(&place, &["--json"]);
    has_counted(&second, 30);
    let summary = second.stop_and_read(PATIENCE);
    assert_eq!(
        [
            &summary["posts_counted"],
            &summary["duplicates"],
            &summary["late"]
        ],
        [&json!(15), &json!(0), &json!(0)],
        "{summary}"
    );
}
