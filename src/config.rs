//! Settings: from a flag, else from the environment, else from `downtrend.toml`, else the default.
//!
//! [`KEYS`] is the list of them; the file, the environment and `config show` are read from it, and an unknown key is
//! answered with the nearest known one. Each setting remembers where it came from.

mod feed_table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use self::feed_table::FeedTable;
use crate::store::Retention;
use crate::trend::settings::{Sensitivity, Settings};

/// The file that is read where it exists.
pub const DEFAULT_FILE: &str = "downtrend.toml";
const SECONDS_PER_MINUTE: u64 = 60;

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
        default: "forever",
        about: "how long minutes are kept before they become hours",
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
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(variable) => f.write_str(variable),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
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
    #[error("use {value:?} for {key} (from {origin}): {what}")]
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
    db: Option<String>,
    spike_threshold: Option<f64>,
    sensitivity: Option<String>,
    min_posts: Option<u32>,
    window: Option<String>,
    lateness: Option<String>,
    lexicon: Option<String>,
    tz: Option<String>,
    #[serde(default)]
    retention: RetentionTable,
    #[serde(default)]
    feed: Vec<toml::Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionTable {
    mentions: Option<String>,
    minutes: Option<String>,
}

impl File {
    fn get(&self, key: &str) -> Option<String> {
        match key {
            "db" => self.db.clone(),
            "spike_threshold" => self.spike_threshold.map(|number| number.to_string()),
            "sensitivity" => self.sensitivity.clone(),
            "min_posts" => self.min_posts.map(|number| number.to_string()),
            "window" => self.window.clone(),
            "lateness" => self.lateness.clone(),
            "retention.mentions" => self.retention.mentions.clone(),
            "retention.minutes" => self.retention.minutes.clone(),
            "lexicon" => self.lexicon.clone(),
            "tz" => self.tz.clone(),
            _ => None,
        }
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
            Some((path, text, mut file)) => {
                let tables = std::mem::take(&mut file.feed);
                let feeds = FeedTable::all(&path, &text, tables);
                (Some((path, file)), feeds)
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
                let file = || {
                    let (path, file) = from_file.as_ref()?;
                    file.get(key.name)
                        .map(|value| (value, Origin::File(path.clone())))
                };
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
            lateness_minutes: parse(get("lateness"), minutes)?,
            retention: Retention {
                mentions_minutes: parse(get("retention.mentions"), minutes)?,
                minutes: parse(get("retention.minutes"), |text| match text {
                    "forever" => Ok(None),
                    text => minutes(text).map(Some),
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
    let minutes = duration(text)?.as_secs() / SECONDS_PER_MINUTE;
    match u32::try_from(minutes) {
        Ok(0) | Err(_) => Err("give a duration from a minute on".to_owned()),
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

/// The file with its text, if there is one.
fn read_file(file: Option<&Path>) -> Result<Option<(PathBuf, String, File)>, Error> {
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
    Ok(Some((path.to_owned(), text, file)))
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
        assert_eq!(origin("retention.mentions"), Some(Origin::File(path)));
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
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("48h", 172_800), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert!(duration("soon").is_err());
        assert!(duration("-5m").is_err());
    }
}
