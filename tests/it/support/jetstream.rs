//! A Jetstream server on this machine, true to the wire of both protocols, that also does what servers should not.
//!
//! It keeps a log of events, sends it from the cursor on and then whatever is pushed. What the next connections meet
//! can be written down beforehand ([`Jetstream::next_visit`]) or drawn ([`Jetstream::start_with`]); when neither is,
//! they are served. That it is true to the wire is shown by clients that others wrote: `tests/it/peers/jetstream.rs`.
//! In one thing it is milder than the real one: it waits for a slow reader for as long as that takes.

mod asked;
mod event;
pub(crate) mod wire;

use std::collections::VecDeque;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use downtrend::clock;

pub(crate) use self::event::{ANN, Event, POSTS, What};
pub(crate) use self::wire::Visit;

use self::asked::{Asked, Cursor, Filter};
use self::wire::{BINARY, CLOSE, PING, PONG, TEXT};

/// Longer than any of these tests should wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long a client may take to answer a farewell.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

/// What a connection meets.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// The frames from the cursor on, then those that are pushed.
    Serve,
    /// The same, for a while.
    Ends(After, End),
    /// A websocket on which nothing is ever said, not even a pong.
    Silence,
    /// An HTTP answer instead of a websocket: status line, headers, body.
    Answer(&'static str, &'static str, &'static str),
    /// One frame over and over, as fast as it is read.
    Babble(&'static str),
    /// Posts made up on the way, as fast as they are read.
    Flood,
}

/// For how long a connection is served.
#[derive(Debug, Clone, Copy)]
pub(crate) enum After {
    Frames(usize),
    Time(Duration),
}

/// How it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Without a close frame.
    Cut,
    /// In the middle of a frame.
    Torn,
    /// With a close frame.
    Farewell,
    /// It stays open, and nothing more is said on it.
    Stall,
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
    dictionary: OnceLock<Vec<u8>>,
}

#[derive(Default)]
struct State {
    log: VecDeque<Arc<Entry>>,
    /// Entries that were there before the log.
    forgotten: usize,
    /// Entries kept; all, where none is said.
    keep: Option<usize>,
    /// The oldest event kept.
    floor: Option<(u64, i64)>,
    /// The number after the last one.
    next_seq: u64,
    manners: VecDeque<Manner>,
    draw: Option<Box<dyn FnMut() -> Manner + Send>>,
    visits: Vec<Visit>,
    farewells: usize,
    flooded: u64,
    client_spoke: bool,
}

enum Entry {
    Event(Event),
    /// A frame without a place in the stream, whatever it says.
    Raw(String),
}

/// One connection.
struct Line {
    out: Mutex<TcpStream>,
    is_v2: bool,
    filter: Mutex<Filter>,
    waits_for_hello: AtomicBool,
    is_mute: AtomicBool,
    is_gone: AtomicBool,
}

/// What there is to send.
enum Next {
    Entry(Arc<Entry>),
    /// It was forgotten before it was sent.
    Forgotten,
    /// The client is gone, or the time is up.
    Over,
}

/// Where sending begins, and what is said first.
struct Start {
    at: usize,
    info: Option<String>,
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

    /// One that keeps as many events, and draws what each connection meets.
    pub(crate) fn start_with(keep: usize, draw: impl FnMut() -> Manner + Send + 'static) -> Self {
        let server = Self::start();
        let mut state = server.shared.state();
        state.keep = Some(keep);
        state.draw = Some(Box::new(draw));
        drop(state);
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// What the next connection meets that nothing is written down for yet.
    pub(crate) fn next_visit(&self, manner: Manner) {
        self.shared.state().manners.push_back(manner);
    }

    /// From now on every connection is served.
    pub(crate) fn behave(&self) {
        self.shared.state().draw = None;
    }

    /// A post with the hashtag `#tagNUMBER`, seen by this server as `seq` at `time_us`. Its id depends on the number
    /// alone, as it is the same post on every server.
    pub(crate) fn push(&self, number: u64, seq: u64, time_us: i64) {
        let text = format!("it is #tag{number}");
        self.push_event(Event::post(seq, time_us, format!("r{number}"), &text));
    }

    pub(crate) fn push_event(&self, event: Event) {
        self.append(Entry::Event(event));
    }

    /// A frame without a place in the stream, whatever it says.
    pub(crate) fn push_frame(&self, frame: &str) {
        self.append(Entry::Raw(frame.to_owned()));
    }

    /// Forgets what was seen before `seq` and `time_us`.
    pub(crate) fn forget_before(&self, seq: u64, time_us: i64) {
        let mut state = self.shared.state();
        state.floor = Some((seq, time_us));
        while let Some(entry) = state.log.front()
            && entry.place().is_none_or(|place| place.0 < seq)
        {
            state.forget_one();
        }
    }

    /// Forgets everything, the sequence too.
    pub(crate) fn reset(&self) {
        let mut state = self.shared.state();
        state.forgotten += state.log.len();
        state.log.clear();
        state.next_seq = 0;
    }

    /// Waits for that many connections, and gives what they asked for.
    pub(crate) fn visits(&self, count: usize) -> Vec<Visit> {
        self.shared
            .wait(|state| state.visits.len() >= count)
            .visits
            .clone()
    }

    /// How many posts were made up on the way.
    pub(crate) fn flooded(&self) -> u64 {
        self.shared.state().flooded
    }

    /// Waits till a client has said good-bye with a close frame.
    pub(crate) fn farewell(&self) {
        drop(self.shared.wait(|state| state.farewells > 0));
    }

    /// Whether a client of the second protocol has sent what it may not: any data.
    pub(crate) fn client_spoke(&self) -> bool {
        self.shared.state().client_spoke
    }

    fn append(&self, entry: Entry) {
        let mut state = self.shared.state();
        if let Some((seq, _)) = entry.place() {
            state.next_seq = seq + 1;
        }
        state.log.push_back(Arc::new(entry));
        if state.keep.is_some_and(|keep| state.log.len() > keep) {
            state.forget_one();
            state.floor = state.log.front().and_then(|oldest| oldest.place());
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl State {
    fn forget_one(&mut self) {
        self.log.pop_front();
        self.forgotten += 1;
    }

    fn end(&self) -> usize {
        self.forgotten + self.log.len()
    }

    /// Where a client begins; or the body of a refusal.
    fn start_of(&self, asked: &Asked) -> Result<Start, String> {
        let live = |info| Start {
            at: self.end(),
            info,
        };
        let Some(cursor) = asked.cursor else {
            return Ok(live(None));
        };
        let is_before = |(seq, time_us): (u64, i64)| match cursor {
            Cursor::Seq(cursor) => seq < cursor,
            Cursor::Time(cursor) => time_us < cursor,
        };
        let is_forgotten = self.floor.is_some_and(|floor| match cursor {
            Cursor::Seq(cursor) => cursor < floor.0,
            Cursor::Time(cursor) => cursor < floor.1,
        });
        if let (true, Cursor::Seq(cursor)) = (asked.is_v2, cursor) {
            if let (true, Some((oldest, _))) = (is_forgotten, self.floor) {
                let message = format!("{cursor} is gone, the oldest is {oldest}");
                return Err(asked::refusal("CursorTooOld", &message));
            }
            if cursor > self.next_seq {
                let message = format!("the next one is {}", self.next_seq);
                return Ok(live(Some(event::info("FutureCursor", &message))));
            }
        }
        let mut places = self.log.iter().map(|entry| entry.place());
        let first = places.position(|place| place.is_some_and(|place| !is_before(place)));
        let outdated = || event::info("OutdatedCursor", "moved up to the oldest event");
        Ok(Start {
            at: first.map_or(self.end(), |first| self.forgotten + first),
            info: (is_forgotten && asked.is_v2).then(outdated),
        })
    }
}

impl Entry {
    /// Sequence number and microseconds.
    fn place(&self) -> Option<(u64, i64)> {
        match self {
            Self::Event(event) => Some((event.seq, event.time_us)),
            Self::Raw(_) => None,
        }
    }
}

impl Line {
    fn write(&self, frame: &[u8]) -> std::io::Result<()> {
        let mut out = self.out.lock().expect("no test panics with it");
        out.write_all(frame)
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// The frame of an entry, where the client wants it.
    fn frame_of(&self, entry: &Entry) -> Option<String> {
        let event = match entry {
            Entry::Raw(frame) => return Some(frame.clone()),
            Entry::Event(event) => event,
        };
        let frame = if self.is_v2 { event.v2() } else { event.v1()? };
        let filter = self.filter.lock().expect("no test panics with it");
        filter.takes(event, frame.len()).then_some(frame)
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

    /// Wakes whoever waits for something that is not in the state.
    fn ring(&self) {
        drop(self.state());
        self.changed.notify_all();
    }

    /// One connection, from the first byte to the last.
    fn meet(&self, mut stream: TcpStream) {
        const DICTIONARY: &str = "/xrpc/network.bsky.jetstream.getZstdDictionary";
        let Some(visit) = Visit::read(&mut stream) else {
            return;
        };
        if visit.path == DICTIONARY {
            let headers = "Content-Type: application/octet-stream\r\n";
            return wire::answer(&mut stream, "200 OK", headers, self.dictionary());
        }
        let asked = Asked::of(&visit, dictionary_id(self.dictionary()));
        let mut state = self.state();
        let drawn = state.manners.pop_front();
        let manner = drawn.or_else(|| Some(state.draw.as_mut()?()));
        // Whoever waits for a visit may push at once: where this one starts is settled before it is known.
        let start = asked
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|asked| state.start_of(asked));
        state.visits.push(visit.clone());
        drop(state);
        self.changed.notify_all();
        match (manner.unwrap_or(Manner::Serve), asked, start) {
            (Manner::Answer(status, headers, body), ..) => {
                wire::answer(&mut stream, status, headers, body.as_bytes());
            }
            (manner, Ok(asked), Ok(start)) => {
                if wire::upgrade(&mut stream, &visit).is_ok() {
                    self.serve(&stream, asked, &start, &manner);
                }
            }
            (_, _, Err(body)) | (_, Err(body), _) => {
                wire::answer(&mut stream, "400 Bad Request", "", body.as_bytes());
            }
        }
    }

    fn serve(&self, stream: &TcpStream, asked: Asked, start: &Start, manner: &Manner) {
        let clone = || stream.try_clone().expect("a socket can be used twice");
        let line = Line {
            out: Mutex::new(clone()),
            is_v2: asked.is_v2,
            filter: Mutex::new(asked.filter),
            waits_for_hello: AtomicBool::new(asked.waits_for_hello),
            is_mute: AtomicBool::new(matches!(manner, Manner::Silence)),
            is_gone: AtomicBool::new(false),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| self.listen(clone(), &line));
            // An error means that the client has hung up.
            drop(match manner {
                Manner::Babble(frame) => babble(&line, frame),
                Manner::Flood => self.flood(&line),
                _ => self.send(&line, start, asked.dictionary.is_some(), manner),
            });
            // The other side may have hung up already.
            drop(stream.shutdown(Shutdown::Both));
        });
    }

    fn send(
        &self,
        line: &Line,
        start: &Start,
        is_packed: bool,
        manner: &Manner,
    ) -> std::io::Result<()> {
        let mut packer = is_packed.then(|| {
            zstd::bulk::Compressor::with_dictionary(3, self.dictionary()).expect("a dictionary")
        });
        let mut wrap = |frame: &str| match &mut packer {
            None => wire::frame(TEXT, frame.as_bytes()),
            Some(packer) => wire::frame(
                BINARY,
                &packer.compress(frame.as_bytes()).expect("room for it"),
            ),
        };
        let (frames_max, deadline) = match manner {
            Manner::Ends(After::Frames(count), _) => (*count, None),
            Manner::Ends(After::Time(time), _) => (usize::MAX, Some(clock::start() + *time)),
            _ => (usize::MAX, None),
        };
        if let Some(info) = &start.info {
            line.write(&wrap(info))?;
        }
        let (mut at, mut sent) = (start.at, 0);
        while sent < frames_max {
            let entry = match self.next(line, at, deadline) {
                Next::Entry(entry) => entry,
                Next::Over => break,
                Next::Forgotten => {
                    let last_words = event::fault("ConsumerTooSlow", "read faster");
                    return line.write(&wrap(&last_words));
                }
            };
            at += 1;
            if let Some(frame) = line.frame_of(&entry) {
                line.write(&wrap(&frame))?;
                sent += 1;
            }
        }
        match manner {
            Manner::Ends(_, end) => self.end(line, *end),
            _ => Ok(()),
        }
    }

    /// Waits for the entry at `at`.
    fn next(&self, line: &Line, at: usize, deadline: Option<Instant>) -> Next {
        let is_waiting = |state: &mut State| {
            let is_held = line.is_mute.load(Ordering::Relaxed)
                || line.waits_for_hello.load(Ordering::Relaxed);
            !line.is_gone() && (is_held || state.end() <= at)
        };
        let state = match deadline {
            None => self.changed.wait_while(self.state(), is_waiting),
            Some(deadline) => {
                let time = deadline.saturating_duration_since(clock::start());
                let waiting = self
                    .changed
                    .wait_timeout_while(self.state(), time, is_waiting);
                Ok(waiting.expect("no test panics with it").0)
            }
        };
        let state = state.expect("no test panics with it");
        if line.is_gone() || deadline.is_some_and(|deadline| clock::start() >= deadline) {
            return Next::Over;
        }
        let place = at.checked_sub(state.forgotten);
        let entry = place.and_then(|place| state.log.get(place));
        entry.map_or(Next::Forgotten, |entry| Next::Entry(Arc::clone(entry)))
    }

    fn end(&self, line: &Line, end: End) -> std::io::Result<()> {
        match end {
            End::Cut => Ok(()),
            End::Torn => {
                let whole = wire::frame(TEXT, &[b'{'; 200]);
                line.write(&whole[..100])
            }
            End::Farewell => {
                line.write(&wire::frame(CLOSE, &wire::reason(1001, "going away")))?;
                let waiting =
                    self.changed
                        .wait_timeout_while(self.state(), FAREWELL_WITHIN, |_| !line.is_gone());
                drop(waiting.expect("no test panics with it"));
                Ok(())
            }
            End::Stall => {
                line.is_mute.store(true, Ordering::Relaxed);
                let gone = self.changed.wait_while(self.state(), |_| !line.is_gone());
                drop(gone.expect("no test panics with it"));
                Ok(())
            }
        }
    }

    /// Posts made up on the way, each with one of fifty hashtags.
    fn flood(&self, line: &Line) -> std::io::Result<()> {
        const POSTS_A_WRITE: u64 = 64;
        while !line.is_gone() {
            let first = self.state().flooded;
            let now_us = clock::now().as_millis() * 1_000;
            let frames = (first..first + POSTS_A_WRITE).map(|number| {
                let text = format!("more and more #flood{}", number % 50);
                let event = Event::post(number + 1, now_us, format!("f{number}"), &text);
                let frame = if line.is_v2 {
                    event.v2()
                } else {
                    event.v1().expect("a post has one")
                };
                wire::frame(TEXT, frame.as_bytes())
            });
            let bytes: Vec<u8> = frames.flatten().collect();
            line.write(&bytes)?;
            self.state().flooded += POSTS_A_WRITE;
        }
        Ok(())
    }

    /// Takes what the client sends, until it hangs up.
    fn listen(&self, mut stream: TcpStream, line: &Line) {
        while let Ok((kind, payload)) = wire::read_frame(&mut stream) {
            let answered = match kind {
                PING if !line.is_mute.load(Ordering::Relaxed) => {
                    line.write(&wire::frame(PONG, &payload))
                }
                CLOSE => {
                    self.state().farewells += 1;
                    // The client may have closed the socket behind its farewell.
                    drop(line.write(&wire::frame(CLOSE, &payload)));
                    break;
                }
                TEXT | BINARY if self.is_fine(&payload, line) => Ok(()),
                TEXT | BINARY => {
                    let reason = wire::reason(1008, "that is not for you to say");
                    drop(line.write(&wire::frame(CLOSE, &reason)));
                    break;
                }
                _ => Ok(()),
            };
            if answered.is_err() {
                break;
            }
        }
        line.is_gone.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// Whether a client may send this.
    fn is_fine(&self, message: &[u8], line: &Line) -> bool {
        if line.is_v2 {
            self.state().client_spoke = true;
            return false;
        }
        let mut filter = line.filter.lock().expect("no test panics with it");
        let updated = filter.update(message);
        drop(filter);
        if updated == Ok(true) {
            line.waits_for_hello.store(false, Ordering::Relaxed);
            self.ring();
        }
        updated.is_ok()
    }

    /// What frames of the second protocol can be packed with.
    fn dictionary(&self) -> &[u8] {
        const DICTIONARY_BYTES_MAX: usize = 4 << 10;
        self.dictionary.get_or_init(|| {
            let frames: Vec<String> = (0..400)
                .map(|number| {
                    let text = format!("nothing works {} #tag{number}", number * 7_919);
                    Event::post(number, 1_783_175_888_090_631, format!("r{number}"), &text).v2()
                })
                .collect();
            zstd::dict::from_samples(&frames, DICTIONARY_BYTES_MAX).expect("samples enough")
        })
    }
}

/// The number of a dictionary: RFC 8878, 5.
fn dictionary_id(dictionary: &[u8]) -> u32 {
    u32::from_le_bytes(dictionary[4..8].try_into().expect("four bytes"))
}

fn babble(line: &Line, frame: &str) -> std::io::Result<()> {
    let frame = wire::frame(TEXT, frame.as_bytes());
    while !line.is_gone() {
        line.write(&frame)?;
    }
    Ok(())
}
