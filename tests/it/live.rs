//! The whole program on a live feed: it counts as the feed speaks, stops when told, and goes on where it stopped.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::support::Place;
use super::support::jetstream::{Jetstream, PATIENCE};
use downtrend::clock;

fn start(place: &Place) -> Child {
    Command::new(env!("CARGO_BIN_EXE_downtrend"))
        .current_dir(place.path("."))
        .args(["run", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs")
}

/// Asks the database, as any reader may while it is written to, until so many posts are counted.
fn wait_for_posts(place: &Place, posts: u64) {
    let started = clock::start();
    loop {
        let output = place.run(&["feeds", "--json"]);
        let shown: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let counted = shown
            .as_ref()
            .and_then(|shown| shown["feeds"][0]["posts"].as_u64());
        if counted == Some(posts) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{posts} posts were not counted: {shown:?}"
        );
    }
}

/// Tells it to stop as a service manager does, and reads its summary.
fn stop(child: Child) -> Value {
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "it stops in good order");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_live_run_counts_stops_and_goes_on_where_it_stopped() {
    let server = Jetstream::start();
    let place = Place::new();
    place.write(
        "downtrend.toml",
        format!(
            "[[feed]]\nkind = \"bluesky\"\nhosts = [\"{}\"]\nallow_private = true\n",
            server.url()
        ),
    );
    let now_us = clock::now().as_millis() * 1_000;
    let push = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let offset = i64::try_from(number).expect("small") * 1_000;
            server.push(number, number + 1, now_us + offset);
        }
    };
    let first = start(&place);
    server.visits(1);
    push(0..40);
    wait_for_posts(&place, 40);
    let summary = stop(first);
    assert_eq!(summary["posts_counted"], 40, "{summary}");

    push(40..60);
    let second = start(&place);
    wait_for_posts(&place, 60);
    let summary = stop(second);
    assert_eq!(
        summary["posts_counted"], 20,
        "what came while it was stopped: {summary}"
    );
    assert_eq!(summary["late"], 0, "{summary}");
    let feeds = place.json(&["feeds"]);
    assert_eq!(feeds["feeds"][0]["kind"], "bluesky", "{feeds}");
}
