//! A post that is seen at several places is one post: one use by one author, and one at each place for who asks there.

use serde_json::{Value, json};

use downtrend::clock;
use downtrend::time::Timestamp;

use super::support::Place;
use super::support::http::{Server, answer, ok};
use super::support::jetstream::PATIENCE;
use super::support::program::Program;

/// One post of the fediverse, as its own server shows it.
fn original(number: u32) -> Value {
    json!({
        "id": number.to_string(),
        "created_at": format!("2022-10-25T06:{number:02}:10.000Z"),
        "uri": format!("https://town.example/users/ann/statuses/{number}"),
        "url": format!("https://town.example/@ann/{number}"),
        "visibility": "public", "language": "en", "spoiler_text": "", "reblog": null, "edited_at": null,
        "content": "<p>again #WhatsAppDown</p>",
        "account": {"acct": "ann", "bot": false, "url": "https://town.example/@ann"},
    })
}

/// The same post as a bridge shows it on Bluesky, half an hour later.
fn on_bluesky(number: u32) -> Value {
    json!({
        "did": "did:plc:bridged", "kind": "commit",
        "time_us": (1_666_681_210 + i64::from(number) * 60) * 1_000_000,
        "commit": {
            "operation": "create", "collection": "app.bsky.feed.post", "rkey": format!("3k{number}"),
            "record": {
                "text": "again #WhatsAppDown", "langs": ["en"],
                "createdAt": format!("2022-10-25T06:{number:02}:10.000Z"),
                "bridgyOriginalUrl": format!("https://town.example/@ann/{number}"),
            },
        },
    })
}

/// And on Nostr.
fn on_nostr(number: u32) -> Value {
    json!({
        "id": format!("{number:064x}"), "pubkey": "b1", "kind": 1, "content": "again #WhatsAppDown", "sig": "00",
        "created_at": 1_666_677_610 + i64::from(number) * 60,
        "tags": [["proxy", format!("https://town.example/users/ann/statuses/{number}"), "activitypub"]],
    })
}

fn lines(posts: &[Value]) -> String {
    let lines: Vec<String> = posts.iter().map(|post| format!("{post}\n")).collect();
    lines.concat()
}

/// Uses and authors in the hour, of all sources or of one.
fn counted(place: &Place, source: Option<&str>) -> (u64, u64) {
    let mut arguments = vec![
        "export",
        "whatsappdown",
        "--bucket",
        "1h",
        "--format",
        "json",
    ];
    arguments.extend(source.iter().flat_map(|source| ["--source", source]));
    let shown: Value = serde_json::from_str(&place.succeed(&arguments)).expect("JSON");
    let row = &shown["rows"][0];
    let number = |key: &str| {
        row[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {shown}"))
    };
    (number("uses"), number("authors"))
}

#[test]
fn a_post_seen_on_three_networks_counts_once_and_at_each_of_them() {
    let seen: Vec<Value> = (1..=9)
        .flat_map(|number| [original(number), on_bluesky(number), on_nostr(number)])
        .collect();
    let mut reversed = seen.clone();
    for minute in reversed.chunks_mut(3) {
        minute.reverse();
    }
    let exports = [seen, reversed].map(|posts| {
        let place = Place::new();
        // Something later, so that all of it is closed.
        let later = json!({"id": "z", "ts": "2022-10-25T06:30:00Z", "author": "z", "source": "other", "text": "x"});
        place.write("posts", lines(&posts) + &lines(&[later]));
        let summary = place.json(&["run", "posts"]);
        assert_eq!(summary["posts_counted"], 10, "{summary}");
        assert_eq!(summary["duplicates"], 18, "{summary}");
        assert_eq!(counted(&place, None), (9, 1));
        for source in ["mastodon", "mastodon:town.example", "bluesky", "nostr"] {
            assert_eq!(counted(&place, Some(source)), (9, 1), "{source}");
        }
        place.succeed(&["export", "whatsappdown"])
    });
    assert_eq!(exports[0], exports[1], "whichever copy comes first");
}

#[test]
fn a_copy_that_comes_after_a_restart_is_still_a_copy() {
    let place = Place::new();
    place.write("first", lines(&[original(1), original(2)]));
    place.write(
        "second",
        lines(&[on_bluesky(1), on_bluesky(2), on_nostr(2), on_nostr(2)]),
    );
    place.json(&["run", "first"]);
    let summary = place.json(&["run", "second"]);
    assert_eq!(summary["posts_counted"], 0, "{summary}");
    assert_eq!(summary["duplicates"], 4, "{summary}");
    assert_eq!(counted(&place, None), (2, 1));
    assert_eq!(counted(&place, Some("bluesky")), (2, 1));
    assert_eq!(counted(&place, Some("nostr")), (1, 1));
}

/// A server whose timeline holds two statuses of a third, written three minutes ago.
fn timeline() -> Server {
    let at = Timestamp::from_millis(clock::now().as_millis() - 180_000).expect("a time");
    let statuses: Vec<Value> = [2, 1]
        .map(|number| {
            let mut status = original(number);
            status["created_at"] = at.to_string().into();
            status
        })
        .into();
    let page = Value::from(statuses).to_string();
    Server::start(move |heard| match heard.target() {
        target if target.contains("min_id=") => ok("[]", &[]),
        target if target.starts_with("/api/v1/timelines/public") => ok(&page, &[]),
        _ => answer("404 Not Found", "", &[]),
    })
}

#[test]
fn a_post_on_the_timelines_of_two_servers_counts_once_and_at_each_of_them() {
    let place = Place::new();
    let servers = [timeline(), timeline()];
    let tables = servers.each_ref().map(|server| {
        let url = server.url();
        format!("[[feed]]\nkind = \"mastodon\"\nserver = \"{url}\"\nallow_private = true\npoll = \"1s\"\n")
    });
    place.write("downtrend.toml", tables.concat());
    let program = Program::start(&place, &["--json"]);
    let has_read_both = || {
        let feeds = &place.json(&["feeds"])["feeds"];
        let feeds = feeds.as_array().expect("a list");
        feeds
            .iter()
            .filter(|feed| feed["cursor"].is_string())
            .count()
            == 2
    };
    program.until(PATIENCE, |counted| counted.len() == 2 && has_read_both());
    let summary = program.stop_and_read(PATIENCE);
    assert_eq!(
        (&summary["posts_counted"], &summary["duplicates"]),
        (&2.into(), &2.into()),
        "{summary}"
    );
    assert_eq!(counted(&place, None), (2, 1));
    for server in &servers {
        let source = server.url().replace("http://", "mastodon:");
        assert_eq!(counted(&place, Some(&source)), (2, 1), "{source}");
    }
    assert_eq!(counted(&place, Some("mastodon")), (2, 1));
}
