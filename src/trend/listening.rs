//! Whether a silent archive was silent or deaf.
//!
//! An archive does not say when its collector was connected. A run of empty minutes is taken for a gap where silence
//! is improbable at the feed's own recent rate: five empty minutes in a stream of forty posts a minute are a gap,
//! seventeen quiet minutes of a rare hashtag's archive are not. Takes the posts of each heard minute, in order; answers
//! for runs of silence. A feed that knows when it was connected does not need this.

use std::collections::VecDeque;

/// Silence less probable than this is a gap (`design.md` section 3).
const SILENCE_PROBABILITY_MIN: f64 = 1e-6;
/// Minutes that the recent rate is taken over. Two spans, and the likelier answer wins: so neither a burst that has
/// just ended nor a lull before it passes for the feed's rate.
const SPANS_MINUTES: [usize; 2] = [15, 60];
/// Below this many heard minutes nothing is known about the rate, and silence is believed.
const HEARD_MINUTES_MIN: usize = 5;

/// The recent rate of one feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listening {
    /// Posts a minute, of the last heard minutes, oldest first; quiet minutes that were believed are zeros.
    posts: VecDeque<u32>,
}

impl Listening {
    /// Takes the next heard minute.
    pub fn hear(&mut self, posts: u32) {
        if self.posts.len() == SPANS_MINUTES[1] {
            self.posts.pop_front();
        }
        self.posts.push_back(posts);
    }

    /// Takes `minutes` of believed silence.
    pub fn hear_silence(&mut self, minutes: u32) {
        let kept = usize::try_from(minutes)
            .map_or(SPANS_MINUTES[1], |minutes| minutes.min(SPANS_MINUTES[1]));
        (0..kept).for_each(|_| self.hear(0));
    }

    /// Whether `minutes` without a post are improbable.
    ///
    /// With `k` posts in the last `t` minutes and a Jeffreys prior on the rate, the chance of none in the next `n` is
    /// `(t / (t + n))^(k + 1/2)` (Gamma-Poisson predictive: Gelman et al., Bayesian Data Analysis, 3rd ed., 2.6).
    pub fn is_gap(&self, minutes: u32) -> bool {
        if self.posts.len() < HEARD_MINUTES_MIN {
            return false;
        }
        let silence = f64::from(minutes);
        let likeliest = SPANS_MINUTES
            .iter()
            .map(|&span| {
                let heard = span.min(self.posts.len());
                let posts: u64 = self
                    .posts
                    .iter()
                    .rev()
                    .take(heard)
                    .map(|&n| u64::from(n))
                    .sum();
                let heard = heard as f64;
                (heard / (heard + silence)).powf(posts as f64 + 0.5)
            })
            .fold(0.0, f64::max);
        likeliest < SILENCE_PROBABILITY_MIN
    }

    /// Posts a minute over the last heard minutes: the weight of this feed beside others.
    pub fn posts_per_minute(&self) -> f64 {
        let posts: u64 = self.posts.iter().map(|&n| u64::from(n)).sum();
        posts as f64 / self.posts.len().max(1) as f64
    }

    /// The counts it rests on, oldest first: what the store keeps.
    pub fn counts(&self) -> impl Iterator<Item = u32> + '_ {
        self.posts.iter().copied()
    }
}

impl FromIterator<u32> for Listening {
    fn from_iter<I: IntoIterator<Item = u32>>(counts: I) -> Self {
        let mut listening = Self::default();
        counts.into_iter().for_each(|posts| listening.hear(posts));
        listening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(posts_per_minute: u32) -> Listening {
        std::iter::repeat_n(posts_per_minute, 60).collect()
    }

    #[test]
    fn five_empty_minutes_in_forty_posts_a_minute_are_a_gap() {
        assert!(at(40).is_gap(5));
    }

    #[test]
    fn seventeen_quiet_minutes_of_a_rare_archive_are_not() {
        let rare: Listening = (0..60).map(|minute| u32::from(minute % 4 == 0)).collect();
        assert!(!rare.is_gap(17));
    }

    #[test]
    fn quiet_after_a_burst_is_believed() {
        let mut after_burst = at(0);
        (0..10).for_each(|_| after_burst.hear(5));
        after_burst.hear_silence(5);
        assert!(!after_burst.is_gap(6));
    }

    #[test]
    fn an_unknown_rate_makes_no_gap() {
        let new: Listening = [500, 500].into_iter().collect();
        assert!(!new.is_gap(1_000));
    }
}
