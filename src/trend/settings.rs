//! The three knobs of the detector. Stricter sensitivity or more fresh authors never let the first alarm of a series come
//! earlier (`detector.rs`, `a_stricter_knob_never_alarms_earlier`); neither does a higher threshold, but for hashtags so
//! bursty that the closed form of the tail bends: `docs/detector.md`. Nothing else needs to be exposed.

/// When a hashtag is flagged.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Growth (observed / expected) from which a spike begins, and twice the growth that chance is tested against.
    pub spike_threshold: f64,
    /// How improbable the count has to be.
    pub sensitivity: Sensitivity,
    /// Fresh authors that a window must hold at least.
    pub posts_min: u32,
}

impl Default for Settings {
    /// Growth 3, normal sensitivity, 10 fresh authors: 0.76 false alarms in 1000 hashtag-days on the prototype's
    /// held-back series.
    fn default() -> Self {
        Self {
            spike_threshold: 3.0,
            sensitivity: Sensitivity::Normal,
            posts_min: 10,
        }
    }
}

/// How improbable a count has to be before it is an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Sensitivity {
    /// z of 5: about a quarter of the false alarms of `Normal`, later alarms.
    Low,
    /// z of 4.
    #[default]
    Normal,
    /// z of 3.5: about three times the false alarms of `Normal`.
    High,
}

impl Sensitivity {
    /// The score from which a candidate is an alarm.
    pub fn score_min(self) -> f64 {
        match self {
            Self::Low => 5.0,
            Self::Normal => 4.0,
            Self::High => 3.5,
        }
    }
}
