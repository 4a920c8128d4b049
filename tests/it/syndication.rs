//! RSS, Atom and JSON Feeds that are polled.

use std::sync::LazyLock;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::{Batch, Ending, Standing};
use downtrend::feed::syndication::{Options, Syndication};
use downtrend::post::{Cursor, Reject};
use downtrend::time::Timestamp;

use super::support::http::{Heard, PATIENCE, Server, answer, context, ok, refusal, run, wait_for};

fn start(server: &Server, path: &str, cursor: Option<&Cursor>) -> Receiver<Batch> {
    let options = Options {
        url: format!("{}{path}", server.url()),
        token: None,
        allow_private: true,
        poll: Duration::from_millis(10),
    };
    run(Syndication::new(options, &context(), cursor).expect("good options"))
}

/// When the entry with this number was written: a minute ago and so many seconds later.
fn written_at(number: u32) -> Timestamp {
    static A_MINUTE_AGO: LazyLock<i64> = LazyLock::new(|| clock::now().as_millis() - 60_000);
    Timestamp::from_millis(*A_MINUTE_AGO + i64::from(number) * 1_000).expect("in range")
}

/// A feed with an entry a second.
fn rss(numbers: std::ops::Range<u32>) -> String {
    let items: Vec<String> = numbers
        .rev()
        .map(|number| {
            format!(
                "<item><guid isPermaLink='false'>{number}</guid><title>#down{number}</title>\
                 <pubDate>{}</pubDate></item>",
                written_at(number)
            )
        })
        .collect();
    let items = items.concat();
    format!(
        "<?xml version='1.0'?><rss version='2.0'><channel><title>t</title>{items}</channel></rss>"
    )
}

#[test]
fn each_entry_is_handed_on_once_also_after_a_restart() {
    let mut polls = 0;
    let server = Server::start(move |_| {
        polls += 1;
        ok(rss(0..if polls == 1 { 3 } else { 5 }), &[])
    });
    let batches = start(&server, "/feed", None);
    let first = wait_for(&batches, |batch| !batch.posts.is_empty());
    assert_eq!(first.posts.len(), 3);
    assert!(first.posts.is_sorted_by_key(|post| post.at));
    assert_eq!(first.standing, Some(Standing::Live));
    assert!(first.heard_until.is_some() && first.gaps.is_empty());
    let second = wait_for(&batches, |batch| !batch.posts.is_empty());
    assert_eq!((second.posts.len(), second.skipped), (2, 3));
    drop(batches);

    let batches = start(&server, "/feed", second.cursor.as_ref());
    let again = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert_eq!((again.posts.len(), again.skipped), (0, 5));
}

#[test]
fn a_page_without_one_known_entry_is_a_gap() {
    let mut polls = 0;
    let server = Server::start(move |_| {
        polls += 1;
        ok(rss(if polls == 1 { 0..3 } else { 10..12 }), &[])
    });
    let batches = start(&server, "/feed", None);
    let first = wait_for(&batches, |batch| !batch.posts.is_empty());
    drop(batches);
    let Some(Cursor::Token(token)) = first.cursor else {
        panic!("no cursor")
    };
    let mut token: serde_json::Value = serde_json::from_str(&token).expect("JSON");
    token["time"] = written_at(3).to_string().into();
    let batches = start(&server, "/feed", Some(&Cursor::Token(token.to_string())));
    let second = wait_for(&batches, |batch| !batch.posts.is_empty());
    assert_eq!(second.gaps, [written_at(3)..written_at(10)]);
}

#[test]
fn an_unchanged_feed_is_asked_for_conditionally_and_heard() {
    let server = Server::start(|heard| match heard.header("if-none-match") {
        Some("W/\"1\"") => answer("304 Not Modified", "", &[]),
        _ => ok(rss(0..2), &["ETag: W/\"1\""]),
    });
    let batches = start(&server, "/feed", None);
    wait_for(&batches, |batch| !batch.posts.is_empty());
    let unchanged = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert_eq!(unchanged.items(), 0);
    assert!(server.heard()[1].header("if-none-match").is_some());
}

#[test]
fn a_feed_that_has_moved_for_good_is_asked_for_there() {
    let server = Server::start(|heard| match heard.target() {
        "/old" => answer("301 Moved Permanently", "", &["Location: /new"]),
        _ => ok(rss(0..2), &[]),
    });
    let batches = start(&server, "/old", None);
    let mut heard = 0;
    wait_for(&batches, |batch| {
        heard += u32::from(batch.heard_until.is_some());
        heard == 3
    });
    let asked: Vec<String> = server
        .heard()
        .iter()
        .map(|heard| heard.target().to_owned())
        .collect();
    assert_eq!(asked[..4], ["/old", "/new", "/new", "/new"]);
}

#[test]
fn a_feed_that_is_gone_ends() {
    let server = Server::start(|_| answer("410 Gone", "", &[]));
    let batches = start(&server, "/feed", None);
    let last = wait_for(&batches, |batch| batch.ending.is_some());
    assert!(matches!(last.ending, Some(Ending::Complete)));
    let Some(Standing::Refused { why }) = last.standing else {
        panic!("{:?}", last.standing)
    };
    assert!(why.contains("for good"), "{why}");
    assert!(batches.recv().is_err(), "it has ended");
}

#[test]
fn what_is_no_feed_is_counted_and_told_and_asked_for_again() {
    let mut polls = 0;
    let server = Server::start(move |_| {
        polls += 1;
        match polls {
            1 => ok("<rss", &[]),
            2 => ok("<a>".repeat(100_000), &[]),
            _ => ok(rss(0..1), &[]),
        }
    });
    let batches = start(&server, "/feed", None);
    let mut rejected = Vec::new();
    wait_for(&batches, |batch| {
        rejected.extend(batch.rejected.keys().copied());
        !batch.posts.is_empty()
    });
    assert_eq!(rejected, [Reject::Shape, Reject::Depth]);
}

#[test]
fn of_the_first_page_only_what_was_written_just_now_is_handed_on() {
    let old = "<item><guid>old</guid><pubDate>2026-11-01T00:00:00Z</pubDate></item>";
    let undated = |id: &str| format!("<item><guid>{id}</guid></item>");
    let mut polls = 0;
    let server = Server::start(move |_| {
        polls += 1;
        let mut items = vec![old.to_owned(), undated("undated")];
        if polls > 1 {
            items.extend([
                undated("new and undated"),
                old.replace("old", "new and old"),
            ]);
        }
        let fresh = rss(0..2);
        ok(
            fresh.replace("<item>", &format!("{}<item>", items.concat())),
            &[],
        )
    });
    let batches = start(&server, "/feed", None);
    let first = wait_for(&batches, |batch| batch.heard_until.is_some());
    // Each of the two fresh ones has the others before it, so that those are there twice.
    assert_eq!((first.posts.len(), first.skipped), (2, 4));
    let second = wait_for(&batches, |batch| !batch.posts.is_empty());
    let now = clock::now();
    assert_eq!(
        second.posts.len(),
        4,
        "what is new later is handed on, however old: late is for the loop to say"
    );
    assert!(second.posts.iter().all(|post| post.at <= now));
}

#[test]
fn nothing_new_is_nothing_lost() {
    let mut polls = 0;
    let server = Server::start(move |_| {
        polls += 1;
        match polls {
            1 | 4 => ok(rss(0..2), &[]),
            2 => answer("204 No Content", "", &[]),
            3 => ok("", &[]),
            _ => ok(rss(0..3), &[]),
        }
    });
    let batches = start(&server, "/feed", None);
    let mut heard = Vec::new();
    wait_for(&batches, |batch| {
        assert!(batch.gaps.is_empty() && batch.rejected.is_empty());
        heard.extend(batch.heard_until.map(|_| batch.posts.len()));
        heard.len() == 5
    });
    assert_eq!(heard, [2, 0, 0, 0, 1]);
}

#[test]
fn a_feed_that_has_moved_for_a_while_is_asked_for_where_it_was() {
    for status in ["302 Found", "303 See Other", "307 Temporary Redirect"] {
        let server = Server::start(move |heard| match heard.target() {
            "/old" => answer(status, "", &["Location: /new"]),
            _ => ok(rss(0..2), &["ETag: \"1\""]),
        });
        let batches = start(&server, "/old", None);
        let mut heard = 0;
        wait_for(&batches, |batch| {
            heard += u32::from(batch.heard_until.is_some());
            heard == 2
        });
        let asked = server.heard();
        let targets: Vec<&str> = asked.iter().map(Heard::target).collect();
        assert_eq!(targets[..4], ["/old", "/new", "/old", "/new"], "{status}");
        // What the new address said holds there and not at the old one.
        let etags: Vec<_> = asked
            .iter()
            .map(|heard| heard.header("if-none-match"))
            .collect();
        assert_eq!(etags[..4], [None, None, None, Some("\"1\"")], "{status}");
    }
}

#[test]
fn the_cursor_holds_no_secret_of_the_address() {
    let server = Server::start(|heard| {
        if heard.target().starts_with("/old") {
            answer("301 Moved Permanently", "", &["Location: /new?key=canary"])
        } else {
            ok(rss(0..2), &["ETag: \"1\""])
        }
    });
    let batches = start(&server, "/old?key=canary", None);
    let first = wait_for(&batches, |batch| batch.cursor.is_some());
    let Some(Cursor::Token(token)) = &first.cursor else {
        panic!("no cursor")
    };
    assert!(
        !token.contains("canary") && token.contains("\\\"1\\\""),
        "{token}"
    );
    drop(batches);
    let batches = start(&server, "/old?key=canary", first.cursor.as_ref());
    let again = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert_eq!(again.skipped, 2, "it goes on where it was");
}

#[test]
fn a_page_for_people_is_told_with_its_title() {
    let server = Server::start(|_| {
        ok(
            "<?xml version='1.0'?>\n<!-- x --><!DOCTYPE html><html><head><title>Please log in</title></head></html>",
            &["Content-Type: text/html"],
        )
    });
    let batches = start(&server, "/feed", None);
    let why = refusal(&batches);
    assert!(why.contains("\"Please log in\""), "{why}");
}

#[test]
fn a_feed_that_is_not_there_is_refused_and_asked_for_rarely() {
    let server = Server::start(|_| answer("404 Not Found", "", &[]));
    let batches = start(&server, "/feed", None);
    let told = wait_for(&batches, |batch| batch.standing.is_some());
    assert!(matches!(told.standing, Some(Standing::Refused { .. })));
    // Four heartbeats of half a second later there was still one request; the poll is 10 ms.
    for _ in 0..4 {
        assert_eq!(
            batches.recv_timeout(PATIENCE).expect("a heartbeat").items(),
            0
        );
    }
    assert_eq!(server.heard().len(), 1);
}
