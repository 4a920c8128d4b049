//! What a live feed has heard and not yet handed over.
//!
//! The loop stands still while it waits for a feed, so a live feed hands something over twice a second, if only the
//! time up to which it has heard. That is also how it learns that the outlet has closed: within half a second,
//! whatever it was waiting for.

use std::ops::Range;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::hosts::Next;
use crate::clock;
use crate::feed::contract::{BATCH_ITEMS_MAX, Batch, Closed, Outlet, Standing};
use crate::feed::format;
use crate::post::{Cursor, Identity, Item, Reject};
use crate::time::Timestamp;

/// How often something is handed over.
const HAND_OVER_EVERY: Duration = Duration::from_millis(500);
/// A post may come from this far in the future, for clocks that differ.
const FUTURE_MAX_MS: i64 = 5 * 60 * 1_000;

/// See the module.
pub struct Basket {
    /// Where the feed resumes after what is in here.
    pub cursor: Option<Cursor>,
    /// The cursor that was handed over last.
    cursor_told: Option<Cursor>,
    outlet: Outlet,
    identity: Identity,
    batch: Batch,
    heard_until: Option<Timestamp>,
    /// Something was heard since the last hand-over. A feed that hears nothing says nothing of that sort, so that
    /// nobody waits for it.
    hears: bool,
    standing: Option<Standing>,
    ticks: Interval,
    frames: u64,
}

impl Basket {
    /// An empty one, inside a tokio runtime.
    pub fn new(outlet: Outlet, identity: Identity, cursor: Option<Cursor>) -> Self {
        let mut ticks = interval(HAND_OVER_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            cursor_told: cursor.clone(),
            cursor,
            outlet,
            identity,
            batch: Batch::default(),
            heard_until: None,
            hears: false,
            standing: None,
            ticks,
            frames: 0,
        }
    }

    /// Reads what one frame holds.
    pub fn take(&mut self, frame: &[u8], now: Timestamp) {
        self.frames += 1;
        let mut items = Vec::new();
        format::read(frame, &mut items);
        for item in items {
            self.put(item, now);
        }
    }

    /// Begins a frame that its feed reads by itself, [`Basket::put`]ting in what it holds.
    pub fn begin_frame(&mut self) {
        self.frames += 1;
    }

    /// Puts in one thing of the frame in hand.
    pub fn put(&mut self, item: Result<Item<'_>, Reject>, now: Timestamp) {
        match item {
            Ok(Item::Post(post)) if post.at.as_millis() > now.as_millis() + FUTURE_MAX_MS => {
                self.batch.drop_line(self.frames, Reject::Future);
            }
            Ok(Item::Post(post)) => self.batch.posts.push(post.anonymise(&self.identity)),
            Ok(Item::Skipped) => self.batch.skipped += 1,
            Err(reject) => self.batch.drop_line(self.frames, reject),
        }
    }

    /// Counts a frame that was not even read.
    pub fn drop_frame(&mut self, reject: Reject) {
        self.frames += 1;
        self.batch.drop_line(self.frames, reject);
    }

    /// Everything up to `time` has been heard; this never goes back.
    pub fn heard(&mut self, time: Timestamp) {
        self.heard_until = self.heard_until.max(Some(time));
        self.hears = true;
    }

    /// What lies in `gap` cannot be heard any more.
    pub fn miss(&mut self, gap: Range<Timestamp>) {
        if gap.start < gap.end {
            self.batch.gaps.push(gap);
        }
    }

    /// How the feed stands; told when it has changed.
    pub fn stand(&mut self, standing: Standing) {
        if self.standing.as_ref() != Some(&standing) {
            self.standing = Some(standing.clone());
            self.batch.standing = Some(standing);
        }
    }

    /// Whether no more should be put in.
    pub fn is_full(&self) -> bool {
        self.batch.items() >= BATCH_ITEMS_MAX
    }

    /// Waits till it is time to hand over.
    pub async fn due(&mut self) {
        self.ticks.tick().await;
    }

    /// Hands over what is in here, and gives the time that the loop made us wait.
    pub fn hand_over(&mut self) -> Result<Duration, Closed> {
        let started = Instant::now();
        let mut batch = std::mem::take(&mut self.batch);
        if self.cursor != self.cursor_told {
            self.cursor_told.clone_from(&self.cursor);
            batch.cursor.clone_from(&self.cursor);
        }
        if std::mem::take(&mut self.hears) {
            batch.heard_until = self.heard_until;
        }
        self.outlet.send(batch)?;
        Ok(started.elapsed())
    }

    /// Tells that the feed is not connected, and why, and waits until it is to try again: a host that is knocked at
    /// without a pause shuts its door.
    pub async fn wait_out(&mut self, next: Next, why: String) -> Result<(), Closed> {
        self.stand(if next.refused {
            Standing::Refused { why }
        } else {
            Standing::Waiting {
                until: next.at,
                why,
            }
        });
        self.hand_over()?;
        let pause = next.at.as_millis() - clock::now().as_millis();
        let pause = Duration::from_millis(u64::try_from(pause).unwrap_or(0));
        self.during(tokio::time::sleep(pause)).await
    }

    /// Waits for `work`, handing over meanwhile.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Closed> {
        let mut work = Box::pin(work);
        loop {
            tokio::select! {
                biased;
                () = self.due() => {
                    self.hand_over()?;
                }
                done = &mut work => return Ok(done),
            }
        }
    }
}
