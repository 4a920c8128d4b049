//! Nostr, by one relay: the notes it is sent, as JSON over a websocket.
//!
//! Specification: <https://github.com/nostr-protocol/nips>, NIP-01 above all. Asked for are notes (kind 1) and reposts
//! (6 and 16), which count where they carry the text that they repeat. Articles (30023) are not: they are written over
//! days and say little about the minute. Deletions (5) are not: what was posted was posted. What an event holds is
//! read by `format/nostr.rs`, after its id and its signature were checked and that it is what was asked for; what does
//! not hold is counted as `signature` or `unasked`. So a relay can keep silent about a note, but cannot make one up.
//!
//! Each relay is a feed of its own. A note has the same id on all of them and counts once.
//!
//! The only time that the protocol knows is the author's claim, and a note counts in the minute that it claims. It is
//! not moved to when we heard of it, although the claim may be wrong: a note comes from several relays and again after
//! each cut, and only what is signed is the same each time. Moved to our time it could join a minute that is open when
//! its first copy is settled and forgotten, and count twice. A claim of more than five minutes ahead is rejected; one
//! from before the lateness bound is called late by the tracker, as everywhere.
//!
//! The cursor names relay, time and id of the newest note; a future date does not push it. After a cut or a restart
//! the relay is asked for all from a minute before that, page by page ([`backlog`]), and for what comes in meanwhile;
//! the store leaves the repeats out. What the relay has forgotten, or has too much of, is told as a gap. A new
//! database starts at the live tip. A relay where nothing happens has been heard as long as it answers pings, so that
//! it holds nobody up.
//!
//! Its manners are those of [`super::websocket`]: one connection, named, pauses between tries that grow, waits as it is
//! told. A relay that wants us to log in or to pay is told of as refusing. `tests/it/nostr.rs` holds it against a relay
//! that others wrote, and one that cuts, refuses, stalls, forgets and lies.

mod backlog;
mod event;
mod wire;

use std::convert::Infallible;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize};
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::http::uri::Authority;

use self::backlog::{Backlog, Mark, Page};
use self::event::Event;
use self::wire::{Filter, PAGE_LEN, Said};
use super::contract::{Closed, Feed, Outlet, Standing};
use super::file::Context;
use super::http::polling;
use super::websocket::basket::Basket;
use super::websocket::hosts::{Hosts, Setback};
use super::websocket::{self, Heard, Manners, Socket, fit_to_show};
use super::{Asked, Kind, LiveFeed, format};
use crate::clock;
use crate::post::{Cursor, Identity, Item, Reject};
use crate::time::Timestamp;

/// The notes of a relay.
pub const KIND: Kind = Kind {
    name: "nostr",
    about: "the notes of a Nostr relay, signatures checked, as in nostr:wss://relay.damus.io",
    open: Some(open),
};

/// `nostr:wss://RELAY`, or a table with [`Options`].
fn open(asked: Asked) -> Result<LiveFeed, String> {
    let options: Options = asked.options("relay")?;
    let (_, name) = address(&options.relay).map_err(|error| error.to_string())?;
    Ok(LiveFeed {
        name: format!("{}:{name}", KIND.name),
        start: Box::new(move |context, cursor| {
            let feed = Nostr::new(&options, context, cursor).map_err(|error| error.to_string())?;
            Ok(Box::new(feed))
        }),
    })
}

/// The subscription to what happens; short, since relays refuse long names.
const LIVE: &str = "live";
/// Once live, a relay is taken to have passed on everything before that when it shows that it lives.
const LAG_MS: i64 = 5_000;
/// After so long without listening, because this machine slept or the loop held us up, what came meanwhile is not
/// taken for granted: the connection is made anew. Far below the lateness bound, so that a shorter pause costs nothing.
const INATTENTION_MS: i64 = 60_000;
/// A relay that finds us too busy and does not say till when.
const RATE_LIMITED: Duration = Duration::from_mins(1);

/// Settings of the feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `wss://RELAY[:PORT][/PATH]`, or `ws://` for a relay of one's own.
    pub relay: String,
    /// The relay may be in a private network or on this machine. Default: false.
    #[serde(default)]
    pub allow_private: bool,
    /// A connection without any message for so long is given up, as `"10m"`. Default: never, since a small relay may
    /// be quiet for hours; one that does not answer pings is given up after a minute in any case.
    #[serde(default, deserialize_with = "some_duration")]
    pub idle_after: Option<Duration>,
    /// A relay that does not say within this time where its stored notes end is given up. Default: a minute.
    #[serde(
        default = "answer_within_by_default",
        deserialize_with = "polling::duration"
    )]
    pub answer_within: Duration,
}

fn answer_within_by_default() -> Duration {
    Duration::from_mins(1)
}

fn some_duration<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Duration>, D::Error> {
    polling::duration(reader).map(Some)
}

impl Options {
    /// A relay with all else as by default.
    pub fn of(relay: impl Into<String>) -> Self {
        Self {
            relay: relay.into(),
            allow_private: false,
            idle_after: None,
            answer_within: answer_within_by_default(),
        }
    }
}

/// Why the feed cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A relay that is none.
    #[error("read the relay {0:?}: use wss://RELAY, or ws://RELAY:PORT")]
    Relay(String),
    /// A cursor that another feed or a later version wrote.
    #[error("go on with nostr at {0:?}: this is no cursor of this relay")]
    Cursor(String),
}

/// What the cursor holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    relay: String,
    /// Of the newest note, in seconds since the Unix epoch; never later than the moment it was heard.
    time: i64,
    /// Of the same note; none where there was none yet.
    id: Option<String>,
}

/// See the module.
pub struct Nostr {
    relay: String,
    url: Uri,
    /// Where its notes are seen: at this relay, whoever else has them.
    source: String,
    hosts: Hosts,
    manners: Manners,
    answer_within: Duration,
    identity: Identity,
    backlog: Backlog,
    /// Where the next run goes on; none before the first time that the relay was heard.
    cursor: Option<Cursor>,
}

impl Nostr {
    /// A feed that goes on at `cursor`, or starts at the live tip.
    pub fn new(
        options: &Options,
        context: Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let (url, relay) = address(&options.relay)?;
        let backlog = match cursor {
            Some(cursor) => Backlog::after(Position::read(cursor, &relay)?.mark()),
            None => Backlog::beginning(seconds(clock::now())),
        };
        Ok(Self {
            hosts: Hosts::new([relay.clone()]).expect("there is one"),
            source: format!(
                "{}:{}",
                KIND.name,
                url.authority().map_or("", Authority::as_str)
            ),
            relay,
            url,
            manners: Manners {
                allow_private: options.allow_private,
                idle_after: options.idle_after,
                ..Manners::default()
            },
            answer_within: options.answer_within,
            identity: context.identity,
            backlog,
            cursor: cursor.cloned(),
        })
    }

    /// Connects, listens and waits by turns, until the outlet closes.
    async fn listen(mut self, outlet: Outlet) -> Result<Infallible, Closed> {
        let mut basket = Basket::new(outlet, self.identity.clone(), self.cursor.clone());
        loop {
            let (setback, why) = Box::pin(self.listen_once(&mut basket)).await?;
            let next = self.hosts.after(setback, clock::now(), fastrand::f64());
            basket.wait_out(next, why).await?;
        }
    }

    /// One connection, from the first try to its end; gives what went wrong.
    async fn listen_once(&mut self, basket: &mut Basket) -> Result<(Setback, String), Closed> {
        let connecting = Box::pin(Socket::connect(&self.url, &self.manners));
        let mut socket = match basket.during(connecting).await? {
            Ok(socket) => socket,
            Err(error) => return Ok((error.setback(), error.in_words())),
        };
        basket.stand(Standing::CatchingUp);
        let mut session = Session::begin(self.backlog.live(seconds(clock::now())));
        let end = self.attend(&mut socket, &mut session, basket).await;
        socket.close().await;
        if let Some(since) = session.live_since {
            self.hosts.delivered(since.elapsed());
        }
        end.map(|(setback, why)| (setback, session.explain(&why)))
    }

    /// Listens and answers till the connection is of no more use.
    async fn attend(
        &mut self,
        socket: &mut Socket,
        session: &mut Session,
        basket: &mut Basket,
    ) -> Result<(Setback, String), Closed> {
        loop {
            for text in std::mem::take(&mut session.to_say) {
                if let Err(error) = basket.during(Box::pin(socket.say(text))).await? {
                    return Ok((error.setback(), error.in_words()));
                }
            }
            let heard = tokio::select! {
                biased;
                () = basket.due() => None,
                heard = socket.next() => Some(heard),
            };
            let now = clock::now();
            if let Some(end) = self.lose_patience(session, now) {
                return Ok(end);
            }
            let is_due = heard.is_none();
            if let Some(heard) = heard
                && let Some(end) = self.hear(heard, session, now, basket)
            {
                return Ok(end);
            }
            if is_due || basket.is_full() {
                basket.cursor.clone_from(&self.cursor);
                let held_up = basket.hand_over()?;
                socket.excuse(held_up);
                session.excuse(held_up);
            }
        }
    }

    /// Why not to go on with this connection, if there is a reason in how time passed.
    fn lose_patience(&self, session: &mut Session, now: Timestamp) -> Option<(Setback, String)> {
        let inattention_ms = now.as_millis() - session.attended_at.as_millis();
        session.attended_at = now;
        if inattention_ms > INATTENTION_MS {
            let why = format!(
                "nobody listened to it for {} s: this machine slept, or counting held it up",
                inattention_ms / 1_000
            );
            return Some((Setback::Failed, why));
        }
        if session.asked_at?.elapsed() < self.answer_within {
            return None;
        }
        let why = format!(
            "hear from {}: it does not say within {} s where its stored notes end",
            self.relay,
            self.answer_within.as_secs_f64()
        );
        let setback = if session.wants_login {
            Setback::Refused
        } else {
            Setback::Failed
        };
        Some((setback, why))
    }

    /// Takes what the connection brings; gives why it is over, if it is.
    fn hear(
        &mut self,
        heard: Result<Heard, websocket::Error>,
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) -> Option<(Setback, String)> {
        let end = match heard {
            Ok(Heard::Message(frame)) => self.read(&frame, session, now, basket),
            Ok(Heard::SignOfLife) => None,
            Err(error) => {
                if let Some(reject) = error.reject() {
                    basket.drop_frame(reject);
                    self.skip_what_breaks(session, now, basket);
                }
                return Some((error.setback(), error.in_words()));
            }
        };
        if session.live_since.is_some() && self.backlog.is_filled() {
            basket.stand(Standing::Live);
            basket.heard(earlier(now, LAG_MS));
        }
        end
    }

    /// A stored note that breaks the connection would break every one that asks for it.
    fn skip_what_breaks(&mut self, session: &Session, now: Timestamp, basket: &mut Basket) {
        if session.request.is_some() {
            self.give_up(now, basket);
            self.backlog.skip_to(seconds(now));
            self.note_position();
        }
    }

    /// The page that is asked for cannot be had.
    fn give_up(&mut self, now: Timestamp, basket: &mut Basket) {
        if let Some(gap) = self.backlog.give_up(seconds(now)) {
            basket.miss(timestamp(gap.start)..timestamp(gap.end));
        }
    }

    fn read(
        &mut self,
        frame: &[u8],
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) -> Option<(Setback, String)> {
        let said = wire::read(frame);
        if let Said::Event {
            subscription,
            event,
        } = said
        {
            match session.check(&subscription, frame, event) {
                Ok(event) => self.take(&event, &subscription, session, now, basket),
                Err(reject) => basket.drop_frame(reject),
            }
            return None;
        }
        match why_no_post(frame) {
            Some(reject) => basket.drop_frame(reject),
            None => basket.take(frame, now),
        }
        self.obey(said, session, now, basket)
    }

    /// Does what a message wants that brings no event.
    fn obey(
        &mut self,
        said: Said<'_>,
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) -> Option<(Setback, String)> {
        match said {
            Said::StoredEnd(subscription) => self.end_stored(&subscription, session, now, basket),
            Said::Closed {
                subscription,
                reason,
            } if session.is_open(&subscription) => {
                let why = format!("{} ends the subscription: {reason}", self.relay);
                let setback = setback(&reason);
                if subscription == LIVE || setback != Setback::Refused {
                    return Some((setback, fit_to_show(&why)));
                }
                // It lets us hear what happens, and not what has happened.
                self.give_up(now, basket);
                session.request = None;
                self.go_on(session);
            }
            Said::Notice(words) => session.notice = Some(fit_to_show(&words)),
            Said::WhoAreYou => session.wants_login = true,
            Said::Event { .. } | Said::Closed { .. } | Said::Other => {}
        }
        None
    }

    fn take(
        &mut self,
        event: &Event<'_>,
        subscription: &str,
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) {
        let json = event.signed_json();
        let mut items = Vec::new();
        format::read(&json, &mut items);
        basket.begin_frame();
        for item in items {
            basket.put(item.map(|item| item.seen_at(&self.source)), now);
        }
        if let Some(request) = session.page_of(subscription) {
            request.page.add(event.created_at);
            self.backlog.find(&event.id, event.created_at);
        }
        // Before the relay has said that it is live, a newer note says nothing about those before it.
        if session.live_since.is_some() {
            self.backlog.hear(&event.id, event.created_at, seconds(now));
            self.note_position();
        }
    }

    /// All stored notes of a subscription have come: on to the next page, if there is one.
    fn end_stored(
        &mut self,
        subscription: &str,
        session: &mut Session,
        now: Timestamp,
        basket: &mut Basket,
    ) {
        if subscription == LIVE && session.live_since.is_none() {
            session.live_since = Some(clock::start());
            self.backlog.go_live();
        } else if let Some(request) = session
            .request
            .take_if(|request| request.name == subscription)
        {
            session.to_say.push(wire::close(&request.name));
            let until = request.filter.until.unwrap_or(i64::MAX);
            if let Some(gap) = self.backlog.end_page(request.page, until, seconds(now)) {
                basket.miss(timestamp(gap.start)..timestamp(gap.end));
            }
        } else {
            return;
        }
        self.go_on(session);
    }

    /// Asks for the next page, if there is one.
    fn go_on(&mut self, session: &mut Session) {
        self.note_position();
        session.asked_at = None;
        if let Some(filter) = self.backlog.next_page(seconds(clock::now())) {
            session.ask(filter);
        }
    }

    fn note_position(&mut self) {
        let Mark { time, id } = self.backlog.mark().clone();
        let position = Position {
            relay: self.relay.clone(),
            time,
            id,
        };
        self.cursor = Some(position.cursor());
    }
}

/// What is known of the connection in hand.
struct Session {
    live: Filter,
    /// Since when it brings what happens.
    live_since: Option<Instant>,
    /// The page that is asked for.
    request: Option<Request>,
    requests: u32,
    /// When the request was made that is not answered yet.
    asked_at: Option<Instant>,
    to_say: Vec<String>,
    /// When we last looked at it.
    attended_at: Timestamp,
    /// It has asked for a login.
    wants_login: bool,
    /// The last words for people.
    notice: Option<String>,
}

/// A page that is asked for.
struct Request {
    name: String,
    filter: Filter,
    page: Page,
}

impl Session {
    fn begin(live: Filter) -> Self {
        Self {
            live,
            live_since: None,
            request: None,
            requests: 0,
            asked_at: Some(clock::start()),
            // One stored note, not none: nostr-relay 1.14, for one, takes a limit of 0 for no limit.
            to_say: vec![live.request(LIVE, 1)],
            attended_at: clock::now(),
            wants_login: false,
            notice: None,
        }
    }

    fn ask(&mut self, filter: Filter) {
        self.requests += 1;
        // A name of its own for each, so that what is said about an earlier one is not taken for this one's.
        let name = format!("page{}", self.requests);
        self.to_say.push(filter.request(&name, PAGE_LEN));
        self.asked_at = Some(clock::start());
        self.request = Some(Request {
            name,
            filter,
            page: Page::default(),
        });
    }

    fn is_open(&self, subscription: &str) -> bool {
        self.filter(subscription).is_some()
    }

    fn filter(&self, subscription: &str) -> Option<Filter> {
        if subscription == LIVE {
            return Some(self.live);
        }
        let request = self.request.as_ref()?;
        (request.name == subscription).then_some(request.filter)
    }

    fn page_of(&mut self, subscription: &str) -> Option<&mut Request> {
        self.request
            .as_mut()
            .filter(|request| request.name == subscription)
    }

    /// The event, if it was asked for and is what it says it is.
    fn check<'a>(
        &self,
        subscription: &str,
        frame: &[u8],
        event: &'a str,
    ) -> Result<Event<'a>, Reject> {
        let filter = self.filter(subscription).ok_or(Reject::Unasked)?;
        let event: Event<'_> =
            serde_json::from_str(event).map_err(|_| match why_no_post(frame) {
                Some(Reject::Unasked) | None => Reject::Signature,
                Some(reject) => reject,
            })?;
        if !filter.fits(&event) {
            Err(Reject::Unasked)
        } else if event.is_genuine() {
            Ok(event)
        } else {
            Err(Reject::Signature)
        }
    }

    /// Time in which we did not listen is none that the relay took to answer.
    fn excuse(&mut self, duration: Duration) {
        self.asked_at = self.asked_at.map(|at| at + duration);
    }

    /// What went wrong, with what the relay had to say.
    fn explain(&self, why: &str) -> String {
        let login = if self.wants_login {
            "; it asks for a login, and there is none"
        } else {
            ""
        };
        match &self.notice {
            Some(notice) => format!("{why}{login}; it said: {notice}"),
            None => format!("{why}{login}"),
        }
    }
}

/// Why a message brings no post that can be counted; none if it is one of those that bring none. What reads as a post
/// came outside of a subscription.
fn why_no_post(frame: &[u8]) -> Option<Reject> {
    let mut items = Vec::new();
    format::read(frame, &mut items);
    let unasked = |item| match item {
        Ok(Item::Post(_)) => Some(Reject::Unasked),
        Ok(Item::Skipped) => None,
        Err(reject) => Some(reject),
    };
    items.into_iter().find_map(unasked)
}

/// What the reason for a closed subscription means for the next try (NIP-01 and NIP-42 name the prefixes).
fn setback(reason: &str) -> Setback {
    let (prefix, _) = reason.split_once(':').unwrap_or((reason, ""));
    match prefix.trim() {
        "auth-required" | "restricted" | "blocked" | "invalid" | "unsupported" => Setback::Refused,
        "rate-limited" => Setback::Told(RATE_LIMITED),
        _ => Setback::Failed,
    }
}

impl Feed for Nostr {
    fn run(self: Box<Self>, outlet: Outlet) {
        websocket::run(outlet, |outlet| self.listen(outlet));
    }
}

impl Position {
    fn read(cursor: &Cursor, relay: &str) -> Result<Self, Error> {
        let Cursor::Token(token) = cursor else {
            return Err(Error::Cursor("a place in a file".to_owned()));
        };
        serde_json::from_str(token)
            .ok()
            .filter(|position: &Self| position.relay == relay && is_time(position.time))
            .ok_or_else(|| Error::Cursor(token.clone()))
    }

    fn cursor(&self) -> Cursor {
        Cursor::Token(serde_json::to_string(self).expect("text and numbers are JSON"))
    }

    fn mark(self) -> Mark {
        Mark {
            time: self.time,
            id: self.id,
        }
    }
}

/// Where a relay is, and its name among relays: without what they all have in common.
fn address(relay: &str) -> Result<(Uri, String), Error> {
    let wrong = || Error::Relay(relay.to_owned());
    let url = if relay.contains("://") {
        relay.to_owned()
    } else {
        format!("wss://{relay}")
    };
    let uri = Uri::from_str(&url).map_err(|_| wrong())?;
    let is_websocket = matches!(uri.scheme_str(), Some("ws" | "wss"));
    let is_plain = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if !is_websocket || !is_plain || uri.host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    let name = uri.to_string();
    let name = name.trim_start_matches("wss://").trim_end_matches('/');
    Ok((uri, name.to_owned()))
}

/// Whether so many seconds since the Unix epoch are an instant that there is.
fn is_time(seconds: i64) -> bool {
    let millis = seconds.checked_mul(1_000);
    millis.is_some_and(|millis| Timestamp::from_millis(millis).is_ok())
}

fn seconds(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1_000)
}

/// The nearest instant there is.
fn timestamp(seconds: i64) -> Timestamp {
    let millis = seconds.saturating_mul(1_000);
    Timestamp::from_millis(millis.clamp(Timestamp::FIRST.as_millis(), Timestamp::LAST.as_millis()))
        .expect("it lies between the first and the last")
}

/// `millis` before `time`, or the first instant there is.
fn earlier(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(time.as_millis() - millis).unwrap_or(Timestamp::FIRST)
}

/// For `fuzz/targets/nostr.rs`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::event::Event;
    use super::wire::{Said, read};

    /// Whether a frame brings an event that is what it says; none that a stranger makes up is.
    pub fn brings_genuine_event(frame: &[u8]) -> bool {
        match read(frame) {
            Said::Event { event, .. } => {
                serde_json::from_str::<Event<'_>>(event).is_ok_and(|event| event.is_genuine())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(options: &Options, cursor: Option<&Cursor>) -> Result<Nostr, Error> {
        let context = Context {
            identity: Identity::new([0; 16]),
        };
        Nostr::new(options, context, cursor)
    }

    #[test]
    fn a_relay_is_named_by_its_url_without_what_all_have() {
        for (relay, url, name) in [
            ("relay.example", "wss://relay.example/", "relay.example"),
            (
                "wss://relay.example/",
                "wss://relay.example/",
                "relay.example",
            ),
            (
                "wss://r.example:8443/a/b",
                "wss://r.example:8443/a/b",
                "r.example:8443/a/b",
            ),
            ("ws://[::1]:7", "ws://[::1]:7/", "ws://[::1]:7"),
        ] {
            let (uri, found) = address(relay).expect(relay);
            assert_eq!((uri.to_string().as_str(), found.as_str()), (url, name));
        }
    }

    #[test]
    fn what_is_no_relay_is_refused_before_anything_is_connected_to() {
        for wrong in [
            "",
            "https://a",
            "a b",
            "wss://",
            "wss://me:secret@a",
            "://a",
        ] {
            let made = feed(&Options::of(wrong), None);
            assert!(matches!(made, Err(Error::Relay(_))), "{wrong}");
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let options = Options::of("relay.example");
        let last = Position {
            relay: "relay.example".to_owned(),
            time: 1_700_000_000,
            id: Some("ab".to_owned()),
        };
        let feed = feed(&options, Some(&last.cursor())).expect("our own cursor");
        assert_eq!(feed.cursor, Some(last.cursor()));
        assert_eq!(*feed.backlog.mark(), last.mark());
    }

    #[test]
    fn a_cursor_of_another_relay_or_feed_is_refused() {
        for token in [
            "",
            "{}",
            r#"{"relay":"other.example","time":5,"id":null}"#,
            r#"{"relay":"relay.example","time":-9223372036854775808,"id":null}"#,
            r#"{"relay":"relay.example","time":9223372036854775807,"id":null}"#,
            r#"{"protocol":"v2","host":"a","seq":1,"time_us":1}"#,
        ] {
            let cursor = Cursor::Token(token.to_owned());
            let made = feed(&Options::of("relay.example"), Some(&cursor));
            assert!(matches!(made, Err(Error::Cursor(_))), "{token}");
        }
    }

    #[test]
    fn options_are_read_as_people_write_them_and_an_unknown_one_is_an_error() {
        let read = |text: &str| toml::from_str::<Options>(text);
        let options = read("relay = \"wss://a\"\nidle_after = \"10m\"").expect("good");
        assert_eq!(options.idle_after, Some(Duration::from_mins(10)));
        assert_eq!(options.answer_within, Duration::from_mins(1));
        for wrong in [
            "",
            "relay = \"a\"\nkinds = []",
            "relay = \"a\"\nidle_after = \"-1s\"",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn after_a_sleep_or_a_long_wait_for_the_loop_the_relay_is_asked_again() {
        let feed = feed(&Options::of("relay.example"), None).expect("good options");
        let filter = Filter {
            since: 0,
            until: None,
        };
        let mut session = Session::begin(filter);
        let later = |millis: i64| {
            let now = clock::now().as_millis() + millis;
            Timestamp::from_millis(now).expect("a time")
        };
        assert_eq!(feed.lose_patience(&mut session, later(30_000)), None);
        let (setback, why) = feed
            .lose_patience(&mut session, later(30_000 + 90_000))
            .expect("a reason");
        assert_eq!(setback, Setback::Failed);
        assert!(why.starts_with("nobody listened to it for"), "{why}");
    }

    #[test]
    fn a_reason_to_close_is_a_refusal_a_wait_or_a_failure() {
        for (reason, expected) in [
            ("auth-required: members only", Setback::Refused),
            ("restricted: pay first", Setback::Refused),
            ("blocked: go away", Setback::Refused),
            ("unsupported: too wide a filter", Setback::Refused),
            ("rate-limited: slow down", Setback::Told(RATE_LIMITED)),
            ("error: database is busy", Setback::Failed),
            ("", Setback::Failed),
            ("blockedby", Setback::Failed),
        ] {
            assert_eq!(setback(reason), expected, "{reason}");
        }
    }
}
