//! A server of real bytes on a port of its own, and a feed that listens to it. What the server says is up to the test,
//! down to the last byte.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::{Batch, Feed, Outlet, Standing};
use downtrend::feed::file::Context;
use downtrend::post::{Cursor, Identity, PostId, Reject};
use downtrend::time::Timestamp;

/// A test gives up when nothing has come for so long; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What a server does with a request.
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes and then nothing, until the other side gives up.
    Stall(Vec<u8>),
    /// Sends what comes until nothing more can, and closes.
    Flow(Receiver<Vec<u8>>),
}

/// A request as it came, headers included.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) text: String,
    /// When all of it had come.
    pub(crate) at: Timestamp,
}

impl Heard {
    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.text.split(' ').nth(1).expect("a request line")
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target().split_once('?')?;
        query.split('&').find_map(|pair| {
            let (found, value) = pair.split_once('=')?;
            (found == name).then_some(value)
        })
    }
}

/// Answers until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    is_stopped: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(answer: impl FnMut(&Heard) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = Self {
            address: listener.local_addr().expect("it is bound"),
            heard: Arc::default(),
            is_stopped: Arc::default(),
        };
        let (heard, is_stopped) = (Arc::clone(&server.heard), Arc::clone(&server.is_stopped));
        let answer = Arc::new(Mutex::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (answer, heard) = (Arc::clone(&answer), Arc::clone(&heard));
                thread::spawn(move || {
                    if let Some(request) = read_request(&stream) {
                        heard
                            .lock()
                            .expect("no test fails here")
                            .push(request.clone());
                        let reply = answer.lock().expect("no test fails here")(&request);
                        send(&stream, reply);
                    }
                });
            }
        });
        server
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no test fails here").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which may have gone already.
        drop(TcpStream::connect(self.address));
    }
}

fn read_request(mut stream: &TcpStream) -> Option<Heard> {
    let mut text = Vec::new();
    let mut piece = [0; 4_096];
    while !text.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
        text.extend_from_slice(&piece[..length]);
    }
    let text = String::from_utf8(text).expect("our requests are ASCII");
    let at = clock::now();
    Some(Heard { text, at })
}

/// A client that has had enough closes early: that is what some tests are about.
fn send(mut stream: &TcpStream, reply: Reply) {
    match reply {
        Reply::Bytes(bytes) => drop(stream.write_all(&bytes)),
        Reply::Stall(bytes) => {
            if stream.write_all(&bytes).is_ok() {
                while stream.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
            }
        }
        Reply::Flow(pieces) => {
            for piece in pieces {
                if stream.write_all(&piece).is_err() {
                    break;
                }
            }
        }
    }
}

/// An answer with a body.
pub(crate) fn ok(body: impl AsRef<[u8]>, headers: &[&str]) -> Reply {
    answer("200 OK", body, headers)
}

/// Any answer.
pub(crate) fn answer(status: &str, body: impl AsRef<[u8]>, headers: &[&str]) -> Reply {
    let body = body.as_ref();
    let mut lines = headers.join("\r\n");
    if !lines.is_empty() {
        lines.push_str("\r\n");
    }
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    );
    Reply::Bytes([head.as_bytes(), body].concat())
}

/// What posts are hashed with.
pub(crate) fn identity() -> Identity {
    Identity::new([7; 16])
}

/// What a feed is started with.
pub(crate) fn context() -> Context {
    Context {
        identity: identity(),
    }
}

/// Runs a feed on a thread of its own until the batches are dropped.
pub(crate) fn run(feed: impl Feed + 'static) -> Receiver<Batch> {
    let (outlet, batches) = Outlet::open();
    thread::spawn(move || Box::new(feed).run(outlet));
    batches
}

/// All that a feed has said.
pub(crate) struct Ear {
    batches: Receiver<Batch>,
    thread: thread::JoinHandle<()>,
    /// How often each post came.
    pub(crate) posts: BTreeMap<PostId, u32>,
    pub(crate) edits: u64,
    /// As people wrote them.
    pub(crate) hashtags: BTreeSet<String>,
    pub(crate) skipped: u64,
    pub(crate) rejected: BTreeMap<Reject, u64>,
    pub(crate) gaps: Vec<Range<Timestamp>>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) heard_until: Option<Timestamp>,
    pub(crate) cursor: Option<Cursor>,
}

impl Ear {
    pub(crate) fn open(feed: impl Feed + 'static) -> Self {
        let (outlet, batches) = Outlet::open();
        Self {
            batches,
            thread: thread::spawn(move || Box::new(feed).run(outlet)),
            posts: BTreeMap::new(),
            edits: 0,
            hashtags: BTreeSet::new(),
            skipped: 0,
            rejected: BTreeMap::new(),
            gaps: Vec::new(),
            standings: Vec::new(),
            heard_until: None,
            cursor: None,
        }
    }

    /// Listens until it has heard what the test waits for.
    pub(crate) fn until(&mut self, what: &str, mut is_it: impl FnMut(&Self) -> bool) {
        let until = clock::start() + PATIENCE;
        while !is_it(self) {
            assert!(
                clock::start() < until,
                "{what} never came: {:?}",
                self.standings
            );
            let batch = self.batches.recv_timeout(PATIENCE).expect(what);
            self.take(batch);
        }
    }

    /// Listens until each of these posts has come.
    pub(crate) fn until_posts(&mut self, posts: &[PostId]) {
        self.until("posts", |ear| {
            posts.iter().all(|post| ear.posts.contains_key(post))
        });
    }

    /// Listens until it stands so.
    pub(crate) fn until_standing(&mut self, standing: &Standing) {
        self.until("a standing", |ear| ear.standings.last() == Some(standing));
    }

    /// Listens until it waits, for the `count`th time, and gives till when and why.
    pub(crate) fn until_wait(&mut self, count: usize) -> (Timestamp, String) {
        self.until("a wait", |ear| ear.waits().count() >= count);
        self.waits().nth(count - 1).expect("it was counted")
    }

    fn waits(&self) -> impl Iterator<Item = (Timestamp, String)> {
        self.standings.iter().filter_map(|standing| match standing {
            Standing::Waiting { until, why } => Some((*until, why.clone())),
            _ => None,
        })
    }

    /// What was told of refusals.
    pub(crate) fn refusals(&self) -> Vec<&str> {
        let refusals = self.standings.iter().filter_map(|standing| match standing {
            Standing::Refused { why } => Some(&**why),
            _ => None,
        });
        refusals.collect()
    }

    /// The cursor as it is stored.
    pub(crate) fn token(&self) -> &str {
        match &self.cursor {
            Some(Cursor::Token(token)) => token,
            other => panic!("{other:?} instead of a token"),
        }
    }

    /// Stops the feed as the loop does, and gives the last cursor.
    pub(crate) fn stop(self) -> Option<Cursor> {
        drop(self.batches);
        self.thread.join().expect("it ends");
        self.cursor
    }

    fn take(&mut self, batch: Batch) {
        for post in &batch.posts {
            *self.posts.entry(post.id).or_default() += 1;
            self.edits += u64::from(post.edit);
            let labels = post.hashtags.iter().map(|hashtag| hashtag.label.clone());
            self.hashtags.extend(labels);
        }
        self.skipped += batch.skipped;
        for (reject, count) in batch.rejected {
            *self.rejected.entry(reject).or_default() += count;
        }
        self.gaps.extend(batch.gaps);
        self.standings.extend(batch.standing);
        self.heard_until = self.heard_until.max(batch.heard_until);
        self.cursor = batch.cursor.or(self.cursor.take());
    }
}

/// Takes batches until one is what the test waits for.
pub(crate) fn wait_for(batches: &Receiver<Batch>, mut is_it: impl FnMut(&Batch) -> bool) -> Batch {
    let until = clock::start() + PATIENCE;
    while clock::start() < until {
        let batch = batches.recv_timeout(PATIENCE).expect("something comes");
        if is_it(&batch) {
            return batch;
        }
    }
    panic!("what the test waits for never came");
}

/// Waits until the feed is refused, and gives the reason.
pub(crate) fn refusal(batches: &Receiver<Batch>) -> String {
    let told = wait_for(batches, |batch| batch.standing.is_some());
    match told.standing {
        Some(Standing::Refused { why }) => why,
        other => panic!("{other:?} instead of a refusal"),
    }
}

/// A time as RFC 3339 writes it.
pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("RFC 3339")
}
