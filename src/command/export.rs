//! `export`: the timelines of hashtags as CSV, JSON or NDJSON.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{
    Error, Global, Knobs, Out, filter_of, known_service, lexicon_of, moment, open_to_read,
    refuse_sealed,
};
use crate::export::{FORMATS, Format, Options, Place};
use crate::hashtag;
use crate::lexicon::Lexicon;
use crate::store::Ledger;
use crate::store::sqlite::Sqlite;
use crate::time::{Minute, Timestamp};
use crate::trend::mention::HashtagId;
use crate::view::filter::Filter;
use crate::view::spikes::{self, SpikeView};
use crate::view::timeline::{HOUR_MINUTES, Query, timelines};

/// What is shown before and after a spike.
const MARGIN_MINUTES: u32 = 2 * HOUR_MINUTES;

/// Writes the timeline of hashtags.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Example: downtrend export whatsappdown --bucket 5m --from 2022-10-25T06:00:00Z -o whatsappdown.csv"
)]
pub struct Args {
    /// Hashtags, with or without their sign
    #[arg(value_name = "HASHTAG")]
    hashtags: Vec<String>,
    /// Every outage hashtag of a service
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["spike", "all"])]
    service: Option<String>,
    /// The hashtag of a spike, two hours before it to two hours after
    #[arg(long, value_name = "ID")]
    spike: Option<String>,
    /// Every hashtag
    #[arg(long, conflicts_with_all = ["hashtags", "spike"])]
    all: bool,
    /// From this time on [default: the first post in the database]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Up to this time [default: the newest post in the database]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// Width of a bucket: 1m, 5m, 15m or 1h
    #[arg(long, value_name = "WIDTH", default_value = "1m")]
    bucket: Bucket,
    /// csv, json or ndjson
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = format)]
    format: &'static Format,
    /// Write to this file, which is replaced in one step; `-` is standard output [default: standard output]
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only posts from this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only posts in this language
    #[arg(long, value_name = "LANG")]
    lang: Option<String>,
    /// Leave cells as they are that a spreadsheet would run as a formula
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    knobs: Knobs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Bucket {
    #[value(name = "1m")]
    Minute,
    #[value(name = "5m")]
    FiveMinutes,
    #[value(name = "15m")]
    Quarter,
    #[value(name = "1h")]
    Hour,
}

impl Bucket {
    fn minutes(self) -> u32 {
        match self {
            Self::Minute => 1,
            Self::FiveMinutes => 5,
            Self::Quarter => 15,
            Self::Hour => HOUR_MINUTES,
        }
    }
}

fn format(name: &str) -> Result<&'static Format, String> {
    FORMATS
        .iter()
        .find(|format| format.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
            format!("there is {}", names.join(", "))
        })
}

pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let config = global.config(args.knobs.flags())?;
    let lexicon = lexicon_of(&config)?;
    let ledger = open_to_read(&config)?;
    let spike = args
        .spike
        .as_deref()
        .map(|id| find_spike(&ledger, &lexicon, id))
        .transpose()?;
    let wanted = wanted(args, spike.as_ref(), &ledger, &lexicon, global)?;
    let query = Query {
        range: range(args, spike.as_ref(), &ledger)?,
        bucket_minutes: args.bucket.minutes(),
        settings: config.settings,
        filter: filter_of(
            &ledger,
            args.source.as_deref(),
            args.lang.as_deref(),
            global,
        )?,
    };
    refuse_sealed(query.range.start, !query.filter.is_empty(), &ledger)?;
    refuse_forgotten(&query, &ledger)?;
    note_sealed(&query, &ledger, global)?;
    let format = if global.json {
        format("json").expect("it is in the table")
    } else {
        args.format
    };
    let write = |out: &mut dyn Write| write(format, args.raw, &wanted, &query, &ledger, out);
    match args.output.as_deref() {
        None => write(out),
        Some(path) if path == Path::new("-") => write(out),
        Some(path) => write_beside(path, write),
    }
}

fn write(
    format: &Format,
    raw: bool,
    wanted: &BTreeSet<HashtagId>,
    query: &Query,
    ledger: &Sqlite,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let options = Options {
        bucket_minutes: query.bucket_minutes,
        raw,
    };
    out.write_all(&(format.head)(options))?;
    let mut place = Place::First;
    timelines(ledger, wanted, query, &mut |part| {
        let bytes = (format.part)(part, options, place);
        if !bytes.is_empty() {
            place = Place::Later;
        }
        Ok::<(), Error>(out.write_all(&bytes)?)
    })?;
    Ok(out.write_all(&(format.tail)())?)
}

fn find_spike(ledger: &Sqlite, lexicon: &Lexicon, id: &str) -> Result<SpikeView, Error> {
    spikes::find(ledger, lexicon, id)?
        .ok_or_else(|| Error::Usage(format!("find the spike {id}: `spikes` lists their ids")))
}

fn wanted(
    args: &Args,
    spike: Option<&SpikeView>,
    ledger: &Sqlite,
    lexicon: &Lexicon,
    global: &Global,
) -> Result<BTreeSet<HashtagId>, Error> {
    if args.hashtags.is_empty() && args.service.is_none() && spike.is_none() && !args.all {
        return Err(Error::Usage(
            "choose what to export: a HASHTAG, --service, --spike or --all".to_owned(),
        ));
    }
    let mut wanted: BTreeSet<HashtagId> = spike.iter().map(|view| view.spike.hashtag).collect();
    let mut keys = Vec::new();
    for hashtag in &args.hashtags {
        let found = hashtag::declared(hashtag);
        if found.is_empty() {
            return Err(Error::Usage(format!(
                "export {hashtag:?}: it is no hashtag"
            )));
        }
        keys.extend(found.into_iter().map(|hashtag| hashtag.key));
    }
    let known = ledger.find(&keys)?;
    for key in keys.iter().filter(|key| !known.contains_key(*key)) {
        global.say(&format!("#{key} was never seen in this database."));
    }
    wanted.extend(known.into_values());
    let service = known_service(args.service.as_deref(), lexicon)?;
    if args.all || service.is_some() {
        ledger.every_key(&mut |key, id| {
            let is_of_service = || {
                let outage = lexicon.outage(key);
                outage.is_some_and(|outage| service.as_deref() == Some(outage.service))
            };
            if args.all || is_of_service() {
                wanted.insert(id);
            }
        })?;
    }
    Ok(wanted)
}

fn range(args: &Args, spike: Option<&SpikeView>, ledger: &Sqlite) -> Result<Range<Minute>, Error> {
    let watermark = ledger.watermark()?.unwrap_or(Minute(0));
    let first = ledger
        .coverage()?
        .map_or(watermark, |coverage| Minute(coverage.start()));
    let (mut from, mut to) = (first.max(kept_since(args, ledger)?), watermark);
    if let Some(view) = spike {
        from = view.spike.onset().minus(MARGIN_MINUTES).max(first);
        let end = view.spike.end.unwrap_or(watermark);
        to = Minute(end.0.saturating_add(MARGIN_MINUTES)).min(watermark);
    }
    let from = args.from.map_or(from, Timestamp::minute);
    let to = args.to.map_or(to, Timestamp::minute_ceil);
    if from >= to && (args.from.is_some() || args.to.is_some()) {
        return Err(Error::Usage(format!(
            "export from {from} to {to}: nothing lies between"
        )));
    }
    Ok(from..to.max(from))
}

/// Since when what is asked for can be answered.
fn kept_since(args: &Args, ledger: &Sqlite) -> Result<Minute, Error> {
    let mut since = None;
    if args.bucket.minutes() < HOUR_MINUTES {
        since = ledger.minutes_since()?;
    }
    if args.source.is_some() || args.lang.is_some() {
        since = since.max(Filter::possible_since(ledger)?);
    }
    Ok(since.unwrap_or(Minute(0)))
}

/// Whether something was heard between `from` and `since`, which is the first minute of what is kept.
fn is_lost(from: Minute, since: Option<Minute>, ledger: &Sqlite) -> Result<bool, Error> {
    let first = ledger.coverage()?.map(|coverage| Minute(coverage.start()));
    Ok(Some(from) < since && first.is_some() && first < since)
}

fn refuse_forgotten(query: &Query, ledger: &Sqlite) -> Result<(), Error> {
    let (from, kept_since) = (query.range.start, ledger.minutes_since()?);
    match kept_since {
        Some(since)
            if query.bucket_minutes < HOUR_MINUTES && is_lost(from, kept_since, ledger)? =>
        {
            Err(Error::Usage(format!(
                "export from {from}: before {since} only hours are kept; use --bucket 1h, or --from {since}"
            )))
        }
        Some(_) | None => Ok(()),
    }
}

fn note_sealed(query: &Query, ledger: &Sqlite, global: &Global) -> Result<(), Error> {
    let kept_since = ledger.mentions_since()?;
    if let Some(since) = kept_since
        && query.bucket_minutes > 1
        && is_lost(query.range.start, kept_since, ledger)?
    {
        global.say(&format!(
            "Before {since}, authors are sums of minutes: an author of two minutes counts twice."
        ));
    }
    Ok(())
}

/// Writes the whole file beside its place, then renames it: nobody ever reads half of it.
fn write_beside(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let mut file = BufWriter::new(File::create(&part).map_err(failed)?);
    let written = write(&mut file)
        .and_then(|()| Ok(file.flush()?))
        .map_err(|error| match error {
            Error::Output(source) => failed(source),
            error => error,
        });
    drop(file);
    if let Err(error) = written {
        // What is half written is of no use; that it cannot be removed is no news beside the error.
        std::fs::remove_file(&part).ok();
        return Err(error);
    }
    std::fs::rename(&part, path).map_err(failed)
}
