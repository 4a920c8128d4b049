//! The numbers of hashtags, sources and languages, and how often each spelling was seen.
//!
//! A number is given at first sight and becomes durable with the next batch; if that batch fails, so does the run, so
//! no number is ever in use that the database does not know. Numbers are given in the order of first sight, which a
//! replay repeats.

use hashbrown::HashMap;
use rusqlite::{OptionalExtension, Transaction};

use super::Connection;
use crate::hashtag::Hashtag;
use crate::trend::mention::{HashtagId, LangId, SourceId};

/// Spellings kept in memory. Beyond it they are read again from the database when they return: a flood of hashtags
/// that are used once costs time, not memory. About 60 MB at 100 bytes each with its map.
const LABELS_MAX: usize = 500_000;
/// Sources and languages told apart; the names of those that come later count as unnamed. Both are chosen by
/// strangers, and no list of real ones comes near.
const SHORT_NAMES_MAX: usize = 10_000;

#[derive(Debug)]
struct Label {
    hashtag: HashtagId,
    spelling: String,
    uses_unsaved: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names {
    labels: Vec<Label>,
    /// Where a spelling stands in `labels`.
    places: HashMap<String, usize>,
    /// Those of `labels` that were used since the last batch.
    used: Vec<usize>,
    /// Keys seen first since the last batch.
    new_keys: HashMap<String, HashtagId>,
    next_hashtag: Option<u32>,
    sources: ShortNames,
    langs: ShortNames,
}

impl Names {
    /// The number of a hashtag; counts one use of its spelling.
    pub(super) fn hashtag(
        &mut self,
        database: &Connection,
        hashtag: &Hashtag,
    ) -> rusqlite::Result<HashtagId> {
        let place = match self.places.get(&hashtag.label) {
            Some(&place) => place,
            None => self.add_label(database, hashtag)?,
        };
        let label = &mut self.labels[place];
        if label.uses_unsaved == 0 {
            self.used.push(place);
        }
        label.uses_unsaved += 1;
        Ok(label.hashtag)
    }

    fn add_label(&mut self, database: &Connection, hashtag: &Hashtag) -> rusqlite::Result<usize> {
        let id = self.key(database, &hashtag.key)?;
        let place = self.labels.len();
        self.labels.push(Label {
            hashtag: id,
            spelling: hashtag.label.clone(),
            uses_unsaved: 0,
        });
        self.places.insert(hashtag.label.clone(), place);
        Ok(place)
    }

    fn key(&mut self, database: &Connection, key: &str) -> rusqlite::Result<HashtagId> {
        if let Some(&id) = self.new_keys.get(key) {
            return Ok(id);
        }
        super::begin_reading(database)?;
        let known = database
            .prepare_cached("SELECT id FROM hashtag WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(HashtagId(id));
        }
        let next = match self.next_hashtag {
            Some(next) => next,
            None => {
                database.query_row("SELECT coalesce(max(id), 0) + 1 FROM hashtag", [], |row| {
                    row.get(0)
                })?
            }
        };
        self.next_hashtag = Some(next + 1);
        self.new_keys.insert(key.to_owned(), HashtagId(next));
        Ok(HashtagId(next))
    }

    /// The number of a source.
    pub(super) fn source(
        &mut self,
        database: &Connection,
        name: &str,
    ) -> rusqlite::Result<SourceId> {
        self.sources.number(database, "source", name).map(SourceId)
    }

    /// The number of a language.
    pub(super) fn lang(&mut self, database: &Connection, tag: &str) -> rusqlite::Result<LangId> {
        self.langs.number(database, "lang", tag).map(LangId)
    }

    /// Makes durable what is new, as part of a batch.
    pub(super) fn save(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut new_keys: Vec<_> = self.new_keys.drain().collect();
        new_keys.sort_unstable_by_key(|(_, id)| *id);
        let mut insert =
            transaction.prepare_cached("INSERT INTO hashtag (id, key) VALUES (?1, ?2)")?;
        for (key, id) in new_keys {
            insert.execute((id.0, key))?;
        }
        let mut count = transaction.prepare_cached(
            "INSERT INTO label (hashtag, label, uses) VALUES (?1, ?2, ?3)
             ON CONFLICT (hashtag, label) DO UPDATE SET uses = uses + excluded.uses",
        )?;
        let labels = &mut self.labels;
        self.used
            .sort_unstable_by_key(|&place| labels[place].hashtag);
        for place in self.used.drain(..) {
            let label = &mut labels[place];
            count.execute((label.hashtag.0, &label.spelling, label.uses_unsaved))?;
            label.uses_unsaved = 0;
        }
        if self.labels.len() > LABELS_MAX {
            self.labels.clear();
            self.places.clear();
        }
        self.sources.save(transaction, "source")?;
        self.langs.save(transaction, "lang")
    }
}

/// Names of which there are few.
#[derive(Debug, Default)]
struct ShortNames {
    known: HashMap<String, u16>,
    unsaved: Vec<(u16, String)>,
    is_loaded: bool,
}

impl ShortNames {
    fn number(&mut self, database: &Connection, table: &str, name: &str) -> rusqlite::Result<u16> {
        if !self.is_loaded {
            let mut all = database.prepare(&format!("SELECT name, id FROM {table}"))?;
            self.known = all
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            self.is_loaded = true;
        }
        if let Some(&id) = self.known.get(name) {
            return Ok(id);
        }
        if self.known.len() >= SHORT_NAMES_MAX && !name.is_empty() {
            return self.number(database, table, "");
        }
        let id = u16::try_from(self.known.len()).expect("there are at most SHORT_NAMES_MAX + 1");
        self.known.insert(name.to_owned(), id);
        self.unsaved.push((id, name.to_owned()));
        Ok(id)
    }

    fn save(&mut self, transaction: &Transaction<'_>, table: &str) -> rusqlite::Result<()> {
        let mut insert = transaction
            .prepare_cached(&format!("INSERT INTO {table} (id, name) VALUES (?1, ?2)"))?;
        for (id, name) in self.unsaved.drain(..) {
            insert.execute((id, name))?;
        }
        Ok(())
    }
}
