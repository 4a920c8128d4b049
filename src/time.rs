//! Time as data: instants, minutes and the width of a bucket.
//!
//! Nothing here knows what time it is now: that is `clock.rs`, the one file that asks. A [`Timestamp`] is
//! milliseconds since the Unix epoch, UTC; a [`Minute`] is the half-open minute `[start, start + 60 s)` that counts
//! are kept in. Years before 1970 and after 9999 are refused at the door ([`Timestamp::from_millis`]), so that every
//! later sum is free of surprises.

use std::fmt;
use std::str::FromStr;

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;

/// 9999-12-30T22:00:00Z, the last instant that `jiff` can show in every time zone.
const MILLIS_MAX: i64 = 253_402_207_200_000;

/// An instant: milliseconds since the Unix epoch, UTC, from 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text or a number is no [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Neither RFC 3339 nor a date and time.
    #[error("read the time {0:?}: use RFC 3339, as in 2022-10-25T06:37:00Z")]
    Unreadable(String),
    /// Before 1970 or after 9999.
    #[error("use the time {0} ms: it lies outside the years 1970 to 9999")]
    OutOfRange(i64),
}

impl Timestamp {
    /// The first instant there is.
    pub const FIRST: Self = Self(0);
    /// The last instant there is.
    pub const LAST: Self = Self(MILLIS_MAX);

    /// From milliseconds since the Unix epoch.
    pub fn from_millis(millis: i64) -> Result<Self, TimeError> {
        if (0..=MILLIS_MAX).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(TimeError::OutOfRange(millis))
        }
    }

    /// From a Unix time of unstated unit, as archives have them: up to 1e11 it is read as seconds (till the year
    /// 5138), up to 1e14 as milliseconds, else as microseconds.
    pub fn from_unix(number: i64) -> Result<Self, TimeError> {
        const SECONDS_BELOW: i64 = 100_000_000_000;
        const MILLIS_BELOW: i64 = 100_000_000_000_000;
        match number {
            n if n < 0 => Err(TimeError::OutOfRange(n)),
            n if n < SECONDS_BELOW => Self::from_millis(n * 1_000),
            n if n < MILLIS_BELOW => Self::from_millis(n),
            n => Self::from_millis(n / 1_000),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The minute this instant lies in.
    pub fn minute(self) -> Minute {
        Minute(u32::try_from(self.0 / MINUTE_MS).expect("years up to 9999 are below 2^32 minutes"))
    }

    /// The first minute that begins at this instant or after it: the end of a half-open stretch of minutes.
    pub fn minute_ceil(self) -> Minute {
        let minute = self.minute();
        if minute.start() == self {
            minute
        } else {
            minute.next()
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// RFC 3339, or `YYYY-MM-DD HH:MM:SS` without a zone, which is read as UTC.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let unreadable = || TimeError::Unreadable(text.to_owned());
        let millis = match text.parse::<jiff::Timestamp>() {
            Ok(instant) => instant.as_millisecond(),
            Err(_) => text
                .parse::<jiff::civil::DateTime>()
                .and_then(|civil| jiff::tz::TimeZone::UTC.to_timestamp(civil))
                .map_err(|_| unreadable())?
                .as_millisecond(),
        };
        Self::from_millis(millis)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, `Z`; milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant =
            jiff::Timestamp::from_millisecond(self.0).expect("MILLIS_MAX is within jiff's range");
        write!(f, "{instant}")
    }
}

/// The half-open minute `[start, start + 60 s)`, counted from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub u32);

impl Minute {
    /// The first instant of this minute.
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0) * MINUTE_MS)
    }

    /// The first minute after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The minute `minutes` earlier, or the first one of 1970.
    #[must_use]
    pub fn minus(self, minutes: u32) -> Self {
        Self(self.0.saturating_sub(minutes))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.start().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_instant_is_shown_in_every_time_zone() {
        assert_eq!(Timestamp::LAST.to_string(), "9999-12-30T22:00:00Z");
        assert_eq!(
            Timestamp::LAST.as_millis(),
            jiff::Timestamp::MAX.as_millisecond() / 1_000 * 1_000,
            "the last whole second that jiff knows"
        );
    }

    #[test]
    fn a_stretch_that_ends_on_a_minute_does_not_hold_it() {
        let at = |text: &str| text.parse::<Timestamp>().expect("RFC 3339");
        let seven = at("2022-10-25T07:00:00Z");
        assert_eq!(seven.minute_ceil(), seven.minute());
        assert_eq!(
            at("2022-10-25T07:00:00.001Z").minute_ceil(),
            seven.minute().next()
        );
        assert_eq!(at("2022-10-25T06:59:59Z").minute_ceil(), seven.minute());
        assert_eq!(Timestamp::LAST.minute_ceil(), Timestamp::LAST.minute());
    }

    proptest! {
        #[test]
        fn every_instant_is_shown_and_read_again(millis in 0..=MILLIS_MAX) {
            let instant = Timestamp::from_millis(millis).expect("within the range");
            prop_assert_eq!(instant.to_string().parse(), Ok(instant));
            let minute = instant.minute_ceil();
            prop_assert!(minute.start() >= instant && minute.minus(1).start() < instant || minute == Minute(0));
        }

        #[test]
        fn a_number_is_an_instant_or_refused(number in any::<i64>()) {
            let shown = |instant: Timestamp| instant.to_string();
            if let Ok(instant) = Timestamp::from_millis(number) {
                shown(instant);
            }
            if let Ok(instant) = Timestamp::from_unix(number) {
                shown(instant);
            }
        }
    }

    #[test]
    fn offsets_are_read_and_shown_as_utc() {
        let noon: Timestamp = "2022-10-25T12:07:00+05:30".parse().expect("RFC 3339");
        assert_eq!(noon.to_string(), "2022-10-25T06:37:00Z");
        assert_eq!(noon.minute().to_string(), "2022-10-25T06:37:00Z");
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        let bare: Timestamp = "2015-02-26 21:42:53".parse().expect("civil time");
        assert_eq!(bare.to_string(), "2015-02-26T21:42:53Z");
    }

    #[test]
    fn unix_times_of_three_units_meet() {
        let want: Timestamp = "2021-10-04T21:36:22Z".parse().expect("RFC 3339");
        for number in [1_633_383_382, 1_633_383_382_000, 1_633_383_382_000_000] {
            assert_eq!(Timestamp::from_unix(number), Ok(want));
        }
    }

    #[test]
    fn years_beyond_the_calendar_are_refused() {
        assert!(Timestamp::from_millis(-1).is_err());
        assert!(Timestamp::from_millis(MILLIS_MAX + 1).is_err());
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
