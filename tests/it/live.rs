//! The whole program on a live feed: it counts as the feed speaks, stops when told, and goes on where it stopped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::support::jetstream::{Jetstream, PATIENCE};
use super::support::{Place, post, posts, stderr};
use downtrend::clock;

fn start(place: &Place) -> Child {
    command(place, &[]).spawn().expect("the program runs")
}

/// `run` with what it is to read, its standard input and output in our hands.
fn command(place: &Place, feeds: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_downtrend"));
    command
        .current_dir(place.path("."))
        .args(["run", "--json"])
        .args(feeds)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Asks the database, as any reader may while it is written to, until its feeds look as they should.
fn wait_for(place: &Place, is_there: impl Fn(&Value) -> bool) {
    let started = clock::start();
    loop {
        let output = place.run(&["feeds", "--json"]);
        let shown: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        if shown
            .as_ref()
            .is_some_and(|shown| is_there(&shown["feeds"]))
        {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "it never came: {shown:?}");
    }
}

/// Waits until so many posts are counted of the first feed.
fn wait_for_posts(place: &Place, posts: u64) {
    wait_for(place, |feeds| feeds[0]["posts"] == posts);
}

/// Tells it to stop as a service manager does.
fn terminate(child: &Child) {
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.expect("kill runs").success());
}

/// Stops it and reads its summary.
fn stop(child: Child) -> Value {
    terminate(&child);
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
    let feed = &place.json(&["feeds"])["feeds"][0];
    assert_eq!(
        (&feed["state"], &feed["configured"]),
        (&"live".into(), &true.into())
    );
    assert!(
        feed["lag_ms"].is_u64() && feed["cursor_age_ms"].is_u64(),
        "{feed}"
    );
    let summary = stop(first);
    assert_eq!(place.json(&["feeds"])["feeds"][0]["state"], "stopped");
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

#[test]
fn a_line_on_standard_input_is_counted_while_the_next_one_is_awaited() {
    let place = Place::new();
    let mut child = command(&place, &["-"]).spawn().expect("the program runs");
    let mut input = child.stdin.take().expect("it is piped");
    for (number, so_far) in [(1, 1), (2, 2)] {
        let line = post(1, number, number, "#one");
        input.write_all(line.as_bytes()).expect("it listens");
        wait_for_posts(&place, so_far);
    }
    let summary = stop(child);
    assert_eq!(summary["posts_counted"], 2, "{summary}");
    drop(input);
}

#[test]
fn a_named_pipe_is_read_once_even_into_a_database_that_holds_something() {
    let place = Place::new();
    place.write(
        "before",
        posts((0..3).map(|n| (n, u64::from(n), 1, "#one"))),
    );
    place.succeed(&["run", "before"]);
    let pipe = place.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let child = command(&place, &["pipe"])
        .spawn()
        .expect("the program runs");
    // Opening it waits until the program does.
    std::fs::write(&pipe, posts((3..9).map(|n| (n, u64::from(n), 1, "#one")))).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["posts_counted"], 6, "{summary}");
}

#[test]
fn beside_a_live_feed_standard_input_is_one_too() {
    let place = Place::new();
    // An address of this machine is refused here: as silent as a feed can be.
    let mut child = command(&place, &["bluesky:ws://127.0.0.1:1", "-"]);
    let mut child = child.spawn().expect("the program runs");
    let mut input = child.stdin.take().expect("it is piped");
    let line = format!(
        "{{\"id\":\"x\",\"ts\":\"{}\",\"text\":\"#one\"}}\n",
        clock::now()
    );
    input.write_all(line.as_bytes()).expect("it listens");
    wait_for(&place, |feeds| {
        feeds.as_array().is_some_and(|feeds| {
            feeds
                .iter()
                .any(|feed| feed["kind"] == "file" && feed["posts"] == 1)
        })
    });
    terminate(&child);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
}

#[test]
fn a_run_that_never_reached_a_feed_says_so_when_it_is_stopped() {
    let place = Place::new();
    // A port on which nobody listens any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    place.write(
        "downtrend.toml",
        format!(
            "[[feed]]\nkind = \"bluesky\"\nhosts = [\"ws://{address}\"]\nallow_private = true\n"
        ),
    );
    let mut child = command(&place, &[]);
    let mut child = child
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = errors.lines().map_while(Result::ok);
    let waits = lines.find(|line| line.contains("waiting until"));
    assert!(waits.is_some_and(|line| line.contains("127.0.0.1")));
    let feed = &place.json(&["feeds"])["feeds"][0];
    assert!(
        feed["state"]
            .as_str()
            .is_some_and(|state| state.starts_with("waiting until")),
        "{feed}"
    );
    terminate(&child);
    let last = lines.last().expect("it says why");
    assert!(last.contains("failed to reach any feed: bluesky"), "{last}");
    assert_eq!(child.wait().expect("it ends").code(), Some(69));
    let feed = &place.json(&["feeds"])["feeds"][0];
    assert_eq!(feed["state"], "stopped");
    assert!(
        feed["last_error"]
            .as_str()
            .is_some_and(|why| why.contains("127.0.0.1")),
        "{feed}"
    );
    assert!(feed["last_error_at"].is_string(), "{feed}");
}
