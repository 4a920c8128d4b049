//! Entries of an RSS, Atom or JSON Feed, by polling it.
//!
//! Every kind of feed is read into one shape by `feed-rs`; an entry becomes a post whose text is its title and its
//! content without HTML, and whose categories are declared hashtags. What comes in is bytes of unknown honesty: the
//! fetcher bounds their size, [`page`] their nesting, and no entity or DTD is ever fetched.
//!
//! The cursor holds what the server said about the page's state, byte for byte, where the page has moved for good, and
//! hashes of the entries that were handed on, so that each is handed on once. Beyond their cap the store's own memory
//! of posts decides. A page on which no entry is known has rolled on without us: the stretch since is a gap.
//!
//! Manners: conditional requests; never more often than the setting, `max-age` or `ttl` allow, with some jitter; a 410
//! ends the feed. Real feeds and faults are played through in `tests/it/syndication.rs`.

pub mod page;

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::contract::{Batch, Closed, Ending, Feed, Outlet, Standing};
use super::file::Context;
use super::http::opening::{self, Error, Opening};
use super::http::polling::{self, Line, REFUSED_RETRY, SETTLING, Stop};
use super::http::{Answer, Fetcher, Page, Request, Settings, Token, Validators, wait};
use super::{Asked, Kind, LiveFeed};
use crate::clock;
use crate::post::{Cursor, Identity, Item, RawPost};
use crate::time::Timestamp;

/// Entries remembered as handed on; a page of a feed rarely has more than a few hundred.
const SEEN_MAX: usize = 2_000;
/// Between polls by default.
const POLL: Duration = Duration::from_mins(5);
/// The least one may set, for a server that is not one's own.
const POLL_MIN: Duration = Duration::from_mins(1);
/// However long a page says that it will stay, it is asked again after a day.
const POLL_MAX: Duration = Duration::from_hours(24);
/// Polls are late by up to this share, so that many feeds do not meet.
const JITTER: f64 = 0.1;
/// Feeds first, then anything: many servers label them wrong.
const ACCEPT: &str = "application/atom+xml, application/rss+xml, application/feed+json, \
                      application/xml;q=0.9, */*;q=0.8";

/// Syndicated feeds.
pub const KIND: Kind = Kind {
    name: "feed",
    about: "an RSS, Atom or JSON Feed, as in feed:https://example.org/news.rss",
    open: Some(open),
};

/// `feed:URL`, or a table with [`Options`].
fn open(asked: Asked) -> Result<LiveFeed, String> {
    let options: Options = asked.options("url")?;
    let url = options
        .opening()
        .address()
        .map_err(|error| error.in_words())?;
    // The query of an address may hold a key.
    let host = url.host_str().unwrap_or_default();
    let name = format!("{}:{host}{}", KIND.name, url.path());
    Ok(opening::live(name, move |context, cursor| {
        Syndication::new(options, context, cursor)
    }))
}

/// Which feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `https://…` or `http://…`.
    pub url: String,
    /// Sent as a bearer token to the host of `url`.
    #[serde(default)]
    pub token: Option<Token>,
    /// The server may be at a private address and be asked as often as one likes: it is one's own.
    #[serde(default)]
    pub allow_private: bool,
    /// Between polls; at least a minute.
    #[serde(default = "poll_by_default", deserialize_with = "polling::duration")]
    pub poll: Duration,
}

fn poll_by_default() -> Duration {
    POLL
}

impl Options {
    fn opening(&self) -> Opening<'_> {
        Opening {
            url: &self.url,
            form: "https://HOST/PATH",
            allow_private: self.allow_private,
            allow_http: true,
            poll: self.poll,
            poll_min: POLL_MIN,
            host_interval: Settings::default().host_interval,
        }
    }
}

/// A feed that is polled.
#[derive(Debug)]
pub struct Syndication {
    options: Options,
    fetcher: Fetcher,
    identity: Identity,
    place: Place,
    /// How long the page says that it stays as it is.
    stays: Duration,
    back_off: wait::BackOff,
}

/// How far the feed is read, as the store keeps it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    /// The address it was opened by.
    asked: String,
    /// Where it is now, if it has moved for good.
    moved: Option<String>,
    validators: Option<Validators>,
    /// The last time that all of it was read.
    time: Option<String>,
    /// Hashes of entries that were handed on, newest first.
    seen: Vec<u64>,
}

impl Syndication {
    /// A feed that goes on at `cursor`. A cursor of another address means nothing here.
    pub fn new(
        options: Options,
        context: &Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let url = options.opening().address()?;
        let fetcher = options.opening().fetcher(&url)?;
        Ok(Self {
            place: Place::restore(cursor, &url),
            options,
            fetcher,
            identity: context.identity.clone(),
            stays: Duration::ZERO,
            back_off: wait::BackOff::default(),
        })
    }
}

impl Feed for Syndication {
    fn run(mut self: Box<Self>, outlet: Outlet) {
        polling::run(&outlet, async |line| self.listen(line).await);
    }
}

impl Syndication {
    async fn listen(&mut self, line: &mut Line<'_>) -> Result<(), Closed> {
        loop {
            match self.round(line).await {
                Ok(()) => line.pause(self.interval()).await?,
                Err(Stop::Refused {
                    status: Some(410),
                    why,
                }) => return line.send(end(), Standing::Refused { why }),
                Err(stop) => line.heed(stop, REFUSED_RETRY.max(self.interval())).await?,
            }
        }
    }

    /// One poll.
    async fn round(&mut self, line: &mut Line<'_>) -> Result<(), Stop> {
        let heard_until = wait::before(clock::now(), SETTLING);
        let request = self.request();
        match line.during(self.fetcher.get(&request)).await? {
            Answer::NotModified { max_age } => {
                self.stays = max_age.unwrap_or(self.stays);
                Ok(self.hand_on(Batch::default(), heard_until, line)?)
            }
            answer => {
                let page = polling::admit(answer, &mut self.back_off)?;
                self.advance(page, heard_until, line)
            }
        }
    }

    /// Hands on what is new on a page.
    fn advance(
        &mut self,
        page: Page,
        heard_until: Timestamp,
        line: &mut Line<'_>,
    ) -> Result<(), Stop> {
        let host = page.final_url.host_str().unwrap_or_default().to_owned();
        let mut batch = Batch::default();
        let parsed = match page::parse(&page.bytes, page.charset.as_deref(), &host, clock::now()) {
            Ok(parsed) => parsed,
            Err(reject) => {
                return Err(Stop::Wait {
                    until: wait::after(clock::now(), self.interval()),
                    why: format!("{host} sends what is no RSS, Atom or JSON Feed"),
                    broken: Some(reject),
                });
            }
        };
        self.stays = page.max_age.unwrap_or_default().max(parsed.ttl);
        if let Some(moved) = page.permanent_redirect {
            self.place.moved = Some(moved.into());
        }
        self.place.validators = page.validators;
        self.take(parsed.entries, &mut batch);
        Ok(self.hand_on(batch, heard_until, line)?)
    }

    /// Sorts out which entries are new, and whether some came and went unseen.
    fn take(&mut self, entries: Vec<RawPost<'_>>, batch: &mut Batch) {
        let hash = |entry: &RawPost<'_>| xxh3_64(entry.id.as_bytes());
        let is_seen = |entry: &RawPost<'_>| self.place.seen.contains(&hash(entry));
        let is_any_known = entries.iter().any(is_seen);
        let oldest = entries.iter().map(|entry| entry.at).min();
        if let (Some(last), Some(oldest), false) = (self.place.last_read(), oldest, is_any_known)
            && !self.place.seen.is_empty()
            && last < oldest
        {
            batch.gaps.push(last..oldest);
        }
        let on_page: Vec<u64> = entries.iter().rev().map(hash).collect();
        let now = clock::now();
        for entry in entries {
            if self.place.seen.contains(&hash(&entry)) {
                batch.skipped += 1;
            } else {
                let item = Ok(Item::Post(Box::new(entry)));
                polling::take(item, &self.identity, now, batch);
            }
        }
        self.place.seen.retain(|seen| !on_page.contains(seen));
        self.place.seen.splice(..0, on_page);
        self.place.seen.truncate(SEEN_MAX);
    }

    fn hand_on(
        &mut self,
        mut batch: Batch,
        heard_until: Timestamp,
        line: &mut Line<'_>,
    ) -> Result<(), Closed> {
        self.back_off.reset();
        self.place.time = Some(heard_until.to_string());
        batch.heard_until = Some(heard_until);
        batch.cursor = Some(polling::store(&self.place));
        line.send(batch, Standing::Live)
    }

    fn request(&self) -> Request {
        let now_at = self.place.moved.as_ref().unwrap_or(&self.place.asked);
        Request {
            url: now_at
                .parse()
                .expect("addresses were parsed before they were kept"),
            accept: ACCEPT,
            validators: self.place.validators.clone(),
            // The token was given for the host that was configured.
            token: self
                .options
                .token
                .clone()
                .filter(|_| self.place.moved.is_none()),
        }
    }

    fn interval(&self) -> Duration {
        let interval = self.options.poll.max(self.stays.min(POLL_MAX));
        interval.mul_f64(1.0 + JITTER * wait::random_share())
    }
}

/// The last batch of a feed that has been taken down.
fn end() -> Batch {
    Batch {
        ending: Some(Ending::Complete),
        ..Batch::default()
    }
}

impl Place {
    fn restore(cursor: Option<&Cursor>, url: &Url) -> Self {
        let mut place = polling::restore(cursor)
            .filter(|stored: &Self| stored.asked == url.as_str())
            .unwrap_or_default();
        url.as_str().clone_into(&mut place.asked);
        place.moved = place.moved.filter(|moved| moved.parse::<Url>().is_ok());
        place
    }

    fn last_read(&self) -> Option<Timestamp> {
        self.time.as_ref()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_for_its_own_address_alone() {
        let url: Url = "https://a.example/feed".parse().unwrap();
        let place = Place {
            asked: url.to_string(),
            seen: vec![1, u64::MAX],
            ..Place::default()
        };
        let cursor = polling::store(&place);
        assert_eq!(Place::restore(Some(&cursor), &url).seen, [1, u64::MAX]);
        let other = "https://a.example/other".parse().unwrap();
        assert!(Place::restore(Some(&cursor), &other).seen.is_empty());
    }
}
