//! A function a question.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::{HashMap, HashSet};
use rusqlite::{OptionalExtension, Row};

use super::codec::{self, Damaged};
use super::{Connection, SECRET_BYTES, Sqlite, official};
use crate::post::{AuthorId, Cursor, Place};
use crate::store::{Busy, Error, FeedRow, Ledger, Name};
use crate::time::{Minute, Timestamp};
use crate::trend::coverage::Coverage;
use crate::trend::detector::Alarm;
use crate::trend::mention::{FeedId, HashtagId, Mention, Tally, each_post, settle};
use crate::trend::spike::Spike;
use crate::trend::track::Track;
use crate::trend::tracker::{Memory, Progress, Segment, Tracker};

/// Whether what rests on minutes still open is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// Only what no post can change any more.
    Settled,
    /// What the views show.
    Provisional,
}

/// The secret that authors are hashed with.
pub(super) fn secret(database: &Connection) -> Result<[u8; SECRET_BYTES], Error> {
    let secret: Vec<u8> = database
        .query_row("SELECT value FROM fact WHERE name = 'secret'", [], |row| {
            row.get(0)
        })
        .map_err(Error::sql("read the secret"))?;
    secret.try_into().map_err(|_| Error::Damaged {
        what: "the secret".to_owned(),
    })
}

/// A fact that is a minute.
pub(super) fn minute_fact(database: &Connection, name: &str) -> Result<Option<Minute>, Error> {
    database
        .prepare_cached("SELECT value FROM fact WHERE name = ?1")
        .and_then(|mut query| {
            query
                .query_row([name], |row| row.get(0).map(Minute))
                .optional()
        })
        .map_err(Error::sql("read a fact"))
}

/// What a tracker is restored from.
pub(super) fn memory(database: &Connection) -> Result<Memory, Error> {
    let settled_until = minute_fact(database, "settled_until")?;
    let Some(until) = settled_until else {
        return Ok(Memory {
            watermark: minute_fact(database, "watermark")?,
            gaps_early: gaps(database, Certainty::Settled)?,
            segments: segments(database)?,
            feeds: progress(database)?,
            ..Memory::default()
        });
    };
    let checkpoint_until = minute_fact(database, "checkpoint_until")?;
    let mut since_checkpoint: Vec<(Minute, Vec<Tally>)> = Vec::new();
    each_tally(
        database,
        "minute",
        checkpoint_until.unwrap_or(Minute(0))..until,
        &mut |minute, tally| match since_checkpoint.last_mut() {
            Some((last, tallies)) if *last == minute => tallies.push(tally),
            _ => since_checkpoint.push((minute, vec![tally])),
        },
    )?;
    let used: BTreeSet<HashtagId> = since_checkpoint
        .iter()
        .flat_map(|(_, tallies)| tallies)
        .map(|tally| tally.hashtag)
        .collect();
    let mut last_hour = Vec::new();
    mentions(
        database,
        Tracker::last_hour_start(until)..until,
        &|_| true,
        &mut |minute, mentions| {
            last_hour.push((minute, mentions));
        },
    )?;
    let coverage = coverage(database, Certainty::Settled)?;
    let gaps_early = match coverage {
        Some(_) => Vec::new(),
        None => gaps(database, Certainty::Settled)?,
    };
    Ok(Memory {
        settled_until,
        watermark: minute_fact(database, "watermark")?,
        checkpoint_until,
        coverage,
        gaps_early,
        feeds: progress(database)?,
        tracks: tracks_where(database, &used, true)?,
        since_checkpoint,
        last_hour,
        segments: segments(database)?,
        open_spikes: spikes_where(
            database,
            "NOT provisional AND end_minute IS NULL",
            Minute(0),
        )?,
    })
}

/// Id, newest minute, silent since, packed counts.
type ProgressRow = (FeedId, Option<u32>, Option<u32>, Option<Vec<u8>>);

fn progress(database: &Connection) -> Result<Vec<(FeedId, Progress)>, Error> {
    let rows: Vec<ProgressRow> = database
        .prepare("SELECT id, newest_minute, silent_since_minute, listening FROM feed")
        .and_then(|mut query| {
            query
                .query_map([], |row| {
                    Ok((FeedId(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect()
        })
        .map_err(Error::sql("read the progress of feeds"))?;
    rows.into_iter()
        .map(|(feed, newest, silent_since, listening)| {
            let counts = codec::unpack_counts(&listening.unwrap_or_default())
                .map_err(|Damaged| damaged(format!("the progress of feed {}", feed.0)))?;
            let progress = Progress {
                newest: newest.map(Minute),
                // Whoever reads it again says so: see `Tracker::expect_feed`.
                running: false,
                live: false,
                deaf: false,
                listening: counts.into_iter().collect(),
                silent_since: silent_since.map(Minute),
            };
            Ok((feed, progress))
        })
        .collect()
}

fn segments(database: &Connection) -> Result<Vec<Segment>, Error> {
    let rows: Vec<(u32, Vec<u8>, Vec<u8>)> = database
        .prepare("SELECT minute, posts, mentions FROM segment ORDER BY minute, part")
        .and_then(|mut query| {
            query
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
        .map_err(Error::sql("read open minutes"))?;
    rows.into_iter()
        .map(|(minute, posts, packed)| {
            let mut mentions = Vec::new();
            let of_minute = |Damaged| damaged(format!("minute {}", Minute(minute)));
            codec::unpack_mentions(&packed, |mention| mentions.push(mention)).map_err(of_minute)?;
            let heard = database
                .prepare_cached("SELECT feed, posts FROM heard WHERE minute = ?1")
                .and_then(|mut query| {
                    query
                        .query_map([minute], |row| Ok((FeedId(row.get(0)?), row.get(1)?)))?
                        .collect()
                })
                .map_err(Error::sql("read open minutes"))?;
            let posts = codec::unpack_posts(&posts).map_err(of_minute)?;
            Ok(Segment {
                minute: Minute(minute),
                posts,
                mentions,
                heard,
            })
        })
        .collect()
}

/// What is remembered of hashtags.
pub(super) fn tracks(
    database: &Connection,
    hashtags: &BTreeSet<HashtagId>,
) -> Result<Vec<(HashtagId, Track)>, Error> {
    tracks_where(database, hashtags, false)
}

fn tracks_where(
    database: &Connection,
    hashtags: &BTreeSet<HashtagId>,
    and_awake: bool,
) -> Result<Vec<(HashtagId, Track)>, Error> {
    let mut wanted = hashtags.clone();
    if and_awake {
        let awake: Vec<u32> = database
            .prepare("SELECT hashtag FROM baseline WHERE awake")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .map_err(Error::sql("read baselines"))?;
        wanted.extend(awake.into_iter().map(HashtagId));
    }
    super::begin_reading(database).map_err(Error::sql("read baselines"))?;
    let mut query = database
        .prepare_cached("SELECT state FROM baseline WHERE hashtag = ?1")
        .map_err(Error::sql("read baselines"))?;
    // Hashtags get their numbers in the order of first sight: a newer one than the newest remembered is new.
    let newest: Option<u32> = database
        .query_row("SELECT max(hashtag) FROM baseline", [], |row| row.get(0))
        .map_err(Error::sql("read baselines"))?;
    let mut tracks = Vec::new();
    for hashtag in wanted
        .into_iter()
        .filter(|hashtag| Some(hashtag.0) <= newest)
    {
        let state: Option<Vec<u8>> = query
            .query_row([hashtag.0], |row| row.get(0))
            .optional()
            .map_err(Error::sql("read a baseline"))?;
        if let Some(state) = state {
            let track = Track::decode(&state)
                .map_err(|_| damaged(format!("the baseline of hashtag {}", hashtag.0)))?;
            tracks.push((hashtag, track));
        }
    }
    Ok(tracks)
}

/// When somebody was listening.
pub(super) fn coverage(
    database: &Connection,
    certainty: Certainty,
) -> Result<Option<Coverage>, Error> {
    // A minute that is still open may yet be preceded by an earlier one.
    let before = match certainty {
        Certainty::Settled => minute_fact(database, "settled_until")?.unwrap_or(Minute(0)),
        Certainty::Provisional => Minute(u32::MAX),
    };
    let start: Option<u32> = database
        .query_row(
            "SELECT min(first_minute) FROM feed WHERE first_minute < ?1",
            [before.0],
            |row| row.get(0),
        )
        .map_err(Error::sql("read the coverage"))?;
    let Some(start) = start else {
        return Ok(None);
    };
    let mut coverage = Coverage::since(start);
    for gap in gaps(database, certainty)? {
        coverage.add_gap(gap.start.0..gap.end.0);
    }
    Ok(Some(coverage))
}

/// The stretches in which nobody was listening.
fn gaps(database: &Connection, certainty: Certainty) -> Result<Vec<Range<Minute>>, Error> {
    database
        .prepare_cached(
            "SELECT start_minute, end_minute FROM gap WHERE NOT provisional OR ?1
             ORDER BY start_minute, end_minute",
        )
        .and_then(|mut query| {
            query
                .query_map([certainty == Certainty::Provisional], |row| {
                    Ok(Minute(row.get(0)?)..Minute(row.get(1)?))
                })?
                .collect()
        })
        .map_err(Error::sql("read the gaps"))
}

/// Hashtags with at least `uses_min` uses in `window`, most used first.
pub(super) fn busiest(
    ledger: &Sqlite,
    window: Range<Minute>,
    uses_min: u64,
) -> Result<Vec<Busy>, Error> {
    let mut counts: HashMap<HashtagId, (u64, HashSet<AuthorId>, Option<u64>)> = HashMap::new();
    let mentions_since = ledger.mentions_since()?.unwrap_or(Minute(0));
    let sealed_end = mentions_since.clamp(window.start, window.end);
    each_tally(
        &ledger.database,
        "minute",
        window.start..sealed_end,
        &mut |_, tally| {
            let (uses, _, sums) = counts.entry(tally.hashtag).or_default();
            *uses += u64::from(tally.uses);
            *sums = add(*sums, tally.authors);
        },
    )?;
    mentions(
        &ledger.database,
        sealed_end..window.end,
        &|_| true,
        &mut |_, mentions| {
            for mention in each_post(&mentions) {
                let (uses, authors, _) = counts.entry(mention.hashtag).or_default();
                *uses += 1;
                authors.extend(mention.author);
            }
        },
    )?;
    let mut busiest: Vec<Busy> = counts
        .into_iter()
        .filter(|(_, (uses, ..))| *uses >= uses_min)
        .map(|(hashtag, (uses, authors, sums))| Busy {
            hashtag,
            uses,
            authors: add(sums, u32::try_from(authors.len()).ok().filter(|&n| n > 0)),
        })
        .collect();
    busiest.sort_unstable_by_key(|busy| (std::cmp::Reverse(busy.uses), busy.hashtag));
    Ok(busiest)
}

fn add(sum: Option<u64>, more: Option<u32>) -> Option<u64> {
    match (sum, more) {
        (sum, None) => sum,
        (sum, Some(more)) => Some(sum.unwrap_or(0) + u64::from(more)),
    }
}

/// The tallies of hashtags in settled minutes.
pub(super) fn series(
    database: &Connection,
    hashtags: &BTreeSet<HashtagId>,
    range: Range<Minute>,
) -> Result<BTreeMap<HashtagId, Vec<(Minute, Tally)>>, Error> {
    series_from(database, "minute", hashtags, range)
}

/// The tallies of hashtags in forgotten hours.
pub(super) fn hours(
    database: &Connection,
    hashtags: &BTreeSet<HashtagId>,
    range: Range<Minute>,
) -> Result<BTreeMap<HashtagId, Vec<(Minute, Tally)>>, Error> {
    series_from(database, "hour", hashtags, range)
}

fn series_from(
    database: &Connection,
    table: &'static str,
    hashtags: &BTreeSet<HashtagId>,
    range: Range<Minute>,
) -> Result<BTreeMap<HashtagId, Vec<(Minute, Tally)>>, Error> {
    let mut series: BTreeMap<HashtagId, Vec<(Minute, Tally)>> = hashtags
        .iter()
        .map(|&hashtag| (hashtag, Vec::new()))
        .collect();
    each_tally(database, table, range, &mut |minute, tally| {
        if let Some(tallies) = series.get_mut(&tally.hashtag) {
            tallies.push((minute, tally));
        }
    })?;
    Ok(series)
}

/// Hands over every tally of a range, in order of time. `table` is `minute` or `hour`.
pub(super) fn each_tally(
    database: &Connection,
    table: &'static str,
    range: Range<Minute>,
    each: &mut dyn FnMut(Minute, Tally),
) -> Result<(), Error> {
    let width = if table == "hour" { 60 } else { 1 };
    let doing = Error::sql("read tallies");
    let mut query = database
        .prepare_cached(&format!(
            "SELECT {table}, tallies FROM {table} WHERE {table} >= ?1 AND {table} < ?2 ORDER BY {table}"
        ))
        .map_err(&doing)?;
    let mut rows = query
        .query((range.start.0 / width, range.end.0.div_ceil(width)))
        .map_err(&doing)?;
    while let Some(row) = rows.next().map_err(&doing)? {
        let minute = Minute(row.get::<_, u32>(0).map_err(&doing)? * width);
        let packed = row
            .get_ref(1)
            .and_then(|blob| Ok(blob.as_blob()?))
            .map_err(&doing)?;
        codec::unpack_tallies(packed, |tally| each(minute, tally))
            .map_err(|Damaged| damaged(format!("the tallies of {minute}")))?;
    }
    Ok(())
}

/// The mentions that `keep` keeps, minute by minute.
pub(super) fn mentions(
    database: &Connection,
    range: Range<Minute>,
    keep: &dyn Fn(&Mention) -> bool,
    each: &mut dyn FnMut(Minute, Vec<Mention>),
) -> Result<(), Error> {
    let doing = Error::sql("read mentions");
    let mut query = database
        .prepare_cached(
            "SELECT minute, mentions FROM minute
             WHERE minute >= ?1 AND minute < ?2 AND mentions IS NOT NULL
             UNION ALL SELECT minute, mentions FROM segment WHERE minute >= ?1 AND minute < ?2
             ORDER BY minute",
        )
        .map_err(&doing)?;
    let mut rows = query.query((range.start.0, range.end.0)).map_err(&doing)?;
    let mut current: Option<(Minute, Vec<Mention>)> = None;
    while let Some(row) = rows.next().map_err(&doing)? {
        let minute = Minute(row.get(0).map_err(&doing)?);
        if current.as_ref().is_some_and(|(last, _)| *last != minute) {
            hand_over(current.take(), each);
        }
        let (_, kept) = current.get_or_insert_with(|| (minute, Vec::new()));
        let packed = row
            .get_ref(1)
            .and_then(|blob| Ok(blob.as_blob()?))
            .map_err(&doing)?;
        codec::unpack_mentions(packed, |mention| {
            if keep(&mention) {
                kept.push(mention);
            }
        })
        .map_err(|Damaged| damaged(format!("the mentions of {minute}")))?;
    }
    hand_over(current, each);
    Ok(())
}

/// Segments of one minute are parts of one set.
fn hand_over(minute: Option<(Minute, Vec<Mention>)>, each: &mut dyn FnMut(Minute, Vec<Mention>)) {
    if let Some((minute, mut mentions)) = minute
        && !mentions.is_empty()
    {
        settle(&mut mentions);
        each(minute, mentions);
    }
}

/// Spikes that were flagged, or not over, at or after `since`; a provisional one stands for the settled one.
pub(super) fn spikes(database: &Connection, since: Minute) -> Result<Vec<Spike>, Error> {
    let mut spikes = spikes_where(
        database,
        "(flagged_minute >= ?1 OR end_minute IS NULL OR end_minute > ?1)",
        since,
    )?;
    spikes.dedup_by(|later, first| {
        let is_same = (later.hashtag, later.flagged) == (first.hashtag, first.flagged);
        if is_same && later.provisional {
            std::mem::swap(later, first);
        }
        is_same
    });
    Ok(spikes)
}

fn spikes_where(
    database: &Connection,
    condition: &str,
    since: Minute,
) -> Result<Vec<Spike>, Error> {
    database
        .prepare(&format!(
            "SELECT hashtag, flagged_minute, provisional, onset_minute, window_minutes, observed, expected,
                 growth, score, threshold, growth_max, score_max, peak_minute, end_minute
             FROM spike WHERE {condition} AND ?1 >= 0 ORDER BY flagged_minute, hashtag, provisional"
        ))
        .and_then(|mut query| query.query_map([since.0], spike)?.collect())
        .map_err(Error::sql("read spikes"))
}

fn spike(row: &Row<'_>) -> rusqlite::Result<Spike> {
    Ok(Spike {
        hashtag: HashtagId(row.get(0)?),
        flagged: Minute(row.get(1)?),
        provisional: row.get(2)?,
        alarm: Alarm {
            onset: row.get(3)?,
            window_minutes: row.get(4)?,
            observed: row.get::<_, i64>(5)?.cast_unsigned(),
            expected: row.get(6)?,
            growth: row.get(7)?,
            score: row.get(8)?,
        },
        threshold: row.get(9)?,
        growth_max: row.get(10)?,
        score_max: row.get(11)?,
        peak: row.get::<_, Option<u32>>(12)?.map(Minute),
        end: row.get::<_, Option<u32>>(13)?.map(Minute),
    })
}

/// Key and label of hashtags.
pub(super) fn names(
    database: &Connection,
    hashtags: &BTreeSet<HashtagId>,
) -> rusqlite::Result<BTreeMap<HashtagId, Name>> {
    let mut query = database.prepare_cached(
        "SELECT key, (SELECT label FROM label WHERE hashtag = id ORDER BY uses DESC, label LIMIT 1)
         FROM hashtag WHERE id = ?1",
    )?;
    hashtags
        .iter()
        .map(|&hashtag| {
            let name = query.query_row([hashtag.0], |row| {
                Ok(Name {
                    key: row.get(0)?,
                    label: row.get(1)?,
                })
            })?;
            Ok((hashtag, name))
        })
        .collect()
}

/// The numbers of keys.
pub(super) fn find(
    database: &Connection,
    keys: &[String],
) -> rusqlite::Result<BTreeMap<String, HashtagId>> {
    let mut query = database.prepare_cached("SELECT id FROM hashtag WHERE key = ?1")?;
    let mut found = BTreeMap::new();
    for key in keys {
        if let Some(id) = query.query_row([key], |row| row.get(0)).optional()? {
            found.insert(key.clone(), HashtagId(id));
        }
    }
    Ok(found)
}

/// Every key with its number.
pub(super) fn every_key(
    database: &Connection,
    each: &mut dyn FnMut(&str, HashtagId),
) -> rusqlite::Result<()> {
    let mut query = database.prepare("SELECT key, id FROM hashtag ORDER BY key")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        each(row.get_ref(0)?.as_str()?, HashtagId(row.get(1)?));
    }
    Ok(())
}

/// Names of which there are few: sources or languages.
pub(super) fn short_names<Id: Ord>(
    database: &Connection,
    table: &'static str,
    id: fn(u16) -> Id,
) -> rusqlite::Result<BTreeMap<Id, String>> {
    database
        .prepare_cached(&format!("SELECT id, name FROM {table}"))?
        .query_map([], |row| Ok((id(row.get(0)?), row.get(1)?)))?
        .collect()
}

/// The feeds ever read.
pub(super) fn feeds(database: &Connection) -> rusqlite::Result<Vec<FeedRow>> {
    let officials: HashMap<FeedId, u64> = official::counts(database)?.into_iter().collect();
    database
        .prepare_cached(
            "SELECT offset_bytes, lines, fingerprint, token, id, name, kind, newest_minute, first_minute, posts,
                 standing,
                 (SELECT coalesce(sum(heard.posts), 0) FROM heard WHERE heard.feed = feed.id
                  AND minute >= newest_minute - 10 AND minute < newest_minute),
                 cursor_ms, heard_ms, problem, problem_ms
             FROM feed ORDER BY id",
        )?
        .query_map([], |row| {
            let id = FeedId(row.get(4)?);
            Ok(FeedRow {
                cursor: cursor_of(row)?,
                id,
                name: row.get(5)?,
                kind: row.get(6)?,
                newest: row.get::<_, Option<u32>>(7)?.map(Minute),
                first: row.get::<_, Option<u32>>(8)?.map(Minute),
                posts: row.get::<_, i64>(9)?.cast_unsigned(),
                officials: officials.get(&id).copied().unwrap_or(0),
                standing: row.get(10)?,
                posts_per_minute: per_minute(row.get(11)?, row.get(8)?, row.get(7)?),
                cursor_at: time(row.get(12)?),
                heard_until: time(row.get(13)?),
                problem: time(row.get(15)?).zip(row.get(14)?),
            })
        })?
        .collect()
}

fn time(millis: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millis(millis?).ok()
}

/// The rate of `posts` in the ten minutes before the newest one, or in as many as there are.
fn per_minute(posts: i64, first: Option<u32>, newest: Option<u32>) -> f64 {
    let heard = newest.unwrap_or(0).saturating_sub(first.unwrap_or(0));
    posts as f64 / f64::from(heard.clamp(1, 10))
}

/// Where a feed resumes.
pub(super) fn cursor(database: &Connection, feed: FeedId) -> rusqlite::Result<Option<Cursor>> {
    database
        .prepare_cached("SELECT offset_bytes, lines, fingerprint, token FROM feed WHERE id = ?1")?
        .query_row([feed.0], cursor_of)
        .optional()
        .map(Option::flatten)
}

/// From the columns `offset_bytes`, `lines`, `fingerprint`, `token`, which come first.
fn cursor_of(row: &Row<'_>) -> rusqlite::Result<Option<Cursor>> {
    let (offset, token): (Option<i64>, Option<String>) = (row.get(0)?, row.get(3)?);
    Ok(match (offset, token) {
        (None, None) => None,
        (_, Some(token)) => Some(Cursor::Token(token)),
        (Some(offset), None) => Some(Cursor::Place(Place {
            offset_bytes: offset.cast_unsigned(),
            lines: row.get::<_, i64>(1)?.cast_unsigned(),
            fingerprint: row.get::<_, i64>(2)?.cast_unsigned(),
        })),
    })
}

fn damaged(what: String) -> Error {
    Error::Damaged { what }
}
