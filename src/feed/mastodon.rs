//! Posts of a fediverse server, from one of its timelines: Mastodon, and the many that speak its API.
//!
//! Without a token the timeline is polled. Pages come newest first and are followed forward with `min_id`, which gives
//! the page right after a post and skips nothing (<https://docs.joinmastodon.org/methods/timelines/>). Each page is
//! handed on whole, oldest post first; the cursor is the newest id of it, opaque, with the host and the time up to
//! which all was heard ([`place`], [`paging`]).
//!
//! With a token the server's stream is followed, which tells each post as the server learns of it
//! (<https://docs.joinmastodon.org/methods/streaming/>). A stream cannot be resumed: so each time that one has been
//! opened the timeline is read forward to its end, and what comes twice the store knows by its `uri`. Where the stream
//! is refused, that is said and the timeline is polled ([`streaming`]).
//!
//! A page of Mastodon is sorted by when posts were written, and posts of other servers are filed when this one
//! discovers them: one that comes late is filed before our place, and polling does not see it. The stream does. Posts
//! that come perhaps years late whoever counts decides about. What a status is and what is kept of it is said in
//! `format/mastodon.rs`.
//!
//! One feed is one timeline of one server, with its own cursor and standing; several servers are several feeds. Manners:
//! a poll every 15 s, slower to a minute while nothing comes, faster to 3 s while pages come back full, which is what
//! Mastodon allows an address that pages (300 in 15 minutes), all feeds of that server together; a 429 is obeyed; a
//! refusal is asked again four times an hour. Faults and paging are played through in `tests/it/mastodon.rs`.

mod instance;
pub mod options;
mod page;
mod paging;
mod place;
mod streaming;

use std::time::Duration;

use reqwest::Url;

use self::instance::Instance;
use self::options::Options;
use self::paging::Paging;
use self::place::Place;
use self::streaming::Streaming;
use super::contract::{Closed, Feed, Outlet};
use super::file::Context;
use super::http::opening::{self, Error};
use super::http::polling::{self, Line, REFUSED_RETRY, Stop};
use super::http::{Answer, Fetcher, Request, wait};
use super::{Asked, Kind, LiveFeed};
use crate::post::{Cursor, Identity};

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
    let host = opening::host(&server);
    let name = format!("{}:{host}{}", KIND.name, options.timeline.suffix());
    Ok(opening::live(name, move |context, cursor| {
        Mastodon::new(options, context, cursor)
    }))
}

/// A timeline that is read.
#[derive(Debug)]
pub struct Mastodon {
    options: Options,
    server: Url,
    /// Where its posts are seen: here, wherever they were written.
    source: String,
    fetcher: Fetcher,
    identity: Identity,
    place: Place,
    /// The instance document has been read.
    has_looked: bool,
    paging: Paging,
    streaming: Streaming,
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
            source: format!("{}:{}", KIND.name, opening::host(&server)),
            identity: context.identity.clone(),
            has_looked: false,
            paging: Paging::default(),
            streaming: Streaming::new(server.clone()),
            back_off: wait::BackOff::default(),
            options,
            server,
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
            match self.round(line).await {
                Ok(pause) => line.pause(pause).await?,
                Err(stop) => {
                    self.leave_stream();
                    self.has_looked &= !matches!(stop, Stop::Refused { .. });
                    line.heed(stop, REFUSED_RETRY).await?;
                }
            }
        }
    }

    /// Reads the timeline forward from its place, and follows the stream, where there is one, until that ends. Gives
    /// the pause until the next round.
    async fn round(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        if !self.has_looked {
            self.look(line).await?;
        }
        self.open_stream(line).await?;
        let pause = self.poll(line).await?;
        if !self.has_stream() {
            return Ok(pause);
        }
        let until_next = self.paging.is_behind().then_some(pause);
        self.follow_stream(until_next, line).await?;
        Ok(Duration::ZERO)
    }

    /// Asks the server whether it shows the timeline at all. Many have no such document; then the timeline tells.
    async fn look(&mut self, line: &mut Line<'_>) -> Result<(), Stop> {
        let request = self.request(&self.server, &["api", "v2", "instance"]);
        match line.during(self.fetcher.get(&request)).await? {
            Answer::Body(page) => {
                let instance = Instance::parse(&page.bytes);
                if let Some(why) = instance.closed_because(&self.host(), &self.options) {
                    return Err(Stop::Refused { status: None, why });
                }
                self.streaming.is_at(instance.streams_at(&self.server));
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
        Ok(())
    }

    /// What a path of a server is asked with.
    fn request(&self, server: &Url, path: &[&str]) -> Request {
        let mut url = server.clone();
        url.path_segments_mut()
            .expect("http addresses have a path")
            .clear()
            .extend(path);
        url.set_query(None);
        Request {
            url,
            accept: "application/json",
            validators: None,
            token: self.options.token.clone(),
        }
    }

    fn host(&self) -> String {
        opening::host(&self.server)
    }
}
