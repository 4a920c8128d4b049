//! What this hour showed last week and on the last two days: the memory that keeps #goodmorning and the weekly
//! match from being news.
//!
//! Kept only for a hashtag that has ever alarmed: the highest ten-minute rate of each of the last 172 hours, a byte
//! each, on a logarithmic scale of twelve steps an octave (6 %).

use super::bytes::{DecodeError, Reader, Writer};

/// Hours kept: a week, the hour beside it, and the current one, rounded up.
const LEN: u32 = 172;
/// The hours of a week and of a day.
const WEEK: u32 = 168;
const DAY: u32 = 24;
/// The least rate that is remembered, uses a minute.
const RATE_MIN: f64 = 0.05;
/// Steps an octave of rate.
const STEPS: f64 = 12.0;
/// A rate is nothing new below so many times what is remembered.
const NEWS_FACTOR: f64 = 1.5;

/// The highest ten-minute rates by hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Recurring {
    /// The newest hour, counted from the Unix epoch.
    hour: u32,
    peaks: [u8; LEN as usize],
}

impl Recurring {
    /// Nothing remembered; `hour` is counted from the Unix epoch.
    pub fn since(hour: u32) -> Self {
        Self {
            hour,
            peaks: [0; LEN as usize],
        }
    }

    /// Remembers `rate` (uses a minute) for `hour`; the hours that were skipped showed nothing.
    pub fn note(&mut self, hour: u32, rate: f64) {
        for skipped in (self.hour..hour).take(LEN as usize) {
            // Of a long silence, every slot is cleared once, whichever hours it stood for.
            self.peaks[slot(skipped + 1)] = 0;
        }
        self.hour = hour;
        let peak = &mut self.peaks[slot(hour)];
        *peak = (*peak).max(code(rate));
    }

    /// Whether `rate` at `hour` is below one and a half of what this hour (or one beside it) showed last week, or on
    /// both last days.
    pub fn expects(&self, hour: u32, rate: f64) -> bool {
        let around = |back: u32| {
            let centre = hour.saturating_sub(back);
            (centre.saturating_sub(1)..=centre + 1)
                .map(|hour| self.peak(hour))
                .max()
                .unwrap_or(0)
        };
        let known = around(WEEK).max(around(DAY).min(around(2 * DAY)));
        known > 0 && rate < NEWS_FACTOR * decoded(known)
    }

    fn peak(&self, hour: u32) -> u8 {
        if hour <= self.hour && self.hour - hour < LEN {
            self.peaks[slot(hour)]
        } else {
            0
        }
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.u32(self.hour);
        out.0.extend(self.peaks);
    }

    pub(super) fn decode(bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            hour: bytes.u32()?,
            peaks: bytes.array()?,
        })
    }
}

fn slot(hour: u32) -> usize {
    (hour % LEN) as usize
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the scale is clamped to a byte"
)]
fn code(rate: f64) -> u8 {
    if rate < RATE_MIN {
        return 0;
    }
    (1.0 + STEPS * (rate / RATE_MIN).log2())
        .round()
        .clamp(1.0, 255.0) as u8
}

fn decoded(code: u8) -> f64 {
    RATE_MIN * ((f64::from(code) - 1.0) / STEPS).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers `rate` at hour 1000.
    fn memory(rate: f64) -> Recurring {
        let mut memory = Recurring::since(990);
        memory.note(1_000, rate);
        memory
    }

    #[test]
    fn last_week_is_enough_and_so_are_the_hours_beside_it() {
        let mut memory = memory(40.0);
        memory.note(1_000 + WEEK + 1, 1.0);
        for hour in [WEEK - 1, WEEK, WEEK + 1] {
            assert!(memory.expects(1_000 + hour, 50.0), "{hour}");
        }
        assert!(!memory.expects(1_000 + WEEK - 2, 50.0));
        assert!(!memory.expects(1_000 + WEEK, 70.0));
    }

    #[test]
    fn one_day_is_not_enough_but_two_are() {
        let mut memory = memory(40.0);
        memory.note(1_000 + DAY, 40.0);
        assert!(!memory.expects(1_000 + DAY, 30.0));
        memory.note(1_000 + 2 * DAY, 1.0);
        assert!(memory.expects(1_000 + 2 * DAY, 30.0));
    }

    #[test]
    fn a_long_silence_forgets_everything() {
        let mut memory = memory(40.0);
        memory.note(1_000 + 10 * WEEK, 0.0);
        assert_eq!(memory.peaks, [0; LEN as usize]);
    }

    #[test]
    fn a_remembered_rate_is_off_by_six_percent_at_most() {
        for rate in [0.05, 0.3, 7.0, 1_234.0, 90_000.0] {
            assert!((decoded(code(rate)) / rate - 1.0).abs() < 0.06, "{rate}");
        }
        assert_eq!(code(0.0), 0);
    }
}
