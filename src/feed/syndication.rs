//! Entries of an RSS, Atom or JSON Feed, by polling it.
//!
//! Every kind of feed is read into one shape ([`page`]); an entry becomes a post whose text is its title and its content
//! without HTML, and whose categories are declared hashtags. What comes in is bytes of unknown honesty: the fetcher
//! bounds their size, the reader their nesting, and no entity or DTD is ever fetched.
//!
//! The cursor holds where the page is and what its server said about its state ([`watch`]), the last time that it was
//! read, and hashes of the entries that were seen, so that each is handed on once. Beyond their cap the store's own
//! memory of posts decides. A page on which no entry is known has rolled on without us: the stretch since is a gap.
//!
//! The first page that is ever read shows what was there before us: all of its entries are remembered, and those handed
//! on that were written just now ([`FRESH`]). An entry without a time is of the time at which it was first seen, and on
//! the first page of no time at all.
//!
//! Manners are those of [`watch`]; a 410 ends the feed. Real feeds and faults are played through in
//! `tests/it/syndication.rs` and `tests/it/peers/nginx.rs`.

mod date;
mod json;
mod letters;
pub mod page;
mod xml;

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use self::page::Entry;
use super::contract::{Batch, Closed, Ending, Feed, Outlet, Standing};
use super::file::Context;
use super::http::opening::{self, Error, Opening};
use super::http::polling::{self, Line};
use super::http::watch::{self, Look, Wanted, Watch};
use super::http::{Page, Settings, Token, wait};
use super::{Asked, Kind, LiveFeed};
use crate::clock;
use crate::post::{Cursor, Identity, Item};
use crate::time::Timestamp;

/// Entries remembered as handed on; a page of a feed rarely has more than a few hundred.
const SEEN_MAX: usize = 2_000;
/// Between polls by default.
const POLL: Duration = Duration::from_mins(5);
/// The least one may set, for a server that is not one's own.
const POLL_MIN: Duration = Duration::from_mins(1);
/// Of the first page, entries of the last so many minutes are handed on: the lateness bound, unless it was set.
const FRESH: Duration = Duration::from_mins(10);
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
    watch: Watch,
    identity: Identity,
    memory: Memory,
}

/// What is remembered of a feed beside where its page is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// The last time that all of it was read.
    time: Option<String>,
    /// Hashes of entries that were seen, newest first.
    seen: Vec<u64>,
}

/// The cursor.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    page: watch::Place,
    #[serde(flatten)]
    memory: Memory,
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
        let stored = polling::restore::<Stored>(cursor)
            // Of another page it says nothing.
            .filter(|stored| Watch::is_of(&stored.page, &url));
        let (page, memory) = stored.map_or((None, Memory::default()), |stored| {
            (Some(stored.page), stored.memory)
        });
        let wanted = Wanted {
            url,
            accept: ACCEPT,
            token: options.token,
            poll: options.poll,
        };
        Ok(Self {
            watch: Watch::new(wanted, fetcher, page),
            identity: context.identity.clone(),
            memory,
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
            match self.watch.next(line).await? {
                Look::Page { page, heard_until } => self.advance(&page, heard_until, line).await?,
                Look::Unchanged { heard_until } => {
                    self.hand_on(Batch::default(), heard_until, line)?;
                }
                Look::Gone { why } => {
                    let batch = Batch {
                        ending: Some(Ending::Complete),
                        ..Batch::default()
                    };
                    return line.send(batch, Standing::Refused { why });
                }
            }
        }
    }

    /// Hands on what is new on a page.
    async fn advance(
        &mut self,
        page: &Page,
        heard_until: Timestamp,
        line: &mut Line<'_>,
    ) -> Result<(), Closed> {
        let host = page.final_url.host_str().unwrap_or_default();
        let mut batch = Batch::default();
        let now = clock::now();
        let parsed = match page::parse(&page.bytes, page.charset.as_deref(), host, now) {
            Ok(parsed) => parsed,
            Err(reject) => {
                let why = format!("{host} sends what is no RSS, Atom or JSON Feed");
                return self.watch.reject(reject, why, line).await;
            }
        };
        self.watch.accept(page, parsed.stays);
        for reject in parsed.rejected {
            polling::reject(reject, &mut batch);
        }
        self.take(parsed.entries, now, &mut batch);
        self.hand_on(batch, heard_until, line)
    }

    /// Sorts out which entries are new, and whether some came and went unseen.
    fn take(&mut self, entries: Vec<Entry>, now: Timestamp, batch: &mut Batch) {
        let hash = |entry: &Entry| xxh3_64(entry.post.id.as_bytes());
        let seen: HashSet<u64> = self.memory.seen.iter().copied().collect();
        let is_first = seen.is_empty();
        let is_any_known = entries.iter().any(|entry| seen.contains(&hash(entry)));
        let oldest = entries.iter().map(|entry| entry.post.at).min();
        if let (Some(last), Some(oldest), false) = (self.memory.last_read(), oldest, is_any_known)
            && !is_first
            && last < oldest
        {
            batch.gaps.push(last..oldest);
        }
        let on_page: Vec<u64> = entries.iter().rev().map(hash).collect();
        let fresh_since = wait::before(now, FRESH);
        for entry in entries {
            let is_from_before_us = is_first && !(entry.is_dated && entry.post.at >= fresh_since);
            if is_from_before_us || seen.contains(&hash(&entry)) {
                batch.skipped += 1;
            } else {
                let item = Ok(Item::Post(Box::new(entry.post)));
                polling::take(item, &self.identity, now, batch);
            }
        }
        self.memory.remember(on_page);
    }

    fn hand_on(
        &mut self,
        mut batch: Batch,
        heard_until: Timestamp,
        line: &mut Line<'_>,
    ) -> Result<(), Closed> {
        self.memory.time = Some(heard_until.to_string());
        batch.heard_until = Some(heard_until);
        let stored = Stored {
            page: self.watch.place().clone(),
            memory: self.memory.clone(),
        };
        batch.cursor = Some(polling::store(&stored));
        line.send(batch, Standing::Live)
    }
}

impl Memory {
    fn last_read(&self) -> Option<Timestamp> {
        self.time.as_ref()?.parse().ok()
    }

    /// Takes the entries of a page, newest first. Those that it no longer shows are kept behind them: it may again.
    fn remember(&mut self, on_page: Vec<u64>) {
        let shown: HashSet<u64> = on_page.iter().copied().collect();
        self.seen.retain(|seen| !shown.contains(seen));
        self.seen.splice(..0, on_page);
        self.seen.truncate(SEEN_MAX);
    }
}
