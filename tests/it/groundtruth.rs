//! Counts against real posts that were counted by somebody else.
//!
//! The recordings lie beside the repository and never in it; where they are absent these tests say so and pass.
//! `summary.json` lists how far a stricter reader may differ, hashtag by hashtag: posts that hold the hashtag cut by an
//! ellipsis.

use std::collections::BTreeMap;
use std::path::Path;

use super::support::{Place, report, shared};

const SETS: [&str; 8] = [
    "fb-outage-2021-10-04a",
    "india-2020-02-02",
    "india-2020-04-14",
    "india-bengali-script-2020",
    "t26-13-events",
    "t6-oklahoma-tornado-2013",
    "t6-queensland-floods-2013",
    "t6-west-texas-explosion-2013",
];

type Counts = BTreeMap<(String, String), (u64, Option<u64>)>;

/// Rows of `tag,bucket_start_utc,posts,distinct_authors`, under the key of the tag.
fn truth(csv: &str) -> Counts {
    csv.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let key = downtrend::hashtag::fold(cells[0]);
            (
                (key, cells[1].to_owned()),
                (cells[2].parse().expect("posts"), cells[3].parse().ok()),
            )
        })
        .collect()
}

fn exported(csv: &str) -> Counts {
    csv.lines()
        .skip(1)
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let uses = cells[2].parse().ok().filter(|&uses| uses > 0)?;
            Some((
                (cells[0].to_owned(), cells[1].to_owned()),
                (uses, cells[3].parse().ok()),
            ))
        })
        .collect()
}

#[test]
fn exports_equal_the_ground_truth() {
    for set in SETS {
        let Some(posts) = shared(&format!("realdata/posts/{set}.ndjson.zst")) else {
            return;
        };
        let place = Place::new();
        let with_reposts = shared(&format!("realdata/groundtruth/{set}.rt.5min.csv"));
        let without_reposts = || {
            // This truth was counted without the full texts of reposts, so they are left out.
            let csv = shared(&format!("realdata/groundtruth/{set}.5min.csv"))?;
            Some((place.write("posts", truncated_reposts(&posts)), csv))
        };
        let given = with_reposts
            .map(|csv| (posts.clone(), csv))
            .or_else(without_reposts);
        let (posts, csv) = given.expect("each recording has its truth");
        let want = truth(&std::fs::read_to_string(csv).expect("readable"));
        let summary = place.json(&["run", &posts.display().to_string()]);
        assert_eq!(summary["late"], 0, "{set}: {summary}");
        let keys: Vec<&str> = want.keys().map(|(key, _)| key.as_str()).collect();
        let mut arguments = vec!["export", "--bucket", "5m"];
        arguments.extend(keys);
        arguments.dedup();
        let found = exported(&place.succeed(&arguments));
        let allowed = allowed_differences(set);
        let glued = glued(&posts, &want);
        let mut differences: BTreeMap<&str, u64> = BTreeMap::new();
        for cell in want
            .keys()
            .chain(found.keys())
            .collect::<std::collections::BTreeSet<_>>()
        {
            let (wanted, got) = (
                want.get(cell).copied().unwrap_or_default(),
                found.get(cell).copied().unwrap_or_default(),
            );
            let posts = wanted.0.abs_diff(got.0);
            *differences.entry(&cell.0).or_default() += posts;
            assert!(
                posts > 0 || wanted.1 == got.1,
                "{set}: authors of {cell:?}: {got:?}, not {wanted:?}"
            );
        }
        for (key, posts) in differences {
            let allowed =
                allowed.get(key).copied().unwrap_or(0) + glued.get(key).copied().unwrap_or(0);
            assert!(
                posts <= allowed,
                "{set}: #{key} differs by {posts} posts; {allowed} are allowed"
            );
        }
        report(&format!("ground truth: {set}: {} cells equal", want.len()));
    }
}

/// Posts that hold a hashtag glued to the one before it, as in `#a#b`: the grammar takes such chains apart, the truth
/// does not count what follows a letter.
fn glued(posts: &Path, want: &Counts) -> BTreeMap<String, u64> {
    let bytes = std::fs::read(posts).expect("readable");
    let bytes = zstd::decode_all(&bytes[..]).unwrap_or(bytes);
    let text = String::from_utf8(bytes).expect("UTF-8").to_lowercase();
    let mut glued = BTreeMap::new();
    for (at, _) in text.match_indices('#') {
        let tag: String = text[at + 1..]
            .chars()
            .take_while(|c| c.is_alphanumeric())
            .collect();
        let key = downtrend::hashtag::fold(&tag);
        let follows_a_letter = text[..at].ends_with(char::is_alphanumeric);
        if follows_a_letter && want.keys().any(|(wanted, _)| *wanted == key) {
            *glued.entry(key).or_default() += 1;
        }
    }
    glued
}

/// The posts of a recording as they were truncated, without `rt_text`.
fn truncated_reposts(posts: &Path) -> String {
    let packed = std::fs::read(posts).expect("readable");
    let text = String::from_utf8(zstd::decode_all(&packed[..]).expect("zstd")).expect("UTF-8");
    let strip = |line: &str| {
        let mut post: serde_json::Value = serde_json::from_str(line).expect("JSON");
        post.as_object_mut().expect("an object").remove("rt_text");
        post.to_string() + "\n"
    };
    text.lines().map(strip).collect()
}

/// Posts that hold a hashtag only cut by an ellipsis, or only after a slash or an ampersand.
fn allowed_differences(set: &str) -> BTreeMap<String, u64> {
    let Some(path) = shared("realdata/groundtruth/summary.json") else {
        return BTreeMap::new();
    };
    let summary: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON");
    let of_set = summary
        .as_array()
        .expect("a list")
        .iter()
        .find(|row| row["set"] == set)
        .expect("the set");
    of_set["tags"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            let number = |key: &str| row[key].as_u64().unwrap_or(0);
            let key = downtrend::hashtag::fold(row["tag"].as_str().expect("a tag"));
            (
                key,
                number("only_truncated_with_ellipsis") + number("only_after_slash_or_amp"),
            )
        })
        .collect()
}
