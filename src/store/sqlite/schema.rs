//! The tables, and how an older database becomes one of today.
//!
//! [`MIGRATIONS`] is append-only: each entry is one transaction and raises `user_version` by one. Before the first of
//! them runs on a database that already holds something, the whole of it is copied beside it. `application_id` tells
//! our files from others'.

use std::path::{Path, PathBuf};

use rusqlite::Transaction;

use super::Connection;
use crate::store::Error;

/// "dwnt": marks a `SQLite` file as ours.
const APPLICATION_ID: i32 = 0x6477_6e74;

/// What raises version n to n + 1, for n = 0, 1, …
pub(super) const MIGRATIONS: &[&str] = &[
    // 1: the first.
    "
    -- Facts about this database: secret, settled_until, watermark, mentions_since, minutes_since.
    CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

    CREATE TABLE hashtag (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
    -- How often each spelling was seen.
    CREATE TABLE label (
        hashtag INTEGER NOT NULL REFERENCES hashtag (id), label TEXT NOT NULL, uses INTEGER NOT NULL,
        PRIMARY KEY (hashtag, label)
    ) WITHOUT ROWID;
    CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE lang (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

    -- A feed, where it resumes, and how far it has come. listening: posts of its last heard minutes, packed.
    CREATE TABLE feed (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
        offset_bytes INTEGER, lines INTEGER, fingerprint INTEGER, token TEXT,
        newest_minute INTEGER, silent_since_minute INTEGER, listening BLOB, standing TEXT
    );

    -- A minute: packed mentions (null once sealed) and packed tallies, see codec.rs.
    CREATE TABLE minute (minute INTEGER PRIMARY KEY, mentions BLOB, tallies BLOB NOT NULL);
    -- An hour of forgotten minutes: packed tallies.
    CREATE TABLE hour (hour INTEGER PRIMARY KEY, tallies BLOB NOT NULL);
    -- What has come so far of minutes that posts may still join.
    CREATE TABLE segment (
        minute INTEGER NOT NULL, part INTEGER NOT NULL, posts BLOB NOT NULL, mentions BLOB NOT NULL,
        PRIMARY KEY (minute, part)
    ) WITHOUT ROWID;

    -- Coverage: posts of a feed in the minutes it was heard in, and the stretches nobody listened in.
    CREATE TABLE heard (
        feed INTEGER NOT NULL REFERENCES feed (id), minute INTEGER NOT NULL, posts INTEGER NOT NULL,
        PRIMARY KEY (minute, feed)
    ) WITHOUT ROWID;
    CREATE TABLE gap (
        start_minute INTEGER NOT NULL, end_minute INTEGER NOT NULL, provisional INTEGER NOT NULL,
        PRIMARY KEY (start_minute, provisional)
    ) WITHOUT ROWID;

    CREATE TABLE spike (
        hashtag INTEGER NOT NULL REFERENCES hashtag (id), flagged_minute INTEGER NOT NULL,
        provisional INTEGER NOT NULL,
        onset_minute INTEGER NOT NULL, window_minutes INTEGER NOT NULL,
        observed INTEGER NOT NULL, expected REAL NOT NULL, growth REAL NOT NULL, score REAL NOT NULL,
        threshold REAL NOT NULL, growth_max REAL NOT NULL, score_max REAL NOT NULL,
        peak_minute INTEGER, end_minute INTEGER,
        PRIMARY KEY (hashtag, flagged_minute, provisional)
    ) WITHOUT ROWID;
    CREATE INDEX spike_by_time ON spike (flagged_minute);

    -- The memory of the detector, as of the last checkpoint; awake: time alone can change it.
    CREATE TABLE baseline (hashtag INTEGER PRIMARY KEY, awake INTEGER NOT NULL, state BLOB NOT NULL);
    CREATE INDEX baseline_awake ON baseline (hashtag) WHERE awake;
    ",
    // 2: how live feeds go. cursor_ms: when the cursor was last moved; heard_ms: up to when all was heard; problem and
    // problem_ms: what last kept it from hearing, and when.
    "
    ALTER TABLE feed ADD COLUMN cursor_ms INTEGER;
    ALTER TABLE feed ADD COLUMN heard_ms INTEGER;
    ALTER TABLE feed ADD COLUMN problem TEXT;
    ALTER TABLE feed ADD COLUMN problem_ms INTEGER;
    ",
    // 3: what is known of a feed outlives the rows in `heard`, which go with the minutes they are of.
    "
    ALTER TABLE feed ADD COLUMN posts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE feed ADD COLUMN first_minute INTEGER;
    UPDATE feed SET
        posts = (SELECT coalesce(sum(heard.posts), 0) FROM heard WHERE heard.feed = feed.id),
        first_minute = (SELECT min(heard.minute) FROM heard WHERE heard.feed = feed.id);
    ",
    // 4: what status pages say.
    "
    CREATE TABLE official (
        page_id TEXT NOT NULL, incident_id TEXT NOT NULL, update_id TEXT NOT NULL,
        feed INTEGER NOT NULL REFERENCES feed (id),
        page TEXT NOT NULL, service TEXT, incident TEXT NOT NULL, state TEXT NOT NULL, impact TEXT NOT NULL,
        text TEXT NOT NULL, at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL, url TEXT,
        PRIMARY KEY (page_id, incident_id, update_id)
    ) WITHOUT ROWID;
    CREATE INDEX official_of_service ON official (service, at_ms);
    CREATE INDEX official_of_feed ON official (feed, at_ms);
    ",
];

/// Makes `database` one of today, or says why it cannot be.
pub(super) fn migrate(database: &mut Connection, path: &Path) -> Result<(), Error> {
    migrate_by(database, path, MIGRATIONS)
}

/// The version of today.
pub(super) fn newest() -> u32 {
    version(MIGRATIONS.len())
}

/// Whether the file is ours and of a version we know.
pub(super) fn check(database: &Connection, path: &Path) -> Result<u32, Error> {
    let not_ours = || Error::NotOurs {
        path: path.to_owned(),
    };
    let application_id: i32 = pragma(database, "application_id", path)?;
    let found: u32 = pragma(database, "user_version", path)?;
    if application_id != APPLICATION_ID {
        return Err(not_ours());
    }
    let known = newest();
    if found > known {
        return Err(Error::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

fn migrate_by(database: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), Error> {
    let is_new = is_empty(database, path)?;
    let found = if is_new { 0 } else { check(database, path)? };
    let pending = migrations.iter().zip(1_u32..).skip(found as usize);
    if !is_new && found < version(migrations.len()) {
        back_up(database, path, found)?;
    }
    for (migration, version) in pending {
        apply(database, migration, version).map_err(Error::sql("migrate the schema"))?;
    }
    Ok(())
}

fn apply(database: &mut Connection, migration: &str, version: u32) -> rusqlite::Result<()> {
    let transaction: Transaction<'_> = database.transaction()?;
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

/// Copies the whole database to `PATH.v3.bak`, where 3 is the version it has.
fn back_up(database: &Connection, path: &Path, found: u32) -> Result<PathBuf, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".v{found}.bak"));
    let backup = PathBuf::from(name);
    database
        .backup("main", &backup, None::<fn(_)>)
        .map_err(Error::sql("back up before migrating"))?;
    Ok(backup)
}

/// Whether nothing was ever written to it.
pub(super) fn is_empty(database: &Connection, path: &Path) -> Result<bool, Error> {
    database
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
        .map(|tables| tables == 0)
        .map_err(|error| super::on_open(error, path))
}

fn pragma<T: rusqlite::types::FromSql>(
    database: &Connection,
    name: &str,
    path: &Path,
) -> Result<T, Error> {
    database
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(|error| super::on_open(error, path))
}

fn version(migrations: usize) -> u32 {
    u32::try_from(migrations).expect("a list written by hand is short")
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;
    use crate::store::Ledger;
    use crate::time::Minute;

    fn fresh(folder: &tempfile::TempDir) -> (Connection, PathBuf) {
        let path = folder.path().join("old.db");
        (Connection::open(&path).expect("a new file"), path)
    }

    #[test]
    fn an_old_schema_is_migrated_after_a_backup() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut database, path) = fresh(&folder);
        migrate_by(&mut database, &path, MIGRATIONS).expect("new");
        database
            .execute("INSERT INTO fact VALUES ('kept', 'yes')", [])
            .expect("a row");
        let longer = [MIGRATIONS, &["ALTER TABLE feed ADD COLUMN note TEXT"]].concat();
        migrate_by(&mut database, &path, &longer).expect("migrated");
        database
            .execute("UPDATE feed SET note = ''", [])
            .expect("the new column");

        let backup = format!("old.db.v{}.bak", MIGRATIONS.len());
        let backup = Connection::open(folder.path().join(backup)).expect("the backup");
        let kept: String = backup
            .query_row("SELECT value FROM fact WHERE name = 'kept'", [], |row| {
                row.get(0)
            })
            .expect("the row");
        assert_eq!(kept, "yes");
        assert!(
            backup.execute("UPDATE feed SET note = ''", []).is_err(),
            "the backup is of before"
        );
    }

    #[test]
    fn what_was_heard_of_a_feed_is_summed_up_when_an_old_database_is_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut database, path) = fresh(&folder);
        migrate_by(&mut database, &path, &MIGRATIONS[..1]).expect("new");
        database
            .execute_batch(
                "INSERT INTO feed (id, name, kind) VALUES (1, 'a', 'file'), (2, 'b', 'file');
                 INSERT INTO heard (feed, minute, posts) VALUES (1, 7, 3), (1, 5, 4)",
            )
            .expect("rows");
        migrate(&mut database, &path).expect("migrated");
        let known: Vec<(u32, Option<u32>)> = database
            .prepare("SELECT posts, first_minute FROM feed ORDER BY id")
            .and_then(|mut query| {
                query
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })
            .expect("the new columns");
        assert_eq!(known, [(7, Some(5)), (0, None)]);
    }

    #[test]
    fn an_old_database_that_is_asked_something_is_migrated_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut database, path) = fresh(&folder);
        migrate_by(&mut database, &path, &MIGRATIONS[..1]).expect("old");
        drop(database);
        let ledger = Sqlite::open_to_read(&path)
            .expect("migrated")
            .expect("whole");
        assert!(ledger.feeds().expect("of today").is_empty());
        let found = ledger.officials("whatsapp", Minute(0)..Minute(1));
        assert!(found.expect("of today").is_empty());
        assert!(folder.path().join("old.db.v1.bak").exists());
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut database, path) = fresh(&folder);
        migrate_by(&mut database, &path, MIGRATIONS).expect("new");
        let broken = [MIGRATIONS, &["CREATE TABLE half (x); SELECT broken"]].concat();
        assert!(migrate_by(&mut database, &path, &broken).is_err());
        assert_eq!(
            check(&database, &path).expect("still ours"),
            version(MIGRATIONS.len())
        );
        assert!(database.execute("INSERT INTO half VALUES (1)", []).is_err());
    }

    #[test]
    fn a_database_whose_maker_was_killed_before_the_first_table_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, path) = fresh(&folder);
        database
            .pragma_update(None, "journal_mode", "WAL")
            .expect("the header is written");
        drop(database);
        assert!(path.metadata().expect("a file").len() > 0);
        let read = super::super::Sqlite::open_to_read(&path);
        assert!(read.expect("no stranger's file").is_none());
        super::super::Sqlite::open(&path).expect("made again");
    }

    #[test]
    fn a_newer_schema_and_a_strangers_file_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut database, path) = fresh(&folder);
        migrate(&mut database, &path).expect("new");
        database
            .pragma_update(None, "user_version", 99)
            .expect("pretend");
        assert!(matches!(
            migrate(&mut database, &path),
            Err(Error::Newer { found: 99, .. })
        ));

        let other = folder.path().join("other.db");
        let mut stranger = Connection::open(&other).expect("a new file");
        stranger
            .execute_batch("CREATE TABLE recipes (name TEXT)")
            .expect("a table");
        assert!(matches!(
            migrate(&mut stranger, &other),
            Err(Error::NotOurs { .. })
        ));
    }
}
