//! A table `[[feed]]` of the configuration, with the lines that its keys stand on.
//!
//! Each kind of feed reads its own keys and knows nothing of the file: what it finds wrong is turned into an error
//! that names file, line and key here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Error, line_of, nearest};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedTable {
    /// As it stands there; empty where it is missing.
    pub kind: String,
    /// The other keys.
    pub options: toml::Table,
    path: PathBuf,
    line: usize,
    line_by_key: BTreeMap<String, usize>,
}

impl FeedTable {
    /// The tables of a file of this text, as they were read from it.
    pub(super) fn all(path: &Path, text: &str, tables: Vec<toml::Table>) -> Vec<Self> {
        let lines = lines(text);
        let place = |at: usize| lines.get(at).cloned().unwrap_or_default();
        let tables = tables.into_iter().enumerate();
        tables
            .map(|(at, mut options)| {
                let kind = options.remove("kind");
                let kind = kind.as_ref().and_then(toml::Value::as_str);
                let (line, line_by_key) = place(at);
                Self {
                    kind: kind.unwrap_or_default().to_owned(),
                    options,
                    path: path.to_owned(),
                    line,
                    line_by_key,
                }
            })
            .collect()
    }

    /// What is wrong with the table in the words of its kind, with its place.
    pub fn wrong(&self, why: &str) -> Error {
        let first = why.lines().next().unwrap_or_default();
        let quoted = |after: &str| why.split(after).nth(1)?.split('`').next();
        let (key, what) = if let Some(unknown) = quoted("unknown field `") {
            (unknown, self.unknown(unknown, why))
        } else if let Some(missing) = quoted("missing field `") {
            let what = format!("a feed of kind {:?} needs the key {missing:?}", self.kind);
            (missing, what)
        } else if let Some(key) = quoted("\nin `") {
            (key, format!("{key}: {first}"))
        } else {
            ("", first.to_owned())
        };
        Error::Invalid {
            path: self.path.clone(),
            line: self.line_by_key.get(key).copied().unwrap_or(self.line),
            what,
        }
    }

    /// The line of `kind` itself.
    pub fn wrong_kind(&self, why: String) -> Error {
        Error::Invalid {
            path: self.path.clone(),
            line: self.line_by_key.get("kind").copied().unwrap_or(self.line),
            what: why,
        }
    }

    /// Serde lists the keys that it expected, each in backticks.
    fn unknown(&self, key: &str, why: &str) -> String {
        let (_, expected) = why.split_once(", expected ").unwrap_or_default();
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("its keys are {}", known.join(", ")),
        };
        format!("a feed of kind {:?} has no key {key:?}; {hint}", self.kind)
    }
}

/// For each table `feed` the line it begins on, and those of its keys.
fn lines(text: &str) -> Vec<(usize, BTreeMap<String, usize>)> {
    let Ok(file) = DeTable::parse(text) else {
        return Vec::new();
    };
    let feeds = file.get_ref().get("feed").map(toml::Spanned::get_ref);
    let Some(DeValue::Array(feeds)) = feeds else {
        return Vec::new();
    };
    let feeds = feeds.iter().map(|feed| {
        let DeValue::Table(table) = feed.get_ref() else {
            return (line_of(text, feed.span().start), BTreeMap::new());
        };
        let keys = table
            .iter()
            .map(|(key, _)| (key.get_ref().to_string(), line_of(text, key.span().start)));
        (line_of(text, feed.span().start), keys.collect())
    });
    feeds.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "db = \"x.db\"\n\n[[feed]]\nkind = \"mastodon\"\nserver = \"https://a.example\"\n\n[[feed]]\nkind = \"feed\"\n# Slowly.\npol = \"5m\"\n";

    fn wrong(why: &str) -> String {
        let mut file: toml::Table = TEXT.parse().expect("TOML");
        let tables = file.remove("feed").expect("it is there");
        let tables: Vec<toml::Table> = tables.try_into().expect("tables");
        let tables = FeedTable::all(Path::new("a.toml"), TEXT, tables);
        assert_eq!(tables[0].options.len(), 1);
        tables[1].wrong(why).to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_the_nearest_right_key() {
        assert_eq!(
            wrong("unknown field `pol`, expected one of `url`, `poll`\n"),
            "read the configuration a.toml, line 10: a feed of kind \"feed\" has no key \"pol\"; did you mean \"poll\"?"
        );
        assert_eq!(
            wrong("unknown field `zzz`, expected `url` or `poll`"),
            "read the configuration a.toml, line 7: a feed of kind \"feed\" has no key \"zzz\"; its keys are url, poll"
        );
        assert_eq!(
            wrong("\"soon\" is no length of time: use 15s or 2m\nin `pol`\n"),
            "read the configuration a.toml, line 10: pol: \"soon\" is no length of time: use 15s or 2m"
        );
        assert_eq!(
            wrong("missing field `url`\n"),
            "read the configuration a.toml, line 7: a feed of kind \"feed\" needs the key \"url\""
        );
        assert_eq!(
            wrong("use the feed \"x\": write it as https://HOST/PATH"),
            "read the configuration a.toml, line 7: use the feed \"x\": write it as https://HOST/PATH"
        );
    }

    #[test]
    fn tables_written_in_a_line_are_found_too() {
        let lines = lines("\nfeed = [{kind = \"feed\", url = \"x\"},\n {kind = \"feed\"}]\n");
        assert_eq!(lines[0].1["url"], 2);
        assert_eq!(lines[1].0, 3);
    }
}
