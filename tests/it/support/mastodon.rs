//! A small server of Mastodon's API: a timeline that is paged as Mastodon pages, and its stream. It does as it is told.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::http::Token;
use downtrend::feed::mastodon::options::{Options, Timeline};
use downtrend::post::{Cursor, PostId};
use downtrend::time::Timestamp;

use super::http::{Heard, Reply, Server, answer, identity, ok};

/// Posts on a page at most.
pub(crate) const PAGE_LEN: usize = 40;

/// A server and what it holds.
pub(crate) struct Town {
    pub(crate) server: Server,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    /// Id and JSON, oldest first.
    statuses: Vec<(String, String)>,
    listeners: Vec<Sender<Vec<u8>>>,
    /// Answered instead of a page, first to last.
    pages: VecDeque<Reply>,
    /// Answered instead of a stream, first to last.
    streams: VecDeque<Reply>,
    instance: Option<String>,
}

impl Town {
    pub(crate) fn start() -> Self {
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let answering = Arc::clone(&inside);
        Self {
            server: Server::start(move |heard| lock(&answering).answer(heard)),
            inside,
        }
    }

    /// Gives these posts to the timeline, without a word on the stream.
    pub(crate) fn hold(&self, numbers: std::ops::Range<usize>, at: &str) {
        lock(&self.inside)
            .statuses
            .extend(numbers.map(|number| (id(number), status(number, at))));
    }

    /// Publishes a post, in the timeline and on the stream.
    pub(crate) fn publish(&self, number: usize) {
        self.hold(number..number + 1, &seconds_ago(0));
        self.tell(&event("update", &status(number, &seconds_ago(0))));
    }

    /// Says something on every stream that is open.
    pub(crate) fn tell(&self, words: &str) {
        lock(&self.inside)
            .listeners
            .retain(|listener| listener.send(words.into()).is_ok());
    }

    /// Cuts every stream.
    pub(crate) fn cut(&self) {
        lock(&self.inside).listeners.clear();
    }

    /// The next page that is asked for is this.
    pub(crate) fn next_page(&self, reply: Reply) {
        lock(&self.inside).pages.push_back(reply);
    }

    /// The next stream that is asked for is this.
    pub(crate) fn next_stream(&self, reply: Reply) {
        lock(&self.inside).streams.push_back(reply);
    }

    /// What the server says of itself; by default it has no such document.
    pub(crate) fn describe(&self, instance: String) {
        lock(&self.inside).instance = Some(instance);
    }

    /// Requests for pages so far.
    pub(crate) fn pages_asked(&self) -> Vec<Heard> {
        self.asked("/api/v1/timelines/")
    }

    /// Requests for the stream so far.
    pub(crate) fn streams_asked(&self) -> Vec<Heard> {
        self.asked("/api/v1/streaming/")
    }

    fn asked(&self, path: &str) -> Vec<Heard> {
        let mut heard = self.server.heard();
        heard.retain(|heard| heard.target().starts_with(path));
        heard
    }

    /// To poll it.
    pub(crate) fn polled(&self) -> Options {
        Options {
            server: self.server.url(),
            timeline: Timeline::Public,
            token: None,
            allow_private: true,
            poll: Duration::from_millis(10),
            streaming: None,
            idle_after: Duration::from_secs(30),
        }
    }

    /// To follow its stream.
    pub(crate) fn streamed(&self) -> Options {
        Options {
            token: Some(Token::new("canary")),
            ..self.polled()
        }
    }

    /// A cursor that was kept by a feed of this server.
    pub(crate) fn cursor(&self, min_id: &str, time: &str) -> Cursor {
        let host = self.server.url().replace("http://", "");
        let place = serde_json::json!({"host": host, "min_id": min_id, "time": time});
        Cursor::Token(place.to_string())
    }
}

impl Inside {
    fn answer(&mut self, heard: &Heard) -> Reply {
        let path = heard.target().split('?').next().expect("it has a path");
        if path.starts_with("/api/v1/streaming/") {
            self.streams.pop_front().unwrap_or_else(|| self.listen())
        } else if path.starts_with("/api/v1/timelines/") {
            self.pages.pop_front().unwrap_or_else(|| self.page(heard))
        } else {
            match &self.instance {
                Some(instance) => ok(instance, &["Content-Type: application/json"]),
                None => answer("404 Not Found", "", &[]),
            }
        }
    }

    fn listen(&mut self) -> Reply {
        let (listener, pieces) = channel();
        let head = format!("{STREAM_HEAD}:)\n");
        listener.send(head.into()).expect("the other end is here");
        self.listeners.push(listener);
        Reply::Flow(pieces)
    }

    fn page(&self, heard: &Heard) -> Reply {
        let limit = heard.parameter("limit").map(str::parse);
        let limit: usize = limit.expect("a limit").expect("a number");
        let after = match heard.parameter("min_id") {
            None => self.statuses.len().saturating_sub(limit.min(PAGE_LEN)),
            Some(min_id) => {
                let known = self.statuses.iter().position(|(id, _)| id == min_id);
                known.map_or(self.statuses.len(), |at| at + 1)
            }
        };
        let page = self.statuses[after..].iter().take(limit.min(PAGE_LEN));
        let page: Vec<&str> = page.rev().map(|(_, json)| &**json).collect();
        ok(
            format!("[{}]", page.join(",")),
            &["Content-Type: application/json"],
        )
    }
}

fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().expect("no test fails here")
}

/// What a stream begins with.
pub(crate) const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";

/// An event of the stream.
pub(crate) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// A status of the server, the `number`th of its life.
pub(crate) fn status(number: usize, at: &str) -> String {
    serde_json::json!({
        "id": id(number), "created_at": at, "visibility": "public", "language": "bn", "spoiler_text": "",
        "uri": uri(number), "url": null, "edited_at": null, "reblog": null,
        "content": format!("<p>#<span>হোয়াটসঅ্যাপডাউন</span> {number}</p>"),
        "account": {"acct": "ann", "url": "https://town.example/@ann", "bot": false},
    })
    .to_string()
}

/// Ids that sort in no useful order, as Pleroma's and snac's do.
pub(crate) fn id(number: usize) -> String {
    format!("{:x}z{number}", number.wrapping_mul(2_654_435_761) % 65_521)
}

fn uri(number: usize) -> String {
    format!("https://town.example/statuses/{number}")
}

/// The identities of posts.
pub(crate) fn post_ids(numbers: std::ops::Range<usize>) -> Vec<PostId> {
    numbers
        .map(|number| identity().post(&uri(number)))
        .collect()
}

/// A time before now, as a status has it.
pub(crate) fn seconds_ago(seconds: i64) -> String {
    let at = clock::now().as_millis() - seconds * 1_000;
    Timestamp::from_millis(at)
        .expect("this century")
        .to_string()
}
