//! A repository stream: everything that is written on a server of the AT Protocol, or on all that a relay crawls.
//!
//! Specification: <https://atproto.com/specs/sync>, `com.atproto.sync.subscribeRepos`. A PDS, which holds people's
//! repositories, tells all changes of them; a relay does so for a whole network, about sixty times what the posts
//! alone cost by Jetstream (`bluesky`), which is why there is no default host. Posts are the records
//! `app.bsky.feed.post`; likes, follows, deletes, identities and accounts are skipped. A post has the same id as by
//! Jetstream and counts once with it. Signatures and the proofs that a commit carries are *not* checked: what a server
//! says is counted, not archived, and a server that lies can lie by Jetstream as well.
//!
//! The cursor names host, sequence number and the time up to which everything was heard. The stream goes on after the
//! number; it cannot be asked by time. Where the server no longer has what comes after it, or never had it because it
//! counts anew, the stretch is told as a gap. A new database starts with what happens now.
//!
//! A small server may be silent for hours. While it answers pings, silence means that nobody writes, and holds nobody
//! up. A relay passes on the times that its servers claim, so that [`tide`] tells from several of them how far was heard.
//!
//! [`frame`] reads a message, [`car`] the blocks of a commit, [`record`] the posts among them. The manners are those of
//! [`super::websocket`]. `tests/it/atproto.rs` holds it against a server that cuts, refuses, stalls and forgets,
//! `tests/it/peers/atproto.rs` against the reference PDS.

mod car;
mod frame;
mod record;
mod tide;

use std::convert::Infallible;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize};
use tokio_tungstenite::tungstenite::http::Uri;

use self::frame::{Fault, Frame, What};
use self::tide::Tide;
use super::contract::{Closed, Feed, Outlet, Standing};
use super::file::Context;
use super::http::{polling, wait};
use super::websocket::basket::Basket;
use super::websocket::hosts::{Hosts, Setback};
use super::websocket::{self, Heard, Manners, Socket, fit_to_show};
use super::{Asked, Kind, LiveFeed};
use crate::clock;
use crate::post::{Cursor, Identity, Item};
use crate::time::Timestamp;

/// What is written on one server, or on all that a relay knows.
pub const KIND: Kind = Kind {
    name: "atproto",
    about: "posts of one AT Protocol server (a PDS), or of a whole network from a relay, live; no key, no account",
    open: Some(open),
};

/// `atproto:HOST`, or a table with [`Options`].
fn open(asked: Asked) -> Result<LiveFeed, String> {
    let options: Options = asked.options("host")?;
    if url(&options.host, None).is_none() {
        return Err(Error::Host(options.host).to_string());
    }
    Ok(LiveFeed {
        name: format!("{}:{}", KIND.name, options.host),
        start: Box::new(move |context, cursor| {
            let feed =
                Atproto::new(&options, context, cursor).map_err(|error| error.to_string())?;
            Ok(Box::new(feed))
        }),
    })
}

/// Bytes of a message. A commit carries two million bytes of blocks at most (lexicon), and its list of operations.
pub const MESSAGE_BYTES_MAX: usize = 5 << 20;
/// How often the server is pinged: its answers are what tells how far a silent one was heard, and others wait for that.
const PING_EVERY: Duration = Duration::from_secs(10);
/// A server that shows that it lives and has sent nothing for so long has nothing more to send.
const QUIET_AFTER: Duration = Duration::from_secs(8);
/// Events older than this are what was missed; younger ones are live.
const LIVE_MS: i64 = 30_000;
/// A stream this close to the present is taken to have heard everything before that, once the server shows it lives.
const LAG_MS: i64 = 5_000;
/// The same, as a length of time.
const LAG: Duration = Duration::from_millis(LAG_MS.unsigned_abs());

/// Settings of the feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// A PDS or a relay: `HOST`, `wss://HOST[:PORT]`, or `ws://HOST[:PORT]` for a server of one's own.
    pub host: String,
    /// The host may be in a private network or on this machine. Default: false.
    #[serde(default)]
    pub allow_private: bool,
    /// A connection without an event for so long is given up, as `"2m"`. Default: never, while the server answers
    /// pings, since a small one may rightly be silent for hours. For a relay a minute is long.
    #[serde(default, deserialize_with = "duration")]
    pub idle_after: Option<Duration>,
}

/// Why the feed cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A host that is none.
    #[error(
        "read the host {0:?}: use HOST, wss://HOST or ws://HOST:PORT, as in atproto:bsky.network"
    )]
    Host(String),
    /// A cursor that another feed or a later version wrote.
    #[error("go on with atproto at {0:?}: this is no cursor of it")]
    Cursor(String),
}

/// How far the stream was heard: what the cursor holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    host: String,
    /// Of the last event; none where nothing has come yet, or the server does not know ours.
    seq: Option<u64>,
    /// Everything up to here was heard.
    time_ms: i64,
}

/// See the module.
pub struct Atproto {
    hosts: Hosts,
    /// What its posts are counted under.
    source: String,
    manners: Manners,
    identity: Identity,
    position: Option<Position>,
    /// The event after the position broke the last connection, and we have stepped over it.
    has_stepped: bool,
}

impl Atproto {
    /// A feed that goes on at `cursor`, or starts with what happens now.
    pub fn new(
        options: &Options,
        context: Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let host = &options.host;
        if url(host, None).is_none() {
            return Err(Error::Host(host.clone()));
        }
        let position = cursor
            .map(|cursor| Position::read(cursor, host))
            .transpose()?;
        let (_, bare) = host.split_once("://").unwrap_or(("", host));
        Ok(Self {
            hosts: Hosts::new([host.clone()]).expect("there is one"),
            source: format!("{}:{}", KIND.name, bare.trim_end_matches('/')),
            manners: Manners {
                allow_private: options.allow_private,
                ping_every: PING_EVERY,
                idle_after: options.idle_after,
                message_bytes_max: MESSAGE_BYTES_MAX,
                ..Manners::default()
            },
            identity: context.identity,
            position,
            has_stepped: false,
        })
    }

    /// Connects, listens and waits by turns, until the outlet closes.
    async fn listen(mut self, outlet: Outlet) -> Result<Infallible, Closed> {
        let cursor = self.position.as_ref().map(Position::cursor);
        let mut basket = Basket::new(outlet, self.identity.clone(), cursor);
        loop {
            let (setback, why) = Box::pin(self.listen_once(&mut basket)).await?;
            let next = self.hosts.after(setback, clock::now(), fastrand::f64());
            basket.wait_out(next, why).await?;
        }
    }

    /// One connection, from the first try to its end; gives what went wrong.
    async fn listen_once(&mut self, basket: &mut Basket) -> Result<(Setback, String), Closed> {
        let seq = self.position.as_ref().and_then(|position| position.seq);
        let url = url(self.hosts.current(), seq).expect("the host was read when the feed was made");
        let connecting = Box::pin(Socket::connect(&url, &self.manners));
        let mut socket = match basket.during(connecting).await? {
            Ok(socket) => socket,
            Err(error) => return Ok((self.refused(&error, basket), error.in_words())),
        };
        let mut session = self.begin(seq.is_some(), basket);
        let end = loop {
            tokio::select! {
                biased;
                () = basket.due() => {}
                heard = socket.next() => match self.hear(heard, &mut session, basket) {
                    Some(end) => break Ok(end),
                    None if basket.is_full() => {}
                    None => continue,
                },
            }
            match basket.hand_over() {
                Ok(held_up) => {
                    socket.excuse(held_up);
                    session.excuse(held_up);
                }
                Err(Closed) => break Err(Closed),
            }
        };
        socket.close().await;
        self.hosts.delivered(session.lived());
        end
    }

    /// What a connection that was not made means for the next one.
    fn refused(&mut self, error: &websocket::Error, basket: &mut Basket) -> Setback {
        match error {
            // Most servers say so in the stream.
            websocket::Error::Answer {
                status: 400, words, ..
            } if words.contains(frame::FUTURE_CURSOR) => {
                self.go_to(None, Timestamp::FIRST, basket);
                Setback::Failed
            }
            _ => error.setback(),
        }
    }

    /// A connection is open. One without a number begins now: what came before is not heard any more.
    fn begin(&mut self, resumes: bool, basket: &mut Basket) -> Session {
        if resumes {
            basket.stand(Standing::CatchingUp);
        } else {
            let now = clock::now();
            if let Some(position) = &self.position {
                basket.miss(position.time()..now);
            }
            self.go_to(None, now, basket);
            basket.stand(Standing::Live);
        }
        Session::new(resumes, clock::start())
    }

    /// Takes what the connection brings; gives why it is over, if it is.
    fn hear(
        &mut self,
        heard: Result<Heard, websocket::Error>,
        session: &mut Session,
        basket: &mut Basket,
    ) -> Option<(Setback, String)> {
        let now = clock::now();
        if heard.is_ok() {
            session.alive_at = clock::start();
        }
        match heard {
            Ok(Heard::Message(message)) => {
                session.message_at = session.alive_at;
                return self.read(&message, session, now, basket);
            }
            Ok(Heard::SignOfLife) if session.is_prompt || session.is_quiet() => {
                self.hear_silence(session, now, basket);
            }
            Ok(Heard::SignOfLife) => {}
            Err(error) => {
                if let Some(reject) = error.reject() {
                    basket.drop_frame(reject);
                    self.step_over(basket);
                }
                return Some((error.setback(), error.in_words()));
            }
        }
        None
    }

    fn read(
        &mut self,
        message: &[u8],
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) -> Option<(Setback, String)> {
        basket.begin_frame();
        match frame::read(message) {
            Frame::Fault(fault) => return Some(self.fail(&fault, basket)),
            Frame::Info(info) => {
                session.is_outdated |= info.name == frame::OUTDATED_CURSOR;
                basket.put(Ok(Item::Skipped), now);
            }
            Frame::Event(place, what) => {
                let at = place.at();
                match what {
                    What::Commit(commit) => {
                        record::read(&commit, at, &self.source, |item| basket.put(item, now));
                    }
                    What::Other => basket.put(Ok(Item::Skipped), now),
                    What::Unreadable(reject) => basket.put(Err(reject), now),
                }
                self.pass(place.seq, at, session, now, basket);
            }
            Frame::Unknown => basket.put(Ok(Item::Skipped), now),
            Frame::Unreadable(reject) => basket.put(Err(reject), now),
        }
        None
    }

    /// An event has been read: the position moves on.
    fn pass(
        &mut self,
        seq: u64,
        at: Option<Timestamp>,
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) {
        let at = at.map_or(now, |at| at.min(now));
        if let (true, Some(last)) = (session.is_first, &self.position) {
            // Numbers rise, and the first one asked for lies behind ours. If not, they are the numbers of another time.
            let counts_anew = last.seq.is_some_and(|last| seq <= last);
            if counts_anew || session.is_outdated {
                basket.miss(last.time()..at);
            }
        }
        session.is_first = false;
        session.is_outdated = false;
        self.has_stepped = false;
        session.tide.take(at);
        let heard = session.tide.reaches();
        if let Some(heard) = heard {
            let age_ms = now.as_millis() - heard.as_millis();
            session.is_prompt = age_ms <= LAG_MS;
            basket.heard(heard);
            basket.stand(if age_ms < LIVE_MS {
                Standing::Live
            } else {
                Standing::CatchingUp
            });
        }
        self.go_to(Some(seq), heard.unwrap_or(Timestamp::FIRST), basket);
    }

    /// The server lives and has nothing to tell: all that there was has been heard.
    fn hear_silence(&mut self, session: &mut Session, now: Timestamp, basket: &mut Basket) {
        let heard = wait::before(now, LAG);
        if let (true, Some(position)) = (session.is_outdated, &self.position) {
            basket.miss(position.time()..now);
        }
        session.is_outdated = false;
        session.is_prompt = true;
        session.tide = Tide::default();
        basket.heard(heard);
        basket.stand(Standing::Live);
        let seq = self.position.as_ref().and_then(|position| position.seq);
        self.go_to(seq, heard, basket);
    }

    /// What comes next cannot be taken, and would come again at each resume. Where numbers rise by one, as they do,
    /// it alone is left out; if that does not help we go on with what happens then.
    fn step_over(&mut self, basket: &mut Basket) {
        let seq = self.position.as_ref().and_then(|position| position.seq);
        let next = seq
            .filter(|_| !self.has_stepped)
            .and_then(|seq| seq.checked_add(1));
        self.has_stepped = true;
        self.go_to(next, Timestamp::FIRST, basket);
    }

    /// The server says why it is about to close.
    fn fail(&mut self, fault: &Fault<'_>, basket: &mut Basket) -> (Setback, String) {
        if fault.error == frame::FUTURE_CURSOR {
            self.go_to(None, Timestamp::FIRST, basket);
        }
        let why = format!("{} ends it: {fault}", self.hosts.current());
        (Setback::Failed, fit_to_show(&why))
    }

    /// Sets the number to go on after, and how far was heard if that is farther than before.
    fn go_to(&mut self, seq: Option<u64>, heard: Timestamp, basket: &mut Basket) {
        let last_ms = self.position.as_ref().map(|last| last.time_ms);
        let position = Position {
            host: self.hosts.current().to_owned(),
            seq,
            time_ms: last_ms.unwrap_or(0).max(heard.as_millis()),
        };
        basket.cursor = Some(position.cursor());
        self.position = Some(position);
    }
}

/// What is known of the connection in hand.
struct Session {
    /// The next event is the first one after a resume.
    is_first: bool,
    /// The server has said that it no longer has what comes after the cursor.
    is_outdated: bool,
    /// All that there was has been heard, a moment ago.
    is_prompt: bool,
    /// The times of the events since it was last silent.
    tide: Tide,
    since: Instant,
    message_at: Instant,
    alive_at: Instant,
}

impl Session {
    fn new(resumes: bool, now: Instant) -> Self {
        Self {
            is_first: resumes,
            is_outdated: false,
            is_prompt: !resumes,
            tide: Tide::default(),
            since: now,
            message_at: now,
            alive_at: now,
        }
    }

    /// Time in which we did not listen is no silence of the server, and may have left us behind.
    fn excuse(&mut self, duration: Duration) {
        self.message_at += duration;
        self.is_prompt &= duration < LAG;
    }

    /// Whether the server has shown that it lives, long after its last message.
    fn is_quiet(&self) -> bool {
        self.alive_at.saturating_duration_since(self.message_at) >= QUIET_AFTER
    }

    fn lived(&self) -> Duration {
        self.alive_at.duration_since(self.since)
    }
}

impl Feed for Atproto {
    fn run(self: Box<Self>, outlet: Outlet) {
        websocket::run(outlet, |outlet| self.listen(outlet));
    }
}

impl Position {
    /// Reads the cursor of a feed from `host`.
    fn read(cursor: &Cursor, host: &str) -> Result<Self, Error> {
        let Cursor::Token(token) = cursor else {
            return Err(Error::Cursor("a place in a file".to_owned()));
        };
        serde_json::from_str(token)
            .ok()
            .filter(|position: &Self| position.host == host)
            .ok_or_else(|| Error::Cursor(token.clone()))
    }

    fn cursor(&self) -> Cursor {
        Cursor::Token(serde_json::to_string(self).expect("text and numbers are JSON"))
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.time_ms).unwrap_or(Timestamp::FIRST)
    }
}

/// What to ask `host` for, to go on after `seq` or with what happens now; none if `host` is no host.
fn url(host: &str, seq: Option<u64>) -> Option<Uri> {
    let origin = if host.contains("://") {
        host.to_owned()
    } else {
        format!("wss://{host}")
    };
    let origin = Uri::from_str(origin.trim_end_matches('/')).ok()?;
    let is_websocket = matches!(origin.scheme_str(), Some("ws" | "wss"));
    if !is_websocket || origin.path() != "/" || origin.query().is_some() {
        return None;
    }
    let cursor = seq.map_or_else(String::new, |seq| format!("?cursor={seq}"));
    Uri::from_str(&format!(
        "{origin}xrpc/com.atproto.sync.subscribeRepos{cursor}"
    ))
    .ok()
}

fn duration<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Duration>, D::Error> {
    polling::duration(reader).map(Some)
}

/// For `fuzz/targets/repository.rs`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::frame::{Frame, What};
    use super::{frame, record};
    use crate::post::{Item, Reject};

    /// What the commit in a frame holds, each as its feed would hand it on.
    pub fn read(message: &[u8], mut each: impl FnMut(Result<Item<'_>, Reject>)) {
        if let Frame::Event(place, What::Commit(commit)) = frame::read(message) {
            record::read(&commit, place.at(), "atproto:host", |item| each(item));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "pds.example";

    fn options(host: &str) -> Options {
        Options {
            host: host.to_owned(),
            allow_private: false,
            idle_after: None,
        }
    }

    fn feed(host: &str, cursor: Option<&Cursor>) -> Result<Atproto, Error> {
        let context = Context {
            identity: Identity::new([0; 16]),
        };
        Atproto::new(&options(host), context, cursor)
    }

    fn asked(host: &str, seq: Option<u64>) -> String {
        url(host, seq).expect("a host").to_string()
    }

    #[test]
    fn a_host_is_asked_for_what_comes_after_the_number_or_for_what_happens_now() {
        assert_eq!(
            asked(HOST, Some(77)),
            "wss://pds.example/xrpc/com.atproto.sync.subscribeRepos?cursor=77"
        );
        assert_eq!(
            asked("ws://127.0.0.1:2583/", None),
            "ws://127.0.0.1:2583/xrpc/com.atproto.sync.subscribeRepos"
        );
    }

    #[test]
    fn what_is_no_host_is_refused_before_anything_is_connected_to() {
        for wrong in [
            "",
            "https://a",
            "wss://a/path",
            "wss://a?x=1",
            "a b",
            "wss://",
        ] {
            assert!(matches!(feed(wrong, None), Err(Error::Host(_))), "{wrong}");
            assert!(open(Asked::Url(wrong.to_owned())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn posts_are_counted_under_the_host_however_it_is_written() {
        for host in ["pds.example", "wss://pds.example", "ws://pds.example/"] {
            assert_eq!(
                feed(host, None).expect("a host").source,
                "atproto:pds.example"
            );
        }
        let port = feed("ws://127.0.0.1:2583", None).expect("a host");
        assert_eq!(port.source, "atproto:127.0.0.1:2583");
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_one_of_another_feed_or_host_is_refused() {
        let last = Position {
            host: HOST.to_owned(),
            seq: Some(77),
            time_ms: 1_783_175_888_090,
        };
        let made = feed(HOST, Some(&last.cursor())).expect("our own cursor");
        assert_eq!(made.position, Some(last.clone()));
        let other_host = last.cursor();
        assert!(matches!(
            feed("pds.other", Some(&other_host)),
            Err(Error::Cursor(_))
        ));
        for token in [
            "",
            "{}",
            "7",
            r#"{"protocol":"v2","host":"pds.example","seq":1,"time_us":1}"#,
            r#"{"protocol":"v2","host":"pds.example","seq":1,"time_ms":1}"#,
        ] {
            let cursor = Cursor::Token(token.to_owned());
            assert!(
                matches!(feed(HOST, Some(&cursor)), Err(Error::Cursor(_))),
                "{token}"
            );
        }
    }

    #[test]
    fn options_are_read_as_people_write_them_and_an_unknown_one_is_an_error() {
        let read =
            |text: &str| Asked::Table(text.parse().expect("TOML")).options::<Options>("host");
        let all = read("host = \"a\"\nallow_private = true\nidle_after = \"10m\"").expect("good");
        assert_eq!(
            (all.allow_private, all.idle_after),
            (true, Some(Duration::from_mins(10)))
        );
        let few = read("host = \"a\"").expect("good");
        assert_eq!((few.allow_private, few.idle_after), (false, None));
        for wrong in [
            "",
            "hosts = [\"a\"]",
            "host = \"a\"\nidle_after = \"-1s\"",
            "host = \"a\"\nport = 5",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
