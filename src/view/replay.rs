//! The detector run again over what is stored: what it read of some hashtags, minute by minute.
//!
//! Settled minutes have tallies; those still open have mentions only and are tallied here as the tracker will. With a
//! [`Filter`] everything is tallied anew from the mentions it keeps, as far back as they are kept. What was sealed or
//! forgotten is no silence: the replay begins where what it needs begins.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::filter::Filter;
use crate::store::{Error, Ledger};
use crate::time::Minute;
use crate::trend::coverage::Coverage;
use crate::trend::detector::{Change, Detector, Ended, Reading, State};
use crate::trend::mention::{HashtagId, Mention, Tally};
use crate::trend::recent::RecentAuthors;
use crate::trend::settings::Settings;
use crate::trend::tracker::Tracker;

/// Width of a stored bucket.
const WIDTH_MINUTES: u32 = 1;

/// Idle minutes read almost the same for this long: their expectation is computed once an hour.
const IDLE_STEP_MINUTES: u32 = 60;

/// What one hashtag read.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// Counts of the minutes it was used in.
    pub tallies: BTreeMap<Minute, Tally>,
    readings: BTreeMap<Minute, Reading>,
    /// The minute that raised the last spike.
    flagged: u32,
    /// What idle minutes read, by the hour they lie in.
    idle: BTreeMap<u32, Reading>,
}

/// The replay of some hashtags.
#[derive(Debug, Clone)]
pub struct Replay {
    /// When somebody was listening, from where on there is something to replay.
    pub coverage: Coverage,
    /// The hashtags asked for.
    pub hashtags: BTreeMap<HashtagId, Replayed>,
}

impl Replay {
    /// Runs the detector over everything that is closed and keeps what it read within `range`; none in an empty ledger.
    /// It runs on behind the range, since a spike's end is known only after it: see [`Replayed::end`].
    pub fn of(
        ledger: &impl Ledger,
        hashtags: &BTreeSet<HashtagId>,
        range: Range<Minute>,
        settings: &Settings,
        filter: &Filter,
    ) -> Result<Option<Self>, Error> {
        let Some(coverage) = ledger.coverage()? else {
            return Ok(None);
        };
        let mut kept_since = ledger.minutes_since()?;
        if !filter.is_empty() {
            kept_since = kept_since.max(ledger.mentions_since()?);
        }
        let coverage = coverage.from(kept_since.unwrap_or(Minute(0)).0);
        let until = ledger.watermark()?.unwrap_or(range.end);
        let range = range.start..range.end.min(until);
        let series = tallies(ledger, hashtags, until, filter)?;
        let hashtags = series
            .into_iter()
            .map(|(hashtag, tallies)| {
                (
                    hashtag,
                    Replayed::of(tallies, range.clone(), until, &coverage, settings),
                )
            })
            .collect();
        Ok(Some(Self { coverage, hashtags }))
    }

    /// What `hashtag` read in a covered minute of the range, whether it was used in it or not; none in a gap.
    pub fn reading(&self, hashtag: HashtagId, minute: Minute) -> Option<Reading> {
        if !self.coverage.covers(minute.0) {
            return None;
        }
        let replayed = self.hashtags.get(&hashtag)?;
        replayed.readings.get(&minute).cloned().or_else(|| {
            let idle = replayed.idle.get(&(minute.0 / IDLE_STEP_MINUTES))?;
            Some(Reading {
                bucket: minute.0,
                ..idle.clone()
            })
        })
    }

    /// The readings of a range of minutes, gaps left out.
    pub fn readings(
        &self,
        hashtag: HashtagId,
        range: Range<Minute>,
    ) -> impl Iterator<Item = Reading> + '_ {
        (range.start.0..range.end.0).filter_map(move |minute| self.reading(hashtag, Minute(minute)))
    }
}

impl Replayed {
    fn of(
        tallies: BTreeMap<Minute, Tally>,
        range: Range<Minute>,
        until: Minute,
        coverage: &Coverage,
        settings: &Settings,
    ) -> Self {
        let mut detector = Detector::new(WIDTH_MINUTES, coverage.start());
        let mut replayed = Self::default();
        for (&minute, tally) in tallies
            .iter()
            .filter(|(minute, _)| coverage.covers(minute.0))
        {
            replayed.pass(&mut detector, minute, &range, coverage, settings);
            detector.observe(minute.0, tally.fresh, coverage, settings, &mut |reading| {
                replayed.keep(reading, &range);
            });
        }
        replayed.pass(&mut detector, until, &range, coverage, settings);
        replayed.tallies = tallies;
        replayed
    }

    /// The minutes before `until` in which it was not used: fed while it is awake, looked at once an hour after.
    fn pass(
        &mut self,
        detector: &mut Detector,
        until: Minute,
        range: &Range<Minute>,
        coverage: &Coverage,
        settings: &Settings,
    ) {
        detector.catch_up(until.0, coverage, settings, &mut |reading| {
            self.keep(reading, range);
        });
        let fed_until = detector
            .last_fed()
            .map_or(coverage.start(), |last| last + 1);
        let mut minute = fed_until.max(range.start.0);
        let until = until.min(range.end);
        while let Some(covered) = coverage.next_covered(minute).filter(|&at| at < until.0) {
            let hour = covered / IDLE_STEP_MINUTES;
            // An empty minute of an idle hashtag is read, not fed: what it will be fed later stays the same.
            detector.observe(covered, 0, coverage, settings, &mut |reading| {
                self.idle.insert(hour, reading);
            });
            minute = (hour + 1) * IDLE_STEP_MINUTES;
        }
    }

    fn keep(&mut self, reading: Reading, range: &Range<Minute>) {
        match &reading.change {
            Some(Change::Opened(_)) => self.flagged = reading.bucket,
            Some(Change::Closed(ended)) => self.end(ended, reading.bucket),
            Some(Change::Recurring(_)) | None => {}
        }
        if range.contains(&Minute(reading.bucket)) {
            self.readings.insert(Minute(reading.bucket), reading);
        }
    }
}

impl Replayed {
    /// A spike is over when things have been calm for a while, and its end is then found looking back, as
    /// `Spike::follow` does. What lies between was no spike, in hindsight: a timeline says what the list of spikes says.
    fn end(&mut self, ended: &Ended, closed: u32) {
        let end = Minute(ended.end.max(self.flagged + 1));
        for (_, reading) in self.readings.range_mut(end..Minute(closed).max(end)) {
            reading.onset = None;
            reading.state = if reading.score > 0.0 {
                State::Rising
            } else {
                State::Normal
            };
        }
    }
}

type Series = BTreeMap<HashtagId, BTreeMap<Minute, Tally>>;

fn tallies(
    ledger: &impl Ledger,
    hashtags: &BTreeSet<HashtagId>,
    until: Minute,
    filter: &Filter,
) -> Result<Series, Error> {
    let mut series: Series = hashtags
        .iter()
        .map(|&hashtag| (hashtag, BTreeMap::new()))
        .collect();
    let settled_until = ledger.settled_until()?.unwrap_or(Minute(0));
    let mut tallied_from = Minute(0);
    if filter.is_empty() {
        tallied_from = settled_until;
        for (hashtag, tallies) in ledger.series(hashtags, Minute(0)..settled_until.min(until))? {
            series.entry(hashtag).or_default().extend(tallies);
        }
    }
    let mut recent = RecentAuthors::default();
    let keep = |mention: &Mention| hashtags.contains(&mention.hashtag) && filter.keeps(mention);
    let hour_before = Tracker::last_hour_start(tallied_from);
    ledger.mentions(hour_before..until, &keep, &mut |minute, mentions| {
        let tallies = recent.tally(minute, &mentions);
        for tally in tallies.into_iter().filter(|_| minute >= tallied_from) {
            series
                .entry(tally.hashtag)
                .or_default()
                .insert(minute, tally);
        }
    })?;
    Ok(series)
}
