//! Bluesky, by Jetstream: every public post of the network, as JSON over a websocket.
//!
//! Specification: <https://github.com/bluesky-social/jetstream>. Asked for are the records `app.bsky.feed.post` and
//! nothing else; replies, quotes and edits are among them, reposts are not, since they carry no text. Both protocols
//! are spoken: v2 of 2026, and v1, which older servers have. What the messages hold is read by `format/jetstream.rs`.
//!
//! The cursor names protocol, host, sequence number and time of the last event. On the same host v2 goes on at the
//! sequence number, which is inclusive: the repeated event is left out. Everywhere else it goes on by time, a little
//! earlier, and the store leaves the repeats out. Where a host no longer has what comes after the cursor, or began to
//! count anew, the stretch is told as a gap: not heard, rather than silent. A new database starts at the live tip.
//!
//! Its manners are those of [`super::websocket`]: one connection, named, with pauses between tries that grow, and
//! waits as it is told. `tests/it/bluesky.rs` holds it against a server that cuts, refuses, stalls and forgets.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize};
use tokio_tungstenite::tungstenite::http::Uri;

use super::contract::{Closed, Feed, Outlet, Standing};
use super::file::Context;
use super::websocket::basket::Basket;
use super::websocket::hosts::{Hosts, Setback};
use super::websocket::{self, Heard, MESSAGE_BYTES_MAX, Manners, Socket, fit_to_show};
use super::{Asked, Kind, LiveFeed};
use crate::clock;
use crate::post::{Cursor, Identity};
use crate::time::Timestamp;

/// The public posts of Bluesky.
pub const KIND: Kind = Kind {
    name: "bluesky",
    about: "every public post of Bluesky, live, by Jetstream; no key, no account",
    open: Some(open),
};

/// `bluesky:` for the public hosts, `bluesky:HOST` for one, or a table with [`Options`].
fn open(asked: Asked) -> Result<LiveFeed, String> {
    let options: Options = match asked {
        Asked::Url(host) if host.is_empty() => Options::default(),
        Asked::Url(host) => Options {
            hosts: vec![host],
            ..Options::default()
        },
        Asked::Table(table) => table.try_into().map_err(|error| error.to_string())?,
    };
    let name = match &options.hosts[..] {
        [] => KIND.name.to_owned(),
        hosts => format!("{}:{}", KIND.name, hosts.join(",")),
    };
    Ok(LiveFeed {
        name,
        start: Box::new(move |context, cursor| {
            let feed =
                Bluesky::new(&options, context, cursor).map_err(|error| error.to_string())?;
            Ok(Box::new(feed))
        }),
    })
}

/// Public hosts of v2, from the protocol's documentation.
const HOSTS_V2: [&str; 2] = [
    "jetstream.us-east.bsky.network",
    "jetstream.us-west.bsky.network",
];
/// Public hosts of v1.
const HOSTS_V1: [&str; 4] = [
    "jetstream1.us-east.bsky.network",
    "jetstream2.us-east.bsky.network",
    "jetstream1.us-west.bsky.network",
    "jetstream2.us-west.bsky.network",
];
/// How far a cursor of time goes back: hosts see an event at different times, and v1 disorders them.
const REWIND_MS: i64 = 10_000;
/// Events older than this are what was missed; younger ones are live.
const LIVE_MS: i64 = 30_000;
/// A stream this close to the present is taken to have heard everything before that, once the peer shows it lives.
const LAG_MS: i64 = 5_000;

/// Settings of the feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Hosts of one network, in order of preference: `HOST`, `wss://HOST[:PORT]`, or `ws://HOST[:PORT]` for a server
    /// of one's own. Empty: the public ones of the protocol.
    pub hosts: Vec<String>,
    /// Which protocol they speak. Default: `v2`.
    pub protocol: Protocol,
    /// Hosts may be in a private network or on this machine. Default: false.
    pub allow_private: bool,
    /// A connection without an event for so long is given up, as `"60s"`. Default: a minute, in which the public
    /// hosts bring thousands; a server of one's own with few posts needs more.
    #[serde(deserialize_with = "duration")]
    pub idle_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            protocol: Protocol::V2,
            allow_private: false,
            idle_after: Duration::from_mins(1),
        }
    }
}

/// The versions of Jetstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Of August 2026, with sequence numbers.
    V2,
    /// Of 2024, with times alone.
    V1,
}

/// Why the feed cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A host that is none.
    #[error("read the host {0:?}: use HOST, wss://HOST or ws://HOST:PORT")]
    Host(String),
    /// A cursor that another feed or a later version wrote.
    #[error("go on with bluesky at {0:?}: this is no cursor of it")]
    Cursor(String),
}

/// The last event that was heard: what the cursor holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    protocol: Protocol,
    host: String,
    /// Of v2; means nothing on another host.
    seq: Option<u64>,
    /// Microseconds since the Unix epoch; never later than the moment it was heard.
    time_us: i64,
}

/// See the module.
pub struct Bluesky {
    protocol: Protocol,
    hosts: Hosts,
    manners: Manners,
    identity: Identity,
    position: Option<Position>,
    /// The host no longer has what comes after the position: go on live.
    is_lost: bool,
}

impl Bluesky {
    /// A feed that goes on at `cursor`, or starts at the live tip.
    pub fn new(
        options: &Options,
        context: Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let protocol = options.protocol;
        let public = match protocol {
            Protocol::V2 => &HOSTS_V2[..],
            Protocol::V1 => &HOSTS_V1[..],
        };
        let names = if options.hosts.is_empty() {
            public.iter().map(|&host| host.to_owned()).collect()
        } else {
            options.hosts.clone()
        };
        if let Some(wrong) = names
            .iter()
            .find(|name| url(protocol, name, None).is_none())
        {
            return Err(Error::Host(wrong.clone()));
        }
        let position = cursor.map(Position::read).transpose()?;
        let mut hosts = Hosts::new(names).expect("an empty list was replaced by the public hosts");
        if let Some(position) = &position {
            hosts.prefer(&position.host);
        }
        Ok(Self {
            protocol,
            hosts,
            manners: Manners {
                allow_private: options.allow_private,
                idle_after: Some(options.idle_after),
                ..Manners::default()
            },
            identity: context.identity,
            position,
            is_lost: false,
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
        let asked = self.position.as_ref().filter(|_| !self.is_lost).cloned();
        let url = url(self.protocol, self.hosts.current(), asked.as_ref())
            .expect("every host was read when the feed was made");
        let connecting = Box::pin(Socket::connect(&url, &self.manners));
        let mut socket = match basket.during(connecting).await? {
            Ok(socket) => socket,
            Err(error) => return Ok((self.refused(&error), error.in_words())),
        };
        let mut session = self.begin(asked.is_some(), basket);
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
        if let Some(since) = session.delivers_since {
            self.hosts.delivered(since.elapsed());
        }
        end
    }

    /// What a connection that was not made means for the next one.
    fn refused(&mut self, error: &websocket::Error) -> Setback {
        let websocket::Error::Answer {
            status: 400, words, ..
        } = error
        else {
            return error.setback();
        };
        let Some(position) = &mut self.position else {
            return error.setback();
        };
        if words.contains(wire::CURSOR_TOO_OLD) {
            self.is_lost = true;
            Setback::Failed
        } else if position.seq.is_some() && !words.contains('{') {
            // The reason has not come along. A time is never refused, only moved up: ask by it.
            position.seq = None;
            Setback::Failed
        } else {
            error.setback()
        }
    }

    fn begin(&mut self, resumes: bool, basket: &mut Basket) -> Session {
        let now = clock::now();
        if let (true, Some(position)) = (self.is_lost, &mut self.position) {
            basket.miss(position.time()..now);
            position.seq = None;
        }
        self.is_lost = false;
        basket.stand(if resumes {
            Standing::CatchingUp
        } else {
            Standing::Live
        });
        Session {
            is_first: resumes,
            is_outdated: false,
            is_prompt: !resumes,
            delivers_since: None,
            message_at: clock::start(),
            readable_at: clock::start(),
        }
    }

    /// Takes what the connection brings; gives why it is over, if it is.
    fn hear(
        &mut self,
        heard: Result<Heard, websocket::Error>,
        session: &mut Session,
        basket: &mut Basket,
    ) -> Option<(Setback, String)> {
        let now = clock::now();
        match heard {
            Ok(Heard::Message(frame)) => {
                session.delivers_since.get_or_insert_with(clock::start);
                session.message_at = clock::start();
                return self.read(&frame, session, now, basket);
            }
            Ok(Heard::SignOfLife) if session.has_nothing_left() => {
                session.is_prompt = true;
                basket.heard(earlier(now, LAG_MS));
                basket.stand(Standing::Live);
            }
            Ok(Heard::SignOfLife) => {}
            Err(error) => {
                if let Some(reject) = error.reject() {
                    basket.drop_frame(reject);
                }
                return Some((error.setback(), error.in_words()));
            }
        }
        None
    }

    fn read(
        &mut self,
        frame: &[u8],
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) -> Option<(Setback, String)> {
        match wire::read(frame) {
            wire::Frame::Fault { name, message } => {
                self.is_lost |= name == wire::CURSOR_TOO_OLD && self.position.is_some();
                let why = format!("{} ends it: {name} {message}", self.hosts.current());
                return Some((Setback::Failed, fit_to_show(&why)));
            }
            wire::Frame::Info { name } => {
                session.readable_at = clock::start();
                session.is_outdated |= name == wire::OUTDATED_CURSOR;
                basket.take(frame, now);
            }
            wire::Frame::Event { seq, time_us } => {
                session.readable_at = clock::start();
                let position = Position {
                    protocol: self.protocol,
                    host: self.hosts.current().to_owned(),
                    seq,
                    time_us: time_us.min(now.as_millis() * 1_000),
                };
                if !self.is_repeat(&position, session) {
                    self.take(frame, position, session, now, basket);
                }
            }
            wire::Frame::Unreadable => {
                basket.take(frame, now);
                return self.out_of_patience(session);
            }
        }
        None
    }

    /// Whether nothing that can be read has come for as long as a silent connection would be borne: everybody else
    /// would wait for a peer that babbles.
    fn out_of_patience(&self, session: &Session) -> Option<(Setback, String)> {
        let patience = self.manners.idle_after?;
        (session.readable_at.elapsed() > patience).then(|| {
            let (host, seconds) = (self.hosts.current(), patience.as_secs_f64());
            let why = format!("hear from {host}: nothing that can be read for {seconds} s");
            (Setback::Failed, fit_to_show(&why))
        })
    }

    /// Whether the event was heard before. The first one after a resume is the one at the cursor; an earlier one
    /// means that the server counts anew, so that its numbers say nothing about ours.
    fn is_repeat(&self, event: &Position, session: &Session) -> bool {
        let Some((last, seq)) = self.last_seq(event).zip(event.seq) else {
            return false;
        };
        if session.is_first {
            seq == last
        } else {
            seq <= last
        }
    }

    /// The number of the last event, where it can be compared with that of `event`.
    fn last_seq(&self, event: &Position) -> Option<u64> {
        let last = self.position.as_ref()?;
        (last.host == event.host && last.protocol == event.protocol)
            .then_some(last.seq)
            .flatten()
    }

    fn take(
        &mut self,
        frame: &[u8],
        mut event: Position,
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) {
        if let (true, Some(last)) = (session.is_first, &self.position) {
            let begins_anew = self.last_seq(&event) > event.seq;
            let is_far = event.time_us > last.time_us.saturating_add(REWIND_MS * 1_000);
            if begins_anew || session.is_outdated || is_far {
                basket.miss(last.time()..event.time());
            }
        }
        session.is_first = false;
        basket.take(frame, now);
        basket.heard(event.time());
        let age_ms = now.as_millis() - event.time().as_millis();
        session.is_prompt = age_ms <= LAG_MS;
        basket.stand(if age_ms < LIVE_MS {
            Standing::Live
        } else {
            Standing::CatchingUp
        });
        // Around the switch from replay to live v1 disorders events.
        let last_us = self.position.as_ref().map(|last| last.time_us);
        event.time_us = event.time_us.max(last_us.unwrap_or(0));
        basket.cursor = Some(event.cursor());
        self.position = Some(event);
    }
}

/// What is known of the connection in hand.
struct Session {
    /// The next event is the first one after a resume.
    is_first: bool,
    /// The host has said that it no longer has what comes after the cursor.
    is_outdated: bool,
    /// The last event came hardly later than the host saw it.
    is_prompt: bool,
    /// When the first message came.
    delivers_since: Option<Instant>,
    /// When the last message came.
    message_at: Instant,
    /// When the last message came that could be read.
    readable_at: Instant,
}

impl Session {
    /// Whether all that the host has was heard: it keeps up, or it lives and has had nothing to say for a while.
    fn has_nothing_left(&self) -> bool {
        self.is_prompt || self.message_at.elapsed().as_millis() >= LAG_MS.unsigned_abs().into()
    }

    /// Time in which we did not listen is no silence of the peer.
    fn excuse(&mut self, duration: Duration) {
        self.message_at += duration;
        self.readable_at += duration;
    }
}

impl Feed for Bluesky {
    fn run(self: Box<Self>, outlet: Outlet) {
        websocket::run(outlet, |outlet| self.listen(outlet));
    }
}

impl Position {
    fn read(cursor: &Cursor) -> Result<Self, Error> {
        match cursor {
            Cursor::Token(token) => {
                serde_json::from_str(token).map_err(|_| Error::Cursor(token.clone()))
            }
            Cursor::Place(_) => Err(Error::Cursor("a place in a file".to_owned())),
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor::Token(serde_json::to_string(self).expect("text and numbers are JSON"))
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.time_us.div_euclid(1_000)).unwrap_or(Timestamp::FIRST)
    }
}

/// `millis` before `time`, or the first instant there is.
fn earlier(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(time.as_millis() - millis).unwrap_or(Timestamp::FIRST)
}

/// What to ask `host` for, to go on after `position` or from the live tip; none if `host` is no host.
fn url(protocol: Protocol, host: &str, position: Option<&Position>) -> Option<Uri> {
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
    let path = match protocol {
        Protocol::V2 => {
            "xrpc/network.bsky.jetstream.subscribeEvents?kinds=commit&collections=app.bsky.feed.post"
        }
        Protocol::V1 => "subscribe?wantedCollections=app.bsky.feed.post",
    };
    let cursor = position.map_or_else(String::new, |position| {
        format!("&cursor={}", cursor_for(protocol, host, position))
    });
    // A frame over our cap would end the connection, again after each resume: the server shall leave it out.
    let asked = format!("{origin}{path}&maxMessageSizeBytes={MESSAGE_BYTES_MAX}{cursor}");
    Uri::from_str(&asked).ok()
}

/// The sequence number where `host` gave it, else a time in microseconds.
fn cursor_for(protocol: Protocol, host: &str, position: &Position) -> i128 {
    let is_same = (protocol, host) == (position.protocol, &*position.host);
    match position.seq {
        Some(seq) if is_same && protocol == Protocol::V2 => i128::from(seq),
        _ => i128::from(position.time_us) - i128::from(REWIND_MS) * 1_000,
    }
}

/// A duration as people write it: `"60s"`, `"10m"`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let signed: jiff::SignedDuration = text.parse().map_err(serde::de::Error::custom)?;
    Duration::try_from(signed).map_err(serde::de::Error::custom)
}

/// The envelopes of both protocols, as far as the cursor needs them; the posts in them are read by `format/`.
mod wire {
    use std::borrow::Cow;

    use serde::Deserialize;

    use crate::time::Timestamp;

    /// The host no longer has the event at the cursor.
    pub(super) const CURSOR_TOO_OLD: &str = "CursorTooOld";
    /// The host no longer has the time at the cursor, and has moved it up.
    pub(super) const OUTDATED_CURSOR: &str = "OutdatedCursor";

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Envelope<'a> {
        #[serde(borrow, rename = "$type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        error: Cow<'a, str>,
        #[serde(borrow)]
        message: Cow<'a, str>,
        #[serde(borrow)]
        payload: Option<Payload<'a>>,
        time_us: Option<i64>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(borrow, rename = "$type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        name: Cow<'a, str>,
        seq: Option<u64>,
        #[serde(borrow)]
        time: Cow<'a, str>,
        /// When this host saw it: what a cursor of time means. Servers of the first weeks leave it out.
        #[serde(borrow, rename = "witnessedAt")]
        witnessed_at: Option<Cow<'a, str>>,
    }

    impl Payload<'_> {
        fn seen_at(&self) -> Option<Timestamp> {
            let time = self.witnessed_at.as_ref().unwrap_or(&self.time);
            time.parse().ok()
        }
    }

    /// What a frame is.
    pub(super) enum Frame {
        /// The server is about to close.
        Fault { name: String, message: String },
        /// Something about the stream itself.
        Info { name: String },
        /// Something that happened, with its place.
        Event { seq: Option<u64>, time_us: i64 },
        /// Anything else: it has no place.
        Unreadable,
    }

    pub(super) fn read(frame: &[u8]) -> Frame {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(frame) else {
            return Frame::Unreadable;
        };
        if envelope.kind == "error" {
            return Frame::Fault {
                name: envelope.error.into_owned(),
                message: envelope.message.into_owned(),
            };
        }
        match (envelope.payload, envelope.time_us) {
            (Some(payload), _) if payload.kind.ends_with("#info") => Frame::Info {
                name: payload.name.into_owned(),
            },
            (Some(payload), _) => match (payload.seq, payload.seen_at()) {
                (Some(seq), Some(time)) => Frame::Event {
                    seq: Some(seq),
                    time_us: time.as_millis() * 1_000,
                },
                _ => Frame::Unreadable,
            },
            (None, Some(time_us)) if time_us > 0 => Frame::Event { seq: None, time_us },
            _ => Frame::Unreadable,
        }
    }
}

/// For `fuzz/targets/jetstream.rs`.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Whether a frame would move the cursor.
    pub fn has_place(frame: &[u8]) -> bool {
        matches!(super::wire::read(frame), super::wire::Frame::Event { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "jetstream.us-east.bsky.network";

    fn position(seq: Option<u64>) -> Position {
        Position {
            protocol: Protocol::V2,
            host: HOST.to_owned(),
            seq,
            time_us: 1_783_175_888_090_631,
        }
    }

    fn asked(protocol: Protocol, host: &str, position: Option<&Position>) -> String {
        url(protocol, host, position).expect("a host").to_string()
    }

    fn feed(options: &Options, cursor: Option<&Cursor>) -> Result<Bluesky, Error> {
        let context = Context {
            identity: Identity::new([0; 16]),
        };
        Bluesky::new(options, context, cursor)
    }

    #[test]
    fn a_sequence_number_is_for_the_host_that_gave_it_and_a_time_for_every_other() {
        let position = position(Some(77));
        assert_eq!(
            asked(Protocol::V2, HOST, Some(&position)),
            "wss://jetstream.us-east.bsky.network/xrpc/network.bsky.jetstream.subscribeEvents\
             ?kinds=commit&collections=app.bsky.feed.post&maxMessageSizeBytes=1048576&cursor=77"
        );
        let by_time = "&cursor=1783175878090631";
        assert!(asked(Protocol::V2, "ws://[::1]:7/", Some(&position)).ends_with(by_time));
        assert!(asked(Protocol::V1, HOST, Some(&position)).ends_with(by_time));
        assert_eq!(
            asked(Protocol::V1, "ws://localhost:6008", None),
            "ws://localhost:6008/subscribe?wantedCollections=app.bsky.feed.post&maxMessageSizeBytes=1048576"
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
            let options = Options {
                hosts: vec![HOST.to_owned(), wrong.to_owned()],
                ..Options::default()
            };
            assert!(
                matches!(feed(&options, None), Err(Error::Host(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_its_host_is_asked_first() {
        let last = Position {
            host: HOSTS_V2[1].to_owned(),
            ..position(Some(77))
        };
        let feed = feed(&Options::default(), Some(&last.cursor())).expect("our own cursor");
        assert_eq!(feed.hosts.current(), HOSTS_V2[1]);
        assert_eq!(feed.position, Some(last));
    }

    #[test]
    fn a_cursor_of_another_feed_is_refused() {
        for token in [
            "",
            "{}",
            "7",
            r#"{"protocol":"v9","host":"a","seq":1,"time_us":1}"#,
        ] {
            let cursor = Cursor::Token(token.to_owned());
            let made = feed(&Options::default(), Some(&cursor));
            assert!(matches!(made, Err(Error::Cursor(_))), "{token}");
        }
    }

    #[test]
    fn options_are_read_as_people_write_them_and_an_unknown_one_is_an_error() {
        let read = |text| serde_json::from_str::<Options>(text);
        let options = read(r#"{"hosts":["a"],"protocol":"v1","idle_after":"10m"}"#).expect("good");
        assert_eq!((options.protocol, options.hosts.len()), (Protocol::V1, 1));
        assert_eq!(options.idle_after, Duration::from_mins(10));
        for wrong in [
            r#"{"host":"a"}"#,
            r#"{"idle_after":"-1s"}"#,
            r#"{"protocol":"v3"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_quiet_host_that_lives_has_nothing_left_to_make_up_for() {
        let last = position(Some(77)).cursor();
        let mut feed = feed(&Options::default(), Some(&last)).expect("our own cursor");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let (outlet, batches) = Outlet::open();
            let mut basket = Basket::new(outlet, Identity::new([0; 16]), None);
            let mut session = feed.begin(true, &mut basket);
            let mut after = |session: &mut Session| {
                let end = feed.hear(Ok(Heard::SignOfLife), session, &mut basket);
                assert_eq!(end, None);
                basket.hand_over().expect("it is listened to");
                batches.recv().expect("a batch")
            };
            let batch = after(&mut session);
            assert_eq!(
                (batch.heard_until, batch.standing),
                (None, Some(Standing::CatchingUp)),
                "what it has may be on its way"
            );
            let while_ago = Duration::from_millis(LAG_MS.unsigned_abs());
            session.message_at = clock::start().checked_sub(while_ago).expect("a while");
            let batch = after(&mut session);
            assert!(batch.heard_until.is_some());
            assert_eq!(batch.standing, Some(Standing::Live));
        });
    }

    #[test]
    fn only_what_happened_has_a_place() {
        let is_event =
            |frame: &str| matches!(wire::read(frame.as_bytes()), wire::Frame::Event { .. });
        for event in [
            r#"{"$type":"message","payload":{"$type":"x#commit","seq":1,"time":"2026-11-22T07:00:00.329308Z"}}"#,
            r#"{"$type":"message","payload":{"$type":"x#identity","seq":1,"time":"2026-11-22T07:00:00Z","identity":{"seq":9}}}"#,
            r#"{"did":"did:plc:a","time_us":1783175888090631,"kind":"account","cursor":5}"#,
            r#"{"$type":"message","payload":{"$type":"x#commit","seq":1,"time":"imported","witnessedAt":"2026-11-22T07:00:00Z"}}"#,
        ] {
            assert!(is_event(event), "{event}");
        }
        for other in [
            r#"{"$type":"message","payload":{"$type":"x#info","name":"OutdatedCursor","seq":1,"time":"2026-11-22T07:00:00Z"}}"#,
            r#"{"$type":"message","payload":{"$type":"x#commit","seq":-1,"time":"2026-11-22T07:00:00Z"}}"#,
            r#"{"$type":"message","payload":{"$type":"x#commit","seq":1,"time":"soon"}}"#,
            r#"{"$type":"error","error":"CursorTooOld","time_us":5}"#,
            r#"{"time_us":-5}"#,
            r#"{"time_us":"5"}"#,
            "[]",
            "",
        ] {
            assert!(!is_event(other), "{other}");
        }
    }
}
