//! How long to wait: as the server says, or longer each time that it fails.
//!
//! A server that is asked too often says when it wants to be asked again, in one of several ways; that is obeyed to
//! the second, up to an hour. Where nothing was said, waits double from a second to a minute, each drawn at random up
//! to its ceiling, so that many clients of one server do not return together ("full jitter").

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use reqwest::Url;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::clock;
use crate::time::Timestamp;

/// No server is obeyed for longer: a typing error there would silence a feed for years.
const TOLD_MAX: Duration = Duration::from_hours(1);
/// A server that says "too many requests" and no more: the shortest time after which limits are usually lifted.
const TOLD_NOTHING: Duration = Duration::from_mins(1);
/// A reset below this is a number of seconds from now (the `RateLimit` drafts), above it a Unix time.
const UNIX_SECONDS_FROM: u64 = 1_000_000_000;
/// Waits double from here.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);
/// To here.
const BACK_OFF_MAX: Duration = Duration::from_mins(1);
/// Hosts whose turns are remembered; beyond, those whose turn has passed are forgotten.
const HOSTS_MAX: usize = 1_024;

/// `length` after `at`, or the last instant there is.
pub(crate) fn after(at: Timestamp, length: Duration) -> Timestamp {
    let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.as_millis().saturating_add(length_ms)).unwrap_or(Timestamp::LAST)
}

/// `length` before `at`, or the first instant there is.
pub(crate) fn before(at: Timestamp, length: Duration) -> Timestamp {
    let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.as_millis().saturating_sub(length_ms)).unwrap_or(Timestamp::FIRST)
}

/// From `now` until `until`; nothing if that has passed.
pub(crate) fn until(until: Timestamp, now: Timestamp) -> Duration {
    let millis = until.as_millis().saturating_sub(now.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// When the headers of a 429 or 503 ask to be called again; none if they say nothing.
pub(crate) fn told(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let told = text(RETRY_AFTER.as_str())
        .and_then(|text| retry_after(text, now))
        .or_else(|| text("x-ratelimit-reset").and_then(|text| reset(text, now)))
        .or_else(|| text("ratelimit-reset").and_then(|text| reset(text, now)))?;
    Some(told.clamp(after(now, BACK_OFF_MIN), after(now, TOLD_MAX)))
}

/// When to call again after a 429 that says nothing.
pub(super) fn told_nothing(now: Timestamp) -> Timestamp {
    after(now, TOLD_NOTHING)
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or an HTTP date.
fn retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(seconds) = digits(text) {
        return Some(after(now, Duration::from_secs(seconds)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
    Some(after(Timestamp::FIRST, since_epoch))
}

/// `X-RateLimit-Reset`: an ISO 8601 time on Mastodon, Unix seconds elsewhere, seconds from now in the newest drafts.
fn reset(text: &str, now: Timestamp) -> Option<Timestamp> {
    match digits(text) {
        Some(seconds) if seconds < UNIX_SECONDS_FROM => {
            Some(after(now, Duration::from_secs(seconds)))
        }
        Some(seconds) => Some(after(Timestamp::FIRST, Duration::from_secs(seconds))),
        None => text.parse().ok(),
    }
}

/// A number written in digits alone; one too large for 64 bits is the largest.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Waits that double.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// The wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let ceiling = BACK_OFF_MIN
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(BACK_OFF_MAX);
        // Never without a pause: relays and servers block what loops.
        BACK_OFF_MIN + ceiling.saturating_sub(BACK_OFF_MIN).mul_f64(random_share())
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number from 0 to 1. Where the system gives no randomness the middle will do.
pub(crate) fn random_share() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// The turns of each server. One list for the whole process, since a server counts what comes from one address,
/// whichever feed it was for.
static TURNS: LazyLock<Mutex<HashMap<String, Turns>>> = LazyLock::new(Mutex::default);

/// When a server is asked.
#[derive(Debug, Clone, Copy)]
struct Turns {
    last: Instant,
    /// The longest that any feed wants between two requests there.
    interval: Duration,
}

impl Turns {
    fn next(&self) -> Instant {
        self.last + self.interval
    }
}

/// Waits for the turn of a request to the server of `url`. There is one every `interval`, or more rarely if another
/// feed that asks the same server is more careful.
pub(super) async fn turn(url: &Url, interval: Duration) {
    // Two ports are two servers, as far as anybody can tell from outside.
    let port = url.port_or_known_default().unwrap_or_default();
    let server = format!("{}:{port}", url.host_str().unwrap_or_default());
    let turn = book(server, interval, clock::start());
    tokio::time::sleep_until(turn.into()).await;
}

fn book(server: String, interval: Duration, now: Instant) -> Instant {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if turns.len() >= HOSTS_MAX {
        turns.retain(|_, turns| turns.next() > now);
    }
    let turns = turns.entry(server).or_insert(Turns {
        // So that the first turn is now.
        last: now.checked_sub(interval).unwrap_or(now),
        interval,
    });
    turns.interval = turns.interval.max(interval);
    turns.last = turns.next().max(now);
    turns.last
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: &str = "2026-11-24T10:00:00Z";

    fn told_by(name: &'static str, value: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )]);
        told(&headers, NOW.parse().unwrap()).map(|until| until.to_string())
    }

    #[test]
    fn every_form_of_a_wait_is_obeyed_to_the_second() {
        for (name, value) in [
            ("retry-after", "90"),
            ("retry-after", "Tue, 24 Nov 2026 10:01:30 GMT"),
            ("retry-after", "Tuesday, 24-Nov-26 10:01:30 GMT"),
            ("retry-after", "Tue Nov 24 10:01:30 2026"),
            ("x-ratelimit-reset", "2026-11-24T10:01:30.000000Z"),
            ("x-ratelimit-reset", "1795514490"),
            ("x-ratelimit-reset", "90"),
            ("ratelimit-reset", "90"),
        ] {
            assert_eq!(
                told_by(name, value).as_deref(),
                Some("2026-11-24T10:01:30Z"),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn an_absurd_wait_is_cut_to_an_hour_and_a_past_one_to_a_second() {
        for absurd in [
            "86400",
            "99999999999999999999999",
            "Tue, 24 Nov 2099 10:00:00 GMT",
        ] {
            assert_eq!(
                told_by("retry-after", absurd).as_deref(),
                Some("2026-11-24T11:00:00Z")
            );
        }
        for past in ["0", "Tue, 24 Nov 2020 10:00:00 GMT"] {
            assert_eq!(
                told_by("retry-after", past).as_deref(),
                Some("2026-11-24T10:00:01Z")
            );
        }
    }

    #[test]
    fn a_header_that_says_nothing_is_passed_over() {
        for nothing in ["", "soon", "-5", "1.5"] {
            assert_eq!(told_by("retry-after", nothing), None, "{nothing}");
        }
    }

    #[test]
    fn waits_double_from_a_second_to_a_minute() {
        let mut back_off = BackOff::default();
        for failures in 1..80 {
            let ceiling = Duration::from_secs(2_u64.saturating_pow(failures)).min(BACK_OFF_MAX);
            let wait = back_off.next();
            assert!(
                (BACK_OFF_MIN..=ceiling).contains(&wait),
                "{failures}: {wait:?}"
            );
        }
    }

    #[test]
    fn requests_to_one_server_take_turns_and_others_do_not_wait() {
        let now = clock::start();
        let interval = Duration::from_secs(3);
        let book = |server: &str| book(server.to_owned(), interval, now);
        let turns: Vec<Instant> = (0..3).map(|_| book("turns.example:443")).collect();
        assert_eq!(turns, [now, now + interval, now + 2 * interval]);
        assert_eq!(book("other.example:443"), now);
    }

    #[test]
    fn the_most_careful_feed_of_a_server_sets_the_pace_for_all() {
        let now = clock::start();
        let (hasty, careful) = (Duration::from_secs(1), Duration::from_secs(3));
        let book = |interval| book("pace.example:443".to_owned(), interval, now);
        let turns = [hasty, careful, hasty, hasty].map(book);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(turns, [now, after(3), after(6), after(9)]);
    }

    #[test]
    fn all_timelines_of_a_server_together_ask_300_times_in_15_minutes_at_most() {
        let start = clock::start();
        let within = Duration::from_mins(15);
        let mut turns = Vec::new();
        // Seven feeds that each ask again as soon as they have been answered.
        let mut ready = [start; 7];
        while turns.iter().all(|turn| *turn < start + 2 * within) {
            let next = (0..ready.len()).min_by_key(|&at| ready[at]).unwrap();
            let turn = book(
                "busy.example:443".to_owned(),
                Duration::from_secs(3),
                ready[next],
            );
            ready[next] = turn + Duration::from_millis(10);
            turns.push(turn);
        }
        for begin in &turns {
            let in_window = |turn: &&Instant| (*begin..*begin + within).contains(turn);
            assert!(turns.iter().filter(in_window).count() <= 300);
        }
    }
}
