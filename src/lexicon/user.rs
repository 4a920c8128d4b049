//! A user's own additions to the lexicon, and what is to be taken out of it.
//!
//! A line is a command with its columns, separated by tabs. A mistake is told with its line and the nearest right word.

use super::{EVERYWHERE, Lexicon, Name, NameKind, WordKind, joined};
use crate::hashtag;

/// The commands of a user's file, with their columns.
const COMMANDS: [(&str, &str); 6] = [
    ("add-service", "SERVICE and NAME"),
    ("remove-service", "SERVICE"),
    ("add-word", "WORD"),
    ("remove-word", "WORD"),
    ("add-hashtag", "HASHTAG and SERVICE"),
    ("remove-hashtag", "HASHTAG"),
];

/// Why a user's lexicon file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first column is no command.
    #[error("read line {line} of the lexicon: no command {found:?}, the nearest is {nearest:?}")]
    Command {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// The most similar command.
        nearest: String,
    },
    /// A column is missing, empty, or one too many.
    #[error("read line {line} of the lexicon: {command} takes {columns}, separated by tabs")]
    Columns {
        /// Counted from 1.
        line: usize,
        /// The command.
        command: &'static str,
        /// What it takes.
        columns: &'static str,
    },
    /// What shall be removed is not there.
    #[error(
        "read line {line} of the lexicon: nothing to remove at {found:?}, the nearest is {nearest:?}"
    )]
    Unknown {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// The most similar service or word.
        nearest: String,
    },
    /// A hashtag, name or word that no hashtag can hold.
    #[error("read line {line} of the lexicon: {found:?} cannot stand in a hashtag")]
    NoHashtag {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
    },
}

impl Lexicon {
    /// With a user's additions and removals, one a line, columns separated by tabs; `#` in the first column begins a
    /// comment. The commands: `add-service SERVICE NAME`, `remove-service SERVICE`, `add-word WORD`,
    /// `remove-word WORD`, `add-hashtag HASHTAG SERVICE` (always an outage of it), `remove-hashtag HASHTAG` (never
    /// one).
    pub fn with_user(mut self, text: &str) -> Result<Self, Error> {
        for (index, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                self.obey(index + 1, line)?;
            }
        }
        Ok(self)
    }

    fn obey(&mut self, line: usize, text: &str) -> Result<(), Error> {
        let columns: Vec<&str> = text.split('\t').map(str::trim).collect();
        let Some(&(command, takes)) = COMMANDS.iter().find(|(command, _)| *command == columns[0])
        else {
            return Err(Error::Command {
                line,
                found: columns[0].to_owned(),
                nearest: nearest(columns[0], COMMANDS.iter().map(|(command, _)| *command)),
            });
        };
        let key = |text: &str| {
            key_of(text).ok_or_else(|| Error::NoHashtag {
                line,
                found: text.to_owned(),
            })
        };
        match (command, &columns[1..]) {
            (_, arguments) if arguments.iter().any(|argument| argument.is_empty()) => {
                return Err(Error::Columns {
                    line,
                    command,
                    columns: takes,
                });
            }
            ("add-service", [service, name]) => {
                key(name)?;
                self.add_name(service, EVERYWHERE, name, NameKind::Name);
            }
            ("remove-service", [service]) => self.remove_service(line, service)?,
            ("add-word", [word]) => {
                key(word)?;
                self.add_word(EVERYWHERE, word, WordKind::Outage);
            }
            ("remove-word", [word]) => self.remove_word(line, word)?,
            ("add-hashtag", [hashtag, service]) => {
                let key = key(hashtag)?;
                self.never.remove(&key);
                let name = Name::new(service, EVERYWHERE, hashtag, NameKind::Name);
                self.listed.insert(key, name);
            }
            ("remove-hashtag", [hashtag]) => {
                let key = key(hashtag)?;
                self.listed.remove(&key);
                self.never.insert(key);
            }
            _ => {
                return Err(Error::Columns {
                    line,
                    command,
                    columns: takes,
                });
            }
        }
        Ok(())
    }

    fn remove_service(&mut self, line: usize, service: &str) -> Result<(), Error> {
        let services = self.services();
        if !services.contains(&service) {
            return Err(Error::Unknown {
                line,
                found: service.to_owned(),
                nearest: nearest(service, services.into_iter()),
            });
        }
        for names in self.names.values_mut() {
            names.retain(|name| name.service != service);
        }
        self.names.retain(|_, names| !names.is_empty());
        self.listed.retain(|_, listed| listed.service != service);
        Ok(())
    }

    fn remove_word(&mut self, line: usize, word: &str) -> Result<(), Error> {
        let key = joined(&hashtag::fold(word)).into_owned();
        if self.words.remove(&key).is_some() {
            return Ok(());
        }
        let known = self
            .words
            .values()
            .flatten()
            .map(|word| word.written.as_str());
        Err(Error::Unknown {
            line,
            found: word.to_owned(),
            nearest: nearest(word, known),
        })
    }
}

/// The joined key of a hashtag that a user wrote, if it is exactly one.
pub(super) fn key_of(written: &str) -> Option<String> {
    match hashtag::declared(written).as_slice() {
        [tag] if tag.label == written.trim_start_matches(hashtag::SIGNS) => {
            Some(joined(&tag.key).into_owned())
        }
        _ => None,
    }
}

/// The candidate with the fewest letters to change, add or leave out.
fn nearest<'a>(found: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    candidates
        .min_by_key(|candidate| (distance(found, candidate), *candidate))
        .unwrap_or_default()
        .to_owned()
}

/// Levenshtein's edit distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_adds_and_removes() {
        let file = "# ours\nadd-service\tacme\tAcmeপে\nadd-word\tkaputtgegangen\nremove-service\tzoom\nremove-word\tnere\n\
                    add-hashtag\t#DudaPay\tdudapay\nremove-hashtag\t#XDown\n\n";
        let lexicon = Lexicon::builtin().with_user(file).expect("a good file");
        let service = |key: &str| lexicon.outage(key).map(|outage| outage.service);
        assert_eq!(service("acmeপেdown"), Some("acme"));
        assert_eq!(service("whatsappkaputtgegangen"), Some("whatsapp"));
        assert_eq!(service("dudapay"), Some("dudapay"));
        for gone in ["zoomdown", "swishnere", "xdown", "x_down"] {
            assert_eq!(service(gone), None, "{gone}");
        }
        assert!(lexicon.explain("#xdown").verdict.contains("removed"));
        assert!(lexicon.explain("#dudapay").verdict.contains("lists"));
    }

    #[test]
    fn a_mistake_in_a_user_file_names_its_line_and_the_nearest_right_word() {
        for (file, message) in [
            (
                "\nad-word\tkaput",
                "line 2 of the lexicon: no command \"ad-word\", the nearest is \"add-word\"",
            ),
            (
                "add-service\tacme",
                "line 1 of the lexicon: add-service takes SERVICE and NAME",
            ),
            (
                "remove-service\twhatsap",
                "nothing to remove at \"whatsap\", the nearest is \"whatsapp\"",
            ),
            (
                "remove-word\tdwn",
                "nothing to remove at \"dwn\", the nearest is \"down\"",
            ),
            (
                "add-hashtag\tacme pay\tacme",
                "\"acme pay\" cannot stand in a hashtag",
            ),
        ] {
            let error = Lexicon::builtin()
                .with_user(file)
                .expect_err("a bad file")
                .to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
