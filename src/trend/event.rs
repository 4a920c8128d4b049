//! A spike from its alarm to its end: active, recovering, closed.
//!
//! Takes the ten-minute rate of each heard bucket since the alarm, tells when the spike is over and when things went
//! back to normal. Buckets that were not heard do not count: a gap neither opens nor closes a spike.

use super::bytes::{DecodeError, Reader, Writer};
use super::decay::narrow;
use super::ring::Ring;

/// Share of the peak below which a spike recovers, once for five minutes.
const RECOVERING_SHARE: f64 = 0.35;
const RECOVERING_MINUTES: u32 = 5;
/// Share of the peak whose last minute is the restoration.
const RESTORED_SHARE: f64 = 0.6;
/// Minutes before that: the ten-minute rate trails by half its length.
const RESTORED_LAG: u32 = 5;
/// A spike closes after so many minutes below a multiple of the baseline, a share of the peak, or one use in ten
/// minutes, whichever is the most.
const CALM_MINUTES: u32 = 15;
const CALM_GROWTH: f64 = 1.5;
const CALM_SHARE: f64 = 0.1;
const CALM_RATE: f64 = 0.1;
/// A spike of twelve heard hours is the new level.
const MINUTES_MAX: u32 = 720;

/// A spike under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The estimated first bucket.
    pub onset: u32,
    /// The bucket with the highest ten-minute rate so far.
    pub peak: u32,
    /// The last bucket with at least 60 % of that rate.
    high: u32,
    peak_rate: f32,
    /// Heard buckets since the alarm.
    age: u32,
    /// Heard buckets in a row below 35 % of the peak, and below what closes the spike.
    low: u32,
    calm: u32,
    /// False while it is no more than what recurs at this hour.
    pub raised: bool,
}

impl Event {
    /// Opens at the alarm in `bucket`, when the ten-minute rate is `rate`.
    pub fn open(onset: u32, bucket: u32, rate: f64, raised: bool) -> Self {
        Self {
            onset,
            peak: bucket,
            high: bucket,
            peak_rate: narrow(rate),
            age: 0,
            low: 0,
            calm: 0,
            raised,
        }
    }

    /// Goes on by one heard bucket of `width` minutes; true when that closes the spike.
    pub fn step(&mut self, bucket: u32, rate: f64, baseline_rate: f64, width: u32) -> bool {
        if rate > f64::from(self.peak_rate) {
            self.peak_rate = narrow(rate);
            self.peak = bucket;
        }
        let peak_rate = f64::from(self.peak_rate);
        if rate >= RESTORED_SHARE * peak_rate {
            self.high = bucket;
        }
        let calm_below = (CALM_GROWTH * baseline_rate)
            .max(CALM_SHARE * peak_rate)
            .max(CALM_RATE);
        let longer = |run: u32, goes_on: bool| if goes_on { run.saturating_add(1) } else { 0 };
        self.low = longer(self.low, rate < RECOVERING_SHARE * peak_rate);
        self.calm = longer(self.calm, rate < calm_below);
        self.age = self.age.saturating_add(1);
        self.calm.saturating_mul(width) >= CALM_MINUTES
            || self.age.saturating_mul(width) >= MINUTES_MAX
    }

    /// Whether the rate has been below a third of its peak for a while.
    pub fn is_recovering(&self, width: u32) -> bool {
        self.low.saturating_mul(width) >= RECOVERING_MINUTES
    }

    /// The bucket of the restoration: five minutes before the last one at 60 % of the peak, not before the onset.
    pub fn restored(&self, width: u32) -> u32 {
        self.high
            .saturating_sub(RESTORED_LAG / width)
            .max(self.onset)
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.u8(u8::from(self.raised));
        for value in [
            self.onset, self.peak, self.high, self.age, self.low, self.calm,
        ] {
            out.u32(value);
        }
        out.f32(self.peak_rate);
    }

    pub(super) fn decode(bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            raised: bytes.bool()?,
            onset: bytes.u32()?,
            peak: bytes.u32()?,
            high: bytes.u32()?,
            age: bytes.u32()?,
            low: bytes.u32()?,
            calm: bytes.u32()?,
            peak_rate: bytes.f32()?,
        })
    }
}

/// The likeliest first bucket of a spike that has grown `growth`-fold, within the newest `len` buckets: the start that
/// maximises the log-likelihood ratio of a Poisson count, `sum x ln g - (g - 1) e`, with `expected_min` as the least
/// expectation of a bucket.
pub fn onset(ring: &Ring, len: u32, growth: f64, expected_min: f64) -> u32 {
    let (mut sum, mut best, mut onset) = (0.0, f64::NEG_INFINITY, 0);
    for (bucket, observed, expected) in ring.newest(len, 0) {
        sum += f64::from(observed) * growth.ln() - (growth - 1.0) * expected.max(expected_min);
        if sum > best {
            (best, onset) = (sum, bucket);
        }
    }
    onset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes at 100 a minute, then `rates`, over a baseline of 2; the steps after which it closed.
    fn closes_after(rates: impl IntoIterator<Item = f64>) -> (Event, Option<usize>) {
        let mut event = Event::open(95, 100, 100.0, true);
        for bucket in 101..=110 {
            assert!(!event.step(bucket, 100.0, 2.0, 1));
        }
        let closed = (111..)
            .zip(rates)
            .position(|(bucket, rate)| event.step(bucket, rate, 2.0, 1));
        (event, closed.map(|steps| steps + 1))
    }

    #[test]
    fn fifteen_calm_minutes_close_a_spike() {
        assert_eq!(closes_after([9.0; 30]).1, Some(15));
        assert_eq!(closes_after([11.0; 30]).1, None);
    }

    #[test]
    fn a_minute_that_is_not_calm_begins_the_count_anew() {
        let rates = (0..40).map(|minute| if minute == 10 { 50.0 } else { 1.0 });
        assert_eq!(closes_after(rates).1, Some(26));
    }

    #[test]
    fn twelve_hours_are_the_new_level() {
        assert_eq!(closes_after([80.0; 800]).1, Some(710));
    }

    #[test]
    fn it_recovers_after_five_minutes_below_a_third_of_the_peak() {
        assert!(!closes_after([34.0; 4]).0.is_recovering(1));
        assert!(closes_after([34.0; 5]).0.is_recovering(1));
        assert!(
            !closes_after([34.0, 34.0, 34.0, 34.0, 34.0, 36.0])
                .0
                .is_recovering(1)
        );
    }

    #[test]
    fn the_restoration_is_five_minutes_before_the_last_high_one() {
        assert_eq!(closes_after([80.0, 60.0, 59.0, 30.0]).0.restored(1), 107);
        assert_eq!(Event::open(99, 100, 5.0, true).restored(1), 99);
    }

    #[test]
    fn the_onset_is_where_the_counts_leave_what_was_expected() {
        let mut ring = Ring::new();
        for (bucket, observed) in (1..).zip([1, 2, 1, 0, 1, 9, 8, 12, 10]) {
            ring.push(bucket, observed, 1.0);
        }
        assert_eq!(onset(&ring, 60, 8.0, 0.05), 6);
        assert_eq!(onset(&ring, 2, 8.0, 0.05), 8);
    }
}
