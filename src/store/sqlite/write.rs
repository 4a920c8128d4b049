//! The only writer: one transaction a batch.

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior};

use super::codec;
use super::names::Names;
use super::{Connection, SECRET_BYTES, official};
use crate::post::Cursor;
use crate::store::{Error, Record, Stand};
use crate::time::{Minute, Timestamp};
use crate::trend::mention::{FeedId, Tally, settle};
use crate::trend::spike::Spike;
use crate::trend::tracker::{Progress, Remembered, Segment, SettledMinute};

const HOUR_MINUTES: u32 = 60;

/// Gives a new database the secret its authors are hashed with.
pub(super) fn make_secret(database: &Connection) -> Result<(), Error> {
    let known: Option<Vec<u8>> = database
        .query_row("SELECT value FROM fact WHERE name = 'secret'", [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(Error::sql("read the secret"))?;
    if known.is_some() {
        return Ok(());
    }
    let mut secret = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| Error::File {
        doing: "ask for random bytes for",
        path: "the secret".into(),
        source: std::io::Error::other(error),
    })?;
    database
        .execute(
            "INSERT INTO fact (name, value) VALUES ('secret', ?1)",
            [secret],
        )
        .map(drop)
        .map_err(Error::sql("write the secret"))
}

/// The number of a feed.
pub(super) fn feed(database: &Connection, name: &str, kind: &str) -> rusqlite::Result<FeedId> {
    database.execute(
        "INSERT OR IGNORE INTO feed (name, kind) VALUES (?1, ?2)",
        (name, kind),
    )?;
    database
        .query_row("SELECT id FROM feed WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .map(FeedId)
}

/// Records a batch: all of it or nothing.
pub(super) fn record(
    database: &mut Connection,
    names: &mut Names,
    record: &Record<'_>,
) -> Result<(), Error> {
    super::end_reading(database).map_err(Error::sql("end the look-ups of a batch"))?;
    let transaction = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(Error::sql("begin to record a batch"))?;
    write_all(&transaction, names, record).map_err(Error::sql("record a batch"))?;
    transaction.commit().map_err(Error::sql("commit a batch"))
}

fn write_all(
    transaction: &Transaction<'_>,
    names: &mut Names,
    record: &Record<'_>,
) -> rusqlite::Result<()> {
    let tick = &record.tick;
    names.save(transaction)?;
    for minute in &tick.settled {
        write_minute(transaction, minute)?;
    }
    for segment in &tick.segments {
        write_segment(transaction, segment)?;
    }
    for gap in &tick.gaps {
        write_gap(transaction, gap.start, gap.end, false)?;
    }
    for spike in &tick.spikes {
        write_spike(transaction, spike)?;
    }
    if let Some(checkpoint) = &tick.checkpoint {
        write_checkpoint(transaction, checkpoint, tick.settled_until)?;
    }
    if let Some(ahead) = &record.provisional {
        transaction.execute("DELETE FROM spike WHERE provisional", [])?;
        transaction.execute("DELETE FROM gap WHERE provisional", [])?;
        for gap in &ahead.gaps {
            write_gap(transaction, gap.start, gap.end, true)?;
        }
        for spike in &ahead.spikes {
            write_spike(transaction, spike)?;
        }
    }
    for (feed, cursor) in &record.cursors {
        write_cursor(transaction, *feed, cursor)?;
        transaction
            .prepare_cached("UPDATE feed SET cursor_ms = ?2 WHERE id = ?1")?
            .execute((feed.0, record.at.map(Timestamp::as_millis)))?;
    }
    for (feed, officials) in &record.officials {
        official::write(transaction, *feed, officials)?;
    }
    for (feed, stand) in &record.standings {
        write_stand(transaction, *feed, stand, record.at)?;
    }
    for (feed, until) in &record.heard {
        transaction
            .prepare_cached("UPDATE feed SET heard_ms = ?2 WHERE id = ?1")?
            .execute((feed.0, until.as_millis()))?;
    }
    for (feed, progress) in &record.progress {
        write_progress(transaction, *feed, progress)?;
    }
    write_minute_fact(transaction, "settled_until", tick.settled_until)?;
    write_minute_fact(transaction, "watermark", tick.watermark)
}

fn write_minute(transaction: &Transaction<'_>, settled: &SettledMinute) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO minute (minute, mentions, tallies) VALUES (?1, ?2, ?3)",
        )?
        .execute((
            settled.minute.0,
            codec::pack_mentions(&settled.mentions),
            codec::pack_tallies(&settled.tallies),
        ))?;
    transaction
        .prepare_cached("DELETE FROM segment WHERE minute = ?1")?
        .execute([settled.minute.0])?;
    write_heard(transaction, settled.minute, &settled.heard)
}

fn write_segment(transaction: &Transaction<'_>, segment: &Segment) -> rusqlite::Result<()> {
    let mut mentions = segment.mentions.clone();
    settle(&mut mentions);
    transaction
        .prepare_cached(
            "INSERT INTO segment (minute, part, posts, mentions) VALUES
             (?1, (SELECT coalesce(max(part), 0) + 1 FROM segment WHERE minute = ?1), ?2, ?3)",
        )?
        .execute((
            segment.minute.0,
            codec::pack_posts(&segment.posts),
            codec::pack_mentions(&mentions),
        ))?;
    write_heard(transaction, segment.minute, &segment.heard)
}

fn write_heard(
    transaction: &Transaction<'_>,
    minute: Minute,
    heard: &[(FeedId, u32)],
) -> rusqlite::Result<()> {
    let mut known =
        transaction.prepare_cached("SELECT posts FROM heard WHERE minute = ?1 AND feed = ?2")?;
    let mut upsert = transaction
        .prepare_cached("INSERT OR REPLACE INTO heard (minute, feed, posts) VALUES (?1, ?2, ?3)")?;
    let mut sum_up = transaction.prepare_cached(
        "UPDATE feed SET posts = posts + ?2, first_minute = min(coalesce(first_minute, ?3), ?3) WHERE id = ?1",
    )?;
    for (feed, posts) in heard {
        let before: Option<i64> = known
            .query_row((minute.0, feed.0), |row| row.get(0))
            .optional()?;
        upsert.execute((minute.0, feed.0, posts))?;
        let more = i64::from(*posts) - before.unwrap_or(0);
        sum_up.execute((feed.0, more, minute.0))?;
    }
    Ok(())
}

/// Gaps that touch are one row: a feed that is lost for a month of single minutes is one gap.
fn write_gap(
    transaction: &Transaction<'_>,
    start: Minute,
    end: Minute,
    provisional: bool,
) -> rusqlite::Result<()> {
    let before: Option<(u32, u32)> = transaction
        .prepare_cached(
            "SELECT start_minute, end_minute FROM gap WHERE provisional = ?2 AND start_minute <= ?1
             ORDER BY start_minute DESC LIMIT 1",
        )?
        .query_row((start.0, provisional), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (start, end) = match before {
        Some((earlier, until)) if until >= start.0 => (earlier, end.0.max(until)),
        Some(_) | None => (start.0, end.0),
    };
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO gap (start_minute, end_minute, provisional) VALUES (?1, ?2, ?3)",
        )?
        .execute((start, end, provisional))
        .map(drop)
}

fn write_spike(transaction: &Transaction<'_>, spike: &Spike) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO spike (hashtag, flagged_minute, provisional, onset_minute,
                 window_minutes, observed, expected, growth, score, threshold, growth_max, score_max,
                 peak_minute, end_minute)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(rusqlite::params![
            spike.hashtag.0,
            spike.flagged.0,
            spike.provisional,
            spike.alarm.onset,
            spike.alarm.window_minutes,
            spike.alarm.observed.cast_signed(),
            spike.alarm.expected,
            spike.alarm.growth,
            spike.alarm.score,
            spike.threshold,
            spike.growth_max,
            spike.score_max,
            spike.peak.map(|minute| minute.0),
            spike.end.map(|minute| minute.0),
        ])
        .map(drop)
}

fn write_checkpoint(
    transaction: &Transaction<'_>,
    checkpoint: &[Remembered],
    until: Option<Minute>,
) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO baseline (hashtag, awake, state) VALUES (?1, ?2, ?3)",
    )?;
    for remembered in checkpoint {
        upsert.execute((remembered.hashtag.0, remembered.awake, &remembered.state))?;
    }
    write_minute_fact(transaction, "checkpoint_until", until)
}

fn write_cursor(
    transaction: &Transaction<'_>,
    feed: FeedId,
    cursor: &Cursor,
) -> rusqlite::Result<()> {
    match cursor {
        Cursor::Place(place) => transaction
            .prepare_cached(
                "UPDATE feed SET offset_bytes = ?2, lines = ?3, fingerprint = ?4 WHERE id = ?1",
            )?
            .execute((
                feed.0,
                place.offset_bytes.cast_signed(),
                place.lines.cast_signed(),
                place.fingerprint.cast_signed(),
            )),
        Cursor::Token(token) => transaction
            .prepare_cached("UPDATE feed SET token = ?2 WHERE id = ?1")?
            .execute((feed.0, token)),
    }
    .map(drop)
}

fn write_stand(
    transaction: &Transaction<'_>,
    feed: FeedId,
    stand: &Stand,
    at: Option<Timestamp>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE feed SET standing = ?2 WHERE id = ?1")?
        .execute((feed.0, &stand.words))?;
    if let Some(problem) = &stand.problem {
        transaction
            .prepare_cached("UPDATE feed SET problem = ?2, problem_ms = ?3 WHERE id = ?1")?
            .execute((feed.0, problem, at.map(Timestamp::as_millis)))?;
    }
    Ok(())
}

fn write_progress(
    transaction: &Transaction<'_>,
    feed: FeedId,
    progress: &Progress,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE feed SET newest_minute = ?2, silent_since_minute = ?3, listening = ?4 WHERE id = ?1",
        )?
        .execute((
            feed.0,
            progress.newest.map(|minute| minute.0),
            progress.silent_since.map(|minute| minute.0),
            codec::pack_counts(progress.listening.counts()),
        ))
        .map(drop)
}

fn write_minute_fact(
    transaction: &Transaction<'_>,
    name: &str,
    minute: Option<Minute>,
) -> rusqlite::Result<()> {
    let Some(minute) = minute else {
        return Ok(());
    };
    transaction
        .prepare_cached("INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)")?
        .execute((name, minute.0))
        .map(drop)
}

/// Drops the mentions of minutes before `before`, and says so in the same transaction: a reader must never take what is
/// dropped for silence.
pub(super) fn seal(database: &mut Connection, before: Minute) -> Result<u64, Error> {
    let since = super::read::minute_fact(database, "mentions_since")?;
    if since >= Some(before) {
        return Ok(0);
    }
    let transaction = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(Error::sql("begin to seal minutes"))?;
    let sealed = transaction
        .execute(
            "UPDATE minute SET mentions = NULL WHERE minute >= ?1 AND minute < ?2 AND mentions IS NOT NULL",
            (since.unwrap_or(Minute(0)).0, before.0),
        )
        .map_err(Error::sql("seal minutes"))?;
    write_minute_fact(&transaction, "mentions_since", Some(before))
        .and_then(|()| transaction.commit())
        .map_err(Error::sql("commit what was sealed"))?;
    Ok(sealed as u64)
}

/// Adds the minutes of the hours that end at or before `before` up. Minutes that a restart needs stay: those after the
/// last checkpoint.
pub(super) fn forget(database: &mut Connection, before: Minute) -> Result<u64, Error> {
    let checkpoint = super::read::minute_fact(database, "checkpoint_until")?;
    let before = before.min(checkpoint.unwrap_or(Minute(0)));
    let before = Minute(before.0 - before.0 % HOUR_MINUTES);
    if before == Minute(0) || super::read::minute_fact(database, "minutes_since")? >= Some(before) {
        return Ok(0);
    }
    let transaction = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(Error::sql("begin to forget"))?;
    let hours: Vec<u32> = transaction
        .prepare_cached("SELECT DISTINCT minute / 60 FROM minute WHERE minute < ?1 ORDER BY 1")
        .and_then(|mut query| query.query_map([before.0], |row| row.get(0))?.collect())
        .map_err(Error::sql("find minutes to forget"))?;
    for hour in hours {
        forget_hour(&transaction, hour)?;
    }
    let forgotten = drop_minutes(&transaction, before).map_err(Error::sql("forget minutes"))?;
    transaction
        .commit()
        .map_err(Error::sql("commit what was forgotten"))?;
    Ok(forgotten)
}

/// Drops what is kept by the minute. Gaps stay: a hashtag that has been silent since before them must never take them
/// for silence.
fn drop_minutes(transaction: &Transaction<'_>, before: Minute) -> rusqlite::Result<u64> {
    let forgotten = transaction.execute("DELETE FROM minute WHERE minute < ?1", [before.0])?;
    transaction.execute("DELETE FROM heard WHERE minute < ?1", [before.0])?;
    write_minute_fact(transaction, "minutes_since", Some(before))?;
    Ok(forgotten as u64)
}

/// Adds the minutes of an hour to what is known of it.
fn forget_hour(transaction: &Transaction<'_>, hour: u32) -> Result<(), Error> {
    let range = Minute(hour * HOUR_MINUTES)..Minute((hour + 1) * HOUR_MINUTES);
    let mut sums = std::collections::BTreeMap::<_, Tally>::new();
    for table in ["hour", "minute"] {
        super::read::each_tally(transaction, table, range.clone(), &mut |_, tally| {
            sums.entry(tally.hashtag)
                .and_modify(|sum| add(sum, &tally))
                .or_insert(tally);
        })?;
    }
    let sums: Vec<Tally> = sums.into_values().collect();
    transaction
        .execute(
            "INSERT OR REPLACE INTO hour (hour, tallies) VALUES (?1, ?2)",
            (hour, codec::pack_tallies(&sums)),
        )
        .map(drop)
        .map_err(Error::sql("write an hour"))
}

fn add(sum: &mut Tally, more: &Tally) {
    sum.uses = sum.uses.saturating_add(more.uses);
    sum.fresh = sum.fresh.saturating_add(more.fresh);
    sum.authors = match (sum.authors, more.authors) {
        (None, authors) | (authors, None) => authors,
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
    };
}
