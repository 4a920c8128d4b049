//! A tweet, or a page of tweets, as Twitter's API v2 writes it.
//!
//! `data` holds one tweet or a list of them; `includes.tweets` is the context it points to, and no post. A retweet's
//! own text is cut, so that of the tweet it points to is read where the page includes it. Where `created_at` was not
//! asked for, as in the sampled stream, the id tells the time ([`snowflake_time`]). An edited tweet keeps the id of
//! its first version, so that it counts once.

use std::borrow::Cow;
use std::collections::HashMap;

use self::wire::{Includes, Note, Tweet};
use super::field::{Maybe, Scalar};
use super::twitter_v1::{page_of, prefixed};
use super::{Outcome, decode, html, language, read_page};
use crate::post::{Item, RawPost, Reject};
use crate::time::Timestamp;

mod wire {
    use serde::Deserialize;

    use super::super::field::{List, Maybe, Scalar};

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Includes<'a> {
        #[serde(borrow)]
        pub(super) tweets: List<Maybe<Tweet<'a>>>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    #[expect(clippy::struct_field_names, reason = "the wire's own names")]
    pub(super) struct Tweet<'a> {
        #[serde(borrow)]
        pub(super) id: Scalar<'a>,
        #[serde(borrow)]
        pub(super) text: Scalar<'a>,
        #[serde(borrow)]
        pub(super) note_tweet: Maybe<Note<'a>>,
        #[serde(borrow)]
        pub(super) author_id: Scalar<'a>,
        #[serde(borrow)]
        pub(super) created_at: Scalar<'a>,
        #[serde(borrow)]
        pub(super) lang: Scalar<'a>,
        #[serde(borrow)]
        pub(super) referenced_tweets: List<Maybe<Reference<'a>>>,
        #[serde(borrow)]
        pub(super) edit_history_tweet_ids: List<Scalar<'a>>,
    }

    /// The full text of a tweet that is longer than `text` holds.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Note<'a> {
        #[serde(borrow)]
        pub(super) text: Scalar<'a>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Reference<'a> {
        #[serde(borrow, rename = "type")]
        pub(super) type_: Scalar<'a>,
        #[serde(borrow)]
        pub(super) id: Scalar<'a>,
    }
}

/// The full texts of the tweets that a page includes, by id.
type Context<'a> = HashMap<Cow<'a, str>, Cow<'a, str>>;

/// Reads `data`, one tweet or a list of them, with what the page includes.
pub(super) fn read<'a>(data: &'a str, includes: Option<&'a str>, items: &mut Vec<Outcome<'a>>) {
    let context = includes.map(context).unwrap_or_default();
    if data.starts_with('[') {
        read_page(data, items, |tweet, items| {
            items.push(parse(tweet, &context));
        });
    } else {
        items.push(parse(data, &context));
    }
}

/// What a page includes; a part that cannot be read includes nothing.
fn context(includes: &str) -> Context<'_> {
    let tweets = decode::<Maybe<Includes<'_>>>(includes)
        .unwrap_or_default()
        .0
        .unwrap_or_default()
        .tweets;
    let tweets = tweets.0.into_iter().filter_map(|tweet| tweet.0);
    tweets
        .filter_map(|tweet| Some((tweet.id.id()?, full_text(tweet.note_tweet, tweet.text)?)))
        .collect()
}

fn parse<'a>(json: &'a str, context: &Context<'a>) -> Outcome<'a> {
    let tweet = decode::<Maybe<Tweet<'a>>>(json)?.0.ok_or(Reject::Shape)?;
    let id = tweet.id.id().ok_or(Reject::Id)?;
    let own_text = full_text(tweet.note_tweet, tweet.text).ok_or(Reject::Text)?;
    let at = match tweet.created_at.as_text() {
        Some(time) => time.parse().ok(),
        None => snowflake_time(&id),
    };
    let at = at.ok_or(Reject::Time)?;
    let retweeted = tweet
        .referenced_tweets
        .0
        .into_iter()
        .filter_map(|reference| reference.0)
        .find(|reference| reference.type_.is("retweeted"));
    let is_retweet = retweeted.is_some();
    let original = retweeted.and_then(|reference| context.get(&reference.id.id()?).cloned());
    let truncated = is_retweet && original.is_none() && own_text.ends_with('\u{2026}');
    let first_version = tweet
        .edit_history_tweet_ids
        .0
        .into_iter()
        .next()
        .and_then(Scalar::id);
    let edit = first_version.as_ref().is_some_and(|first| *first != id);
    Ok(Item::Post(Box::new(RawPost {
        url: Some(page_of(&id)),
        id: prefixed(&first_version.unwrap_or(id)),
        author: tweet.author_id.id().map(|author| prefixed(&author)),
        at,
        text: original.unwrap_or(own_text),
        tags: Vec::new(),
        truncated,
        source: Cow::Borrowed("twitter"),
        lang: tweet.lang.text().and_then(language),
        bot: false,
        edit,
    })))
}

/// The note where there is one, else the text.
fn full_text<'a>(note: Maybe<Note<'a>>, text: Scalar<'a>) -> Option<Cow<'a, str>> {
    let note = note.0.and_then(|note| note.text.text());
    note.or_else(|| text.text()).map(html::decode_cow)
}

/// The time in an id: its upper bits are milliseconds since 2010-11-04T01:42:54.657Z (Twitter's "snowflake" ids).
/// Ids from before the scheme hold none.
fn snowflake_time(id: &str) -> Option<Timestamp> {
    const EPOCH_MS: i64 = 1_288_834_974_657;
    // The first id of the new scheme; the ids before it were counted up one by one.
    const FIRST: i64 = 29_700_859_247;
    let id: i64 = id.parse().ok()?;
    if id < FIRST {
        return None;
    }
    Timestamp::from_millis((id >> 22) + EPOCH_MS).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, items, post, posts, with};
    use super::*;

    pub(in crate::feed::format) const PAGE: &str = r#"{"data":[{"id":"1584800000000000003","author_id":"79","created_at":"2022-10-25T07:07:00.000Z","lang":"pt","text":"RT @ann: caiu #whats\u2026","referenced_tweets":[{"type":"retweeted","id":"1584800000000000001"}]},{"id":"1584800000000000002","author_id":"78","created_at":"2022-10-25T07:06:00.000Z","lang":"en","text":"R&amp;D #down","referenced_tweets":[{"type":"quoted","id":"1584800000000000001"}],"edit_history_tweet_ids":["1584800000000000002"]}],"includes":{"tweets":[{"id":"1584800000000000001","text":"caiu","note_tweet":{"text":"caiu #whatsappdown de novo"}}]},"meta":{"result_count":2}}"#;

    #[test]
    fn a_page_is_read_without_the_tweets_it_only_includes() {
        let posts = posts(PAGE);
        let ids: Vec<_> = posts.iter().map(|post| &*post.id).collect();
        assert_eq!(
            ids,
            ["twitter:1584800000000000002", "twitter:1584800000000000003"]
        );
        assert_eq!(posts[0].text, "R&D #down");
        assert_eq!(posts[0].author.as_deref(), Some("twitter:78"));
        assert_eq!(posts[0].at.to_string(), "2022-10-25T07:06:00Z");
        assert_eq!(
            (&*posts[0].source, posts[0].lang.as_deref()),
            ("twitter", Some("en"))
        );
    }

    #[test]
    fn a_retweet_has_the_text_of_the_tweet_that_the_page_includes() {
        let retweet = &posts(PAGE)[1];
        assert_eq!(
            (&*retweet.text, retweet.truncated),
            ("caiu #whatsappdown de novo", false)
        );
        let line = with(PAGE, "includes", "forgets");
        let retweet = &posts(&line)[1];
        assert_eq!(
            (&*retweet.text, retweet.truncated),
            ("RT @ann: caiu #whats\u{2026}", true)
        );
    }

    #[test]
    fn a_tweet_of_the_sampled_stream_is_dated_by_its_id() {
        let post = post(r#"{"data":{"id":"1528000000000000000","text":"hello"}}"#);
        assert_eq!(post.at.to_string(), "2022-05-21T13:09:23.524Z");
        assert_eq!(post.author, None);
    }

    #[test]
    fn an_id_older_than_the_scheme_tells_no_time() {
        assert_eq!(
            item(r#"{"data":{"id":"20","text":"hello"}}"#),
            Err(Reject::Time)
        );
        assert_eq!(
            item(r#"{"data":{"id":"x","text":"hello"}}"#),
            Err(Reject::Time)
        );
    }

    #[test]
    fn a_tweet_on_its_own_is_read_too() {
        let line = r#"{"id":"1528000000000000000","author_id":"5","text":"hello"}"#;
        assert_eq!(post(line).id, "twitter:1528000000000000000");
    }

    #[test]
    fn an_edited_tweet_keeps_the_id_of_its_first_version() {
        let line = r#"{"data":{"id":"1528000000000000000","text":"b","edit_history_tweet_ids":["1527999999999999999","1528000000000000000"]}}"#;
        let post = post(line);
        assert_eq!(
            (&*post.id, post.edit),
            ("twitter:1527999999999999999", true)
        );
    }

    #[test]
    fn a_reject_names_what_is_missing_and_the_neighbours_are_read() {
        let line = with(PAGE, r#""text":"RT"#, r#""words":"RT"#);
        assert_eq!(items(&line)[0], Err(Reject::Text));
        assert!(items(&line)[1].is_ok());
        assert_eq!(
            items(&with(PAGE, r#""id":"1584800000000000003""#, r#""id":"""#))[0],
            Err(Reject::Id)
        );
        assert_eq!(
            items(&with(PAGE, "2022-10-25T07:07:00.000Z", "now"))[0],
            Err(Reject::Time)
        );
        assert_eq!(item(r#"{"data":[7]}"#), Err(Reject::Shape));
    }
}
