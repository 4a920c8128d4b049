//! Well-formed messages of a service that hold no post.
//!
//! The control messages of Twitter's v1.1 streams, Jetstream's error frames, a v2 page without results, the events
//! of Mastodon's stream that carry nothing, and the document in which a Mastodon-compatible server describes itself.
//! They are skipped, not rejected: a stream full of deletes is a healthy stream.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::field::{Maybe, Scalar};
use super::{Outcome, decode};
use crate::post::{Item, Reject};

mod wire {
    use super::{Deserialize, IgnoredAny, Maybe, Scalar};

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Notice<'a> {
        // Twitter v1.1 streams.
        pub(super) delete: Option<IgnoredAny>,
        pub(super) limit: Option<IgnoredAny>,
        pub(super) scrub_geo: Option<IgnoredAny>,
        pub(super) status_withheld: Option<IgnoredAny>,
        pub(super) user_withheld: Option<IgnoredAny>,
        pub(super) disconnect: Option<IgnoredAny>,
        pub(super) warning: Option<IgnoredAny>,
        pub(super) friends: Option<IgnoredAny>,
        // Twitter v2 pages.
        #[serde(borrow)]
        pub(super) meta: Maybe<Meta<'a>>,
        // Jetstream v2.
        #[serde(borrow, rename = "$type")]
        pub(super) type_: Scalar<'a>,
        // Mastodon's stream and instance documents.
        #[serde(borrow)]
        pub(super) event: Scalar<'a>,
        pub(super) stream: Option<IgnoredAny>,
        #[serde(borrow)]
        pub(super) title: Scalar<'a>,
        #[serde(borrow)]
        pub(super) version: Scalar<'a>,
        #[serde(borrow)]
        pub(super) uri: Scalar<'a>,
        #[serde(borrow)]
        pub(super) domain: Scalar<'a>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Meta<'a> {
        #[serde(borrow)]
        pub(super) result_count: Scalar<'a>,
    }
}

/// Whether an object of no other shape is such a message.
pub(super) fn parse(json: &str) -> Outcome<'_> {
    let notice: wire::Notice<'_> = decode(json)?;
    let of_twitter_v1 = [
        &notice.delete,
        &notice.limit,
        &notice.scrub_geo,
        &notice.status_withheld,
        &notice.user_withheld,
        &notice.disconnect,
        &notice.warning,
        &notice.friends,
    ];
    let is_instance = notice.title.is_text()
        && notice.version.is_text()
        && (notice.uri.is_text() || notice.domain.is_text());
    let is_notice = of_twitter_v1.iter().any(|field| field.is_some())
        || notice
            .meta
            .0
            .is_some_and(|meta| meta.result_count.is_there())
        || notice.type_.is("error")
        || (notice.event.is_text() && notice.stream.is_some())
        || is_instance;
    if is_notice {
        Ok(Item::Skipped)
    } else {
        Err(Reject::Shape)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::item;
    use super::*;

    #[test]
    fn control_messages_of_a_stream_are_skipped() {
        for line in [
            r#"{"delete":{"status":{"id":1,"id_str":"1","user_id":2},"timestamp_ms":"1"}}"#,
            r#"{"limit":{"track":12}}"#,
            r#"{"warning":{"code":"FALLING_BEHIND","message":"queue is full"}}"#,
            r#"{"$type":"error","error":"ConsumerTooSlow","message":"too slow"}"#,
            r#"{"stream":["user"],"event":"filters_changed"}"#,
        ] {
            assert_eq!(item(line), Ok(Item::Skipped), "{line}");
        }
    }

    #[test]
    fn a_server_that_describes_itself_is_skipped() {
        for line in [
            r#"{"uri":"a.example","title":"A","version":"3.5.0","stats":{"user_count":1}}"#,
            r#"{"domain":"a.example","title":"A","version":"4.5.0","usage":{}}"#,
        ] {
            assert_eq!(item(line), Ok(Item::Skipped), "{line}");
        }
    }

    #[test]
    fn an_error_page_is_not_passed_over_in_silence() {
        assert_eq!(
            item(r#"{"error":"This method requires an authenticated user"}"#),
            Err(Reject::Shape)
        );
        assert_eq!(
            item(r#"{"errors":[{"title":"Unauthorized"}],"status":401}"#),
            Err(Reject::Shape)
        );
    }
}
