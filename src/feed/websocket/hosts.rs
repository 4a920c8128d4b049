//! Which host to try next, and when.
//!
//! Takes setbacks and gives the next time to try, with the host that is then current. The pause grows from one second
//! to a minute with full jitter (Brooker, "Exponential Backoff and Jitter", 2015), so that many readers that were cut
//! off together do not come back together; a connection that has delivered for a minute ends the growth. After two
//! failures the next host has its turn. A host that says how long to wait is left alone for as long, and one that
//! refuses is tried rarely; the others are not held up by either. It has no clock and no dice: both are handed in.

use std::time::Duration;

use crate::time::Timestamp;

/// The first pause is drawn from up to this.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// No pause is drawn from more than this.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// No pause is shorter, whatever is drawn: operators block whoever knocks without one.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// A connection that has delivered for so long was a good one.
const GOOD_AFTER: Duration = Duration::from_mins(1);
/// A host that refuses us is tried again after this.
const REFUSED_PAUSE: Duration = Duration::from_mins(10);
/// Failures in a row after which the next host has its turn.
const FAILURES_MAX: u32 = 2;

/// Why a connection is no more, as far as the next try is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// It broke, or was never made.
    Failed,
    /// The host says to come back after a time.
    Told(Duration),
    /// The host does not want us.
    Refused,
}

/// When to try again. The host to try is then [`Hosts::current`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Not before this.
    pub at: Timestamp,
    /// That host has refused us the last time, and so have all others that could be tried earlier.
    pub refused: bool,
}

/// Hosts that serve the same stream, at least one.
#[derive(Debug)]
pub struct Hosts {
    ring: Vec<Host>,
    current: usize,
    setbacks_in_a_row: u32,
}

#[derive(Debug)]
struct Host {
    name: String,
    failures_in_a_row: u32,
    not_before: Timestamp,
    refused: bool,
}

impl Hosts {
    /// In order of preference; none if there is no name.
    pub fn new(names: impl IntoIterator<Item = String>) -> Option<Self> {
        let ring: Vec<Host> = names
            .into_iter()
            .map(|name| Host {
                name,
                failures_in_a_row: 0,
                not_before: Timestamp::FIRST,
                refused: false,
            })
            .collect();
        (!ring.is_empty()).then_some(Self {
            ring,
            current: 0,
            setbacks_in_a_row: 0,
        })
    }

    /// Makes the host of that name the current one, if it is among them.
    pub fn prefer(&mut self, name: &str) {
        if let Some(at) = self.ring.iter().position(|host| host.name == name) {
            self.current = at;
        }
    }

    /// The host to talk to.
    pub fn current(&self) -> &str {
        &self.ring[self.current].name
    }

    /// The current host has delivered for this long.
    pub fn delivered(&mut self, duration: Duration) {
        if duration >= GOOD_AFTER {
            self.setbacks_in_a_row = 0;
            self.ring[self.current].failures_in_a_row = 0;
        }
    }

    /// When to try again after a setback of the current host. `draw` is a random number from 0 to 1.
    pub fn after(&mut self, setback: Setback, now: Timestamp, draw: f64) -> Next {
        let earliest = later(now, self.next_pause(draw));
        self.blame_current(setback, now);
        let wait = |host: &Host| host.not_before.max(earliest);
        let turns = (0..self.ring.len()).map(|step| (self.current + step) % self.ring.len());
        self.current = turns
            .min_by_key(|&at| wait(&self.ring[at]))
            .expect("there is at least one host");
        let host = &self.ring[self.current];
        Next {
            at: wait(host),
            refused: host.refused,
        }
    }

    fn next_pause(&mut self, draw: f64) -> Duration {
        let doublings = self.setbacks_in_a_row.min(PAUSE_MAX.as_secs().ilog2() + 1);
        self.setbacks_in_a_row += 1;
        let ceiling = PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX);
        ceiling.mul_f64(draw.clamp(0.0, 1.0)).max(PAUSE_MIN)
    }

    /// Remembers the setback, and gives the turn to the next host where that is due.
    fn blame_current(&mut self, setback: Setback, now: Timestamp) {
        let host = &mut self.ring[self.current];
        host.refused = setback == Setback::Refused;
        host.failures_in_a_row += 1;
        match setback {
            Setback::Failed if host.failures_in_a_row < FAILURES_MAX => return,
            Setback::Failed => {}
            Setback::Told(wait) => host.not_before = later(now, wait),
            Setback::Refused => host.not_before = later(now, REFUSED_PAUSE),
        }
        host.failures_in_a_row = 0;
        self.current = (self.current + 1) % self.ring.len();
    }
}

/// The instant `wait` after `now`, or the last one there is.
fn later(now: Timestamp, wait: Duration) -> Timestamp {
    i64::try_from(wait.as_millis())
        .ok()
        .and_then(|millis| now.as_millis().checked_add(millis))
        .and_then(|millis| Timestamp::from_millis(millis).ok())
        .unwrap_or(Timestamp::LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::new(names.iter().map(|&name| name.to_owned())).expect("names")
    }

    fn second(number: i64) -> Timestamp {
        Timestamp::from_millis(number * 1_000).expect("a time")
    }

    fn waits(hosts: &mut Hosts, setback: Setback, times: usize) -> Vec<i64> {
        let pauses = (0..times).map(|_| hosts.after(setback, second(0), 1.0).at.as_millis());
        pauses.collect()
    }

    #[test]
    fn the_pause_doubles_from_a_second_to_a_minute_and_stays_there() {
        let mut hosts = hosts(&["a"]);
        assert_eq!(
            waits(&mut hosts, Setback::Failed, 8),
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        );
    }

    #[test]
    fn only_a_minute_of_delivery_ends_the_growth() {
        let mut hosts = hosts(&["a"]);
        waits(&mut hosts, Setback::Failed, 3);
        hosts.delivered(Duration::from_secs(59));
        assert_eq!(waits(&mut hosts, Setback::Failed, 1), [8_000]);
        hosts.delivered(Duration::from_mins(1));
        assert_eq!(waits(&mut hosts, Setback::Failed, 1), [1_000]);
    }

    #[test]
    fn the_dice_choose_within_the_pause_but_never_none_at_all() {
        let pause = |draw| hosts(&["a"]).after(Setback::Failed, second(0), draw).at;
        assert_eq!(pause(0.5).as_millis(), 500);
        assert_eq!(pause(0.0).as_millis(), 100);
        assert_eq!(pause(f64::INFINITY).as_millis(), 1_000);
    }

    #[test]
    fn after_two_failures_the_next_host_has_its_turn_and_then_the_first_again() {
        let mut hosts = hosts(&["a", "b"]);
        let mut turns = Vec::new();
        for _ in 0..5 {
            turns.push(hosts.current().to_owned());
            hosts.after(Setback::Failed, second(0), 1.0);
        }
        assert_eq!(turns, ["a", "a", "b", "b", "a"]);
    }

    #[test]
    fn a_host_that_says_when_is_left_alone_till_then_and_another_is_asked_meanwhile() {
        let mut hosts = hosts(&["a", "b"]);
        let told = Setback::Told(Duration::from_hours(1));
        hosts.after(told, second(0), 1.0);
        for at in 1..20 {
            assert_eq!(hosts.current(), "b");
            hosts.after(Setback::Failed, second(at * 60), 1.0);
        }
        let next = hosts.after(told, second(1_800), 1.0);
        assert_eq!((hosts.current(), next.at), ("a", second(3_600)));
    }

    #[test]
    fn a_time_to_wait_of_nothing_is_still_a_pause() {
        let next = hosts(&["a"]).after(Setback::Told(Duration::ZERO), second(0), 1.0);
        assert_eq!(next.at, second(1));
    }

    #[test]
    fn it_counts_as_refused_only_when_every_host_refuses() {
        let mut hosts = hosts(&["a", "b"]);
        assert!(!hosts.after(Setback::Refused, second(0), 1.0).refused);
        let next = hosts.after(Setback::Refused, second(1), 1.0);
        assert_eq!(next.at, second(600));
        assert!(next.refused);
        assert_eq!(hosts.current(), "a");
        assert!(!hosts.after(Setback::Failed, second(600), 1.0).refused);
    }
}
