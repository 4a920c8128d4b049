//! `feeds`: the kinds of feed, and those read into this database.

use serde::Serialize;

use super::{Error, Global, Out, print_json};
use crate::feed;
use crate::post::Cursor;
use crate::store::sqlite::Sqlite;
use crate::store::{Error as StoreError, FeedRow, Ledger};
use crate::view::table::{grouped, local_long, number, plain, table, text};

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
    posts: u64,
    officials: u64,
    first: Option<String>,
    newest: Option<String>,
    cursor: Option<String>,
    standing: Option<String>,
}

impl Row {
    fn of(feed: &FeedRow) -> Self {
        Self {
            name: feed.name.clone(),
            kind: feed.kind.clone(),
            posts: feed.posts,
            officials: feed.officials,
            first: feed.first.map(|minute| minute.to_string()),
            newest: feed.newest.map(|minute| minute.to_string()),
            cursor: feed.cursor.as_ref().map(cursor),
            standing: feed.standing.clone(),
        }
    }
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
    let feeds = match Sqlite::open_to_read(&config.db) {
        Ok(Some(ledger)) => ledger.feeds()?,
        // The kinds can be asked for before anything was read.
        Ok(None) | Err(StoreError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if global.json {
        let kinds = feed::KINDS
            .iter()
            .map(|kind| Kind {
                name: kind.name,
                about: kind.about,
            })
            .collect();
        return print_json(
            out,
            &Shown {
                kinds,
                feeds: feeds.iter().map(Row::of).collect(),
            },
        );
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
    let rows = feeds
        .iter()
        .map(|feed| {
            vec![
                feed.kind.clone(),
                grouped(feed.posts),
                feed.newest
                    .map_or_else(String::new, |minute| local_long(minute, &config.tz)),
                plain(standing_and_reason(feed).0),
                plain(&feed.name),
            ]
        })
        .collect();
    let columns = [
        text("KIND"),
        number("POSTS"),
        text("NEWEST POST"),
        text("STANDING"),
        text("FEED"),
    ];
    write!(out, "{}", table(&columns, rows))?;
    for feed in feeds.iter().filter(|feed| feed.officials > 0) {
        let (name, rows) = (plain(&feed.name), grouped(feed.officials));
        writeln!(out, "\n{name}: {rows} official rows, which are not posts")?;
    }
    for feed in &feeds {
        if let (_, Some(reason)) = standing_and_reason(feed) {
            writeln!(out, "\n{}: {}", plain(&feed.name), plain(reason))?;
        }
    }
    Ok(())
}

/// How a feed stands, and why, where there is a reason to tell.
fn standing_and_reason(feed: &FeedRow) -> (&str, Option<&str>) {
    match &feed.standing {
        None => ("read", None),
        Some(standing) => match standing.split_once(" because ") {
            None => (standing, None),
            Some((short, reason)) => (short, Some(reason)),
        },
    }
}
