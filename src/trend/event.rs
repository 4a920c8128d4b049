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
