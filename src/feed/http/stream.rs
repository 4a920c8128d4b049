//! An answer without an end: a stream of events that is listened to.
//!
//! It is bounded line by line ([`super::events`]) and not as a whole. A server that has nothing to say sends a line
//! now and then all the same; one that has sent no whole line for a while is dead, whatever its connection looks like.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::events::{EVENT_BYTES_MAX, Event, Reader};
use crate::post::Reject;

/// What a stream brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// An event, or why it is none.
    Event(Result<Event, Reject>),
    /// The server lives and had nothing to tell.
    SignOfLife,
}

/// See the module.
#[derive(Debug)]
pub struct Stream {
    host: String,
    response: Response,
    reader: Reader,
    ready: VecDeque<Result<Event, Reject>>,
    silence_max: Duration,
    line_at: Instant,
}

impl Stream {
    pub(super) fn new(host: String, response: Response, silence_max: Duration) -> Self {
        Self {
            host,
            response,
            reader: Reader::new(EVENT_BYTES_MAX),
            ready: VecDeque::new(),
            silence_max,
            line_at: Instant::now(),
        }
    }

    /// The next thing that comes, or in plain words why nothing will. May be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> Result<Heard, String> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Heard::Event(event));
            }
            let deadline = self.line_at + self.silence_max;
            let lines = match timeout_at(deadline, self.response.chunk()).await {
                Ok(Ok(Some(piece))) => self.read(&piece),
                Ok(Ok(None)) => return Err(format!("{} has ended its stream", self.host)),
                Ok(Err(_)) => return Err(format!("the stream of {} was cut", self.host)),
                Err(_) => {
                    let seconds = self.silence_max.as_secs_f64();
                    return Err(format!(
                        "the stream of {} has been silent for {seconds} s",
                        self.host
                    ));
                }
            };
            if lines > 0 {
                self.line_at = Instant::now();
                if self.ready.is_empty() {
                    return Ok(Heard::SignOfLife);
                }
            }
        }
    }

    /// Time in which we did not listen is no silence of the server.
    pub fn excuse(&mut self, duration: Duration) {
        self.line_at += duration;
    }

    fn read(&mut self, piece: &[u8]) -> usize {
        let mut events = Vec::new();
        let lines = self.reader.push(piece, &mut events);
        self.ready.extend(events);
        lines
    }
}
