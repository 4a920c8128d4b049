//! A spike: a stretch in which a hashtag's growth stays above the threshold.
//!
//! What the detector says at the alarm is kept as it was said; what only the end shows (peak, end, maxima) is filled
//! in as the readings come. Who reads spikes with uses, authors and a service beside them asks `view/`.

use super::detector::{Alarm, Change, Reading};
use super::mention::HashtagId;
use crate::time::Minute;

/// A spike of one hashtag.
#[derive(Debug, Clone, PartialEq)]
pub struct Spike {
    /// Of which hashtag.
    pub hashtag: HashtagId,
    /// The minute whose close raised it: with the hashtag, its identity.
    pub flagged: Minute,
    /// What the alarm rested on, the estimate of the onset among it.
    pub alarm: Alarm,
    /// The growth it had to exceed.
    pub threshold: f64,
    /// Greatest growth so far.
    pub growth_max: f64,
    /// Greatest score so far.
    pub score_max: f64,
    /// The last minute of the busiest stretch, once it is over.
    pub peak: Option<Minute>,
    /// The first minute after it, once it is over.
    pub end: Option<Minute>,
    /// Not yet certain: rests on minutes that late posts may still change.
    pub provisional: bool,
}

impl Spike {
    /// The spike that `reading` opens, if it does.
    pub fn opened(hashtag: HashtagId, reading: &Reading, threshold: f64) -> Option<Self> {
        let Some(Change::Opened(alarm)) = &reading.change else {
            return None;
        };
        Some(Self {
            hashtag,
            flagged: Minute(reading.bucket),
            alarm: alarm.clone(),
            threshold,
            growth_max: alarm.growth,
            score_max: alarm.score,
            peak: None,
            end: None,
            provisional: false,
        })
    }

    /// Takes the next reading of its hashtag; true when it changed the spike.
    pub fn follow(&mut self, reading: &Reading) -> bool {
        let before = (self.growth_max, self.score_max, self.end);
        if reading.onset.is_some() {
            self.growth_max = self.growth_max.max(reading.growth);
            self.score_max = self.score_max.max(reading.score);
        }
        if let Some(Change::Closed(ended)) = &reading.change {
            self.peak = Some(Minute(ended.peak));
            // A restoration is estimated looking back; a spike lasts at least until it was seen.
            self.end = Some(Minute(ended.end).max(self.flagged.next()));
        }
        before != (self.growth_max, self.score_max, self.end)
    }

    /// The minute it began in, as estimated at the alarm.
    pub fn onset(&self) -> Minute {
        Minute(self.alarm.onset)
    }
}
