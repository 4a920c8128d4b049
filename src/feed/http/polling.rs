//! What feeds that poll have in common: a runtime, a line to the loop, pauses that end when nobody listens, and what
//! a poll comes to that brought no page.
//!
//! A feed is plain async code on the one thread it was given, in rounds: each ends with a pause till the next, or with
//! a [`Stop`] that [`Line::heed`] tells and sits out. While it waits for a server or a time, an empty batch every half
//! second asks whether the loop still listens, so that it ends within a second of the loop.

use std::pin::pin;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};

use super::wait::{self, BackOff};
use super::{Answer, Page};
use crate::clock;
use crate::feed::contract::{Batch, Closed, Ending, Outlet, Standing};
use crate::post::{Cursor, Identity, Item, Reject};
use crate::time::Timestamp;

/// Between two looks at a server that refuses.
pub(crate) const REFUSED_RETRY: Duration = Duration::from_mins(15);
/// A post may appear on a page so long after its server took it: a page speaks of the time before that.
pub(crate) const SETTLING: Duration = Duration::from_secs(5);

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
        // Servers are asked as often as they allow: in between there is nothing to wait for but time.
        self.during(tokio::time::sleep(length)).await
    }

    /// Says why a round ended early and waits until the next; `refused_retry` is between two looks at a server that
    /// refuses.
    pub(crate) async fn heed(&mut self, stop: Stop, refused_retry: Duration) -> Result<(), Closed> {
        match stop {
            Stop::Closed => Err(Closed),
            Stop::Wait { until, why, broken } => {
                let mut batch = Batch::default();
                if let Some(why) = broken {
                    reject(why, &mut batch);
                }
                self.send(batch, Standing::Waiting { until, why })?;
                self.pause(wait::until(until, clock::now())).await
            }
            Stop::Refused { why, .. } => {
                self.send(Batch::default(), Standing::Refused { why })?;
                self.pause(refused_retry).await
            }
        }
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

/// Why a round ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody listens any more.
    Closed,
    /// The server is asked again at a time.
    Wait {
        /// When.
        until: Timestamp,
        /// In plain words.
        why: String,
        /// The page that came could not be read, and is counted as this.
        broken: Option<Reject>,
    },
    /// The server does not want us.
    Refused {
        /// What it answered, if it answered.
        status: Option<u16>,
        /// In plain words.
        why: String,
    },
}

impl Stop {
    /// It went wrong, and is tried again soon.
    pub(crate) fn retry(why: String, back_off: &mut BackOff) -> Self {
        Self::Wait {
            until: wait::after(clock::now(), back_off.next()),
            why,
            broken: None,
        }
    }

    /// What came from `host` cannot be read; it is counted and asked for again soon.
    pub(crate) fn unreadable(host: &str, reject: Reject, back_off: &mut BackOff) -> Self {
        Self::Wait {
            until: wait::after(clock::now(), back_off.next()),
            why: format!("{host} answers with what is {}", reject.about()),
            broken: Some(reject),
        }
    }
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// The page that was asked for; any other answer ends the round.
pub(crate) fn admit(answer: Answer, back_off: &mut BackOff) -> Result<Page, Stop> {
    match answer {
        Answer::Body(page) => Ok(*page),
        Answer::Wait { until, why } => Err(Stop::Wait {
            until,
            why,
            broken: None,
        }),
        Answer::Refused { status, why } => Err(Stop::Refused { status, why }),
        Answer::Failed { why } => Err(Stop::retry(why, back_off)),
        Answer::NotModified { .. } => {
            let why = "the server says that nothing has changed where nobody asked it (304)";
            Err(Stop::retry(why.to_owned(), back_off))
        }
    }
}

/// The place in a cursor; none if the cursor is of something else.
pub(crate) fn restore<Place: DeserializeOwned>(cursor: Option<&Cursor>) -> Option<Place> {
    match cursor? {
        Cursor::Token(token) => serde_json::from_str(token).ok(),
        Cursor::Place(_) => None,
    }
}

/// A place as a cursor.
pub(crate) fn store(place: &impl Serialize) -> Cursor {
    Cursor::Token(serde_json::to_string(place).expect("places hold texts and numbers"))
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
