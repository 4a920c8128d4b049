//! Posts of a fediverse server, by polling its timeline: Mastodon, and the many that speak its REST API.
//!
//! Pages come newest first and are followed forward with `min_id`, which gives the page right after a post and skips
//! nothing (<https://docs.joinmastodon.org/methods/timelines/>). Each page is handed on whole, oldest post first; the
//! cursor is the newest id of it, opaque, with the host and the time up to which all was heard. Posts of other
//! servers arrive when this one discovers them, perhaps years late: whoever counts decides about that. What a status
//! is and what is kept of it is said in `format/mastodon.rs`.
//!
//! Two kinds of silence are told apart from a quiet server. A server may have closed its timelines and answer with
//! an empty page for ever: its instance document says so, and is read at the start. A server that has forgotten the
//! post of our `min_id` does the same: so an empty page is checked against the newest page, and posts there that we
//! should have been given mean a new start with a gap.
//!
//! Manners: a poll every 15 s, slower to a minute while nothing comes, faster to 3 s while pages come back full, which
//! is what Mastodon allows an address that pages (300 in 15 minutes); a 429 is obeyed; a refusal is asked again four
//! times an hour. Faults and paging are played through in `tests/it/mastodon.rs`.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::contract::{Batch, Closed, Feed, Outlet, Standing};
use super::file::Context;
use super::format::{self, Completeness};
use super::http::polling::{self, Line};
use super::http::{self, Answer, Fetcher, Request, Settings, Token, wait};
use super::{Asked, Kind, LiveFeed};
use crate::clock;
use crate::post::{Cursor, Identity, Reject};
use crate::time::Timestamp;

/// Posts asked for in a page; the most that Mastodon gives.
const PAGE_LEN: usize = 40;
/// The shortest page that may be full: some servers give no more than 20, whatever is asked.
const FULL_LEN_MIN: usize = 20;
/// Between polls while pages are full, and the least one may set.
const POLL_MIN: Duration = Duration::from_secs(3);
/// Between polls by default.
const POLL: Duration = Duration::from_secs(15);
/// Between polls of a server where nothing happens.
const POLL_MAX: Duration = Duration::from_mins(1);
/// Between two looks at a server that refuses.
const REFUSED_RETRY: Duration = Duration::from_mins(15);
/// A post may appear in the timeline so long after its server took it.
const SETTLING: Duration = Duration::from_secs(5);
/// JSON, and nothing else.
const ACCEPT: &str = "application/json";

/// Timelines of fediverse servers.
pub const KIND: Kind = Kind {
    name: "mastodon",
    about: "the public timeline of a Mastodon or compatible server, as in mastodon:https://mastodon.social",
    open: Some(open),
};

/// `mastodon:https://HOST`, or a table with [`Options`].
fn open(asked: Asked) -> Result<LiveFeed, String> {
    let options: Options = asked.options("server")?;
    let server = server(&options).map_err(|error| error.to_string())?;
    let host = server.host_str().unwrap_or_default();
    Ok(LiveFeed {
        name: match &options.timeline {
            Timeline::Public => format!("{}:{host}", KIND.name),
            Timeline::Local => format!("{}:{host} local", KIND.name),
            Timeline::Tag(tag) => format!("{}:{host} #{tag}", KIND.name),
        },
        start: Box::new(move |context, cursor| {
            let feed =
                Mastodon::new(options, &context, cursor).map_err(|error| error.to_string())?;
            Ok(Box::new(feed))
        }),
    })
}

/// Which server, and what of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `https://HOST`.
    pub server: String,
    /// `public`, `local` or `tag NAME`.
    #[serde(default)]
    pub timeline: Timeline,
    /// Of an account there, for servers that want one.
    #[serde(default)]
    pub token: Option<Token>,
    /// The server may be at a private address, be asked by plain http, and as often as one likes: it is one's own.
    #[serde(default)]
    pub allow_private: bool,
    /// Between polls; at least 3 s.
    #[serde(default = "poll_by_default", deserialize_with = "polling::duration")]
    pub poll: Duration,
}

fn poll_by_default() -> Duration {
    POLL
}

/// Which posts of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Timeline {
    /// All public posts that the server knows.
    #[default]
    Public,
    /// Those of its own accounts.
    Local,
    /// Those with a hashtag, without its sign. Servers find few but Latin ones.
    Tag(String),
}

impl TryFrom<String> for Timeline {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == "public" => Ok(Self::Public),
            None if text == "local" => Ok(Self::Local),
            Some(("tag", name)) if !name.trim().is_empty() => {
                let name = name.trim();
                Ok(Self::Tag(
                    name.strip_prefix(['#', '＃']).unwrap_or(name).to_owned(),
                ))
            }
            _ => Err(format!(
                "{text:?} is no timeline: use public, local or tag NAME"
            )),
        }
    }
}

/// Why a server cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the address of a server.
    #[error("use the server {0:?}: write it as https://HOST")]
    Server(String),
    /// Plain http shows what is read, and a token, to everyone on the way.
    #[error("use the server {0:?}: plain http is for a server of one's own (allow_private)")]
    PlainHttp(String),
    /// Mastodon would refuse to serve us.
    #[error("poll {0:?} so often: the shortest time between polls is 3s")]
    TooOften(String),
    /// No fetcher.
    #[error("read {server}")]
    Fetcher {
        /// Which server.
        server: String,
        /// Why not.
        #[source]
        source: http::Error,
    },
}

/// A timeline that is polled.
#[derive(Debug)]
pub struct Mastodon {
    options: Options,
    server: Url,
    fetcher: Fetcher,
    identity: Identity,
    place: Place,
    has_looked: bool,
    /// The empty page before this one was not believed.
    is_in_doubt: bool,
    longest_page: usize,
    pause: Duration,
    back_off: wait::BackOff,
}

/// How far the timeline is read.
#[derive(Debug, Default)]
struct Place {
    /// The newest post that was handed on.
    min_id: Option<String>,
    /// All was heard up to here.
    time: Option<Timestamp>,
}

/// A place as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    host: String,
    min_id: Option<String>,
    time: Option<String>,
}

impl Mastodon {
    /// A feed that goes on at `cursor`. A cursor of another server means nothing here: the feed then begins anew.
    pub fn new(
        options: Options,
        context: &Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let server = server(&options)?;
        let settings = Settings {
            private_host: server
                .host_str()
                .filter(|_| options.allow_private)
                .map(str::to_owned),
            host_interval: POLL_MIN.min(options.poll),
            ..Settings::default()
        };
        let fetcher = Fetcher::new(settings).map_err(|source| Error::Fetcher {
            server: options.server.clone(),
            source,
        })?;
        Ok(Self {
            place: Place::restore(cursor, &host(&server)),
            pause: options.poll,
            options,
            server,
            fetcher,
            identity: context.identity.clone(),
            has_looked: false,
            is_in_doubt: false,
            longest_page: 0,
            back_off: wait::BackOff::default(),
        })
    }
}

impl Feed for Mastodon {
    fn run(mut self: Box<Self>, outlet: Outlet) {
        polling::run(&outlet, async |line| self.listen(line).await);
    }
}

/// Why a round ended early.
enum Stop {
    Closed,
    Wait { until: Timestamp, why: String },
    Refused { why: String },
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl Mastodon {
    async fn listen(&mut self, line: &mut Line<'_>) -> Result<(), Closed> {
        loop {
            let done = if self.has_looked {
                self.round(line).await
            } else {
                self.look(line).await
            };
            match done {
                Ok(pause) => line.pause(pause).await?,
                Err(Stop::Closed) => return Err(Closed),
                Err(Stop::Wait { until, why }) => line.pause_until(until, why).await?,
                Err(Stop::Refused { why }) => {
                    self.has_looked = false;
                    line.send(Batch::default(), Standing::Refused { why })?;
                    line.pause(REFUSED_RETRY).await?;
                }
            }
        }
    }

    /// Asks the server whether it shows the timeline at all. Many have no such document; then the timeline tells.
    async fn look(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        let request = self.request(&["api", "v2", "instance"]);
        match line.during(self.fetcher.get(&request)).await? {
            Answer::Wait { until, why } => return Err(Stop::Wait { until, why }),
            Answer::Body(page) => {
                if let Some(why) = self.closed_because(&page.bytes) {
                    return Err(Stop::Refused { why });
                }
            }
            Answer::NotModified { .. } | Answer::Refused { .. } | Answer::Failed { .. } => {}
        }
        self.has_looked = true;
        Ok(Duration::ZERO)
    }

    /// One poll: a page forward, and what an empty one means. Gives the pause until the next.
    async fn round(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        let page = self.page(self.place.min_id.as_deref(), line).await;
        let page = self.admitted(page, line)?;
        if page.len > 0 || page.is_known || self.place.min_id.is_none() {
            return Ok(self.advance(&page, None, line)?);
        }
        let newest = self.page(None, line).await;
        let newest = self.admitted(newest, line)?;
        let gap_end = match (self.place.time, newest.oldest_after(self.place.time)) {
            (Some(_), Some(end)) if !newest.is_known => end,
            // Nothing new there either: the silence is real.
            _ => return Ok(self.advance(&page, None, line)?),
        };
        if !self.is_in_doubt {
            // A post may have come between the two requests: the next round tells.
            self.is_in_doubt = true;
            return Ok(self.poll_min());
        }
        self.place.min_id = None;
        Ok(self.advance(&newest, Some(gap_end), line)?)
    }

    /// Hands a page on and moves to its end. `gap_end`: what lies between the old place and there was missed.
    fn advance(
        &mut self,
        page: &Page,
        gap_end: Option<Timestamp>,
        line: &mut Line<'_>,
    ) -> Result<Duration, Closed> {
        let mut batch = Batch::default();
        let mut items = Vec::new();
        if page.len > 0 {
            format::read(&page.bytes, &mut items);
        }
        let now = clock::now();
        for item in items {
            polling::take(item, &self.identity, now, &mut batch);
        }
        if let (Some(start), Some(end)) = (self.place.time, gap_end) {
            batch.gaps.push(start..end);
        }
        self.is_in_doubt = false;
        self.back_off.reset();
        let is_first = self.place.min_id.is_none();
        self.longest_page = self.longest_page.max(page.len);
        // The first page is the newest there is, full or not.
        let is_behind = !is_first && page.len >= self.longest_page.clamp(FULL_LEN_MIN, PAGE_LEN);
        if let Some(id) = &page.first_id {
            self.place.min_id = Some(id.clone());
        }
        let standing = if is_behind {
            Standing::CatchingUp
        } else {
            self.place.time = self.place.time.max(Some(page.heard_until));
            batch.heard_until = self.place.time;
            Standing::Live
        };
        batch.cursor = Some(self.place.store(&host(&self.server)));
        line.send(batch, standing)?;
        self.pause = match page.len {
            _ if is_behind => self.poll_min(),
            0 => (self.pause * 2).clamp(self.options.poll, POLL_MAX.max(self.options.poll)),
            _ => self.options.poll,
        };
        Ok(self.pause)
    }

    fn poll_min(&self) -> Duration {
        POLL_MIN.min(self.options.poll)
    }

    /// The page after `min_id`, or the newest one.
    async fn page(&self, min_id: Option<&str>, line: &Line<'_>) -> Result<Fetched, Closed> {
        let mut request = match &self.options.timeline {
            Timeline::Public | Timeline::Local => {
                self.request(&["api", "v1", "timelines", "public"])
            }
            Timeline::Tag(name) => self.request(&["api", "v1", "timelines", "tag", name]),
        };
        let mut query = request.url.query_pairs_mut();
        query.append_pair("limit", &PAGE_LEN.to_string());
        if self.options.timeline == Timeline::Local {
            query.append_pair("local", "true");
        }
        if let Some(id) = min_id {
            query.append_pair("min_id", id);
        }
        drop(query);
        let heard_until = wait::before(clock::now(), SETTLING);
        let answer = line.during(self.fetcher.get(&request)).await?;
        Ok(Fetched {
            answer,
            heard_until,
        })
    }

    /// The page that was fetched; anything else ends the round.
    fn admitted(
        &mut self,
        fetched: Result<Fetched, Closed>,
        line: &mut Line<'_>,
    ) -> Result<Page, Stop> {
        let fetched = fetched?;
        let why = match fetched.answer {
            Answer::Body(page) => {
                let known_id = self.place.min_id.as_deref();
                match Page::parse(page.bytes, known_id, fetched.heard_until) {
                    Ok(page) => return Ok(page),
                    Err(reject) => return Err(self.unreadable(reject, line)?),
                }
            }
            Answer::Wait { until, why } => return Err(Stop::Wait { until, why }),
            Answer::Refused { status, why } => {
                let why = self.with_advice(status, why);
                return Err(Stop::Refused { why });
            }
            Answer::NotModified { .. } => {
                format!(
                    "{} answers 304 to an unconditional request",
                    host(&self.server)
                )
            }
            Answer::Failed { why } => why,
        };
        Err(self.retry(why))
    }

    /// Counts a page that cannot be read; it is asked for again.
    fn unreadable(&mut self, reject: Reject, line: &mut Line<'_>) -> Result<Stop, Closed> {
        let why = format!(
            "{} answers with what is {}",
            host(&self.server),
            reject.about()
        );
        let stop = self.retry(why);
        let mut batch = Batch::default();
        polling::reject(reject, &mut batch);
        if let Stop::Wait { until, why } = &stop {
            let (until, why) = (*until, why.clone());
            line.send(batch, Standing::Waiting { until, why })?;
        }
        Ok(stop)
    }

    fn retry(&mut self, why: String) -> Stop {
        Stop::Wait {
            until: wait::after(clock::now(), self.back_off.next()),
            why,
        }
    }

    fn request(&self, path: &[&str]) -> Request {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .expect("http addresses have a path")
            .clear()
            .extend(path);
        Request {
            url,
            accept: ACCEPT,
            validators: None,
            token: self.options.token.clone(),
        }
    }

    fn with_advice(&self, status: Option<u16>, why: String) -> String {
        match (status, &self.options.token) {
            (Some(401 | 403 | 422), None) => {
                format!(
                    "{why}: its timeline is closed to strangers, the token of an account may open it"
                )
            }
            (Some(401 | 403 | 422), Some(_)) => {
                format!("{why}: the token does not open its timeline")
            }
            _ => why,
        }
    }
}

/// An answer, and up to when it speaks.
struct Fetched {
    answer: Answer,
    heard_until: Timestamp,
}

/// A page of a timeline.
struct Page {
    bytes: Vec<u8>,
    /// Posts that are new to us.
    len: usize,
    /// The id of the newest post.
    first_id: Option<String>,
    /// The post of our cursor is among them.
    is_known: bool,
    /// When the posts were written, as far as they say so.
    created: Vec<Timestamp>,
    heard_until: Timestamp,
}

/// What paging needs to know of a status.
#[derive(Debug, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    created_at: Option<Cow<'a, str>>,
}

impl Page {
    /// `known_id`: the post of our cursor. A server that passes over a `min_id` gives the newest page, with it inside.
    fn parse(
        bytes: Vec<u8>,
        known_id: Option<&str>,
        heard_until: Timestamp,
    ) -> Result<Self, Reject> {
        let elements: Vec<&RawValue> = serde_json::from_slice(&bytes).map_err(|error| {
            // An error of data ends the reading early: the rest may be cut off.
            match format::completeness(&bytes) {
                Completeness::Complete if error.is_data() => Reject::Shape,
                _ => Reject::Json,
            }
        })?;
        let entries: Vec<Entry<'_>> = elements
            .iter()
            .filter_map(|element| serde_json::from_str(element.get()).ok())
            .collect();
        if entries.is_empty() && !elements.is_empty() {
            // Without an id there is no way on from here.
            return Err(Reject::Id);
        }
        let known_at =
            known_id.and_then(|known| entries.iter().position(|entry| entry.id == known));
        let created = entries
            .iter()
            .filter_map(|entry| entry.created_at.as_ref()?.parse().ok())
            .collect();
        Ok(Self {
            len: known_at.unwrap_or(elements.len()),
            first_id: entries.first().map(|entry| entry.id.clone().into_owned()),
            is_known: known_at.is_some(),
            created,
            heard_until,
            bytes,
        })
    }

    /// The time of the oldest post written after `time`.
    fn oldest_after(&self, time: Option<Timestamp>) -> Option<Timestamp> {
        let later = self.created.iter().copied();
        later.filter(|created| Some(*created) > time).min()
    }
}

impl Place {
    fn restore(cursor: Option<&Cursor>, host: &str) -> Self {
        let Some(Cursor::Token(token)) = cursor else {
            return Self::default();
        };
        match serde_json::from_str::<Stored>(token) {
            Ok(stored) if stored.host == host => Self {
                min_id: stored.min_id,
                time: stored.time.and_then(|time| time.parse().ok()),
            },
            Ok(_) | Err(_) => Self::default(),
        }
    }

    fn store(&self, host: &str) -> Cursor {
        let stored = Stored {
            host: host.to_owned(),
            min_id: self.min_id.clone(),
            time: self.time.map(|time| time.to_string()),
        };
        Cursor::Token(serde_json::to_string(&stored).expect("texts are JSON"))
    }
}

/// The address of the server alone.
fn server(options: &Options) -> Result<Url, Error> {
    let wrong = || Error::Server(options.server.clone());
    let url: Url = options.server.parse().map_err(|_| wrong())?;
    let is_server = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    if !is_server {
        return Err(wrong());
    }
    if options.allow_private {
        return Ok(url);
    }
    if url.scheme() == "http" {
        return Err(Error::PlainHttp(options.server.clone()));
    }
    if options.poll < POLL_MIN {
        return Err(Error::TooOften(options.server.clone()));
    }
    Ok(url)
}

/// The host, and its port where it is unusual.
fn host(server: &Url) -> String {
    let host = server.host_str().unwrap_or_default();
    match server.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

mod wire {
    //! Of the instance document (`/api/v2/instance`), what says who may read timelines; since Mastodon 4.5.

    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Instance {
        pub(super) configuration: Configuration,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Configuration {
        pub(super) timelines_access: TimelinesAccess,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct TimelinesAccess {
        pub(super) live_feeds: Access,
        pub(super) hashtag_feeds: Access,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Access {
        pub(super) local: Audience,
        pub(super) remote: Audience,
    }

    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Audience {
        Authenticated,
        Disabled,
        /// Everybody; also what older servers and words yet unknown are taken for, since the timeline tells anyway.
        #[default]
        #[serde(other)]
        Public,
    }
}

impl Mastodon {
    /// Why the server shows nothing of the timeline to us, if its instance document says so.
    fn closed_because(&self, instance: &[u8]) -> Option<String> {
        use wire::Audience::{Authenticated, Disabled};

        let instance: wire::Instance = serde_json::from_slice(instance).ok()?;
        let access = instance.configuration.timelines_access;
        let (access, name) = match &self.options.timeline {
            Timeline::Public => (access.live_feeds, "public timeline"),
            Timeline::Local => (access.live_feeds, "local timeline"),
            Timeline::Tag(_) => (access.hashtag_feeds, "hashtag timelines"),
        };
        let local = access.local;
        let remote = match self.options.timeline {
            Timeline::Local => local,
            Timeline::Public | Timeline::Tag(_) => access.remote,
        };
        let host = host(&self.server);
        if (local, remote) == (Disabled, Disabled) {
            return Some(format!(
                "{host} answers with nothing because it has disabled its {name}"
            ));
        }
        let wants_login = local == Authenticated || remote == Authenticated;
        if !wants_login || self.options.token.is_some() {
            return None;
        }
        let advice = if local == Authenticated {
            "the token of an account opens it"
        } else {
            "its local timeline is open, and the token of an account opens the rest"
        };
        Some(format!(
            "{host} answers with nothing because it shows its {name} to members only; {advice}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(server: &str) -> Options {
        serde_json::from_value(serde_json::json!({ "server": server })).unwrap()
    }

    fn context() -> Context {
        Context {
            identity: Identity::new([7; 16]),
        }
    }

    fn closed_because(options: Options, access: &str) -> Option<String> {
        let feed = Mastodon::new(options, &context(), None).unwrap();
        let document = format!(r#"{{"configuration":{{"timelines_access":{access}}}}}"#);
        feed.closed_because(document.as_bytes())
    }

    #[test]
    fn a_server_is_a_host_by_https_and_nothing_more() {
        for right in [
            "https://a.example",
            "https://a.example/",
            "https://a.example:8443",
        ] {
            assert!(server(&options(right)).is_ok(), "{right}");
        }
        for wrong in [
            "a.example",
            "ftp://a.example",
            "https://a.example/@ann",
            "https://a.example?x",
            "https://ann@a.example",
            "http://a.example",
        ] {
            assert!(server(&options(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_server_of_ones_own_may_be_polled_without_pause() {
        let mut options = options("https://a.example");
        options.poll = Duration::from_secs(1);
        assert!(matches!(server(&options), Err(Error::TooOften(_))));
        options.allow_private = true;
        assert!(server(&options).is_ok());
    }

    #[test]
    fn options_are_read_as_people_write_them() {
        let options: Options = serde_json::from_str(
            r#"{"server":"https://a.example","timeline":"tag #cats","poll":"30s","token":"canary"}"#,
        )
        .unwrap();
        assert_eq!(options.timeline, Timeline::Tag("cats".to_owned()));
        assert_eq!(options.poll, Duration::from_secs(30));
        assert!(!format!("{options:?}").contains("canary"));
        for wrong in [
            r#"{"server":"https://a.example","colour":"red"}"#,
            r#"{"server":"https://a.example","timeline":"home"}"#,
            r#"{"server":"https://a.example","poll":"often"}"#,
        ] {
            assert!(serde_json::from_str::<Options>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_closed_timeline_is_told_from_the_instance_document() {
        let why = closed_because(
            options("https://a.example"),
            r#"{"live_feeds":{"local":"disabled","remote":"disabled"}}"#,
        );
        assert!(why.unwrap().contains("answers with nothing because"));
        let members = r#"{"live_feeds":{"local":"public","remote":"authenticated"}}"#;
        let why = closed_because(options("https://a.example"), members);
        assert!(why.unwrap().contains("its local timeline is open"));
        let mut local = options("https://a.example");
        local.timeline = Timeline::Local;
        assert_eq!(closed_because(local, members), None);
        let mut member = options("https://a.example");
        member.token = Some(Token::new("canary"));
        assert_eq!(closed_because(member, members), None);
    }

    #[test]
    fn an_instance_document_that_says_nothing_closes_nothing() {
        for access in [
            "{}",
            "null",
            r#"{"live_feeds":{"local":"public","remote":"friends"}}"#,
        ] {
            assert_eq!(
                closed_because(options("https://a.example"), access),
                None,
                "{access}"
            );
        }
    }

    #[test]
    fn a_cursor_comes_back_for_its_own_host_alone() {
        let place = Place {
            min_id: Some("1a".to_owned()),
            time: Some("2026-11-24T10:00:00Z".parse().unwrap()),
        };
        let cursor = place.store("a.example");
        let again = Place::restore(Some(&cursor), "a.example");
        assert_eq!((again.min_id, again.time), (place.min_id, place.time));
        assert_eq!(Place::restore(Some(&cursor), "b.example").min_id, None);
        let broken = Cursor::Token("{".to_owned());
        assert_eq!(Place::restore(Some(&broken), "a.example").min_id, None);
    }
}
