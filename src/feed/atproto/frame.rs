//! One message of the stream: two values of DAG-CBOR, one after the other, header and body.
//!
//! Specification: <https://atproto.com/specs/event-stream>, and the lexicon `com.atproto.sync.subscribeRepos`. The
//! fields are named as on the wire. What is not known is skipped: kinds of message, fields, actions. Depth is bounded
//! by the reader of CBOR, everything else by the length of the message, operations also by a number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_ipld_dagcbor::de::Deserializer as Cbor;

use crate::feed::format::jetstream::cbor_refusal;
use crate::post::Reject;
use crate::time::Timestamp;

/// Operations of a commit that are read; the lexicon has 200 at most.
pub(super) const OPS_MAX: usize = 1_000;

/// The server no longer has what comes after the cursor; it goes on with the oldest that it has.
pub(super) const OUTDATED_CURSOR: &str = "OutdatedCursor";
/// The server has not come as far as the cursor.
pub(super) const FUTURE_CURSOR: &str = "FutureCursor";
/// The server has dropped us, since too much waits for us.
const CONSUMER_TOO_SLOW: &str = "ConsumerTooSlow";

/// What a message is.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    /// The server is about to close.
    Fault(Fault<'a>),
    /// Something about the stream itself; it has no place.
    Info(Info<'a>),
    /// Something that happened, with its place.
    Event(Place<'a>, What<'a>),
    /// Well-formed, of a kind that is not known, and without a place.
    Unknown,
    /// Anything else.
    Unreadable(Reject),
}

/// What happened.
#[derive(Debug)]
pub(super) enum What<'a> {
    /// A repository was changed.
    Commit(Commit<'a>),
    /// A repository was changed, it is not clear how.
    Unreadable(Reject),
    /// Something that is no change of a repository.
    Other,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Header<'a> {
    op: i64,
    #[serde(borrow)]
    t: Cow<'a, str>,
}

/// A message `op: -1`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Fault<'a> {
    #[serde(borrow)]
    pub(super) error: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) message: Option<Cow<'a, str>>,
}

/// A message `#info`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Info<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}

/// What every event should have.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Spot<'a> {
    seq: Option<u64>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Where an event stands.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Rises from event to event on one server; means nothing on another.
    pub(super) seq: u64,
    time: Cow<'a, str>,
}

/// A message `#commit`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Commit<'a> {
    #[serde(borrow)]
    pub(super) repo: Cow<'a, str>,
    /// The server has left out what was changed.
    #[serde(default)]
    pub(super) too_big: bool,
    #[serde(borrow)]
    pub(super) ops: Ops<'a>,
    pub(super) blocks: &'a [u8],
}

/// What a commit changed.
#[derive(Debug)]
pub(super) struct Ops<'a> {
    /// The first [`OPS_MAX`].
    pub(super) first: Vec<Op<'a>>,
    /// Whether more came after them.
    pub(super) has_more: bool,
}

/// One change.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Op<'a> {
    #[serde(borrow)]
    pub(super) action: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) path: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) cid: Option<Link<'a>>,
}

/// The bytes of a CID.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a>(pub(super) &'a [u8]);

impl Place<'_> {
    /// When the server took it, as far as it can be read.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }
}

impl fmt::Display for Fault<'_> {
    /// What it means for us, in plain words, and what the server says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.error {
            FUTURE_CURSOR => "it has not come as far as we had read, so it counts anew: ",
            CONSUMER_TOO_SLOW => "we read more slowly than it writes: ",
            _ => "it has failed: ",
        })?;
        write!(f, "{}", self.error)?;
        match self.message.as_deref() {
            Some(message) => write!(f, " {message}"),
            None => Ok(()),
        }
    }
}

/// Reads one message.
pub(super) fn read(bytes: &[u8]) -> Frame<'_> {
    read_known(bytes).unwrap_or_else(Frame::Unreadable)
}

fn read_known(bytes: &[u8]) -> Result<Frame<'_>, Reject> {
    const MESSAGE: i64 = 1;
    const ERROR: i64 = -1;
    let header =
        Header::deserialize(&mut Cbor::from_slice(bytes)).map_err(|error| cbor_refusal(&error))?;
    match (header.op, &*header.t) {
        (ERROR, _) => return Ok(Frame::Fault(read_body(bytes)?)),
        (MESSAGE, "#info") => return Ok(Frame::Info(read_body(bytes)?)),
        (MESSAGE, _) => {}
        _ => return Err(Reject::Shape),
    }
    let spot: Spot<'_> = read_body(bytes)?;
    let is_commit = header.t == "#commit";
    let Some(seq) = spot.seq else {
        return if is_commit {
            Err(Reject::Shape)
        } else {
            Ok(Frame::Unknown)
        };
    };
    let what = if is_commit {
        read_body(bytes).map_or_else(What::Unreadable, What::Commit)
    } else {
        What::Other
    };
    let time = spot.time;
    Ok(Frame::Event(Place { seq, time }, what))
}

/// The body, which must be the last thing.
fn read_body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Reject> {
    let mut reader = Cbor::from_slice(bytes);
    let read = IgnoredAny::deserialize(&mut reader)
        .and_then(|_| T::deserialize(&mut reader))
        .and_then(|body| reader.end().map(|()| body));
    read.map_err(|error| cbor_refusal(&error))
}

impl<'de: 'a, 'a> Deserialize<'de> for Link<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinkVisitor)
    }
}

struct LinkVisitor;

impl<'de> Visitor<'de> for LinkVisitor {
    type Value = Link<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a link")
    }

    /// A link comes as bytes in a wrapping.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, link: D) -> Result<Self::Value, D::Error> {
        <&[u8]>::deserialize(link).map(Link)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Ops<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(OpsVisitor)
    }
}

struct OpsVisitor;

impl<'de> Visitor<'de> for OpsVisitor {
    type Value = Ops<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of operations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut ops = Ops {
            first: Vec::new(),
            has_more: false,
        };
        while ops.first.len() < OPS_MAX {
            match seq.next_element()? {
                Some(op) => ops.first.push(op),
                None => return Ok(ops),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            ops.has_more = true;
        }
        Ok(ops)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ipld_core::cid::Cid;
    use ipld_core::ipld;
    use ipld_core::ipld::Ipld;
    use proptest::prelude::*;

    use super::super::car::tests::address;
    use super::*;

    /// A message: header and body.
    pub(in crate::feed::atproto) fn message(op: i64, t: &str, body: &Ipld) -> Vec<u8> {
        let header = if t.is_empty() {
            ipld!({"op": op})
        } else {
            ipld!({"op": op, "t": t})
        };
        let [header, body] =
            [&header, body].map(|value| serde_ipld_dagcbor::to_vec(value).expect("CBOR"));
        [header, body].concat()
    }

    /// A link to block number `number`.
    pub(in crate::feed::atproto) fn link(number: u8) -> Ipld {
        Ipld::Link(Cid::try_from(address(number)).expect("a CID"))
    }

    /// The body of a commit.
    pub(in crate::feed::atproto) fn commit(ops: &[Ipld], blocks: &[u8]) -> Ipld {
        ipld!({
            "seq": 7, "repo": "did:plc:ann", "rev": "3a", "since": null, "time": "2026-11-22T07:00:00.329308Z",
            "ops": ops.to_vec(), "blocks": Ipld::Bytes(blocks.to_vec()), "tooBig": false, "rebase": false,
            "blobs": [], "commit": link(0)
        })
    }

    /// The body, with something else under `field`.
    pub(in crate::feed::atproto) fn with(
        body: Ipld,
        field: &str,
        value: impl Into<Option<Ipld>>,
    ) -> Ipld {
        let Ipld::Map(mut body) = body else {
            panic!("a body is a map");
        };
        match value.into() {
            Some(value) => body.insert(field.to_owned(), value),
            None => body.remove(field),
        };
        Ipld::Map(body)
    }

    fn good() -> Vec<u8> {
        let ops = [
            ipld!({"action": "create", "path": "app.bsky.feed.post/3kx", "cid": link(1), "prev": null}),
            ipld!({"action": "delete", "path": "app.bsky.feed.post/3ky", "cid": null, "prev": link(2)}),
        ];
        message(1, "#commit", &commit(&ops, b"blocks"))
    }

    #[test]
    fn a_commit_is_read_with_its_place_its_changes_and_its_blocks() {
        let bytes = good();
        let Frame::Event(place, What::Commit(commit)) = read(&bytes) else {
            panic!("a commit");
        };
        assert_eq!(place.seq, 7);
        assert_eq!(
            place.at().map(|at| at.to_string()).as_deref(),
            Some("2026-11-22T07:00:00.329Z")
        );
        assert_eq!(
            (&*commit.repo, commit.too_big, commit.blocks),
            ("did:plc:ann", false, &b"blocks"[..])
        );
        let [create, delete] = &commit.ops.first[..] else {
            panic!("two changes");
        };
        assert_eq!(
            (&*create.action, &*create.path),
            ("create", "app.bsky.feed.post/3kx")
        );
        assert_eq!(create.cid.map(|link| link.0), Some(&address(1)[..]));
        assert_eq!(delete.cid.map(|link| link.0), None);
        assert!(!commit.ops.has_more);
    }

    #[test]
    fn other_events_have_a_place_and_infos_and_unknown_ones_need_none() {
        for t in ["#identity", "#account", "#sync", "#weather"] {
            let bytes = message(
                1,
                t,
                &ipld!({"seq": 9, "did": "did:plc:ann", "time": "soon"}),
            );
            let Frame::Event(place, What::Other) = read(&bytes) else {
                panic!("{t}");
            };
            assert_eq!((place.seq, place.at()), (9, None));
        }
        let info = message(
            1,
            "#info",
            &ipld!({"name": "OutdatedCursor", "message": "m"}),
        );
        assert!(matches!(read(&info), Frame::Info(Info { name }) if name == OUTDATED_CURSOR));
        let unknown = message(1, "#weather", &ipld!({"rain": true}));
        assert!(matches!(read(&unknown), Frame::Unknown));
    }

    #[test]
    fn a_fault_is_told_in_plain_words() {
        let told = |body: &Ipld| match read(&message(-1, "", body)) {
            Frame::Fault(fault) => fault.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            told(&ipld!({"error": "FutureCursor", "message": "Cursor in the future."})),
            "it has not come as far as we had read, so it counts anew: FutureCursor Cursor in the future."
        );
        assert_eq!(
            told(&ipld!({"error": "ConsumerTooSlow"})),
            "we read more slowly than it writes: ConsumerTooSlow"
        );
        assert_eq!(
            told(&ipld!({"error": "InternalServerError", "message": null})),
            "it has failed: InternalServerError"
        );
    }

    #[test]
    fn a_commit_that_is_not_understood_still_has_its_place() {
        let body = commit(&[], b"");
        for wrong in [
            with(body.clone(), "repo", Ipld::Integer(5)),
            with(body.clone(), "ops", Ipld::Null),
            with(body.clone(), "ops", None),
            with(body.clone(), "blocks", Ipld::String("x".to_owned())),
            with(
                body.clone(),
                "ops",
                ipld!([{"action": "create", "cid": "bafy"}]),
            ),
        ] {
            let bytes = message(1, "#commit", &wrong);
            let Frame::Event(place, What::Unreadable(reject)) = read(&bytes) else {
                panic!("{wrong:?}");
            };
            assert_eq!((place.seq, reject), (7, Reject::Shape), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_message_is_named() {
        let reject = |bytes: &[u8]| match read(bytes) {
            Frame::Unreadable(reject) => reject,
            other => panic!("{other:?}"),
        };
        let body = commit(&[], b"");
        let whole = message(1, "#commit", &body);
        assert_eq!(reject(b""), Reject::Cbor);
        assert_eq!(reject(b"{\"op\":1}"), Reject::Shape, "JSON");
        assert_eq!(reject(&whole[..whole.len() - 1]), Reject::Cbor);
        assert_eq!(reject(&[&whole[..], b"\x00"].concat()), Reject::Cbor);
        assert_eq!(reject(&message(2, "#commit", &body)), Reject::Shape);
        let no_place = with(body.clone(), "seq", None);
        assert_eq!(reject(&message(1, "#commit", &no_place)), Reject::Shape);
        let before_all = with(body, "seq", Ipld::Integer(-1));
        assert_eq!(reject(&message(1, "#commit", &before_all)), Reject::Shape);
        let deep = [&[0xa1, 0x61, b'x'][..], &vec![0x81; 1_000_000], &[0]].concat();
        assert_eq!(reject(&deep), Reject::Depth);
    }

    #[test]
    fn of_more_changes_than_there_can_be_the_first_are_read() {
        let ops = vec![ipld!({}); OPS_MAX + 5];
        let bytes = message(1, "#commit", &commit(&ops, b""));
        let Frame::Event(_, What::Commit(commit)) = read(&bytes) else {
            panic!("a commit");
        };
        assert_eq!(
            (commit.ops.first.len(), commit.ops.has_more),
            (OPS_MAX, true)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            end in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut bytes = good();
            for (at, byte) in breaks {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(end.index(bytes.len()) + 1);
            for bytes in [bytes, noise] {
                if let Frame::Event(_, What::Commit(commit)) = read(&bytes) {
                    prop_assert!(commit.ops.first.len() <= OPS_MAX);
                    prop_assert!(commit.blocks.len() < bytes.len());
                }
            }
        }
    }
}
