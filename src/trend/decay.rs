//! Sums that forget: every step multiplies what was there and adds what is new.
//!
//! Kept as `f32`, since a detector holds some eighty of them; computed as `f64`. [`Decayed::add_times`] is the closed
//! form of many equal steps, so that a hashtag that nobody uses need not be touched.

/// The share of a sum that `minutes` leave over, with a half-life in minutes: `2^(-minutes / half_life)`.
pub fn keep(minutes: f64, half_life: f64) -> f64 {
    (-minutes / half_life).exp2()
}

/// A sum that forgets.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Decayed(pub f32);

impl Decayed {
    /// What is left of everything added.
    pub fn get(self) -> f64 {
        f64::from(self.0)
    }

    /// Replaces the sum.
    pub fn set(&mut self, value: f64) {
        self.0 = narrow(value);
    }

    /// One step: keeps the share `keep` of the sum and adds `value`.
    pub fn add(&mut self, keep: f64, value: f64) {
        self.set(self.get() * keep + value);
    }

    /// `times` equal steps at once, by the geometric sum `s k^n + v (1 - k^n) / (1 - k)`; `keep` below 1.
    pub fn add_times(&mut self, keep: f64, value: f64, times: f64) {
        let left = keep.powf(times);
        self.set(self.get() * left + value * (1.0 - left) / (1.0 - keep));
    }
}

/// To the nearest `f32`; what is larger becomes its largest.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the loss of digits is meant and the range is clamped"
)]
pub fn narrow(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_steps_at_once_are_the_steps_one_by_one() {
        let keep = keep(1.0, 90.0);
        let (mut slow, mut fast) = (Decayed(7.0), Decayed(7.0));
        for _ in 0..500 {
            slow.add(keep, 0.25);
        }
        fast.add_times(keep, 0.25, 500.0);
        assert!(
            (slow.get() / fast.get() - 1.0).abs() < 1e-4,
            "{slow:?} {fast:?}"
        );
    }

    #[test]
    fn half_is_left_after_the_half_life() {
        assert!((keep(90.0, 90.0) - 0.5).abs() < 1e-12);
    }
}
