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
use crate::trend::coverage::Coverage;
use crate::trend::detector::{self, Reading};
use crate::trend::mention::{HashtagId, Mention, Tally, each_post};
use crate::trend::settings::Settings;

/// Buckets of a timeline that are in memory at a time.
const PART_BUCKETS_MAX: usize = 10_000;
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

/// The buckets of one hashtag, oldest first, one for each of the range or of a part of it.
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

/// Hands over the timelines of hashtags, in the order of their keys, each in parts of at most [`PART_BUCKETS_MAX`]
/// buckets: however long the range, a part is all that is in memory of it.
pub fn timelines<E: From<Error>>(
    ledger: &impl Ledger,
    hashtags: &BTreeSet<HashtagId>,
    query: &Query,
    each: &mut dyn FnMut(&Timeline) -> Result<(), E>,
) -> Result<(), E> {
    let range = query.whole();
    let Some(known) = Known::of(ledger, hashtags, query)? else {
        return Ok(());
    };
    let mut names: Vec<(HashtagId, Name)> = ledger.names(hashtags)?.into_iter().collect();
    names.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
    let width = query.bucket_minutes;
    for (hashtag, name) in names {
        let mut part = Timeline {
            name,
            buckets: Vec::new(),
        };
        for start in (range.start.0..range.end.0).step_by(width as usize) {
            let bucket = Minute(start)..Minute(start + width);
            part.buckets.push(known.bucket(hashtag, bucket));
            if part.buckets.len() == PART_BUCKETS_MAX {
                each(&part)?;
                part.buckets.clear();
            }
        }
        each(&part)?;
    }
    Ok(())
}

/// What is known of some hashtags.
struct Known {
    replay: Replay,
    /// When somebody was listening, forgotten minutes included.
    heard: Coverage,
    /// Forgotten minutes, by the hour.
    hours: BTreeMap<HashtagId, Vec<(Minute, Tally)>>,
    authors: BTreeMap<(HashtagId, Minute), u64>,
    watermark: Minute,
}

impl Known {
    fn of(
        ledger: &impl Ledger,
        hashtags: &BTreeSet<HashtagId>,
        query: &Query,
    ) -> Result<Option<Self>, Error> {
        let range = query.whole();
        let replay = Replay::of(
            ledger,
            hashtags,
            range.clone(),
            &query.settings,
            &query.filter,
        )?;
        let (Some(replay), Some(heard)) = (replay, ledger.coverage()?) else {
            return Ok(None);
        };
        // Hours hold posts of every source and language.
        let (heard, hours) = if query.filter.is_empty() {
            (heard, ledger.hours(hashtags, range)?)
        } else {
            (replay.coverage.clone(), BTreeMap::new())
        };
        Ok(Some(Self {
            replay,
            heard,
            hours,
            authors: distinct_authors(ledger, hashtags, query)?,
            watermark: ledger.watermark()?.unwrap_or(Minute(0)),
        }))
    }

    fn bucket(&self, hashtag: HashtagId, bucket: Range<Minute>) -> Bucket {
        let start = bucket.start;
        let until = bucket.end.min(self.watermark).max(start);
        let covered = self.heard.covered_in(start.0..until.0);
        Bucket {
            start,
            coverage: f64::from(covered) / f64::from(bucket.end.0 - start.0),
            figures: (covered > 0).then(|| self.figures(hashtag, bucket)),
        }
    }

    fn figures(&self, hashtag: HashtagId, bucket: Range<Minute>) -> Figures {
        let distinct = self.authors.get(&(hashtag, bucket.start)).copied();
        let readings: Vec<Reading> = self.replay.readings(hashtag, bucket.clone()).collect();
        let tallies = &self.replay.hashtags[&hashtag].tallies;
        let hours = self.hours.get(&hashtag).map_or(&[][..], Vec::as_slice);
        let first = hours.partition_point(|(hour, _)| *hour < bucket.start);
        let hours = hours[first..]
            .iter()
            .take_while(|(hour, _)| *hour < bucket.end)
            .map(|(_, tally)| tally);
        let counted = tallies
            .range(bucket.clone())
            .map(|(_, tally)| tally)
            .chain(hours);
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
        Figures {
            uses,
            // A feed that names no authors has none of them in a quiet minute either.
            authors: distinct
                .or(authors)
                .or((uses == 0 && names_authors).then_some(0)),
            expected: is_judged.then_some(expected),
            growth: is_judged.then(|| growth(observed, expected)),
            score: is_judged.then_some(score),
            state: readings
                .iter()
                .map(|reading| State::from(reading.state))
                .max()
                .unwrap_or(State::Unknown),
        }
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
