//! The demo archive is what its labels say: made by the generator as it stands, and true when recounted.
//!
//! The recount reads the committed files alone. It finds reports by comparing texts with the sentences of
//! `data/demo/sentences/`, and hashtags with a rule of its own that suffices for the demo's; it shares no code with
//! the generator.
#![expect(
    clippy::unwrap_used,
    reason = "a file of the tree that cannot be read fails its test"
)]

#[path = "../../examples/make_demo/reconstruction/mod.rs"]
mod reconstruction;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;

fn demo(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/demo")
        .join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(demo(file)).unwrap()
}

fn archive() -> String {
    let packed = fs::read(demo("whatsapp-2022-10-25.ndjson.zst")).unwrap();
    String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap()
}

fn truth() -> Value {
    serde_json::from_str(&read("truth.json")).unwrap()
}

/// Each post once, in the order of arrival, and how many lines repeated one.
fn posts() -> (Vec<Value>, usize) {
    let lines: Vec<Value> = archive()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let all = lines.len();
    let mut seen = HashSet::new();
    let posts: Vec<Value> = lines
        .into_iter()
        .filter(|post| seen.insert(text_of(post, "id")))
        .collect();
    let repeated = all - posts.len();
    (posts, repeated)
}

fn text_of(post: &Value, member: &str) -> String {
    post[member].as_str().unwrap().to_owned()
}

/// A time that sorts as text: RFC 3339 leaves the zeros of the milliseconds out.
fn instant(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn at(post: &Value) -> i64 {
    instant(post["ts"].as_str().unwrap())
}

fn key(label: &str) -> String {
    caseless::default_case_fold_str(&label.nfkc().collect::<String>())
        .nfkc()
        .collect()
}

/// The keys of a text's hashtags.
fn keys(text: &str, hashtag: &Regex) -> BTreeSet<String> {
    hashtag
        .captures_iter(text)
        .map(|found| key(&found[1]))
        .collect()
}

fn hashtag() -> Regex {
    Regex::new(r"[#＃]([\p{L}\p{M}\p{N}_]+)").unwrap()
}

/// The sentences of a kind: topic, and the literal pieces around the slots.
fn sentences(kind: &str) -> Vec<(String, Vec<String>)> {
    let slot = Regex::new(r"\{[a-z]+\}").unwrap();
    let mut found = Vec::new();
    for file in fs::read_dir(demo("sentences")).unwrap() {
        for row in fs::read_to_string(file.unwrap().path())
            .unwrap()
            .lines()
            .skip(1)
        {
            let cells: Vec<&str> = row.split('\t').collect();
            if cells[0] == kind {
                found.push((
                    cells[1].to_owned(),
                    slot.split(cells[2]).map(str::to_owned).collect(),
                ));
            }
        }
    }
    found
}

/// Whether `words` is the sentence with something in each slot.
fn fits(words: &str, pieces: &[String]) -> bool {
    let Some(mut rest) = words.strip_prefix(pieces[0].as_str()) else {
        return false;
    };
    for piece in &pieces[1..] {
        let Some(place) = rest
            .find(piece.as_str())
            .filter(|&place| place > 0 || piece.is_empty())
        else {
            return false;
        };
        rest = &rest[place + piece.len()..];
    }
    rest.is_empty() || pieces.last().is_some_and(String::is_empty)
}

/// The posts that report something, with what does not work, in the order of time.
fn reports(posts: &[Value]) -> Vec<(i64, String)> {
    let (sentences, hashtag) = (sentences("report"), hashtag());
    let mut reports: Vec<(i64, String)> = posts
        .iter()
        .filter_map(|post| {
            let bare = hashtag
                .replace_all(post["text"].as_str().unwrap(), "")
                .trim()
                .to_owned();
            let (topic, _) = sentences.iter().find(|(_, pieces)| fits(&bare, pieces))?;
            Some((at(post), topic.clone()))
        })
        .collect();
    reports.sort();
    reports
}

fn tally(reports: &[(i64, String)]) -> Value {
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, topic) in reports {
        *tally.entry(topic).or_default() += 1;
    }
    json!(tally)
}

#[test]
fn the_committed_archive_is_what_the_generator_makes_now() {
    let made = reconstruction::generate();
    let stale = "run `cargo run --release --example make_demo` and commit data/demo";
    assert!(made.ndjson == archive(), "the archive is stale: {stale}");
    assert!(
        made.truth == read("truth.json"),
        "the truth is stale: {stale}"
    );
}

#[test]
fn posts_authors_and_duplicates_are_as_the_truth_says() {
    let ((posts, repeated), truth) = (posts(), truth());
    assert_eq!(json!(posts.len()), truth["posts"]);
    assert_eq!(json!(repeated), truth["duplicates"]);
    let authors: HashSet<String> = posts.iter().map(|post| text_of(post, "author")).collect();
    assert_eq!(json!(authors.len()), truth["authors"]);
    let times: Vec<i64> = posts.iter().map(at).collect();
    assert_eq!(
        times.iter().min(),
        Some(&instant(truth["first_post"].as_str().unwrap()))
    );
    assert_eq!(
        times.iter().max(),
        Some(&instant(truth["last_post"].as_str().unwrap()))
    );
}

#[test]
fn reports_are_as_the_truth_says() {
    let (reports, truth) = (reports(&posts().0), truth());
    assert_eq!(tally(&reports), truth["reports"]);
    let half_past_seven = instant("2022-10-25T07:30:00Z");
    let early: Vec<_> = reports
        .iter()
        .filter(|(at, _)| *at < half_past_seven)
        .cloned()
        .collect();
    assert_eq!(tally(&early), truth["reports_before_0730z"]);
    assert_eq!(reports[0].0, instant(truth["onset"].as_str().unwrap()));
    assert_eq!(
        reports[999].0,
        instant(truth["thousandth_report"].as_str().unwrap())
    );
}

#[test]
fn over_a_thousand_reports_come_before_one_pm_in_india_and_69_percent_are_about_messages() {
    let half_past_seven = instant("2022-10-25T07:30:00Z");
    let early: Vec<_> = reports(&posts().0)
        .into_iter()
        .filter(|(at, _)| *at < half_past_seven)
        .collect();
    assert!(early.len() > 1_000, "{} reports", early.len());
    let messages = early
        .iter()
        .filter(|(_, topic)| topic == "messages")
        .count();
    let percent = 100.0 * messages as f64 / early.len() as f64;
    assert!((68.0..=70.0).contains(&percent), "{percent:.1} %");
}

#[test]
fn reports_fall_steeply_once_the_service_is_restored() {
    let (reports, truth) = (reports(&posts().0), truth());
    let restored = instant(truth["restored"].as_str().unwrap());
    let half_an_hour = 30 * 60_000;
    let between = |from: i64, to: i64| {
        reports
            .iter()
            .filter(|(at, _)| (from..to).contains(at))
            .count()
    };
    let (before, after) = (
        between(restored - half_an_hour, restored),
        between(restored + half_an_hour, restored + 2 * half_an_hour),
    );
    assert!(
        10 * after < before,
        "{before} in the half hour before, {after} after half an hour"
    );
}

#[test]
fn hashtags_are_as_the_truth_says() {
    let (hashtag, truth) = (hashtag(), truth());
    let mut uses: BTreeMap<String, (u64, HashSet<String>, i64)> = BTreeMap::new();
    for post in posts().0 {
        for key in keys(post["text"].as_str().unwrap(), &hashtag) {
            let (posts, authors, first) = uses.entry(key).or_insert((0, HashSet::new(), i64::MAX));
            *posts += 1;
            authors.insert(text_of(&post, "author"));
            *first = at(&post).min(*first);
        }
    }
    let told = truth["hashtags"].as_object().unwrap();
    assert!(told.len() > 100);
    for (label, figures) in told {
        let (posts, authors, first) = &uses[&key(label)];
        assert_eq!(figures["posts"], json!(posts), "posts with #{label}");
        assert_eq!(
            figures["authors"],
            json!(authors.len()),
            "authors of #{label}"
        );
        assert_eq!(
            instant(figures["first"].as_str().unwrap()),
            *first,
            "first use of #{label}"
        );
    }
}

#[test]
fn the_bengali_hashtag_is_written_in_both_encodings_of_its_letter() {
    let archive = archive();
    let decomposed = "#হো\u{9AF}\u{9BC}াটসঅ্যাপডাউন";
    let composed = decomposed.replace("\u{9AF}\u{9BC}", "\u{9DF}");
    assert!(archive.contains(decomposed) && archive.contains(&composed));
}

#[test]
fn the_campaign_has_hundreds_of_posts_and_six_authors() {
    let campaign = &truth()["hashtags"]["TelegramDown"];
    assert!(campaign["posts"].as_u64() > Some(300), "{campaign}");
    assert_eq!(campaign["authors"], json!(6));
}

#[test]
fn posts_arrive_at_most_half_a_minute_out_of_order() {
    let mut latest = i64::MIN;
    let mut behind = 0;
    for post in posts().0 {
        latest = latest.max(at(&post));
        behind = behind.max(latest - at(&post));
    }
    assert!((1_000..=30_000).contains(&behind), "{behind} ms");
}

#[test]
fn every_language_has_sentences_enough() {
    for file in fs::read_dir(demo("sentences")).unwrap() {
        let path = file.unwrap().path();
        let rows = fs::read_to_string(&path).unwrap();
        for (kind, least) in [
            ("report", 12),
            ("daily", 10),
            ("meme", 3),
            ("city", 3),
            ("news", 2),
            ("back", 3),
        ] {
            let count = rows
                .lines()
                .filter(|row| row.split('\t').next() == Some(kind))
                .count();
            assert!(
                count >= least,
                "{}: {count} rows of kind {kind}, at least {least} wanted",
                path.display()
            );
        }
    }
}
