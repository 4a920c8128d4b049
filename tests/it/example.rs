//! The example configuration: it can be used as it stands, and holds every key there is with its default.

use std::collections::{BTreeMap, BTreeSet};

use downtrend::config::KEYS;
use downtrend::feed;

use super::support::{Place, root, stderr};

fn example() -> String {
    let path = root().join("data/downtrend.example.toml");
    std::fs::read_to_string(path).expect("it is part of the repository")
}

/// The example with the sign taken from the front of every setting.
fn uncommented() -> String {
    let example = example();
    let lines = example.lines().map(|line| {
        let setting = line.strip_prefix('#').filter(|rest| {
            let key = rest.split(" = ").next().unwrap_or_default();
            let is_key = key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            *rest == "[[feed]]" || (rest.contains(" = ") && is_key)
        });
        setting.unwrap_or(line).to_owned() + "\n"
    });
    lines.collect()
}

/// The keys of a kind, as it tells them to who gets one wrong.
fn keys_of(kind: &str) -> BTreeSet<String> {
    let place = Place::new();
    place.write("a.toml", format!("[[feed]]\nkind = \"{kind}\"\nzzzz = 1\n"));
    let output = place.run(&["--config", "a.toml", "config", "check"]);
    let message = stderr(&output);
    let (_, keys) = message
        .split_once("its keys are ")
        .unwrap_or_else(|| panic!("{kind}: {message}"));
    keys.trim().split(", ").map(str::to_owned).collect()
}

#[test]
fn the_example_can_be_used_with_and_without_its_comments() {
    for text in [example(), uncommented()] {
        let place = Place::new();
        place.write("words.tsv", "");
        place.write("downtrend.toml", text);
        place.succeed(&["config", "check"]);
        let feeds = place.json(&["feeds"]);
        assert!(
            feeds["feeds"]
                .as_array()
                .is_some_and(|feeds| feeds.len() >= 5)
        );
    }
}

#[test]
fn every_key_of_every_kind_stands_in_the_example_and_no_other() {
    let file: toml::Table = uncommented().parse().expect("TOML");
    let tables: Vec<toml::Table> = file["feed"].clone().try_into().expect("tables");
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mut table in tables {
        let kind = table.remove("kind").expect("a kind");
        let keys = shown.entry(kind.as_str().expect("a word").to_owned());
        keys.or_default().extend(table.keys().cloned());
    }
    let live = feed::KINDS.iter().filter(|kind| kind.open.is_some());
    let known: BTreeMap<String, BTreeSet<String>> = live
        .map(|kind| (kind.name.to_owned(), keys_of(kind.name)))
        .collect();
    assert_eq!(shown, known);
}

#[test]
fn every_setting_stands_in_the_example_with_its_default() {
    let file: toml::Table = uncommented().parse().expect("TOML");
    for key in KEYS {
        let value = match key.name.split_once('.') {
            Some((table, name)) => &file[table][name],
            None => &file[key.name],
        };
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        // No lexicon is the default, which an example cannot show.
        if key.name != "lexicon" {
            assert_eq!(shown, key.default, "{}", key.name);
        }
    }
}
