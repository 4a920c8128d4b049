//! Authors who sign, a client that publishes, and a relay on this machine that also does what relays should not.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use downtrend::clock;
use downtrend::time::Timestamp;
use ring::digest::{SHA256, digest};
use secp256k1::Keypair;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Message, accept_hdr, client};

use super::jetstream::PATIENCE;

/// Somebody with a key.
pub(crate) struct Author {
    pair: Keypair,
}

impl Author {
    /// The one with that number.
    pub(crate) fn new(number: u8) -> Self {
        let pair = Keypair::from_secret_bytes([number; 32]).expect("not zero");
        Self { pair }
    }

    /// A note with the hashtag `#tagNUMBER`.
    pub(crate) fn note(&self, number: u64, created_at: i64) -> Value {
        self.event(1, created_at, &format!("it is #tag{number}"))
    }

    /// A signed event.
    pub(crate) fn event(&self, kind: u32, created_at: i64, content: &str) -> Value {
        self.tagged_event(kind, created_at, content, &json!([]))
    }

    pub(crate) fn tagged_event(
        &self,
        kind: u32,
        created_at: i64,
        content: &str,
        tags: &Value,
    ) -> Value {
        let key = hex(&self.pair.x_only_public_key().0.to_byte_array());
        let signed = json!([0, key, created_at, kind, tags, content]).to_string();
        let id = digest(&SHA256, signed.as_bytes());
        let signature = self.pair.sign_schnorr_no_aux_rand(id.as_ref());
        json!({
            "id": hex(id.as_ref()), "pubkey": key, "created_at": created_at, "kind": kind, "tags": tags,
            "content": content, "sig": hex(signature.as_byte_array()),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}

/// A client that publishes to a relay on this machine.
pub(crate) struct Publisher {
    socket: WebSocket<TcpStream>,
}

impl Publisher {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a relay");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket has one");
        let (socket, _) = client(format!("ws://127.0.0.1:{port}"), stream).expect("a websocket");
        Self { socket }
    }

    /// Publishes an event, and gives what the relay makes of it: whether it took it, and why not.
    pub(crate) fn publish(&mut self, event: &Value) -> (bool, String) {
        let message = json!(["EVENT", event]).to_string();
        self.socket
            .send(Message::text(message))
            .expect("the relay listens");
        let sent = clock::start();
        loop {
            assert!(
                sent.elapsed() < PATIENCE,
                "the relay says nothing of {event}"
            );
            let answer = self.socket.read().expect("the relay answers");
            let Ok(text) = answer.to_text() else { continue };
            let Ok(Value::Array(answer)) = serde_json::from_str(text) else {
                continue;
            };
            // Of what it does not take, nostr-relay does not say the id.
            if answer[0] == "OK" && (answer[1] == event["id"] || answer[1] == "") {
                let words = answer[3].as_str().unwrap_or_default();
                return (answer[2] == true, words.to_owned());
            }
        }
    }

    /// Publishes events that the relay must take.
    pub(crate) fn publish_all<'a>(&mut self, events: impl IntoIterator<Item = &'a Value>) {
        for event in events {
            let (is_taken, words) = self.publish(event);
            assert!(is_taken, "{event}: {words}");
        }
    }
}

/// What a connection meets.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// What it asks for.
    Serve,
    /// What it asks for, and the end without a close frame after so many events.
    CutAfter(usize),
    /// A websocket on which nothing is ever said, not even a pong.
    Silence,
    /// An HTTP answer instead of a websocket: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// These messages, in which `SUB` stands for the name of the first subscription, and no other word.
    Say(Vec<String>),
}

/// A connection that was made.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) user_agent: String,
    pub(crate) at: Timestamp,
    /// What was asked for: name and filter.
    pub(crate) requests: Vec<(String, Value)>,
}

/// See the module.
pub(crate) struct Relay {
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
    events: Vec<Value>,
    /// Stored events that it gives at most, whatever is asked.
    cap: Option<usize>,
    manners: VecDeque<Manner>,
    visits: Vec<Visit>,
    links: Vec<Link>,
    farewells: usize,
}

/// What goes on with one connection.
#[derive(Default)]
struct Link {
    subscriptions: BTreeMap<String, Value>,
    outbox: VecDeque<String>,
    is_mute: bool,
    is_gone: bool,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::<Shared>::default();
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = accepting.clone();
                std::thread::spawn(move || shared.meet(&stream));
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

    /// Gives at most so many stored events for a request.
    pub(crate) fn cap(&self, events: usize) {
        self.shared.state().cap = Some(events);
    }

    /// Stores an event, and sends it to whoever has asked for such.
    pub(crate) fn push(&self, event: Value) {
        let mut state = self.shared.state();
        for link in state.links.iter_mut().filter(|link| !link.is_mute) {
            for (name, filter) in &link.subscriptions {
                if fits(&event, filter) {
                    link.outbox
                        .push_back(json!(["EVENT", name, event]).to_string());
                }
            }
        }
        state.events.push(event);
        self.shared.changed.notify_all();
    }

    /// Sends a message as it is to everybody who listens live; `SUB` stands for the name of their subscription.
    pub(crate) fn push_frame(&self, frame: &str) {
        let mut state = self.shared.state();
        for link in &mut state.links {
            if let Some(name) = link.subscriptions.keys().next() {
                link.outbox.push_back(frame.replace("SUB", name));
            }
        }
        self.shared.changed.notify_all();
    }

    /// Forgets the events of before a time.
    pub(crate) fn forget_before(&self, time: i64) {
        let is_kept = |event: &Value| event["created_at"].as_i64() >= Some(time);
        self.shared.state().events.retain(is_kept);
    }

    /// Waits for that many connections, and gives what they asked for so far.
    pub(crate) fn visits(&self, count: usize) -> Vec<Visit> {
        self.shared
            .wait(|state| state.visits.len() >= count)
            .visits
            .clone()
    }

    /// Waits till that many subscriptions are open.
    pub(crate) fn subscriptions(&self, count: usize) {
        let open = |state: &State| {
            let links = state.links.iter().filter(|link| !link.is_gone);
            links.map(|link| link.subscriptions.len()).sum::<usize>()
        };
        drop(self.shared.wait(|state| open(state) >= count));
    }

    /// Waits till clients have said good-bye with a close frame, that many.
    pub(crate) fn farewells(&self, count: usize) {
        drop(self.shared.wait(|state| state.farewells >= count));
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
        assert!(!timeout.timed_out(), "the relay waited for too long");
        state
    }

    /// One connection, from the first byte to the last.
    fn meet(&self, stream: &TcpStream) {
        let reading = stream.try_clone().expect("a socket can be read elsewhere");
        let Some((number, manner)) = self.welcome(stream.try_clone().expect("and written")) else {
            return;
        };
        std::thread::scope(|scope| {
            let is_mute = matches!(manner, Manner::Silence);
            scope.spawn(move || {
                if !is_mute {
                    self.listen(number, reading);
                }
            });
            self.send(number, stream, &manner);
            // The other side may have hung up already.
            drop(stream.shutdown(Shutdown::Both));
        });
    }

    /// The number of the connection and what it is to meet; none where that was all.
    fn welcome(&self, stream: TcpStream) -> Option<(usize, Manner)> {
        let mut met = None;
        #[expect(
            clippy::result_large_err,
            reason = "the library wants a whole answer, and there is one a connection"
        )]
        let greet = |request: &Request, response: Response| {
            let agent = request.headers().get("user-agent");
            let mut state = self.state();
            let manner = state.manners.pop_front().unwrap_or(Manner::Serve);
            state.visits.push(Visit {
                user_agent: agent.map_or_else(String::new, |agent| {
                    String::from_utf8_lossy(agent.as_bytes()).into_owned()
                }),
                at: clock::now(),
                requests: Vec::new(),
            });
            state.links.push(Link {
                is_mute: !matches!(manner, Manner::Serve | Manner::CutAfter(_)),
                ..Link::default()
            });
            met = Some((state.visits.len() - 1, manner.clone()));
            drop(state);
            self.changed.notify_all();
            match manner {
                Manner::Answer(status, headers, body) => Err(answer(status, headers, body)),
                _ => Ok(response),
            }
        };
        accept_hdr(stream, greet).ok()?;
        met
    }

    /// Takes what the client says.
    fn listen(&self, number: usize, stream: TcpStream) {
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        while let Ok(message) = socket.read() {
            let mut state = self.state();
            match message {
                Message::Text(text) => state.hear(number, &text),
                Message::Close(_) => state.farewells += 1,
                _ => {}
            }
            drop(state);
            self.changed.notify_all();
        }
        self.state().links[number].is_gone = true;
        self.changed.notify_all();
    }

    /// Sends what there is to send, till the client has gone or is to be cut off.
    fn send(&self, number: usize, stream: &TcpStream, manner: &Manner) {
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        let mut events_left = match manner {
            Manner::CutAfter(count) => *count,
            _ => usize::MAX,
        };
        if let Manner::Say(messages) = manner {
            let asked = self.wait(|state| !state.visits[number].requests.is_empty());
            let name = asked.visits[number].requests[0].0.clone();
            drop(asked);
            for message in messages {
                if socket
                    .send(Message::text(message.replace("SUB", &name)))
                    .is_err()
                {
                    return;
                }
            }
        }
        loop {
            let state = self.changed.wait_while(self.state(), |state| {
                let link = &state.links[number];
                link.outbox.is_empty() && !link.is_gone
            });
            let mut state = state.expect("no test panics with it");
            let Some(message) = state.links[number].outbox.pop_front() else {
                return;
            };
            drop(state);
            let is_event = message.starts_with(r#"["EVENT""#);
            if is_event && events_left == 0 || socket.send(Message::text(message)).is_err() {
                self.state().links[number].is_gone = true;
                return;
            }
            events_left -= usize::from(is_event);
        }
    }
}

impl State {
    fn hear(&mut self, number: usize, text: &str) {
        let Ok(Value::Array(said)) = serde_json::from_str(text) else {
            return;
        };
        let name = said[1].as_str().unwrap_or_default().to_owned();
        let link = &mut self.links[number];
        if said[0] == "CLOSE" {
            link.subscriptions.remove(&name);
            return;
        }
        let filter = said[2].clone();
        self.visits[number]
            .requests
            .push((name.clone(), filter.clone()));
        if link.is_mute {
            return;
        }
        let mut stored: Vec<&Value> = self
            .events
            .iter()
            .filter(|event| fits(event, &filter))
            .collect();
        stored.sort_by_key(|event| -event["created_at"].as_i64().unwrap_or_default());
        let limit = filter["limit"]
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok());
        stored.truncate(
            self.cap
                .unwrap_or(usize::MAX)
                .min(limit.unwrap_or(usize::MAX)),
        );
        let events = stored
            .iter()
            .map(|event| json!(["EVENT", name, event]).to_string());
        link.outbox.extend(events);
        link.outbox.push_back(json!(["EOSE", name]).to_string());
        link.subscriptions.insert(name, filter);
    }
}

/// Whether an event is asked for (NIP-01).
fn fits(event: &Value, filter: &Value) -> bool {
    let time = event["created_at"].as_i64();
    let kinds = filter["kinds"].as_array();
    kinds.is_none_or(|kinds| kinds.contains(&event["kind"]))
        && filter["since"]
            .as_i64()
            .is_none_or(|since| time >= Some(since))
        && filter["until"]
            .as_i64()
            .is_none_or(|until| time <= Some(until))
}

fn answer(status: u16, headers: Vec<(&'static str, String)>, body: &str) -> ErrorResponse {
    let mut answer = ErrorResponse::new(Some(body.to_owned()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_str(&value).expect("a value");
        answer.headers_mut().insert(name, value);
    }
    answer
}
