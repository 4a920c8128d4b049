//! Mentions and tallies: what is counted, and the counts of one minute.
//!
//! A mention is a member of a set: (minute, hashtag, post, author). Recording it again changes nothing, so that
//! redelivery, restarts and overlapping polls never count twice. A post seen at several sources, at two servers or
//! through a bridge, is kept once for each, so that each source can be counted alone, and is one use of them all
//! ([`each_post`]). A [`Tally`] is what a minute's mentions of one hashtag add up to once nothing can join them any
//! more. Names are numbers here; the store knows what they stand for.

use crate::post::{AuthorId, PostId};

/// Stands for a hashtag's key, within one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashtagId(pub u32);

/// Stands for the name of a source, within one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u16);

/// Stands for a language tag, within one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LangId(pub u16);

/// Stands for a configured feed, within one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(pub u16);

/// One post bearing one hashtag, seen at one source. The order is the order in which a minute keeps its mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mention {
    /// What was mentioned.
    pub hashtag: HashtagId,
    /// By which post.
    pub post: PostId,
    /// By whom, where the feed names authors.
    pub author: Option<AuthorId>,
    /// Where the post was seen.
    pub source: SourceId,
    /// The declared language of the post.
    pub lang: LangId,
    /// From an automated account.
    pub bot: bool,
}

/// What one minute's mentions of one hashtag add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Of which hashtag.
    pub hashtag: HashtagId,
    /// Distinct posts.
    pub uses: u32,
    /// Distinct authors; none where no post named one.
    pub authors: Option<u32>,
    /// What the detector is fed: authors who had not used the hashtag in the hour before, and posts without an author.
    pub fresh: u32,
}

/// Sorts mentions into the order a minute keeps them in and leaves each (hashtag, post) once a source.
pub fn settle(mentions: &mut Vec<Mention>) {
    mentions
        .sort_unstable_by_key(|mention| (mention.hashtag, mention.post, mention.source, *mention));
    mentions.dedup_by_key(|mention| (mention.hashtag, mention.post, mention.source));
}

/// Each (hashtag, post) once, of mentions that [`settle`] has sorted. Where the sources disagree about a post it has
/// an author if one of them names one, the first in order, and is automated if one of them says so.
pub fn each_post(mentions: &[Mention]) -> impl Iterator<Item = Mention> {
    let seen = mentions.chunk_by(|a, b| (a.hashtag, a.post) == (b.hashtag, b.post));
    seen.map(|seen| Mention {
        author: seen.iter().filter_map(|mention| mention.author).min(),
        bot: seen.iter().any(|mention| mention.bot),
        ..seen[0]
    })
}

/// The mentions of each hashtag, of a slice that [`settle`] has sorted.
pub fn by_hashtag(mentions: &[Mention]) -> impl Iterator<Item = &[Mention]> {
    mentions.chunk_by(|a, b| a.hashtag == b.hashtag)
}
