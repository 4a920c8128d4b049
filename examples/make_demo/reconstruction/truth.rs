//! What is true of the demo, told by those who made it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Author, Draft, ONE_PM_IST_MIN, ONSET_MIN, RESTORED_MIN, start_of, timestamp};

/// Hashtags in fewer posts than this are not listed.
const LISTED_POSTS_MIN: usize = 10;

/// `data/demo/truth.json`. Times are RFC 3339, UTC; counts are posts unless they say otherwise.
#[derive(Serialize)]
pub(crate) struct Truth {
    note: &'static str,
    onset: String,
    /// When the thousandth report was written.
    thousandth_report: String,
    /// From when on reports fall steeply.
    restored: String,
    first_post: String,
    last_post: String,
    posts: usize,
    /// Lines that repeat an earlier one.
    duplicates: usize,
    authors: usize,
    kinds: BTreeMap<&'static str, usize>,
    languages: BTreeMap<&'static str, usize>,
    /// Reports by what does not work.
    reports: BTreeMap<&'static str, usize>,
    reports_before_0730z: BTreeMap<&'static str, usize>,
    /// By the spelling that `hashtags.tsv` counts the others as.
    hashtags: BTreeMap<&'static str, Uses>,
}

/// How often a hashtag was used.
#[derive(Serialize)]
struct Uses {
    posts: usize,
    authors: usize,
    first: String,
}

impl Truth {
    /// Counts what was written.
    pub(super) fn count(drafts: &[Draft], duplicates: usize) -> Self {
        let mut by_time: Vec<&Draft> = drafts.iter().collect();
        by_time.sort_by_key(|draft| draft.at_ms);
        let (first, last) = (by_time[0], by_time[by_time.len() - 1]);
        let reports: Vec<&Draft> = by_time
            .iter()
            .copied()
            .filter(|draft| draft.kind == "report")
            .collect();
        let early = reports
            .iter()
            .filter(|draft| draft.at_ms < start_of(ONE_PM_IST_MIN));
        Self {
            note: "a reconstruction of 25 October 2022 in our own words, not real posts",
            onset: time(start_of(ONSET_MIN)),
            thousandth_report: time(reports[999].at_ms),
            restored: time(start_of(RESTORED_MIN)),
            first_post: time(first.at_ms),
            last_post: time(last.at_ms),
            posts: drafts.len(),
            duplicates,
            authors: drafts
                .iter()
                .map(|draft| draft.author)
                .collect::<BTreeSet<Author>>()
                .len(),
            kinds: tally(drafts.iter().map(|draft| draft.kind)),
            languages: tally(drafts.iter().map(|draft| draft.language)),
            reports_before_0730z: tally(early.map(|draft| draft.topic)),
            reports: tally(reports.iter().map(|draft| draft.topic)),
            hashtags: uses(&by_time),
        }
    }

    /// Stops the generator where the demo no longer is what its labels say.
    pub(super) fn check(&self) {
        let early: usize = self.reports_before_0730z.values().sum();
        assert!(early > 1_000, "only {early} reports before 07:30Z");
        for reports in [&self.reports, &self.reports_before_0730z] {
            let (messages, all) = (reports["messages"], reports.values().sum::<usize>());
            assert!(
                (68 * all..=70 * all).contains(&(100 * messages)),
                "{messages} of {all} reports are about messages"
            );
        }
    }
}

fn time(millis: i64) -> String {
    timestamp(millis).to_string()
}

fn tally(names: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    for name in names {
        *tally.entry(name).or_default() += 1;
    }
    tally
}

fn uses(by_time: &[&Draft]) -> BTreeMap<&'static str, Uses> {
    let mut bearing: BTreeMap<&'static str, Vec<&Draft>> = BTreeMap::new();
    for draft in by_time {
        for hashtag in &draft.hashtags {
            bearing.entry(hashtag).or_default().push(draft);
        }
    }
    bearing.retain(|_, posts| posts.len() >= LISTED_POSTS_MIN);
    bearing
        .into_iter()
        .map(|(hashtag, posts)| (hashtag, Uses::of(&posts)))
        .collect()
}

impl Uses {
    /// Of posts in the order of time, at least one.
    fn of(posts: &[&Draft]) -> Self {
        let authors: BTreeSet<Author> = posts.iter().map(|draft| draft.author).collect();
        Self {
            posts: posts.len(),
            authors: authors.len(),
            first: time(posts[0].at_ms),
        }
    }
}
