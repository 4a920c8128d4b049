//! `trending`: which outage hashtags are trending at a moment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use super::{
    Error, Global, Knobs, Out, filter_of, json_number, known_script, label_made_up, lexicon_of,
    moment, open_to_read, print_json, refuse_sealed, short,
};
use crate::clock;
use crate::config::{Config, duration};
use crate::store::Ledger;
use crate::store::sqlite::Sqlite;
use crate::time::{Minute, Timestamp};
use crate::view::spikes::State;
use crate::view::table::{grouped, local_long, local_time, number, plain, table, text};
use crate::view::trending::{self, Query, Row, Trending};

/// The database is called old from here on.
const OLD_MINUTES: u32 = 5;
const MINUTE_MS: u64 = 60_000;

/// Lists the outage hashtags trending at a moment.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example: downtrend trending --at 2022-10-25T07:30:00Z")]
pub struct Args {
    /// Every trending hashtag, not those alone that name a service
    #[arg(long)]
    all: bool,
    /// The moment looked at, UTC unless it names a zone [default: the newest post in the database]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// The stretch before it [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    window: Option<Duration>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only posts in this language, as in bn
    #[arg(long, value_name = "LANG")]
    lang: Option<String>,
    /// Only hashtags in this script, as in Beng or Bengali
    #[arg(long, value_name = "SCRIPT")]
    script: Option<String>,
    /// Only posts from this source, as in bluesky or mastodon:example.social
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Exit with 1 when nothing is trending
    #[arg(long)]
    fail_empty: bool,
    #[command(flatten)]
    knobs: Knobs,
}

#[derive(Serialize)]
struct Shown<'a> {
    at: Option<String>,
    window_ms: u64,
    coverage: f64,
    hashtags: Vec<ShownRow<'a>>,
}

#[derive(Serialize)]
struct ShownRow<'a> {
    key: &'a str,
    label: &'a str,
    service: Option<&'a str>,
    outage: bool,
    uses: u64,
    authors: Option<u64>,
    expected: Option<f64>,
    growth: Option<f64>,
    score: Option<f64>,
    state: &'a str,
    onset: Option<String>,
    spike: Option<&'a str>,
    sources: &'a BTreeMap<String, u64>,
}

impl<'a> ShownRow<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            key: &row.name.key,
            label: &row.name.label,
            service: row.service.as_deref(),
            outage: row.outage,
            uses: row.uses,
            authors: row.authors,
            expected: json_number(row.expected),
            growth: json_number(row.growth),
            score: json_number(row.expected.map(|_| row.score)),
            state: row.state.name(),
            onset: row.onset.map(|minute| minute.to_string()),
            spike: row.spike.as_deref(),
            sources: &row.sources,
        }
    }
}

pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let mut flags = args.knobs.flags();
    flags.extend(
        args.window
            .map(|window| ("window", format!("{}s", window.as_secs()))),
    );
    let config = global.config(flags)?;
    let lexicon = lexicon_of(&config)?;
    let ledger = open_to_read(&config)?;
    let watermark = ledger.watermark()?;
    // Nothing was counted yet: there is no moment to speak of.
    let asked = args.at.map(Timestamp::minute_ceil).or(watermark);
    let at = asked.unwrap_or(Minute(0));
    let window = at.minus(config.window_minutes)..at;
    refuse_unkept(&window, args, &ledger)?;
    let query = Query {
        window,
        all: args.all,
        script: known_script(args.script.as_deref())?,
        filter: filter_of(
            &ledger,
            args.source.as_deref(),
            args.lang.as_deref(),
            global,
        )?,
        settings: config.settings.clone(),
    };
    let mut found = trending::trending(&ledger, &lexicon, &query)?.unwrap_or(Trending {
        coverage: 0.0,
        rows: Vec::new(),
    });
    found.rows.truncate(args.limit as usize);
    if global.json {
        let shown = Shown {
            at: asked.map(|at| at.to_string()),
            window_ms: u64::from(config.window_minutes) * MINUTE_MS,
            coverage: crate::export::rounded(found.coverage),
            hashtags: found.rows.iter().map(ShownRow::of).collect(),
        };
        print_json(out, &shown)?;
    } else if asked.is_none() {
        global.say("Nothing has been counted into this database yet.");
    } else {
        label_made_up(&ledger, global)?;
        show(&found, at, args.at.is_some(), &config, global, out)?;
    }
    if args.fail_empty && found.rows.is_empty() {
        return Err(Error::NothingFound);
    }
    Ok(())
}

/// Refuses a window of which nothing is kept that could answer: it would look like silence.
fn refuse_unkept(window: &Range<Minute>, args: &Args, ledger: &Sqlite) -> Result<(), Error> {
    let from = window.start;
    refuse_sealed(from, args.source.is_some() || args.lang.is_some(), ledger)?;
    let kept_since = ledger.minutes_since()?.unwrap_or(Minute(0));
    let first = ledger.coverage()?.map(|coverage| coverage.start());
    if from < kept_since && first.is_some_and(|first| first < kept_since.0) {
        return Err(Error::Usage(format!(
            "look at {from}: before {kept_since} only hours are kept; `export --bucket 1h` gives them"
        )));
    }
    Ok(())
}

fn show(
    found: &Trending,
    at: Minute,
    is_given: bool,
    config: &Config,
    global: &Global,
    out: Out<'_>,
) -> Result<(), Error> {
    let moment = local_long(at, &config.tz);
    let behind = clock::now().minute().0.saturating_sub(at.0);
    let age = if !is_given && behind > OLD_MINUTES {
        ", the newest moment in the database, which is behind the clock"
    } else {
        ""
    };
    global.say(&format!(
        "The {} minutes before {moment}{age}.",
        config.window_minutes
    ));
    if found.coverage < 1.0 {
        let share = found.coverage * 100.0;
        global.say(&format!(
            "Somebody was listening in {share:.0} % of them; the rest is unknown."
        ));
    }
    if found.rows.is_empty() {
        global.say("Nothing is trending. `spikes` lists what was; `--all` shows hashtags that name no service.");
        return Ok(());
    }
    write!(out, "{}", draw(&found.rows, config))?;
    for row in found.rows.iter().filter(|row| row.suspicion.is_some()) {
        let why = row
            .suspicion
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches("; ");
        global.say(&format!("#{}: {why}", plain(&row.name.label)));
    }
    if found.rows.iter().any(|row| row.state == State::Unknown) {
        global.say("unknown: no baseline yet, or nobody was listening.");
    }
    Ok(())
}

fn draw(rows: &[Row], config: &Config) -> String {
    let columns = [
        text("SERVICE"),
        text("STATE"),
        text("SINCE"),
        number("USES"),
        number("AUTHORS"),
        number("EXPECTED"),
        number("GROWTH"),
        number("SCORE"),
        text("HASHTAG"),
    ];
    let dash = || "-".to_owned();
    let rows = rows
        .iter()
        .map(|row| {
            vec![
                row.service.clone().unwrap_or_else(dash),
                row.state.name().to_owned(),
                row.onset
                    .map_or_else(dash, |onset| local_time(onset, &config.tz)),
                grouped(row.uses),
                row.authors.map_or_else(|| "?".to_owned(), grouped),
                row.expected.map_or_else(dash, short),
                row.growth.map_or_else(dash, short),
                row.expected.map_or_else(dash, |_| short(row.score)),
                format!("#{}", plain(&row.name.label)),
            ]
        })
        .collect();
    table(&columns, rows)
}
