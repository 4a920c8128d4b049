//! Settings: from a flag, else from the environment, else from `downtrend.toml`, else the default.
//!
//! [`KEYS`] is the list of them; the file, the environment and `config show` are read from it, and an unknown key is
//! answered with the nearest known one. Each setting remembers where it came from.

mod feed_table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

pub use self::feed_table::FeedTable;
use crate::store::{MinutesKept, Retention};
use crate::trend::settings::{Sensitivity, Settings};

/// The file that is read where it exists.
pub const DEFAULT_FILE: &str = "downtrend.toml";
const SECONDS_PER_MINUTE: u64 = 60;
/// The longest lateness. Minutes that may still change are kept in memory, twice while they are looked ahead at: six
/// hours of Bluesky are a million posts.
const LATENESS_MINUTES_MAX: u32 = 6 * 60;
/// What must be kept beyond the lateness: whoever used a hashtag in the hour before is not fresh.
const MEMORY_MINUTES: u32 = crate::trend::recent::MEMORY_MINUTES;

/// A key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it stands in the file; `retention.mentions` is `mentions` in the table `retention`.
    pub name: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// The default, as one would write it.
    pub default: &'static str,
    /// What it is.
    pub about: &'static str,
}

/// Every key.
pub const KEYS: &[Key] = &[
    Key {
        name: "db",
        variable: "DOWNTREND_DB",
        default: "downtrend.db",
        about: "the database file",
    },
    Key {
        name: "spike_threshold",
        variable: "DOWNTREND_SPIKE_THRESHOLD",
        default: "3",
        about: "growth that a spike must exceed",
    },
    Key {
        name: "sensitivity",
        variable: "DOWNTREND_SENSITIVITY",
        default: "normal",
        about: "how improbable a spike must be: low, normal or high",
    },
    Key {
        name: "min_posts",
        variable: "DOWNTREND_MIN_POSTS",
        default: "10",
        about: "fresh authors that a spike needs",
    },
    Key {
        name: "window",
        variable: "DOWNTREND_WINDOW",
        default: "10m",
        about: "the stretch that `trending` looks at",
    },
    Key {
        name: "lateness",
        variable: "DOWNTREND_LATENESS",
        default: "10m",
        about: "how far behind the newest post a post may be and still count",
    },
    Key {
        name: "retention.mentions",
        variable: "DOWNTREND_RETENTION_MENTIONS",
        default: "7d",
        about: "how long exact distinct authors can be asked for",
    },
    Key {
        name: "retention.minutes",
        variable: "DOWNTREND_RETENTION_MINUTES",
        default: "auto",
        about: "how long minutes are kept before they become hours; auto: 90d, or forever once a file was read",
    },
    Key {
        name: "lexicon",
        variable: "DOWNTREND_LEXICON",
        default: "",
        about: "a file that adds to the lexicon and removes from it",
    },
    Key {
        name: "tz",
        variable: "DOWNTREND_TZ",
        default: "system",
        about: "time zone of tables, as in Asia/Dhaka",
    },
];

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment(&'static str),
    /// The configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// Nobody said anything.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(variable) => f.write_str(variable),
            Self::File { path, .. } => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Origin {
    /// With the line, where there is one.
    fn place(&self) -> String {
        match self {
            Self::File { path, line } => format!("{}, line {line}", path.display()),
            other => other.to_string(),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("read the configuration {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is no configuration of ours.
    #[error("read the configuration {path}, line {line}: {what}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// A value that its key cannot have.
    #[error("use {value:?} for {key} (from {}): {what}", origin.place())]
    Value {
        /// Which key.
        key: &'static str,
        /// What was given.
        value: String,
        /// By whom.
        origin: Origin,
        /// What would be right.
        what: String,
    },
}

/// One setting as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Which.
    pub key: &'static str,
    /// As one would write it.
    pub value: String,
    /// From where.
    pub origin: Origin,
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// As they were given, in the order of [`KEYS`].
    pub given: Vec<Given>,
    /// The database file.
    pub db: PathBuf,
    /// What is a spike.
    pub settings: Settings,
    /// The stretch that `trending` looks at.
    pub window_minutes: u32,
    /// How far behind the newest post a post may be.
    pub lateness_minutes: u32,
    /// What is kept for how long.
    pub retention: Retention,
    /// The user's lexicon.
    pub lexicon: Option<PathBuf>,
    /// Time zone of tables.
    pub tz: jiff::tz::TimeZone,
    /// The tables `[[feed]]`; each kind reads its own keys.
    pub feeds: Vec<FeedTable>,
}

/// The file, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    db: Option<Spanned<String>>,
    spike_threshold: Option<Spanned<f64>>,
    sensitivity: Option<Spanned<String>>,
    min_posts: Option<Spanned<u32>>,
    window: Option<Spanned<String>>,
    lateness: Option<Spanned<String>>,
    lexicon: Option<Spanned<String>>,
    tz: Option<Spanned<String>>,
    #[serde(default)]
    retention: RetentionTable,
    #[serde(default)]
    feed: Vec<toml::Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionTable {
    mentions: Option<Spanned<String>>,
    minutes: Option<Spanned<String>>,
}

/// The file with its place, and its text to find lines in.
struct Read {
    path: PathBuf,
    text: String,
    file: File,
}

impl Read {
    fn get(&self, key: &str) -> Option<(String, Origin)> {
        let file = &self.file;
        match key {
            "db" => self.given(file.db.as_ref()),
            "spike_threshold" => self.given(file.spike_threshold.as_ref()),
            "sensitivity" => self.given(file.sensitivity.as_ref()),
            "min_posts" => self.given(file.min_posts.as_ref()),
            "window" => self.given(file.window.as_ref()),
            "lateness" => self.given(file.lateness.as_ref()),
            "retention.mentions" => self.given(file.retention.mentions.as_ref()),
            "retention.minutes" => self.given(file.retention.minutes.as_ref()),
            "lexicon" => self.given(file.lexicon.as_ref()),
            "tz" => self.given(file.tz.as_ref()),
            _ => None,
        }
    }

    fn given(&self, value: Option<&Spanned<impl ToString>>) -> Option<(String, Origin)> {
        let value = value?;
        let origin = Origin::File {
            path: self.path.clone(),
            line: line_of(&self.text, value.span().start),
        };
        Some((value.get_ref().to_string(), origin))
    }
}

impl Config {
    /// Reads the settings. `flags` are those of the command line, by key; `variable` looks an environment variable up.
    pub fn load(
        file: Option<&Path>,
        flags: &[(&'static str, String)],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let (from_file, feeds) = match read_file(file)? {
            None => (None, Vec::new()),
            Some(mut read) => {
                let tables = std::mem::take(&mut read.file.feed);
                let feeds = FeedTable::all(&read.path, &read.text, tables);
                (Some(read), feeds)
            }
        };
        let given: Vec<Given> = KEYS
            .iter()
            .map(|key| {
                let flag = flags.iter().find(|(name, _)| *name == key.name);
                let flag = flag.map(|(_, value)| (value.clone(), Origin::Flag));
                let environment = || {
                    variable(key.variable).map(|value| (value, Origin::Environment(key.variable)))
                };
                let file = || from_file.as_ref()?.get(key.name);
                let (value, origin) = flag
                    .or_else(environment)
                    .or_else(file)
                    .unwrap_or_else(|| (key.default.to_owned(), Origin::Default));
                Given {
                    key: key.name,
                    value,
                    origin,
                }
            })
            .collect();
        Self::interpret(given, feeds)
    }

    fn interpret(given: Vec<Given>, feeds: Vec<FeedTable>) -> Result<Self, Error> {
        let get = |key: &str| {
            given
                .iter()
                .find(|given| given.key == key)
                .expect("every key of KEYS is given")
        };
        let text = |key| {
            Some(&get(key).value)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        let lateness_minutes = parse(get("lateness"), |text| match minutes(text)? {
            minutes if minutes <= LATENESS_MINUTES_MAX => Ok(minutes),
            _ => Err("give 6h at most; `run --sort` reads an archive in time order".to_owned()),
        })?;
        let retention_minutes_min = lateness_minutes + MEMORY_MINUTES;
        let kept = |text: &str| match minutes(text)? {
            minutes if minutes >= retention_minutes_min => Ok(minutes),
            _ => Err(format!(
                "give {retention_minutes_min}m at least: `lateness` and an hour"
            )),
        };
        Ok(Self {
            db: parse(get("db"), |text| match text {
                "" => Err("name a file".to_owned()),
                text => Ok(PathBuf::from(text)),
            })?,
            settings: Settings {
                spike_threshold: parse(get("spike_threshold"), threshold)?,
                sensitivity: parse(get("sensitivity"), sensitivity)?,
                posts_min: parse(get("min_posts"), |text| match text.parse() {
                    Ok(0) | Err(_) => Err("give a whole number from 1 on".to_owned()),
                    Ok(number) => Ok(number),
                })?,
            },
            window_minutes: parse(get("window"), minutes)?,
            lateness_minutes,
            retention: Retention {
                mentions_minutes: parse(get("retention.mentions"), kept)?,
                minutes: parse(get("retention.minutes"), |text| match text {
                    "auto" => Ok(MinutesKept::Auto),
                    "forever" => Ok(MinutesKept::Forever),
                    text => kept(text).map(MinutesKept::For),
                })?,
            },
            lexicon: text("lexicon").map(PathBuf::from),
            tz: parse(get("tz"), |text| match text {
                "system" => Ok(jiff::tz::TimeZone::system()),
                name => jiff::tz::TimeZone::get(name)
                    .map_err(|_| "no such time zone; write it as in Asia/Dhaka or UTC".to_owned()),
            })?,
            given,
            feeds,
        })
    }
}

fn parse<T>(given: &Given, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Error> {
    read(&given.value).map_err(|what| Error::Value {
        key: given.key,
        value: given.value.clone(),
        origin: given.origin.clone(),
        what,
    })
}

fn threshold(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 1.0 => Ok(number),
        _ => Err("give a number from 1 on".to_owned()),
    }
}

fn sensitivity(text: &str) -> Result<Sensitivity, String> {
    match text {
        "low" => Ok(Sensitivity::Low),
        "normal" => Ok(Sensitivity::Normal),
        "high" => Ok(Sensitivity::High),
        _ => Err("it is low, normal or high".to_owned()),
    }
}

fn minutes(text: &str) -> Result<u32, String> {
    let duration = duration(text)?;
    let (seconds, below) = (duration.as_secs(), duration.subsec_nanos());
    match u32::try_from(seconds / SECONDS_PER_MINUTE) {
        Ok(0) | Err(_) => Err("give a duration from a minute on".to_owned()),
        Ok(_) if seconds % SECONDS_PER_MINUTE > 0 || below > 0 => {
            Err("give whole minutes, as in 2m: counts are kept by the minute".to_owned())
        }
        Ok(minutes) => Ok(minutes),
    }
}

/// A duration as people write it: `30s`, `10m`, `48h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration; write it as in 30s, 10m, 48h or 7d");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let seconds = span
        .total(jiff::SpanTotal::from(jiff::Unit::Second).days_are_24_hours())
        .map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn read_file(file: Option<&Path>) -> Result<Option<Read>, Error> {
    let path = match file {
        Some(path) => path,
        None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
        None => return Ok(None),
    };
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let file = toml::from_str(&text).map_err(|error| Error::Invalid {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(&text, span.start)),
        what: explain(error.message()),
    })?;
    Ok(Some(Read {
        path: path.to_owned(),
        text,
        file,
    }))
}

fn line_of(text: &str, at: usize) -> usize {
    memchr::memchr_iter(b'\n', &text.as_bytes()[..at.min(text.len())]).count() + 1
}

/// Adds the nearest key to serde's "unknown field `x`, expected …".
fn explain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return message.to_owned();
    };
    let unknown = rest.split('`').next().unwrap_or_default();
    match nearest(unknown, KEYS.iter().map(|key| key.name)) {
        Some(known) => format!("there is no key {unknown:?}; did you mean {known:?}?"),
        None => format!("there is no key {unknown:?}; `downtrend config show` lists them"),
    }
}

/// The candidate most like `word`, if any is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Jaro-Winkler similarity of words that a slip of the fingers makes of each other.
    const LIKE_MIN: f64 = 0.75;
    candidates
        .map(|candidate| {
            let last = candidate.rsplit('.').next().unwrap_or(candidate);
            (strsim::jaro_winkler(word, last), candidate)
        })
        .filter(|(likeness, _)| *likeness >= LIKE_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("downtrend.toml");
        std::fs::write(
            &path,
            "spike_threshold = 5\nmin_posts = 20\n[retention]\nmentions = \"2d\"\n",
        )
        .expect("written");
        let environment = |name: &str| match name {
            "DOWNTREND_SPIKE_THRESHOLD" => Some("6".to_owned()),
            "DOWNTREND_MIN_POSTS" => Some("30".to_owned()),
            _ => None,
        };
        let flags = [("spike_threshold", "7".to_owned())];
        let config = Config::load(Some(&path), &flags, &environment).expect("valid");
        assert!((config.settings.spike_threshold - 7.0).abs() < f64::EPSILON);
        assert_eq!(config.settings.posts_min, 30);
        assert_eq!(config.retention.mentions_minutes, 2 * 24 * 60);
        let origin = |key| {
            config
                .given
                .iter()
                .find(|given| given.key == key)
                .map(|given| given.origin.clone())
        };
        assert_eq!(origin("spike_threshold"), Some(Origin::Flag));
        assert_eq!(
            origin("min_posts"),
            Some(Origin::Environment("DOWNTREND_MIN_POSTS"))
        );
        assert_eq!(
            origin("retention.mentions"),
            Some(Origin::File { path, line: 4 })
        );
        assert_eq!(origin("window"), Some(Origin::Default));
    }

    #[test]
    fn an_unknown_key_is_answered_with_file_line_and_the_nearest_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("downtrend.toml");
        std::fs::write(&path, "db = \"x.db\"\nspike_treshold = 5\n").expect("written");
        let error = Config::load(Some(&path), &[], &nothing)
            .expect_err("unknown key")
            .to_string();
        assert!(
            error.contains("line 2") && error.contains("did you mean \"spike_threshold\""),
            "{error}"
        );
    }

    #[test]
    fn a_value_out_of_range_names_key_value_and_origin() {
        let flags = [("spike_threshold", "0.5".to_owned())];
        let error = Config::load(None, &flags, &nothing)
            .expect_err("too small")
            .to_string();
        assert!(
            error.contains("spike_threshold") && error.contains("0.5") && error.contains("flag"),
            "{error}"
        );
    }

    #[test]
    fn a_retention_below_the_lateness_and_an_hour_is_refused_with_file_line_and_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("downtrend.toml");
        for (key, kept, is_kept) in [
            ("mentions", "89m", false),
            ("minutes", "89m", false),
            ("mentions", "90m", true),
            ("minutes", "90m", true),
            ("minutes", "forever", true),
        ] {
            let text = format!("lateness = \"30m\"\n\n[retention]\n{key} = \"{kept}\"\n");
            std::fs::write(&path, text).expect("written");
            let loaded = Config::load(Some(&path), &[], &nothing);
            assert_eq!(loaded.is_ok(), is_kept, "{key} = {kept}");
            if let Err(error) = loaded {
                let error = error.to_string();
                assert!(error.contains("downtrend.toml, line 4"), "{error}");
                assert!(error.contains(&format!("retention.{key}")), "{error}");
                assert!(error.contains("90m at least"), "{error}");
            }
        }
    }

    #[test]
    fn a_lateness_that_memory_could_not_hold_is_refused() {
        let with = |lateness: &str| {
            let flags = [("lateness", lateness.to_owned())];
            Config::load(None, &flags, &nothing).map(|config| config.lateness_minutes)
        };
        assert_eq!(with("6h").ok(), Some(360));
        let error = with("361m").expect_err("too long").to_string();
        assert!(
            error.contains("lateness") && error.contains("--sort"),
            "{error}"
        );
    }

    #[test]
    fn seconds_are_not_cut_off_where_minutes_are_wanted() {
        let with = |window: &str| {
            let flags = [("window", window.to_owned())];
            Config::load(None, &flags, &nothing).map(|config| config.window_minutes)
        };
        assert_eq!(with("120s").ok(), Some(2));
        let error = with("90s").expect_err("no whole minutes").to_string();
        assert!(
            error.contains("window") && error.contains("whole minutes"),
            "{error}"
        );
    }

    #[test]
    fn minutes_are_kept_for_90_days_of_live_feeds_and_for_ever_of_files() {
        use crate::store::Ledger;
        use crate::store::sqlite::Sqlite;
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::load(None, &[], &nothing).expect("the defaults are valid");
        let mut ledger = Sqlite::open(&folder.path().join("kept.db")).expect("opens");
        let kept = |ledger: &Sqlite| config.retention.minutes.within(ledger).expect("readable");
        ledger.feed("bluesky", "bluesky").expect("numbered");
        assert_eq!(kept(&ledger), Some(90 * 24 * 60));
        let kind = crate::feed::file::KIND.name;
        ledger.feed("an archive", kind).expect("numbered");
        assert_eq!(kept(&ledger), None);
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("48h", 172_800), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert!(duration("soon").is_err());
        assert!(duration("-5m").is_err());
    }
}
