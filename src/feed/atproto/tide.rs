//! How far a stream was heard, from the times that its latest events claim.
//!
//! A relay passes on what the clocks of its servers say, so the newest time is that of the worst clock. The third
//! newest of the last few is believed: two wrong clocks among them do no harm, and one that is right is a moment behind.

use std::collections::VecDeque;

use crate::time::Timestamp;

/// Events that are looked at.
const EVENTS: usize = 11;
/// How many of them may claim too much.
const WRONG_MAX: usize = 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tide {
    latest: VecDeque<Timestamp>,
}

impl Tide {
    /// Takes the time of the next event.
    pub(super) fn take(&mut self, at: Timestamp) {
        if self.latest.len() == EVENTS {
            self.latest.pop_front();
        }
        self.latest.push_back(at);
    }

    /// How far it was heard; none while too few events have come to tell.
    pub(super) fn reaches(&self) -> Option<Timestamp> {
        let mut newest_last: Vec<Timestamp> = self.latest.iter().copied().collect();
        newest_last.sort_unstable();
        newest_last.iter().rev().nth(WRONG_MAX).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: impl IntoIterator<Item = i64>) -> Option<i64> {
        let mut tide = Tide::default();
        for second in seconds {
            tide.take(Timestamp::from_millis(second * 1_000).expect("a time"));
        }
        Some(tide.reaches()?.as_millis() / 1_000)
    }

    #[test]
    fn two_events_tell_nothing() {
        assert_eq!(after([]), None);
        assert_eq!(after([5, 6]), None);
        assert_eq!(after([5, 6, 7]), Some(5));
    }

    #[test]
    fn two_clocks_that_are_ahead_and_any_that_are_behind_do_no_harm() {
        assert_eq!(after(1..=50), Some(48));
        assert_eq!(after((1..=50).chain([9_000, 9_000, 51])), Some(51));
        assert_eq!(after((1..=50).chain([3, 0, 2, 51])), Some(49));
    }

    #[test]
    fn a_clock_that_was_wrong_is_forgotten() {
        assert_eq!(
            after([9_000, 9_000, 9_000].into_iter().chain(1..=11)),
            Some(9)
        );
    }
}
