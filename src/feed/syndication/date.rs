//! Times as feeds write them: RFC 3339 and RFC 2822, and what is taken for them.
//!
//! Day names are passed over in any language, seconds, zones and whole times may be missing, years may have two digits.
//! Without a zone, or with one nobody knows, it is UTC. What is no date at all is none.

use jiff::civil;

use crate::time::Timestamp;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
/// The zones that RFC 2822 knows by name, in hours from UTC.
const ZONES: [(&str, i64); 8] = [
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];
const SECONDS_PER_MINUTE: i64 = 60;
const SECONDS_PER_HOUR: i64 = 60 * SECONDS_PER_MINUTE;

/// Reads a time.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_ascii() && !text.chars().any(|sign| sign.is_ascii_digit()) {
        return None;
    }
    let (date, clock) = by_numbers(text).or_else(|| by_names(text))?;
    let (seconds_of_day, millis, zone) = time_of_day(clock)?;
    let midnight = date.to_datetime(civil::Time::midnight());
    let since_epoch = jiff::tz::Offset::UTC
        .to_timestamp(midnight)
        .ok()?
        .as_millisecond();
    let millis = since_epoch + (seconds_of_day - offset_seconds(zone)) * 1_000 + millis;
    Timestamp::from_millis(millis).ok()
}

/// `2026-11-24T…`, and what is behind it.
fn by_numbers(text: &str) -> Option<(civil::Date, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-').unwrap_or(rest), 2)?;
    let (day, rest) = match rest.strip_prefix('-') {
        Some(rest) => digits(rest, 2)?,
        // A month alone, or a day without dashes.
        None => digits(rest, 2).unwrap_or((1, rest)),
    };
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    Some((date(year, month, day)?, rest))
}

/// `Tue, 24 Nov 2026 …` or `November 24, 2026 …`, and what is behind it.
fn by_names(text: &str) -> Option<(civil::Date, &str)> {
    let (mut day, mut month, mut year) = (None, None, None);
    let mut rest = text;
    while year.is_none() {
        rest = rest.trim_start_matches(|sign: char| {
            sign.is_whitespace() || matches!(sign, ',' | '.' | '-' | '/')
        });
        let end =
            rest.find(|sign: char| sign.is_whitespace() || matches!(sign, ',' | '.' | '-' | '/'));
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        match word.parse::<i64>() {
            Ok(number) if day.is_none() => day = Some(number),
            Ok(number) if month.is_some() => year = Some(whole_year(number, word.len())),
            Ok(_) => return None,
            // Any other word is the name of a day.
            Err(_) if word.is_empty() => return None,
            Err(_) => month = month.or_else(|| month_of(word)),
        }
        rest = behind;
    }
    Some((
        date(year?, month?, day?)?,
        rest.trim_start_matches([',', ' ']),
    ))
}

fn month_of(word: &str) -> Option<i64> {
    let start = word.get(..3)?;
    let at = MONTHS
        .iter()
        .position(|month| start.eq_ignore_ascii_case(month))?;
    i64::try_from(at + 1).ok()
}

/// As RFC 2822 reads years of two digits.
fn whole_year(year: i64, length: usize) -> i64 {
    match year {
        0..=49 if length <= 2 => year + 2_000,
        50..=99 if length <= 2 => year + 1_900,
        _ => year,
    }
}

fn date(year: i64, month: i64, day: i64) -> Option<civil::Date> {
    let (year, month, day) = (
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    );
    civil::Date::new(year, month, day).ok()
}

/// Seconds since midnight, milliseconds beside them, and the zone as it is written. Nothing is midnight.
fn time_of_day(text: &str) -> Option<(i64, i64, &str)> {
    let end = text.find(|sign: char| !(sign.is_ascii_digit() || matches!(sign, ':' | '.' | ',')));
    let (clock, zone) = text.split_at(end.unwrap_or(text.len()));
    if clock.is_empty() {
        return Some((0, 0, zone));
    }
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let mut numbers = clock.split(':').map(|number| number.parse::<i64>().ok());
    let hour = numbers.next()??;
    let minute = numbers.next().unwrap_or(Some(0))?;
    let second = numbers.next().unwrap_or(Some(0))?;
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = hour * SECONDS_PER_HOUR + minute * SECONDS_PER_MINUTE + second.min(59);
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some((seconds, millis.parse().unwrap_or(0), zone))
}

/// Seconds that a zone is ahead of UTC.
fn offset_seconds(zone: &str) -> i64 {
    let zone = zone.trim();
    let named = ZONES.iter().find(|(name, _)| {
        zone.get(..3)
            .is_some_and(|zone| zone.eq_ignore_ascii_case(name))
    });
    if let Some((_, hours)) = named {
        return hours * SECONDS_PER_HOUR;
    }
    // `GMT+2` is meant as it reads.
    let Some(at) = zone.find(['+', '-', '\u{2212}']) else {
        return 0;
    };
    let sign = if zone[at..].starts_with('+') { 1 } else { -1 };
    let digits: String = zone[at..]
        .chars()
        .filter(char::is_ascii_digit)
        .take(4)
        .collect();
    let (hours, minutes) = match digits.len() {
        4 => digits.split_at(2),
        3 => digits.split_at(1),
        _ => (&*digits, "0"),
    };
    let (hours, minutes): (i64, i64) = (hours.parse().unwrap_or(0), minutes.parse().unwrap_or(0));
    if hours > 18 {
        return 0;
    }
    sign * (hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE)
}

/// A number of `length` digits, and the rest.
fn digits(text: &str, length: usize) -> Option<(i64, &str)> {
    let number = text.get(..length)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(())?;
    Some((number.parse().ok()?, &text[length..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_to_write_one_time_is_read() {
        for text in [
            "2026-11-24T10:07:00Z",
            "2026-11-24T10:07Z",
            "2026-11-24t10:07:00.000z",
            "2026-11-24 10:07:00",
            "2026-11-24T16:07:00+06:00",
            "2026-11-24T16:07:00+0600",
            "2026-11-24T12:07:00 +02",
            "20261124T10:07:00",
            "Tue, 24 Nov 2026 10:07:00 GMT",
            "Tue, 24 Nov 2026 10:07:00 +0000",
            "Tue, 24 Nov 2026 05:07:00 EST",
            "Tue, 24 Nov 2026 10:07 UT",
            "Tue, 24 Nov 2026 10:07:00",
            "Tues, 24 November 2026 10:07:00 Z",
            "24 Nov 2026 10:07:00 GMT",
            "24-Nov-2026 10:07:00",
            "মঙ্গল, 24 Nov 26 10:07:00 GMT",
            "Mon, 24 Nov 2026 10:07:00 GMT",
            "November 24, 2026 10:07:00",
            "  Tue , 24  Nov  2026  10:07:00  GMT ",
            "Tue, 24 Nov 2026 12:07:00 GMT+2",
            "Tue, 24 Nov 2026 10:07:00 Europe/Nowhere",
        ] {
            let read = read(text).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Some("2026-11-24T10:07:00Z"), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_the_beginning() {
        for (text, want) in [
            ("2026-11-24", "2026-11-24T00:00:00Z"),
            ("2026-11", "2026-11-01T00:00:00Z"),
            ("24 Nov 2026", "2026-11-24T00:00:00Z"),
            ("Tue, 24 Nov 2026 24:00:00 GMT", "2026-11-25T00:00:00Z"),
            ("Tue, 24 Nov 2026 10:07:60 GMT", "2026-11-24T10:07:59Z"),
        ] {
            assert_eq!(
                read(text).map(|time| time.to_string()).as_deref(),
                Some(want),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "soon",
            "2026",
            "2026-13-01",
            "32 Nov 2026",
            "24 Nov",
            "24 24 24",
            "১২:০৭",
            "24 Nov 99999",
            "Tue, 24 Nov 2026 99:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[0-9:, TZ+/a-n\u{995}\u{2212}.-]{0,40}") {
            read(&text);
        }
    }
}
