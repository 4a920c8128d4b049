//! How a feed that polls is opened: its address is judged, and it is given a fetcher that goes there.
//!
//! A kind that polls has three options beside its own: `token`, `allow_private` and `poll` (read by
//! [`super::polling::duration`]). Each kind lists them itself, so that an unknown key is answered with all of its keys.

use std::error::Error as _;
use std::time::Duration;

use reqwest::Url;

use super::{Fetcher, Settings};
use crate::feed::LiveFeed;
use crate::feed::contract::Feed;
use crate::feed::file::Context;
use crate::post::Cursor;

/// Why a feed that polls cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an address that this kind reads.
    #[error("use {url:?}: write it as {form}")]
    Address {
        /// What was written.
        url: String,
        /// How it is written.
        form: &'static str,
    },
    /// Plain http shows what is read, and a token, to everyone on the way.
    #[error("use {url:?}: plain http is for a server of one's own (allow_private)")]
    PlainHttp {
        /// What was written.
        url: String,
    },
    /// More often than such servers bear.
    #[error("poll {url:?} every {:?}: the shortest time between polls is {:?}", .poll, .poll_min)]
    TooOften {
        /// Of which server.
        url: String,
        /// What was asked for.
        poll: Duration,
        /// The least there is.
        poll_min: Duration,
    },
    /// No fetcher.
    #[error("read {url:?}")]
    Fetcher {
        /// Of which server.
        url: String,
        /// Why not.
        #[source]
        source: super::Error,
    },
}

impl Error {
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

/// What a feed that polls was told about its server.
#[derive(Debug, Clone, Copy)]
pub(in crate::feed) struct Opening<'a> {
    /// The address, as it was written.
    pub(in crate::feed) url: &'a str,
    /// How one writes it, for whoever did not.
    pub(in crate::feed) form: &'static str,
    /// It is one's own: it may be at a private address and be asked as often as one likes.
    pub(in crate::feed) allow_private: bool,
    /// The kind may ask servers of others by plain http.
    pub(in crate::feed) allow_http: bool,
    /// Between polls.
    pub(in crate::feed) poll: Duration,
    /// The least that is allowed for a server of others.
    pub(in crate::feed) poll_min: Duration,
    /// Between two requests to the host, whichever feed they are for.
    pub(in crate::feed) host_interval: Duration,
}

impl Opening<'_> {
    /// The address, if it may be polled in this way.
    pub(in crate::feed) fn address(&self) -> Result<Url, Error> {
        let owned = || self.url.to_owned();
        let address: Url = self.url.parse().map_err(|_| self.wrong())?;
        match address.scheme() {
            "https" => {}
            "http" if self.allow_http || self.allow_private => {}
            "http" => return Err(Error::PlainHttp { url: owned() }),
            _ => return Err(self.wrong()),
        }
        if self.poll < self.poll_min && !self.allow_private {
            return Err(Error::TooOften {
                url: owned(),
                poll: self.poll,
                poll_min: self.poll_min,
            });
        }
        Ok(address)
    }

    /// The address of a server and nothing more: no path, no query, nobody's name.
    pub(in crate::feed) fn server(&self) -> Result<Url, Error> {
        let address = self.address()?;
        let is_server = address.path() == "/"
            && address.query().is_none()
            && address.fragment().is_none()
            && address.username().is_empty();
        is_server.then_some(address).ok_or_else(|| self.wrong())
    }

    /// A fetcher for `address`.
    pub(in crate::feed) fn fetcher(&self, address: &Url) -> Result<Fetcher, Error> {
        let settings = Settings {
            private_host: address
                .host_str()
                .filter(|_| self.allow_private)
                .map(str::to_owned),
            host_interval: self.host_interval.min(self.poll),
            ..Settings::default()
        };
        Fetcher::new(settings).map_err(|source| Error::Fetcher {
            url: self.url.to_owned(),
            source,
        })
    }

    fn wrong(&self) -> Error {
        Error::Address {
            url: self.url.to_owned(),
            form: self.form,
        }
    }
}

/// A live feed that `new` makes once it is to start.
pub(in crate::feed) fn live<Polled: Feed + 'static>(
    name: String,
    new: impl FnOnce(&Context, Option<&Cursor>) -> Result<Polled, Error> + 'static,
) -> LiveFeed {
    LiveFeed {
        name,
        start: Box::new(move |context, cursor| match new(&context, cursor) {
            Ok(feed) => Ok(Box::new(feed)),
            Err(error) => Err(error.in_words()),
        }),
    }
}

/// The host of a server, and its port where it is unusual: what a cursor is good for.
pub(in crate::feed) fn host(server: &Url) -> String {
    let host = super::host_of(server);
    match server.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENING: Opening<'_> = Opening {
        url: "https://a.example",
        form: "https://HOST",
        allow_private: false,
        allow_http: false,
        poll: Duration::from_secs(15),
        poll_min: Duration::from_secs(3),
        host_interval: Duration::from_secs(3),
    };

    #[test]
    fn a_server_is_a_host_by_https_and_nothing_more() {
        for url in ["https://a.example", "https://a.example:8443/"] {
            assert!(Opening { url, ..OPENING }.server().is_ok(), "{url}");
        }
        for url in [
            "a.example",
            "https://",
            "https://a.example/about",
            "https://a.example?x=1",
            "https://me@a.example",
            "ftp://a.example",
        ] {
            let error = Opening { url, ..OPENING }.server().expect_err(url);
            assert!(matches!(error, Error::Address { .. }), "{url}: {error}");
        }
    }

    #[test]
    fn plain_http_is_for_a_server_of_ones_own_or_for_kinds_that_read_nothing_secret() {
        let plain = Opening {
            url: "http://a.example/x",
            ..OPENING
        };
        assert!(matches!(plain.address(), Err(Error::PlainHttp { .. })));
        let own = Opening {
            allow_private: true,
            ..plain
        };
        assert!(own.address().is_ok());
        let open = Opening {
            allow_http: true,
            ..plain
        };
        assert!(open.address().is_ok());
    }

    #[test]
    fn a_server_of_others_is_not_polled_too_often() {
        let often = Opening {
            poll: Duration::from_secs(1),
            ..OPENING
        };
        let error = often.address().unwrap_err();
        assert_eq!(
            error.in_words(),
            "poll \"https://a.example\" every 1s: the shortest time between polls is 3s"
        );
        let own = Opening {
            allow_private: true,
            ..often
        };
        assert!(own.address().is_ok());
    }

    #[test]
    fn a_port_belongs_to_the_host_where_it_is_unusual() {
        let host_of = |url: &str| host(&url.parse().unwrap());
        assert_eq!(host_of("https://a.example"), "a.example");
        assert_eq!(host_of("https://a.example:443"), "a.example");
        assert_eq!(host_of("http://a.example:8080"), "a.example:8080");
    }
}
