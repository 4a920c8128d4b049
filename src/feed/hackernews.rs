//! Stories and comments of Hacker News that name a keyword, by asking the search for them
//! (<https://hn.algolia.com/api>).
//!
//! Nobody writes hashtags there. So that the mentions of a keyword can be counted, a hit bears the keyword that was
//! searched for as a declared hashtag, its words joined: `whatsapp down` is counted as `#whatsappdown`, at the source
//! `hackernews`, where `--source` tells it apart. Nothing else is made up, and a hit in whose title and text the words do
//! not all stand (the search also looks at addresses and names) bears none. Hashtags in the text count as everywhere.
//!
//! The search gives the newest thousand hits and no more. While there are more, the stretch that is asked for is made
//! shorter until all of it fits a page, oldest stretch first, so that the cursor only moves over what was handed on: it
//! is the second up to which everything was asked for, and the ids seen in the two minutes before it, which are asked for
//! again, since the search learns of items in no strict order.
//!
//! Manners: a poll a minute, one request a second at most (an address has 10,000 an hour); a 429 is obeyed. Faults are
//! played through in `tests/it/hackernews.rs`.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::contract::{Batch, Closed, Feed, Outlet, Standing};
use super::file::Context;
use super::format::field::{List, Maybe, Scalar};
use super::http::opening::{self, Error, Opening};
use super::http::polling::{self, Line, REFUSED_RETRY, Stop};
use super::http::{Fetcher, Page, Request, wait};
use super::{Asked, Kind, LiveFeed, format};
use crate::clock;
use crate::hashtag;
use crate::post::{Cursor, Identity, Item, RawPost, Reject};
use crate::time::Timestamp;

/// The search of Hacker News.
const SERVER: &str = "https://hn.algolia.com/api/v1/search_by_date";
/// Hits on a page, and of a query: the search gives no more, on whatever page.
const HITS_MAX: usize = 1_000;
/// Of a stretch with too many hits, a part is asked for that should hold so many.
const HITS_WANTED: u64 = 700;
/// Between polls by default.
const POLL: Duration = Duration::from_mins(1);
/// The least one may set for a server of others.
const POLL_MIN: Duration = Duration::from_secs(10);
/// Between two requests.
const HOST_INTERVAL: Duration = Duration::from_secs(1);
/// An item may come to the search so long after it was written: it is asked for again for so long.
const OVERLAP_S: i64 = 120;
/// Ids remembered in the overlap; more than a page holds. Beyond, the store's own memory of posts decides.
const SEEN_MAX: usize = 2_000;
/// JSON, and nothing else.
const ACCEPT: &str = "application/json";

/// Keywords on Hacker News.
pub const KIND: Kind = Kind {
    name: "hackernews",
    about: "stories and comments of Hacker News that name a keyword, as in \"hackernews:whatsapp down\"",
    open: Some(open),
};

/// `hackernews:KEYWORD`, or a table with [`Options`].
fn open(asked: Asked) -> Result<LiveFeed, String> {
    let options: Options = asked.options("query")?;
    let words = words(&options.query);
    if words.is_empty() {
        return Err("it needs a keyword, as in hackernews:whatsapp".to_owned());
    }
    options
        .opening()
        .address()
        .map_err(|error| error.in_words())?;
    let name = format!("{}:{}", KIND.name, words.join(" "));
    Ok(opening::live(name, move |context, cursor| {
        HackerNews::new(options, context, cursor)
    }))
}

/// Which keyword.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// One word or several that must all be there.
    pub query: String,
    /// Where the search is.
    #[serde(default = "server_by_default")]
    pub url: String,
    /// The server may be at a private address and be asked as often as one likes: it is one's own.
    #[serde(default)]
    pub allow_private: bool,
    /// Between polls; at least 10 s.
    #[serde(default = "poll_by_default", deserialize_with = "polling::duration")]
    pub poll: Duration,
}

fn server_by_default() -> String {
    SERVER.to_owned()
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
            allow_http: false,
            poll: self.poll,
            poll_min: POLL_MIN,
            host_interval: HOST_INTERVAL,
        }
    }
}

/// A keyword that is searched for again and again.
#[derive(Debug)]
pub struct HackerNews {
    server: Url,
    fetcher: Fetcher,
    identity: Identity,
    words: Vec<String>,
    poll: Duration,
    place: Place,
    /// The end of the stretch that is asked for, if not now.
    until_s: Option<i64>,
    back_off: wait::BackOff,
}

/// How far the hits are read, as the store keeps it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Place {
    query: String,
    /// Everything up to this second was handed on.
    since_s: i64,
    /// Ids of hits in the overlap before it, each with its second.
    seen: BTreeMap<String, i64>,
}

/// What a page says beside its posts.
#[derive(Debug, Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: List<Maybe<Hit<'a>>>,
    #[serde(rename = "nbHits")]
    total: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hit<'a> {
    #[serde(borrow, rename = "objectID")]
    id: Scalar<'a>,
    #[serde(borrow)]
    created_at_i: Scalar<'a>,
}

impl HackerNews {
    /// A feed that goes on at `cursor`, or begins now. A cursor of another keyword means nothing here.
    pub fn new(
        options: Options,
        context: &Context,
        cursor: Option<&Cursor>,
    ) -> Result<Self, Error> {
        let server = options.opening().address()?;
        let fetcher = options.opening().fetcher(&server)?;
        let Options { query, poll, .. } = options;
        let words = words(&query);
        let query = words.join(" ");
        let place = polling::restore(cursor).filter(|place: &Place| place.query == query);
        Ok(Self {
            place: place.unwrap_or_else(|| Place {
                query,
                since_s: seconds(clock::now()),
                seen: BTreeMap::new(),
            }),
            server,
            fetcher,
            identity: context.identity.clone(),
            words,
            poll,
            until_s: None,
            back_off: wait::BackOff::default(),
        })
    }
}

impl Feed for HackerNews {
    fn run(mut self: Box<Self>, outlet: Outlet) {
        polling::run(&outlet, async |line| self.listen(line).await);
    }
}

impl HackerNews {
    async fn listen(&mut self, line: &mut Line<'_>) -> Result<(), Closed> {
        loop {
            match self.round(line).await {
                Ok(pause) => line.pause(pause).await?,
                Err(stop) => line.heed(stop, REFUSED_RETRY).await?,
            }
        }
    }

    /// One request: a stretch of time, from the cursor on. Gives the pause until the next.
    async fn round(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        let now_s = seconds(clock::now());
        let request = self.request(self.stretch(now_s));
        let answer = line.during(self.fetcher.get(&request)).await?;
        let page = polling::admit(answer, &mut self.back_off)?;
        let hits: Hits<'_> = serde_json::from_slice(&page.bytes).map_err(|error| {
            let reject = if error.is_data() {
                Reject::Shape
            } else {
                Reject::Json
            };
            let host = self.server.host_str().unwrap_or_default();
            Stop::unreadable(host, reject, &mut self.back_off)
        })?;
        self.back_off.reset();
        let has_more = hits.hits.0.len() >= HITS_MAX && hits.total > hits.hits.0.len() as u64;
        let until_s = self.until_s.unwrap_or(now_s);
        if has_more && until_s > self.place.since_s + 1 {
            self.until_s = Some(shorter(self.place.since_s, until_s, hits.total));
            line.send(Batch::default(), Standing::CatchingUp)?;
            return Ok(Duration::ZERO);
        }
        let (standing, pause) = match self.until_s.take() {
            Some(_) => (Standing::CatchingUp, Duration::ZERO),
            None => (Standing::Live, self.poll),
        };
        // A second that held more than can be had; of the overlap the rest was had before.
        let is_cut = has_more && standing == Standing::CatchingUp;
        let batch = self.news(&page, hits, until_s, is_cut);
        line.send(batch, standing)?;
        Ok(pause)
    }

    /// The seconds to ask for: up to now and again a little before the cursor, or a part of what was missed.
    fn stretch(&self, now_s: i64) -> RangeInclusive<i64> {
        match self.until_s {
            Some(until_s) => self.place.since_s + 1..=until_s,
            None => self.place.since_s - OVERLAP_S..=now_s,
        }
    }

    /// What is new of a stretch, and a place at its end. `is_cut`: its one second held more than can be had.
    fn news(&mut self, page: &Page, hits: Hits<'_>, until_s: i64, is_cut: bool) -> Batch {
        let mut items = Vec::new();
        format::read(&page.bytes, &mut items);
        let mut batch = Batch::default();
        let now = clock::now();
        for item in items {
            match item {
                Ok(Item::Post(post)) if self.is_seen(&post) => batch.skipped += 1,
                Ok(Item::Post(mut post)) => {
                    post.tags.extend(self.tag_of(&post).map(Into::into));
                    polling::take(Ok(Item::Post(post)), &self.identity, now, &mut batch);
                }
                other => polling::take(other, &self.identity, now, &mut batch),
            }
        }
        let second = |at_s: i64| Timestamp::from_millis(at_s.saturating_mul(1_000)).unwrap_or(now);
        if is_cut {
            batch.gaps.push(second(until_s)..second(until_s + 1));
        }
        self.place.pass(hits, until_s);
        batch.heard_until = Some(wait::before(second(self.place.since_s), polling::SETTLING));
        batch.cursor = Some(polling::store(&self.place));
        batch
    }

    fn is_seen(&self, post: &RawPost<'_>) -> bool {
        let id = post.id.strip_prefix("hackernews:").unwrap_or(&post.id);
        self.place.seen.contains_key(id)
    }

    /// The keyword as a hashtag, if the post holds all of its words.
    fn tag_of(&self, post: &RawPost<'_>) -> Option<String> {
        let text: HashSet<String> = post.text.split(parts_words).map(hashtag::fold).collect();
        let holds = |word: &String| text.contains(&hashtag::fold(word));
        self.words.iter().all(holds).then(|| self.words.concat())
    }

    fn request(&self, stretch: RangeInclusive<i64>) -> Request {
        let mut url = self.server.clone();
        let (since_s, until_s) = stretch.into_inner();
        url.query_pairs_mut()
            .append_pair("query", &self.place.query)
            .append_pair("tags", "(story,comment,poll)")
            .append_pair(
                "numericFilters",
                &format!("created_at_i>={since_s},created_at_i<={until_s}"),
            )
            .append_pair("hitsPerPage", &HITS_MAX.to_string())
            .append_pair("typoTolerance", "false");
        Request {
            url,
            accept: ACCEPT,
            validators: None,
            token: None,
        }
    }
}

impl Place {
    /// Everything up to `until_s` was handed on, with these hits.
    fn pass(&mut self, hits: Hits<'_>, until_s: i64) {
        self.since_s = self.since_s.max(until_s);
        let kept_since_s = self.since_s - OVERLAP_S;
        for hit in hits.hits.0.into_iter().filter_map(|hit| hit.0) {
            if let (Some(id), Scalar::Int(at_s)) = (hit.id.id(), hit.created_at_i) {
                self.seen.insert(id.into_owned(), at_s);
            }
        }
        self.seen.retain(|_, at_s| *at_s >= kept_since_s);
        while self.seen.len() > SEEN_MAX {
            self.seen.pop_first();
        }
    }
}

/// The end of a stretch behind `start_s` that should hold [`HITS_WANTED`] hits, when that up to `until_s` holds `total`.
fn shorter(start_s: i64, until_s: i64, total: u64) -> i64 {
    let share = HITS_WANTED as f64 / total.max(HITS_WANTED + 1) as f64;
    let length_s = until_s.saturating_sub(start_s);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of a length that fits"
    )]
    let shorter_s = (length_s as f64 * share) as i64;
    start_s + shorter_s.clamp(1, (length_s - 1).max(1))
}

/// The words of a keyword, without the signs of hashtags.
fn words(query: &str) -> Vec<String> {
    query
        .split_whitespace()
        .map(|word| word.trim_start_matches(hashtag::SIGNS))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a sign stands between words.
fn parts_words(sign: char) -> bool {
    const GENERAL_PUNCTUATION: std::ops::RangeInclusive<char> = '\u{2010}'..='\u{205E}';
    sign.is_whitespace() || sign.is_ascii_punctuation() || GENERAL_PUNCTUATION.contains(&sign)
}

/// Whole seconds since the Unix epoch.
fn seconds(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_known_by_its_words() {
        let name = |query: &str| open(Asked::Url(query.to_owned())).map(|feed| feed.name);
        assert_eq!(
            name(" whatsapp  down ").as_deref(),
            Ok("hackernews:whatsapp down")
        );
        assert_eq!(
            name("#WhatsAppDown").as_deref(),
            Ok("hackernews:WhatsAppDown")
        );
        assert!(name(" # ").is_err());
    }

    #[test]
    fn a_stretch_with_too_many_hits_gets_shorter_until_it_is_a_second() {
        assert_eq!(shorter(0, 1_000, 1_400), 500);
        let mut until_s = 1_000;
        while until_s > 1 {
            let next_s = shorter(0, until_s, u64::MAX);
            assert!((1..until_s).contains(&next_s));
            until_s = next_s;
        }
    }
}
