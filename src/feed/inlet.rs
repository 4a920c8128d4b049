//! Where the loop's batches come from: all feeds, the one that is furthest behind first.
//!
//! Live feeds are heard as they speak, by turns: one that never stops talking holds up nobody but itself. Several
//! archives read at once are merged in event time: the next batch comes from the feed whose newest post is oldest. So
//! their posts meet in the same open minutes, and what is read next depends on nothing but the posts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use super::contract::{Batch, Ending, Feed, Outlet};
use crate::time::Minute;
use crate::trend::mention::FeedId;

/// How often the loop looks whether it is to stop while no live feed has anything to say.
const STOP_CHECK: Duration = Duration::from_millis(200);

/// See the module.
pub struct Inlet {
    files: Vec<Running>,
    live: Vec<Live>,
    /// Whose turn it is, of the live feeds.
    turn: usize,
    /// Rung by live feeds when they have sent something. One ring is enough for all: whoever hears it looks at each.
    bell: Receiver<()>,
    ring: SyncSender<()>,
    stop: Arc<AtomicBool>,
}

struct Live {
    feed: FeedId,
    batches: Receiver<Batch>,
}

struct Running {
    feed: FeedId,
    batches: Receiver<Batch>,
    newest: Option<Minute>,
}

impl Inlet {
    /// An inlet without feeds. Once `stop` is set it gives nothing more: the loop ends after the batch in hand.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        let (ring, bell) = sync_channel(1);
        Self {
            files: Vec::new(),
            live: Vec::new(),
            turn: 0,
            bell,
            ring,
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
        let (outlet, batches) = Outlet::open_with_bell(self.ring.clone());
        thread::spawn(move || feed.run(outlet));
        self.live.push(Live { feed: id, batches });
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
        while !self.live.is_empty() && !self.stop.load(Ordering::Relaxed) {
            if let Some(found) = self.take_turn() {
                return Some(found);
            }
            // Whether somebody rang or nobody did for a while: it is time to look.
            let (Ok(()) | Err(_)) = self.bell.recv_timeout(STOP_CHECK);
        }
        None
    }

    /// A batch of the first live feed that has one, from the one on whose turn it is.
    fn take_turn(&mut self) -> Option<(FeedId, Batch)> {
        let count = self.live.len();
        for at in (0..count).map(|step| (self.turn + step) % count) {
            let Live { feed, batches } = &self.live[at];
            let (feed, batch) = match batches.try_recv() {
                Ok(batch) => (*feed, batch),
                Err(TryRecvError::Empty) => continue,
                Err(TryRecvError::Disconnected) => (*feed, went_without_a_word()),
            };
            self.turn = at + 1;
            if batch.ending.is_some() {
                self.live.remove(at);
                self.turn = at;
            }
            return Some((feed, batch));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An inlet with that many live feeds, and the outlets they would send through.
    fn inlet(feeds: u16) -> (Inlet, Vec<Outlet>) {
        let mut inlet = Inlet::new(Arc::default());
        let outlets = (0..feeds).map(|number| {
            let (outlet, batches) = Outlet::open_with_bell(inlet.ring.clone());
            let feed = FeedId(number);
            inlet.live.push(Live { feed, batches });
            outlet
        });
        let outlets = outlets.collect();
        (inlet, outlets)
    }

    fn next(inlet: &mut Inlet) -> Option<u16> {
        inlet.next_batch().map(|(feed, _)| feed.0)
    }

    #[test]
    fn a_feed_that_always_has_something_waits_for_its_turn() {
        let (mut inlet, outlets) = inlet(3);
        let mut heard = Vec::new();
        for outlet in [&outlets[0], &outlets[0], &outlets[2], &outlets[2]] {
            outlet.send(Batch::default()).expect("room for two");
        }
        for _ in 0..3 {
            heard.extend(next(&mut inlet));
            outlets[0].send(Batch::default()).expect("room again");
            heard.extend(next(&mut inlet));
        }
        assert_eq!(heard, [0, 2, 0, 2, 0, 0]);
    }

    #[test]
    fn the_turn_goes_on_when_a_feed_ends_with_a_word_or_without() {
        let (mut inlet, mut outlets) = inlet(3);
        let last = Batch {
            ending: Some(Ending::Complete),
            ..Batch::default()
        };
        outlets[1].send(last).expect("room");
        outlets[2].send(Batch::default()).expect("room");
        drop(outlets.pop());
        let ends = |inlet: &mut Inlet| {
            inlet
                .next_batch()
                .map(|(feed, it)| (feed.0, it.ending.is_some()))
        };
        assert_eq!(ends(&mut inlet), Some((1, true)));
        assert_eq!(ends(&mut inlet), Some((2, false)));
        assert_eq!(ends(&mut inlet), Some((2, true)));
        drop(outlets);
        assert_eq!(ends(&mut inlet), Some((0, true)));
        assert_eq!(ends(&mut inlet), None);
    }

    #[test]
    fn a_feed_that_speaks_while_the_loop_waits_is_heard() {
        let (mut inlet, outlets) = inlet(2);
        let speaking = thread::spawn(move || {
            outlets[1].send(Batch::default()).expect("it is read");
            outlets
        });
        assert_eq!(next(&mut inlet), Some(1));
        speaking.join().expect("it spoke");
    }
}
