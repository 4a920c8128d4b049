//! The cases and lists that lie beside the repository on a developer's machine; skipped, and said so, where they are
//! absent.

use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;

use downtrend::hashtag::{self, Hashtag};
use downtrend::lexicon::Lexicon;

use super::support::{report, shared};

fn strings(case: &serde_json::Value, field: &str) -> Vec<String> {
    let list = case[field].as_array().expect("a list");
    list.iter()
        .map(|item| item.as_str().expect("a string").to_owned())
        .collect()
}

#[test]
fn every_conformance_case_is_exact() {
    let Some(file) = shared("conformance/hashtags.jsonl") else {
        return;
    };
    let cases = fs::read_to_string(file).expect("readable");
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let found = hashtag::extract(case["text"].as_str().expect("a text"));
        let labels: Vec<String> = found.iter().map(|hashtag| hashtag.label.clone()).collect();
        let keys: Vec<String> = found.iter().map(|hashtag| hashtag.key.clone()).collect();
        if labels != strings(&case, "expect") || keys != strings(&case, "keys") {
            wrong.push(format!("{}: {labels:?} {keys:?}", case["id"]));
        }
    }
    report(&format!(
        "{} of {} cases are exact",
        cases.lines().count() - wrong.len(),
        cases.lines().count()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_hashtag_that_trended_is_one_hashtag() {
    let Some(file) = shared("realdata/trends/trending-hashtags.tsv.zst") else {
        return;
    };
    let archive = fs::File::open(file).expect("readable");
    let rows = BufReader::new(zstd::Decoder::new(archive).expect("zstd"));
    // Twitter lets these into a hashtag; we end it there, since a keycap or an emoji's selector is no letter.
    let enders = ['\u{FE0E}', '\u{FE0F}', '\u{20E2}', '\u{20E3}'];
    let (mut all, mut ended) = (0, 0);
    for row in rows.lines().skip(1) {
        let row = row.expect("UTF-8");
        let tag = row.split('\t').next().expect("split gives one at least");
        let label = tag.trim_start_matches(['#', '\u{FF03}']);
        let visible = label
            .split(enders)
            .next()
            .expect("split gives one at least");
        let expected: Vec<Hashtag> = Some(visible)
            .filter(|l| !l.is_empty())
            .map(Hashtag::from_label)
            .into_iter()
            .collect();
        assert_eq!(hashtag::extract(&format!("x {tag} y")), expected, "{tag}");
        ended += usize::from(visible != label);
        all += 1;
    }
    report(&format!(
        "{} of {all} trending hashtags are whole, {ended} end where we mean them to",
        all - ended
    ));
    assert!(all > 1000 * ended);
}

#[test]
fn the_sample_hashtags_of_every_language_split() {
    let Some(file) = shared("hashtags.md") else {
        return;
    };
    let text = fs::read_to_string(file).expect("readable");
    let table = text.split("## 7. ").nth(1).expect("section 7 is there");
    let samples: Vec<Hashtag> = table
        .lines()
        .filter_map(|row| row.strip_prefix('|')?.split('|').nth(2))
        .flat_map(hashtag::extract)
        .collect();
    let lexicon = Lexicon::builtin();
    let rest: Vec<&str> = samples
        .iter()
        .filter(|sample| lexicon.outage(&sample.key).is_none())
        .map(|sample| sample.label.as_str())
        .collect();
    report(&format!(
        "{} of {} sample hashtags split; not: {rest:?}",
        samples.len() - rest.len(),
        samples.len()
    ));
    // A word alone (server down, disruption, cable cut) and a ban name no service that is down.
    assert_eq!(rest, ["serverdown", "erişimengeli", "häiriö", "đứtcáp"]);
}
