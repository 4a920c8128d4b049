//! The demo, run: what the README promises a newcomer.

use serde_json::Value;

use super::support::{Place, demo};

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
    let narrower = place.json(&["trending", "--at", "2022-10-25T07:30:00Z", "--lang", "bn"]);
    let all = trending["hashtags"][0]["uses"].as_u64();
    assert!(narrower["hashtags"][0]["uses"].as_u64() < all, "{narrower}");
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
