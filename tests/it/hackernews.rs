//! A keyword that is searched for on Hacker News: what is asked, what is counted, and more hits than a page holds.

use std::collections::BTreeSet;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::{Batch, Standing};
use downtrend::feed::hackernews::{HackerNews, Options};
use downtrend::post::Cursor;
use serde_json::{Value, json};

use super::support::http::{Heard, Server, context, identity, ok, run, wait_for};

const HITS_MAX: usize = 1_000;

fn start(server: &Server, cursor: Option<&Cursor>) -> Receiver<Batch> {
    let options = Options {
        query: "WhatsApp down".to_owned(),
        url: format!("{}/api/v1/search_by_date", server.url()),
        allow_private: true,
        poll: Duration::from_millis(10),
    };
    run(HackerNews::new(options, &context(), cursor).expect("good options"))
}

fn now_s() -> i64 {
    clock::now().as_millis() / 1_000
}

fn hit(id: usize, at_s: i64, text: &str) -> Value {
    json!({"objectID": id.to_string(), "author": "ann", "comment_text": text, "created_at_i": at_s, "_tags": ["comment"]})
}

/// Answers as the search does: what lies in the stretch, newest first, a thousand of it.
fn search(hits: &[Value], heard: &Heard) -> String {
    let filters = heard.parameter("numericFilters").expect("a stretch");
    let filters = filters
        .replace("%3E%3D", ">")
        .replace("%3C%3D", "<")
        .replace("%2C", ",");
    let bound = |sign: char| -> i64 {
        let mut bounds = filters
            .split(',')
            .filter_map(|filter| filter.split_once(sign));
        bounds.next().expect("a bound").1.parse().expect("seconds")
    };
    let stretch = bound('>')..=bound('<');
    let mut found: Vec<&Value> = hits
        .iter()
        .filter(|hit| stretch.contains(&hit["created_at_i"].as_i64().expect("seconds")))
        .collect();
    found.sort_by_key(|hit| std::cmp::Reverse(hit["created_at_i"].as_i64()));
    let total = found.len();
    found.truncate(HITS_MAX);
    json!({"nbHits": total, "hits": found}).to_string()
}

#[test]
fn the_keyword_is_a_hashtag_of_the_hits_that_hold_it() {
    let at_s = now_s() - 5;
    let hits = [
        hit(1, at_s, "is <i>whatsapp</i>&#x27;s server down?"),
        hit(2, at_s, "I should download whatsapp #Signal"),
        hit(3, at_s, "WhatsApp: DOWN"),
        json!({"objectID": "4", "created_at_i": at_s, "title": "no text", "_tags": ["job"]}),
        json!({"objectID": "5", "created_at_i": at_s}),
    ];
    let server = Server::start(move |heard| ok(search(&hits, heard), &[]));
    let batches = start(&server, None);
    let batch = wait_for(&batches, |batch| !batch.posts.is_empty());
    let keys: Vec<(u64, Vec<&str>)> = batch
        .posts
        .iter()
        .map(|post| {
            (
                post.id.0,
                post.hashtags.iter().map(|hashtag| &*hashtag.key).collect(),
            )
        })
        .collect();
    let id = |number: &str| identity().post(&format!("hackernews:{number}")).0;
    assert_eq!(keys.len(), 3);
    assert!(keys.contains(&(id("1"), vec!["whatsappdown"])));
    assert!(keys.contains(&(id("2"), vec!["signal"])));
    assert!(keys.contains(&(id("3"), vec!["whatsappdown"])));
    assert_eq!(batch.skipped, 1, "a job is no post");
    assert_eq!(batch.rejected.values().sum::<u64>(), 1, "one has no text");
    let asked = &server.heard()[0];
    assert_eq!(asked.parameter("query"), Some("WhatsApp+down"));
    assert_eq!(asked.parameter("typoTolerance"), Some("false"));
    assert!(
        asked
            .header("user-agent")
            .is_some_and(|name| name.starts_with("downtrend/"))
    );
}

#[test]
fn more_hits_than_a_page_holds_are_all_handed_on_once() {
    // An hour and a half was missed, with a burst in its middle that is denser than the rest by far, and one second in
    // it that holds more than can be had.
    let start_s = now_s() - 5_400;
    let mut hits: Vec<Value> = (0..2_700)
        .map(|number| {
            hit(
                number,
                start_s + 1 + 2 * i64::try_from(number).expect("small"),
                "whatsapp down",
            )
        })
        .collect();
    hits.extend((0..1_500).map(|number| {
        let at_s = start_s + 2_000 + i64::try_from(number / 10).expect("small");
        hit(10_000 + number, at_s, "whatsapp down")
    }));
    let full_s = start_s + 3_002;
    hits.extend((0..1_001).map(|number| hit(20_000 + number, full_s, "whatsapp down")));
    let total = hits.len() - 1;
    let server = Server::start(move |heard| ok(search(&hits, heard), &[]));
    let cursor = json!({"query": "WhatsApp down", "since_s": start_s, "seen": {}}).to_string();
    let batches = start(&server, Some(&Cursor::Token(cursor)));
    let mut ids = BTreeSet::new();
    let mut handed_on = 0;
    let (mut cursors, mut gaps) = (Vec::new(), Vec::new());
    let mut was_behind = false;
    wait_for(&batches, |batch| {
        was_behind |= batch.standing == Some(Standing::CatchingUp);
        handed_on += batch.posts.len();
        ids.extend(batch.posts.iter().map(|post| post.id));
        cursors.extend(batch.cursor.clone());
        gaps.extend(batch.gaps.iter().map(|gap| gap.start.as_millis() / 1_000));
        batch.standing == Some(Standing::Live)
    });
    assert!(was_behind);
    assert_eq!((ids.len(), handed_on, gaps), (total, total, vec![full_s]));

    // Killed after any batch, it hands on the rest.
    let Some(Cursor::Token(token)) = cursors.get(1) else {
        panic!("no second cursor")
    };
    drop(batches);
    let batches = start(&server, Some(&Cursor::Token(token.clone())));
    let mut rest = 0;
    wait_for(&batches, |batch| {
        rest += batch.posts.len();
        batch.standing == Some(Standing::Live)
    });
    assert!(rest > 0 && rest < total, "{rest} of {total}");
}

#[test]
fn an_item_that_the_search_learns_of_late_is_not_lost() {
    let at_s = now_s() - 5;
    let mut asked = 0;
    let server = Server::start(move |heard| {
        asked += 1;
        let mut hits = vec![hit(1, at_s, "whatsapp down")];
        if asked > 2 {
            hits.push(hit(2, at_s - 60, "whatsapp down"));
        }
        ok(search(&hits, heard), &[])
    });
    let batches = start(&server, None);
    let mut handed_on = Vec::new();
    wait_for(&batches, |batch| {
        handed_on.extend(batch.posts.iter().map(|post| post.id));
        handed_on.len() == 2
    });
    assert_eq!(handed_on[1], identity().post("hackernews:2"));
}
