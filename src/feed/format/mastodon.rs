//! A status of Mastodon and of what speaks its API, alone, in a timeline, or in an event of its stream.
//!
//! The text is the content warning and the content, without HTML. The names in `tags[]` are never read: servers
//! differ about where a hashtag ends, and some cut Bengali at its first vowel sign. A status that reblogs another is
//! a use of its own, with its own `uri`, by the account that reblogged, of the text that it repeats. Only public
//! statuses count. `uri` is the id, since it is the same on every server; `id` is local to one. What a bridge has
//! brought from another network is the post it was there (`bridge.rs`).
//!
//! `created_at` is the claim of the server of origin, and old statuses are shown when a server discovers them:
//! whether one is too late is decided by whoever counts.

use std::borrow::Cow;

use super::field::Scalar;
use super::jetstream::Payload;
use super::object::{self, Object};
use super::{Outcome, bridge, html, into_owned, language};
use crate::post::{Item, RawPost, Reject};

pub(super) mod wire {
    use serde::Deserialize;

    use super::super::field::Scalar;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct Account<'a> {
        #[serde(borrow)]
        pub(super) acct: Scalar<'a>,
        #[serde(borrow)]
        pub(super) url: Scalar<'a>,
        #[serde(borrow)]
        pub(super) bot: Scalar<'a>,
    }

    /// The status that another reblogs.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct Reblog<'a> {
        #[serde(borrow)]
        pub(super) spoiler_text: Scalar<'a>,
        #[serde(borrow)]
        pub(super) content: Scalar<'a>,
        #[serde(borrow)]
        pub(super) language: Scalar<'a>,
    }
}

/// The status in `object`.
pub(super) fn parse(object: Object<'_>) -> Outcome<'_> {
    if object.visibility.is_there() && !object.visibility.is("public") {
        return Ok(Item::Skipped);
    }
    let uri = object.uri.filled().ok_or(Reject::Id)?;
    let url = object.url.filled();
    let (spoiler, content, lang) = match object.reblog.0 {
        Some(reblog) => (reblog.spoiler_text, reblog.content, reblog.language),
        None => (object.spoiler_text, object.content, object.language),
    };
    let text = text(spoiler, content).ok_or(Reject::Text)?;
    let at = object
        .created_at
        .as_text()
        .and_then(|time| time.parse().ok())
        .ok_or(Reject::Time)?;
    let account = object.account.0.unwrap_or_default();
    let home = account.url.as_text().and_then(host).or_else(|| host(&uri));
    let copied = bridge::of_copy(&uri);
    let behind_account = account.url.as_text().and_then(bridge::author_of_account);
    let author = copied
        .as_ref()
        .and_then(|original| original.author.clone())
        .or(behind_account)
        .map(|author| Cow::Owned(author.into_owned()))
        .or_else(|| account.acct.filled().map(|acct| full_address(acct, home)));
    let named = url
        .as_deref()
        .and_then(|url| bridge::uri_of_status(&uri, url));
    let id = copied
        .map(|original| original.id)
        .or(named)
        .map(Cow::into_owned);
    let source = host(&uri)
        .or(home)
        .map_or(Cow::Borrowed("mastodon"), |host| {
            Cow::Owned(["mastodon:", host].concat())
        });
    let is_web = |url: &Cow<'_, str>| url.starts_with("https://") || url.starts_with("http://");
    Ok(Item::Post(Box::new(RawPost {
        author,
        at,
        text,
        tags: Vec::new(),
        truncated: false,
        source,
        lang: lang.text().and_then(language),
        bot: account.bot.is_true(),
        edit: object.edited_at.is_there(),
        url: url.or_else(|| Some(uri.clone()).filter(is_web)),
        id: id.map_or(uri, Cow::Owned),
    })))
}

/// The status in an event of the stream, whose payload is JSON inside a string. Events other than `update` and
/// `status.update` (deletes, notifications, announcements) carry none.
pub(super) fn parse_event<'a>(event: &Scalar<'a>, payload: Payload<'a>) -> Outcome<'a> {
    let is_update = event.is("update") || event.is("status.update");
    match payload {
        Payload::Text(json) if is_update => object::read_status(&json).map(into_owned),
        Payload::Absent | Payload::Text(_) | Payload::Message(_) => Ok(Item::Skipped),
    }
}

/// Content warning and content as one text.
fn text<'a>(spoiler: Scalar<'a>, content: Scalar<'a>) -> Option<Cow<'a, str>> {
    let content = match content.text()? {
        Cow::Borrowed(html) => html::to_text(html),
        Cow::Owned(html) => Cow::Owned(html::to_text(&html).into_owned()),
    };
    Some(match spoiler.filled() {
        Some(spoiler) => Cow::Owned([&spoiler, "\n", &content].concat()),
        None => content,
    })
}

/// `user@host`, also for an account of the server itself, which leaves its host out.
fn full_address<'a>(acct: Cow<'a, str>, home: Option<&str>) -> Cow<'a, str> {
    match home {
        Some(host) if !acct.contains('@') => Cow::Owned([&acct, "@", host].concat()),
        _ => acct,
    }
}

/// The host in an `https:` address, or in a `tag:` one as older servers write it.
fn host(uri: &str) -> Option<&str> {
    let (rest, ends): (_, &[char]) = match uri.split_once("://") {
        Some((_, rest)) => (rest, &['/', '?', '#']),
        None => (uri.strip_prefix("tag:")?, &[',', ':']),
    };
    let host = rest.split(ends).next()?;
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, post, with};
    use super::*;

    pub(in crate::feed::format) const STATUS: &str = r#"{"id":"109","created_at":"2022-10-25T06:50:00.000Z","spoiler_text":"","visibility":"public","language":"bn","uri":"https://town.example/users/ann/statuses/109","url":"https://town.example/@ann/109","edited_at":null,"content":"<p>চলছে না <a href=\"https://town.example/tags/x\" class=\"mention hashtag\">#<span>হোয়াটসঅ্যাপডাউন</span></a><br>R&amp;D</p>","reblog":null,"account":{"id":"1","acct":"ann","bot":false,"url":"https://town.example/@ann"},"tags":[{"name":"হ","url":"https://town.example/tags/x"}]}"#;
    pub(in crate::feed::format) const REBLOG: &str = r#"{"id":"110","created_at":"2022-10-25T06:55:00.000Z","spoiler_text":"","visibility":"public","language":null,"uri":"https://town.example/users/bob/statuses/110/activity","url":null,"edited_at":null,"content":"<p>RT</p>","reblog":{"uri":"https://far.example/1","spoiler_text":"outage","content":"<p>#zoomdown</p>","language":"en-GB","account":{"acct":"eve@far.example"}},"account":{"acct":"bob@hill.example","bot":true,"url":"https://hill.example/@bob"}}"#;

    #[test]
    fn a_status_is_read_as_text_without_html() {
        let post = post(STATUS);
        assert_eq!(post.id, "https://town.example/users/ann/statuses/109");
        assert_eq!(post.author.as_deref(), Some("ann@town.example"));
        assert_eq!(post.at.to_string(), "2022-10-25T06:50:00Z");
        assert_eq!(post.text, "চলছে না #হোয়াটসঅ্যাপডাউন\nR&D");
        assert_eq!(
            (&*post.source, post.lang.as_deref()),
            ("mastodon:town.example", Some("bn"))
        );
        assert_eq!(post.url.as_deref(), Some("https://town.example/@ann/109"));
        assert!(post.tags.is_empty() && !post.bot && !post.edit);
    }

    #[test]
    fn a_reblog_is_a_use_by_who_reblogged_with_the_text_of_the_other() {
        let post = post(REBLOG);
        assert_eq!(
            post.id,
            "https://town.example/users/bob/statuses/110/activity"
        );
        assert_eq!(post.author.as_deref(), Some("bob@hill.example"));
        assert_eq!(post.text, "outage\n#zoomdown");
        assert_eq!(
            (&*post.source, post.lang.as_deref()),
            ("mastodon:town.example", Some("en"))
        );
        assert!(post.bot);
    }

    #[test]
    fn what_a_bridge_brought_is_the_post_it_was() {
        let uri = "https://town.example/users/ann/statuses/109";
        let copy = with(
            STATUS,
            uri,
            "https://bsky.brid.gy/convert/ap/at://did:plc:abc/app.bsky.feed.post/3k",
        );
        let copy = post(&copy);
        assert_eq!(copy.id, "at://did:plc:abc/app.bsky.feed.post/3k");
        assert_eq!(copy.author.as_deref(), Some("did:plc:abc"));
        let key = "aa00000000000000000000000000000000000000000000000000000000000000";
        let copy = with(STATUS, uri, &format!("https://mostr.pub/objects/{key}"));
        let copy = with(
            &copy,
            r#""bot":false,"url":"https://town.example/@ann""#,
            &format!(r#""bot":false,"url":"https://mostr.pub/users/{key}""#),
        );
        let copy = post(&copy);
        let nostr = format!("nostr:{key}");
        assert_eq!(
            (&*copy.id, copy.author.as_deref()),
            (&*nostr, Some(&*nostr))
        );
    }

    #[test]
    fn the_content_warning_comes_first() {
        let line = with(
            STATUS,
            r#""spoiler_text":"""#,
            r##""spoiler_text":"#down""##,
        );
        assert!(post(&line).text.starts_with("#down\nচলছে"));
    }

    #[test]
    fn only_public_statuses_count() {
        for visibility in ["unlisted", "private", "direct"] {
            assert_eq!(
                item(&with(STATUS, "\"public\"", &format!("{visibility:?}"))),
                Ok(Item::Skipped)
            );
        }
        post(&with(STATUS, r#""visibility":"public","#, ""));
    }

    #[test]
    fn an_edited_status_is_an_edit() {
        let line = with(
            STATUS,
            r#""edited_at":null"#,
            r#""edited_at":"2022-10-25T07:00:00.000Z""#,
        );
        assert!(post(&line).edit);
    }

    #[test]
    fn events_of_the_stream_carry_their_status_as_json_in_a_string() {
        let payload = serde_json::to_string(STATUS).expect("text");
        for event in ["update", "status.update"] {
            let line = format!(r#"{{"stream":["public"],"event":"{event}","payload":{payload}}}"#);
            assert_eq!(post(&line), post(STATUS));
        }
        for event in ["delete", "notification"] {
            let line = format!(
                r#"{{"stream":["public"],"event":"{event}","payload":"106692867363994015"}}"#
            );
            assert_eq!(item(&line), Ok(Item::Skipped));
        }
        let line = r#"{"stream":["public"],"event":"update","payload":"{\"id\":"}"#;
        assert_eq!(item(line), Err(Reject::Json));
    }

    #[test]
    fn a_host_is_found_in_every_kind_of_address() {
        assert_eq!(host("https://a.example/users/x"), Some("a.example"));
        assert_eq!(host("http://localhost:3000/@x"), Some("localhost:3000"));
        assert_eq!(
            host("tag:a.example,2017-01-01:objectId=1:objectType=Status"),
            Some("a.example")
        );
        assert_eq!(host("a.example"), None);
        assert_eq!(host("https://"), None);
    }

    #[test]
    fn a_reject_names_what_is_missing() {
        assert_eq!(item(&with(STATUS, r#""uri":"#, r#""u":"#)), Err(Reject::Id));
        assert_eq!(
            item(&with(STATUS, r#""content":"#, r#""c":"#)),
            Err(Reject::Text)
        );
        assert_eq!(
            item(&with(STATUS, r#""created_at":"#, r#""c":"#)),
            Err(Reject::Time)
        );
        assert_eq!(
            item(&with(STATUS, "2022-10-25T06:50:00.000Z", "now")),
            Err(Reject::Time)
        );
    }
}
