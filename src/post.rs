//! What a feed yields: posts, and the reasons why something is none.
//!
//! A wire parser gives [`RawPost`]s, borrowed from the bytes it read. [`RawPost::anonymise`] turns one into a [`Post`]:
//! its hashtags read out, its author and id replaced by 64-bit hashes ([`Identity`]). From there on nobody sees who
//! wrote what. Nothing here knows a wire: that is `feed/format/`.

use std::borrow::Cow;
use std::hash::Hasher;
use std::num::NonZeroU64;

use siphasher::sip::SipHasher13;

use crate::hashtag::{self, Hashtag};
use crate::time::Timestamp;

/// Hashtags counted in one post at most; the rest of a longer list is left out, since a post that bears more is an
/// advertisement for itself.
pub const HASHTAGS_A_POST_MAX: usize = 30;

/// A post as the wire tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPost<'a> {
    /// The platform's own id, unique over all sources: `at://…`, a Mastodon `uri`, `twitter:ID`, `nostr:ID`, …
    pub id: Cow<'a, str>,
    /// The platform's stable id of the author, with the same kind of prefix; none where the feed names no authors.
    pub author: Option<Cow<'a, str>>,
    /// When the service says it saw the post.
    pub at: Timestamp,
    /// Plain text: HTML removed, entities decoded; of a repost, the full text of what it reposts.
    pub text: Cow<'a, str>,
    /// Hashtags that come as data (Bluesky facets and `tags`), without their sign.
    pub tags: Vec<Cow<'a, str>>,
    /// The service says that `text` is cut; a hashtag that the closing ellipsis cuts is then not counted.
    pub truncated: bool,
    /// Where it was seen: `bluesky`, `mastodon:HOST`, `twitter`, …; empty for a plain post that names none.
    pub source: Cow<'a, str>,
    /// The declared language (BCP 47), in lower case as far as the primary subtag goes.
    pub lang: Option<Cow<'a, str>>,
    /// The account says of itself that it is automated.
    pub bot: bool,
    /// A new version of a post that was seen before under the same id.
    pub edit: bool,
    /// Where people can read it.
    pub url: Option<Cow<'a, str>>,
}

/// One thing read from a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A public post.
    Post(Box<RawPost<'a>>),
    /// A well-formed event that is no post: a like, a delete, an identity event, an empty line of a stream.
    Skipped,
}

impl<'a> Item<'a> {
    /// The same, seen at a source that its feed knows better than what was read says.
    #[must_use]
    pub fn seen_at(mut self, source: &'a str) -> Self {
        if let Self::Post(post) = &mut self {
            post.source = Cow::Borrowed(source);
        }
        self
    }
}

/// Why something read from a feed was dropped. Each is counted under its [`Reject::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// Not JSON, or JSON that ends in the middle.
    Json,
    /// Not CBOR, or blocks that are no CAR, or either that ends in the middle.
    Cbor,
    /// Not UTF-8.
    Utf8,
    /// JSON or CBOR nested deeper than the reader follows.
    Depth,
    /// A line, a message or a record longer than the cap.
    TooLong,
    /// JSON or CBOR, but of no shape we know.
    Shape,
    /// A post without an id.
    Id,
    /// A post without a text.
    Text,
    /// A post without a time, or with one that cannot be read.
    Time,
    /// A post from more than five minutes in the future.
    Future,
    /// A signed post whose id or signature does not hold.
    Signature,
    /// A post that the server was not asked for.
    Unasked,
}

impl Reject {
    /// Every reason, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::Json,
        Self::Cbor,
        Self::Utf8,
        Self::Depth,
        Self::TooLong,
        Self::Shape,
        Self::Id,
        Self::Text,
        Self::Time,
        Self::Future,
        Self::Signature,
        Self::Unasked,
    ];

    /// The name it is counted under, as in `rejected.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
            Self::Utf8 => "utf8",
            Self::Depth => "depth",
            Self::TooLong => "too_long",
            Self::Shape => "shape",
            Self::Id => "id",
            Self::Text => "text",
            Self::Time => "time",
            Self::Future => "future",
            Self::Signature => "signature",
            Self::Unasked => "unasked",
        }
    }

    /// What was wrong, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Json => "not JSON, or cut off",
            Self::Cbor => "not CBOR or CAR, or cut off",
            Self::Utf8 => "not UTF-8",
            Self::Depth => "nested too deep",
            Self::TooLong => "longer than the cap",
            Self::Shape => "of no known shape",
            Self::Id => "a post without an id",
            Self::Text => "a post without a text",
            Self::Time => "a post without a readable time",
            Self::Future => "more than 5 minutes in the future",
            Self::Signature => "its id or its signature does not hold",
            Self::Unasked => "not what the server was asked for",
        }
    }
}

/// A post's id: a hash of the platform's own, the same in every collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostId(pub u64);

/// An author: a hash keyed with the database's secret, so that a copy of the counts names nobody. Never zero, so
/// that "no author named" costs no space beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorId(pub NonZeroU64);

/// Where a feed resumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// In a file.
    Place(Place),
    /// In a live stream: whatever its feed understands, host and protocol among it.
    Token(String),
}

/// A place in a file, and what must be true there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes of the decompressed stream that are counted.
    pub offset_bytes: u64,
    /// Lines among them.
    pub lines: u64,
    /// Hash of those bytes: of a file that was changed before its place it differs.
    pub fingerprint: u64,
}

/// Turns the platform's ids into hashes.
#[derive(Debug, Clone)]
pub struct Identity {
    secret: [u8; 16],
}

impl Identity {
    /// With the secret of the database that the posts go to.
    pub fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// The hash of a post's id. Its key is public and fixed: two collectors must agree.
    pub fn post(&self, id: &str) -> PostId {
        PostId(sip(b"downtrend post 1", id))
    }

    /// The hash of an author's id, keyed with the secret.
    pub fn author(&self, id: &str) -> AuthorId {
        AuthorId(NonZeroU64::new(sip(&self.secret, id)).unwrap_or(NonZeroU64::MIN))
    }
}

fn sip(key: &[u8; 16], text: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// A post as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Who it is.
    pub id: PostId,
    /// Who wrote it, where the feed says so.
    pub author: Option<AuthorId>,
    /// When the service saw it.
    pub at: Timestamp,
    /// Where it was seen.
    pub source: String,
    /// Its declared language, or empty.
    pub lang: String,
    /// From an automated account.
    pub bot: bool,
    /// A new version of a post seen before.
    pub edit: bool,
    /// Its hashtags, each key once, at most [`HASHTAGS_A_POST_MAX`].
    pub hashtags: Vec<Hashtag>,
}

impl RawPost<'_> {
    /// The post as it is counted.
    pub fn anonymise(&self, identity: &Identity) -> Post {
        Post {
            id: identity.post(&self.id),
            author: self.author.as_deref().map(|author| identity.author(author)),
            at: self.at,
            source: self.source.clone().into_owned(),
            lang: self.lang.as_deref().unwrap_or_default().to_owned(),
            bot: self.bot,
            edit: self.edit,
            hashtags: self.hashtags(),
        }
    }

    /// The hashtags of this post: those of the text, then the declared ones, each key once.
    pub fn hashtags(&self) -> Vec<Hashtag> {
        let mut found: Vec<Hashtag> = Vec::new();
        let in_text = hashtag::scan(&self.text)
            .filter(|span| !(self.truncated && is_cut(&self.text[span.end..])))
            .map(|span| &self.text[span]);
        for label in in_text {
            push_once(&mut found, Hashtag::from_label(label));
        }
        for tag in &self.tags {
            for hashtag in hashtag::declared(tag) {
                push_once(&mut found, hashtag);
            }
        }
        found
    }
}

/// Whether what follows a hashtag is the ellipsis that a service cuts texts with.
fn is_cut(rest: &str) -> bool {
    rest.starts_with('\u{2026}') || rest.starts_with("...")
}

fn push_once(found: &mut Vec<Hashtag>, hashtag: Hashtag) {
    if found.len() < HASHTAGS_A_POST_MAX && found.iter().all(|known| known.key != hashtag.key) {
        found.push(hashtag);
    }
}
