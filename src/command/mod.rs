//! The commands, one file each, and what they have in common.

pub mod config;
pub mod db;
pub mod export;
pub mod extract;
pub mod feeds;
pub mod lexicon;
pub mod run;
pub mod spikes;
pub mod trending;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::{self as settings, Config};
use crate::export::rounded;
use crate::lexicon::{self as words, Lexicon};
use crate::store::sqlite::Sqlite;
use crate::store::{self, Ledger};
use crate::time::{Minute, TimeError, Timestamp};
use crate::view::filter::Filter;
use crate::view::table::plain;
use crate::{backtest, feed};

/// Where data goes. Messages go to standard error.
pub type Out<'a> = &'a mut dyn Write;

/// Which stream of posts is down?
#[derive(Debug, clap::Parser)]
#[command(
    name = "downtrend",
    version,
    about = "Tells which online service is down, since when and how sure, from the hashtags of public posts",
    before_help = "Example: downtrend run data/demo/whatsapp-2022-10-25.ndjson.zst",
    after_help = "Data goes to standard output, messages to standard error. NO_COLOR is honoured.",
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The database file.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "The database file [env: DOWNTREND_DB] [default: downtrend.db]"
    )]
    pub db: Option<String>,
    /// The configuration file [default: downtrend.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// Time zone of tables.
    #[arg(
        long,
        global = true,
        value_name = "ZONE",
        help = "Time zone of tables, as in Asia/Dhaka [env: DOWNTREND_TZ] [default: the system's]"
    )]
    pub tz: Option<String>,
    /// Colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: clap::ColorChoice,
    /// Say more: each dropped line with its reason
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Say less: no messages but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// The knobs of the detector.
#[derive(Debug, Default, clap::Args)]
pub struct Knobs {
    /// Growth that a spike must exceed [default: 3]
    #[arg(long, value_name = "K")]
    pub spike_threshold: Option<f64>,
    /// How improbable a spike must be: low, normal or high [default: normal]
    #[arg(long, value_name = "HOW")]
    pub sensitivity: Option<String>,
    /// Fresh authors that a spike needs [default: 10]
    #[arg(long, value_name = "N")]
    pub min_posts: Option<u32>,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Reads posts from feeds and counts their hashtags
    Run(run::Args),
    /// Lists the outage hashtags trending at a moment
    Trending(trending::Args),
    /// Lists spikes, open and past
    Spikes(spikes::Args),
    /// Writes the timeline of hashtags
    Export(export::Args),
    /// Reads hashtags out of text, a line in, a JSON line out
    Extract(extract::Args),
    /// Runs the detector over a count series (CSV)
    Backtest(backtest::Args),
    /// Shows the kinds of feed and those read so far
    Feeds(feeds::Args),
    /// Explains what the lexicon makes of a hashtag
    Lexicon(lexicon::Args),
    /// Shows or checks the settings
    Config(config::Args),
    /// Looks after the database
    Db(db::Args),
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Wrong usage.
    #[error("{0}")]
    Usage(String),
    /// Nothing was found where that was asked.
    #[error("find anything: nothing is trending")]
    NothingFound,
    /// Bad data came in; the rest of it was read.
    #[error("{0}")]
    Data(String),
    /// There is no such input.
    #[error("{0}")]
    NoInput(String),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] settings::Error),
    /// The user's lexicon cannot be used.
    #[error("use the lexicon {path}")]
    Lexicon {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No live feed was ever heard.
    #[error("reach any feed: {0}")]
    Unreachable(String),
    /// A bug of ours.
    #[error("go on: {0}; this is a bug")]
    Bug(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file feed could not be read.
    #[error(transparent)]
    Feed(#[from] feed::file::Error),
    /// A backtest failed.
    #[error(transparent)]
    Backtest(#[from] backtest::Error),
    /// A file cannot be written.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Standard output is gone or full.
    #[error("write to standard output")]
    Output(#[from] io::Error),
}

impl Error {
    /// What the process exits with, as `design.md` lists it.
    pub fn exit_code(&self) -> u8 {
        const BAD_DATA: u8 = 65;
        const NO_INPUT: u8 = 66;
        const UNREACHABLE: u8 = 69;
        const BUG: u8 = 70;
        const DISK: u8 = 74;
        const LOCKED: u8 = 75;
        const BAD_CONFIG: u8 = 78;
        match self {
            Self::NothingFound => 1,
            Self::Usage(_)
            | Self::Config(settings::Error::Value {
                origin: settings::Origin::Flag,
                ..
            }) => 2,
            Self::Data(_) | Self::Feed(feed::file::Error::Changed { .. }) => BAD_DATA,
            Self::NoInput(_) | Self::Feed(_) | Self::Store(store::Error::Missing { .. }) => {
                NO_INPUT
            }
            Self::Config(_) | Self::Lexicon { .. } | Self::Store(store::Error::Newer { .. }) => {
                BAD_CONFIG
            }
            Self::Store(store::Error::Locked { .. }) => LOCKED,
            Self::Store(_) | Self::Write { .. } | Self::Output(_) => DISK,
            Self::Unreachable(_) => UNREACHABLE,
            Self::Bug(_) => BUG,
            Self::Backtest(error) => error.exit_code(),
        }
    }

    /// Whether the reader of our output has simply had enough.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl Cli {
    /// Does what was asked.
    pub fn execute(&self, out: Out<'_>) -> Result<(), Error> {
        let global = &self.global;
        match &self.command {
            Command::Run(args) => run::execute(args, global, out),
            Command::Trending(args) => trending::execute(args, global, out),
            Command::Spikes(args) => spikes::execute(args, global, out),
            Command::Export(args) => export::execute(args, global, out),
            Command::Extract(args) => extract::execute(args, out),
            Command::Backtest(args) => Ok(backtest::run(args, out)?),
            Command::Feeds(args) => feeds::execute(args, global, out),
            Command::Lexicon(args) => lexicon::execute(args, global, out),
            Command::Config(args) => config::execute(args, global, out),
            Command::Db(args) => db::execute(args, global, out),
        }
    }
}

impl Global {
    /// The settings, with those of the command line.
    pub fn config(&self, mut flags: Vec<(&'static str, String)>) -> Result<Config, Error> {
        flags.extend(self.db.clone().map(|db| ("db", db)));
        flags.extend(self.tz.clone().map(|tz| ("tz", tz)));
        let variable = |name: &str| std::env::var(name).ok();
        Ok(Config::load(self.config.as_deref(), &flags, &variable)?)
    }

    /// Says something to the person, unless asked to be quiet.
    pub fn say(&self, message: &str) {
        if !self.quiet {
            anstream::eprintln!("{message}");
        }
    }
}

impl Knobs {
    /// As flags for [`Global::config`].
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        let threshold = self
            .spike_threshold
            .map(|number| ("spike_threshold", number.to_string()));
        let sensitivity = self.sensitivity.clone().map(|how| ("sensitivity", how));
        let min_posts = self
            .min_posts
            .map(|number| ("min_posts", number.to_string()));
        threshold
            .into_iter()
            .chain(sensitivity)
            .chain(min_posts)
            .collect()
    }
}

/// The lexicon, with what the user adds to it.
pub fn lexicon_of(config: &Config) -> Result<Lexicon, Error> {
    let Some(path) = &config.lexicon else {
        return Ok(Lexicon::builtin());
    };
    let failed = |source| Error::Lexicon {
        path: path.clone(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.into()))?;
    Lexicon::builtin()
        .with_user(&text)
        .map_err(|error: words::Error| failed(error.into()))
}

/// Refuses a service that the lexicon does not know, since its answer would look like silence.
pub fn known_service(service: Option<&str>, lexicon: &Lexicon) -> Result<Option<String>, Error> {
    let Some(service) = service else {
        return Ok(None);
    };
    let asked = service.to_lowercase();
    let services = lexicon.services();
    if services.contains(&asked.as_str()) {
        return Ok(Some(asked));
    }
    let hint = settings::nearest(&asked, services.into_iter())
        .map_or_else(String::new, |known| format!("; did you mean {known:?}?"));
    Err(Error::Usage(format!(
        "find the service {service:?} in the lexicon{hint}"
    )))
}

/// Opens the database to read from; an empty one is as good as a missing one here.
pub fn open_to_read(config: &Config) -> Result<Sqlite, Error> {
    let missing = || store::Error::Missing {
        path: config.db.clone(),
    };
    Ok(Sqlite::open_to_read(&config.db)?.ok_or_else(missing)?)
}

/// Keeps posts of a source, in a language; says so where there is no such post, since the answer looks like silence.
pub fn filter_of(
    ledger: &impl Ledger,
    source: Option<&str>,
    lang: Option<&str>,
    global: &Global,
) -> Result<Filter, Error> {
    /// So many are shown; a database may know hundreds.
    const SHOWN_MAX: usize = 20;
    let filter = Filter::new(ledger, source, lang)?;
    if filter.keeps_nothing() {
        let list = |mut names: Vec<String>| {
            names.retain(|name| !name.is_empty());
            names.sort_unstable();
            names.truncate(SHOWN_MAX);
            plain(&names.join(", "))
        };
        let langs = list(ledger.lang_tags()?.into_values().collect());
        let sources = list(ledger.source_names()?.into_values().collect());
        let known = [("from", sources), ("in", langs)];
        let known = known.iter().filter(|(_, names)| !names.is_empty());
        let known: Vec<String> = known
            .map(|(which, names)| format!("There are posts {which} {names}."))
            .collect();
        global.say(&format!("No such post was counted. {}", known.join(" ")));
    }
    Ok(filter)
}

/// The code of a script, by its code or its name.
pub fn known_script(script: Option<&str>) -> Result<Option<String>, Error> {
    let Some(asked) = script else {
        return Ok(None);
    };
    words::script_code(asked).map_or_else(
        || {
            Err(Error::Usage(format!(
                "find the script {asked:?}: write its code or its name, as in Beng or Bengali"
            )))
        },
        |code| Ok(Some(code.to_owned())),
    )
}

/// Refuses to tell posts apart by source or language where their mentions are sealed: what is left would look like
/// silence.
pub fn refuse_sealed(from: Minute, is_filtered: bool, ledger: &impl Ledger) -> Result<(), Error> {
    match Filter::possible_since(ledger)? {
        Some(since) if is_filtered && from < since => Err(Error::Usage(format!(
            "tell posts apart from {from} on by --source or --lang: that is possible since {since}; before it only \
             counts are kept (`retention.mentions`)"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Says so where the posts are made up: what `data/demo` holds must never be taken for news.
pub fn label_made_up(ledger: &impl Ledger, global: &Global) -> Result<(), Error> {
    const MADE_UP: &str = "demo:";
    if ledger
        .source_names()?
        .values()
        .any(|name| name.starts_with(MADE_UP))
    {
        global.say("These posts are a reconstruction in our own words, not real posts.");
    }
    Ok(())
}

/// A moment given on the command line.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|error: TimeError| format!("failed to {error}"))
}

/// A figure in a table: one digit behind the point.
pub fn short(number: f64) -> String {
    format!("{number:.1}")
}

/// A figure in JSON.
pub fn json_number(number: Option<f64>) -> Option<f64> {
    number.map(rounded)
}

/// How this program was called: what to type next begins with it.
pub fn program() -> String {
    std::env::args_os().next().map_or_else(
        || "downtrend".to_owned(),
        |name| Path::new(&name).display().to_string(),
    )
}

/// Prints a value as one line of JSON.
pub fn print_json(out: Out<'_>, value: &impl serde::Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
