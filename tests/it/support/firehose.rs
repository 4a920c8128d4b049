//! A server of a repository stream on this machine, true to the wire, that also does what servers should not.
//!
//! It keeps a log of messages, sends those behind the cursor and then whatever is pushed. What the next connections
//! meet can be written down beforehand ([`Firehose::next_visit`]); when nothing is, they are served. The real one is in
//! `tests/it/peers/atproto.rs`.

pub(crate) mod frame;

use std::collections::VecDeque;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use self::frame::{Change, commit, fault, info};
use super::jetstream::PATIENCE;
use super::jetstream::wire::{self, BINARY, CLOSE, PING, PONG, Visit};

/// What a connection meets.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// The messages behind the cursor, then those that are pushed.
    Serve,
    /// As many messages, and the connection ends without a close frame.
    CutAfter(usize),
    /// A websocket on which nothing is ever said, not even a pong.
    Silence,
    /// An HTTP answer instead of a websocket: status line, headers, body.
    Answer(&'static str, String, &'static str),
}

/// See the module.
pub(crate) struct Firehose {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    log: Vec<Entry>,
    /// The oldest number kept.
    floor: Option<u64>,
    /// Goes on live where a cursor is in the future, as some servers do, instead of saying so.
    forgives_the_future: bool,
    manners: VecDeque<Manner>,
    visits: Vec<Visit>,
    farewells: usize,
}

struct Entry {
    /// Its number; none for a message without a place.
    seq: Option<u64>,
    message: Vec<u8>,
}

/// One connection.
struct Line {
    out: Mutex<TcpStream>,
    is_mute: bool,
    is_gone: AtomicBool,
}

/// Where a connection begins.
struct Start {
    at: usize,
    /// What is said first.
    first: Option<Vec<u8>>,
    /// And whether that is all.
    is_over: bool,
}

impl Firehose {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::<Shared>::default();
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = accepting.clone();
                std::thread::spawn(move || shared.meet(stream));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// What the next connection meets that nothing is written down for yet.
    pub(crate) fn next_visit(&self, manner: Manner) {
        self.shared.state().manners.push_back(manner);
    }

    /// A post with the hashtag `#tagNUMBER`, taken by this server as `seq` at `time_ms`.
    pub(crate) fn push(&self, number: u64, seq: u64, time_ms: i64) {
        let post = Change::post(&format!("r{number}"), &format!("it is #tag{number}"));
        self.push_message(Some(seq), commit(seq, time_ms, &[post]));
    }

    /// Any message, with its number if it has a place.
    pub(crate) fn push_message(&self, seq: Option<u64>, message: Vec<u8>) {
        self.shared.state().log.push(Entry { seq, message });
        self.shared.changed.notify_all();
    }

    /// Forgets what was taken before `seq`.
    pub(crate) fn forget_before(&self, seq: u64) {
        let mut state = self.shared.state();
        state.floor = Some(seq);
        state
            .log
            .retain(|entry| entry.seq.is_none_or(|other| other >= seq));
    }

    /// From now on it does not say so where a cursor is in the future.
    pub(crate) fn forgive_the_future(&self) {
        self.shared.state().forgives_the_future = true;
    }

    /// Waits for that many connections, and gives what they asked for.
    pub(crate) fn visits(&self, count: usize) -> Vec<Visit> {
        self.shared
            .wait(|state| state.visits.len() >= count)
            .visits
            .clone()
    }

    /// Waits till a client has said good-bye with a close frame.
    pub(crate) fn farewell(&self) {
        drop(self.shared.wait(|state| state.farewells > 0));
    }
}

impl State {
    fn start_of(&self, visit: &Visit) -> Start {
        let live = |first: Option<Vec<u8>>| Start {
            at: self.log.len(),
            is_over: first.is_some(),
            first,
        };
        let cursor = visit
            .cursor()
            .map(|cursor| u64::try_from(cursor).expect("a number"));
        let Some(cursor) = cursor else {
            return live(None);
        };
        let newest = self.log.iter().filter_map(|entry| entry.seq).max();
        if newest.is_none_or(|newest| cursor > newest) {
            let refusal = || fault("FutureCursor", "Cursor in the future.");
            return live((!self.forgives_the_future).then(refusal));
        }
        let is_behind = |entry: &Entry| entry.seq.is_some_and(|seq| seq > cursor);
        let at = self.log.iter().position(is_behind);
        let is_outdated = self.floor.is_some_and(|floor| cursor + 1 < floor);
        Start {
            at: at.unwrap_or(self.log.len()),
            first: is_outdated.then(|| info("OutdatedCursor")),
            is_over: false,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waiting = self
            .changed
            .wait_timeout_while(self.state(), PATIENCE, |state| !until(state));
        let (state, timeout) = waiting.expect("no test panics with it");
        assert!(!timeout.timed_out(), "the server waited for too long");
        state
    }

    /// One connection, from the first byte to the last.
    fn meet(&self, mut stream: TcpStream) {
        let Some(visit) = Visit::read(&mut stream) else {
            return;
        };
        let mut state = self.state();
        let manner = state.manners.pop_front().unwrap_or(Manner::Serve);
        // Whoever waits for a visit may push at once: where this one starts is settled before it is known.
        let start = state.start_of(&visit);
        state.visits.push(visit.clone());
        drop(state);
        self.changed.notify_all();
        if let Manner::Answer(status, headers, body) = manner {
            return wire::answer(&mut stream, status, &headers, body.as_bytes());
        }
        if visit.path != "/xrpc/com.atproto.sync.subscribeRepos" {
            return wire::answer(&mut stream, "404 Not Found", "", b"no such path");
        }
        if wire::upgrade(&mut stream, &visit).is_err() {
            return;
        }
        let reading = stream.try_clone().expect("a socket can be used twice");
        let line = Line {
            out: Mutex::new(stream),
            is_mute: matches!(manner, Manner::Silence),
            is_gone: AtomicBool::new(false),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| self.listen(reading, &line));
            // An error means that the client has hung up.
            drop(self.send(&line, start, &manner));
            line.close();
        });
    }

    fn send(&self, line: &Line, start: Start, manner: &Manner) -> std::io::Result<()> {
        if let Some(first) = start.first {
            line.write(BINARY, &first)?;
        }
        if start.is_over {
            return line.write(CLOSE, &wire::reason(1008, "over"));
        }
        let mut at = start.at;
        let end = match manner {
            Manner::CutAfter(count) => at + count,
            _ => usize::MAX,
        };
        while at < end {
            let waiting = self.changed.wait_while(self.state(), |state| {
                !line.is_gone() && (line.is_mute || state.log.len() <= at)
            });
            let state = waiting.expect("no test panics with it");
            if line.is_gone() {
                break;
            }
            let message = state.log[at].message.clone();
            drop(state);
            line.write(BINARY, &message)?;
            at += 1;
        }
        Ok(())
    }

    /// Takes what the client sends, until it hangs up.
    fn listen(&self, mut stream: TcpStream, line: &Line) {
        while let Ok((kind, payload)) = wire::read_frame(&mut stream) {
            let answered = match kind {
                PING if !line.is_mute => line.write(PONG, &payload),
                CLOSE => {
                    self.state().farewells += 1;
                    line.write(CLOSE, &payload)
                }
                _ => Ok(()),
            };
            if answered.is_err() {
                break;
            }
        }
        line.is_gone.store(true, Ordering::SeqCst);
        drop(self.state());
        self.changed.notify_all();
    }
}

impl Line {
    fn write(&self, kind: u8, bytes: &[u8]) -> std::io::Result<()> {
        let mut out = self.out.lock().expect("no test panics with it");
        out.write_all(&wire::frame(kind, bytes))
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }

    fn close(&self) {
        let out = self.out.lock().expect("no test panics with it");
        // The other side may have hung up already.
        drop(out.shutdown(Shutdown::Both));
    }
}
