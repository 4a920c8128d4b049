//! One hashtag's whole memory, and what it makes of each closed bucket.
//!
//! [`Detector::observe`] takes the fresh authors of a bucket and gives a [`Reading`]: what was expected, how much it
//! grew, whether chance explains it, and whether a spike opened or closed. The state is a function of the sequence of
//! buckets alone: wherever it is split, written down ([`Detector::encode`]), read back and gone on with, the readings
//! are the same (`a_split_anywhere_changes_nothing`).
//!
//! Silence counts too: the covered buckets between two uses are fed as zeros until the hashtag is idle, after 64 of
//! them. What follows is made up for, in closed form and hour by hour, when the next use arrives. So a hashtag that
//! nobody uses costs nothing. Buckets that [`Coverage`] does not cover are never fed.
//!
//! It has no clock: a bucket that is not newer than the newest is ignored, since a closed bucket does not change.

use super::baseline::Baseline;
pub use super::bytes::DecodeError;
use super::bytes::{Reader, Writer};
use super::coverage::Coverage;
use super::event::{self, Event};
use super::rarity::Rarity;
use super::recurring::Recurring;
use super::ring::{LEN, Ring};
use super::scan::{Candidate, Scan, Sums, buckets};
use super::settings::Settings;

/// The version of [`Detector::encode`]; a change of the layout or of what the numbers mean raises it.
const VERSION: u8 = 1;
/// The widest bucket, minutes: the hour-of-day profile cannot tell wider ones apart.
pub const WIDTH_MINUTES_MAX: u32 = 60;
/// The stretch whose rate follows a spike, minutes.
const RATE_MINUTES: u32 = 10;
/// How far back an onset is looked for, minutes.
const ONSET_MINUTES: u32 = 60;
/// The least a minute is expected to hold when an onset is looked for.
const ONSET_RATE_MIN: f64 = 0.05;

/// One hashtag's memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    width: u32,
    /// The first bucket that is neither fed nor made up for.
    next: u32,
    /// The newest bucket that was fed.
    last_fed: Option<u32>,
    /// Empty buckets fed in a row.
    quiet: u32,
    /// Windows do not reach before this bucket: it follows the last spike.
    windows_from: u32,
    ring: Ring,
    baseline: Baseline,
    scan: Scan,
    rarity: Rarity,
    event: Option<Event>,
    recurring: Option<Box<Recurring>>,
}

/// What a detector makes of one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The bucket, counted from the Unix epoch in units of the width.
    pub bucket: u32,
    /// Fresh authors in it (posts where a feed names no authors).
    pub observed: u32,
    /// What the baseline foresaw for it.
    pub expected: f64,
    /// Growth of the window that chance explains least, or of the bucket where no window is a candidate;
    /// `(observed + 1) / (expected + 1)`.
    pub growth: f64,
    /// How unusual that window is, a normal deviate; 0 where no window is a candidate.
    pub score: f64,
    /// How rare the ten-minute rate is for this hashtag, in deviations over weeks.
    pub rarity: f64,
    /// Where the hashtag stands after this bucket.
    pub state: State,
    /// Whether the spike under way has been below 35 % of its peak for five minutes.
    pub recovering: bool,
    /// The estimated first bucket of the spike under way.
    pub onset: Option<u32>,
    /// What changed with this bucket.
    pub change: Option<Change>,
}

/// Where a hashtag stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Too little was heard for a baseline.
    Unknown,
    /// As expected.
    Normal,
    /// Grown enough, but chance, or last week, may explain it.
    Rising,
    /// A spike is under way, or recovering.
    Spike,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A spike opened.
    Opened(Alarm),
    /// A spike was over.
    Closed(Ended),
    /// What would be a spike is no more than this hour showed last week or on both last days: listed, not raised.
    Recurring(Alarm),
}

/// Why a spike was opened: the window that chance explains least.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// The estimated first bucket.
    pub onset: u32,
    /// Length of the window, minutes.
    pub window_minutes: u32,
    /// Fresh authors in the window.
    pub observed: u64,
    /// What was expected of it.
    pub expected: f64,
    /// `(observed + 1) / (expected + 1)`.
    pub growth: f64,
    /// The normal deviate of the count, were the true growth half the spike threshold.
    pub score: f64,
}

/// A spike that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The estimated first bucket.
    pub onset: u32,
    /// The bucket with the highest ten-minute rate.
    pub peak: u32,
    /// The bucket of the restoration.
    pub end: u32,
}

impl Detector {
    /// A hashtag that was listened for since the bucket `start`, in buckets of `width_minutes` (1 to 60; what lies
    /// outside is taken for the nearest).
    pub fn new(width_minutes: u32, start: u32) -> Self {
        Self {
            width: width_minutes.clamp(1, WIDTH_MINUTES_MAX),
            next: start,
            last_fed: None,
            quiet: LEN,
            windows_from: 0,
            ring: Ring::new(),
            baseline: Baseline::default(),
            scan: Scan::default(),
            rarity: Rarity::default(),
            event: None,
            recurring: None,
        }
    }

    /// Feeds the covered empty buckets up to `bucket`, then `bucket` with `observed`; each fed bucket gives a reading.
    /// Nothing happens where `bucket` is not newer than the newest, or not covered. While the hashtag is idle, an empty
    /// bucket is read ([`Detector::peek`]) but not fed: it will be made up for.
    pub fn observe(
        &mut self,
        bucket: u32,
        observed: u32,
        coverage: &Coverage,
        settings: &Settings,
        out: &mut impl FnMut(Reading),
    ) {
        self.catch_up(bucket, coverage, settings, out);
        if bucket < self.next || !coverage.covers(bucket) {
            return;
        }
        if self.is_idle() {
            self.make_up(whole_hours(bucket, self.width), coverage);
            if observed == 0 {
                out(self.peek(bucket, coverage, settings));
                return;
            }
            self.wake(bucket, coverage);
        }
        out(self.feed(bucket, observed, settings));
    }

    /// Feeds the covered empty buckets before `until`, as long as the hashtag is not idle.
    pub fn catch_up(
        &mut self,
        until: u32,
        coverage: &Coverage,
        settings: &Settings,
        out: &mut impl FnMut(Reading),
    ) {
        while !self.is_idle()
            && let Some(bucket) = coverage
                .next_covered(self.next)
                .filter(|&bucket| bucket < until)
        {
            out(self.feed(bucket, 0, settings));
        }
    }

    /// Whether nothing was heard for 64 buckets and no spike is under way: it needs no feeding until its next use.
    pub fn is_idle(&self) -> bool {
        self.quiet >= LEN && self.event.is_none()
    }

    /// What the covered, empty `bucket` would read; nothing is changed. A bucket that was fed before cannot be read
    /// again: the reading is of the next one.
    pub fn peek(&self, bucket: u32, coverage: &Coverage, settings: &Settings) -> Reading {
        let mut then = self.clone();
        then.catch_up(bucket, coverage, settings, &mut |_| ());
        if then.is_idle() {
            then.wake(bucket, coverage);
        }
        then.feed(bucket.max(then.next), 0, settings)
    }

    /// The newest bucket that was fed.
    pub fn last_fed(&self) -> Option<u32> {
        self.last_fed
    }

    /// Makes up for the idle time before `bucket`, so that the windows that end there are filled.
    fn wake(&mut self, bucket: u32, coverage: &Coverage) {
        self.make_up(bucket.saturating_sub(LEN - 1), coverage);
        while let Some(empty) = coverage
            .next_covered(self.next)
            .filter(|&empty| empty < bucket)
        {
            let (minute, rate) = self.foresee(empty);
            self.ring.push(empty, 0, rate * self.minutes());
            self.rarity.learn(self.rate(), self.minutes());
            let sums = Sums::of(&self.ring, self.width, self.windows_from);
            self.learn(&sums, minute, empty, 0, rate);
            self.next = empty + 1;
        }
    }

    /// Learns the covered buckets before `until` as silence, hour by hour: two calls are as good as one when the first
    /// ends on the hour.
    fn make_up(&mut self, until: u32, coverage: &Coverage) {
        while self.next < until {
            let hour = u64::from(self.next) * u64::from(self.width) / 60;
            let hour_end = ((hour + 1) * 60).div_ceil(u64::from(self.width));
            let end = u32::try_from(hour_end).unwrap_or(u32::MAX).min(until);
            let silent = f64::from(coverage.covered_in(self.next..end));
            if silent > 0.0 {
                let minute = hour as f64 * 60.0 + 30.0;
                self.scan
                    .learn_silence(self.baseline.rate(minute), self.width, silent);
                self.baseline.learn_silence(minute, self.minutes(), silent);
                self.rarity.learn_silence(self.minutes(), silent);
            }
            self.next = end;
        }
    }

    /// Takes the bucket, and judges it before it is learnt.
    fn feed(&mut self, bucket: u32, observed: u32, settings: &Settings) -> Reading {
        let (minute, foreseen) = self.foresee(bucket);
        let expected = foreseen * self.minutes();
        self.ring.push(bucket, observed, expected);
        let rate = self.rate();
        let rarity = self.rarity.of(rate);
        self.rarity.learn(rate, self.minutes());

        let sums = Sums::of(&self.ring, self.width, self.windows_from);
        let candidate = self.candidate(&sums, settings);
        let alarm =
            candidate.filter(|candidate| candidate.score >= settings.sensitivity.score_min());
        let change = self.change(bucket, rate, foreseen, alarm);
        if self.event.is_none() && !matches!(change, Some(Change::Closed(_))) {
            self.learn(&sums, minute, bucket, observed, foreseen);
        }
        if let Some(recurring) = &mut self.recurring {
            recurring.note(hour(bucket, self.width), rate);
        }

        self.quiet = if observed == 0 {
            self.quiet.saturating_add(1)
        } else {
            0
        };
        self.last_fed = Some(bucket);
        self.next = bucket.saturating_add(1);
        let spike = self.event.as_ref().filter(|event| event.raised);
        Reading {
            bucket,
            observed,
            expected,
            growth: candidate.map_or(
                (f64::from(observed) + 1.0) / (expected + 1.0),
                |candidate| candidate.growth,
            ),
            score: candidate.map_or(0.0, |candidate| candidate.score),
            rarity,
            state: self.state(candidate.is_some()),
            recovering: spike.is_some_and(|event| event.is_recovering(self.width)),
            onset: spike.map(|event| event.onset),
            change,
        }
    }

    /// The centre of the bucket, minutes since the epoch, and the rate foreseen for it.
    fn foresee(&self, bucket: u32) -> (f64, f64) {
        let minute = (f64::from(bucket) + 0.5) * self.minutes();
        (minute, self.baseline.rate(minute))
    }

    /// The best window, once there is a baseline.
    fn candidate(&self, sums: &Sums, settings: &Settings) -> Option<Candidate> {
        if !self.baseline.is_warm() {
            return None;
        }
        self.scan
            .best(sums, self.width, self.baseline.level_variance(), settings)
    }

    /// Opens, raises, goes on with or closes a spike.
    fn change(
        &mut self,
        bucket: u32,
        rate: f64,
        foreseen: f64,
        alarm: Option<Candidate>,
    ) -> Option<Change> {
        let recurs = self
            .recurring
            .as_ref()
            .is_some_and(|memory| memory.expects(hour(bucket, self.width), rate));
        let Some(event) = &mut self.event else {
            let candidate = alarm?;
            let alarm = self.alarm(candidate);
            self.event = Some(Event::open(alarm.onset, bucket, rate, !recurs));
            let hour = hour(bucket, self.width);
            self.recurring
                .get_or_insert_with(|| Box::new(Recurring::since(hour)));
            return Some(if recurs {
                Change::Recurring(alarm)
            } else {
                Change::Opened(alarm)
            });
        };
        if event.step(bucket, rate, foreseen, self.width) {
            let ended = Ended {
                onset: event.onset,
                peak: event.peak,
                end: event.restored(self.width),
            };
            let raised = event.raised;
            self.event = None;
            self.baseline.restart_recent(rate);
            self.windows_from = bucket.saturating_add(1);
            return raised.then_some(Change::Closed(ended));
        }
        if event.raised || recurs {
            return None;
        }
        let alarm = self.alarm(alarm?);
        self.event = Some(Event::open(alarm.onset, bucket, rate, true));
        Some(Change::Opened(alarm))
    }

    fn alarm(&self, candidate: Candidate) -> Alarm {
        let reach = buckets(ONSET_MINUTES, self.width);
        Alarm {
            onset: event::onset(
                &self.ring,
                reach,
                candidate.growth,
                ONSET_RATE_MIN * self.minutes(),
            ),
            window_minutes: candidate.window_minutes,
            observed: candidate.observed,
            expected: candidate.expected,
            growth: candidate.growth,
            score: candidate.score,
        }
    }

    fn learn(&mut self, sums: &Sums, minute: f64, bucket: u32, observed: u32, foreseen: f64) {
        if self.baseline.is_warm() {
            self.scan
                .learn(sums, bucket, self.width, self.baseline.level_variance());
        }
        self.baseline.learn(
            minute,
            self.minutes(),
            f64::from(observed),
            foreseen * self.minutes(),
        );
    }

    fn state(&self, candidate: bool) -> State {
        match &self.event {
            Some(event) if event.raised => State::Spike,
            _ if !self.baseline.is_warm() => State::Unknown,
            _ if candidate => State::Rising,
            _ => State::Normal,
        }
    }

    /// The ten-minute rate, uses a minute.
    fn rate(&self) -> f64 {
        let [sum] = self.ring.sums([buckets(RATE_MINUTES, self.width)], 0);
        sum.observed as f64 / (f64::from(sum.heard.max(1)) * self.minutes())
    }

    fn minutes(&self) -> f64 {
        f64::from(self.width)
    }

    /// The memory as bytes, behind a version.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        for value in [self.width, self.next, self.quiet, self.windows_from] {
            out.u32(value);
        }
        out.u8(u8::from(self.last_fed.is_some()));
        out.u32(self.last_fed.unwrap_or(0));
        self.ring.encode(&mut out);
        self.baseline.encode(&mut out);
        self.scan.encode(&mut out);
        self.rarity.encode(&mut out);
        out.u8(u8::from(self.event.is_some()));
        if let Some(event) = &self.event {
            event.encode(&mut out);
        }
        out.u8(u8::from(self.recurring.is_some()));
        if let Some(recurring) = &self.recurring {
            recurring.encode(&mut out);
        }
        out.0
    }

    /// The memory that [`Detector::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader(bytes);
        match bytes.u8()? {
            VERSION => (),
            other => return Err(DecodeError::Version(other)),
        }
        let [width, next, quiet, windows_from] =
            [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
        if !(1..=WIDTH_MINUTES_MAX).contains(&width) {
            return Err(DecodeError::Invalid("width"));
        }
        let (was_fed, newest) = (bytes.bool()?, bytes.u32()?);
        let detector = Self {
            width,
            next,
            last_fed: was_fed.then_some(newest),
            quiet,
            windows_from,
            ring: Ring::decode(&mut bytes)?,
            baseline: Baseline::decode(&mut bytes)?,
            scan: Scan::decode(&mut bytes)?,
            rarity: Rarity::decode(&mut bytes)?,
            event: if bytes.bool()? {
                Some(Event::decode(&mut bytes)?)
            } else {
                None
            },
            recurring: if bytes.bool()? {
                Some(Box::new(Recurring::decode(&mut bytes)?))
            } else {
                None
            },
        };
        bytes.end()?;
        if detector.ring.newest_bucket() > detector.next {
            return Err(DecodeError::Invalid("newest bucket"));
        }
        Ok(detector)
    }
}

/// The hour of the bucket's start, counted from the Unix epoch.
fn hour(bucket: u32, width: u32) -> u32 {
    u32::try_from(u64::from(bucket) * u64::from(width) / 60).unwrap_or(u32::MAX)
}

/// The last bucket that begins an hour and lies a full ring before `bucket`: up to there idle time can be made up for
/// before it is known when the next use comes.
fn whole_hours(bucket: u32, width: u32) -> u32 {
    let hour = u64::from(hour(bucket.saturating_sub(LEN - 1), width));
    u32::try_from((hour * 60).div_ceil(u64::from(width))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Sensitivity;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A bucket far from the epoch: a Monday, 00:00.
    const START: u32 = 26_200_800;

    /// Counts a bucket; none is a gap.
    type Counts = Vec<Option<u32>>;

    /// Explicit rows as `backtest` feeds them.
    fn rows(counts: &Counts, start: u32) -> (Vec<(u32, u32)>, Coverage) {
        let mut coverage = Coverage::since(start);
        let mut rows = Vec::new();
        for (bucket, count) in (start..).zip(counts) {
            match count {
                Some(count) => rows.push((bucket, *count)),
                None => coverage.add_gap(bucket..bucket + 1),
            }
        }
        (rows, coverage)
    }

    fn feed(
        detector: &mut Detector,
        rows: &[(u32, u32)],
        coverage: &Coverage,
        settings: &Settings,
    ) -> Vec<Reading> {
        let mut readings = Vec::new();
        for &(bucket, count) in rows {
            detector.observe(bucket, count, coverage, settings, &mut |reading| {
                readings.push(reading);
            });
        }
        readings
    }

    fn readings(width: u32, counts: &Counts, settings: &Settings) -> Vec<Reading> {
        let start = START / width;
        let (rows, coverage) = rows(counts, start);
        feed(&mut Detector::new(width, start), &rows, &coverage, settings)
    }

    fn opened(readings: &[Reading]) -> Vec<&Reading> {
        readings
            .iter()
            .filter(|reading| matches!(reading.change, Some(Change::Opened(_))))
            .collect()
    }

    /// The bucket of the first alarm, raised or listed.
    fn first_alarm(counts: &Counts, settings: &Settings) -> u32 {
        let readings = readings(1, counts, settings);
        let changed = readings.iter().find(|reading| reading.change.is_some());
        changed.map_or(u32::MAX, |reading| reading.bucket)
    }

    /// A steady hashtag with some scatter: `around`, now and then one more or less.
    fn steady(around: u32, buckets: usize) -> Counts {
        (0..buckets)
            .map(|index| Some((around + [0, 1, 0, 2, 1][index % 5]).saturating_sub(1)))
            .collect()
    }

    /// Stretches of silence, chatter, bursts and gaps, as (buckets, level), where level 5 is a gap.
    fn any_series() -> impl Strategy<Value = Counts> {
        let stretch = (1_u32..130, 0_usize..6, any::<u32>());
        prop::collection::vec(stretch, 3..9).prop_map(|stretches| {
            let mut counts = Counts::new();
            for (len, level, seed) in stretches {
                let count = |index: u32| {
                    let scatter = seed.wrapping_mul(2_654_435_761).rotate_left(index % 32) % 3;
                    [
                        Some(0),
                        Some(u32::from(scatter == 0)),
                        Some(scatter + 2),
                        Some(20 * scatter),
                        Some(90 + scatter),
                        None,
                    ][level]
                };
                counts.extend((0..len).map(count));
            }
            counts
        })
    }

    #[test]
    fn a_sudden_spike_opens_and_closes_once() {
        let mut counts = steady(1, 600);
        counts.extend([Some(12); 40]);
        counts.extend(steady(1, 120));
        let readings = readings(1, &counts, &Settings::default());
        let opened = opened(&readings);
        assert_eq!(opened.len(), 1);
        assert!(
            (600..=602).contains(&(opened[0].bucket - START)),
            "{opened:?}"
        );
        assert_eq!(opened[0].onset, Some(START + 600));
        let ended = readings.iter().find_map(|reading| match &reading.change {
            Some(Change::Closed(ended)) => Some(ended),
            _ => None,
        });
        let end = ended.expect("it closes").end - START;
        assert!((630..=645).contains(&end), "restored at {end}");
    }

    #[test]
    fn every_width_sees_a_spike() {
        for width in [1, 2, 5, 7, 15, 30, 60] {
            let mut counts = steady(2, 2880 / width as usize);
            counts.extend([Some(100), Some(100)]);
            let readings = readings(width, &counts, &Settings::default());
            let opened = opened(&readings);
            assert_eq!(opened.len(), 1, "width {width}");
            assert_eq!(
                opened[0].onset,
                Some(START / width + 2880 / width),
                "width {width}"
            );
        }
    }

    #[test]
    fn a_series_that_begins_in_an_outage_raises_nothing() {
        let counts: Counts = (0..118).map(|minute| Some(400 - minute)).collect();
        let readings = readings(1, &counts, &Settings::default());
        assert!(
            readings
                .iter()
                .all(|reading| reading.state == State::Unknown && reading.change.is_none())
        );
    }

    #[test]
    fn a_gap_neither_opens_nor_closes_a_spike() {
        let mut counts = steady(2, 600);
        counts.extend([None; 300]);
        counts.extend(steady(2, 60));
        assert!(opened(&readings(1, &counts, &Settings::default())).is_empty());

        let mut counts = steady(2, 600);
        counts.extend([Some(60); 20]);
        counts.extend([None; 300]);
        counts.extend([Some(60); 20]);
        let readings = readings(1, &counts, &Settings::default());
        assert_eq!(opened(&readings).len(), 1);
        assert_eq!(
            readings.last().map(|reading| reading.state),
            Some(State::Spike)
        );
    }

    #[test]
    fn a_feed_that_stops_and_goes_raises_nothing() {
        let counts: Counts = (0..4_000)
            .map(|minute| (minute % 20 < 7).then_some(3 + minute % 3))
            .collect();
        assert!(opened(&readings(1, &counts, &Settings::default())).is_empty());
    }

    #[test]
    fn a_daily_burst_is_listed_from_the_third_day_on() {
        let burst = |minute: u32| {
            if (600..660).contains(&(minute % 1440)) {
                40
            } else {
                2 + minute % 2
            }
        };
        let counts: Counts = (0..5 * 1440).map(|minute| Some(burst(minute))).collect();
        let readings = readings(1, &counts, &Settings::default());
        assert!(
            opened(&readings)
                .iter()
                .all(|reading| reading.bucket < START + 2 * 1440),
            "{:?}",
            opened(&readings)
        );
        let listed = readings
            .iter()
            .filter(|reading| matches!(reading.change, Some(Change::Recurring(_))));
        assert!(listed.count() >= 1);
    }

    #[test]
    fn an_outage_within_a_daily_burst_is_raised_all_the_same() {
        let burst = |minute: u32| {
            if (600..660).contains(&(minute % 1440)) {
                40
            } else {
                2 + minute % 2
            }
        };
        let mut counts: Counts = (0..4 * 1440).map(|minute| Some(burst(minute))).collect();
        counts[3 * 1440 + 620..3 * 1440 + 660].fill(Some(400));
        let readings = readings(1, &counts, &Settings::default());
        let raised = opened(&readings)
            .iter()
            .any(|reading| (3 * 1440 + 620..3 * 1440 + 630).contains(&(reading.bucket - START)));
        assert!(raised, "{:?}", opened(&readings));
    }

    #[test]
    fn a_slowly_poisoned_baseline_delays_a_real_spike_by_two_buckets_at_most() {
        const DAY: u32 = 288;
        let alarm = |daily_percent: u64| {
            let mut counts = Counts::new();
            let mut level = 4_000_000;
            for _ in 0..60 {
                let around = u32::try_from(level / 1_000_000).expect("a small level");
                counts.extend((0..DAY).map(|index| Some(around + index % 3)));
                level += level * daily_percent / 100;
            }
            counts.extend([Some(160); 12]);
            let readings = readings(5, &counts, &Settings::default());
            let spike = START / 5 + 60 * DAY;
            opened(&readings)
                .iter()
                .map(|reading| reading.bucket)
                .find(|&bucket| bucket >= spike)
                .expect("it is raised")
                - spike
        };
        let (clean, poisoned) = (alarm(0), alarm(2));
        assert!(
            poisoned <= clean + 2,
            "{clean} without, {poisoned} with the poison"
        );
    }

    #[test]
    fn a_bucket_that_is_not_newer_is_ignored() {
        let coverage = Coverage::since(START);
        let settings = Settings::default();
        let mut detector = Detector::new(1, START);
        feed(
            &mut detector,
            &[(START + 5, 3), (START + 6, 4)],
            &coverage,
            &settings,
        );
        let before = detector.clone();
        let readings = feed(
            &mut detector,
            &[(START + 6, 9), (START + 2, 9), (START - 1, 9)],
            &coverage,
            &settings,
        );
        assert!(readings.is_empty());
        assert_eq!(detector, before);
    }

    #[test]
    fn the_largest_counts_and_buckets_do_no_harm() {
        let coverage = Coverage::since(0);
        let rows: Vec<_> = (u32::MAX - 400..=u32::MAX)
            .map(|bucket| (bucket, u32::MAX))
            .collect();
        for width in [1, 60] {
            let mut detector = Detector::new(width, u32::MAX - 400);
            let readings = feed(&mut detector, &rows, &coverage, &Settings::default());
            let finite = |reading: &Reading| {
                reading.expected.is_finite()
                    && reading.score.is_finite()
                    && reading.rarity.is_finite()
            };
            assert!(!readings.is_empty() && readings.iter().all(finite));
        }
    }

    #[test]
    fn silence_in_closed_form_is_silence_bucket_by_bucket() {
        let coverage = Coverage::since(START);
        let settings = Settings::default();
        let mut lazy = Detector::new(1, START);
        let busy: Vec<_> = (0..900)
            .map(|minute| (START + minute, 1 + minute % 3))
            .collect();
        feed(&mut lazy, &busy, &coverage, &settings);
        let mut busily = lazy.clone();
        let next = START + 900 + 3 * 1440;
        for bucket in START + 900..next {
            busily.feed(bucket, 0, &settings);
        }
        let (lazy, busily) = (
            lazy.peek(next, &coverage, &settings),
            busily.feed(next, 0, &settings),
        );
        assert!(
            (lazy.expected / busily.expected - 1.0).abs() < 0.01,
            "{lazy:?} {busily:?}"
        );
        assert!(
            (lazy.rarity / busily.rarity - 1.0).abs() < 0.01,
            "{lazy:?} {busily:?}"
        );
    }

    #[test]
    fn what_is_remembered_fits_its_budget() {
        let mut counts = steady(1, 600);
        counts.extend([Some(12); 40]);
        let (rows, coverage) = rows(&counts, START);
        let mut detector = Detector::new(1, START);
        feed(&mut detector, &rows[..600], &coverage, &Settings::default());
        assert!(
            detector.encode().len() <= 800,
            "{} bytes",
            detector.encode().len()
        );
        assert!(
            size_of::<Detector>() <= 1_000,
            "{} bytes",
            size_of::<Detector>()
        );
    }

    #[test]
    fn bytes_of_another_version_are_refused() {
        let mut bytes = Detector::new(1, START).encode();
        assert_eq!(
            Detector::decode(&bytes[..bytes.len() - 1]),
            Err(DecodeError::Short)
        );
        bytes.push(0);
        assert_eq!(Detector::decode(&bytes), Err(DecodeError::Long(1)));
        bytes[0] = 0;
        assert_eq!(Detector::decode(&bytes), Err(DecodeError::Version(0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_split_anywhere_changes_nothing(counts in any_series(), at in any::<prop::sample::Index>(), width in 1_u32..8) {
            let settings = Settings::default();
            let start = START / width;
            let (rows, coverage) = rows(&counts, start);
            prop_assume!(!rows.is_empty());
            let mut whole = Detector::new(width, start);
            let want = feed(&mut whole, &rows, &coverage, &settings);

            let (first, second) = rows.split_at(at.index(rows.len()));
            let mut part = Detector::new(width, start);
            let mut got = feed(&mut part, first, &coverage, &settings);
            let mut part = Detector::decode(&part.encode()).expect("its own bytes");
            got.extend(feed(&mut part, second, &coverage, &settings));
            prop_assert_eq!(got, want);
            prop_assert_eq!(part.encode(), whole.encode());
        }

        #[test]
        fn zeros_need_not_be_told(counts in any_series(), ticks in prop::collection::btree_set(0_u32..1_000, 0..6)) {
            let settings = Settings::default();
            let (mut told, coverage) = rows(&counts, START);
            told.push((START + 1_500, 7));
            let want = {
                let mut detector = Detector::new(1, START);
                let readings = feed(&mut detector, &told, &coverage, &settings);
                (readings, detector.encode())
            };
            let mut events: Vec<(u32, Option<u32>)> = told.iter().filter(|row| row.1 > 0).map(|&(bucket, count)| (bucket, Some(count))).collect();
            events.extend(ticks.iter().map(|tick| (START + tick, None)));
            events.sort_by_key(|event| event.0);
            let mut detector = Detector::new(1, START);
            let mut got = Vec::new();
            for (bucket, count) in events {
                let out = &mut |reading| got.push(reading);
                match count {
                    Some(count) => detector.observe(bucket, count, &coverage, &settings, out),
                    None => detector.catch_up(bucket, &coverage, &settings, out),
                }
            }
            prop_assert_eq!(detector.encode(), want.1);
            let want: BTreeMap<u32, Reading> = want.0.into_iter().map(|reading| (reading.bucket, reading)).collect();
            prop_assert!(got.iter().all(|reading| !want.contains_key(&reading.bucket) || want.get(&reading.bucket) == Some(reading)));
        }

        #[test]
        fn a_stricter_knob_never_alarms_earlier(counts in any_series(), threshold in 1.0..6.0, posts_min in 1_u32..40, more_posts in 0_u32..40) {
            let lax = Settings { spike_threshold: threshold, sensitivity: Sensitivity::High, posts_min };
            let fuller = first_alarm(&counts, &Settings { posts_min: posts_min + more_posts, ..lax.clone() });
            let normal = first_alarm(&counts, &Settings { sensitivity: Sensitivity::Normal, ..lax.clone() });
            let low = first_alarm(&counts, &Settings { sensitivity: Sensitivity::Low, ..lax.clone() });
            let alarm = first_alarm(&counts, &lax);
            prop_assert!(alarm <= fuller && alarm <= normal && normal <= low);
        }

        #[test]
        fn a_higher_threshold_never_alarms_earlier_over_steady_chatter(
            around in 1_u32..30, burst in 1_u32..400, len in 1_usize..60, threshold in 1.0..6.0, more in 0.0..6.0,
        ) {
            let mut counts = steady(around, 600);
            counts.extend(steady(around + burst, len));
            let lax = Settings { spike_threshold: threshold, ..Settings::default() };
            let strict = Settings { spike_threshold: threshold + more, ..Settings::default() };
            prop_assert!(first_alarm(&counts, &lax) <= first_alarm(&counts, &strict));
        }

        #[test]
        fn bytes_that_rot_are_refused_or_do_no_harm(at in any::<prop::sample::Index>(), byte: u8) {
            let settings = Settings::default();
            let coverage = Coverage::since(0);
            let mut detector = Detector::new(1, START);
            let rows: Vec<_> = (0..300).map(|minute| (START + minute, if minute < 280 { 1 } else { 50 })).collect();
            feed(&mut detector, &rows, &coverage, &settings);
            let mut bytes = detector.encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(mut detector) = Detector::decode(&bytes) {
                detector.observe(detector.next, 5, &coverage, &settings, &mut |_| ());
                detector.peek(START + 400, &coverage, &settings);
            }
        }

        #[test]
        fn strange_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..900)) {
            if let Ok(mut detector) = Detector::decode(&bytes) {
                feed(&mut detector, &[(START, 1)], &Coverage::since(0), &Settings::default());
            }
        }
    }
}
