//! What a commit says of posts.
//!
//! An operation that creates or updates a record of `app.bsky.feed.post` is a post, an update an edit of the same one;
//! everything else is skipped. Each operation counts as one thing read, a commit without any as one. The record is the
//! block that the operation links to; how a record becomes a post is told once, for every wire, in
//! `format/jetstream.rs`.

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
            post.map(|item| item.seen_at(source))
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

#[cfg(test)]
mod tests {
    use ipld_core::ipld;
    use ipld_core::ipld::Ipld;

    use super::super::car::tests::car;
    use super::super::frame::tests::{commit, link, message, with};
    use super::super::frame::{self, Frame, OPS_MAX, What};
    use super::*;

    const SOURCE: &str = "atproto:pds.example";

    fn record(text: &str) -> Vec<u8> {
        let record = ipld!({"$type": "app.bsky.feed.post", "text": text, "createdAt": "2019-01-01T00:00:00Z"});
        serde_ipld_dagcbor::to_vec(&record).expect("CBOR")
    }

    fn op(action: &str, path: &str, cid: Ipld) -> Ipld {
        ipld!({"action": action, "path": path, "cid": cid})
    }

    /// What a commit holds: the id, text, source and whether it is an edit, of each post.
    fn held(body: &Ipld) -> Vec<Result<String, Reject>> {
        let bytes = message(1, "#commit", body);
        let Frame::Event(place, What::Commit(commit)) = frame::read(&bytes) else {
            panic!("a commit");
        };
        let mut held = Vec::new();
        super::read(&commit, place.at(), SOURCE, |item| {
            held.push(item.map(|item| match item {
                Item::Skipped => "skipped".to_owned(),
                Item::Post(post) => {
                    format!(
                        "{} {} {} {} {}",
                        post.id, post.at, post.source, post.edit, post.text
                    )
                }
            }));
        });
        held
    }

    #[test]
    fn what_is_created_or_updated_is_a_post_and_all_else_is_skipped() {
        let (first, second) = (record("it is #down"), record("it is #down again"));
        let blocks = car(&[
            (1, &first),
            (2, &second),
            (3, b"\xa0"),
            (9, b"a part of the tree"),
        ]);
        let ops = [
            op("create", "app.bsky.feed.post/3kx", link(1)),
            op("create", "app.bsky.feed.like/3ky", link(3)),
            op("update", "app.bsky.feed.post/3kx", link(2)),
            op("delete", "app.bsky.feed.post/3kx", Ipld::Null),
            op("rename", "app.bsky.feed.post/3kx", link(1)),
        ];
        let skipped = || Ok("skipped".to_owned());
        let post = |edit: bool, text: &str| {
            let id = "at://did:plc:ann/app.bsky.feed.post/3kx";
            Ok(format!(
                "{id} 2026-11-22T07:00:00.329Z {SOURCE} {edit} {text}"
            ))
        };
        assert_eq!(
            held(&commit(&ops, &blocks)),
            [
                post(false, "it is #down"),
                skipped(),
                post(true, "it is #down again"),
                skipped(),
                skipped()
            ]
        );
    }

    #[test]
    fn a_commit_without_changes_is_skipped_and_one_that_left_them_out_is_counted() {
        let empty = commit(&[], &car(&[]));
        assert_eq!(held(&empty), [Ok("skipped".to_owned())]);
        let too_big = with(empty, "tooBig", Ipld::Bool(true));
        assert_eq!(held(&too_big), [Err(Reject::TooLong)]);
    }

    #[test]
    fn a_post_whose_record_is_missing_or_broken_is_a_reject_of_its_own() {
        let good = record("it is #down");
        let blocks = car(&[(1, &good), (2, b"\xa1"), (3, b"\xa0")]);
        let ops = [
            op("create", "app.bsky.feed.post/a", link(8)),
            op("create", "app.bsky.feed.post/b", Ipld::Null),
            op("create", "app.bsky.feed.post/c", link(2)),
            op("create", "app.bsky.feed.post/d", link(3)),
            op("create", "app.bsky.feed.post", link(1)),
            op("create", "app.bsky.feed.post/e", link(1)),
        ];
        let mut held = held(&commit(&ops, &blocks));
        assert!(
            held.pop().is_some_and(|last| last.is_ok()),
            "its neighbours are read"
        );
        let expected = [
            Reject::Text,
            Reject::Text,
            Reject::Cbor,
            Reject::Text,
            Reject::Id,
        ];
        assert_eq!(held, expected.map(Err));
    }

    #[test]
    fn blocks_that_are_no_car_cost_the_posts_and_nothing_else() {
        let ops = [
            op("create", "app.bsky.feed.like/a", link(1)),
            op("create", "app.bsky.feed.post/b", link(1)),
        ];
        let held = held(&commit(&ops, b"broken"));
        assert_eq!(held, [Ok("skipped".to_owned()), Err(Reject::Cbor)]);
    }

    #[test]
    fn a_post_at_a_time_that_cannot_be_read_is_rejected() {
        let good = record("it is #down");
        let ops = [op("create", "app.bsky.feed.post/a", link(1))];
        let body = commit(&ops, &car(&[(1, &good)]));
        let timeless = with(body, "time", Ipld::String("soon".to_owned()));
        assert_eq!(held(&timeless), [Err(Reject::Time)]);
    }

    #[test]
    fn changes_beyond_the_cap_are_one_reject() {
        let ops = vec![op("delete", "a/b", Ipld::Null); OPS_MAX + 5];
        let held = held(&commit(&ops, &car(&[])));
        assert_eq!(
            (held.len(), held.last()),
            (OPS_MAX + 1, Some(&Err(Reject::TooLong)))
        );
    }
}
