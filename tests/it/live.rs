//! The whole program on live feeds: it counts as a feed speaks, stops when told, goes on where it stopped; and feeds
//! that hang, lie or flood leave the others as they are.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::support::jetstream::{Jetstream, Manner, PATIENCE};
use super::support::program::{self, Program};
use super::support::{Place, post, posts, report};
use downtrend::clock;

/// A table of the configuration for a feed of this server.
fn table(server: &Jetstream, more: &str) -> String {
    let url = server.url();
    format!("[[feed]]\nkind = \"bluesky\"\nhosts = [\"{url}\"]\nallow_private = true\n{more}\n")
}

#[test]
fn a_live_run_counts_stops_and_goes_on_where_it_stopped() {
    let server = Jetstream::start();
    let place = Place::new();
    place.write("downtrend.toml", table(&server, ""));
    let now_us = clock::now().as_millis() * 1_000;
    let push = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let offset = i64::try_from(number).expect("small") * 1_000;
            server.push(number, number + 1, now_us + offset);
        }
    };
    let first = Program::start(&place, &["--json"]);
    server.visits(1);
    push(0..40);
    first.until(PATIENCE, |counted| counted.values().eq([&40]));
    let feed = &place.json(&["feeds"])["feeds"][0];
    assert_eq!(
        (&feed["state"], &feed["configured"]),
        (&"live".into(), &true.into())
    );
    assert!(
        feed["lag_ms"].is_u64() && feed["cursor_age_ms"].is_u64(),
        "{feed}"
    );
    let summary = first.stop_and_read(PATIENCE);
    assert_eq!(place.json(&["feeds"])["feeds"][0]["state"], "stopped");
    assert_eq!(summary["posts_counted"], 40, "{summary}");

    push(40..60);
    let second = Program::start(&place, &["--json"]);
    second.until(PATIENCE, |counted| counted.values().eq([&60]));
    let summary = second.stop_and_read(PATIENCE);
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
    let mut program = Program::start(&place, &["--json", "-"]);
    let mut input = program.input();
    for (number, so_far) in [(1, 1), (2, 2)] {
        let line = post(1, number, number, "#one");
        input.write_all(line.as_bytes()).expect("it listens");
        program.until(PATIENCE, |counted| counted.values().eq([&so_far]));
    }
    let summary = program.stop_and_read(PATIENCE);
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
    let program = Program::start(&place, &["--json", "pipe"]);
    // Opening it waits until the program does.
    std::fs::write(&pipe, posts((3..9).map(|n| (n, u64::from(n), 1, "#one")))).expect("it reads");
    let summary: Value = serde_json::from_str(&program.end(PATIENCE)).expect("JSON");
    assert_eq!(summary["posts_counted"], 6, "{summary}");
}

#[test]
fn beside_a_live_feed_standard_input_is_one_too() {
    let place = Place::new();
    // An address of this machine is refused here: as silent as a feed can be.
    let mut program = Program::start(&place, &["--json", "bluesky:ws://127.0.0.1:1", "-"]);
    let mut input = program.input();
    let line = format!(
        "{{\"id\":\"x\",\"ts\":\"{}\",\"text\":\"#one\"}}\n",
        clock::now()
    );
    input.write_all(line.as_bytes()).expect("it listens");
    program.until(PATIENCE, |counted| counted.values().sum::<u64>() == 1);
    let summary = program.stop_and_read(PATIENCE);
    assert_eq!(summary["posts_counted"], 1, "{summary}");
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
    let mut child = Command::new(env!("CARGO_BIN_EXE_downtrend"))
        .current_dir(place.path("."))
        .arg("run")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = errors.lines().map_while(Result::ok);
    // What is said the second time was stored the first time.
    for _ in 0..2 {
        let waits = lines.find(|line| line.contains("waiting until"));
        assert!(waits.is_some_and(|line| line.contains("127.0.0.1")));
    }
    let feed = &place.json(&["feeds"])["feeds"][0];
    assert!(
        feed["state"]
            .as_str()
            .is_some_and(|state| state.starts_with("waiting until")),
        "{feed}"
    );
    program::terminate(&child);
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

/// The longest time from a post to its being counted, of a few posts of `server` one after the other.
fn lag_of(program: &Program, server: &Jetstream) -> Duration {
    const POSTS: u64 = 8;
    let name = format!("bluesky:{}", server.url());
    let lags = (1..=POSTS).map(|number| {
        let started = clock::start();
        server.push(number, number, clock::now().as_millis() * 1_000);
        program.until(PATIENCE, |counted| counted.get(&name) == Some(&number));
        started.elapsed()
    });
    lags.max().expect("a few")
}

#[test]
fn feeds_that_hang_lie_and_flood_leave_the_others_as_they_are() {
    /// What a machine with much else to do may add to the lag; a feed that waits for others waits for ever.
    const LAG_MAX: Duration = Duration::from_secs(10);
    let alone = Jetstream::start();
    let place = Place::new();
    place.write("downtrend.toml", table(&alone, ""));
    let program = Program::start(&place, &["--json"]);
    alone.visits(1);
    let lag_alone = lag_of(&program, &alone);
    program.stop(PATIENCE);

    let (hanging, lying, flooding, good) = (
        Jetstream::start(),
        Jetstream::start(),
        Jetstream::start(),
        Jetstream::start(),
    );
    hanging.next_visit(Manner::Silence);
    lying.next_visit(Manner::Babble(
        "{\"did\":\"did:plc:liar\",\"time_us\":\"late",
    ));
    flooding.next_visit(Manner::Flood);
    let place = Place::new();
    let tables = [&hanging, &lying, &flooding, &good].map(|server| table(server, ""));
    place.write("downtrend.toml", tables.concat());
    let program = Program::start(&place, &["--json"]);
    for server in [&hanging, &lying, &flooding, &good] {
        server.visits(1);
    }
    let lag = lag_of(&program, &good);
    let memory_kb = program.memory_kb().unwrap_or_default();
    let summary = program.stop_and_read(PATIENCE);
    report(&format!(
        "lag alone {lag_alone:?}, beside one that hangs, one that lies and one that floods ({} posts) {lag:?}; {} MB",
        flooding.flooded(),
        memory_kb / 1_000
    ));
    assert!(lag < LAG_MAX, "{lag:?}");
    let feeds = summary["feeds"].as_array().expect("a list");
    let of = |server: &Jetstream| {
        let name = format!("bluesky:{}", server.url());
        let found = feeds.iter().find(|feed| feed["name"] == *name);
        found.expect("every feed is there")
    };
    assert_eq!(of(&good)["posts_counted"], of(&good)["posts_read"]);
    assert_eq!(of(&hanging)["posts_read"], 0);
    assert_eq!(of(&lying)["posts_counted"], 0);
    assert!(
        of(&lying)["rejected"]["json"].as_u64() > Some(0),
        "{summary}"
    );
    assert!(
        of(&flooding)["posts_counted"].as_u64() > Some(0),
        "{summary}"
    );
    assert!(flooding.flooded() > 0);
}
