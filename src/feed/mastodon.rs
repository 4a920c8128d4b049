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

mod instance;
pub mod options;
mod page;
mod place;

use std::time::Duration;

use reqwest::Url;

use self::instance::Instance;
use self::options::{Options, Timeline};
use self::page::Page;
use self::place::Place;
use super::contract::{Batch, Closed, Feed, Outlet, Standing};
use super::file::Context;
use super::format;
use super::http::opening::{self, Error};
use super::http::polling::{self, Line, REFUSED_RETRY, SETTLING, Stop};
use super::http::{Answer, Fetcher, Request, wait};
use super::{Asked, Kind, LiveFeed};
use crate::clock;
use crate::post::{Cursor, Identity};
use crate::time::Timestamp;

/// Posts asked for in a page; the most that Mastodon gives.
const PAGE_LEN: usize = 40;
/// The shortest page that may be full: some servers give no more than 20, whatever is asked.
const FULL_LEN_MIN: usize = 20;
/// Between polls of a server where nothing happens.
const POLL_MAX: Duration = Duration::from_mins(1);
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
    let server = options
        .opening()
        .server()
        .map_err(|error| error.in_words())?;
    let host = server.host_str().unwrap_or_default();
    let name = format!("{}:{host}{}", KIND.name, options.timeline.suffix());
    Ok(opening::live(name, move |context, cursor| {
        Mastodon::new(options, context, cursor)
    }))
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

impl Mastodon {
    /// A feed that goes on at `cursor`.
    pub fn new(
        options: Options,
        context: &Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let server = options.opening().server()?;
        Ok(Self {
            place: Place::restore(cursor, &opening::host(&server)),
            fetcher: options.opening().fetcher(&server)?,
            pause: options.poll,
            options,
            server,
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
                Err(stop) => {
                    self.has_looked &= !matches!(stop, Stop::Refused { .. });
                    line.heed(stop, REFUSED_RETRY).await?;
                }
            }
        }
    }

    /// Asks the server whether it shows the timeline at all. Many have no such document; then the timeline tells.
    async fn look(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        let request = self.request(&["api", "v2", "instance"]);
        match line.during(self.fetcher.get(&request)).await? {
            Answer::Body(page) => {
                let instance = Instance::parse(&page.bytes);
                if let Some(why) = instance.closed_because(&self.host(), &self.options) {
                    return Err(Stop::Refused { status: None, why });
                }
            }
            Answer::Wait { until, why } => {
                return Err(Stop::Wait {
                    until,
                    why,
                    broken: None,
                });
            }
            Answer::NotModified { .. } | Answer::Refused { .. } | Answer::Failed { .. } => {}
        }
        self.has_looked = true;
        Ok(Duration::ZERO)
    }

    /// One poll: a page forward, and what an empty one means. Gives the pause until the next.
    async fn round(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        let page = self.page(self.place.min_id.clone(), line).await?;
        if page.len > 0 || page.is_known || self.place.min_id.is_none() {
            return Ok(self.advance(&page, None, line)?);
        }
        let newest = self.page(None, line).await?;
        let gap_end = match (self.place.time, newest.oldest_after(self.place.time)) {
            (Some(_), Some(end)) if !newest.is_known => end,
            // Nothing new there either: the silence is real.
            _ => return Ok(self.advance(&page, None, line)?),
        };
        if !self.is_in_doubt {
            // A post may have come between the two requests: the next round tells.
            self.is_in_doubt = true;
            return Ok(self.options.poll_min());
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
        batch.cursor = Some(self.place.store(&self.host()));
        line.send(batch, standing)?;
        self.pause = match page.len {
            _ if is_behind => self.options.poll_min(),
            0 => (self.pause * 2).clamp(self.options.poll, POLL_MAX.max(self.options.poll)),
            _ => self.options.poll,
        };
        Ok(self.pause)
    }

    /// The page after `min_id`, or the newest one.
    async fn page(&mut self, min_id: Option<String>, line: &Line<'_>) -> Result<Page, Stop> {
        let request = self.page_request(min_id.as_deref());
        let heard_until = wait::before(clock::now(), SETTLING);
        let answer = line.during(self.fetcher.get(&request)).await?;
        let page = match polling::admit(answer, &mut self.back_off) {
            Ok(page) => page,
            Err(Stop::Refused { status, why }) => {
                let why = self.with_advice(status, why);
                return Err(Stop::Refused { status, why });
            }
            Err(stop) => return Err(stop),
        };
        let known_id = self.place.min_id.as_deref();
        Page::parse(page.bytes, known_id, heard_until)
            .map_err(|reject| Stop::unreadable(&self.host(), reject, &mut self.back_off))
    }

    fn page_request(&self, min_id: Option<&str>) -> Request {
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
        request
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

    fn host(&self) -> String {
        opening::host(&self.server)
    }
}
