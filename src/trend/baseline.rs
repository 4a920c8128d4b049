//! What is expected of one hashtag: its level, its hour of the day, and the last hours.
//!
//! Takes the count of each heard bucket, gives the rate foreseen for the next. Three rates that forget at different
//! paces: the level over days, the profile by hour of the day (UTC) shrunk towards the level, and the recent rate. The
//! largest of them is expected, so that neither a busy hour nor a new level surprises anyone twice. Counts far above
//! what was expected are cut before they are learnt ([`Baseline::learn`]); a spike is not learnt at all, which
//! [`super::detector`] sees to.

use super::bytes::{DecodeError, Reader, Writer};
use super::decay::{Decayed, keep};

/// Half-life of the level, minutes: four days, long enough to outlast an outage, short enough to follow a hashtag.
const LEVEL_HALF_LIFE: f64 = 4.0 * 1440.0;
/// Half-life of an hour's slot, in minutes of its own time: four days hold four hours of each slot.
const HOUR_HALF_LIFE: f64 = 4.0 * 60.0;
/// Half-life of the recent rate, minutes.
const RECENT_HALF_LIFE: f64 = 90.0;
/// The rate of a hashtag nobody has used, uses a minute: about four a day.
const RATE_MIN: f64 = 0.003;
/// Minutes that [`RATE_MIN`] weighs in the level.
const LEVEL_PRIOR_MINUTES: f64 = 240.0;
/// Minutes that the level weighs in an hour's slot.
const HOUR_PRIOR_MINUTES: f64 = 30.0;
/// Heard minutes before there is a baseline: two hours, the length of many an outage that a series may begin in, and
/// twice the longest window that is compared with it.
const WARM_MINUTES: f64 = 120.0;

/// A rate that forgets: uses over minutes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Rate {
    uses: Decayed,
    minutes: Decayed,
}

impl Rate {
    fn add(&mut self, uses: f64, minutes: f64, half_life: f64) {
        let keep = keep(minutes, half_life);
        self.uses.add(keep, uses);
        self.minutes.add(keep, minutes);
    }

    fn add_silence(&mut self, minutes: f64, times: f64, half_life: f64) {
        let keep = keep(minutes, half_life);
        self.uses.add_times(keep, 0.0, times);
        self.minutes.add_times(keep, minutes, times);
    }

    /// Uses a minute, as if `prior_minutes` at `prior` had been seen before.
    fn shrunk(self, prior: f64, prior_minutes: f64) -> f64 {
        (self.uses.get() + prior * prior_minutes) / (self.minutes.get() + prior_minutes)
    }

    fn encode(self, out: &mut Writer) {
        out.f32(self.uses.0);
        out.f32(self.minutes.0);
    }

    fn decode(bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            uses: Decayed(bytes.f32()?),
            minutes: Decayed(bytes.f32()?),
        })
    }
}

/// The three rates of one hashtag. Rates are uses a minute, times are minutes since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Baseline {
    level: Rate,
    recent: Rate,
    hours: [Rate; 24],
}

impl Baseline {
    /// Whether enough was heard to foresee anything.
    pub fn is_warm(&self) -> bool {
        self.level.minutes.get() >= WARM_MINUTES
    }

    /// The rate foreseen at `minute`: `max(hour of day, recent, 0.003)`.
    pub fn rate(&self, minute: f64) -> f64 {
        let recent = if self.recent.minutes.get() > 0.0 {
            self.recent.shrunk(0.0, 0.0)
        } else {
            0.0
        };
        self.of_hour(minute).max(recent).max(RATE_MIN)
    }

    /// The relative variance of the level, from the uses it rests on: `1 / (uses + 1.72)`; 0.72 uses are the prior's.
    pub fn level_variance(&self) -> f64 {
        1.0 / (self.level.uses.get() + 1.0 + RATE_MIN * LEVEL_PRIOR_MINUTES)
    }

    /// Learns `observed` uses of a bucket of `width` minutes around `minute`, of which `expected` were foreseen. Once
    /// warm, a count is cut at three deviations of a mildly overdispersed count, so that a flood moves the level slowly.
    pub fn learn(&mut self, minute: f64, width: f64, observed: f64, expected: f64) {
        let cap = expected + 3.0 * (expected + 0.1 * expected * expected).sqrt() + 1.0;
        let uses = if self.is_warm() {
            observed.min(cap)
        } else {
            observed
        };
        self.level.add(uses, width, LEVEL_HALF_LIFE);
        self.recent.add(uses, width, RECENT_HALF_LIFE);
        self.hours[hour(minute)].add(uses, width, HOUR_HALF_LIFE);
    }

    /// Learns `buckets` empty buckets of `width` minutes within the hour of `minute`, in closed form.
    pub fn learn_silence(&mut self, minute: f64, width: f64, buckets: f64) {
        self.level.add_silence(width, buckets, LEVEL_HALF_LIFE);
        self.recent.add_silence(width, buckets, RECENT_HALF_LIFE);
        self.hours[hour(minute)].add_silence(width, buckets, HOUR_HALF_LIFE);
    }

    /// Takes `rate` for the recent rate: the tail of a spike is the reference of what follows.
    pub fn restart_recent(&mut self, rate: f64) {
        let minutes = self.recent.minutes.get();
        self.recent.uses.set(rate * minutes);
    }

    /// The profile at `minute`, linear between the centres of the hours.
    fn of_hour(&self, minute: f64) -> f64 {
        let level = self.level.shrunk(RATE_MIN, LEVEL_PRIOR_MINUTES);
        let slot = |at: f64| self.hours[hour(at)].shrunk(level, HOUR_PRIOR_MINUTES);
        // Half an hour later all is positive, and the hour's centre lies where the hour begins.
        let since_centre = (minute + 30.0) / 60.0;
        let share = since_centre.fract();
        slot(minute + 1410.0) * (1.0 - share) + slot(minute + 30.0) * share
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        self.level.encode(out);
        self.recent.encode(out);
        self.hours.iter().for_each(|rate| rate.encode(out));
    }

    pub(super) fn decode(bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut baseline = Self {
            level: Rate::decode(bytes)?,
            recent: Rate::decode(bytes)?,
            hours: [Rate::default(); 24],
        };
        for rate in &mut baseline.hours {
            *rate = Rate::decode(bytes)?;
        }
        Ok(baseline)
    }
}

/// The hour of the day, UTC.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "minutes since the epoch are positive and the remainder is below 24"
)]
fn hour(minute: f64) -> usize {
    ((minute / 60.0) as u64 % 24) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes of a Monday, 00:00.
    const START: f64 = 26_200_800.0;

    fn after_days(days: u32, rate: impl Fn(u32) -> f64) -> Baseline {
        let mut baseline = Baseline::default();
        for minute in 0..days * 1_440 {
            let at = START + f64::from(minute) + 0.5;
            let expected = baseline.rate(at);
            baseline.learn(at, 1.0, rate(minute), expected);
        }
        baseline
    }

    #[test]
    fn nothing_heard_expects_four_uses_a_day() {
        let baseline = Baseline::default();
        assert!((baseline.rate(START) - RATE_MIN).abs() < 1e-12);
        assert!(!baseline.is_warm());
    }

    #[test]
    fn two_heard_hours_make_a_baseline() {
        let mut baseline = Baseline::default();
        (0..120).for_each(|minute| baseline.learn(START + f64::from(minute), 1.0, 1.0, 1.0));
        assert!(!baseline.is_warm(), "the first minutes have faded a little");
        baseline.learn(START + 120.0, 1.0, 1.0, 1.0);
        assert!(baseline.is_warm());
    }

    #[test]
    fn a_busy_hour_of_the_day_is_expected_at_its_hour() {
        let baseline = after_days(6, |minute| if minute / 60 % 24 == 18 { 20.0 } else { 2.0 });
        let at = |hour: f64| baseline.rate(START + 6.0 * 1_440.0 + hour * 60.0);
        assert!(at(18.5) > 12.0, "{}", at(18.5));
        assert!((1.9..3.5).contains(&at(6.5)), "{}", at(6.5));
        assert!(
            (f64::midpoint(at(18.5), at(19.0)) - at(18.75)).abs() < 0.01,
            "linear between the centres"
        );
    }

    #[test]
    fn a_flood_is_cut_before_it_is_learnt() {
        let mut baseline = after_days(1, |_| 1.0);
        let at = START + 1_440.5;
        let before = baseline.rate(at);
        baseline.learn(at, 1.0, 1e6, before);
        assert!(baseline.rate(at) < before + 0.1, "{}", baseline.rate(at));
    }

    #[test]
    fn the_level_is_surer_the_more_it_rests_on() {
        assert!(Baseline::default().level_variance() > 0.5);
        assert!(after_days(1, |_| 1.0).level_variance() < 0.001);
    }
}
