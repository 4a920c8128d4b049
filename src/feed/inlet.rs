//! Where the loop's batches come from: all feeds, the one that is furthest behind first.
//!
//! Live feeds are heard as they speak. Several archives read at once are merged in event time: the next batch comes from
//! the feed whose newest post is oldest. So their posts meet in the same open minutes, and what is read next depends on
//! nothing but the posts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::contract::{Batch, Ending, Feed, Outlet};
use crate::time::Minute;
use crate::trend::mention::FeedId;

/// Batches of live feeds that wait for the loop, of all of them together.
const LIVE_BATCHES_WAITING_MAX: usize = 8;
/// How often the loop looks whether it is to stop while no live feed has anything to say.
const STOP_CHECK: Duration = Duration::from_millis(200);

/// See the module.
pub struct Inlet {
    files: Vec<Running>,
    live: Receiver<(FeedId, Batch)>,
    /// What live feeds send through.
    live_sender: SyncSender<(FeedId, Batch)>,
    live_count: usize,
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
        let (sender, live) = sync_channel(LIVE_BATCHES_WAITING_MAX);
        Self {
            files: Vec::new(),
            live,
            live_sender: sender,
            live_count: 0,
            stop,
        }
    }

    /// Starts an archive on a thread of its own. `newest` is the newest minute it has shown in earlier runs.
    pub fn start(&mut self, id: FeedId, newest: Option<Minute>, feed: Box<dyn Feed>) {
        let (outlet, batches) = Outlet::open();
        thread::spawn(move || feed.run(outlet));
        self.files.push(Running {
            feed: id,
            batches,
            newest,
        });
    }

    /// Starts a live feed on a thread of its own.
    pub fn start_live(&mut self, id: FeedId, feed: Box<dyn Feed>) {
        let sender = self.live_sender.clone();
        self.live_count += 1;
        let (outlet, batches) = Outlet::open();
        thread::spawn(move || feed.run(outlet));
        // What a live feed sends waits with what the others send, so that none waits for another.
        thread::spawn(move || {
            let mut has_ended = false;
            for batch in batches {
                has_ended = batch.ending.is_some();
                if sender.send((id, batch)).is_err() {
                    return;
                }
            }
            if !has_ended {
                // The loop may be gone by now; then nobody asks.
                drop(sender.send((id, went_without_a_word())));
            }
        });
    }

    /// The next batch and the feed it is of; none when all have ended. Archives are read before live feeds are
    /// listened to.
    pub fn next_batch(&mut self) -> Option<(FeedId, Batch)> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let Some(furthest_behind) = (0..self.files.len()).min_by_key(|&at| self.files[at].newest)
        else {
            return self.next_live_batch();
        };
        let running = &mut self.files[furthest_behind];
        let batch = loop {
            // Standard input may have nothing to say for as long as it likes.
            match running.batches.recv_timeout(STOP_CHECK) {
                Ok(batch) => break batch,
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => return None,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break went_without_a_word(),
            }
        };
        let newest = batch.posts.iter().map(|post| post.at.minute()).max();
        running.newest = running.newest.max(newest);
        let feed = running.feed;
        if batch.ending.is_some() {
            self.files.remove(furthest_behind);
        }
        Some((feed, batch))
    }

    fn next_live_batch(&mut self) -> Option<(FeedId, Batch)> {
        while self.live_count > 0 && !self.stop.load(Ordering::Relaxed) {
            match self.live.recv_timeout(STOP_CHECK) {
                Ok((feed, batch)) => {
                    self.live_count -= usize::from(batch.ending.is_some());
                    return Some((feed, batch));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
        None
    }
}

/// A reader that hung up without an ending has met a bug of ours; what it had sent is counted.
fn went_without_a_word() -> Batch {
    Batch {
        ending: Some(Ending::Bug),
        ..Batch::default()
    }
}
