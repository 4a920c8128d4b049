//! What a server says of itself (`/api/v2/instance`): where it streams, and, since Mastodon 4.5, who may read which
//! timeline.

use reqwest::Url;
use serde::Deserialize;

use super::options::{Options, Timeline};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Instance {
    configuration: Configuration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    timelines_access: TimelinesAccess,
    urls: Urls,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Urls {
    streaming: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TimelinesAccess {
    live_feeds: Access,
    hashtag_feeds: Access,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Access {
    local: Audience,
    remote: Audience,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Audience {
    Authenticated,
    Disabled,
    /// Everybody; also what older servers and words yet unknown are taken for, since the timeline tells anyway.
    #[default]
    #[serde(other)]
    Public,
}

impl Instance {
    /// The document, read from the bytes of a server. Many have none, or say nothing of this in it.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// Where the server streams: at an address of its own, which it writes as one of websockets, or where it is. A
    /// token is sent there, so plain http is believed of a server alone that is asked by plain http itself.
    pub(super) fn streams_at(&self, server: &Url) -> Url {
        let named = || {
            let mut url: Url = self.configuration.urls.streaming.as_ref()?.parse().ok()?;
            let scheme = match url.scheme() {
                "wss" | "https" => "https",
                "ws" | "http" if server.scheme() == "http" => "http",
                _ => return None,
            };
            url.set_scheme(scheme).ok()?;
            url.host_str()?;
            Some(url)
        };
        named().unwrap_or_else(|| server.clone())
    }

    /// Why the server `host` shows us nothing of the timeline, if it says so.
    pub(super) fn closed_because(&self, host: &str, options: &Options) -> Option<String> {
        use Audience::{Authenticated, Disabled};

        let access = &self.configuration.timelines_access;
        let (access, name) = match &options.timeline {
            Timeline::Public => (&access.live_feeds, "public timeline"),
            Timeline::Local => (&access.live_feeds, "local timeline"),
            Timeline::Tag(_) => (&access.hashtag_feeds, "hashtag timelines"),
        };
        let local = access.local;
        let remote = match options.timeline {
            Timeline::Local => local,
            Timeline::Public | Timeline::Tag(_) => access.remote,
        };
        if (local, remote) == (Disabled, Disabled) {
            return Some(format!(
                "{host} answers with nothing because it has disabled its {name}"
            ));
        }
        let wants_login = local == Authenticated || remote == Authenticated;
        if !wants_login || options.token.is_some() {
            return None;
        }
        let advice = if local == Audience::Public {
            "its local timeline is open, and the token of an account opens the rest"
        } else {
            "the token of an account opens it"
        };
        Some(format!("{host} shows its {name} to members only; {advice}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_because(more: &str, access: &str) -> Option<String> {
        let options = format!(r#"{{"server":"https://a.example"{more}}}"#);
        let document = format!(r#"{{"configuration":{{"timelines_access":{access}}}}}"#);
        Instance::parse(document.as_bytes())
            .closed_because("a.example", &serde_json::from_str(&options).unwrap())
    }

    #[test]
    fn a_closed_timeline_is_told_from_the_instance_document() {
        let why = closed_because(
            "",
            r#"{"live_feeds":{"local":"disabled","remote":"disabled"}}"#,
        );
        assert!(why.unwrap().contains("answers with nothing because"));
        let members = r#"{"live_feeds":{"local":"public","remote":"authenticated"}}"#;
        let why = closed_because("", members);
        assert!(why.unwrap().contains("its local timeline is open"));
        let why = closed_because(
            "",
            r#"{"live_feeds":{"local":"disabled","remote":"authenticated"}}"#,
        );
        assert!(!why.unwrap().contains("open,"));
        assert_eq!(closed_because(r#","timeline":"local""#, members), None);
        assert_eq!(closed_because(r#","token":"canary""#, members), None);
    }

    #[test]
    fn an_instance_document_that_says_nothing_closes_nothing() {
        for access in [
            "{}",
            "null",
            r#"{"live_feeds":{"local":"public","remote":"friends"}}"#,
        ] {
            assert_eq!(closed_because("", access), None, "{access}");
        }
    }

    #[test]
    fn the_stream_is_where_the_instance_document_says_or_where_the_server_is() {
        let at = |server: &str, named: &str| {
            let document = format!(r#"{{"configuration":{{"urls":{{"streaming":{named}}}}}}}"#);
            let server = server.parse().unwrap();
            let url = Instance::parse(document.as_bytes()).streams_at(&server);
            url.as_str().to_owned()
        };
        let (safe, own) = ("https://a.example/", "http://127.0.0.1:3000/");
        for (server, named, want) in [
            (
                safe,
                r#""wss://stream.a.example""#,
                "https://stream.a.example/",
            ),
            (
                safe,
                r#""https://stream.a.example:8443""#,
                "https://stream.a.example:8443/",
            ),
            (safe, r#""ws://a.example""#, safe),
            (safe, r#""gopher://a.example""#, safe),
            (safe, r#""nonsense""#, safe),
            (safe, "null", safe),
            (own, r#""ws://127.0.0.1:4000""#, "http://127.0.0.1:4000/"),
            (own, r#""wss://b.example""#, "https://b.example/"),
        ] {
            assert_eq!(at(server, named), want, "{server} {named}");
        }
        let none = Instance::parse(b"<html>").streams_at(&safe.parse().unwrap());
        assert_eq!(none.as_str(), safe);
    }
}
