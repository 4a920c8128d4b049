//! What a commit says of posts.
//!
//! An operation that creates or updates a record of `app.bsky.feed.post` is a post, an update an edit of the same one;
//! everything else is skipped. Each operation counts as one thing read, a commit without any as one. The record is the
//! block that the operation links to; how a record becomes a post is told once, for every wire, in
//! `format/jetstream.rs`.

use std::borrow::Cow;

use super::car::{self, Blocks, Broken};
use super::frame::{Commit, Op};
use crate::feed::format::Outcome;
use crate::feed::format::jetstream::{POSTS, parse_record};
use crate::post::{Item, Reject};
use crate::time::Timestamp;

/// Gives all that the commit holds, as seen by `source` at that time.
pub(super) fn read<'a>(
    commit: &'a Commit<'a>,
    at: Option<Timestamp>,
    source: &'a str,
    mut take: impl FnMut(Outcome<'a>),
) {
    if commit.too_big {
        return take(Err(Reject::TooLong));
    }
    if commit.ops.first.is_empty() {
        return take(Ok(Item::Skipped));
    }
    let mut blocks = None;
    for op in &commit.ops.first {
        let Some(change) = Change::of(op) else {
            take(Ok(Item::Skipped));
            continue;
        };
        // Most commits are likes: their blocks are never looked at.
        let blocks = blocks.get_or_insert_with(|| car::read(commit.blocks));
        take(block_of(op, blocks).and_then(|block| {
            let post = parse_record(&commit.repo, change.rkey, block, at, change.edit);
            post.map(|item| seen_by(source, item))
        }));
    }
    if commit.ops.has_more {
        take(Err(Reject::TooLong));
    }
}

/// A post that is new or new again.
struct Change<'a> {
    rkey: &'a str,
    edit: bool,
}

impl<'a> Change<'a> {
    fn of(op: &'a Op<'_>) -> Option<Self> {
        let edit = match &*op.action {
            "create" => false,
            "update" => true,
            _ => return None,
        };
        let (collection, rkey) = op.path.split_once('/').unwrap_or((&op.path, ""));
        (collection == POSTS).then_some(Self { rkey, edit })
    }
}

/// The record that the operation links to; a post without one is a post without a text.
fn block_of<'a>(op: &Op<'_>, blocks: &Result<Blocks<'a>, Broken>) -> Result<&'a [u8], Reject> {
    let blocks = blocks.as_ref().map_err(|Broken| Reject::Cbor)?;
    let link = op.cid.ok_or(Reject::Text)?;
    blocks.get(link.0).copied().ok_or(Reject::Text)
}

fn seen_by<'a>(source: &'a str, mut item: Item<'a>) -> Item<'a> {
    if let Item::Post(post) = &mut item {
        post.source = Cow::Borrowed(source);
    }
    item
}
