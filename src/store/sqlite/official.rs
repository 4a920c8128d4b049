//! What status pages say: written with the batch that brought it, read for a service.

use std::ops::Range;

use rusqlite::{Row, Transaction};

use super::Connection;
use crate::official::Official;
use crate::time::{Minute, Timestamp};
use crate::trend::mention::FeedId;

/// Updates kept of one feed. A busy page has some ten a week; beyond, the oldest go, so that a page that makes things
/// up cannot fill the disk.
const OF_A_FEED_MAX: u32 = 10_000;

/// Writes updates: of two versions of one the newer stays.
pub(super) fn write(
    transaction: &Transaction<'_>,
    feed: FeedId,
    officials: &[Official],
) -> rusqlite::Result<()> {
    if officials.is_empty() {
        return Ok(());
    }
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO official (page_id, incident_id, update_id, feed, page, service, incident, state, impact,
             text, at_ms, updated_at_ms, url)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (page_id, incident_id, update_id) DO UPDATE SET
             feed = excluded.feed, page = excluded.page, service = excluded.service,
             incident = excluded.incident, state = excluded.state, impact = excluded.impact,
             text = excluded.text, at_ms = excluded.at_ms, updated_at_ms = excluded.updated_at_ms,
             url = excluded.url
         WHERE excluded.updated_at_ms >= official.updated_at_ms",
    )?;
    for official in officials {
        upsert.execute(rusqlite::params![
            official.page_id,
            official.incident_id,
            official.update_id,
            feed.0,
            official.page,
            official.service,
            official.incident,
            official.state,
            official.impact,
            official.text,
            official.at.as_millis(),
            official.updated_at.as_millis(),
            official.url,
        ])?;
    }
    drop_oldest(transaction, feed, OF_A_FEED_MAX)
}

fn drop_oldest(transaction: &Transaction<'_>, feed: FeedId, kept: u32) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM official WHERE feed = ?1 AND at_ms <
                 (SELECT at_ms FROM official WHERE feed = ?1 ORDER BY at_ms DESC LIMIT 1 OFFSET ?2 - 1)",
        )?
        .execute((feed.0, kept))
        .map(drop)
}

/// What was said of a service in `range`, oldest first.
pub(super) fn of_service(
    database: &Connection,
    service: &str,
    range: Range<Minute>,
) -> rusqlite::Result<Vec<Official>> {
    database
        .prepare_cached(
            "SELECT page_id, incident_id, update_id, page, service, incident, state, impact, text, at_ms,
                 updated_at_ms, url
             FROM official WHERE service = ?1 AND at_ms >= ?2 AND at_ms < ?3
             ORDER BY at_ms, page_id, incident_id, update_id",
        )?
        .query_map(
            (
                service,
                range.start.start().as_millis(),
                range.end.start().as_millis(),
            ),
            official,
        )?
        .collect()
}

fn official(row: &Row<'_>) -> rusqlite::Result<Official> {
    let time = |index| {
        let millis = row.get(index)?;
        Timestamp::from_millis(millis)
            .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, millis))
    };
    Ok(Official {
        page_id: row.get(0)?,
        incident_id: row.get(1)?,
        update_id: row.get(2)?,
        page: row.get(3)?,
        service: row.get(4)?,
        incident: row.get(5)?,
        state: row.get(6)?,
        impact: row.get(7)?,
        text: row.get(8)?,
        at: time(9)?,
        updated_at: time(10)?,
        url: row.get(11)?,
    })
}

/// Updates of each feed that has any.
pub(super) fn counts(database: &Connection) -> rusqlite::Result<Vec<(FeedId, u64)>> {
    database
        .prepare_cached("SELECT feed, count(*) FROM official GROUP BY feed")?
        .query_map([], |row| {
            Ok((FeedId(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;
    use crate::store::Ledger;

    fn said(update: u32) -> Official {
        let at = Timestamp::from_millis(i64::from(update) * 1_000).expect("in range");
        Official {
            page_id: "p".into(),
            incident_id: "i".into(),
            update_id: update.to_string(),
            page: "WhatsApp".into(),
            service: Some("whatsapp".into()),
            incident: "Messages".into(),
            state: "investigating".into(),
            impact: "major".into(),
            text: String::new(),
            at,
            updated_at: at,
            url: None,
        }
    }

    #[test]
    fn beyond_the_cap_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = Sqlite::open(&folder.path().join("a.db")).expect("opens");
        let feed = ledger.feed("a", "status").expect("numbered");
        let said: Vec<Official> = (0..10).map(said).collect();
        let transaction = ledger.database.transaction().expect("begun");
        write(&transaction, feed, &said).expect("written");
        drop_oldest(&transaction, feed, 3).expect("dropped");
        transaction.commit().expect("committed");
        let kept = ledger
            .officials("whatsapp", Minute(0)..Minute(1))
            .expect("readable");
        assert_eq!(kept, said[7..]);
    }
}
