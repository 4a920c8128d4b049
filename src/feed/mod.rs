//! Feeds: where posts come from.
//!
//! A feed fills batches until its stream ends ([`contract`]); the loop takes them from the [`inlet`]. [`format`] reads
//! the wire shapes, whichever feed they came by. What leaves this room is a [`crate::post::Post`], or a named reason
//! why something is none. Adding a kind is one file and one row of [`KINDS`]; everything that lists kinds reads it.

pub mod archive;
pub mod atproto;
pub mod bluesky;
pub mod contract;
pub mod file;
pub mod format;
pub mod hackernews;
pub mod http;
pub mod inlet;
pub mod lines;
pub mod mastodon;
pub mod nostr;
pub mod sorted;
pub mod status;
pub mod syndication;
pub mod websocket;

use self::contract::Feed;
use self::file::Context;
use crate::post::Cursor;

/// A kind of feed.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// As it stands before the colon of `KIND:URL`, and as `kind` in the configuration.
    pub name: &'static str,
    /// What it reads.
    pub about: &'static str,
    /// Makes a live feed of what was asked for; none for archives, which are opened by their path.
    pub open: Option<Open>,
}

/// Makes a live feed of what was asked for, or says in words what is wrong with that.
pub type Open = fn(Asked) -> Result<LiveFeed, String>;

/// How a live feed was asked for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// As `KIND:URL` on the command line; the URL may be empty.
    Url(String),
    /// As a table `[[feed]]` of the configuration, without its `kind`.
    Table(toml::Table),
}

impl Asked {
    /// The options of a kind; a URL is the one under `url_key`.
    fn options<Options: serde::de::DeserializeOwned>(
        self,
        url_key: &str,
    ) -> Result<Options, String> {
        let table = match self {
            Self::Url(url) => toml::Table::from_iter([(url_key.to_owned(), url.into())]),
            Self::Table(table) => table,
        };
        table.try_into().map_err(|error| error.to_string())
    }
}

/// Starts a live feed at its cursor, or at what happens now; or says why the cursor is none of its own.
pub type Start = Box<dyn FnOnce(Context, Option<&Cursor>) -> Result<Box<dyn Feed>, String>>;

/// A live feed, ready to be started.
pub struct LiveFeed {
    /// What its cursor is kept under, and what people see.
    pub name: String,
    /// Starts it.
    pub start: Start,
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    file::KIND,
    bluesky::KIND,
    atproto::KIND,
    mastodon::KIND,
    syndication::KIND,
    nostr::KIND,
    status::KIND,
    hackernews::KIND,
];

/// The kind with this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
