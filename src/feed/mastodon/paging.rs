//! Reading a timeline forward, page by page.
//!
//! Two kinds of silence are told apart from a quiet server. A server may have closed its timelines and answer with an
//! empty page for ever: its instance document says so ([`super::instance`]), or else it shows no post at all, which
//! is not taken for hearing. A server that has forgotten the post of our `min_id` does the same: so an empty page is
//! checked against the newest page, and posts there that we should have been given mean a new start, with a gap if
//! that page does not reach back to where we were.
//!
//! Whoever has been away has pages to make up for, and the watermark waits meanwhile, also for other feeds. So what is
//! read forward tells how far it has come; and if it has not arrived within as many pages as can be had in ten minutes,
//! it goes on at the newest page and tells the rest as a gap.

use std::time::Duration;

use super::Mastodon;
use super::options::Timeline;
use super::page::Page;
use crate::clock;
use crate::feed::contract::{Batch, Closed, Standing};
use crate::feed::format;
use crate::feed::http::polling::{self, Line, SETTLING, Stop};
use crate::feed::http::{Request, wait};
use crate::time::Timestamp;

/// Posts asked for in a page; the most that Mastodon gives.
const PAGE_LEN: usize = 40;
/// The shortest page that may be full: some servers give no more than 20, whatever is asked.
const FULL_LEN_MIN: usize = 20;
/// Between polls of a server where nothing happens.
const POLL_MAX: Duration = Duration::from_mins(1);
/// A server without a post is asked so much less often than others.
const EMPTY_FACTOR: u32 = 4;
/// Polls are late by up to this share, so that many feeds do not meet.
const JITTER: f64 = 0.1;
/// Full pages read one after the other before the rest is given up: ten minutes at a page every 3 s, the default
/// lateness, after which other feeds may have gone on without us.
const CATCH_UP_PAGES_MAX: u32 = 200;
/// A page of posts that are all so much younger than the stream holds nothing that the stream has not told.
const STREAM_OVERLAP: Duration = Duration::from_mins(1);

/// How reading forward goes.
#[derive(Debug, Default)]
pub(super) struct Paging {
    /// The empty page before this one was not believed.
    is_in_doubt: bool,
    longest_page: usize,
    /// Full pages since the end of the timeline was last seen.
    full_pages: u32,
    /// Between polls; none before the first.
    pause: Duration,
}

impl Paging {
    /// There is more to be read before the timeline has been read to its end.
    pub(super) fn is_behind(&self) -> bool {
        self.full_pages > 0 || self.is_in_doubt
    }
}

impl Mastodon {
    /// One poll: a page forward, and what an empty one means. Gives the pause until the next.
    pub(super) async fn poll(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        if self.paging.full_pages >= CATCH_UP_PAGES_MAX {
            return self.give_up(line).await;
        }
        let page = self.page(self.place.min_id.clone(), line).await?;
        if page.len == 0 && self.place.min_id.is_none() && !self.may_be_empty() {
            return Err(self.empty());
        }
        if page.len > 0 || page.is_known || self.place.min_id.is_none() {
            return Ok(self.advance(&page, None, line)?);
        }
        let newest = self.page(None, line).await?;
        let is_missing_posts = newest.oldest_after(self.place.time).is_some();
        if newest.is_known || self.place.time.is_none() || !is_missing_posts {
            // Nothing new there either: the silence is real.
            return Ok(self.advance(&page, None, line)?);
        }
        if !self.paging.is_in_doubt {
            // A post may have come between the two requests: the next round tells.
            self.paging.is_in_doubt = true;
            return Ok(self.options.poll_min());
        }
        Ok(self.start_anew(&newest, line)?)
    }

    /// Hardly any server has no post at all, and many a hashtag has none.
    fn may_be_empty(&self) -> bool {
        matches!(self.options.timeline, Timeline::Tag(_))
    }

    /// An empty timeline is not believed to be heard.
    fn empty(&self) -> Stop {
        let poll = self.options.poll;
        let pause = poll.saturating_mul(EMPTY_FACTOR).min(POLL_MAX.max(poll));
        Stop::Wait {
            until: wait::after(clock::now(), pause),
            why: format!(
                "{} shows no post at all: its timeline is closed, or new",
                self.host()
            ),
            broken: None,
        }
    }

    /// Goes on at the newest page, however far that is.
    async fn give_up(&mut self, line: &mut Line<'_>) -> Result<Duration, Stop> {
        let newest = self.page(None, line).await?;
        if newest.is_known {
            return Ok(self.advance(&newest, None, line)?);
        }
        Ok(self.start_anew(&newest, line)?)
    }

    fn start_anew(&mut self, newest: &Page, line: &mut Line<'_>) -> Result<Duration, Closed> {
        self.place.min_id = None;
        // A page that reaches back to where we were has all that we missed.
        let gap_end = newest
            .oldest()
            .filter(|oldest| Some(*oldest) > self.place.time);
        self.advance(newest, gap_end, line)
    }

    /// Hands a page on and moves to its end. `gap_end`: what lies between the old place and there was missed.
    fn advance(
        &mut self,
        page: &Page,
        gap_end: Option<Timestamp>,
        line: &mut Line<'_>,
    ) -> Result<Duration, Closed> {
        let mut batch = self.batch(page);
        if let (Some(start), Some(end)) = (self.place.time, gap_end) {
            batch.gaps.push(start..end);
        }
        if self.place.time.is_none() {
            // Of a server that was never heard, its newest page may reach back for days. What is heard is told first,
            // so that posts older than the lateness bound are late.
            let heard = Batch {
                heard_until: Some(page.heard_until),
                ..Batch::default()
            };
            line.send(heard, Standing::Live)?;
        }
        self.back_off.reset();
        let is_behind = self.is_followed_by_more(page);
        self.pass(page, is_behind);
        batch.heard_until = self.place.time;
        batch.cursor = Some(self.place.store(&self.host()));
        let standing = if is_behind {
            Standing::CatchingUp
        } else {
            Standing::Live
        };
        line.send(batch, standing)?;
        Ok(self.pause_after(page.len))
    }

    /// The posts of a page.
    fn batch(&self, page: &Page) -> Batch {
        let mut batch = Batch::default();
        let mut items = Vec::new();
        if page.len > 0 {
            format::read(&page.bytes, &mut items);
        }
        let now = clock::now();
        for item in items {
            let item = item.map(|item| item.seen_at(&self.source));
            polling::take(item, &self.identity, now, &mut batch);
        }
        batch
    }

    /// Whether there are more pages to read after this one.
    fn is_followed_by_more(&mut self, page: &Page) -> bool {
        self.paging.longest_page = self.paging.longest_page.max(page.len);
        let full_len = self.paging.longest_page.clamp(FULL_LEN_MIN, PAGE_LEN);
        // The first page is the newest there is, full or not.
        let is_newest = self.place.min_id.is_none();
        let streamed_since = self.streaming.open_since();
        let is_streamed = streamed_since
            .map(|since| wait::after(since, STREAM_OVERLAP))
            .is_some_and(|since| page.oldest() > Some(since));
        page.len >= full_len && !is_newest && !is_streamed
    }

    /// Moves on to the end of a page.
    fn pass(&mut self, page: &Page, is_behind: bool) {
        self.paging.is_in_doubt = false;
        if let Some(id) = &page.first_id {
            self.place.min_id = Some(id.clone());
            self.place.written = page.first_written.map(|at| at.min(clock::now()));
        }
        if is_behind {
            self.paging.full_pages += 1;
            // Its newest post may claim any time; what was written before its oldest one has come.
            if let Some(oldest) = page.oldest() {
                self.place.hear(oldest.min(page.heard_until));
            }
            return;
        }
        self.paging.full_pages = 0;
        self.place.hear(page.heard_until);
        if let Some(told) = self.streaming.take_newest() {
            self.place.move_on(told);
        }
    }

    fn pause_after(&mut self, page_len: usize) -> Duration {
        let poll = self.options.poll;
        if self.paging.is_behind() {
            self.paging.pause = self.options.poll_min();
            return self.paging.pause;
        }
        self.paging.pause = match page_len {
            0 => (self.paging.pause * 2).clamp(poll, POLL_MAX.max(poll)),
            _ => poll,
        };
        self.paging
            .pause
            .mul_f64(1.0 + JITTER * wait::random_share())
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
        let path: &[&str] = match &self.options.timeline {
            Timeline::Public | Timeline::Local => &["api", "v1", "timelines", "public"],
            Timeline::Tag(name) => &["api", "v1", "timelines", "tag", name],
        };
        let mut request = self.request(&self.server, path);
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

    fn with_advice(&self, status: Option<u16>, why: String) -> String {
        let advice = match (status, &self.options.token) {
            (Some(401 | 403 | 422), None) => {
                "its timeline is closed to strangers, the token of an account may open it"
            }
            (Some(401 | 403 | 422), Some(_)) => "the token does not open its timeline",
            (Some(404), _) => "it does not speak the API of Mastodon",
            _ => return why,
        };
        format!("{why}: {advice}")
    }
}
