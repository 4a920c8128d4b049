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
    Outcome, bluesky_view, decode, is_too_deep, jetstream, mastodon, nostr, notice, plain,
    read_page, read_value, reddit, twitter_v1, twitter_v2,
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
    /// The shape, by the first row that fits: from the fields that one shape alone has to those that any may have.
    fn shape(&self) -> Shape<'a> {
        let has_text = self.text.is_there() || self.full_text.is_there();
        match self {
            _ if self.ts.is_there() && (has_text || self.rt_text.is_there()) => Shape::Plain,
            _ if self.did.is_there() && (self.commit.0.is_some() || self.kind.is_text()) => {
                Shape::Jetstream
            }
            _ if self.commit.0.is_some() && self.time_us.is_there() => Shape::Jetstream,
            _ if self.payload.is_message() && self.type_.is("message") => Shape::JetstreamMessage,
            _ if self.id_str.is_there() && (has_text || self.user.0.is_some()) => Shape::TwitterV1,
            _ if self.user.0.is_some() && has_text => Shape::TwitterV1,
            _ if self.pubkey.is_there() && (self.kind.is_there() || self.content.is_there()) => {
                Shape::Nostr
            }
            _ if self.is_status() => Shape::MastodonStatus,
            _ if self.event.is_text() && self.payload.is_text() => Shape::MastodonEvent,
            Self {
                data: Some(_),
                kind,
                ..
            } if kind.is_text() => Shape::RedditThing,
            Self {
                data: Some(data),
                includes,
                ..
            } if is_container(data) => Shape::TwitterV2 {
                data: data.get(),
                includes: includes.map(RawValue::get),
            },
            Self {
                statuses: Some(page),
                ..
            } if is_array(page) => Shape::Statuses(page.get()),
            Self {
                feed: Some(page), ..
            } if is_array(page) => Shape::BlueskyFeed(page.get()),
            Self {
                posts: Some(page), ..
            } if is_array(page) => Shape::BlueskyPosts(page.get()),
            Self {
                post: Some(post), ..
            } if is_container(post) => Shape::BlueskyFeedItem,
            Self {
                record: Some(record),
                uri,
                ..
            } if is_container(record) && uri.is_text() => Shape::BlueskyPost,
            _ if self.author_id.is_there() && has_text => Shape::TwitterV2Bare,
            _ if has_text || self.rt_text.is_there() || self.ts.is_there() => Shape::Plain,
            _ => Shape::Unknown,
        }
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

fn is_array(raw: &RawValue) -> bool {
    raw.get().starts_with('[')
}

fn is_container(raw: &RawValue) -> bool {
    raw.get().starts_with(['[', '{'])
}
