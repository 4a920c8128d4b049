//! Following a server's stream.
//!
//! `update` is a post and `status.update` a new version of one; a post that is deleted has been counted all the same.
//! While the timeline is still read forward to where the stream began, posts of the stream are handed on and the place
//! stays with the pages; from then on it moves with the stream. A stream that has ended, or says nothing, is opened
//! again after a pause that doubles while it keeps ending; one that is refused is tried once an hour. Meanwhile the
//! timeline is polled.

use std::time::Duration;

use reqwest::Url;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Mastodon;
use super::options::Timeline;
use super::page::Entry;
use super::place::Told;
use crate::clock;
use crate::feed::contract::{BATCH_ITEMS_MAX, Batch, Closed, Standing};
use crate::feed::format;
use crate::feed::http::events::Event;
use crate::feed::http::polling::{self, Line, SETTLING, Stop};
use crate::feed::http::stream::{Heard, Stream};
use crate::feed::http::wait::{self, BackOff};
use crate::feed::http::{Answer, Request};
use crate::time::Timestamp;

/// Between two tries to open a stream that is refused.
const REFUSED_RETRY: Duration = Duration::from_hours(1);
/// A stream that has lasted so long was a good one: the next pause is a short one again.
const GOOD_AFTER: Duration = Duration::from_mins(1);
/// How often something is handed over, if only the time up to which all was heard.
const HAND_OVER_EVERY: Duration = Duration::from_millis(500);

/// What there is to know of a server's stream.
#[derive(Debug)]
pub(super) struct Streaming {
    /// The server that streams.
    server: Url,
    open: Option<Open>,
    /// Not tried before; none if it was not tried yet.
    again_at: Option<Instant>,
    /// What was said of it last: it is said once.
    complaint: Option<String>,
    back_off: BackOff,
}

/// A stream that is open.
#[derive(Debug)]
struct Open {
    stream: Stream,
    since: Timestamp,
    /// When the last line came.
    line_at: Timestamp,
    /// Of the posts told while the timeline is still read forward, the one written last.
    newest: Option<Told>,
}

impl Streaming {
    pub(super) fn new(server: Url) -> Self {
        Self {
            server,
            open: None,
            again_at: None,
            complaint: None,
            back_off: BackOff::default(),
        }
    }

    /// The stream is at this server.
    pub(super) fn is_at(&mut self, server: Url) {
        self.server = server;
    }

    /// When the stream that is open was opened.
    pub(super) fn open_since(&self) -> Option<Timestamp> {
        Some(self.open.as_ref()?.since)
    }

    /// The newest post that it has told while the timeline was read forward.
    pub(super) fn take_newest(&mut self) -> Option<Told> {
        self.open.as_mut()?.newest.take()
    }

    fn is_due(&self) -> bool {
        let is_time = self.again_at.is_none_or(|again| again <= Instant::now());
        self.open.is_none() && is_time
    }
}

impl Open {
    fn new(stream: Stream) -> Self {
        let now = clock::now();
        Self {
            stream,
            since: now,
            line_at: now,
            newest: None,
        }
    }

    fn has_been_good(&self) -> bool {
        wait::until(clock::now(), self.since) >= GOOD_AFTER
    }
}

impl Mastodon {
    /// Opens the stream where one is wanted, none is open, and it is time to try. Where it cannot be had the timeline
    /// is polled.
    pub(super) async fn open_stream(&mut self, line: &mut Line<'_>) -> Result<(), Stop> {
        if !self.options.wants_stream() || !self.streaming.is_due() {
            return Ok(());
        }
        let request = self.stream_request();
        let listening = self.fetcher.listen(&request, self.options.idle_after);
        let (standing, pause) = match line.during(listening).await? {
            Ok(stream) => {
                self.streaming.open = Some(Open::new(stream));
                self.streaming.complaint = None;
                return Ok(());
            }
            Err(Answer::Wait { until, why }) if self.streaming.server == self.server => {
                return Err(Stop::Wait {
                    until,
                    why,
                    broken: None,
                });
            }
            // A server of its own for the stream: the one with the timeline may be asked meanwhile.
            Err(Answer::Wait { until, why }) => {
                let why = format!("{why}; its timeline is polled meanwhile");
                let pause = wait::until(until, clock::now());
                (Standing::Waiting { until, why }, pause)
            }
            Err(Answer::Refused { status, why }) => {
                let why = self.with_stream_advice(status, &why);
                (Standing::Refused { why }, REFUSED_RETRY)
            }
            Err(Answer::Failed { why }) => {
                let pause = self.streaming.back_off.next();
                let until = wait::after(clock::now(), pause);
                let why = format!("{why}; its timeline is polled meanwhile");
                (Standing::Waiting { until, why }, pause)
            }
            Err(Answer::Body(_) | Answer::NotModified { .. }) => return Ok(()),
        };
        self.streaming.again_at = Some(Instant::now() + pause);
        Ok(self.complain(standing, line)?)
    }

    /// Says once why there is no stream.
    fn complain(&mut self, standing: Standing, line: &mut Line<'_>) -> Result<(), Closed> {
        let (Standing::Refused { why } | Standing::Waiting { why, .. }) = &standing else {
            return Ok(());
        };
        if self.streaming.complaint.as_ref() == Some(why) {
            return Ok(());
        }
        self.streaming.complaint = Some(why.clone());
        line.send(Batch::default(), standing)
    }

    /// A stream is open.
    pub(super) fn has_stream(&self) -> bool {
        self.streaming.open.is_some()
    }

    /// Closes the stream.
    pub(super) fn leave_stream(&mut self) {
        self.streaming.open = None;
    }

    /// Hands on what the stream tells: for `length`, or until it ends.
    pub(super) async fn follow_stream(
        &mut self,
        length: Option<Duration>,
        line: &mut Line<'_>,
    ) -> Result<(), Stop> {
        let until = length.map(|length| Instant::now() + length);
        let mut ticks = interval(HAND_OVER_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Batch::default();
        while let Some(open) = &mut self.streaming.open {
            let heard = tokio::select! {
                biased;
                _ = ticks.tick() => None,
                heard = open.stream.next() => Some(heard),
            };
            match heard {
                Some(Ok(heard)) => {
                    open.line_at = clock::now();
                    self.take(heard, &mut batch);
                    if batch.items() < BATCH_ITEMS_MAX {
                        continue;
                    }
                }
                Some(Err(why)) => {
                    self.hand_over(batch, line)?;
                    return Err(self.lose_stream(why));
                }
                None => {}
            }
            self.hand_over(std::mem::take(&mut batch), line)?;
            if until.is_some_and(|until| until <= Instant::now()) {
                break;
            }
        }
        Ok(())
    }

    /// Reads what the stream has told.
    fn take(&mut self, heard: Heard, batch: &mut Batch) {
        let event = match heard {
            Heard::SignOfLife => return,
            Heard::Event(Ok(event)) => event,
            Heard::Event(Err(reject)) => return polling::reject(reject, batch),
        };
        if !matches!(&*event.name, b"update" | b"status.update") {
            batch.skipped += 1;
            return;
        }
        let now = clock::now();
        let mut items = Vec::new();
        format::read(&event.data, &mut items);
        for item in items {
            let item = item.map(|item| item.seen_at(&self.source));
            polling::take(item, &self.identity, now, batch);
        }
        if let Some(told) = told(&event, now) {
            self.note(told);
        }
    }

    /// Moves the place on, or remembers the post until it may.
    fn note(&mut self, told: Told) {
        if !self.paging.is_behind() {
            return self.place.move_on(told);
        }
        if let Some(open) = &mut self.streaming.open {
            let is_newer = |newest: &Told| told.written >= newest.written;
            if open.newest.as_ref().is_none_or(is_newer) {
                open.newest = Some(told);
            }
        }
    }

    fn hand_over(&mut self, mut batch: Batch, line: &mut Line<'_>) -> Result<(), Closed> {
        let standing = match &self.streaming.open {
            Some(open) if !self.paging.is_behind() => {
                self.place.hear(wait::before(open.line_at, SETTLING));
                Standing::Live
            }
            _ => Standing::CatchingUp,
        };
        batch.heard_until = self.place.time;
        batch.cursor = Some(self.place.store(&self.host()));
        let started = Instant::now();
        line.send(batch, standing)?;
        if let Some(open) = &mut self.streaming.open {
            open.stream.excuse(started.elapsed());
        }
        Ok(())
    }

    /// The stream has ended: it is opened again after a pause.
    fn lose_stream(&mut self, why: String) -> Stop {
        if self
            .streaming
            .open
            .take()
            .is_some_and(|open| open.has_been_good())
        {
            self.streaming.back_off.reset();
        }
        Stop::retry(why, &mut self.streaming.back_off)
    }

    fn stream_request(&self) -> Request {
        let path: &[&str] = match &self.options.timeline {
            Timeline::Public => &["api", "v1", "streaming", "public"],
            Timeline::Local => &["api", "v1", "streaming", "public", "local"],
            Timeline::Tag(_) => &["api", "v1", "streaming", "hashtag"],
        };
        let mut request = self.request(&self.streaming.server, path);
        if let Timeline::Tag(name) = &self.options.timeline {
            request.url.query_pairs_mut().append_pair("tag", name);
        }
        request.accept = "text/event-stream";
        request
    }

    fn with_stream_advice(&self, status: Option<u16>, why: &str) -> String {
        let advice = match (status, &self.options.token) {
            (Some(401 | 403), None) => ": its stream is for accounts, with a token",
            (Some(401 | 403), Some(_)) => {
                ": the token does not open its stream, which takes one of an account with read:statuses"
            }
            (Some(404), _) => ": it has no stream there",
            _ => "",
        };
        format!("{why}{advice}; its timeline is polled instead")
    }
}

/// The post that an event tells, if it is a new one and says what paging needs to know.
fn told(event: &Event, now: Timestamp) -> Option<Told> {
    if event.name != b"update" {
        return None;
    }
    let entry: Entry<'_> = serde_json::from_slice(&event.data).ok()?;
    Some(Told {
        // A clock that is fast would hold the place there until ours has come after it.
        written: entry.written()?.min(now),
        id: entry.id.into_owned(),
    })
}
