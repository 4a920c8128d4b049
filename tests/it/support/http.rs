//! A server of real bytes on a port of its own, and a feed that listens to it. What the server says is up to the test,
//! down to the last byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::{Batch, Feed, Outlet, Standing};
use downtrend::feed::file::Context;
use downtrend::post::Identity;
use downtrend::time::Timestamp;

/// A test gives up when nothing has come for so long; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What a server does with a request.
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes and then nothing, until the other side gives up.
    Stall(Vec<u8>),
}

/// A request as it came, headers included.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) text: String,
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
                        send(&stream, &reply);
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
    Some(Heard { text })
}

fn send(mut stream: &TcpStream, reply: &Reply) {
    let (Reply::Bytes(bytes) | Reply::Stall(bytes)) = reply;
    // A client that has had enough closes early: that is what some tests are about.
    let sent = stream.write_all(bytes).and_then(|()| stream.flush());
    if let (Ok(()), Reply::Stall(_)) = (sent, reply) {
        while stream.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
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
