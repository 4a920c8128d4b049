//! The store: what is remembered, behind the trait [`Ledger`].
//!
//! A ledger takes ticks and gives back what was counted. Everything one batch brings (mentions, tallies, coverage,
//! spikes, cursors) is recorded in one transaction or not at all, so that after a crash the same command goes on as
//! if nothing had happened. [`sqlite`] is the embedded one; any other is held to the same conformance suite,
//! `tests/it/ledger.rs`. Every line of SQL of the project is below this room; detection is not: it is pure, in
//! `trend/`, and knows no store.

pub mod sqlite;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use crate::hashtag::Hashtag;
use crate::official::Official;
use crate::post::Cursor;
use crate::time::{Minute, Timestamp};
use crate::trend::coverage::Coverage;
use crate::trend::mention::{FeedId, HashtagId, LangId, Mention, SourceId, Tally};
use crate::trend::spike::Spike;
use crate::trend::track::Track;
use crate::trend::tracker::{Memory, Progress, Tick};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no database to read.
    #[error("open {path}: there is no such database; `downtrend run` makes one")]
    Missing {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file is no database of ours.
    #[error("open {path}: it is not a downtrend database")]
    NotOurs {
        /// The file asked for.
        path: PathBuf,
    },
    /// A newer downtrend has written it.
    #[error(
        "open {path}: its schema is version {found}, newer than the {known} this downtrend knows; use the newer program"
    )]
    Newer {
        /// The file asked for.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest we know.
        known: u32,
    },
    /// Somebody else is writing to it.
    #[error(
        "write to {path}: another process has it locked; one writer at a time, try again later"
    )]
    Locked {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("{doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The database said no.
    #[error("{doing} in the database")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// What was read cannot have been written by us.
    #[error("read {what}: it is damaged")]
    Damaged {
        /// What was being read.
        what: String,
    },
}

/// A feed that has been read into this ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedRow {
    /// Its number.
    pub id: FeedId,
    /// What the user called it.
    pub name: String,
    /// The kind of feed.
    pub kind: String,
    /// Where it resumes.
    pub cursor: Option<Cursor>,
    /// The newest minute it has shown.
    pub newest: Option<Minute>,
    /// The first minute it was heard in.
    pub first: Option<Minute>,
    /// Posts counted from it.
    pub posts: u64,
    /// Posts in the last ten minutes it was heard in, a minute.
    pub posts_per_minute: f64,
    /// When its cursor was last moved.
    pub cursor_at: Option<Timestamp>,
    /// Updates of status pages kept from it.
    pub officials: u64,
    /// A live feed: how it stood when it was last heard of.
    pub standing: Option<String>,
    /// A live feed: up to when it has heard everything.
    pub heard_until: Option<Timestamp>,
    /// A live feed: when it was last kept from hearing, and by what.
    pub problem: Option<(Timestamp, String)>,
}

/// How a live feed stands from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// In a word or a sentence.
    pub words: String,
    /// What keeps it from hearing, if anything does.
    pub problem: Option<String>,
}

/// For how long what is kept, in event time behind the watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Mentions, and with them exact counts of authors over any stretch.
    pub mentions_minutes: u32,
    /// Minutes, before they become hours.
    pub minutes: MinutesKept,
}

/// For how long minutes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinutesKept {
    /// Nobody said: 90 days of live feeds, and for ever once a file was read, since an archive is read to be asked.
    Auto,
    /// So many minutes.
    For(u32),
    /// For ever.
    Forever,
}

impl MinutesKept {
    /// In a ledger; none: for ever.
    pub fn within(self, ledger: &impl Ledger) -> Result<Option<u32>, Error> {
        const LIVE_MINUTES: u32 = 90 * 24 * 60;
        /// What `feed::file` calls its kind.
        const FILE_KIND: &str = "file";
        Ok(match self {
            Self::Forever => None,
            Self::For(minutes) => Some(minutes),
            Self::Auto => {
                let holds_a_file = ledger.feeds()?.iter().any(|feed| feed.kind == FILE_KIND);
                (!holds_a_file).then_some(LIVE_MINUTES)
            }
        })
    }
}

/// One hashtag in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// Which.
    pub hashtag: HashtagId,
    /// Distinct posts in the window.
    pub uses: u64,
    /// Distinct authors in the window; a sum of minutes where only tallies are kept.
    pub authors: Option<u64>,
}

/// A hashtag as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The folded form.
    pub key: String,
    /// The spelling seen most; of two seen equally often the first in code point order.
    pub label: String,
}

/// What a batch adds beside its tick.
#[derive(Debug, Default)]
pub struct Record<'a> {
    /// When this is recorded; none where that is of no interest.
    pub at: Option<Timestamp>,
    /// Minutes, gaps, spikes.
    pub tick: Tick,
    /// Where the feeds resume after this batch.
    pub cursors: Vec<(FeedId, Cursor)>,
    /// How far each feed has come.
    pub progress: Vec<(FeedId, &'a Progress)>,
    /// How live feeds stand, of those that stand differently from before.
    pub standings: Vec<(FeedId, Stand)>,
    /// Up to when live feeds have heard everything.
    pub heard: Vec<(FeedId, Timestamp)>,
    /// What status pages say, by the feed that brought it; of one update the newer version is kept.
    pub officials: Vec<(FeedId, Vec<Official>)>,
    /// Spikes and gaps as they look when the minutes still open are judged; they replace the last ones given.
    pub provisional: Option<Tick>,
}

/// The store. Hashtags, sources, languages and feeds get their numbers here; a number, once recorded, stays.
pub trait Ledger {
    /// The number of a hashtag, and one more use of its spelling.
    fn hashtag(&mut self, hashtag: &Hashtag) -> Result<HashtagId, Error>;
    /// The number of a source.
    fn source(&mut self, name: &str) -> Result<SourceId, Error>;
    /// The number of a language tag.
    fn lang(&mut self, tag: &str) -> Result<LangId, Error>;
    /// The number of a feed.
    fn feed(&mut self, name: &str, kind: &str) -> Result<FeedId, Error>;

    /// Records a batch: all of it, or, on an error, nothing. Recording the same mentions again changes nothing.
    fn record(&mut self, record: &Record<'_>) -> Result<(), Error>;
    /// Drops the mentions of minutes before `before`; their tallies stay. Gives the number of minutes sealed.
    fn seal(&mut self, before: Minute) -> Result<u64, Error>;
    /// Adds the minutes before `before` up into hours, but none that [`Ledger::memory`] needs. Gives the number of
    /// minutes forgotten.
    fn forget(&mut self, before: Minute) -> Result<u64, Error>;

    /// Where a feed resumes.
    fn cursor(&self, feed: FeedId) -> Result<Option<Cursor>, Error>;
    /// What a tracker is restored from.
    fn memory(&self) -> Result<Memory, Error>;
    /// What is remembered of hashtags.
    fn tracks(&self, hashtags: &BTreeSet<HashtagId>) -> Result<Vec<(HashtagId, Track)>, Error>;

    /// Up to where buckets are closed; none in an empty ledger.
    fn watermark(&self) -> Result<Option<Minute>, Error>;
    /// The first minute that a post may still join: minutes before it have tallies, later ones only mentions.
    fn settled_until(&self) -> Result<Option<Minute>, Error>;
    /// The first minute whose mentions are still kept.
    fn mentions_since(&self) -> Result<Option<Minute>, Error>;
    /// The first minute that is kept as such; before it there are only hours.
    fn minutes_since(&self) -> Result<Option<Minute>, Error>;
    /// When somebody was listening.
    fn coverage(&self) -> Result<Option<Coverage>, Error>;
    /// Hashtags with at least `uses_min` uses in `window`, most used first.
    fn busiest(&self, window: Range<Minute>, uses_min: u64) -> Result<Vec<Busy>, Error>;
    /// The tallies of hashtags in settled minutes, in order of time.
    fn series(
        &self,
        hashtags: &BTreeSet<HashtagId>,
        range: Range<Minute>,
    ) -> Result<BTreeMap<HashtagId, Vec<(Minute, Tally)>>, Error>;
    /// The tallies of hashtags in forgotten hours, each under its first minute, in order of time.
    fn hours(
        &self,
        hashtags: &BTreeSet<HashtagId>,
        range: Range<Minute>,
    ) -> Result<BTreeMap<HashtagId, Vec<(Minute, Tally)>>, Error>;
    /// The mentions that `keep` keeps, minute by minute in order of time, settled: a post once a source.
    fn mentions(
        &self,
        range: Range<Minute>,
        keep: &dyn Fn(&Mention) -> bool,
        each: &mut dyn FnMut(Minute, Vec<Mention>),
    ) -> Result<(), Error>;
    /// Spikes that were flagged, or not over, at or after `since`; by time of flagging, then by hashtag.
    fn spikes(&self, since: Minute) -> Result<Vec<Spike>, Error>;
    /// Key and label of hashtags.
    fn names(&self, hashtags: &BTreeSet<HashtagId>) -> Result<BTreeMap<HashtagId, Name>, Error>;
    /// The numbers of keys, of those that were ever recorded.
    fn find(&self, keys: &[String]) -> Result<BTreeMap<String, HashtagId>, Error>;
    /// Every key that was ever recorded, with its number.
    fn every_key(&self, each: &mut dyn FnMut(&str, HashtagId)) -> Result<(), Error>;
    /// Names of sources.
    fn source_names(&self) -> Result<BTreeMap<SourceId, String>, Error>;
    /// Language tags.
    fn lang_tags(&self) -> Result<BTreeMap<LangId, String>, Error>;
    /// The feeds ever read into this ledger.
    fn feeds(&self) -> Result<Vec<FeedRow>, Error>;
    /// What status pages said of a service in `range`, oldest first.
    fn officials(&self, service: &str, range: Range<Minute>) -> Result<Vec<Official>, Error>;
}
