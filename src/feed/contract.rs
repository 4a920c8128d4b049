//! What a feed is to the rest: something that fills batches until it ends.
//!
//! A feed runs on a thread of its own and sends [`Batch`]es through a bounded [`Outlet`]; a slow reader holds it up,
//! back to its socket or file. It ends when its stream does or when the outlet closes, and never panics on bytes from
//! outside: what cannot be read is counted under a [`Reject`] and the next thing is read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::official::Official;
use crate::post::{Cursor, Post, Reject};
use crate::time::Timestamp;

/// Batches of a feed that wait for the loop; two, so that reading and counting overlap, and no more is lost to a kill.
const BATCHES_WAITING_MAX: usize = 2;
/// Things read that one batch holds; a page is never split, so it may hold a page more.
pub const BATCH_ITEMS_MAX: u64 = 4_096;

/// What one feed has read since its last batch. Sent together with the place where it resumes after it.
#[derive(Debug, Default)]
pub struct Batch {
    /// Posts, in the order in which they were read.
    pub posts: Vec<Post>,
    /// What a status page says; never counted.
    pub officials: Vec<Official>,
    /// Well-formed events that are no posts.
    pub skipped: u64,
    /// What was dropped, by reason.
    pub rejected: BTreeMap<Reject, u64>,
    /// Where what was dropped stood.
    pub dropped: Vec<Dropped>,
    /// Where the feed resumes once this batch is counted; none for a feed that cannot.
    pub cursor: Option<Cursor>,
    /// A live feed: it has heard everything up to here, posts or not.
    pub heard_until: Option<Timestamp>,
    /// A live feed: stretches that it could not hear and cannot make up for.
    pub gaps: Vec<Range<Timestamp>>,
    /// A live feed: how it stands, when that has changed.
    pub standing: Option<Standing>,
    /// Whether this was the last one, and how it ended.
    pub ending: Option<Ending>,
}

/// Something dropped, for `-v`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The line, counted from 1.
    pub line: u64,
    /// Why.
    pub reject: Reject,
}

/// How a live feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It hears what happens now.
    Live,
    /// It is connected and reads what it has missed.
    CatchingUp,
    /// It tries again at a time, and why.
    Waiting {
        /// When.
        until: Timestamp,
        /// What happened, in plain words.
        why: String,
    },
    /// The server does not want us; it is tried rarely.
    Refused {
        /// What it said, in plain words.
        why: String,
    },
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::CatchingUp => f.write_str("catching up"),
            Self::Waiting { until, why } => {
                write!(f, "waiting until {} because {why}", to_the_second(*until))
            }
            Self::Refused { why } => write!(f, "refused because {why}"),
        }
    }
}

/// The whole second after a time: nobody wants to read more of it.
fn to_the_second(time: Timestamp) -> Timestamp {
    let seconds = time.as_millis().div_euclid(1_000) + 1;
    let is_whole = time.as_millis().rem_euclid(1_000) == 0;
    let rounded = Timestamp::from_millis(seconds * 1_000).ok();
    rounded.filter(|_| !is_whole).unwrap_or(time)
}

impl Standing {
    /// What keeps the feed from hearing, if anything does.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Live | Self::CatchingUp => None,
            Self::Waiting { why, .. } | Self::Refused { why } => Some(why),
        }
    }
}

/// How a feed ended.
#[derive(Debug)]
pub enum Ending {
    /// All of it was read.
    Complete,
    /// It broke off; what came before is counted.
    Broken(std::io::Error),
    /// Its reader stopped without a word: a bug of ours.
    Bug,
}

impl Batch {
    /// Adds what was read after this batch; the later cursor, standing and ending are those of both.
    pub fn join(&mut self, later: Self) {
        self.posts.extend(later.posts);
        self.skipped += later.skipped;
        for (reject, count) in later.rejected {
            *self.rejected.entry(reject).or_default() += count;
        }
        self.dropped.extend(later.dropped);
        self.cursor = later.cursor.or(self.cursor.take());
        self.heard_until = self.heard_until.max(later.heard_until);
        self.gaps.extend(later.gaps);
        self.officials.extend(later.officials);
        self.standing = later.standing.or(self.standing.take());
        self.ending = later.ending.or(self.ending.take());
    }

    /// Things read.
    pub fn items(&self) -> u64 {
        self.posts.len() as u64 + self.skipped + self.rejected.values().sum::<u64>()
    }

    /// Counts something dropped.
    pub fn drop_line(&mut self, line: u64, reject: Reject) {
        *self.rejected.entry(reject).or_default() += 1;
        self.dropped.push(Dropped { line, reject });
    }
}

/// Where a feed's batches go.
#[derive(Debug)]
pub struct Outlet {
    batches: SyncSender<Batch>,
    bell: Option<SyncSender<()>>,
}

/// The loop has stopped reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl Outlet {
    /// An outlet, and the end that the loop reads from.
    pub fn open() -> (Self, Receiver<Batch>) {
        let (batches, receiver) = sync_channel(BATCHES_WAITING_MAX);
        let bell = None;
        (Self { batches, bell }, receiver)
    }

    /// An outlet that rings after each batch, for a loop that waits for several feeds at once.
    pub fn open_with_bell(bell: SyncSender<()>) -> (Self, Receiver<Batch>) {
        let (mut outlet, receiver) = Self::open();
        outlet.bell = Some(bell);
        (outlet, receiver)
    }

    /// Hands a batch over, waiting while the loop is behind.
    pub fn send(&self, batch: Batch) -> Result<(), Closed> {
        self.batches.send(batch).map_err(|_| Closed)?;
        if let Some(bell) = &self.bell {
            // A bell that is full rings already; that nobody listens is told when the next batch is sent.
            let (Ok(()) | Err(_)) = bell.try_send(());
        }
        Ok(())
    }
}

/// A stream of posts.
pub trait Feed: Send {
    /// Sends until the stream ends or the outlet closes.
    fn run(self: Box<Self>, outlet: Outlet);
}
