//! The embedded store: one `SQLite` file.
//!
//! One writer, held by a lock file beside the database, and any number of read-only readers (WAL). `schema.rs` has
//! the tables, `codec.rs` how a minute is packed, `names.rs` the numbers of hashtags, `write.rs` the one transaction a
//! batch is, `read.rs` a function a question. With `synchronous = NORMAL` a power cut may take the last batches, and
//! takes their cursors with them: the next run counts them again, once.
#![expect(
    clippy::disallowed_types,
    reason = "this room is the owner of the database connection"
)]

mod check;
mod codec;
mod names;
mod official;
mod read;
mod schema;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use rusqlite::Connection;
use rusqlite::{ErrorCode, OpenFlags};

use self::names::Names;
use super::{Busy, Error, FeedRow, Ledger, Name, Record};
use crate::hashtag::Hashtag;
use crate::official::Official;
use crate::post::Cursor;
use crate::time::Minute;
use crate::trend::coverage::Coverage;
use crate::trend::mention::{FeedId, HashtagId, LangId, Mention, SourceId, Tally};
use crate::trend::spike::Spike;
use crate::trend::track::Track;
use crate::trend::tracker::Memory;

/// For how long a lock held by somebody else is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a database's secret.
const SECRET_BYTES: usize = 16;

/// A database file.
#[derive(Debug)]
pub struct Sqlite {
    database: Connection,
    names: Names,
    path: PathBuf,
    /// Held by a writer for as long as it lives; the system lets go of it even after `kill -9`.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens `path` to write to, makes it if it is not there, and migrates it if it is old.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            // A stranger's file is not even given a lock file.
            match Self::open_as_it_is(path) {
                Err(error) if !is_half_made(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        let lock = lock(path)?;
        let mut database = Connection::open(path).map_err(|error| on_open(error, path))?;
        configure(&database).map_err(|error| on_open(error, path))?;
        schema::migrate(&mut database, path)?;
        write::make_secret(&database)?;
        Ok(Self {
            database,
            names: Names::default(),
            path: path.to_owned(),
            _lock: Some(lock),
        })
    }

    /// Opens `path` to read from; nothing of it is changed, but that an old one is migrated first, as a writer would. A
    /// file without tables, as a writer leaves it that was killed at once, holds no database yet: none.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, Error> {
        match Self::open_as_it_is(path)? {
            Some((_, version)) if version < schema::newest() => {
                drop(Self::open(path)?);
                let migrated = Self::open_as_it_is(path)?;
                Ok(migrated.map(|(ledger, _)| ledger))
            }
            found => Ok(found.map(|(ledger, _)| ledger)),
        }
    }

    /// Opens `path` to read from, whatever the version of its schema, which is given too.
    fn open_as_it_is(path: &Path) -> Result<Option<(Self, u32)>, Error> {
        if !path.exists() {
            return Err(Error::Missing {
                path: path.to_owned(),
            });
        }
        if path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database =
            Connection::open_with_flags(path, flags).map_err(|error| on_open(error, path))?;
        database
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(|error| on_open(error, path))?;
        if schema::is_empty(&database, path)? {
            return Ok(None);
        }
        let version = schema::check(&database, path)?;
        let ledger = Self {
            database,
            names: Names::default(),
            path: path.to_owned(),
            _lock: None,
        };
        Ok(Some((ledger, version)))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The secret that authors are hashed with.
    pub fn secret(&self) -> Result<[u8; SECRET_BYTES], Error> {
        read::secret(&self.database)
    }

    /// Asks `SQLite` and ourselves whether the file is sound; gives what is wrong, nothing if all is well.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        check::check(&self.database)
    }
}

/// Whether a reader cannot help: the maker of the file was killed, and only a writer may clear up after it.
fn is_half_made(error: &Error) -> bool {
    matches!(error, Error::Sql { source, .. } if source.sqlite_error_code() == Some(ErrorCode::ReadOnly))
}

fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push("-writer");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|source| Error::File {
            doing: "create",
            path: name.clone(),
            source,
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(Error::File {
            doing: "lock",
            path: name,
            source,
        }),
    }
}

fn configure(database: &Connection) -> rusqlite::Result<()> {
    /// A log longer than this is cut after a checkpoint.
    const JOURNAL_BYTES_MAX: i64 = 64 << 20;
    database.busy_timeout(BUSY_TIMEOUT)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "NORMAL")?;
    database.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
    database.pragma_update(None, "foreign_keys", true)?;
    database.pragma_update(None, "trusted_schema", false)?;
    database.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Lets the look-ups of a batch share one snapshot: taking a lock for each would cost more than they do. Ended by
/// [`end_reading`], before the batch is written.
fn begin_reading(database: &Connection) -> rusqlite::Result<()> {
    if database.is_autocommit() {
        database.execute_batch("BEGIN")?;
    }
    Ok(())
}

fn end_reading(database: &Connection) -> rusqlite::Result<()> {
    if !database.is_autocommit() {
        database.execute_batch("COMMIT")?;
    }
    Ok(())
}

fn on_open(error: rusqlite::Error, path: &Path) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotOurs {
            path: path.to_owned(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked {
            path: path.to_owned(),
        },
        _ => Error::Sql {
            doing: "open",
            source: error,
        },
    }
}

impl Error {
    /// Says what was being done when `SQLite` failed.
    fn sql(doing: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Sql { doing, source }
    }
}

impl Ledger for Sqlite {
    fn hashtag(&mut self, hashtag: &Hashtag) -> Result<HashtagId, Error> {
        self.names
            .hashtag(&self.database, hashtag)
            .map_err(Error::sql("look up a hashtag"))
    }

    fn source(&mut self, name: &str) -> Result<SourceId, Error> {
        self.names
            .source(&self.database, name)
            .map_err(Error::sql("look up a source"))
    }

    fn lang(&mut self, tag: &str) -> Result<LangId, Error> {
        self.names
            .lang(&self.database, tag)
            .map_err(Error::sql("look up a language"))
    }

    fn feed(&mut self, name: &str, kind: &str) -> Result<FeedId, Error> {
        write::feed(&self.database, name, kind).map_err(Error::sql("register a feed"))
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Error> {
        write::record(&mut self.database, &mut self.names, record)
    }

    fn seal(&mut self, before: Minute) -> Result<u64, Error> {
        write::seal(&mut self.database, before)
    }

    fn forget(&mut self, before: Minute) -> Result<u64, Error> {
        write::forget(&mut self.database, before)
    }

    fn cursor(&self, feed: FeedId) -> Result<Option<Cursor>, Error> {
        read::cursor(&self.database, feed).map_err(Error::sql("read a cursor"))
    }

    fn memory(&self) -> Result<Memory, Error> {
        read::memory(&self.database)
    }

    fn tracks(&self, hashtags: &BTreeSet<HashtagId>) -> Result<Vec<(HashtagId, Track)>, Error> {
        read::tracks(&self.database, hashtags)
    }

    fn watermark(&self) -> Result<Option<Minute>, Error> {
        read::minute_fact(&self.database, "watermark")
    }

    fn settled_until(&self) -> Result<Option<Minute>, Error> {
        read::minute_fact(&self.database, "settled_until")
    }

    fn mentions_since(&self) -> Result<Option<Minute>, Error> {
        read::minute_fact(&self.database, "mentions_since")
    }

    fn minutes_since(&self) -> Result<Option<Minute>, Error> {
        read::minute_fact(&self.database, "minutes_since")
    }

    fn coverage(&self) -> Result<Option<Coverage>, Error> {
        read::coverage(&self.database, read::Certainty::Provisional)
    }

    fn busiest(&self, window: Range<Minute>, uses_min: u64) -> Result<Vec<Busy>, Error> {
        read::busiest(self, window, uses_min)
    }

    fn series(
        &self,
        hashtags: &BTreeSet<HashtagId>,
        range: Range<Minute>,
    ) -> Result<BTreeMap<HashtagId, Vec<(Minute, Tally)>>, Error> {
        read::series(&self.database, hashtags, range)
    }

    fn hours(
        &self,
        hashtags: &BTreeSet<HashtagId>,
        range: Range<Minute>,
    ) -> Result<BTreeMap<HashtagId, Vec<(Minute, Tally)>>, Error> {
        read::hours(&self.database, hashtags, range)
    }

    fn mentions(
        &self,
        range: Range<Minute>,
        keep: &dyn Fn(&Mention) -> bool,
        each: &mut dyn FnMut(Minute, Vec<Mention>),
    ) -> Result<(), Error> {
        read::mentions(&self.database, range, keep, each)
    }

    fn spikes(&self, since: Minute) -> Result<Vec<Spike>, Error> {
        read::spikes(&self.database, since)
    }

    fn names(&self, hashtags: &BTreeSet<HashtagId>) -> Result<BTreeMap<HashtagId, Name>, Error> {
        read::names(&self.database, hashtags).map_err(Error::sql("read names"))
    }

    fn find(&self, keys: &[String]) -> Result<BTreeMap<String, HashtagId>, Error> {
        read::find(&self.database, keys).map_err(Error::sql("look up hashtags"))
    }

    fn every_key(&self, each: &mut dyn FnMut(&str, HashtagId)) -> Result<(), Error> {
        read::every_key(&self.database, each).map_err(Error::sql("read hashtags"))
    }

    fn source_names(&self) -> Result<BTreeMap<SourceId, String>, Error> {
        read::short_names(&self.database, "source", SourceId).map_err(Error::sql("read sources"))
    }

    fn lang_tags(&self) -> Result<BTreeMap<LangId, String>, Error> {
        read::short_names(&self.database, "lang", LangId).map_err(Error::sql("read languages"))
    }

    fn feeds(&self) -> Result<Vec<FeedRow>, Error> {
        read::feeds(&self.database).map_err(Error::sql("read feeds"))
    }

    fn officials(&self, service: &str, range: Range<Minute>) -> Result<Vec<Official>, Error> {
        official::of_service(&self.database, service, range)
            .map_err(Error::sql("read what status pages say"))
    }
}

/// For `fuzz/targets/packed.rs`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::codec;

    /// Unpacks bytes as each sort that there is; gives how many things were in them, at most.
    pub fn unpack(bytes: &[u8]) -> usize {
        let (mut mentions, mut tallies) = (0, 0);
        // Whether it is damaged makes no difference here.
        let (Ok(()) | Err(_)) = codec::unpack_mentions(bytes, |_| mentions += 1);
        let (Ok(()) | Err(_)) = codec::unpack_tallies(bytes, |_| tallies += 1);
        let posts = codec::unpack_posts(bytes).map_or(0, |posts| posts.len());
        let counts = codec::unpack_counts(bytes).map_or(0, |counts| counts.len());
        [mentions, tallies, posts, counts]
            .into_iter()
            .max()
            .unwrap_or(0)
    }
}
