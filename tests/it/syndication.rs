//! RSS, Atom and JSON Feeds that are polled, and real ones that are read.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use downtrend::feed::contract::{Batch, Ending, Standing};
use downtrend::feed::syndication::page::parse;
use downtrend::feed::syndication::{Options, Syndication};
use downtrend::post::{Cursor, Reject};

use super::support::http::{Server, answer, context, ok, run, time, wait_for};
use super::support::root;

fn start(server: &Server, path: &str, cursor: Option<&Cursor>) -> Receiver<Batch> {
    let options = Options {
        url: format!("{}{path}", server.url()),
        token: None,
        allow_private: true,
        poll: Duration::from_millis(10),
    };
    run(Syndication::new(options, &context(), cursor).expect("good options"))
}

/// A feed with an entry an hour.
fn rss(hours: std::ops::Range<u32>) -> String {
    let items: Vec<String> = hours
        .rev()
        .map(|hour| {
            format!(
                "<item><guid isPermaLink='false'>{hour}</guid><title>#down{hour}</title>\
                 <pubDate>Mon, 23 Nov 2026 {hour:02}:00:00 GMT</pubDate></item>"
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
    token["time"] = "2026-11-23T03:00:00Z".into();
    let batches = start(&server, "/feed", Some(&Cursor::Token(token.to_string())));
    let second = wait_for(&batches, |batch| !batch.posts.is_empty());
    assert_eq!(
        second.gaps,
        [time("2026-11-23T03:00:00Z")..time("2026-11-23T10:00:00Z")]
    );
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
fn real_feeds_are_read_without_a_panic_and_the_same_each_time() {
    let folder = root().join("../shared/realdata/payloads/feeds");
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    if paths.is_empty() {
        println!("skipped: no real feeds beside the repository");
        return;
    }
    let now = "2026-11-24T10:00:00Z".parse().expect("RFC 3339");
    let (mut entries, mut malformed, mut in_good_folder) = (0, 0, 0);
    for path in &paths {
        let bytes = std::fs::read(path).expect("readable");
        match (
            parse(&bytes, None, "a.example", now),
            parse(&bytes, None, "a.example", now),
        ) {
            (Ok(once), Ok(twice)) => {
                assert_eq!(once.entries, twice.entries, "{}", path.display());
                assert!(once.entries.is_sorted_by_key(|entry| entry.at));
                entries += once.entries.len();
            }
            (once, twice) => {
                assert_eq!(once.err(), twice.err(), "{}", path.display());
                malformed += 1;
                in_good_folder += usize::from(path.to_string_lossy().contains("/miniflux/"));
            }
        }
    }
    println!(
        "{} real feeds: {entries} entries, {malformed} malformed ({in_good_folder} of miniflux's)",
        paths.len()
    );
    assert!(entries > paths.len() / 2, "most real feeds have entries");
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}
