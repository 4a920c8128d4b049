//! What a server says of itself: who may read which timeline (`/api/v2/instance`, since Mastodon 4.5).

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
        let advice = if local == Authenticated {
            "the token of an account opens it"
        } else {
            "its local timeline is open, and the token of an account opens the rest"
        };
        Some(format!(
            "{host} answers with nothing because it shows its {name} to members only; {advice}"
        ))
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
}
