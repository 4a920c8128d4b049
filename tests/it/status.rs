//! The whole program on a status page, a feed and a keyword at once: stopped, asked, and run again.

use std::process::{Child, Command, Stdio};

use downtrend::clock;
use downtrend::time::Timestamp;
use serde_json::{Value, json};

use super::support::Place;
use super::support::http::{PATIENCE, Server, ok};

/// The three kinds, at one server, and a database that is made and read here.
fn place(server: &Server) -> Place {
    let place = Place::new();
    let url = server.url();
    place.write(
        "downtrend.toml",
        format!(
            "[[feed]]\nkind = \"status\"\nurl = \"{url}\"\nservice = \"whatsapp\"\nallow_private = true\npoll = \"100ms\"\n\
             [[feed]]\nkind = \"feed\"\nurl = \"{url}/feed?key=canary\"\nallow_private = true\npoll = \"100ms\"\n\
             [[feed]]\nkind = \"hackernews\"\nquery = \"whatsapp down\"\nurl = \"{url}/search\"\nallow_private = true\npoll = \"100ms\"\n"
        ),
    );
    place
}

/// Answers for all of them; things are `age_ms` old.
fn server() -> Server {
    let now = clock::now().as_millis();
    let at = |age_ms: i64| {
        Timestamp::from_millis(now - age_ms)
            .expect("in range")
            .to_string()
    };
    let update = |id: &str, state: &str, age_ms: i64, body: &str| json!({"id": id, "status": state, "body": body, "created_at": at(age_ms), "updated_at": at(age_ms)});
    let incident = json!({"id": "i", "name": "No\u{1b}[31m messages", "impact": "major", "incident_updates": [
        update("2", "identified", 1_000, "A disk."), update("1", "investigating", 2_000, "We look."),
    ]});
    let page =
        json!({"page": {"id": "p", "name": "WhatsApp"}, "incidents": [incident]}).to_string();
    let feed = json!({"version": "https://jsonfeed.org/version/1.1", "items": [
        {"id": 1, "title": "#whatsappdown", "date_published": at(3_000)},
    ]})
    .to_string();
    let hit = json!({"objectID": "7", "comment_text": "WhatsApp is down", "created_at_i": now / 1_000 - 3});
    let hits = json!({"nbHits": 1, "hits": [hit]}).to_string();
    Server::start(move |heard| match heard.target().split('?').next() {
        Some("/feed") => ok(&feed, &[]),
        Some("/search") => ok(&hits, &[]),
        _ => ok(&page, &[]),
    })
}

/// Runs until `is_there` says of its feeds that all has come, and stops it in good order.
fn run(place: &Place, is_there: impl Fn(&Value) -> bool) -> Value {
    let child = Command::new(env!("CARGO_BIN_EXE_downtrend"))
        .current_dir(place.path("."))
        .args(["run", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let came = wait_for(place, is_there);
    let summary = stop(child);
    assert!(came.is_ok(), "it never came: {came:?}");
    summary
}

/// Asks the database, as any reader may while it is written to, until its feeds look as they should.
fn wait_for(place: &Place, is_there: impl Fn(&Value) -> bool) -> Result<(), Option<Value>> {
    let started = clock::start();
    loop {
        let output = place.run(&["feeds", "--json"]);
        let shown: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        if shown
            .as_ref()
            .is_some_and(|shown| is_there(&shown["feeds"]))
        {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(shown);
        }
    }
}

fn stop(child: Child) -> Value {
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "it stops in good order");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_run_that_is_stopped_keeps_its_cursors_and_the_next_counts_nothing_twice() {
    let server = server();
    let place = place(&server);
    let is_whole = |feeds: &Value| {
        let feeds = feeds.as_array().expect("a list");
        feeds.len() == 3
            && feeds.iter().all(|feed| !feed["cursor"].is_null())
            && feeds.iter().any(|feed| feed["officials"] == 2)
            && feeds.iter().filter(|feed| feed["posts"] == 1).count() == 2
    };
    let first = run(&place, is_whole);
    assert_eq!(first["posts_counted"], 2, "{first}");
    let asked = server.heard().len();
    let second = run(&place, |feeds| {
        is_whole(feeds) && server.heard().len() > asked + 6
    });
    assert_eq!(second["posts_counted"], 0, "{second}");
    assert_eq!(second["late"], 0, "{second}");
    let feeds = place.json(&["feeds"]);
    assert!(
        !feeds.to_string().contains("canary"),
        "no secret of an address is shown: {feeds}"
    );
    let shown = place.succeed(&["feeds"]);
    assert!(
        shown.contains("2 official rows, which are not posts"),
        "{shown}"
    );
}

#[test]
fn what_the_page_said_stands_under_the_spike_of_its_service() {
    // The demo has a spike of WhatsApp; the page speaks of the same hour.
    let page = json!({"page": {"id": "p", "name": "WhatsApp\u{202e}"}, "incidents": [
        {"id": "i", "name": "No\u{1b}[31m messages", "created_at": "2022-10-25T07:12:00Z", "status": "investigating"},
    ]})
    .to_string();
    let server = Server::start(move |_| ok(&page, &[]));
    let place = Place::new();
    place.succeed(&["run", &super::support::demo()]);
    let url = server.url();
    place.write(
        "downtrend.toml",
        format!("[[feed]]\nkind = \"status\"\nurl = \"{url}\"\nservice = \"whatsapp\"\nallow_private = true\n"),
    );
    run(&place, |feeds| {
        let feeds = feeds.as_array().expect("a list");
        feeds.iter().any(|feed| feed["officials"] == 1)
    });
    let shown = place.succeed(&["spikes", "--service", "whatsapp", "--tz", "UTC"]);
    assert!(
        shown.contains("\nofficial: WhatsApp status page, 07:12 investigating: No[31m messages\n"),
        "{shown}"
    );
}
