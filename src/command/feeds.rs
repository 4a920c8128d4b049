//! `feeds`: the kinds of feed, and those read into this database.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::run::asked::{Asked, open_configured};
use super::{Error, Global, Out, print_json};
use crate::clock;
use crate::feed;
use crate::post::Cursor;
use crate::store::sqlite::Sqlite;
use crate::store::{Error as StoreError, FeedRow, Ledger};
use crate::time::Timestamp;
use crate::view::table::{grouped, number, plain, table, text};

/// A live feed that was not heard of for so long is called silent: each is written down every few seconds.
const SILENT_AFTER: Duration = Duration::from_mins(2);

/// Shows the kinds of feed and those read so far.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example: downtrend feeds")]
pub struct Args {}

#[derive(Serialize)]
struct Shown {
    kinds: Vec<Kind>,
    feeds: Vec<Row>,
}

#[derive(Serialize)]
struct Kind {
    name: &'static str,
    about: &'static str,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: String,
    configured: bool,
    state: String,
    posts: u64,
    posts_per_minute: f64,
    officials: u64,
    first: Option<String>,
    newest: Option<String>,
    lag_ms: Option<u64>,
    cursor: Option<String>,
    cursor_age_ms: Option<u64>,
    last_error: Option<String>,
    last_error_at: Option<String>,
}

impl Row {
    fn of(feed: &FeedRow, is_configured: bool, now: Timestamp) -> Self {
        let since =
            |then: Timestamp| u64::try_from(now.as_millis() - then.as_millis()).unwrap_or(0);
        Self {
            name: feed.name.clone(),
            kind: feed.kind.clone(),
            configured: is_configured,
            state: state(feed, now),
            posts: feed.posts,
            posts_per_minute: crate::export::rounded(feed.posts_per_minute),
            officials: feed.officials,
            first: feed.first.map(|minute| minute.to_string()),
            newest: feed.newest.map(|minute| minute.to_string()),
            lag_ms: feed.heard_until.map(since),
            cursor: feed.cursor.as_ref().map(cursor),
            cursor_age_ms: feed.cursor_at.map(since),
            last_error: feed.problem.as_ref().map(|(_, why)| why.clone()),
            last_error_at: feed.problem.as_ref().map(|(at, _)| at.to_string()),
        }
    }

    /// One of the configuration that was not read yet.
    fn unread(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            configured: true,
            state: "never read".to_owned(),
            posts: 0,
            posts_per_minute: 0.0,
            officials: 0,
            first: None,
            newest: None,
            lag_ms: None,
            cursor: None,
            cursor_age_ms: None,
            last_error: None,
            last_error_at: None,
        }
    }
}

/// How a feed stands; one that says it hears, and was not heard of for minutes, is silent whatever it says.
fn state(feed: &FeedRow, now: Timestamp) -> String {
    let Some(standing) = &feed.standing else {
        return "read".to_owned();
    };
    let is_hearing = standing == "live" || standing == "catching up";
    match feed.heard_until.or(feed.cursor_at) {
        Some(last) if is_hearing && now.as_millis() - last.as_millis() > millis(SILENT_AFTER) => {
            format!("silent since {last}")
        }
        _ => standing.clone(),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Where a feed resumes, for people.
fn cursor(cursor: &Cursor) -> String {
    match cursor {
        Cursor::Place(place) => format!("line {}", place.lines + 1),
        Cursor::Token(token) => token.clone(),
    }
}

pub(super) fn execute(_: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let config = global.config(Vec::new())?;
    let mut configured = BTreeMap::new();
    for asked in open_configured(&config)? {
        if let Asked::Live(kind, feed) = asked {
            configured.insert(feed.name, kind);
        }
    }
    let read = match Sqlite::open_to_read(&config.db) {
        Ok(Some(ledger)) => ledger.feeds()?,
        // The kinds can be asked for before anything was read.
        Ok(None) | Err(StoreError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let now = clock::now();
    let mut feeds: Vec<Row> = Vec::new();
    for feed in &read {
        let is_configured = configured.remove(&feed.name).is_some();
        feeds.push(Row::of(feed, is_configured, now));
    }
    feeds.extend(
        configured
            .iter()
            .map(|(name, kind)| Row::unread(name, kind)),
    );
    if global.json {
        let kinds = feed::KINDS.iter().map(|kind| Kind {
            name: kind.name,
            about: kind.about,
        });
        let kinds = kinds.collect();
        return print_json(out, &Shown { kinds, feeds });
    }
    let kinds = feed::KINDS
        .iter()
        .map(|kind| vec![kind.name.to_owned(), kind.about.to_owned()]);
    writeln!(
        out,
        "{}",
        table(&[text("KIND"), text("WHAT IT READS")], kinds.collect())
    )?;
    if feeds.is_empty() {
        global.say(&format!(
            "Nothing has been read into {} yet.",
            config.db.display()
        ));
        return Ok(());
    }
    show(&feeds, out)
}

fn show(feeds: &[Row], out: Out<'_>) -> Result<(), Error> {
    let age = |millis: Option<u64>| millis.map_or_else(String::new, short_age);
    let rows = feeds.iter().map(|feed| {
        let (state, _) = state_and_reason(&feed.state);
        vec![
            plain(state),
            age(feed.lag_ms),
            age(feed.cursor_age_ms),
            // A file has no rate.
            feed.lag_ms
                .map_or_else(String::new, |_| format!("{:.1}", feed.posts_per_minute)),
            grouped(feed.posts),
            plain(&feed.name),
        ]
    });
    let columns = [
        text("STATE"),
        number("LAG"),
        number("CURSOR AGE"),
        number("POSTS/MIN"),
        number("POSTS"),
        text("FEED"),
    ];
    write!(out, "{}", table(&columns, rows.collect()))?;
    for feed in feeds {
        let name = plain(&feed.name);
        if feed.officials > 0 {
            let rows = grouped(feed.officials);
            writeln!(out, "\n{name}: {rows} official rows, which are not posts")?;
        }
        if let (state, Some(reason)) = state_and_reason(&feed.state) {
            writeln!(out, "\n{name}: {} because {}", plain(state), plain(reason))?;
        } else if let (Some(problem), Some(at)) = (&feed.last_error, &feed.last_error_at) {
            writeln!(out, "\n{name}: last error at {at}: {}", plain(problem))?;
        }
    }
    Ok(())
}

/// A state without its reason, which is too long for a table, and the reason.
fn state_and_reason(state: &str) -> (&str, Option<&str>) {
    match state.split_once(" because ") {
        None => (state, None),
        Some((short, reason)) => (short, Some(reason)),
    }
}

/// A length of time in its largest unit.
fn short_age(millis: u64) -> String {
    match millis / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::mention::FeedId;

    fn feed(standing: Option<&str>, heard_until: &str) -> FeedRow {
        FeedRow {
            id: FeedId(1),
            name: "bluesky".to_owned(),
            kind: "bluesky".to_owned(),
            cursor: None,
            newest: None,
            first: None,
            posts: 0,
            officials: 0,
            posts_per_minute: 0.0,
            cursor_at: None,
            standing: standing.map(str::to_owned),
            heard_until: heard_until.parse().ok(),
            problem: None,
        }
    }

    #[test]
    fn a_feed_that_says_it_hears_and_was_not_heard_of_for_minutes_is_silent() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().expect("a time");
        let told = |standing, heard| state(&feed(standing, heard), now);
        assert_eq!(told(Some("live"), "2026-11-24T09:59:50Z"), "live");
        assert_eq!(
            told(Some("live"), "2026-11-24T09:50:00Z"),
            "silent since 2026-11-24T09:50:00Z"
        );
        assert_eq!(told(Some("stopped"), "2026-11-24T09:50:00Z"), "stopped");
        assert_eq!(told(None, "never"), "read");
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let told = [1_900, 119_999, 120_000, 7_200_000, 864_000_000].map(short_age);
        assert_eq!(told, ["1 s", "119 s", "2 min", "2 h", "10 d"]);
    }
}
