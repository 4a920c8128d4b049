//! What is remembered of one hashtag: a short list while it is rare, a detector once it is not.
//!
//! Most hashtags are used a handful of times and never again. A detector for each would cost memory without ever
//! being asked, so a rare hashtag keeps only the minutes it was used in; the detector is a function of that very
//! sequence, so building it later gives what it would have been. It is built before an alarm is possible.

use super::coverage::Coverage;
use super::detector::{DecodeError, Detector, Reading};
use super::settings::Settings;
use crate::time::Minute;

/// Uses kept as a list before the list costs as much as a detector.
const LIST_MINUTES_MAX: usize = 48;
/// Width of a live bucket.
const WIDTH_MINUTES: u32 = 1;
/// The longest window of the detector: what a list must not miss (`detection.md` section 4.2).
const WINDOW_MINUTES_MAX: u32 = 60;

/// The memory of one hashtag.
#[derive(Debug, Clone)]
pub enum Track {
    /// Minute and fresh authors of each use so far.
    Rare(Vec<(Minute, u32)>),
    /// Everything else is in the detector.
    Watched(Box<Detector>),
}

impl Default for Track {
    fn default() -> Self {
        Self::Rare(Vec::new())
    }
}

impl Track {
    /// Takes the fresh authors of a settled minute, later than every one before it.
    pub fn observe(
        &mut self,
        minute: Minute,
        fresh: u32,
        coverage: &Coverage,
        settings: &Settings,
        out: &mut impl FnMut(Reading),
    ) {
        if let Self::Rare(uses) = self {
            uses.push((minute, fresh));
            if !is_worth_watching(uses, settings) {
                return;
            }
            let mut detector = Detector::new(WIDTH_MINUTES, coverage.start());
            let (past, now) = uses.split_at(uses.len() - 1);
            for &(minute, fresh) in past {
                detector.observe(minute.0, fresh, coverage, settings, &mut |_| ());
            }
            for &(minute, fresh) in now {
                detector.observe(minute.0, fresh, coverage, settings, out);
            }
            *self = Self::Watched(Box::new(detector));
        } else if let Self::Watched(detector) = self {
            detector.observe(minute.0, fresh, coverage, settings, out);
        }
    }

    /// Lets the minutes before `until` pass without a use; only a wakeful detector needs to be told.
    pub fn catch_up(
        &mut self,
        until: Minute,
        coverage: &Coverage,
        settings: &Settings,
        out: &mut impl FnMut(Reading),
    ) {
        if let Self::Watched(detector) = self {
            detector.catch_up(until.0, coverage, settings, out);
        }
    }

    /// Whether time passing without a use can still change anything.
    pub fn is_idle(&self) -> bool {
        match self {
            Self::Rare(_) => true,
            Self::Watched(detector) => detector.is_idle(),
        }
    }

    /// For the store.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Rare(uses) => {
                let mut bytes = vec![TAG_RARE];
                for (minute, fresh) in uses {
                    bytes.extend_from_slice(&minute.0.to_le_bytes());
                    bytes.extend_from_slice(&fresh.to_le_bytes());
                }
                bytes
            }
            Self::Watched(detector) => [vec![TAG_WATCHED], detector.encode()].concat(),
        }
    }

    /// From what [`Track::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&TAG_RARE, uses)) if uses.len() % 8 == 0 => {
                let number = |bytes: &[u8]| {
                    u32::from_le_bytes(bytes.try_into().expect("chunks of eight halve into fours"))
                };
                Ok(Self::Rare(
                    uses.chunks_exact(8)
                        .map(|use_| (Minute(number(&use_[..4])), number(&use_[4..])))
                        .collect(),
                ))
            }
            Some((&TAG_WATCHED, state)) => Ok(Self::Watched(Box::new(Detector::decode(state)?))),
            Some((&other, _)) => Err(DecodeError::Version(other)),
            None => Err(DecodeError::Short),
        }
    }
}

const TAG_RARE: u8 = 0;
const TAG_WATCHED: u8 = 1;

/// Whether a list of uses is long, or busy enough for an alarm to come near: half of what an alarm needs.
fn is_worth_watching(uses: &[(Minute, u32)], settings: &Settings) -> bool {
    if uses.len() > LIST_MINUTES_MAX {
        return true;
    }
    let since = uses[uses.len() - 1].0.minus(WINDOW_MINUTES_MAX);
    let fresh: u64 = uses
        .iter()
        .rev()
        .take_while(|(minute, _)| *minute > since)
        .map(|&(_, fresh)| u64::from(fresh))
        .sum();
    fresh * 2 >= u64::from(settings.posts_min)
}
