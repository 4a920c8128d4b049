//! `run`: the ingestion loop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::spikes::draw;
use super::{Error, Global, Knobs, Out, label_made_up, lexicon_of, print_json, program};
use crate::clock;
use crate::config::{Config, nearest};
use crate::feed::archive::Meter;
use crate::feed::contract::{Dropped, Feed, Outlet, Standing};
use crate::feed::file::{Context, OpenFile};
use crate::feed::inlet::Inlet;
use crate::feed::{self, LiveFeed};
use crate::pipeline::{self, FeedSummary, Summary, Watcher};
use crate::post::{Identity, Reject};
use crate::store::Ledger;
use crate::store::sqlite::Sqlite;
use crate::time::Minute;
use crate::trend::mention::FeedId;
use crate::trend::tracker::Tracker;
use crate::view::spikes::{SpikeView, spikes};
use crate::view::table::{grouped, local_long, plain};

/// Heard minutes without which there is no baseline: see `docs/detector.md`.
const BASELINE_MINUTES: u32 = 120;
/// What is listened to when nobody names a feed.
const DEFAULT_KIND: &str = "bluesky";
/// From this share of late posts on, a file is called out of order.
const LATE_SHARE_MAX: f64 = 0.01;

/// Reads posts from feeds and counts their hashtags.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example: downtrend run data/demo/whatsapp-2022-10-25.ndjson.zst")]
pub struct Args {
    /// Files of posts, plain, gzip or zstd; `-` is standard input; or KIND:URL of a live feed, see `downtrend feeds`
    #[arg(value_name = "FEED")]
    feeds: Vec<String>,
    /// Read files in the order of their posts' times, however they are written
    #[arg(long)]
    sort: bool,
    #[command(flatten)]
    knobs: Knobs,
    /// How far behind the newest post a post may be and still count [default: 10m]
    #[arg(long, value_name = "DURATION")]
    lateness: Option<String>,
}

/// A feed being read, with what is known of it.
struct Source {
    id: FeedId,
    kind: &'static str,
    name: String,
    /// As people know it.
    shown: String,
    /// How much of a file has been read.
    meter: Option<Meter>,
    /// It was read before and goes on where it was left.
    is_resumed: bool,
}

/// A feed that was asked for.
enum Asked {
    File(OpenFile),
    Live(&'static str, LiveFeed),
}

pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let started = clock::start();
    let mut flags = args.knobs.flags();
    flags.extend(args.lateness.clone().map(|lateness| ("lateness", lateness)));
    let config = global.config(flags)?;
    let lexicon = lexicon_of(&config)?;
    let asked = open_all(args, &config)?;
    refuse_repeats(&asked)?;
    let mut ledger = Sqlite::open(&config.db)?;
    let context = Context {
        identity: Identity::new(ledger.secret()?),
        now: clock::now(),
    };
    let mut tracker = Tracker::restore(
        config.settings.clone(),
        config.lateness_minutes,
        ledger.memory()?,
    );
    let mut inlet = Inlet::new(stop_on_signal());
    let mut sources = Vec::new();
    for asked in asked {
        sources.push(match asked {
            Asked::File(file) => {
                start(file, args, &context, &mut ledger, &mut tracker, &mut inlet)?
            }
            Asked::Live(kind, feed) => {
                start_live(kind, feed, &context, &mut ledger, &mut tracker, &mut inlet)?
            }
        });
    }
    let mut watcher = Screen::new(&sources, global);
    let summary = pipeline::run(
        &mut inlet,
        &mut tracker,
        &mut ledger,
        &config.retention,
        &mut watcher,
    )?;
    watcher.bar.finish_and_clear();
    if global.json {
        print_json(out, &Shown::of(&summary, &sources, started))?;
    } else {
        tell(&summary, &sources, global);
        let found = spikes(&ledger, &lexicon, Minute(0))?;
        label_made_up(&ledger, global)?;
        let covered_minutes = covered_minutes(&ledger)?;
        show(found, covered_minutes, &config, global, out)?;
    }
    match summary.feeds.values().find_map(|feed| feed.broken.as_ref()) {
        None => Ok(()),
        Some(why) => Err(Error::Data(format!("read a feed to its end: {why}"))),
    }
}

/// Opens everything that was asked for before anything is written.
fn open_all(args: &Args, config: &Config) -> Result<Vec<Asked>, Error> {
    if !args.feeds.is_empty() {
        return args
            .feeds
            .iter()
            .map(|feed| open_one(feed, args.sort))
            .collect();
    }
    if !config.feeds.is_empty() {
        return config
            .feeds
            .iter()
            .map(|table| open_table(table.clone()))
            .collect();
    }
    open_live(DEFAULT_KIND, feed::Asked::Url(String::new())).map(|feed| vec![feed])
}

/// The same feed twice would be counted once and called late for the rest.
fn refuse_repeats(asked: &[Asked]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for feed in asked {
        let name = match feed {
            Asked::File(file) => file.name(),
            Asked::Live(_, feed) => feed.name.clone(),
        };
        if !names.insert(name.clone()) {
            return Err(Error::Usage(format!(
                "read {name} twice in one run: name it once"
            )));
        }
    }
    Ok(())
}

fn open_one(feed: &str, sort: bool) -> Result<Asked, Error> {
    if let Some((kind, url)) = kind_and_url(feed)
        && kind != feed::file::KIND.name
    {
        return open_live(kind, feed::Asked::Url(url.to_owned()));
    }
    let path = feed.strip_prefix("file:").unwrap_or(feed);
    Ok(Asked::File(OpenFile::open(Path::new(path), sort)?))
}

/// `KIND:URL`; a file of that name is a file.
fn kind_and_url(feed: &str) -> Option<(&str, &str)> {
    let (kind, url) = feed.split_once(':')?;
    let is_kind = kind.len() > 1 && kind.bytes().all(|byte| byte.is_ascii_lowercase());
    (is_kind && !Path::new(feed).exists()).then_some((kind, url))
}

fn open_table(mut table: toml::Table) -> Result<Asked, Error> {
    let kind = table.remove("kind");
    let kind = kind
        .as_ref()
        .and_then(toml::Value::as_str)
        .unwrap_or_default();
    open_live(kind, feed::Asked::Table(table))
}

fn open_live(name: &str, asked: feed::Asked) -> Result<Asked, Error> {
    let known = feed::kind(name).and_then(|kind| Some((kind.name, kind.open?)));
    let Some((kind, open)) = known else {
        let names: Vec<&str> = feed::KINDS.iter().map(|kind| kind.name).collect();
        let hint = nearest(name, names.iter().copied())
            .map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
        return Err(Error::Usage(format!(
            "read a feed: there is no kind {name:?}, only {}{hint}",
            names.join(", ")
        )));
    };
    let feed =
        open(asked).map_err(|why| Error::Usage(format!("read a feed of kind {kind}: {why}")))?;
    Ok(Asked::Live(kind, feed))
}

fn start(
    mut file: OpenFile,
    args: &Args,
    context: &Context,
    ledger: &mut Sqlite,
    tracker: &mut Tracker,
    inlet: &mut Inlet,
) -> Result<Source, Error> {
    let name = file.name();
    let known = ledger.feeds()?.into_iter().find(|row| row.name == name);
    let cursor = known.as_ref().and_then(|row| row.cursor.clone());
    match (&cursor, ledger.settled_until()?) {
        (Some(cursor), _) => file.resume(cursor)?,
        (None, Some(settled_until)) if !file.is_stdin() => {
            refuse_what_is_past(file.path(), args.sort, context, settled_until)?;
        }
        (None, _) => {}
    }
    let kind = feed::file::KIND.name;
    let id = ledger.feed(&name, kind)?;
    tracker.expect_feed(id, false);
    let (shown, meter) = (file.path().display().to_string(), file.meter().clone());
    let newest = known.and_then(|row| row.newest);
    inlet.start(id, newest, Box::new(file.feed(context.clone())));
    Ok(Source {
        id,
        kind,
        name,
        shown,
        meter: Some(meter),
        is_resumed: cursor.is_some(),
    })
}

fn start_live(
    kind: &'static str,
    feed: LiveFeed,
    context: &Context,
    ledger: &mut Sqlite,
    tracker: &mut Tracker,
    inlet: &mut Inlet,
) -> Result<Source, Error> {
    let id = ledger.feed(&feed.name, kind)?;
    let cursor = ledger.cursor(id)?;
    tracker.expect_feed(id, true);
    let started = (feed.start)(context.clone(), cursor.as_ref());
    let ready = started.map_err(|why| Error::Usage(format!("read {}: {why}", feed.name)))?;
    inlet.start_live(id, ready);
    Ok(Source {
        id,
        kind,
        shown: feed.name.clone(),
        name: feed.name,
        meter: None,
        is_resumed: cursor.is_some(),
    })
}

/// A file of which no post can be counted any more is refused before it is read for nothing.
fn refuse_what_is_past(
    path: &Path,
    sort: bool,
    context: &Context,
    settled_until: Minute,
) -> Result<(), Error> {
    let feed = Box::new(OpenFile::open(path, sort)?.feed(context.clone()));
    let (outlet, batches) = Outlet::open();
    thread::spawn(move || feed.run(outlet));
    let mut posts = 0;
    for batch in batches {
        if batch
            .posts
            .iter()
            .any(|post| post.at.minute() >= settled_until)
        {
            return Ok(());
        }
        posts += batch.posts.len();
    }
    if posts == 0 {
        return Ok(());
    }
    Err(Error::Data(format!(
        "count {}: it lies wholly before {settled_until}, up to where this database has counted; use another --db",
        path.display()
    )))
}

/// The first SIGINT or SIGTERM lets the loop finish the batch in hand. The second ends the process at once: a file's
/// batch in hand is read again by the next run, that of standard input is lost.
fn stop_on_signal() -> Arc<AtomicBool> {
    const INTERRUPTED: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
            // Without it a signal ends the process, which is safe.
            return;
        };
        runtime.block_on(async {
            if signalled().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
            if signalled().await.is_ok() {
                process::exit(INTERRUPTED);
            }
        });
    });
    stop
}

async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// The progress bar, or the line of a live run, and the dropped lines under `-v`.
struct Screen<'a> {
    bar: ProgressBar,
    meters: Vec<Meter>,
    names: BTreeMap<FeedId, String>,
    standings: BTreeMap<FeedId, String>,
    last_told: Instant,
    counted_then: u64,
    global: &'a Global,
}

/// How often a live run says how it goes.
const TELL_EVERY: Duration = Duration::from_mins(1);

impl<'a> Screen<'a> {
    fn new(sources: &[Source], global: &'a Global) -> Self {
        let meters: Vec<Meter> = sources
            .iter()
            .filter_map(|source| source.meter.clone())
            .collect();
        let is_live = meters.len() < sources.len();
        let total = meters.iter().map(|meter| meter.bytes_total).sum();
        let bar = match (global.quiet || global.json, is_live) {
            (true, _) => ProgressBar::hidden(),
            (false, true) => ProgressBar::new_spinner(),
            (false, false) => ProgressBar::new(total),
        };
        let template = if is_live {
            "{spinner} {msg}"
        } else {
            "{bar:24} {percent:>3} %  {msg}  {elapsed}, {eta} left"
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is ours"));
        let names = sources
            .iter()
            .map(|source| (source.id, plain(&source.shown)))
            .collect();
        Self {
            bar,
            meters,
            names,
            standings: BTreeMap::new(),
            last_told: clock::start(),
            counted_then: 0,
            global,
        }
    }

    /// How a live run goes, in one line.
    fn line(&self, summary: &Summary, counted: u64, seconds: f64) -> String {
        let rate = (counted - self.counted_then) as f64 / seconds.max(0.001);
        let now = clock::now().minute();
        let behind = summary.watermark.map_or_else(
            || "nothing closed yet".to_owned(),
            |watermark| format!("{} min behind", now.0.saturating_sub(watermark.0)),
        );
        let standings: Vec<String> = self
            .standings
            .iter()
            .map(|(feed, standing)| format!("{} {standing}", self.names[feed]))
            .collect();
        format!(
            "{} posts, {rate:.1} a second, {behind}, {} hashtags, {} spikes; {}",
            grouped(counted),
            grouped(summary.hashtags.len() as u64),
            summary.spikes_opened.len(),
            standings.join(", ")
        )
    }
}

impl Watcher for Screen<'_> {
    fn dropped(&mut self, feed: FeedId, dropped: &Dropped) {
        if self.global.verbose {
            let Dropped { line, reject } = dropped;
            self.bar.suspend(|| {
                self.global.say(&format!(
                    "{}, line {line}: dropped, {} ({})",
                    self.names[&feed],
                    reject.about(),
                    reject.name()
                ));
            });
        }
    }

    fn stands(&mut self, feed: FeedId, standing: &Standing) {
        let standing = plain(&standing.to_string());
        let line = format!("{}: {standing}.", self.names[&feed]);
        self.bar.suspend(|| self.global.say(&line));
        self.standings.insert(feed, standing);
    }

    fn committed(&mut self, summary: &Summary) {
        let counted = summary.feeds.values().map(|feed| feed.counted).sum();
        if self.standings.is_empty() {
            self.bar
                .set_position(self.meters.iter().map(Meter::bytes_read).sum());
            self.bar.set_message(format!("{} posts", grouped(counted)));
            return;
        }
        let since = self.last_told.elapsed();
        let line = self.line(summary, counted, since.as_secs_f64());
        if since >= TELL_EVERY {
            self.bar.suspend(|| self.global.say(&line));
            self.last_told = clock::start();
            self.counted_then = counted;
        }
        self.bar.set_message(line);
        self.bar.tick();
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    posts_read: u64,
    posts_counted: u64,
    duplicates: u64,
    late: u64,
    skipped: u64,
    rejected: BTreeMap<&'static str, u64>,
    hashtag_uses: u64,
    hashtags: u64,
    first_post: Option<String>,
    last_post: Option<String>,
    watermark: Option<String>,
    spikes_opened: u64,
    elapsed_ms: u64,
    feeds: Vec<ShownFeed<'a>>,
}

#[derive(Serialize)]
struct ShownFeed<'a> {
    name: &'a str,
    kind: &'static str,
    posts_read: u64,
    posts_counted: u64,
    duplicates: u64,
    late: u64,
    skipped: u64,
    rejected: BTreeMap<&'static str, u64>,
    complete: bool,
}

impl<'a> Shown<'a> {
    fn of(summary: &Summary, sources: &'a [Source], started: Instant) -> Self {
        let total = total(summary);
        Self {
            posts_read: total.read(),
            posts_counted: total.counted,
            duplicates: total.duplicates,
            late: total.late,
            skipped: total.skipped,
            rejected: named(&total.rejected),
            hashtag_uses: summary.hashtag_uses,
            hashtags: summary.hashtags.len() as u64,
            first_post: summary.first_post.map(|at| at.to_string()),
            last_post: summary.last_post.map(|at| at.to_string()),
            watermark: summary.watermark.map(|minute| minute.to_string()),
            spikes_opened: summary.spikes_opened.len() as u64,
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            feeds: sources
                .iter()
                .map(|source| ShownFeed::of(summary, source))
                .collect(),
        }
    }
}

impl<'a> ShownFeed<'a> {
    fn of(summary: &Summary, source: &'a Source) -> Self {
        let feed = summary.feeds.get(&source.id).cloned().unwrap_or_default();
        Self {
            name: &source.name,
            kind: source.kind,
            posts_read: feed.read(),
            posts_counted: feed.counted,
            duplicates: feed.duplicates,
            late: feed.late,
            skipped: feed.skipped,
            rejected: named(&feed.rejected),
            complete: feed.complete,
        }
    }
}

fn named(rejected: &BTreeMap<Reject, u64>) -> BTreeMap<&'static str, u64> {
    rejected
        .iter()
        .map(|(reject, &count)| (reject.name(), count))
        .collect()
}

fn total(summary: &Summary) -> FeedSummary {
    let mut total = FeedSummary::default();
    for feed in summary.feeds.values() {
        total.counted += feed.counted;
        total.duplicates += feed.duplicates;
        total.late += feed.late;
        total.skipped += feed.skipped;
        for (&reject, count) in &feed.rejected {
            *total.rejected.entry(reject).or_default() += count;
        }
    }
    total
}

/// What was read, in sentences, on standard error.
fn tell(summary: &Summary, sources: &[Source], global: &Global) {
    for source in sources {
        let feed = summary.feeds.get(&source.id).cloned().unwrap_or_default();
        let path = plain(&source.shown);
        if feed.complete && feed.read() == 0 {
            let why = if source.is_resumed {
                "nothing new; all of it was counted before."
            } else {
                "there is nothing in it."
            };
            global.say(&format!("{path}: {why}"));
            continue;
        }
        global.say(&format!("{path}: {}", sentence(&feed)));
        if feed.late as f64 > LATE_SHARE_MAX * feed.read() as f64 {
            global.say(&format!(
                "  {:.0} % of them came late: the file is not in the order of time. `run --sort` with another --db counts them all.",
                100.0 * feed.late as f64 / feed.read() as f64
            ));
        }
    }
}

fn sentence(feed: &FeedSummary) -> String {
    let mut parts = vec![
        format!("{} read", grouped(feed.read())),
        format!("{} posts counted", grouped(feed.counted)),
    ];
    for (count, what) in [
        (feed.duplicates, "seen before"),
        (feed.late, "late"),
        (feed.skipped, "no posts"),
        (feed.rejected.values().sum(), "dropped"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", grouped(count)));
        }
    }
    if feed.rejected.is_empty() {
        return parts.join(", ") + ".";
    }
    let reasons: Vec<String> = feed
        .rejected
        .iter()
        .map(|(reject, count)| format!("{} {}", grouped(*count), reject.about()))
        .collect();
    format!(
        "{} ({}; -v shows the lines).",
        parts.join(", "),
        reasons.join(", ")
    )
}

/// Minutes heard so far.
fn covered_minutes(ledger: &Sqlite) -> Result<u32, Error> {
    let watermark = ledger.watermark()?.unwrap_or(Minute(0));
    let covered = ledger.coverage()?.map_or(0, |coverage| {
        coverage.covered_in(coverage.start()..watermark.0)
    });
    Ok(covered)
}

/// The flagged outage hashtags, and what to type next.
fn show(
    found: Vec<SpikeView>,
    covered_minutes: u32,
    config: &Config,
    global: &Global,
    out: Out<'_>,
) -> Result<(), Error> {
    let outages: Vec<SpikeView> = found
        .into_iter()
        .filter(|view| view.service.is_some())
        .collect();
    let db = if config.db == Path::new("downtrend.db") {
        String::new()
    } else {
        format!(" --db {}", config.db.display())
    };
    let command = format!("{}{db}", program());
    let Some(first) = outages.iter().min_by_key(|view| view.spike.onset()) else {
        global.say("\nNo outage hashtag was flagged.");
        if covered_minutes < BASELINE_MINUTES {
            global.say("Less than two hours were heard: too little to know what is usual, so nothing can be flagged yet.");
        }
        global.say(&format!(
            "\nWhat else there is:\n  {command} trending --all"
        ));
        return Ok(());
    };
    let peak = outages.iter().max_by_key(|view| view.uses).unwrap_or(first);
    global.say(&format!(
        "\nFlagged outage hashtags; the first began at {}:\n",
        local_long(first.spike.onset(), &config.tz)
    ));
    out.flush()?;
    write!(out, "{}", draw(&outages, &config.tz))?;
    out.flush()?;
    global.say(&format!(
        "\nTo go on:\n  {command} spikes\n  {command} trending --at {}\n  {command} export --spike {} --bucket 5m",
        peak.peak.0, peak.id
    ));
    Ok(())
}
