//! Where the loop's batches come from: all feeds, the one that is furthest behind first.
//!
//! Several archives read at once are merged in event time: the next batch comes from the feed whose newest post is
//! oldest. So their posts meet in the same open minutes, and what is read next depends on nothing but the posts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;

use super::contract::{Batch, Ending, Feed, Outlet};
use crate::time::Minute;
use crate::trend::mention::FeedId;

/// See the module.
pub struct Inlet {
    feeds: Vec<Running>,
    stop: Arc<AtomicBool>,
}

struct Running {
    feed: FeedId,
    batches: Receiver<Batch>,
    newest: Option<Minute>,
}

impl Inlet {
    /// An inlet without feeds. Once `stop` is set it gives nothing more: the loop ends after the batch in hand.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            feeds: Vec::new(),
            stop,
        }
    }

    /// Starts a feed on a thread of its own. `newest` is the newest minute it has shown in earlier runs.
    pub fn start(&mut self, id: FeedId, newest: Option<Minute>, feed: Box<dyn Feed>) {
        let (outlet, batches) = Outlet::open();
        thread::spawn(move || feed.run(outlet));
        self.feeds.push(Running {
            feed: id,
            batches,
            newest,
        });
    }

    /// Whether every feed has ended.
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    /// The next batch and the feed it is of; none when all have ended.
    pub fn next_batch(&mut self) -> Option<(FeedId, Batch)> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let furthest_behind = (0..self.feeds.len()).min_by_key(|&at| self.feeds[at].newest)?;
        let running = &mut self.feeds[furthest_behind];
        let batch = running
            .batches
            .recv()
            .unwrap_or_else(|_| went_without_a_word());
        let newest = batch.posts.iter().map(|post| post.at.minute()).max();
        running.newest = running.newest.max(newest);
        let feed = running.feed;
        if batch.ending.is_some() {
            self.feeds.remove(furthest_behind);
        }
        Some((feed, batch))
    }
}

/// A reader that hung up without an ending has met a bug of ours; what it had sent is counted.
fn went_without_a_word() -> Batch {
    let bug = std::io::Error::other("its reader stopped; this is a bug");
    Batch {
        ending: Some(Ending::Broken(bug)),
        ..Batch::default()
    }
}
