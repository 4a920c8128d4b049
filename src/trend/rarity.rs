//! How rare a burst is for this hashtag, over weeks.
//!
//! The ten-minute rate against its own mean and deviation over weeks: it ranks spikes, and from 7 on a burst is
//! major. Means are plain for the first three weeks, so that the early ones are not led by their first minutes.

use super::bytes::{DecodeError, Reader, Writer};
use super::decay::narrow;

/// The memory of mean and deviation, minutes: the mean age of what it holds when half is left after a fortnight.
const MEMORY: f64 = 14.0 * 1440.0 / std::f64::consts::LN_2;
/// Heard minutes before there is a value.
const WARM_MINUTES: f64 = 250.0;
/// Deviations above the mean at which an input is cut.
const CUT: f64 = 20.0;
/// Added to the deviation, uses a minute: a hashtag of one use in three hours is not infinitely rare.
const DEVIATION_MIN: f64 = 0.005;

/// Mean and variance of the ten-minute rate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rarity {
    minutes: f32,
    mean: f32,
    variance: f32,
}

impl Rarity {
    /// How many deviations `rate` (uses a minute) lies above the mean; 0 while too little was heard.
    pub fn of(&self, rate: f64) -> f64 {
        if f64::from(self.minutes) < WARM_MINUTES {
            return 0.0;
        }
        (rate - f64::from(self.mean)) / (f64::from(self.variance).sqrt() + DEVIATION_MIN)
    }

    /// Learns the rate at the end of a bucket of `width` minutes.
    pub fn learn(&mut self, rate: f64, width: f64) {
        let (mean, variance) = (f64::from(self.mean), f64::from(self.variance));
        let cut = if f64::from(self.minutes) < WARM_MINUTES {
            rate
        } else {
            rate.min(mean + CUT * (variance.sqrt() + DEVIATION_MIN))
        };
        let weight = (width / (f64::from(self.minutes) + width)).max(width / MEMORY);
        let step = cut - mean;
        self.mean = narrow(mean + weight * step);
        self.variance = narrow((1.0 - weight) * (variance + weight * step * step));
        self.minutes = narrow((f64::from(self.minutes) + width).min(MEMORY));
    }

    /// Learns `times` buckets of `width` minutes at rate 0, in closed form: both moments fade alike.
    pub fn learn_silence(&mut self, width: f64, times: f64) {
        let minutes = f64::from(self.minutes);
        let plain = times.min(((MEMORY - minutes) / width).max(0.0));
        let seen = minutes + plain * width;
        let left = if seen > 0.0 { minutes / seen } else { 1.0 }
            * (1.0 - width / MEMORY).powf(times - plain);
        let (mean, variance) = (f64::from(self.mean), f64::from(self.variance));
        let square = variance + mean * mean;
        self.mean = narrow(left * mean);
        self.variance = narrow(left * square - left * left * mean * mean);
        self.minutes = narrow(seen);
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        for value in [self.minutes, self.mean, self.variance] {
            out.f32(value);
        }
    }

    pub(super) fn decode(bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (minutes, mean, variance) = (bytes.f32()?, bytes.f32()?, bytes.f32()?);
        if minutes < 0.0 || variance < 0.0 {
            return Err(DecodeError::Invalid("rarity"));
        }
        Ok(Self {
            minutes,
            mean,
            variance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rates: impl IntoIterator<Item = f64>) -> Rarity {
        let mut rarity = Rarity::default();
        rates.into_iter().for_each(|rate| rarity.learn(rate, 5.0));
        rarity
    }

    #[test]
    fn there_is_no_value_before_250_minutes() {
        assert!(after([1.0; 49]).of(100.0).abs() < f64::EPSILON);
        assert!(after([1.0; 50]).of(100.0) > 1_000.0);
    }

    #[test]
    fn the_early_mean_and_deviation_are_the_plain_ones() {
        // Mean 2 and deviation 1, so that 7 lies five deviations above.
        let rarity = after((0..1_000).map(|index| if index % 2 == 0 { 1.0 } else { 3.0 }));
        assert!(
            (rarity.of(7.0) - 5.0 / 1.005).abs() < 0.01,
            "{}",
            rarity.of(7.0)
        );
    }

    #[test]
    fn one_flood_moves_the_mean_by_its_cut_alone() {
        let mut rarity = after((0..1_000).map(|index| if index % 2 == 0 { 1.0 } else { 3.0 }));
        rarity.learn(1e9, 5.0);
        assert!(rarity.of(7.0) > 3.0, "{}", rarity.of(7.0));
    }

    #[test]
    fn silence_in_closed_form_is_silence_step_by_step() {
        for before in [100, 7_000] {
            let mut slow = after((0..before).map(|index| f64::from(index % 3)));
            let mut fast = slow.clone();
            (0..3_000).for_each(|_| slow.learn(0.0, 5.0));
            fast.learn_silence(5.0, 3_000.0);
            assert!(
                (slow.of(2.0) / fast.of(2.0) - 1.0).abs() < 1e-3,
                "{slow:?} {fast:?}"
            );
        }
    }
}
