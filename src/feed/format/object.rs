//! One JSON object of unknown shape.
//!
//! [`Object`] has the top-level fields of all shapes that come one post a line, so that one typed, borrowing pass
//! both recognises the shape and reads the post. Names that two shapes share (`id`, `text`, `created_at`, `kind`)
//! are read as whatever scalar stands there. Shapes that come as pages are seen here by the one field that holds the
//! page, as raw JSON, and read by their own files.
//!
//! [`Object::shape`] asks for the fields that tell the shapes apart, not for all that a post needs: a status without
//! its `uri` is still a status, so that the reject can say what is missing.

use serde_json::value::RawValue;

use super::field::{Maybe, Scalar};
use super::{
    Outcome, bluesky_view, decode, hackernews, is_too_deep, jetstream, mastodon, nostr, notice,
    plain, read_page, read_value, reddit, twitter_v1, twitter_v2,
};
use crate::post::Reject;

/// Top-level fields, named as on the wire.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Object<'a> {
    // Of several shapes.
    #[serde(borrow)]
    pub(super) id: Scalar<'a>,
    #[serde(borrow)]
    pub(super) text: Scalar<'a>,
    #[serde(borrow)]
    pub(super) created_at: Scalar<'a>,
    #[serde(borrow)]
    pub(super) kind: Scalar<'a>,
    #[serde(borrow)]
    pub(super) content: Scalar<'a>,
    #[serde(borrow)]
    pub(super) lang: Scalar<'a>,
    #[serde(borrow)]
    pub(super) url: Scalar<'a>,
    #[serde(borrow)]
    pub(super) payload: jetstream::Payload<'a>,
    // Plain.
    #[serde(borrow)]
    pub(super) ts: Scalar<'a>,
    #[serde(borrow)]
    pub(super) author: Scalar<'a>,
    #[serde(borrow)]
    pub(super) source: Scalar<'a>,
    #[serde(borrow)]
    pub(super) rt_text: Scalar<'a>,
    #[serde(borrow)]
    pub(super) bot: Scalar<'a>,
    #[serde(borrow)]
    pub(super) edit: Scalar<'a>,
    // Jetstream.
    #[serde(borrow)]
    pub(super) did: Scalar<'a>,
    #[serde(borrow)]
    pub(super) time_us: Scalar<'a>,
    #[serde(borrow)]
    pub(super) commit: Maybe<Box<jetstream::wire::Commit<'a>>>,
    #[serde(borrow, rename = "$type")]
    pub(super) type_: Scalar<'a>,
    // Mastodon, and the envelope of its stream.
    #[serde(borrow)]
    pub(super) uri: Scalar<'a>,
    #[serde(borrow)]
    pub(super) account: Maybe<mastodon::wire::Account<'a>>,
    #[serde(borrow)]
    pub(super) spoiler_text: Scalar<'a>,
    #[serde(borrow)]
    pub(super) language: Scalar<'a>,
    #[serde(borrow)]
    pub(super) visibility: Scalar<'a>,
    #[serde(borrow)]
    pub(super) edited_at: Scalar<'a>,
    #[serde(borrow)]
    pub(super) reblog: Maybe<Box<mastodon::wire::Reblog<'a>>>,
    #[serde(borrow)]
    pub(super) event: Scalar<'a>,
    // Twitter v1.1.
    #[serde(borrow)]
    pub(super) id_str: Scalar<'a>,
    #[serde(borrow)]
    pub(super) full_text: Scalar<'a>,
    #[serde(borrow)]
    pub(super) extended_tweet: Maybe<twitter_v1::wire::Extended<'a>>,
    #[serde(borrow)]
    pub(super) retweeted_status: Maybe<Box<twitter_v1::wire::Original<'a>>>,
    #[serde(borrow)]
    pub(super) user: Maybe<twitter_v1::wire::User<'a>>,
    #[serde(borrow)]
    pub(super) timestamp_ms: Scalar<'a>,
    #[serde(borrow)]
    pub(super) truncated: Scalar<'a>,
    // Nostr.
    #[serde(borrow)]
    pub(super) pubkey: Scalar<'a>,
    #[serde(borrow)]
    pub(super) tags: Option<&'a RawValue>,
    // Hacker News, and the hits of its search.
    #[serde(borrow, rename = "type")]
    item_type: Scalar<'a>,
    #[serde(borrow)]
    time: Scalar<'a>,
    #[serde(borrow, rename = "objectID")]
    hit_id: Scalar<'a>,
    #[serde(borrow)]
    created_at_i: Scalar<'a>,
    #[serde(borrow)]
    hits: Option<&'a RawValue>,
    // Pages, and shapes that mostly come in pages.
    #[serde(borrow)]
    author_id: Scalar<'a>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    includes: Option<&'a RawValue>,
    #[serde(borrow)]
    statuses: Option<&'a RawValue>,
    #[serde(borrow)]
    feed: Option<&'a RawValue>,
    #[serde(borrow)]
    posts: Option<&'a RawValue>,
    #[serde(borrow)]
    post: Option<&'a RawValue>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
}

/// What an object is, with the part that holds the posts where it is a page.
enum Shape<'a> {
    Plain,
    Jetstream,
    JetstreamMessage,
    Nostr,
    TwitterV1,
    MastodonStatus,
    MastodonEvent,
    RedditThing,
    HackerNewsItem,
    HackerNewsHit,
    HackerNewsHits(&'a str),
    TwitterV2 {
        data: &'a str,
        includes: Option<&'a str>,
    },
    TwitterV2Bare,
    Statuses(&'a str),
    BlueskyFeed(&'a str),
    BlueskyPosts(&'a str),
    BlueskyFeedItem,
    BlueskyPost,
    Unknown,
}

/// Reads one JSON object.
pub(super) fn read<'a>(json: &'a str, items: &mut Vec<Outcome<'a>>) {
    let object: Object<'a> = match decode(json) {
        Ok(object) => object,
        Err(reject) => return items.push(Err(reject)),
    };
    match object.shape() {
        Shape::Plain => items.push(plain::parse(object)),
        Shape::Jetstream => items.push(jetstream::parse(object)),
        Shape::JetstreamMessage => items.push(jetstream::parse_message(object.payload)),
        Shape::Nostr => items.push(nostr::parse(object)),
        Shape::TwitterV1 => items.push(twitter_v1::parse(object)),
        Shape::MastodonStatus => items.push(mastodon::parse(object)),
        Shape::MastodonEvent => items.push(mastodon::parse_event(&object.event, object.payload)),
        Shape::RedditThing => reddit::read(json, items),
        Shape::HackerNewsItem => items.push(hackernews::parse_item(json)),
        Shape::HackerNewsHit => items.push(hackernews::parse_hit(json)),
        Shape::HackerNewsHits(page) => read_page(page, items, |hit, items| {
            items.push(hackernews::parse_hit(hit));
        }),
        Shape::TwitterV2 { data, includes } => twitter_v2::read(data, includes, items),
        Shape::TwitterV2Bare => twitter_v2::read(json, None, items),
        Shape::Statuses(page) => read_page(page, items, read_value),
        Shape::BlueskyFeed(page) => read_page(page, items, bluesky_view::read_feed_item),
        Shape::BlueskyPosts(page) => read_page(page, items, bluesky_view::read_post),
        Shape::BlueskyFeedItem => bluesky_view::read_feed_item(json, items),
        Shape::BlueskyPost => bluesky_view::read_post(json, items),
        Shape::Unknown => items.push(notice::parse(json)),
    }
}

/// Reads one Mastodon status that came as JSON inside a string.
pub(super) fn read_status(json: &str) -> Outcome<'_> {
    if is_too_deep(json.as_bytes()) {
        return Err(Reject::Depth);
    }
    let object: Object<'_> = decode(json)?;
    if object.is_status() {
        mastodon::parse(object)
    } else {
        Err(Reject::Shape)
    }
}

impl<'a> Object<'a> {
    /// The shape, from the fields that one shape alone has to those that any may have.
    fn shape(&self) -> Shape<'a> {
        self.post_shape()
            .or_else(|| self.page_shape())
            .unwrap_or_else(|| self.last_resort())
    }

    /// The shape of an object that is one post or event, by marks that are hardly met elsewhere.
    fn post_shape(&self) -> Option<Shape<'a>> {
        let has_text = self.has_text();
        let has_commit = self.commit.0.is_some();
        let has_user = self.user.0.is_some();
        if self.ts.is_there() && (has_text || self.rt_text.is_there()) {
            Some(Shape::Plain)
        } else if has_commit && (self.did.is_there() || self.time_us.is_there())
            || self.did.is_there() && self.kind.is_text()
        {
            Some(Shape::Jetstream)
        } else if self.payload.is_message() && self.type_.is("message") {
            Some(Shape::JetstreamMessage)
        } else if self.id_str.is_there() && (has_text || has_user) || has_user && has_text {
            Some(Shape::TwitterV1)
        } else if self.pubkey.is_there() && (self.kind.is_there() || self.content.is_there()) {
            Some(Shape::Nostr)
        } else if self.is_status() {
            Some(Shape::MastodonStatus)
        } else if self.event.is_text() && self.payload.is_text() {
            Some(Shape::MastodonEvent)
        } else if self.time.is_there()
            && hackernews::TYPES.iter().any(|name| self.item_type.is(name))
        {
            Some(Shape::HackerNewsItem)
        } else if self.hit_id.is_there() && self.created_at_i.is_there() {
            Some(Shape::HackerNewsHit)
        } else {
            None
        }
    }

    /// The shape of an object that holds posts, by the field that holds them.
    fn page_shape(&self) -> Option<Shape<'a>> {
        let data = self.data.filter(|data| data.get().starts_with(['{', '[']));
        let tweets_or_things = data.map(|data| {
            if self.kind.is_text() {
                Shape::RedditThing
            } else {
                Shape::TwitterV2 {
                    data: data.get(),
                    includes: self.includes.map(RawValue::get),
                }
            }
        });
        tweets_or_things
            .or_else(|| array(self.statuses).map(Shape::Statuses))
            .or_else(|| array(self.feed).map(Shape::BlueskyFeed))
            .or_else(|| array(self.posts).map(Shape::BlueskyPosts))
            .or_else(|| array(self.hits).map(Shape::HackerNewsHits))
    }

    /// The shape by marks that are common words.
    fn last_resort(&self) -> Shape<'a> {
        if self.post.is_some_and(is_object) {
            Shape::BlueskyFeedItem
        } else if self.record.is_some_and(is_object) && self.uri.is_text() {
            Shape::BlueskyPost
        } else if self.author_id.is_there() && self.has_text() {
            Shape::TwitterV2Bare
        } else if self.has_text() || self.rt_text.is_there() || self.ts.is_there() {
            Shape::Plain
        } else {
            Shape::Unknown
        }
    }

    fn has_text(&self) -> bool {
        self.text.is_there() || self.full_text.is_there()
    }

    /// Whether it has two of the three fields that make a Mastodon status.
    fn is_status(&self) -> bool {
        let marks = [
            self.account.0.is_some(),
            self.uri.is_text(),
            self.content.is_text(),
        ];
        marks.into_iter().filter(|mark| *mark).count() >= 2
    }
}

fn array(raw: Option<&RawValue>) -> Option<&str> {
    raw.map(RawValue::get).filter(|raw| raw.starts_with('['))
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}
