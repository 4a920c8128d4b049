//! What is sealed or forgotten is never shown as silence.

use super::support::{Place, post, stderr};

/// Posts of one hashtag every ten minutes from one minute to another, after midnight of 25 October.
fn posts(minutes: std::ops::Range<u32>) -> String {
    minutes
        .step_by(10)
        .map(|minute| {
            post(
                minute,
                u64::from(minute),
                u64::from(minute),
                "#WhatsAppDown",
            )
        })
        .collect()
}

const DAY: u32 = 24 * 60;

/// Two and a half days, of which the last day is kept by the post, and with `minutes` by the minute.
fn kept(minutes: &str) -> Place {
    let place = Place::new();
    place.write(
        "downtrend.toml",
        format!("[retention]\nmentions = \"70m\"\nminutes = \"{minutes}\"\n"),
    );
    place.write("first.ndjson", posts(0..2 * DAY - 60));
    place.write("second.ndjson", posts(2 * DAY - 60..2 * DAY + 12 * 60));
    place.succeed(&["run", "first.ndjson"]);
    place.succeed(&["run", "second.ndjson"]);
    // What a run has remembered at its end, the next one can forget.
    place.succeed(&["run", "second.ndjson"]);
    place
}

fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    stderr(&output)
}

/// The cells of the rows of an export.
fn rows(export: &str) -> Vec<Vec<&str>> {
    let lines = export.lines().skip(1);
    lines.map(|line| line.split(',').collect()).collect()
}

#[test]
fn posts_of_sealed_minutes_cannot_be_told_apart_and_that_is_said() {
    let place = kept("forever");
    let export = ["export", "whatsappdown", "--bucket", "1h", "--source", "x"];
    for narrowed in [
        &[&export[..], &["--from", "2022-10-25T00:00:00Z"]].concat()[..],
        &["trending", "--at", "2022-10-25T12:00:00Z", "--lang", "bn"],
    ] {
        let message = refused(&place, narrowed);
        assert!(
            message.contains("possible since 2022-10-27T00:00:00Z"),
            "{message}"
        );
    }
    let kept = place.succeed(&export);
    assert_eq!(rows(&kept)[0][1], "2022-10-27T00:00:00Z");
    // Unfiltered, the tallies answer.
    let all = place.succeed(&["export", "whatsappdown", "--bucket", "1h"]);
    assert_eq!(rows(&all)[0][1..3], ["2022-10-25T00:00:00Z", "6"]);
    place.succeed(&["trending", "--at", "2022-10-25T12:00:00Z"]);
}

#[test]
fn forgotten_minutes_have_counts_by_the_hour_and_no_verdicts() {
    let place = kept("70m");
    let hours = place.succeed(&["export", "whatsappdown", "--bucket", "1h"]);
    let hours = rows(&hours);
    assert_eq!(hours.len(), 60);
    assert!(hours.iter().all(|row| row[2] == "6"), "{hours:?}");
    for row in &hours[..48] {
        assert_eq!(row[4..], ["", "", "", "unknown", "1"], "{row:?}");
    }
    assert!(!hours[59][4].is_empty(), "the last hour is judged");
    let message = refused(
        &place,
        &["export", "whatsappdown", "--from", "2022-10-26T00:00:00Z"],
    );
    assert!(message.contains("only hours are kept"), "{message}");
    let message = refused(&place, &["trending", "--at", "2022-10-25T12:00:00Z"]);
    assert!(message.contains("only hours are kept"), "{message}");
    let minutes = place.succeed(&["export", "whatsappdown"]);
    assert_eq!(rows(&minutes)[0][1], "2022-10-27T00:00:00Z");
    let feeds = place.json(&["feeds"]);
    let posts: u64 = [0, 1]
        .iter()
        .filter_map(|&at| feeds["feeds"][at]["posts"].as_u64())
        .sum();
    assert_eq!(posts, 360, "{feeds}");
    place.succeed(&["db", "check"]);
}
