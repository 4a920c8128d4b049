//! The demo, run: what the README promises a newcomer.

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::{Place, demo, stderr};

fn ran() -> Place {
    let place = Place::new();
    place.succeed(&["run", &demo()]);
    place
}

fn keys(spikes: &Value) -> Vec<&str> {
    spikes["spikes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|spike| spike["key"].as_str())
        .collect()
}

#[test]
fn the_outage_is_flagged_in_three_scripts_with_its_onset_and_its_end() {
    let place = ran();
    let spikes = place.json(&["spikes", "--service", "whatsapp"]);
    let keys = keys(&spikes);
    for label in ["WhatsAppDown", "হোয়াটসঅ্যাপডাউন", "व्हाट्सऐपडाउन"]
    {
        assert!(
            keys.contains(&downtrend::hashtag::fold(label).as_str()),
            "{label}: {keys:?}"
        );
    }
    let main = &spikes["spikes"][0];
    assert_eq!(main["key"], "whatsappdown", "{main}");
    let onset = main["onset"].as_str().expect("a time");
    assert!(
        ("2022-10-25T06:35:00Z"..="2022-10-25T06:39:00Z").contains(&onset),
        "{main}"
    );
    let end = main["end"].as_str().expect("it is over");
    assert!(
        ("2022-10-25T08:15:00Z"..="2022-10-25T08:50:00Z").contains(&end),
        "{main}"
    );
    let why = main["why"].as_str().expect("a sentence");
    assert!(
        why.contains("growth") && why.contains("threshold 3"),
        "{why}"
    );
}

#[test]
fn what_is_no_outage_is_not_called_one() {
    let place = ran();
    let outages = place.json(&["spikes"]);
    assert!(!keys(&outages).is_empty());
    for service in outages["spikes"].as_array().expect("a list") {
        assert_eq!(service["service"], "whatsapp", "{service}");
    }
    let everything = place.json(&["spikes", "--all"]);
    for key in ["goodmorning", "lockdown", "telegramdown"] {
        assert!(!keys(&everything).contains(&key), "{key} was flagged");
    }
}

#[test]
fn at_the_height_of_it_trending_shows_it_first_and_names_the_campaign_suspicious() {
    let place = ran();
    let trending = place.json(&["trending", "--at", "2022-10-25T07:30:00Z"]);
    assert_eq!(trending["at"], "2022-10-25T07:30:00Z");
    assert_eq!(trending["window_ms"], 600_000);
    assert_eq!(trending["coverage"], 1.0);
    let first = &trending["hashtags"][0];
    assert_eq!(
        (&first["key"], &first["service"], &first["state"]),
        (&"whatsappdown".into(), &"whatsapp".into(), &"spike".into())
    );
    assert!(
        first["growth"].as_f64().expect("a number") > 10.0,
        "{first}"
    );
    assert!(
        first["spike"].is_string() && first["sources"].is_object(),
        "{first}"
    );
    let bengali = place.json(&[
        "trending",
        "--at",
        "2022-10-25T07:30:00Z",
        "--script",
        "Beng",
    ]);
    let keys: Vec<&Value> = bengali["hashtags"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["key"])
        .collect();
    assert_eq!(
        keys,
        [&Value::from(downtrend::hashtag::fold("হোয়াটসঅ্যাপডাউন"))]
    );
}

/// The rows of what is trending, by key.
fn trending(place: &Place, more: &[&str]) -> BTreeMap<String, Value> {
    let arguments = [&["trending", "--at", "2022-10-25T07:30:00Z"], more].concat();
    let shown = place.json(&arguments);
    let rows = shown["hashtags"].as_array().expect("a list").clone();
    rows.into_iter()
        .map(|row| (row["key"].as_str().expect("a key").to_owned(), row))
        .collect()
}

#[test]
fn posts_of_one_language_are_some_of_all_with_its_region_and_without() {
    let place = ran();
    let all = trending(&place, &["--all"]);
    let bengali = trending(&place, &["--all", "--lang", "bn"]);
    let own = downtrend::hashtag::fold("হোয়াটসঅ্যাপডাউন");
    assert!(bengali.contains_key(&own), "{bengali:?}");
    let uses = |row: &Value| row["uses"].as_u64().expect("a number");
    let fewer = |(key, row): (&String, &Value)| {
        let of_all = all.get(key).map(uses);
        assert!(of_all.is_none_or(|of_all| uses(row) <= of_all), "{row}");
        of_all.is_some_and(|of_all| uses(row) < of_all)
    };
    let narrowed: Vec<bool> = bengali.iter().map(fewer).collect();
    assert!(narrowed.contains(&true), "{bengali:?}");
    assert_eq!(trending(&place, &["--all", "--lang", "bn-BD"]), bengali);
    let output = place.run(&["trending", "--lang", "xx"]);
    assert!(
        stderr(&output).contains("in ar, bn, "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_script_is_asked_for_by_code_or_name_and_a_strange_one_is_refused() {
    let place = ran();
    let by_name = trending(&place, &["--script", "Bengali"]);
    assert!(!by_name.is_empty());
    assert_eq!(by_name, trending(&place, &["--script", "beng"]));
    let output = place.run(&["trending", "--script", "Bangla"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_service_that_is_only_named_is_no_outage_of_it() {
    let place = ran();
    let all = trending(&place, &["--all"]);
    assert_eq!(all["whatsapp"]["service"], "whatsapp", "{all:?}");
    assert_eq!(all["whatsapp"]["outage"], false);
    assert_eq!(all["whatsappdown"]["outage"], true);
    assert!(!trending(&place, &[]).contains_key("whatsapp"));
}

#[test]
fn a_timeline_calls_no_minute_a_spike_that_the_list_of_spikes_does_not() {
    let place = ran();
    let listed = place.json(&["spikes", "--all"]);
    let listed = listed["spikes"].as_array().expect("a list").clone();
    assert!(listed.iter().any(|spike| spike["end"].is_string()));
    let export = place.succeed(&["export", "--all"]);
    let mut spike_minutes = 0;
    for line in export.lines().filter(|line| line.contains(",spike,")) {
        let cells: Vec<&str> = line.split(',').collect();
        let is_listed = |spike: &&Value| {
            // The minute that raised it ends at `flagged_at`.
            let flagged = spike["flagged_at"].as_str().expect("a time");
            let end = spike["end"].as_str().unwrap_or("9999");
            spike["key"] == cells[0] && minute_after(cells[1]).as_str() >= flagged && cells[1] < end
        };
        assert!(listed.iter().any(|spike| is_listed(&spike)), "{line}");
        spike_minutes += 1;
    }
    assert!(spike_minutes > 0);

    let main = &place.json(&["spikes", "--service", "whatsapp"])["spikes"][0];
    let end = main["end"].as_str().expect("it is over");
    let state_at = |at: &str| {
        let shown = place.json(&["trending", "--all", "--at", at]);
        let rows = shown["hashtags"].as_array().expect("a list").clone();
        rows.iter()
            .find(|row| row["key"] == main["key"])
            .map(|row| (row["state"].clone(), row["spike"].clone()))
    };
    let spike = Some(("spike".into(), main["id"].clone()));
    assert_eq!(state_at(end), spike, "the last minute before the end");
    assert_ne!(
        state_at(&minute_after(end)).map(|(state, _)| state),
        Some("spike".into())
    );
}

fn minute_after(time: &str) -> String {
    let time: downtrend::time::Timestamp = time.parse().expect("RFC 3339");
    time.minute().next().to_string()
}

#[test]
fn a_higher_threshold_flags_less_and_never_more() {
    let place = ran();
    let count = |threshold: &str| {
        let at = [
            "trending",
            "--all",
            "--at",
            "2022-10-25T07:10:00Z",
            "--spike-threshold",
            threshold,
        ];
        let rows = place.json(&at);
        let rows = rows["hashtags"].as_array().expect("a list").clone();
        rows.iter().filter(|row| row["state"] == "spike").count()
    };
    let counts = ["2", "3", "10", "1000"].map(count);
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    assert!(counts[1] > 0 && counts[3] == 0, "{counts:?}");
}

#[test]
fn the_table_ends_in_the_hashtag_and_fits_eighty_columns() {
    let place = Place::new();
    let table = place.succeed(&["run", &demo()]);
    let first = table.lines().nth(1).expect("a row");
    assert!(first.ends_with("#whatsappdown"), "{table}");
    for line in table.lines().skip(1) {
        let before_hashtag = line.split('#').next().unwrap_or_default();
        assert!(before_hashtag.chars().count() <= 64, "{line}");
    }
}

#[test]
fn formats_tell_the_same_figures() {
    let place = ran();
    let export = |format: &str| {
        place.succeed(&[
            "export",
            "whatsappdown",
            "--format",
            format,
            "--bucket",
            "5m",
            "--from",
            "2022-10-25T06:30:00Z",
        ])
    };
    let csv: Vec<String> = export("csv").lines().skip(1).map(str::to_owned).collect();
    assert!(csv.len() > 10, "{csv:?}");
    let ndjson: Vec<Value> = export("ndjson")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let json: Value = serde_json::from_str(&export("json")).expect("JSON");
    assert_eq!(json["rows"].as_array().expect("a list"), &ndjson);
    assert_eq!(csv.len(), ndjson.len());
    for (line, row) in csv.iter().zip(&ndjson) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(
            (cells[1], cells[2].parse().ok()),
            (
                row["bucket_start"].as_str().expect("a time"),
                row["uses"].as_u64()
            )
        );
    }
    assert_eq!(
        export("csv"),
        export("csv"),
        "the same data gives the same bytes"
    );
}
