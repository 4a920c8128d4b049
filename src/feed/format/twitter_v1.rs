//! A tweet as Twitter's API v1.1 wrote it: streams, searches, timelines, and most archives.
//!
//! A tweet of more than 140 characters has its full text in `full_text` or in `extended_tweet`; where neither is
//! there and `truncated` says so, the text is cut. A retweet is a use by who retweeted, with the full text of what
//! it repeats; of a quote only its own words are read. Twitter writes `&`, `<` and `>` as entities.

use std::borrow::Cow;

use super::field::Scalar;
use super::object::Object;
use super::{Outcome, html, language, plain};
use crate::post::{Item, RawPost, Reject};
use crate::time::Timestamp;

pub(super) mod wire {
    use serde::Deserialize;

    use super::super::field::{Maybe, Scalar};

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct User<'a> {
        #[serde(borrow)]
        pub(super) id_str: Scalar<'a>,
        #[serde(borrow)]
        pub(super) id: Scalar<'a>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct Extended<'a> {
        #[serde(borrow)]
        pub(super) full_text: Scalar<'a>,
    }

    /// The tweet that another retweets.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct Original<'a> {
        #[serde(borrow)]
        pub(super) text: Scalar<'a>,
        #[serde(borrow)]
        pub(super) full_text: Scalar<'a>,
        #[serde(borrow)]
        pub(super) extended_tweet: Maybe<Extended<'a>>,
        #[serde(borrow)]
        pub(super) truncated: Scalar<'a>,
    }
}

/// The tweet in `object`.
pub(super) fn parse(object: Object<'_>) -> Outcome<'_> {
    let id = object
        .id_str
        .id()
        .or_else(|| object.id.id())
        .ok_or(Reject::Id)?;
    let words = match object.retweeted_status.0 {
        Some(original) => *original,
        None => wire::Original {
            text: object.text,
            full_text: object.full_text,
            extended_tweet: object.extended_tweet,
            truncated: object.truncated,
        },
    };
    let (text, truncated) = words.into_text().ok_or(Reject::Text)?;
    let at = plain::time(&object.timestamp_ms)
        .or_else(|| created_at(object.created_at.as_text()?))
        .ok_or(Reject::Time)?;
    let user = object.user.0.unwrap_or_default();
    Ok(Item::Post(Box::new(RawPost {
        url: Some(page_of(&id)),
        id: prefixed(&id),
        author: user
            .id_str
            .id()
            .or_else(|| user.id.id())
            .map(|id| prefixed(&id)),
        at,
        text,
        tags: Vec::new(),
        truncated,
        source: Cow::Borrowed("twitter"),
        lang: object.lang.text().and_then(language),
        bot: false,
        edit: false,
    })))
}

/// An id of a tweet or a user, told apart from those of other services.
pub(super) fn prefixed(id: &str) -> Cow<'static, str> {
    Cow::Owned(["twitter:", id].concat())
}

/// Where people can read the tweet.
pub(super) fn page_of(id: &str) -> Cow<'static, str> {
    Cow::Owned(["https://twitter.com/i/web/status/", id].concat())
}

impl<'a> wire::Original<'a> {
    /// The longest text there is, and whether even that is cut.
    fn into_text(self) -> Option<(Cow<'a, str>, bool)> {
        let extended = self.extended_tweet.0.unwrap_or_default().full_text.text();
        match extended.or_else(|| self.full_text.text()) {
            Some(full) => Some((html::decode_cow(full), false)),
            None => Some((
                html::decode_cow(self.text.text()?),
                self.truncated.is_true(),
            )),
        }
    }
}

/// `Sun Aug 31 00:29:15 +0000 2014`; a few archives have RFC 3339 in its place.
fn created_at(text: &str) -> Option<Timestamp> {
    match jiff::fmt::strtime::parse("%a %b %d %H:%M:%S %z %Y", text)
        .and_then(|parsed| parsed.to_timestamp())
    {
        Ok(instant) => Timestamp::from_millis(instant.as_millisecond()).ok(),
        Err(_) => plain::time(&Scalar::Text(Cow::Borrowed(text))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, items, post, with};
    use super::*;

    pub(in crate::feed::format) const TWEET: &str = r##"{"created_at":"Tue Oct 25 07:05:09 +0000 2022","id":1584800000000000001,"id_str":"1584800000000000001","text":"it is down &lt;again&gt; #whatsappdo\u2026","truncated":true,"extended_tweet":{"full_text":"it is down &lt;again&gt; #whatsappdown for all of us"},"user":{"id":77,"id_str":"77","screen_name":"ann"},"quoted_status":{"id_str":"5","text":"#other"},"lang":"und","timestamp_ms":"1666681509123"}"##;
    pub(in crate::feed::format) const RETWEET: &str = r#"{"created_at":"Tue Oct 25 07:06:00 +0000 2022","id_str":"1584800000000000002","text":"RT @ann: it is down #what\u2026","truncated":false,"retweeted_status":{"id_str":"1584800000000000001","text":"it is down #whatsappdo\u2026","truncated":true,"extended_tweet":{"full_text":"it is down #whatsappdown for all"},"user":{"id_str":"77"}},"user":{"id_str":"78"},"lang":"en"}"#;

    #[test]
    fn a_tweet_is_read_in_full_with_its_entities_decoded() {
        let post = post(TWEET);
        assert_eq!(post.id, "twitter:1584800000000000001");
        assert_eq!(post.author.as_deref(), Some("twitter:77"));
        assert_eq!(post.at.to_string(), "2022-10-25T07:05:09.123Z");
        assert_eq!(post.text, "it is down <again> #whatsappdown for all of us");
        assert_eq!((&*post.source, post.lang), ("twitter", None));
        assert!(!post.truncated);
    }

    #[test]
    fn a_retweet_is_a_use_by_who_retweeted_with_the_full_text_of_the_other() {
        let post = post(RETWEET);
        assert_eq!(post.id, "twitter:1584800000000000002");
        assert_eq!(post.author.as_deref(), Some("twitter:78"));
        assert_eq!(post.at.to_string(), "2022-10-25T07:06:00Z");
        assert_eq!(post.text, "it is down #whatsappdown for all");
        assert_eq!(post.lang.as_deref(), Some("en"));
    }

    #[test]
    fn a_text_that_is_cut_and_nowhere_in_full_says_so() {
        let cut = with(TWEET, "extended_tweet", "extended");
        assert!(post(&cut).truncated);
        assert!(post(&cut).text.ends_with("#whatsappdo\u{2026}"));
        let full = with(&cut, r#""text""#, r#""full_text":"all of it","text""#);
        assert_eq!(
            (&*post(&full).text, post(&full).truncated),
            ("all of it", false)
        );
        assert!(post(&with(RETWEET, "extended_tweet", "extended")).truncated);
    }

    #[test]
    fn an_id_may_be_a_number_only() {
        let line = with(TWEET, r#""id_str":"1584800000000000001","#, "");
        assert_eq!(post(&line).id, "twitter:1584800000000000001");
        let line = with(TWEET, r#""id_str":"77","#, "");
        assert_eq!(post(&line).author.as_deref(), Some("twitter:77"));
    }

    #[test]
    fn a_search_page_is_read_oldest_first() {
        let line = format!(
            r#"{{"statuses":[{RETWEET},{TWEET},{{"id_str":"1","user":{{}}}}],"search_metadata":{{}}}}"#
        );
        let items = items(&line);
        assert_eq!(items[0], Err(Reject::Text));
        assert_eq!(items[1], item(TWEET));
        assert_eq!(items[2], item(RETWEET));
    }

    #[test]
    fn a_reject_names_what_is_missing() {
        let nameless = with(
            &with(TWEET, r#""id_str":"1584800000000000001","#, ""),
            "\"id\":1584800000000000001,",
            "",
        );
        assert_eq!(item(&nameless), Err(Reject::Id));
        assert_eq!(
            item(&with(
                RETWEET,
                "Tue Oct 25 07:06:00 +0000 2022",
                "yesterday"
            )),
            Err(Reject::Time)
        );
        assert_eq!(
            item(
                &with(
                    RETWEET,
                    r#""retweeted_status":{"id_str":"1584800000000000001","text""#,
                    r#""retweeted_status":{"t""#
                )
                .replace("extended_tweet", "x")
            ),
            Err(Reject::Text)
        );
    }
}
