//! Real payloads of services, read as `downtrend run FILE` reads them.
//!
//! They are not part of this tree, for they hold posts of real people: the test reads them from beside the project
//! and says so where they are missing. The expected numbers were counted by another program.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;

use downtrend::feed::format::{self, Completeness};
use downtrend::feed::mastodon::Mastodon;
use downtrend::post::{Item, RawPost, Reject};

use super::support::http::{self, Ear, Reply};
use super::support::mastodon::{STREAM_HEAD, Town, event, post_ids, seconds_ago};
use super::support::shared;

/// Different posts, skipped events and rejects of one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    posts: usize,
    skipped: usize,
    rejected: BTreeMap<&'static str, usize>,
}

fn tally(posts: usize, skipped: usize, rejected: &[(&'static str, usize)]) -> Tally {
    Tally {
        posts,
        skipped,
        rejected: rejected.iter().copied().collect(),
    }
}

/// What is beside the project, where it is there.
fn payloads() -> Option<PathBuf> {
    shared("realdata/payloads")
}

/// Reads a file line by line, or as a whole where its first line is the beginning of a longer document.
fn read(bytes: &[u8]) -> Vec<Result<Item<'_>, Reject>> {
    let mut items = Vec::new();
    let lines = || bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines().next().unwrap_or_default();
    if format::completeness(first) == Completeness::CutOff {
        format::read(bytes, &mut items);
    } else {
        lines().for_each(|line| format::read(line, &mut items));
    }
    items
}

fn posts<'a>(items: &'a [Result<Item<'a>, Reject>]) -> impl Iterator<Item = &'a RawPost<'a>> {
    items.iter().filter_map(|item| match item {
        Ok(Item::Post(post)) => Some(&**post),
        Ok(Item::Skipped) | Err(_) => None,
    })
}

fn count(items: &[Result<Item<'_>, Reject>]) -> Tally {
    let mut tally = Tally {
        posts: posts(items)
            .map(|post| &*post.id)
            .collect::<HashSet<_>>()
            .len(),
        ..Tally::default()
    };
    for item in items {
        match item {
            Ok(Item::Post(_)) => {}
            Ok(Item::Skipped) => tally.skipped += 1,
            Err(reject) => *tally.rejected.entry(reject.name()).or_default() += 1,
        }
    }
    tally
}

#[test]
fn every_payload_gives_the_posts_it_holds() {
    let Some(folder) = payloads() else { return };
    for (file, expected) in [
        ("bluesky-appview/getFeed.json", tally(7, 0, &[])),
        // One parent is blocked, one is not found.
        ("bluesky-appview/getTimeline.json", tally(349, 2, &[])),
        ("hackernews/items-a.ndjson", tally(3, 0, &[])),
        ("jetstream/events-2024-11-13.ndjson", tally(0, 4, &[])),
        ("jetstream/kinds-2026-05-25.ndjson", tally(1, 9, &[])),
        ("jetstream/window-2026-07-04a.ndjson", tally(8, 68, &[])),
        ("mastodon/hashtag_tl-2.json", tally(1, 0, &[])),
        (
            "mastodon/public-timeline-2020-04-16.json",
            tally(20, 0, &[]),
        ),
        (
            "mastodon/public-timeline-2022-12-27.json",
            tally(20, 0, &[]),
        ),
        ("mastodon/sse-healthy-2.txt", tally(0, 0, &[("json", 1)])),
        // A comment, the name of the event, and the empty line at its end.
        ("mastodon/sse-user_local-5.txt", tally(1, 3, &[])),
        ("mastodon/tootsdk-mastodon.json", tally(0, 1, &[])),
        ("mastodon/tootsdk-pleroma.json", tally(0, 1, &[])),
        (
            "mastodon/tootsdk-post-with-emojis-and-attachments.json",
            tally(1, 0, &[]),
        ),
        // Unlisted, so not public.
        (
            "mastodon/tootsdk-post-wordle-linebreaks.json",
            tally(0, 1, &[]),
        ),
        ("mastodon/tootsdk-streaming_delete.json", tally(0, 1, &[])),
        ("mastodon/tootsdk-streaming_update.json", tally(1, 0, &[])),
        ("nostr/random.ndjson", tally(4, 1, &[])),
        ("nostr/search.ndjson", tally(3, 0, &[])),
        ("reddit/DomainListing-new-0.json", tally(25, 0, &[])),
        (
            "reddit/ListingGenerator-exhaust_items-0.json",
            tally(25, 0, &[]),
        ),
        (
            "reddit/MultiredditListings-rising-0.json",
            tally(16, 0, &[]),
        ),
        ("reddit/SubredditListings-new-0.json", tally(25, 0, &[])),
        (
            "reddit/SubredditStreams-submissions-0.json",
            tally(25, 0, &[]),
        ),
        // What is broken in them is nothing that a post needs: a quoted tweet that is gone, a field nobody knows.
        ("twitter-v1.1/broken-a.ndjson", tally(2, 0, &[])),
        ("twitter-v1.1/original-format-a.ndjson", tally(13, 0, &[])),
        ("twitter-v1.1/sample-stream-2018.ndjson", tally(48, 0, &[])),
        ("twitter-v1.1/search-ja-2014.json", tally(100, 0, &[])),
        ("twitter-v1.1/user-timeline-2012.json", tally(20, 0, &[])),
        (
            "twitter-v2/filtered-stream-with-error.ndjson",
            tally(7, 0, &[("json", 1)]),
        ),
        ("twitter-v2/geo.ndjson", tally(2, 0, &[])),
        ("twitter-v2/quoted-edit.ndjson", tally(1, 0, &[])),
        ("twitter-v2/sampled-stream.ndjson", tally(70, 0, &[])),
        ("twitter-v2/search-page-a.ndjson", tally(100, 0, &[])),
        ("twitter-v2/search-page-kpop.ndjson", tally(100, 0, &[])),
    ] {
        let bytes = fs::read(folder.join(file)).expect("the folder is whole");
        assert_eq!(count(&read(&bytes)), expected, "{file}");
    }
}

#[test]
fn the_retweets_of_a_page_have_their_full_text() {
    let Some(folder) = payloads() else { return };
    for file in ["search-page-a", "search-page-kpop"] {
        let bytes = fs::read(folder.join(format!("twitter-v2/{file}.ndjson")))
            .expect("the folder is whole");
        for post in posts(&read(&bytes)) {
            assert!(
                !post.truncated && !post.text.starts_with("RT @"),
                "{file}: {}",
                post.id
            );
        }
    }
}

#[test]
fn every_post_of_the_payloads_has_a_time_in_the_years_of_its_service() {
    let Some(folder) = payloads() else { return };
    let since: downtrend::time::Timestamp = "2010-01-01T00:00:00Z".parse().expect("RFC 3339");
    let until = "2027-01-01T00:00:00Z".parse().expect("RFC 3339");
    for file in [
        "bluesky-appview/getTimeline.json",
        "twitter-v1.1/user-timeline-2012.json",
        "twitter-v2/sampled-stream.ndjson",
        "reddit/DomainListing-new-0.json",
    ] {
        let bytes = fs::read(folder.join(file)).expect("the folder is whole");
        for post in posts(&read(&bytes)) {
            assert!((since..until).contains(&post.at), "{file}: {}", post.at);
            assert!(!post.source.is_empty(), "{file}");
        }
    }
}

/// What the kind `mastodon` makes of a page, or of a stream, that a server sends.
fn heard(page: Option<&str>, stream: Option<&[u8]>) -> Ear {
    let town = Town::start();
    let options = match stream {
        Some(_) => town.streamed(),
        None => town.polled(),
    };
    if let Some(page) = page {
        town.next_page(http::ok(page, &["Content-Type: application/json"]));
    }
    town.hold(900..901, &seconds_ago(60));
    if let Some(stream) = stream {
        let sent = [STREAM_HEAD.as_bytes(), stream].concat();
        town.next_stream(Reply::Bytes(sent));
    }
    let feed = Mastodon::new(options, &http::context(), None).expect("good options");
    let mut ear = Ear::open(feed);
    match stream {
        Some(_) => drop(ear.until_wait(1)),
        None => ear.until("a page", |ear| ear.cursor.is_some()),
    }
    ear
}

#[test]
fn the_kind_mastodon_reads_its_payloads_as_servers_send_them() {
    let Some(folder) = payloads() else { return };
    let payload =
        |file: &str| fs::read(folder.join("mastodon").join(file)).expect("the folder is whole");
    let text = |file: &str| String::from_utf8(payload(file)).expect("UTF-8");
    for (page, posts, skipped) in [
        (text("hashtag_tl-2.json"), 1, 0),
        (text("public-timeline-2020-04-16.json"), 20, 0),
        (text("public-timeline-2022-12-27.json"), 20, 0),
        (
            format!(
                "[{}]",
                text("tootsdk-post-with-emojis-and-attachments.json")
            ),
            1,
            0,
        ),
        // Unlisted, so not public.
        (
            format!("[{}]", text("tootsdk-post-wordle-linebreaks.json")),
            0,
            1,
        ),
    ] {
        let ear = heard(Some(&page), None);
        assert_eq!((ear.posts.len(), ear.skipped), (posts, skipped), "{page}");
        assert!(ear.rejected.is_empty(), "{page}: {:?}", ear.rejected);
    }
    for instance in ["tootsdk-mastodon.json", "tootsdk-pleroma.json"] {
        let town = Town::start();
        town.describe(text(instance));
        town.hold(0..3, &seconds_ago(60));
        let feed = Mastodon::new(town.polled(), &http::context(), None);
        Ear::open(feed.expect("good options")).until_posts(&post_ids(0..3));
    }
}

#[test]
fn the_kind_mastodon_hears_its_payloads_as_servers_stream_them() {
    let Some(folder) = payloads() else { return };
    let payload =
        |file: &str| fs::read(folder.join("mastodon").join(file)).expect("the folder is whole");
    // The message of a websocket has the same event, with its data as a text.
    let unwrapped = |file: &str| {
        let message: serde_json::Value = serde_json::from_slice(&payload(file)).expect("JSON");
        let field = |name: &str| message[name].as_str().expect("a text").to_owned();
        event(&field("event"), &field("payload")).into_bytes()
    };
    for (name, stream, posts, skipped) in [
        ("local", payload("sse-user_local-5.txt"), 1, 0),
        ("health", payload("sse-healthy-2.txt"), 0, 0),
        ("update", unwrapped("tootsdk-streaming_update.json"), 1, 0),
        ("delete", unwrapped("tootsdk-streaming_delete.json"), 0, 1),
    ] {
        let ear = heard(None, Some(&stream));
        // The one of its timeline comes first.
        assert_eq!(
            (ear.posts.len() - 1, ear.skipped),
            (posts, skipped),
            "{name}"
        );
        assert!(ear.rejected.is_empty(), "{name}: {:?}", ear.rejected);
    }
}
