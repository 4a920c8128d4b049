//! A Jetstream server on this machine, true to the wire of both protocols, that also does what servers should not.
//!
//! It keeps a log of frames, sends it from the cursor on and then whatever is pushed. What the next connections meet
//! can be written down beforehand ([`Jetstream::next_visit`]); when nothing is, they are served.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Longer than any of these tests should wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection meets.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// The frames from the cursor on, then those that are pushed.
    Serve,
    /// As many frames, and the connection ends without a close frame.
    CutAfter(usize),
    /// A websocket on which nothing is ever said, not even a pong.
    Silence,
    /// An HTTP answer instead of a websocket: status line, headers, body.
    Answer(&'static str, &'static str, &'static str),
}

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) user_agent: String,
    pub(crate) at: Instant,
}

impl Visit {
    pub(crate) fn cursor(&self) -> Option<i64> {
        let (_, cursor) = self.query.iter().find(|(name, _)| name == "cursor")?;
        Some(cursor.parse().expect("a cursor is a number"))
    }
}

/// See the module.
pub(crate) struct Jetstream {
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
    /// The oldest event kept.
    floor: Option<(u64, i64)>,
    manners: VecDeque<Manner>,
    visits: Vec<Visit>,
    farewells: usize,
    client_spoke: bool,
}

struct Entry {
    /// Sequence number and microseconds; none for a frame without a place.
    place: Option<(u64, i64)>,
    v1: String,
    v2: String,
}

impl Jetstream {
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

    /// A post with the hashtag `#tagNUMBER`, seen by this server as `seq` at `time_us`. Its id depends on the number
    /// alone, as it is the same post on every server.
    pub(crate) fn push(&self, number: u64, seq: u64, time_us: i64) {
        let record = json!({"$type": "app.bsky.feed.post", "text": format!("it is #tag{number}"), "createdAt": "x"});
        let (did, rkey) = ("did:plc:ann", format!("r{number}"));
        let collection = "app.bsky.feed.post";
        let time = jiff::Timestamp::from_microsecond(time_us).expect("a time");
        let v2 = json!({"$type": "message", "payload": {
            "$type": "network.bsky.jetstream.subscribeEvents#commit", "seq": seq, "did": did,
            "time": format!("{time:.6}"), "rev": "3a", "operation": "create", "collection": collection,
            "rkey": rkey, "cid": "bafy", "record": record}});
        let v1 = json!({"did": did, "time_us": time_us, "kind": "commit", "commit": {"rev": "3a",
            "operation": "create", "collection": collection, "rkey": rkey, "cid": "bafy", "record": record}});
        self.append(Entry {
            place: Some((seq, time_us)),
            v1: v1.to_string(),
            v2: v2.to_string(),
        });
    }

    /// A frame without a place in the stream, whatever it says.
    pub(crate) fn push_frame(&self, frame: &str) {
        self.append(Entry {
            place: None,
            v1: frame.to_owned(),
            v2: frame.to_owned(),
        });
    }

    /// Forgets what was seen before `seq` and `time_us`.
    pub(crate) fn forget_before(&self, seq: u64, time_us: i64) {
        let mut state = self.shared.state();
        state.floor = Some((seq, time_us));
        state
            .log
            .retain(|entry| entry.place.is_none_or(|place| place.0 >= seq));
    }

    /// Forgets everything, the sequence too.
    pub(crate) fn reset(&self) {
        self.shared.state().log.clear();
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

    /// Whether a client has sent what it may not: any data.
    pub(crate) fn client_spoke(&self) -> bool {
        self.shared.state().client_spoke
    }

    fn append(&self, entry: Entry) {
        self.shared.state().log.push(entry);
        self.shared.changed.notify_all();
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
        let Some((visit, key)) = read_request(&mut stream) else {
            return;
        };
        let manner = self.state().manners.pop_front().unwrap_or(Manner::Serve);
        // Whoever waits for a visit may push at once: where this one starts is settled before it is known.
        let start = self.start_of(&visit);
        self.state().visits.push(visit.clone());
        self.changed.notify_all();
        if let Manner::Answer(status, headers, body) = manner {
            return answer(&mut stream, status, headers, body);
        }
        let start = match start {
            Ok(start) => start,
            Err(body) => return answer(&mut stream, "400 Bad Request", "", &body),
        };
        let upgrade = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        if stream.write_all(upgrade.as_bytes()).is_err() {
            return;
        }
        let reading = stream.try_clone().expect("a socket can be read elsewhere");
        std::thread::scope(|scope| {
            scope.spawn(|| self.listen(reading));
            self.send(&stream, &visit, start, &manner);
            // The other side may have hung up already.
            drop(stream.shutdown(Shutdown::Both));
        });
    }

    /// The first frame of the log to send, and whether the cursor was moved up; or the body of a refusal.
    fn start_of(&self, visit: &Visit) -> Result<(usize, bool), String> {
        const MICROSECONDS_FROM: i64 = 1_000_000_000_000_000;
        let wrong =
            |message: &str| json!({"error": "InvalidRequest", "message": message}).to_string();
        let is_v2 = match &*visit.path {
            "/subscribe" => false,
            "/xrpc/network.bsky.jetstream.subscribeEvents" => true,
            _ => return Err(wrong("no such path")),
        };
        let known: &[&str] = if is_v2 {
            &[
                "kinds",
                "collections",
                "dids",
                "maxMessageSizeBytes",
                "cursor",
            ]
        } else {
            &[
                "wantedCollections",
                "wantedDids",
                "maxMessageSizeBytes",
                "cursor",
            ]
        };
        if visit
            .query
            .iter()
            .any(|(name, _)| !known.contains(&&**name))
        {
            return Err(wrong("no such parameter"));
        }
        let state = self.state();
        let Some(cursor) = visit.cursor() else {
            return Ok((state.log.len(), false));
        };
        let is_time = !is_v2 || cursor >= MICROSECONDS_FROM;
        let is_reached = |(seq, time_us): (u64, i64)| {
            if is_time {
                time_us >= cursor
            } else {
                i64::try_from(seq).expect("small") >= cursor
            }
        };
        let is_forgotten = state.floor.is_some_and(|(seq, time_us)| {
            let floor = if is_time {
                time_us
            } else {
                i64::try_from(seq).expect("small")
            };
            cursor < floor
        });
        if is_forgotten && !is_time {
            return Err(json!({"error": "CursorTooOld", "message": "oldest is later"}).to_string());
        }
        let start = state
            .log
            .iter()
            .position(|entry| entry.place.is_some_and(is_reached));
        Ok((start.unwrap_or(state.log.len()), is_forgotten && is_v2))
    }

    fn send(&self, stream: &TcpStream, visit: &Visit, start: (usize, bool), manner: &Manner) {
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        let (mut at, is_outdated) = start;
        let sends_max = match manner {
            Manner::CutAfter(count) => at + count,
            _ => usize::MAX,
        };
        if is_outdated {
            let info = r#"{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"OutdatedCursor","message":"moved up"}}"#;
            if socket.send(Message::text(info)).is_err() {
                return;
            }
        }
        while at < sends_max {
            let frame = {
                let farewells = self.state().farewells;
                let is_mute = matches!(manner, Manner::Silence);
                let state = self.changed.wait_while(self.state(), |state| {
                    state.farewells == farewells && (is_mute || state.log.len() <= at)
                });
                let state = state.expect("no test panics with it");
                let Some(entry) = state.log.get(at).filter(|_| !is_mute) else {
                    return;
                };
                let frame = if visit.path == "/subscribe" {
                    &entry.v1
                } else {
                    &entry.v2
                };
                Utf8Bytes::from(frame)
            };
            if socket.send(Message::Text(frame)).is_err() {
                return;
            }
            at += 1;
        }
    }

    /// Watches what the client sends: nothing but pings, pongs and a farewell, each one small frame.
    fn listen(&self, mut stream: TcpStream) {
        const CLOSE: u8 = 0x88;
        const DATA: [u8; 2] = [0x81, 0x82];
        let mut bytes = [0; 512];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let mut state = self.state();
            state.client_spoke |= DATA.contains(&bytes[0]);
            if bytes[..count][0] == CLOSE {
                state.farewells += 1;
            }
            drop(state);
            self.changed.notify_all();
        }
    }
}

/// What a client asks for, and its websocket key.
fn read_request(stream: &mut TcpStream) -> Option<(Visit, String)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or_else(String::new, |(_, value)| value.to_owned())
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let visit = Visit {
        path: path.to_owned(),
        query: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        user_agent: header("user-agent"),
        at: downtrend::clock::start(),
    };
    Some((visit, header("sec-websocket-key")))
}

fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    // A client that has gone away does not want it.
    drop(stream.write_all(answer.as_bytes()));
}
