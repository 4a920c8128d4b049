//! What a service says of itself on its status page, by polling it: Statuspage JSON
//! (<https://metastatuspage.com/api>), which many services serve on a domain of their own.
//!
//! Nothing here is a post. What was said comes as [`Official`] rows beside the counts and is kept by page, incident and
//! update, so that an update that is edited is replaced. A page says nothing of what was heard: the feed neither moves
//! nor holds the watermark, and its silence is no gap. An address without a path to a JSON document is asked for
//! `/api/v2/incidents.json`, which shows the last fifty incidents; `summary.json` forgets one when it is resolved.
//!
//! The cursor holds where the page is and what its server said about its state ([`watch`]). Manners are those of
//! [`watch`], at most once a minute. Faults are played through in `tests/it/status.rs`.

pub mod page;

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::contract::{Batch, Closed, Ending, Feed, Outlet, Standing};
use super::file::Context;
use super::http::opening::{self, Error, Opening};
use super::http::polling::{self, Line};
use super::http::watch::{Look, Wanted, Watch};
use super::http::{Page, Settings, Token};
use super::{Asked, Kind, LiveFeed};
use crate::lexicon::Lexicon;
use crate::official::Official;
use crate::post::Cursor;

/// Between polls, by default and at least.
const POLL: Duration = Duration::from_mins(1);
/// The last fifty incidents.
const INCIDENTS: &str = "/api/v2/incidents.json";
/// JSON, and nothing else.
const ACCEPT: &str = "application/json";

/// Status pages.
pub const KIND: Kind = Kind {
    name: "status",
    about: "what a service says on its status page (Statuspage), as in status:https://www.githubstatus.com",
    open: Some(open),
};

/// `status:URL`, or a table with [`Options`].
fn open(asked: Asked) -> Result<LiveFeed, String> {
    let options: Options = asked.options("url")?;
    let url = options.address().map_err(|error| error.in_words())?;
    // The query of an address may hold a key.
    let host = url.host_str().unwrap_or_default();
    let path = Some(url.path()).filter(|path| *path != INCIDENTS);
    let name = format!("{}:{host}{}", KIND.name, path.unwrap_or_default());
    Ok(opening::live(name, move |context, cursor| {
        Status::new(options, context, cursor)
    }))
}

/// Which page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `https://HOST`, or the whole address of `incidents.json` or `summary.json`.
    pub url: String,
    /// The service of the lexicon that the page speaks of; by default the one that the lexicon knows by the page's name.
    #[serde(default)]
    pub service: Option<String>,
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
            form: "https://HOST",
            allow_private: self.allow_private,
            allow_http: true,
            poll: self.poll,
            poll_min: POLL,
            host_interval: Settings::default().host_interval,
        }
    }

    /// The address of the document.
    fn address(&self) -> Result<Url, Error> {
        let mut url = self.opening().address()?;
        if url.path() == "/" {
            url.set_path(INCIDENTS);
        }
        Ok(url)
    }
}

/// A status page that is polled.
#[derive(Debug)]
pub struct Status {
    watch: Watch,
    service: Option<String>,
    lexicon: Lexicon,
    /// Hashes of what the last page said.
    said: HashSet<u64>,
}

impl Status {
    /// A feed that goes on at `cursor`. A cursor of another address means nothing here.
    pub fn new(options: Options, _: &Context, cursor: Option<&Cursor>) -> Result<Self, Error> {
        let url = options.address()?;
        let fetcher = options.opening().fetcher(&url)?;
        let wanted = Wanted {
            url,
            accept: ACCEPT,
            token: options.token,
            poll: options.poll,
        };
        Ok(Self {
            watch: Watch::new(wanted, fetcher, polling::restore(cursor)),
            service: options.service,
            lexicon: Lexicon::builtin(),
            said: HashSet::new(),
        })
    }
}

impl Feed for Status {
    fn run(mut self: Box<Self>, outlet: Outlet) {
        polling::run(&outlet, async |line| self.listen(line).await);
    }
}

impl Status {
    async fn listen(&mut self, line: &mut Line<'_>) -> Result<(), Closed> {
        loop {
            match self.watch.next(line).await? {
                Look::Page { page, .. } => self.advance(&page, line).await?,
                Look::Unchanged { .. } => line.send(Batch::default(), Standing::Live)?,
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

    /// Hands on what a page says that it did not say before.
    async fn advance(&mut self, page: &Page, line: &mut Line<'_>) -> Result<(), Closed> {
        let service_of = |name: &str| {
            let known = || self.lexicon.service_named(name).map(str::to_owned);
            self.service.clone().or_else(known)
        };
        let parsed = match page::parse(&page.bytes, service_of) {
            Ok(parsed) => parsed,
            Err(reject) => {
                let host = page.final_url.host_str().unwrap_or_default();
                let why = format!("{host} sends what is no Statuspage JSON");
                return self.watch.reject(reject, why, line).await;
            }
        };
        self.watch.accept(page, Duration::ZERO);
        let mut batch = Batch::default();
        for reject in parsed.rejected {
            polling::reject(reject, &mut batch);
        }
        let said: HashSet<u64> = parsed.officials.iter().map(fingerprint).collect();
        batch.officials = parsed.officials;
        batch
            .officials
            .retain(|official| !self.said.contains(&fingerprint(official)));
        self.said = said;
        batch.cursor = Some(polling::store(self.watch.place()));
        line.send(batch, Standing::Live)
    }
}

fn fingerprint(official: &Official) -> u64 {
    xxh3_64(format!("{official:?}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_host_and_asked_for_its_incidents() {
        for (url, name, address) in [
            (
                "https://a.example",
                "status:a.example",
                "https://a.example/api/v2/incidents.json",
            ),
            (
                "https://a.example/api/v2/summary.json?key=canary",
                "status:a.example/api/v2/summary.json",
                "https://a.example/api/v2/summary.json?key=canary",
            ),
        ] {
            let opened = open(Asked::Url(url.to_owned())).expect("an address");
            assert_eq!(opened.name, name);
            let options: Options = Asked::Url(url.to_owned()).options("url").expect("options");
            assert_eq!(options.address().expect("an address").as_str(), address);
        }
        assert!(open(Asked::Url("a.example".to_owned())).is_err());
    }

    #[test]
    fn no_page_of_others_is_asked_for_more_than_once_a_minute() {
        let table = "url = \"https://a.example\"\npoll = \"59s\""
            .parse()
            .expect("TOML");
        assert!(
            open(Asked::Table(table))
                .is_err_and(|why| why.contains("the shortest time between polls is 60s"))
        );
    }
}
