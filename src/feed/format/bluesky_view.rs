//! Bluesky's app view: pages of posts as a reader is shown them (`feed[]`, `posts[]`).
//!
//! An item of a feed brings its post and, of a reply, the root and the parent it answers, which are posts too: the
//! same one may come many times, and its id says so. A repost is a use by who reposted, at the time of the repost,
//! with the full text; the protocol gives it no address here, so that its id is made of the post's and the
//! reposter's. Posts that are blocked or not found are skipped. The time is `indexedAt`: when the service saw it.

use std::borrow::Cow;

use self::wire::{FeedItem, PostView};
use super::field::{Maybe, Scalar};
use super::{Outcome, decode, jetstream};
use crate::post::{Item, Reject};

mod wire {
    use serde::Deserialize;

    use super::super::field::{Maybe, Scalar};
    use super::super::jetstream::wire::Record;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct FeedItem<'a> {
        #[serde(borrow)]
        pub(super) post: Maybe<PostView<'a>>,
        #[serde(borrow)]
        pub(super) reply: Maybe<Reply<'a>>,
        #[serde(borrow)]
        pub(super) reason: Maybe<Reason<'a>>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Reply<'a> {
        #[serde(borrow)]
        pub(super) root: Maybe<PostView<'a>>,
        #[serde(borrow)]
        pub(super) parent: Maybe<PostView<'a>>,
    }

    /// Why a post is shown that its reader did not follow.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct Reason<'a> {
        #[serde(borrow, rename = "$type")]
        pub(super) type_: Scalar<'a>,
        #[serde(borrow)]
        pub(super) by: Maybe<Profile<'a>>,
        #[serde(borrow)]
        pub(super) indexed_at: Scalar<'a>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Profile<'a> {
        #[serde(borrow)]
        pub(super) did: Scalar<'a>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct PostView<'a> {
        #[serde(borrow)]
        pub(super) uri: Scalar<'a>,
        #[serde(borrow)]
        pub(super) author: Maybe<Profile<'a>>,
        #[serde(borrow)]
        pub(super) record: Maybe<Record<'a>>,
        #[serde(borrow)]
        pub(super) indexed_at: Scalar<'a>,
        #[serde(borrow)]
        pub(super) not_found: Scalar<'a>,
        #[serde(borrow)]
        pub(super) blocked: Scalar<'a>,
    }
}

/// Reads one item of a feed.
pub(super) fn read_feed_item<'a>(json: &'a str, items: &mut Vec<Outcome<'a>>) {
    let item = decode::<Maybe<FeedItem<'a>>>(json).and_then(|item| {
        let item = item.0.ok_or(Reject::Shape)?;
        Ok((
            item.post.0.ok_or(Reject::Shape)?,
            item.reply.0.unwrap_or_default(),
            item.reason.0,
        ))
    });
    let (post, reply, reason) = match item {
        Ok(parts) => parts,
        Err(reject) => return items.push(Err(reject)),
    };
    let context = [reply.root.0, reply.parent.0];
    items.extend(context.into_iter().flatten().map(parse));
    items.push(match reason {
        Some(reason) if reason.type_.is("app.bsky.feed.defs#reasonRepost") => {
            parse_repost(post, reason)
        }
        _ => parse(post),
    });
}

/// Reads one post that stands alone.
pub(super) fn read_post<'a>(json: &'a str, items: &mut Vec<Outcome<'a>>) {
    let view = decode::<Maybe<PostView<'a>>>(json).and_then(|view| view.0.ok_or(Reject::Shape));
    items.push(view.and_then(parse));
}

fn parse(view: PostView<'_>) -> Outcome<'_> {
    if view.not_found.is_true() || view.blocked.is_true() {
        return Ok(Item::Skipped);
    }
    let uri = view.uri.filled().ok_or(Reject::Id)?;
    let url = jetstream::page_of(&uri);
    let author = did(view.author).map_or_else(|| owner(&uri), Ok)?;
    let record = view.record.0.ok_or(Reject::Text)?;
    let mut post = record.into_post(uri, author, time(&view.indexed_at))?;
    post.url = url;
    Ok(Item::Post(Box::new(post)))
}

fn parse_repost<'a>(view: PostView<'a>, reason: wire::Reason<'a>) -> Outcome<'a> {
    let reposter = did(reason.by).ok_or(Reject::Id)?;
    let at = time(&reason.indexed_at).ok_or(Reject::Time)?;
    let mut item = parse(view)?;
    if let Item::Post(post) = &mut item {
        post.id = Cow::Owned([&post.id, "#repost-by:", &reposter].concat());
        post.author = Some(reposter);
        post.at = at;
    }
    Ok(item)
}

fn did(profile: Maybe<wire::Profile<'_>>) -> Option<Cow<'_, str>> {
    profile.0?.did.filled()
}

/// The account in an `at://` address.
fn owner<'a>(uri: &str) -> Result<Cow<'a, str>, Reject> {
    let did = uri
        .strip_prefix("at://")
        .and_then(|rest| rest.split('/').next());
    did.map(|did| Cow::Owned(did.to_owned())).ok_or(Reject::Id)
}

fn time(indexed_at: &Scalar<'_>) -> Option<crate::time::Timestamp> {
    indexed_at.as_text()?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, items, posts, with};
    use super::*;

    pub(in crate::feed::format) const PAGE: &str = r#"{"feed":[{"post":{"uri":"at://did:plc:ann/app.bsky.feed.post/3b","author":{"did":"did:plc:ann"},"record":{"$type":"app.bsky.feed.post","text":"it is #githubdown","langs":["en"],"createdAt":"2024-01-01T00:00:00Z"},"indexedAt":"2024-01-01T09:00:00.000Z"},"reply":{"root":{"uri":"at://did:plc:bob/app.bsky.feed.post/3a","author":{"did":"did:plc:bob"},"record":{"text":"is it?"},"indexedAt":"2024-01-01T08:00:00.000Z"},"parent":{"$type":"app.bsky.feed.defs#notFoundPost","uri":"at://did:plc:eve/app.bsky.feed.post/3x","notFound":true}}},{"post":{"uri":"at://did:plc:ann/app.bsky.feed.post/3c","author":{"did":"did:plc:ann"},"record":{"text":"still #githubdown"},"indexedAt":"2024-01-01T07:00:00.000Z"},"reason":{"$type":"app.bsky.feed.defs#reasonRepost","by":{"did":"did:plc:bob"},"indexedAt":"2024-01-01T10:00:00.000Z"}}],"cursor":"x"}"#;

    #[test]
    fn a_feed_gives_its_posts_and_what_they_answer_oldest_first() {
        let items = items(PAGE);
        assert_eq!(items.len(), 4);
        assert_eq!(items[0], Ok(Item::Skipped));
        let told: Vec<_> = items[1..]
            .iter()
            .map(|item| match item {
                Ok(Item::Post(post)) => (&*post.id, post.author.as_deref(), &*post.text),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                (
                    "at://did:plc:bob/app.bsky.feed.post/3a",
                    Some("did:plc:bob"),
                    "is it?"
                ),
                (
                    "at://did:plc:ann/app.bsky.feed.post/3b",
                    Some("did:plc:ann"),
                    "it is #githubdown"
                ),
                (
                    "at://did:plc:ann/app.bsky.feed.post/3c#repost-by:did:plc:bob",
                    Some("did:plc:bob"),
                    "still #githubdown"
                ),
            ]
        );
    }

    #[test]
    fn a_repost_is_dated_by_the_repost_and_shown_where_the_post_is() {
        let items = items(PAGE);
        let Some(Ok(Item::Post(repost))) = items.last() else {
            panic!("{items:?}")
        };
        assert_eq!(repost.at.to_string(), "2024-01-01T10:00:00Z");
        assert_eq!(
            repost.url.as_deref(),
            Some("https://bsky.app/profile/did:plc:ann/post/3c")
        );
    }

    #[test]
    fn posts_come_in_lists_and_alone_too() {
        let view = r#"{"uri":"at://did:plc:a/app.bsky.feed.post/1","record":{"text":"x"},"indexedAt":"2024-01-01T00:00:00Z"}"#;
        for line in [
            view.to_owned(),
            format!(r#"{{"posts":[{view}]}}"#),
            format!(r#"{{"post":{view}}}"#),
        ] {
            let posts = posts(&line);
            assert_eq!(posts.len(), 1);
            assert_eq!(posts[0].author.as_deref(), Some("did:plc:a"));
        }
    }

    #[test]
    fn a_reject_names_what_is_missing_and_the_neighbours_are_read() {
        for (old, new, reject) in [
            (
                r#""uri":"at://did:plc:ann/app.bsky.feed.post/3b""#,
                r#""uri":7"#,
                Reject::Id,
            ),
            (r#""text":"it is"#, r#""t":"it is"#, Reject::Text),
            ("2024-01-01T09:00:00.000Z", "now", Reject::Time),
            ("2024-01-01T10:00:00.000Z", "now", Reject::Time),
            (r#"{"post":"#, r#"{"p":"#, Reject::Shape),
        ] {
            let line = with(PAGE, old, new);
            assert!(items(&line).contains(&Err(reject)), "{new}");
            assert!(
                items(&line)
                    .iter()
                    .any(|item| matches!(item, Ok(Item::Post(_))))
            );
        }
        assert_eq!(item(r#"{"posts":[7]}"#), Err(Reject::Shape));
    }
}
