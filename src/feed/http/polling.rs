//! What feeds that poll have in common: a runtime, a line to the loop, and pauses that end when nobody listens.
//!
//! A feed is plain async code on the one thread it was given. While it waits for a server or a time, an empty batch
//! every half second asks whether the loop still listens, so that it ends within a second of the loop.

use std::pin::pin;
use std::time::Duration;

use serde::Deserialize;
use serde::de::Error as _;

use crate::clock;
use crate::feed::contract::{Batch, Closed, Ending, Outlet, Standing};
use crate::post::{Identity, Item, Reject};
use crate::time::Timestamp;

use super::wait;

/// How often the outlet is asked whether it is open.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A post may come from this far in the future, for clocks that differ.
const FUTURE_MAX: Duration = Duration::from_mins(5);

/// Runs a feed on this thread until it ends or the outlet closes.
pub(crate) fn run(outlet: &Outlet, listen: impl AsyncFnOnce(&mut Line<'_>) -> Result<(), Closed>) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let batch = Batch {
                ending: Some(Ending::Broken(error)),
                ..Batch::default()
            };
            // Closed or told: the feed ends either way.
            let (Ok(()) | Err(Closed)) = outlet.send(batch);
            return;
        }
    };
    let mut line = Line {
        outlet,
        standing: None,
    };
    let (Ok(()) | Err(Closed)) = runtime.block_on(listen(&mut line));
    // A look-up of a name cannot be cancelled and may take longer than anybody wants to wait.
    runtime.shutdown_background();
}

/// The line from a feed to the loop.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    outlet: &'a Outlet,
    standing: Option<Standing>,
}

impl Line<'_> {
    /// Does `work` while somebody listens.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, Closed> {
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(HEARTBEAT, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) => self.outlet.send(Batch::default())?,
            }
        }
    }

    /// Waits for `length`.
    pub(crate) async fn pause(&self, length: Duration) -> Result<(), Closed> {
        self.during(tokio::time::sleep(length)).await
    }

    /// Waits until `until`, and says why.
    pub(crate) async fn pause_until(
        &mut self,
        until: Timestamp,
        why: String,
    ) -> Result<(), Closed> {
        self.send(Batch::default(), Standing::Waiting { until, why })?;
        self.pause(wait::until(until, clock::now())).await
    }

    /// Hands a batch over, with how the feed stands if that has changed.
    pub(crate) fn send(&mut self, mut batch: Batch, standing: Standing) -> Result<(), Closed> {
        if self.standing.as_ref() != Some(&standing) {
            batch.standing = Some(standing.clone());
            self.standing = Some(standing);
        }
        self.outlet.send(batch)
    }
}

/// Counts one item of a page that was read at `now`.
pub(crate) fn take(
    item: Result<Item<'_>, Reject>,
    identity: &Identity,
    now: Timestamp,
    batch: &mut Batch,
) {
    match item {
        Ok(Item::Post(post)) if post.at > wait::after(now, FUTURE_MAX) => {
            reject(Reject::Future, batch);
        }
        Ok(Item::Post(post)) => batch.posts.push(post.anonymise(identity)),
        Ok(Item::Skipped) => batch.skipped += 1,
        Err(why) => reject(why, batch),
    }
}

/// Counts something that was dropped. A page has no lines to name.
pub(crate) fn reject(why: Reject, batch: &mut Batch) {
    *batch.rejected.entry(why).or_default() += 1;
}

/// Reads a time as people write it: `15s`, `2m`, `1h 30m`.
pub(crate) fn duration<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(reader)?;
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| duration.try_into().ok())
        .ok_or_else(|| D::Error::custom(format!("{text:?} is no length of time: use 15s or 2m")))
}
