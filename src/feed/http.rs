//! A fetcher of pages from servers that may be slow, broken or hostile.
//!
//! One request in, one [`Answer`] out: the body, or in plain words why there is none and what to do about it. It
//! connects to the public internet alone ([`address`]), follows five redirects and judges each, decodes within limits
//! ([`body`]), gives up on a peer that trickles, waits as it is told ([`wait`]) and asks conditionally where it has
//! asked before. It uses no proxy and keeps no cookie. An answer that never ends is listened to in the same way
//! ([`stream`]).
//!
//! What it says of an error never holds a URL, since URLs hold secrets; a host is named. It does not know what a page
//! means: feeds do. What feeds that poll have in common is in [`opening`] and [`polling`]. The faults it bears are played through in
//! `tests/it/fetcher.rs`.

mod address;
mod body;
pub mod events;
pub mod opening;
pub(super) mod polling;
pub mod stream;
pub(super) mod wait;
pub(super) mod watch;

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::{Client, Response, StatusCode, Url};
use xxhash_rust::xxh3::xxh3_64;

use self::address::{NotPublic, Resolver};
use self::body::Body;
use self::stream::Stream;
use crate::clock;
use crate::time::Timestamp;

/// Redirects followed for one request.
const REDIRECTS_MAX: usize = 5;
/// A body may trickle for so long...
const TRICKLE_GRACE: Duration = Duration::from_secs(30);
/// ...and must have come at this rate from then on.
const BYTES_PER_SECOND_MIN: f64 = 1_024.0;
/// Of a page's title, what is shown.
const TITLE_CHARS_MAX: usize = 80;
/// Where a page's title is looked for.
const TITLE_WITHIN_BYTES: usize = 16 << 10;
/// How we name ourselves: default names of libraries get blocked.
const USER_AGENT: &str = concat!("downtrend/", env!("CARGO_PKG_VERSION"));

/// Why there is no fetcher.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system gives no certificates to trust, most likely.
    #[error("set up TLS; are the system's root certificates (ca-certificates) installed?")]
    Tls(#[source] reqwest::Error),
}

/// What a fetcher may do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The one host that may be at a private address: a server of one's own. A redirect away from it may not.
    pub private_host: Option<String>,
    /// From the first byte of a request to the last of the answer's headers.
    pub header_timeout: Duration,
    /// For a request with its redirects and the whole body.
    pub total_timeout: Duration,
    /// Decoded bytes of a body.
    pub body_bytes_max: usize,
    /// Between two requests of this process to one host.
    pub host_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            private_host: None,
            header_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_mins(2),
            // A long feed of whole articles has a few MB.
            body_bytes_max: 32 << 20,
            host_interval: Duration::from_secs(1),
        }
    }
}

/// A secret that opens a server. It is never shown.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// From its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// What a server said about the state of a page, byte for byte, to be given back to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
    /// Hash of the address that said so: of another they say nothing. The address itself may hold a secret.
    pub address: u64,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is wanted.
    pub url: Url,
    /// `Accept`.
    pub accept: &'static str,
    /// Of the answer we have.
    pub validators: Option<Validators>,
    /// Sent to the host of `url` and to no other.
    pub token: Option<Token>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The page.
    Body(Box<Page>),
    /// It is what it was when the validators were given.
    NotModified {
        /// How long it will stay so.
        max_age: Option<Duration>,
    },
    /// The server wants to be left alone for a while.
    Wait {
        /// Until when; no request before that.
        until: Timestamp,
        /// In plain words.
        why: String,
    },
    /// The server, or our own care, refuses; asking again soon is of no use.
    Refused {
        /// The status, unless the refusal is ours or has another form.
        status: Option<u16>,
        /// In plain words.
        why: String,
    },
    /// It went wrong, and may go well next time.
    Failed {
        /// In plain words.
        why: String,
    },
}

/// A page and what was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Decompressed.
    pub bytes: Vec<u8>,
    /// The encoding of its letters, as `Content-Type` names it.
    pub charset: Option<String>,
    /// For the next request.
    pub validators: Option<Validators>,
    /// Where it was in the end.
    pub final_url: Url,
    /// Where to ask from now on: the address has moved for good.
    pub permanent_redirect: Option<Url>,
    /// How long it stays as it is.
    pub max_age: Option<Duration>,
}

/// The answer at the end of the redirects.
struct Found {
    response: Response,
    url: Url,
    /// As in [`Page::permanent_redirect`].
    moved: Option<Url>,
}

/// Fetches pages.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    settings: Settings,
}

impl Fetcher {
    /// A fetcher with connections of its own.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        // Whoever came first has installed the same provider: there is one in the tree.
        let (Ok(()) | Err(_)) = rustls::crypto::ring::default_provider().install_default();
        let resolver = Resolver {
            private_host: settings.private_host.clone(),
        };
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(resolver)
            .connect_timeout(settings.header_timeout)
            .build()
            .map_err(Error::Tls)?;
        Ok(Self { client, settings })
    }

    /// Asks, after waiting for the host's turn.
    pub async fn get(&self, request: &Request) -> Answer {
        self.turn(request).await;
        let total = self.settings.total_timeout;
        match tokio::time::timeout(total, self.page(request)).await {
            Ok(Ok(answer) | Err(answer)) => answer,
            Err(_) => failed(
                &request.url,
                format_args!("did not answer in full within {} s", total.as_secs_f64()),
            ),
        }
    }

    /// Asks for a stream of events, after waiting for the host's turn. One in which no line ends for `silence_max` is
    /// dead. An `Err` says why there is none.
    pub async fn listen(&self, request: &Request, silence_max: Duration) -> Result<Stream, Answer> {
        self.turn(request).await;
        // What is never whole is not unpacked.
        let found = self.find(request, "identity").await?;
        let (response, url) = (found.response, found.url);
        if !response.status().is_success() {
            return Err(without_page(response.status(), response.headers(), &url));
        }
        let is_what = |name, what: &str| {
            text(response.headers(), &name)
                .is_some_and(|value| value.trim().to_ascii_lowercase().starts_with(what))
        };
        if !is_what(CONTENT_TYPE, "text/event-stream") {
            let why = format!("{} has no stream of events there", host_of(&url));
            return Err(Answer::Refused { status: None, why });
        }
        if response.headers().contains_key(CONTENT_ENCODING)
            && !is_what(CONTENT_ENCODING, "identity")
        {
            return Err(failed(
                &url,
                format_args!("sends an encoding that was not asked for"),
            ));
        }
        let host = host_of(&url).to_owned();
        Ok(Stream::new(host, response, silence_max))
    }

    async fn turn(&self, request: &Request) {
        wait::turn(&request.url, self.settings.host_interval).await;
    }

    /// The page at the end of the redirects. An `Err` is an answer too: one that ends the way early.
    async fn page(&self, request: &Request) -> Result<Answer, Answer> {
        let found = self.find(request, body::ACCEPT_ENCODING).await?;
        self.read(found).await
    }

    /// Follows redirects to the first answer that is none.
    async fn find(&self, request: &Request, encodings: &'static str) -> Result<Found, Answer> {
        let mut url = request.url.clone();
        let mut moved = None;
        let mut is_moving_for_good = true;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(request, &url, encodings).await?;
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Found {
                    response,
                    url,
                    moved,
                });
            }
            let target = text(response.headers(), &LOCATION)
                .and_then(|target| url.join(&target).ok())
                .ok_or_else(|| failed(&url, format_args!("redirects to no address")))?;
            is_moving_for_good &=
                status == StatusCode::MOVED_PERMANENTLY || status == StatusCode::PERMANENT_REDIRECT;
            if is_moving_for_good {
                moved = Some(target.clone());
            }
            url = target;
        }
        Err(failed(
            &request.url,
            format_args!("redirects more than {REDIRECTS_MAX} times"),
        ))
    }

    /// One request to one address, up to the headers of its answer.
    async fn send(
        &self,
        request: &Request,
        url: &Url,
        encodings: &'static str,
    ) -> Result<Response, Answer> {
        self.check(url)?;
        let mut headers = headers(request, url)?;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encodings));
        let sending = self.client.get(url.clone()).headers(headers);
        let timeout = self.settings.header_timeout;
        match tokio::time::timeout(timeout, sending.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unsent(url, &error.without_url())),
            Err(_) => Err(failed(
                url,
                format_args!("did not answer within {} s", timeout.as_secs_f64()),
            )),
        }
    }

    /// Whether we may ask there at all. Names are judged when they are resolved.
    fn check(&self, url: &Url) -> Result<(), Answer> {
        if !matches!(url.scheme(), "http" | "https") {
            let why = format!("{} is not read, only http and https", url.scheme());
            return Err(Answer::Refused { status: None, why });
        }
        if self.settings.private_host.as_deref() == url.host_str() {
            return Ok(());
        }
        address::check_literal(host_of(url)).map_err(|error| refused_address(&error))
    }

    /// What an answer that is no redirect comes to.
    async fn read(&self, found: Found) -> Result<Answer, Answer> {
        let (response, url) = (found.response, &found.url);
        let status = response.status();
        let max_age = max_age(response.headers());
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Answer::NotModified { max_age });
        }
        if !status.is_success() {
            return Err(without_page(status, response.headers(), url));
        }
        let validators = validators(response.headers(), url);
        let charset = charset(response.headers());
        let bytes = self.body(response, url).await?;
        if let Some(title) = title_of_web_page(&bytes) {
            let why = format!(
                "{} shows a web page instead, perhaps a login: {title}",
                host_of(url)
            );
            return Err(Answer::Refused { status: None, why });
        }
        Ok(Answer::Body(Box::new(Page {
            bytes,
            charset,
            validators,
            permanent_redirect: found.moved,
            final_url: found.url,
            max_age,
        })))
    }

    async fn body(&self, mut response: Response, url: &Url) -> Result<Vec<u8>, Answer> {
        let broken = |error: std::io::Error| failed(url, format_args!("sends {error}"));
        let encoding = text(response.headers(), &CONTENT_ENCODING);
        let mut body =
            Body::new(encoding.as_deref(), self.settings.body_bytes_max).map_err(broken)?;
        let start = tokio::time::Instant::from_std(clock::start());
        loop {
            let earned = Duration::from_secs_f64(body.wire_bytes() as f64 / BYTES_PER_SECOND_MIN);
            let deadline = start + TRICKLE_GRACE + earned;
            match tokio::time::timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(piece))) => body.push(&piece).map_err(broken)?,
                Ok(Ok(None)) => return body.finish().map_err(broken),
                Ok(Err(error)) => return Err(unsent(url, &error.without_url())),
                Err(_) => return Err(failed(url, format_args!("sends less than 1 KiB/s"))),
            }
        }
    }
}

/// An address as validators remember it.
fn hash_of(url: &Url) -> u64 {
    xxh3_64(url.as_str().as_bytes())
}

/// The host of an address; http and https always have one.
fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

fn failed(url: &Url, what: fmt::Arguments<'_>) -> Answer {
    Answer::Failed {
        why: format!("{} {what}", host_of(url)),
    }
}

fn refused_address(error: &NotPublic) -> Answer {
    Answer::Refused {
        status: None,
        why: error.to_string(),
    }
}

/// A request that got no answer, or half of one. The innermost cause says most.
fn unsent(url: &Url, error: &reqwest::Error) -> Answer {
    let mut innermost = None;
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<NotPublic>() {
            return refused_address(error);
        }
        innermost = Some(cause);
        next = cause.source();
    }
    match innermost {
        Some(cause) => failed(url, format_args!("cannot be read: {cause}")),
        None => failed(url, format_args!("cannot be read: {error}")),
    }
}

fn headers(request: &Request, url: &Url) -> Result<HeaderMap, Answer> {
    let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(request.accept))]);
    if let Some(Token(token)) = &request.token
        && url.origin() == request.url.origin()
    {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            let why = "the token holds characters that no token has".to_owned();
            Answer::Refused { status: None, why }
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let known = request.validators.as_ref();
    if let Some(known) = known.filter(|known| known.address == hash_of(url)) {
        for (name, value) in [
            (IF_NONE_MATCH, &known.etag),
            (IF_MODIFIED_SINCE, &known.last_modified),
        ] {
            // A cursor from a file of long ago may hold anything: what is no header is not sent.
            if let Some(value) = value
                .as_deref()
                .and_then(|value| HeaderValue::from_str(value).ok())
            {
                headers.insert(name, value);
            }
        }
    }
    Ok(headers)
}

/// A status that brings no page.
fn without_page(status: StatusCode, headers: &HeaderMap, url: &Url) -> Answer {
    let host = host_of(url);
    let now = clock::now();
    let refused = |what: &str| Answer::Refused {
        status: Some(status.as_u16()),
        why: format!("{host} {what} ({})", status.as_u16()),
    };
    let wait = |until, what| Answer::Wait {
        until,
        why: format!("{host} {what} ({})", status.as_u16()),
    };
    match (status.as_u16(), wait::told(headers, now)) {
        (429, told) => wait(
            told.unwrap_or_else(|| wait::told_nothing(now)),
            "has had too many requests",
        ),
        (503, Some(until)) => wait(until, "is busy or closed for repair"),
        (401, _) => refused("wants a login"),
        (403 | 451, _) => refused("forbids it"),
        (404, _) => refused("has nothing at this address"),
        (410, _) => refused("has taken it down for good"),
        (408 | 425, _) => failed(url, format_args!("failed ({})", status.as_u16())),
        (400..=499, _) => refused("does not accept the request"),
        (other, _) => failed(url, format_args!("failed ({other})")),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn validators(headers: &HeaderMap, url: &Url) -> Option<Validators> {
    let (etag, last_modified) = (text(headers, &ETAG), text(headers, &LAST_MODIFIED));
    (etag.is_some() || last_modified.is_some()).then(|| Validators {
        etag,
        last_modified,
        address: hash_of(url),
    })
}

/// `max-age` of `Cache-Control`.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let seconds = parameter(&text(headers, &CACHE_CONTROL)?, ',', "max-age")?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// `charset` of `Content-Type`.
fn charset(headers: &HeaderMap) -> Option<String> {
    parameter(&text(headers, &CONTENT_TYPE)?, ';', "charset").map(str::to_owned)
}

/// The value of a parameter in a header, without its quotes.
fn parameter<'a>(header: &'a str, separator: char, name: &str) -> Option<&'a str> {
    header.split(separator).find_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        let is_it = found.trim().eq_ignore_ascii_case(name);
        is_it.then(|| value.trim().trim_matches('"'))
    })
}

/// The title, or a word for its absence, of bytes that are a page for people: a login, a captcha, a notice.
fn title_of_web_page(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = after_asides(bytes);
    let begins_with = |tag: &[u8]| {
        head.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    if !begins_with(b"<!doctype html") && !begins_with(b"<html") {
        return None;
    }
    let head = String::from_utf8_lossy(&head[..head.len().min(TITLE_WITHIN_BYTES)]);
    let title = inner(&head, "<title", "</title").map(htmlize::unescape);
    let title: String = title
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|char| !char.is_control())
        .take(TITLE_CHARS_MAX)
        .collect();
    Some(if title.is_empty() {
        "it has no title".to_owned()
    } else {
        format!("{title:?}")
    })
}

/// What follows an XML declaration and comments.
fn after_asides(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes.trim_ascii_start();
    while let Some(end) = [(&b"<?xml"[..], &b"?>"[..]), (b"<!--", b"-->")]
        .into_iter()
        .find(|(open, _)| rest.starts_with(open))
        .and_then(|(_, close)| Some(memchr::memmem::find(rest, close)? + close.len()))
    {
        rest = rest[end..].trim_ascii_start();
    }
    rest
}

/// What stands between an opening tag, whatever its attributes, and its closing one.
fn inner<'a>(html: &'a str, open: &str, close: &str) -> Option<&'a str> {
    // Lower case of ASCII alone keeps every place where it was.
    let lower = html.to_ascii_lowercase();
    let tag = lower.find(open)?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find(close)?;
    Some(&html[start..end])
}

/// For `fuzz/targets/body.rs` and `headers.rs`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use std::io;

    use reqwest::header::{HeaderMap, HeaderValue};

    use super::body::Body;
    use super::wait;
    use crate::time::Timestamp;

    /// The whole of a body that comes in pieces.
    pub fn body<'a>(
        encoding: Option<&str>,
        bytes_max: usize,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<Vec<u8>> {
        let mut body = Body::new(encoding, bytes_max)?;
        for piece in pieces {
            body.push(piece)?;
        }
        body.finish()
    }

    /// When a header asks to be called again.
    pub fn told(name: &'static str, value: &str, now: Timestamp) -> Option<Timestamp> {
        let value = HeaderValue::from_str(value).ok()?;
        wait::told(&HeaderMap::from_iter([(name.parse().ok()?, value)]), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let request = Request {
            url: Url::parse("https://a.example/").unwrap(),
            accept: "*/*",
            validators: None,
            token: Some(Token::new("canary")),
        };
        assert!(!format!("{request:?}").contains("canary"));
    }

    #[test]
    fn a_token_goes_to_the_host_it_was_given_for_and_to_no_other() {
        let request = Request {
            url: Url::parse("https://a.example/x").unwrap(),
            accept: "*/*",
            validators: None,
            token: Some(Token::new("canary")),
        };
        let sent_to = |url: &str| {
            headers(&request, &Url::parse(url).unwrap())
                .unwrap()
                .contains_key(AUTHORIZATION)
        };
        assert!(sent_to("https://a.example/y"));
        for other in [
            "http://a.example/x",
            "https://b.example/x",
            "https://a.example:8443/x",
        ] {
            assert!(!sent_to(other), "{other}");
        }
    }

    #[test]
    fn the_title_of_a_web_page_is_told_and_a_feed_is_none() {
        let page = b"\xef\xbb\xbf\n<!DOCTYPE HTML><html><head><TITLE lang=en>Just a\n moment&hellip;\x1b[2J</TITLE>";
        assert_eq!(
            title_of_web_page(page).as_deref(),
            Some("\"Just a moment\u{2026}[2J\"")
        );
        assert_eq!(
            title_of_web_page(b"<html>").as_deref(),
            Some("it has no title")
        );
        assert_eq!(title_of_web_page(b"<?xml version='1.0'?><rss>"), None);
        assert_eq!(title_of_web_page(b"<!-- <html> -->"), None);
        assert_eq!(
            title_of_web_page(b"<?xml version='1.0'?> <!-- --> <html>").as_deref(),
            Some("it has no title")
        );
        assert_eq!(title_of_web_page(b"[]"), None);
    }

    #[test]
    fn the_age_of_an_answer_is_read_in_any_company() {
        let age = |value: &'static str| {
            max_age(&HeaderMap::from_iter([(
                CACHE_CONTROL,
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(age("public, Max-Age=300"), Some(Duration::from_mins(5)));
        assert_eq!(
            age("s-maxage=5, max-age=\"60\""),
            Some(Duration::from_mins(1))
        );
        assert_eq!(age("no-store"), None);
        assert_eq!(age("max-age=soon"), None);
    }
}
