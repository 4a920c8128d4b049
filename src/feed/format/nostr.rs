//! Events of Nostr, bare or in the messages of a relay.
//!
//! A note (kind 1) is a post; a repost (kinds 6 and 16) is one if it carries the event it repeats, as JSON inside a
//! string; every other kind, and every message of a relay that is no event, is skipped. `created_at` is the author's
//! claim, as the protocol has no other time. Signatures are not checked here. What a bridge has brought from another
//! network is the post it was there (`bridge.rs`).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::field::{List, Maybe, Scalar};
use super::object::Object;
use super::{Outcome, bridge, decode};
use crate::post::{Item, RawPost, Reject};
use crate::time::Timestamp;

mod wire {
    use serde::Deserialize;

    use super::super::field::Scalar;

    /// The event that another reposts.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Reposted<'a> {
        #[serde(borrow)]
        pub(super) content: Scalar<'a>,
    }
}

/// A relay's message: `["EVENT", subscription, event]`, `["EVENT", event]`, or one that brings no event.
pub(super) fn read_message<'a>(elements: &[&'a RawValue]) -> Outcome<'a> {
    let verb: Cow<'_, str> = decode(elements.first().map_or("", |verb| verb.get()))?;
    match &*verb {
        "EVENT" => {
            let event = elements
                .iter()
                .skip(1)
                .take(2)
                .find(|element| element.get().starts_with('{'));
            parse(decode(event.ok_or(Reject::Shape)?.get())?)
        }
        "EOSE" | "NOTICE" | "OK" | "CLOSED" | "AUTH" | "COUNT" => Ok(Item::Skipped),
        _ => Err(Reject::Shape),
    }
}

/// The event in `object`.
pub(super) fn parse(object: Object<'_>) -> Outcome<'_> {
    let text = match object.kind {
        Scalar::Int(1) => object.content.text().ok_or(Reject::Text)?,
        Scalar::Int(6 | 16) => match reposted(&object.content) {
            Some(text) => Cow::Owned(text),
            None => return Ok(Item::Skipped),
        },
        Scalar::Int(_) => return Ok(Item::Skipped),
        _ => return Err(Reject::Shape),
    };
    let id = object.id.filled().ok_or(Reject::Id)?;
    let at = match object.created_at {
        Scalar::Int(seconds) => seconds
            .checked_mul(1_000)
            .and_then(|millis| Timestamp::from_millis(millis).ok()),
        _ => None,
    };
    let bridged_from = object.tags.and_then(|tags| proxy(tags.get()));
    let original = bridged_from.as_deref().map(bridge::original);
    let author = original
        .as_ref()
        .and_then(|original| Some(original.author.as_ref()?.clone().into_owned()))
        .or_else(|| Some(["nostr:", &object.pubkey.filled()?].concat()));
    let id = original.map_or_else(
        || ["nostr:", &id].concat(),
        |original| original.id.into_owned(),
    );
    Ok(Item::Post(Box::new(RawPost {
        id: Cow::Owned(id),
        author: author.map(Cow::Owned),
        at: at.ok_or(Reject::Time)?,
        text,
        tags: Vec::new(),
        truncated: false,
        source: Cow::Borrowed("nostr"),
        lang: None,
        bot: false,
        edit: false,
        url: None,
    })))
}

/// The original that a tag `["proxy", ID, PROTOCOL]` names.
fn proxy(tags: &str) -> Option<String> {
    let tags: List<List<Scalar<'_>>> = decode(tags).ok()?;
    tags.0.into_iter().find_map(|tag| {
        let mut parts = tag.0.into_iter();
        if !parts.next()?.is("proxy") {
            return None;
        }
        parts.next()?.filled().map(Cow::into_owned)
    })
}

/// The text of the event inside a repost's content; none if there is no event in it.
fn reposted(content: &Scalar<'_>) -> Option<String> {
    let event: Maybe<wire::Reposted<'_>> = decode(content.as_text()?).ok()?;
    event.0?.content.text().map(Cow::into_owned)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, post, with};
    use super::*;

    pub(in crate::feed::format) const EVENT: &str = r#"{"id":"e1","pubkey":"a1","created_at":1666681509,"kind":1,"tags":[["t","teamsdown"]],"content":"again #teamsdown","sig":"00"}"#;

    #[test]
    fn a_note_is_read() {
        let post = post(EVENT);
        assert_eq!(
            (&*post.id, post.author.as_deref()),
            ("nostr:e1", Some("nostr:a1"))
        );
        assert_eq!(post.at.to_string(), "2022-10-25T07:05:09Z");
        assert_eq!((&*post.text, &*post.source), ("again #teamsdown", "nostr"));
    }

    #[test]
    fn a_note_in_a_message_of_a_relay_is_the_same_note() {
        for line in [
            format!(r#"["EVENT","sub",{EVENT}]"#),
            format!(r#"["EVENT",{EVENT}]"#),
        ] {
            assert_eq!(post(&line), post(EVENT));
        }
    }

    #[test]
    fn what_a_bridge_brought_is_the_post_it_was() {
        let tags = r#"["t","teamsdown"]"#;
        for (id, original, author) in [
            (
                "https://town.example/users/ann/statuses/109",
                None,
                "ann@town.example",
            ),
            (
                "https://town.example/@ann/109",
                Some("https://town.example/users/ann/statuses/109"),
                "ann@town.example",
            ),
            (
                "at://did:plc:abc/app.bsky.feed.post/3k",
                None,
                "did:plc:abc",
            ),
            ("https://town.example/objects/9f52", None, "nostr:a1"),
        ] {
            let proxy = format!(r#"{tags},["proxy","{id}","activitypub"]"#);
            let line = with(EVENT, tags, &proxy);
            let post = post(&line);
            assert_eq!(post.id, original.unwrap_or(id));
            assert_eq!(post.author.as_deref(), Some(author));
        }
        for broken in [r#"["proxy"]"#, r#"["proxy",7,"x"]"#, "7", "[]"] {
            assert_eq!(post(&with(EVENT, tags, broken)).id, "nostr:e1");
        }
    }

    #[test]
    fn a_repost_is_a_use_by_who_reposts_with_the_text_it_repeats() {
        let inner = serde_json::to_string(EVENT).expect("text");
        for kind in [6, 16] {
            let line = format!(
                r#"{{"id":"e2","pubkey":"a2","created_at":2,"kind":{kind},"content":{inner}}}"#
            );
            let post = post(&line);
            assert_eq!(
                (&*post.id, post.author.as_deref()),
                ("nostr:e2", Some("nostr:a2"))
            );
            assert_eq!(post.text, "again #teamsdown");
        }
        assert_eq!(
            item(r#"{"id":"e2","pubkey":"a2","created_at":2,"kind":6,"content":""}"#),
            Ok(Item::Skipped)
        );
    }

    #[test]
    fn other_kinds_and_messages_are_skipped() {
        for line in [
            with(EVENT, "\"kind\":1", "\"kind\":7"),
            r#"["EOSE","sub"]"#.to_owned(),
            r#"["NOTICE","slow down"]"#.to_owned(),
            r#"["OK","e1",true,""]"#.to_owned(),
        ] {
            assert_eq!(item(&line), Ok(Item::Skipped), "{line}");
        }
    }

    #[test]
    fn a_reject_names_what_is_missing() {
        assert_eq!(
            item(&with(EVENT, r#""id":"e1""#, r#""id":null"#)),
            Err(Reject::Id)
        );
        assert_eq!(
            item(&with(EVENT, r#""content":"#, r#""c":"#)),
            Err(Reject::Text)
        );
        assert_eq!(item(&with(EVENT, "1666681509", "9e18")), Err(Reject::Time));
        assert_eq!(
            item(&with(EVENT, r#""kind":1"#, r#""kind":"1""#)),
            Err(Reject::Shape)
        );
        assert_eq!(item(r#"["EVENT","sub"]"#), Err(Reject::Shape));
    }
}
