//! One websocket to a server that is not trusted.
//!
//! Takes a URL and gives messages and signs of life, until the connection ends with an [`Error`] that says what the
//! next try should make of it ([`Error::setback`]). A message has a cap, so has the time for everything; a peer that
//! has fallen silent is noticed by pinging it; a host name that points into a private network is refused at the
//! address that is about to be connected to. No proxy is asked, no redirect followed.
//!
//! It tries once and never again by itself: [`hosts`] knows when, and the feeds know with which cursor. What the
//! messages say is none of its business.

pub mod address;
pub mod basket;
pub mod hosts;

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error as WireError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use self::hosts::Setback;
use super::contract::{Batch, Closed, Ending, Outlet};
use super::http::wait;
use crate::clock;
use crate::post::Reject;
use crate::time::Timestamp;

/// Bytes of a message, and of each frame of it, unless its feed has more to hear; a post of Bluesky has a few
/// thousand.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Bytes that may wait to be written; we write pings, pongs and one request.
const WRITE_BUFFER_BYTES_MAX: usize = 64 << 10;
/// Written at once when so many bytes wait.
const WRITE_BUFFER_BYTES: usize = 4 << 10;
/// How long a farewell may take; a stop takes less than a second in all.
const CLOSE_WITHIN: Duration = Duration::from_millis(200);
/// Letters of a server's words that we repeat.
const WORDS_CHARS_MAX: usize = 200;
const USER_AGENT: &str = concat!("downtrend/", env!("CARGO_PKG_VERSION"));

/// How a connection is made and watched.
#[derive(Debug, Clone)]
pub struct Manners {
    /// Addresses of private networks, of this machine and of clouds' metadata may be connected to.
    pub allow_private: bool,
    /// Time for the name, the connection, TLS and the handshake together.
    pub connect_within: Duration,
    /// How often the peer is pinged.
    pub ping_every: Duration,
    /// A peer that has sent nothing at all for so long, no pong either, is dead.
    pub dead_after: Duration,
    /// A connection that has brought no message for so long is given up, even if the peer lives; none waits for ever.
    pub idle_after: Option<Duration>,
    /// Bytes of a message, and of each frame of it; a longer one ends the connection.
    pub message_bytes_max: usize,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            allow_private: false,
            connect_within: Duration::from_secs(15),
            ping_every: Duration::from_secs(25),
            dead_after: Duration::from_mins(1),
            idle_after: None,
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}

/// Why there is no connection, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name has no address.
    #[error("find {host}")]
    Lookup {
        /// The host.
        host: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The name points only at addresses that are not public.
    #[error("connect to {host}: {address} is not a public address, and allow_private is off")]
    Private {
        /// The host.
        host: String,
        /// The first such address.
        address: std::net::IpAddr,
    },
    /// Nobody listens there.
    #[error("connect to {host}")]
    Connect {
        /// The host.
        host: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("connect to {host} within {} s", within.as_secs_f64())]
    Slow {
        /// The host.
        host: String,
        /// The time there was.
        within: Duration,
    },
    /// The server answers, but not with a websocket.
    #[error("open a websocket at {host}: it answers {status} {words}")]
    Answer {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// How long it tells us to stay away.
        retry_after: Option<Duration>,
        /// As much of the body as has come, fit to be shown.
        words: String,
    },
    /// TLS, the handshake or the connection broke.
    #[error("talk to {host}")]
    Broken {
        /// The host.
        host: String,
        /// How.
        #[source]
        source: Box<WireError>,
    },
    /// The peer ended the connection.
    #[error("go on with {host}: it closed the connection {words}")]
    Closed {
        /// The host.
        host: String,
        /// Code and reason, if it gave any, fit to be shown.
        words: String,
    },
    /// The peer has fallen silent.
    #[error("hear from {host}: nothing for {} s", silence.as_secs_f64())]
    Silent {
        /// The host.
        host: String,
        /// For how long.
        silence: Duration,
    },
}

impl Error {
    /// What the next try should make of it.
    pub fn setback(&self) -> Setback {
        match self {
            Self::Private { .. }
            | Self::Answer {
                status: 400 | 401 | 403 | 404 | 410,
                ..
            } => Setback::Refused,
            Self::Answer {
                status: 429 | 503,
                retry_after: Some(wait),
                ..
            } => Setback::Told(*wait),
            _ => Setback::Failed,
        }
    }

    /// The reject to count the frame under that broke the connection, if one did.
    pub fn reject(&self) -> Option<Reject> {
        let Self::Broken { source, .. } = self else {
            return None;
        };
        match **source {
            WireError::Capacity(_) => Some(Reject::TooLong),
            WireError::Utf8(_) => Some(Reject::Utf8),
            _ => None,
        }
    }

    /// The error and its causes in one line.
    pub fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        words
    }
}

/// What a connection brings.
#[derive(Debug)]
pub enum Heard {
    /// A message, text or binary.
    Message(Bytes),
    /// The peer lives and sent no message.
    SignOfLife,
}

/// An open connection.
pub struct Socket {
    host: String,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pings: Interval,
    dead_after: Duration,
    idle_after: Option<Duration>,
    frame_at: Instant,
    message_at: Instant,
}

/// Runs a feed on this thread until the outlet closes.
pub(crate) fn run<Listening>(outlet: Outlet, listen: impl FnOnce(Outlet) -> Listening)
where
    Listening: Future<Output = Result<Infallible, Closed>>,
{
    install_tls();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let Err(Closed) = runtime.block_on(listen(outlet));
            // Looking up a name cannot be broken off: it may end after us.
            runtime.shutdown_background();
        }
        Err(error) => {
            let batch = Batch {
                ending: Some(Ending::Broken(error)),
                ..Batch::default()
            };
            // A closed outlet is how the loop says that it has enough.
            let (Ok(()) | Err(Closed)) = outlet.send(batch);
        }
    }
}

/// Names ring as the maker of TLS for the whole process; whoever came first stays.
pub fn install_tls() {
    let installed = rustls::crypto::ring::default_provider().install_default();
    // An error gives back the one we brought: another is there already, which is as good.
    drop(installed);
}

impl Socket {
    /// Connects to a `ws:` or `wss:` URL.
    pub async fn connect(url: &Uri, manners: &Manners) -> Result<Self, Error> {
        let host = url.host().unwrap_or_default().to_owned();
        let within = manners.connect_within;
        let stream = timeout(within, open(url, &host, manners))
            .await
            .map_err(|_| Error::Slow {
                host: host.clone(),
                within,
            })??;
        let now = Instant::now();
        let mut pings = interval_at(now + manners.ping_every, manners.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            host,
            stream,
            pings,
            dead_after: manners.dead_after,
            idle_after: manners.idle_after,
            frame_at: now,
            message_at: now,
        })
    }

    /// The next thing that comes. May be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> Result<Heard, Error> {
        loop {
            let (deadline, silence) = self.patience();
            tokio::select! {
                biased;
                message = self.stream.next() => return self.hear(message),
                () = sleep_until(deadline) => return Err(Error::Silent { host: self.host.clone(), silence }),
                _ = self.pings.tick() => self.send(Message::Ping(Bytes::new())).await?,
            }
        }
    }

    /// Sends a text.
    pub async fn say(&mut self, text: String) -> Result<(), Error> {
        self.send(Message::text(text)).await
    }

    /// Time in which we did not listen is no silence of the peer.
    pub fn excuse(&mut self, duration: Duration) {
        self.frame_at += duration;
        self.message_at += duration;
    }

    /// Says good-bye and does not wait long for an answer.
    pub async fn close(mut self) {
        // Whether it hears us makes no difference: the connection ends here.
        drop(timeout(CLOSE_WITHIN, self.stream.close(None)).await);
    }

    /// Till when the peer may be silent, and how long it will have been then.
    fn patience(&self) -> (Instant, Duration) {
        let dead = (self.frame_at + self.dead_after, self.dead_after);
        let idle = self.idle_after.map(|idle| (self.message_at + idle, idle));
        idle.map_or(dead, |idle| idle.min(dead))
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        let within = self.dead_after;
        match timeout(within, self.stream.send(message)).await {
            Ok(sent) => sent.map_err(|source| broken(&self.host, source)),
            Err(_) => Err(Error::Silent {
                host: self.host.clone(),
                silence: within,
            }),
        }
    }

    fn hear(&mut self, message: Option<Result<Message, WireError>>) -> Result<Heard, Error> {
        let closed = |words| Error::Closed {
            host: self.host.clone(),
            words,
        };
        let message = match message {
            None => return Err(closed("without a word".to_owned())),
            Some(Err(source)) => return Err(broken(&self.host, source)),
            Some(Ok(Message::Close(frame))) => {
                let words = frame.map(|frame| format!("({} {})", frame.code, frame.reason));
                return Err(closed(fit_to_show(&words.unwrap_or_default())));
            }
            Some(Ok(message)) => message,
        };
        self.frame_at = Instant::now();
        Ok(match message {
            Message::Text(_) | Message::Binary(_) => {
                self.message_at = self.frame_at;
                Heard::Message(message.into_data())
            }
            _ => Heard::SignOfLife,
        })
    }
}

async fn open(
    url: &Uri,
    host: &str,
    manners: &Manners,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
    let tcp = reach(url, host, manners.allow_private).await?;
    let request = ClientRequestBuilder::new(url.clone()).with_header("User-Agent", USER_AGENT);
    let config = WebSocketConfig::default()
        .max_message_size(Some(manners.message_bytes_max))
        .max_frame_size(Some(manners.message_bytes_max))
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
    match client_async_tls_with_config(request, tcp, Some(config), None).await {
        Ok((stream, _)) => Ok(stream),
        Err(WireError::Http(answer)) => Err(Error::Answer {
            host: host.to_owned(),
            status: answer.status().as_u16(),
            retry_after: retry_after(answer.headers(), clock::now()),
            words: words_of(
                answer.status(),
                answer.body().as_deref().unwrap_or_default(),
            ),
        }),
        Err(source) => Err(broken(host, source)),
    }
}

/// A connection to the first address of the host that answers.
async fn reach(url: &Uri, host: &str, allow_private: bool) -> Result<TcpStream, Error> {
    let default_port = if url.scheme_str() == Some("ws") {
        80
    } else {
        443
    };
    let port = url.port_u16().unwrap_or(default_port);
    // Brackets belong to the URL and not to the address.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = lookup_host((name, port))
        .await
        .map_err(|source| Error::Lookup {
            host: host.to_owned(),
            source,
        })?;
    let (public, private): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.partition(|address| allow_private || address::is_public(address.ip()));
    if let (true, Some(address)) = (public.is_empty(), private.first()) {
        return Err(Error::Private {
            host: host.to_owned(),
            address: address.ip(),
        });
    }
    TcpStream::connect(public.as_slice())
        .await
        .map_err(|source| Error::Connect {
            host: host.to_owned(),
            source,
        })
}

fn broken(host: &str, source: WireError) -> Error {
    Error::Broken {
        host: host.to_owned(),
        source: Box::new(source),
    }
}

/// What an answer says of itself: the name of its status, and its body.
fn words_of(status: StatusCode, body: &[u8]) -> String {
    let name = status.canonical_reason().unwrap_or_default();
    let body = String::from_utf8_lossy(body);
    fit_to_show(format!("{name} {body}").trim())
}

/// A stranger's words, short, and without what a terminal would obey.
pub fn fit_to_show(words: &str) -> String {
    let visible = words.chars().filter(|letter| !letter.is_control());
    visible.take(WORDS_CHARS_MAX).collect()
}

/// How long an answer's headers tell us to stay away; none if they say nothing. The forms are those of [`wait::told`].
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    wait::told(headers, now).map(|until| wait::until(until, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_obeyed_in_every_form_that_servers_write() {
        let now = "2026-11-22T07:00:00Z".parse().expect("a time");
        for (name, value, seconds) in [
            ("retry-after", "7", Some(7)),
            ("retry-after", "Sun, 22 Nov 2026 07:02:00 GMT", Some(120)),
            ("x-ratelimit-reset", "2026-11-22T07:00:30.000Z", Some(30)),
            ("retry-after", "Sun, 22 Nov 2026 06:00:00 GMT", Some(1)),
            ("retry-after", "99999999999999999999999", Some(3_600)),
            ("retry-after", "soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header"));
            let told = retry_after(&headers, now);
            assert_eq!(told, seconds.map(Duration::from_secs), "{name}: {value}");
        }
    }

    #[test]
    fn a_refusal_a_wait_and_a_failure_are_told_apart() {
        let answer = |status, retry_after| {
            let (host, words) = ("a".to_owned(), String::new());
            Error::Answer {
                host,
                status,
                retry_after,
                words,
            }
            .setback()
        };
        let wait = Some(Duration::from_secs(9));
        for status in [400, 401, 403, 404, 410] {
            assert_eq!(answer(status, wait), Setback::Refused);
        }
        for status in [429, 503] {
            assert_eq!(answer(status, wait), Setback::Told(Duration::from_secs(9)));
            assert_eq!(answer(status, None), Setback::Failed);
        }
        assert_eq!(answer(500, wait), Setback::Failed);
    }

    #[test]
    fn a_strangers_words_cannot_paint_on_a_terminal() {
        assert_eq!(fit_to_show("বন্ধ \u{1b}[31mred\r\n"), "বন্ধ [31mred");
        assert_eq!(fit_to_show(&"x".repeat(10_000)).len(), WORDS_CHARS_MAX);
    }
}
