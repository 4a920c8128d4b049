//! A timeline: the buckets of a hashtag with their figures, what `export` writes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::HashSet;

use super::filter::Filter;
use super::replay::Replay;
use super::spikes::State;
use super::trending::growth;
use crate::post::AuthorId;
use crate::store::{Error, Ledger, Name};
use crate::time::Minute;
use crate::trend::detector::{self, Reading};
use crate::trend::mention::{HashtagId, Mention, Tally, each_post};
use crate::trend::settings::Settings;

/// Minutes in an hour.
pub const HOUR_MINUTES: u32 = 60;

/// One bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Its first minute.
    pub start: Minute,
    /// The share of it in which somebody was listening.
    pub coverage: f64,
    /// Its figures; none where nobody was listening.
    pub figures: Option<Figures>,
}

/// The figures of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Distinct posts.
    pub uses: u64,
    /// Distinct authors; none where the feed names none.
    pub authors: Option<u64>,
    /// Fresh authors foreseen; none where only hours are kept.
    pub expected: Option<f64>,
    /// Fresh authors observed against foreseen, one added to both.
    pub growth: Option<f64>,
    /// The greatest score of its minutes.
    pub score: Option<f64>,
    /// The state of the minute that stands out most.
    pub state: State,
}

/// The buckets of one hashtag, oldest first, one for each of the range.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Of which hashtag.
    pub name: Name,
    /// The buckets.
    pub buckets: Vec<Bucket>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Which minutes; cut to whole buckets.
    pub range: Range<Minute>,
    /// Width of a bucket.
    pub bucket_minutes: u32,
    /// What is a spike.
    pub settings: Settings,
    /// Only these posts.
    pub filter: Filter,
}

impl Query {
    /// The whole buckets that the range touches.
    fn whole(&self) -> Range<Minute> {
        let width = self.bucket_minutes;
        let start = self.range.start.0 / width * width;
        Minute(start)..Minute(self.range.end.0.div_ceil(width) * width)
    }
}

/// The timelines of hashtags, in the order of their keys.
pub fn timelines(
    ledger: &impl Ledger,
    hashtags: &BTreeSet<HashtagId>,
    query: &Query,
) -> Result<Vec<Timeline>, Error> {
    let range = query.whole();
    let watermark = ledger.watermark()?.unwrap_or(Minute(0));
    let judged = range.start..range.end.min(watermark);
    let Some(replay) = Replay::of(ledger, hashtags, judged, &query.settings, &query.filter)? else {
        return Ok(Vec::new());
    };
    let authors = distinct_authors(ledger, hashtags, query)?;
    let hours = ledger.hours(hashtags, range.clone())?;
    let mut timelines: Vec<Timeline> = ledger
        .names(hashtags)?
        .into_iter()
        .map(|(hashtag, name)| {
            let hours: BTreeMap<Minute, Tally> =
                hours.get(&hashtag).into_iter().flatten().copied().collect();
            let buckets = (range.start.0..range.end.0)
                .step_by(query.bucket_minutes as usize)
                .map(|start| {
                    let bucket = Minute(start)..Minute(start + query.bucket_minutes);
                    let distinct = authors.get(&(hashtag, Minute(start))).copied();
                    bucket_of(hashtag, bucket, distinct, &replay, &hours, watermark)
                })
                .collect();
            Timeline { name, buckets }
        })
        .collect();
    timelines.sort_by(|a, b| a.name.key.cmp(&b.name.key));
    Ok(timelines)
}

fn bucket_of(
    hashtag: HashtagId,
    bucket: Range<Minute>,
    distinct_authors: Option<u64>,
    replay: &Replay,
    hours: &BTreeMap<Minute, Tally>,
    watermark: Minute,
) -> Bucket {
    let minutes = bucket.start.0..bucket.end.0.min(watermark.0).max(bucket.start.0);
    let covered = replay.coverage.covered_in(minutes);
    let coverage = f64::from(covered) / f64::from(bucket.end.0 - bucket.start.0);
    let start = bucket.start;
    if covered == 0 {
        return Bucket {
            start,
            coverage,
            figures: None,
        };
    }
    let readings: Vec<Reading> = replay.readings(hashtag, bucket.clone()).collect();
    let tallies = &replay.hashtags[&hashtag].tallies;
    let counted = tallies
        .range(bucket.clone())
        .chain(hours.range(bucket))
        .map(|(_, tally)| tally);
    let names_authors = tallies.values().any(|tally| tally.authors.is_some());
    let (mut uses, mut authors) = (0, None);
    for tally in counted {
        uses += u64::from(tally.uses);
        authors = tally
            .authors
            .map(|more| authors.unwrap_or(0) + u64::from(more))
            .or(authors);
    }
    let observed: u64 = readings
        .iter()
        .map(|reading| u64::from(reading.observed))
        .sum();
    let expected: f64 = readings.iter().map(|reading| reading.expected).sum();
    let is_judged = readings
        .iter()
        .any(|reading| reading.state != detector::State::Unknown);
    let score = readings
        .iter()
        .map(|reading| reading.score)
        .fold(0.0, f64::max);
    let figures = Figures {
        uses,
        // A feed that names no authors has none of them in a quiet minute either.
        authors: distinct_authors
            .or(authors)
            .or((uses == 0 && names_authors).then_some(0)),
        expected: is_judged.then_some(expected),
        growth: is_judged.then(|| growth(observed, expected)),
        score: is_judged.then_some(score),
        state: readings
            .iter()
            .map(|reading| state(reading.state))
            .max()
            .unwrap_or(State::Unknown),
    };
    Bucket {
        start,
        coverage,
        figures: Some(figures),
    }
}

fn state(state: detector::State) -> State {
    match state {
        detector::State::Unknown => State::Unknown,
        detector::State::Normal => State::Normal,
        detector::State::Rising => State::Rising,
        detector::State::Spike => State::Spike,
    }
}

/// Distinct authors by hashtag and bucket, where mentions are kept.
fn distinct_authors(
    ledger: &impl Ledger,
    hashtags: &BTreeSet<HashtagId>,
    query: &Query,
) -> Result<BTreeMap<(HashtagId, Minute), u64>, Error> {
    let width = query.bucket_minutes;
    let range = query.whole();
    // A bucket of which a part is sealed is a sum of minutes as a whole.
    let kept_since = ledger
        .mentions_since()?
        .unwrap_or(Minute(0))
        .0
        .div_ceil(width)
        * width;
    let range = Minute(range.start.0.max(kept_since))..range.end;
    let mut sets: BTreeMap<(HashtagId, Minute), HashSet<AuthorId>> = BTreeMap::new();
    let keep =
        |mention: &Mention| hashtags.contains(&mention.hashtag) && query.filter.keeps(mention);
    ledger.mentions(range, &keep, &mut |minute, mentions| {
        let start = Minute(minute.0 / width * width);
        for mention in each_post(&mentions) {
            if let Some(author) = mention.author {
                sets.entry((mention.hashtag, start))
                    .or_default()
                    .insert(author);
            }
        }
    })?;
    Ok(sets
        .into_iter()
        .map(|(key, authors)| (key, authors.len() as u64))
        .collect())
}
