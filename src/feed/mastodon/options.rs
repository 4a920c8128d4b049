//! What one says of a server that is to be read.

use std::time::Duration;

use serde::Deserialize;

use crate::feed::http::opening::Opening;
use crate::feed::http::{Token, polling};

/// Between polls while pages are full, and the least one may set: Mastodon allows an address 300 pages in 15 minutes.
pub(super) const POLL_MIN: Duration = Duration::from_secs(3);
/// Between polls by default.
const POLL: Duration = Duration::from_secs(15);
/// The silence of a stream that is believed; Mastodon sends a line every 15 s.
const IDLE_AFTER: Duration = Duration::from_secs(30);

/// Which server, and what of it. Several servers are several feeds, each with a table of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `https://HOST`.
    pub server: String,
    /// `public`, `local` or `tag NAME`.
    #[serde(default)]
    pub timeline: Timeline,
    /// Of an account there, for servers that want one.
    #[serde(default)]
    pub token: Option<Token>,
    /// The server may be at a private address, be asked by plain http, and as often as one likes: it is one's own.
    #[serde(default)]
    pub allow_private: bool,
    /// Between polls; at least 3 s.
    #[serde(default = "poll_by_default", deserialize_with = "polling::duration")]
    pub poll: Duration,
    /// Whether the server's stream is followed instead of polling, where it lets us; by default if there is a token,
    /// which Mastodon asks for.
    #[serde(default)]
    pub streaming: Option<bool>,
    /// A stream that has sent no line for so long is dead.
    #[serde(
        default = "idle_after_by_default",
        deserialize_with = "polling::duration"
    )]
    pub idle_after: Duration,
}

fn idle_after_by_default() -> Duration {
    IDLE_AFTER
}

fn poll_by_default() -> Duration {
    POLL
}

/// Which posts of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Timeline {
    /// All public posts that the server knows.
    #[default]
    Public,
    /// Those of its own accounts.
    Local,
    /// Those with a hashtag, without its sign. Servers find few but Latin ones.
    Tag(String),
}

impl TryFrom<String> for Timeline {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == "public" => Ok(Self::Public),
            None if text == "local" => Ok(Self::Local),
            Some(("tag", name)) if !name.trim().is_empty() => {
                let name = name.trim();
                Ok(Self::Tag(
                    name.strip_prefix(['#', '＃']).unwrap_or(name).to_owned(),
                ))
            }
            _ => Err(format!(
                "{text:?} is no timeline: use public, local or tag NAME"
            )),
        }
    }
}

impl Options {
    pub(super) fn opening(&self) -> Opening<'_> {
        Opening {
            url: &self.server,
            form: "https://HOST",
            allow_private: self.allow_private,
            allow_http: false,
            poll: self.poll,
            poll_min: POLL_MIN,
            host_interval: POLL_MIN,
        }
    }

    /// Whether the server's stream is to be followed.
    pub(super) fn wants_stream(&self) -> bool {
        self.streaming.unwrap_or(self.token.is_some())
    }

    /// Between polls when there is more to be had.
    pub(super) fn poll_min(&self) -> Duration {
        POLL_MIN.min(self.poll)
    }
}

impl Timeline {
    /// What it is called beside its server.
    pub(super) fn suffix(&self) -> String {
        match self {
            Self::Public => String::new(),
            Self::Local => " local".to_owned(),
            Self::Tag(tag) => format!(" #{tag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_people_write_them() {
        let options: Options = serde_json::from_str(
            r#"{"server":"https://a.example","timeline":"tag #cats","poll":"30s","token":"canary"}"#,
        )
        .unwrap();
        assert_eq!(options.timeline, Timeline::Tag("cats".to_owned()));
        assert_eq!(options.poll, Duration::from_secs(30));
        assert!(!format!("{options:?}").contains("canary"));
        assert!(options.wants_stream());
        for wrong in [
            r#"{"server":"https://a.example","colour":"red"}"#,
            r#"{"server":"https://a.example","timeline":"home"}"#,
            r#"{"server":"https://a.example","poll":"often"}"#,
        ] {
            assert!(serde_json::from_str::<Options>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stream_is_followed_with_a_token_unless_one_says_otherwise() {
        for (more, is_followed) in [
            ("", false),
            (r#","token":"canary""#, true),
            (r#","token":"canary","streaming":false"#, false),
            (r#","streaming":true"#, true),
        ] {
            let text = format!(r#"{{"server":"https://a.example"{more}}}"#);
            let options: Options = serde_json::from_str(&text).unwrap();
            assert_eq!(options.wants_stream(), is_followed, "{text}");
        }
    }
}
