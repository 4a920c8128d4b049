//! Whether the file is sound, and whether its counts add up: minute by minute, with one minute in memory.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Row;

use super::Connection;
use super::codec::{self, Damaged};
use super::read::minute_fact;
use crate::post::{AuthorId, PostId};
use crate::store::Error;
use crate::time::Minute;
use crate::trend::mention::{HashtagId, Mention, each_post, settle};

/// What is wrong that is told; a file with more of it is no better told in full.
const WRONG_MAX: usize = 100;

/// What is wrong with the file, in sentences; nothing if all is well.
pub(super) fn check(database: &Connection) -> Result<Vec<String>, Error> {
    let mut wrong: Vec<String> = database
        .prepare("PRAGMA integrity_check")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(Error::sql("check"))?;
    wrong.retain(|sentence| sentence != "ok");
    check_minutes(database, &mut wrong)?;
    check_feeds(database, &mut wrong)?;
    Ok(wrong)
}

fn check_minutes(database: &Connection, wrong: &mut Vec<String>) -> Result<(), Error> {
    let settled_until = minute_fact(database, "settled_until")?.unwrap_or(Minute(0));
    let doing = Error::sql("check minutes");
    let mut query = database
        .prepare(
            "SELECT minute, (SELECT sum(posts) FROM heard WHERE heard.minute = minute.minute), tallies, mentions
             FROM minute ORDER BY minute",
        )
        .map_err(&doing)?;
    let mut rows = query.query([]).map_err(&doing)?;
    while let Some(row) = rows.next().map_err(&doing)? {
        let minute = Minute(row.get(0).map_err(&doing)?);
        if wrong.len() >= WRONG_MAX {
            wrong.push(format!("and more, from minute {minute} on"));
            return Ok(());
        }
        if minute >= settled_until {
            wrong.push(format!("minute {minute} is settled beyond the mark"));
        }
        if let Err(sentence) = check_minute(row).map_err(&doing)? {
            wrong.push(format!("minute {minute}: {sentence}"));
        }
    }
    Ok(())
}

/// The tallies must be what the mentions add up to, and no more posts bear a hashtag than were heard.
fn check_minute(row: &Row<'_>) -> rusqlite::Result<Result<(), String>> {
    let heard: u64 = row.get::<_, Option<i64>>(1)?.unwrap_or(0).cast_unsigned();
    let tallies = row.get_ref(2)?.as_blob()?;
    let mentions = row.get_ref(3)?.as_blob_or_null()?;
    Ok(compare(tallies, mentions, heard))
}

/// Uses, authors: of one hashtag in one minute.
type Counts = BTreeMap<HashtagId, (u32, Option<u32>)>;

fn compare(tallies: &[u8], mentions: Option<&[u8]>, heard: u64) -> Result<(), String> {
    let mut told = Counts::new();
    let mut fresh_of_nobody = false;
    codec::unpack_tallies(tallies, |tally| {
        fresh_of_nobody |= tally.fresh > tally.uses;
        told.insert(tally.hashtag, (tally.uses, tally.authors));
    })
    .map_err(|Damaged| "its tallies are damaged".to_owned())?;
    if fresh_of_nobody {
        return Err("more fresh authors are told than posts".to_owned());
    }
    let posts = match mentions {
        None => told
            .values()
            .map(|&(uses, _)| u64::from(uses))
            .max()
            .unwrap_or(0),
        Some(mentions) => {
            let (counted, posts) = count(mentions)?;
            if counted != told {
                return Err("its tallies are not what its mentions add up to".to_owned());
            }
            posts
        }
    };
    if posts > heard {
        return Err(format!(
            "{posts} posts bear a hashtag where {heard} were heard"
        ));
    }
    Ok(())
}

/// What mentions add up to, and how many posts they are of.
fn count(mentions: &[u8]) -> Result<(Counts, u64), String> {
    let mut kept: Vec<Mention> = Vec::new();
    codec::unpack_mentions(mentions, |mention| kept.push(mention))
        .map_err(|Damaged| "its mentions are damaged".to_owned())?;
    settle(&mut kept);
    let mut uses: BTreeMap<HashtagId, (u32, BTreeSet<AuthorId>)> = BTreeMap::new();
    let mut posts: BTreeSet<PostId> = BTreeSet::new();
    for mention in each_post(&kept) {
        let (uses, authors) = uses.entry(mention.hashtag).or_default();
        *uses += 1;
        authors.extend(mention.author);
        posts.insert(mention.post);
    }
    let counts = uses.into_iter().map(|(hashtag, (uses, authors))| {
        let authors = u32::try_from(authors.len()).unwrap_or(u32::MAX);
        (hashtag, (uses, (authors > 0).then_some(authors)))
    });
    Ok((counts.collect(), posts.len() as u64))
}

/// A feed has shown at least what its minutes add up to, and just that while none of them is forgotten.
fn check_feeds(database: &Connection, wrong: &mut Vec<String>) -> Result<(), Error> {
    let kept_since = minute_fact(database, "minutes_since")?.unwrap_or(Minute(0));
    let differing: Vec<String> = database
        .prepare(
            "SELECT name FROM (
                 SELECT id, name, posts, first_minute >= ?1 AS is_kept,
                     (SELECT coalesce(sum(heard.posts), 0) FROM heard WHERE heard.feed = feed.id) AS kept
                 FROM feed
             ) WHERE posts < kept OR is_kept AND posts > kept ORDER BY id",
        )
        .and_then(|mut query| query.query_map([kept_since.0], |row| row.get(0))?.collect())
        .map_err(Error::sql("check feeds"))?;
    wrong.extend(
        differing
            .iter()
            .map(|name| format!("feed {name}: its posts are not what its minutes add up to")),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::mention::{LangId, SourceId, Tally};
    use std::num::NonZeroU64;

    fn mention(post: u64, author: u64) -> Mention {
        Mention {
            hashtag: HashtagId(1),
            post: PostId(post),
            author: NonZeroU64::new(author).map(AuthorId),
            source: SourceId(0),
            lang: LangId(0),
            bot: false,
        }
    }

    /// Two posts of one author, told as `uses`, `authors`, `fresh`, where `heard` posts were heard.
    fn checked(uses: u32, authors: Option<u32>, fresh: u32, heard: u64, sealed: bool) -> bool {
        let tallies = codec::pack_tallies(&[Tally {
            hashtag: HashtagId(1),
            uses,
            authors,
            fresh,
        }]);
        let mentions = codec::pack_mentions(&[mention(1, 7), mention(2, 7)]);
        compare(&tallies, (!sealed).then_some(&mentions[..]), heard).is_ok()
    }

    #[test]
    fn uses_authors_and_heard_posts_must_agree() {
        assert!(checked(2, Some(1), 1, 2, false));
        assert!(!checked(3, Some(1), 1, 3, false), "uses");
        assert!(!checked(2, Some(2), 1, 2, false), "authors");
        assert!(!checked(2, None, 1, 2, false), "no author");
        assert!(!checked(2, Some(1), 3, 2, false), "more fresh than posts");
        assert!(!checked(2, Some(1), 1, 1, false), "more posts than heard");
    }

    #[test]
    fn a_sealed_minute_is_held_against_what_was_heard() {
        assert!(checked(2, Some(2), 1, 2, true));
        assert!(!checked(2, Some(2), 1, 1, true));
    }
}
