//! Feeds as others write them, well and badly, read by the kind `feed`.
//!
//! They come from the test suites of four readers and lie beside this repository; the test says so where they are
//! missing. Whatever cannot be read is on a list here, with the reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use downtrend::feed::syndication::page::{Parsed, parse};
use downtrend::post::Reject;

use super::support::{report, shared};

const CDF: &str = "the Channel Definition Format of 1997, which nobody serves any more";
const OTHER_XML: &str = "XML of another kind";
const CUT: &str = "cut off in the middle";

/// What is no feed, and why.
const MALFORMED: &[(&str, Reject, &str)] = &[
    (
        "feedparser/illformed/rss_empty_document.xml",
        Reject::Shape,
        "a comment and nothing else",
    ),
    (
        "feedparser/illformed/rss_incomplete_cdata.xml",
        Reject::Shape,
        CUT,
    ),
    ("feed-rs/rss2/rss_2.0_invalid_1.xml", Reject::Shape, CUT),
    (
        "feedparser/wellformed/cdf/channel_abstract_map_description.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/channel_href_map_link.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/channel_href_map_links.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/channel_lastmod.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/channel_lastmod_parsed.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/item_abstract_map_description.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/item_lastmod.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/item_lastmod_parsed.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "feedparser/wellformed/cdf/item_title.xml",
        Reject::Shape,
        CDF,
    ),
    (
        "gofeed/universal/unknown_feed.xml",
        Reject::Shape,
        OTHER_XML,
    ),
    ("feed-rs/xml/xml_iso8859.xml", Reject::Shape, OTHER_XML),
    ("feed-rs/xml/xml_sample_1.xml", Reject::Shape, OTHER_XML),
    (
        "gofeed/atom/atom10_feed_entry_link_href_invalid_space_prefix.json",
        Reject::Shape,
        "what a reader made of a feed, written down as JSON of its own",
    ),
];

#[test]
fn every_real_feed_is_read_or_named_with_the_reason() {
    let Some(folder) = shared("realdata/payloads/feeds") else {
        return;
    };
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    let malformed: BTreeMap<&str, (Reject, &str)> = MALFORMED
        .iter()
        .map(|&(name, reject, why)| (name, (reject, why)))
        .collect();
    let mut wrong = Vec::new();
    let (mut entries, mut dated) = (0, 0);
    for path in &paths {
        let name = path.strip_prefix(&folder).expect("collected from there");
        let name = name.to_str().expect("a plain name");
        let bytes = std::fs::read(path).expect("readable");
        let parsed = read(&bytes);
        entries += parsed.as_ref().map_or(0, |parsed| parsed.entries.len());
        let all = parsed.iter().flat_map(|parsed| &parsed.entries);
        dated += all.filter(|entry| entry.is_dated).count();
        match (&parsed, malformed.get(name)) {
            (Ok(_), Some((_, why))) => wrong.push(format!("{name}: read, though {why}")),
            (Err(reject), None) => wrong.push(format!("{name}: {reject:?}, and not on the list")),
            (Err(reject), Some((expected, _))) if reject != expected => {
                wrong.push(format!("{name}: {reject:?} instead of {expected:?}"));
            }
            _ => {}
        }
        if let Ok(parsed) = &parsed {
            // The files of one suite say what they expect of their entries.
            if parsed.entries.is_empty() && contains(&bytes, b"entries[0]") {
                wrong.push(format!("{name}: no entry"));
            }
            if !parsed.rejected.is_empty() {
                wrong.push(format!("{name}: {:?}", parsed.rejected));
            }
            assert!(
                parsed.entries.is_sorted_by_key(|entry| entry.post.at),
                "{name}"
            );
            let again = read(&bytes).expect("it was read");
            assert_eq!(parsed.entries, again.entries, "{name}");
        }
    }
    report(&format!(
        "{} real feeds: {entries} entries, {dated} with a time, {} malformed",
        paths.len(),
        malformed.len()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(entries > paths.len() / 2, "most real feeds have entries");
}

fn read(bytes: &[u8]) -> Result<Parsed, Reject> {
    let now = "2026-11-24T10:00:00Z".parse().expect("RFC 3339");
    parse(bytes, None, "a.example", now)
}

fn contains(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|window| window == piece)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
    paths.sort();
}
