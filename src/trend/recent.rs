//! Who has used which hashtag in the last hour.
//!
//! The detector counts an author once an hour and hashtag, as Downdetector counts one report per user and company:
//! so neither a campaign of few accounts nor a quarrel between two people looks like an outage. Takes the mentions of
//! closed minutes in order, gives the [`Tally`] of each hashtag. Memory is that of the pairs of hashtag and author of an
//! hour and ten minutes, however often each was used.

use hashbrown::HashMap;
use hashbrown::HashSet;

use super::mention::{HashtagId, Mention, Tally, by_hashtag, each_post};
use crate::post::AuthorId;
use crate::time::Minute;

/// For how long an author is remembered after a use: the trailing hour of `detection.md` section 4.
pub const MEMORY_MINUTES: u32 = 60;

/// How often those are thrown out who were not heard for an hour; until then they are passed over.
const SWEEP_MINUTES: u32 = 10;

/// The authors of the last [`MEMORY_MINUTES`], per hashtag.
#[derive(Debug, Clone, Default)]
pub struct RecentAuthors {
    last_use: HashMap<(HashtagId, AuthorId), Minute>,
    swept_at: Option<Minute>,
}

impl RecentAuthors {
    /// Counts one minute, later than every one before it. `mentions` are settled.
    pub fn tally(&mut self, minute: Minute, mentions: &[Mention]) -> Vec<Tally> {
        self.sweep(minute);
        by_hashtag(mentions)
            .map(|group| self.tally_one(minute, group))
            .collect()
    }

    fn tally_one(&mut self, minute: Minute, group: &[Mention]) -> Tally {
        let hour_ago = minute.minus(MEMORY_MINUTES);
        let hashtag = group[0].hashtag;
        let mut authors: HashSet<AuthorId> = HashSet::new();
        let (mut posts, mut unnamed) = (0, 0);
        for mention in each_post(group) {
            posts += 1;
            match mention.author {
                Some(author) => drop(authors.insert(author)),
                None => unnamed += 1,
            }
        }
        let mut fresh = unnamed;
        for &author in &authors {
            let before = self.last_use.insert((hashtag, author), minute);
            fresh += usize::from(before.is_none_or(|before| before < hour_ago));
        }
        Tally {
            hashtag,
            uses: count(posts),
            authors: (!authors.is_empty()).then(|| count(authors.len())),
            fresh: count(fresh),
        }
    }

    /// Forgets, now and then, who was last heard more than an hour before `minute`.
    fn sweep(&mut self, minute: Minute) {
        let swept_at = *self.swept_at.get_or_insert(minute);
        if swept_at.0 + SWEEP_MINUTES <= minute.0 {
            let oldest_kept = minute.minus(MEMORY_MINUTES);
            self.last_use.retain(|_, last| *last >= oldest_kept);
            self.swept_at = Some(minute);
        }
    }
}

/// A count that fits: no minute holds 2^32 mentions, since each costs memory.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::PostId;
    use crate::trend::mention::{LangId, SourceId, settle};
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

    #[test]
    fn an_author_is_fresh_again_after_an_hour_of_silence() {
        let mut recent = RecentAuthors::default();
        let mut fresh_at =
            |minute, post| recent.tally(Minute(minute), &[mention(post, 7)])[0].fresh;
        assert_eq!(fresh_at(100, 1), 1);
        assert_eq!(
            fresh_at(160, 2),
            0,
            "sixty minutes later is still within the hour"
        );
        assert_eq!(
            fresh_at(220, 3),
            0,
            "the use at 160 counts, though it was not fresh"
        );
        assert_eq!(fresh_at(281, 4), 1);
    }

    #[test]
    fn whoever_was_not_heard_for_an_hour_is_thrown_out_in_time() {
        let mut recent = RecentAuthors::default();
        for minute in 0..600 {
            let author = u64::from(minute) + 1;
            recent.tally(Minute(minute), &[mention(author, author)]);
            let most = MEMORY_MINUTES + SWEEP_MINUTES + 1;
            assert!(recent.last_use.len() <= most as usize, "{minute}");
        }
    }

    #[test]
    fn posts_without_an_author_are_each_fresh_and_authors_stay_unknown() {
        let mut recent = RecentAuthors::default();
        let tally = recent.tally(Minute(5), &[mention(1, 0), mention(2, 0)])[0];
        assert_eq!((tally.uses, tally.authors, tally.fresh), (2, None, 2));
    }

    #[test]
    fn a_post_seen_at_two_sources_is_one_use_and_kept_for_both() {
        let elsewhere = |author| Mention {
            source: SourceId(1),
            ..mention(2, author)
        };
        for author in [0, 8, 9] {
            let mut mentions = vec![elsewhere(author), mention(1, 7), mention(2, 8)];
            settle(&mut mentions);
            assert_eq!(mentions.len(), 3);
            let tally = RecentAuthors::default().tally(Minute(5), &mentions)[0];
            assert_eq!((tally.uses, tally.authors, tally.fresh), (2, Some(2), 2));
        }
    }

    #[test]
    fn a_post_recorded_twice_is_one_use() {
        let mut mentions = vec![mention(2, 8), mention(1, 7), mention(2, 8)];
        settle(&mut mentions);
        let tally = RecentAuthors::default().tally(Minute(5), &mentions)[0];
        assert_eq!((tally.uses, tally.authors, tally.fresh), (2, Some(2), 2));
    }
}
