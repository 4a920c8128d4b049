//! Feeds: where posts come from.
//!
//! A feed fills batches until its stream ends ([`contract`]); the loop takes them from the [`inlet`]. [`format`] reads
//! the wire shapes, whichever feed they came by. What leaves this room is a [`crate::post::Post`], or a named reason
//! why something is none. Adding a kind is one file and one row of [`KINDS`]; everything that lists kinds reads it.

pub mod archive;
pub mod contract;
pub mod file;
pub mod format;
pub mod http;
pub mod inlet;
pub mod lines;
pub mod mastodon;
pub mod sorted;
pub mod syndication;

/// A kind of feed.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// As it stands before the colon of `KIND:URL`.
    pub name: &'static str,
    /// What it reads.
    pub about: &'static str,
}

/// Every kind.
pub const KINDS: &[Kind] = &[file::KIND];
