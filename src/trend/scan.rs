//! Windows of five lengths, each compared with what was expected of it.
//!
//! A short window sees a steep onset, a long one a slow rise of a rare hashtag. [`Scan::best`] gives the window that is
//! least explained by chance, among those with enough fresh authors and enough growth; [`Scan::learn`] keeps how much
//! the counts of each length scatter around what was expected, since people post in bursts and Poisson counts do not.

use super::bytes::{DecodeError, Reader, Writer};
use super::decay::{Decayed, keep};
use super::ring::{Ring, Sum};
use super::settings::Settings;
use super::tail;

/// Lengths of the windows, minutes; about a factor of 2.7 apart, so that any spike fills one of them well.
const WINDOWS: [u32; 5] = [1, 3, 8, 20, 60];
/// Half-life of the dispersion, minutes.
const HALF_LIFE: f64 = 2.0 * 1440.0;
/// Weight of the priors below, in units of what they are divided by.
const PRIOR_WEIGHT: f64 = 2.0;
/// Surplus variance of a sparse window, as a share of its expectation: the prior and the least.
const SPARSE_PRIOR: f64 = 0.3;
const SPARSE_MIN: f64 = 0.05;
/// Surplus variance of a full window, as a share of its squared expectation: the prior and the least.
const DENSE_PRIOR: f64 = 0.1;
const DENSE_MIN: f64 = 0.03;

/// The window that chance explains least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Length, minutes.
    pub window_minutes: u32,
    /// Fresh authors in it.
    pub observed: u64,
    /// What was expected of it.
    pub expected: f64,
    /// `(observed + 1) / (expected + 1)`: one of each, so that a window of which nothing was expected has a growth.
    pub growth: f64,
    /// The deviate of [`tail::score`] against half the spike threshold.
    pub score: f64,
}

/// How one length of window scatters: the surplus of the squared deviations, and what it is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Dispersion {
    sparse_surplus: Decayed,
    sparse_expected: Decayed,
    dense_surplus: Decayed,
    dense_expected: Decayed,
}

impl Dispersion {
    /// `f` of the variance `E (1 + f) + phi E^2`.
    fn sparse(self) -> f64 {
        let surplus = self.sparse_surplus.get() + SPARSE_PRIOR * PRIOR_WEIGHT;
        (surplus / (self.sparse_expected.get() + PRIOR_WEIGHT)).max(SPARSE_MIN)
    }

    /// `phi` of the variance `E (1 + f) + phi E^2`.
    fn dense(self) -> f64 {
        let surplus = self.dense_surplus.get() + DENSE_PRIOR * PRIOR_WEIGHT;
        (surplus / (self.dense_expected.get() + PRIOR_WEIGHT)).max(DENSE_MIN)
    }

    /// All surplus variance of a window as a share of its squared expectation.
    fn total(self, expected: f64, level_variance: f64) -> f64 {
        self.dense() + self.sparse() / expected + level_variance
    }

    /// Learns a window that deviated by `deviation` from `expected`; `keep` is left of the one before.
    fn learn(&mut self, deviation: f64, expected: f64, keep: f64) {
        for (sum, value) in self.parts().into_iter().zip(shares(deviation, expected)) {
            sum.add(keep, value);
        }
    }

    /// Learns `times` equal windows, in closed form.
    fn learn_times(&mut self, deviation: f64, expected: f64, keep: f64, times: f64) {
        for (sum, value) in self.parts().into_iter().zip(shares(deviation, expected)) {
            sum.add_times(keep, value, times);
        }
    }

    fn parts(&mut self) -> [&mut Decayed; 4] {
        [
            &mut self.sparse_surplus,
            &mut self.sparse_expected,
            &mut self.dense_surplus,
            &mut self.dense_expected,
        ]
    }
}

/// What a window adds to the four sums of a [`Dispersion`]: each regime learns from its own windows.
fn shares(deviation: f64, expected: f64) -> [f64; 4] {
    let surplus = deviation * deviation - expected;
    if expected < 1.0 {
        [surplus, expected, 0.0, 0.0]
    } else {
        [0.0, 0.0, surplus, expected * expected]
    }
}

/// The dispersions of the five lengths of window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scan {
    dispersions: [Dispersion; WINDOWS.len()],
}

/// The sums of the five windows that end with the newest bucket.
#[derive(Debug, Clone, Copy)]
pub struct Sums([Sum; WINDOWS.len()]);

impl Sums {
    /// Over the newest buckets of `ring`, of `width` minutes each, none before the bucket `from`.
    pub fn of(ring: &Ring, width: u32, from: u32) -> Self {
        Self(ring.sums(WINDOWS.map(|minutes| buckets(minutes, width)), from))
    }
}

impl Scan {
    /// The candidate with the highest score: at least half heard, at least `posts_min` fresh authors, grown at least by
    /// the spike threshold.
    pub fn best(
        &self,
        sums: &Sums,
        width: u32,
        level_variance: f64,
        settings: &Settings,
    ) -> Option<Candidate> {
        let growth_tested = (settings.spike_threshold / 2.0).max(1.0);
        let candidate = |(index, sum): (usize, &Sum)| {
            let growth = (sum.observed as f64 + 1.0) / (sum.expected + 1.0);
            let half_heard = sum.heard * 2 >= buckets(WINDOWS[index], width);
            if !half_heard
                || sum.observed < u64::from(settings.posts_min)
                || growth < settings.spike_threshold
            {
                return None;
            }
            let dispersion = self.dispersions[index].total(sum.expected, level_variance);
            Some(Candidate {
                window_minutes: buckets(WINDOWS[index], width) * width,
                observed: sum.observed,
                expected: sum.expected,
                growth,
                score: tail::score(
                    sum.observed as f64,
                    growth_tested * sum.expected,
                    dispersion,
                ),
            })
        };
        lengths(width)
            .filter_map(|index| candidate((index, &sums.0[index])))
            .max_by(|one, other| one.score.total_cmp(&other.score))
    }

    /// Learns the windows that end with `bucket`; those of one length do not overlap. A deviation upwards is cut at
    /// three of its own size and six uses, so that one burst does not blind the detector for days.
    pub fn learn(&mut self, sums: &Sums, bucket: u32, width: u32, level_variance: f64) {
        for index in lengths(width) {
            let len = buckets(WINDOWS[index], width);
            let sum = sums.0[index];
            if (u64::from(bucket) + 1) % u64::from(len) != 0 || sum.heard * 2 < len {
                continue;
            }
            let dispersion = &mut self.dispersions[index];
            let expected = sum.expected;
            let variance =
                expected + dispersion.total(expected, level_variance) * expected * expected;
            let deviation = (sum.observed as f64 - expected).min(3.0 * variance.sqrt() + 6.0);
            dispersion.learn(deviation, expected, keep(f64::from(len * width), HALF_LIFE));
        }
    }

    /// Learns `silent` empty buckets of which `rate` uses a minute were expected, in closed form.
    pub fn learn_silence(&mut self, rate: f64, width: u32, silent: f64) {
        for index in lengths(width) {
            let len = buckets(WINDOWS[index], width);
            let minutes = f64::from(len * width);
            let expected = rate * minutes;
            self.dispersions[index].learn_times(
                -expected,
                expected,
                keep(minutes, HALF_LIFE),
                silent / f64::from(len),
            );
        }
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        for mut dispersion in self.dispersions {
            dispersion.parts().iter().for_each(|part| out.f32(part.0));
        }
    }

    pub(super) fn decode(bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut scan = Self::default();
        for part in scan.dispersions.iter_mut().flat_map(Dispersion::parts) {
            *part = Decayed(bytes.f32()?);
        }
        Ok(scan)
    }
}

/// The buckets of `width` minutes nearest to `minutes`, at least one.
pub fn buckets(minutes: u32, width: u32) -> u32 {
    ((minutes + width / 2) / width).max(1)
}

/// The windows that differ at this width: with wide buckets the short ones are the same bucket.
fn lengths(width: u32) -> impl Iterator<Item = usize> {
    (0..WINDOWS.len()).filter(move |&index| {
        index == 0 || buckets(WINDOWS[index], width) != buckets(WINDOWS[index - 1], width)
    })
}
