//! Jetstream, Bluesky's stream of events as JSON, in both of its versions; and the record that all its wires carry.
//!
//! An event that creates or updates a record of `app.bsky.feed.post` is a post; likes, reposts (which carry no
//! text), deletes, identities and accounts are skipped. The time is when the host saw the event (`time_us` in v1,
//! `time` in v2), never the record's `createdAt`, which is the author's claim and may be years off.
//!
//! The record itself, which the app view shows too, is read by [`Record::into_post`]: text, first language, and the
//! hashtags that come as data. One that a bridge has brought from another network is the post it was there
//! (`bridge.rs`), at the time that the bridge has from there: else a copy that comes an hour later would be a new post.
//! Repositories have it in DAG-CBOR ([`parse_record`]): the same fields, the same mapping, the same id, so that a post
//! that comes by two wires counts once.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_ipld_dagcbor::DecodeError;
use unicode_normalization::char::is_combining_mark;

use self::wire::{Facet, Message, Record};
use super::field::Scalar;
use super::object::Object;
use super::{Outcome, bridge, language};
use crate::post::{Item, RawPost, Reject};
use crate::time::Timestamp;

/// The one collection that holds posts.
pub(in crate::feed) const POSTS: &str = "app.bsky.feed.post";
/// Bytes of a record. A post has a few thousand; an empty facet is one byte and takes a hundred once it is read.
const RECORD_BYTES_MAX: usize = 256 << 10;

pub(super) mod wire {
    use serde::Deserialize;

    use super::super::field::{List, Maybe, Scalar};

    /// `commit` of v1.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct Commit<'a> {
        #[serde(borrow)]
        pub(super) operation: Scalar<'a>,
        #[serde(borrow)]
        pub(super) collection: Scalar<'a>,
        #[serde(borrow)]
        pub(super) rkey: Scalar<'a>,
        #[serde(borrow)]
        pub(super) record: Maybe<Record<'a>>,
    }

    /// `payload` of v2.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct Message<'a> {
        #[serde(borrow)]
        pub(super) did: Scalar<'a>,
        #[serde(borrow)]
        pub(super) time: Scalar<'a>,
        #[serde(borrow)]
        pub(super) operation: Scalar<'a>,
        #[serde(borrow)]
        pub(super) collection: Scalar<'a>,
        #[serde(borrow)]
        pub(super) rkey: Scalar<'a>,
        #[serde(borrow)]
        pub(super) record: Maybe<Record<'a>>,
    }

    /// A record of `app.bsky.feed.post`.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(in crate::feed::format) struct Record<'a> {
        #[serde(borrow)]
        pub(super) text: Scalar<'a>,
        #[serde(borrow)]
        pub(super) langs: List<Scalar<'a>>,
        #[serde(borrow)]
        pub(super) facets: List<Maybe<Facet<'a>>>,
        #[serde(borrow)]
        pub(super) tags: List<Scalar<'a>>,
        #[serde(borrow, rename = "bridgyOriginalUrl")]
        pub(super) bridged_from: Scalar<'a>,
        #[serde(borrow, rename = "fediverseId")]
        pub(super) posted_as: Scalar<'a>,
        #[serde(borrow, rename = "createdAt")]
        pub(super) created_at: Scalar<'a>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Facet<'a> {
        #[serde(borrow)]
        pub(super) index: Maybe<ByteSlice<'a>>,
        #[serde(borrow)]
        pub(super) features: List<Maybe<Feature<'a>>>,
    }

    /// Offsets into the UTF-8 of the text.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct ByteSlice<'a> {
        #[serde(borrow)]
        pub(super) byte_start: Scalar<'a>,
        #[serde(borrow)]
        pub(super) byte_end: Scalar<'a>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Feature<'a> {
        #[serde(borrow, rename = "$type")]
        pub(super) type_: Scalar<'a>,
        #[serde(borrow)]
        pub(super) tag: Scalar<'a>,
    }
}

/// The field `payload`, which two wires have: an object in Jetstream v2, JSON inside a string in Mastodon's stream.
#[derive(Debug, Default)]
pub(super) enum Payload<'a> {
    /// Missing, or neither.
    #[default]
    Absent,
    /// JSON inside a string, or a bare id.
    Text(Cow<'a, str>),
    /// An event of Jetstream v2.
    Message(Box<Message<'a>>),
}

impl Payload<'_> {
    /// Whether it is a text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether it is an object.
    pub(super) fn is_message(&self) -> bool {
        matches!(self, Self::Message(_))
    }
}

/// A post of Jetstream v1.
pub(super) fn parse(object: Object<'_>) -> Outcome<'_> {
    let Some(commit) = object.commit.0 else {
        return if object.kind.is("commit") {
            Err(Reject::Shape)
        } else {
            Ok(Item::Skipped)
        };
    };
    let Some(edit) = edit(&commit.collection, &commit.operation) else {
        return Ok(Item::Skipped);
    };
    let did = object.did.filled().ok_or(Reject::Id)?;
    let rkey = commit.rkey.filled().ok_or(Reject::Id)?;
    let record = commit.record.0.ok_or(Reject::Text)?;
    let at = match object.time_us {
        Scalar::Int(micros) => Timestamp::from_millis(micros.div_euclid(1_000)).ok(),
        _ => None,
    };
    post(did, &rkey, record, at, edit)
}

/// A post of Jetstream v2.
pub(super) fn parse_message(payload: Payload<'_>) -> Outcome<'_> {
    let Payload::Message(message) = payload else {
        return Err(Reject::Shape);
    };
    let Some(edit) = edit(&message.collection, &message.operation) else {
        return Ok(Item::Skipped);
    };
    let did = message.did.filled().ok_or(Reject::Id)?;
    let rkey = message.rkey.filled().ok_or(Reject::Id)?;
    let record = message.record.0.ok_or(Reject::Text)?;
    let at = message.time.as_text().and_then(|time| time.parse().ok());
    post(did, &rkey, record, at, edit)
}

/// A post as a repository has it: its record in DAG-CBOR, and what the commit around it tells.
pub(in crate::feed) fn parse_record<'a>(
    did: &'a str,
    rkey: &str,
    record: &'a [u8],
    at: Option<Timestamp>,
    edit: bool,
) -> Outcome<'a> {
    if record.len() > RECORD_BYTES_MAX {
        return Err(Reject::TooLong);
    }
    if did.is_empty() || rkey.is_empty() {
        return Err(Reject::Id);
    }
    let record = serde_ipld_dagcbor::from_slice(record).map_err(|error| cbor_refusal(&error))?;
    post(Cow::Borrowed(did), rkey, record, at, edit)
}

/// The reject for what is not the CBOR that was expected.
pub(in crate::feed) fn cbor_refusal<E>(error: &DecodeError<E>) -> Reject {
    match error {
        DecodeError::RequireUtf8 { .. } => Reject::Utf8,
        DecodeError::DepthOverflow { .. } => Reject::Depth,
        DecodeError::Mismatch { .. } | DecodeError::Msg(_) => Reject::Shape,
        _ => Reject::Cbor,
    }
}

/// Whether the event is an edit; none if it brings no post at all.
fn edit(collection: &Scalar<'_>, operation: &Scalar<'_>) -> Option<bool> {
    match operation.as_text()? {
        "create" if collection.is(POSTS) => Some(false),
        "update" if collection.is(POSTS) => Some(true),
        _ => None,
    }
}

fn post<'a>(
    did: Cow<'a, str>,
    rkey: &str,
    record: Record<'a>,
    at: Option<Timestamp>,
    edit: bool,
) -> Outcome<'a> {
    let id = ["at://", &did, "/app.bsky.feed.post/", rkey].concat();
    let url = page_of(&id);
    let mut post = record.into_post(Cow::Owned(id), did, at)?;
    post.edit = edit;
    post.url = url;
    Ok(Item::Post(Box::new(post)))
}

/// Where people can read the post with this `at://` address.
pub(super) fn page_of(uri: &str) -> Option<Cow<'static, str>> {
    let (did, rest) = uri.strip_prefix("at://")?.split_once('/')?;
    let rkey = rest.strip_prefix("app.bsky.feed.post/")?;
    Some(Cow::Owned(
        ["https://bsky.app/profile/", did, "/post/", rkey].concat(),
    ))
}

impl<'a> Record<'a> {
    /// The post that this record makes, with the id, author and time that its envelope tells.
    pub(super) fn into_post(
        self,
        id: Cow<'a, str>,
        author: Cow<'a, str>,
        at: Option<Timestamp>,
    ) -> Result<RawPost<'a>, Reject> {
        let text = self.text.text().ok_or(Reject::Text)?;
        let at = at.ok_or(Reject::Time)?;
        let (id, author, at) = match self.posted_as.filled().or(self.bridged_from.filled()) {
            None => (id, author, at),
            Some(address) => {
                let original = bridge::original(&address);
                let claimed = self.created_at.as_text().and_then(|time| time.parse().ok());
                (
                    Cow::Owned(original.id.into_owned()),
                    original
                        .author
                        .map_or(author, |author| Cow::Owned(author.into_owned())),
                    claimed.map_or(at, |claimed: Timestamp| claimed.min(at)),
                )
            }
        };
        let mut tags = Vec::new();
        for facet in self.facets.0.into_iter().filter_map(|facet| facet.0) {
            if facet.lies_in(&text) {
                let features = facet.features.0.into_iter().filter_map(|feature| feature.0);
                let hashtags =
                    features.filter(|feature| feature.type_.is("app.bsky.richtext.facet#tag"));
                tags.extend(hashtags.filter_map(|feature| label(feature.tag)));
            }
        }
        tags.extend(self.tags.0.into_iter().filter_map(label));
        Ok(RawPost {
            id,
            author: Some(author),
            at,
            text,
            tags,
            truncated: false,
            source: Cow::Borrowed("bluesky"),
            lang: self
                .langs
                .0
                .into_iter()
                .next()
                .and_then(Scalar::text)
                .and_then(language),
            bot: false,
            edit: false,
            url: None,
        })
    }
}

impl Facet<'_> {
    /// Whether its bytes are a whole piece of `text`: third-party clients count them wrongly. A facet that points
    /// nowhere says nothing; one that ends inside a word is a hashtag cut short (some clients end a Bengali one at
    /// its first vowel sign), and the text itself has the whole one.
    fn lies_in(&self, text: &str) -> bool {
        let Some(index) = &self.index.0 else {
            return false;
        };
        let (Some(start), Some(end)) = (offset(&index.byte_start), offset(&index.byte_end)) else {
            return false;
        };
        match (text.get(start..end), text.get(end..)) {
            (Some(piece), Some(rest)) => !piece.is_empty() && !rest.starts_with(goes_on_in_word),
            _ => false,
        }
    }
}

/// Whether a hashtag does not end before this letter, digit, mark or joiner.
fn goes_on_in_word(next: char) -> bool {
    const ZWNJ: char = '\u{200c}';
    const ZWJ: char = '\u{200d}';
    next.is_alphanumeric() || is_combining_mark(next) || matches!(next, '_' | ZWNJ | ZWJ)
}

fn offset(scalar: &Scalar<'_>) -> Option<usize> {
    match scalar {
        Scalar::Int(offset) => usize::try_from(*offset).ok(),
        _ => None,
    }
}

/// A declared hashtag without the sign that some clients leave on it.
fn label(tag: Scalar<'_>) -> Option<Cow<'_, str>> {
    const SIGNS: [char; 2] = ['#', '\u{ff03}'];
    let label = match tag.filled()? {
        Cow::Borrowed(tag) => Cow::Borrowed(tag.trim_start_matches(SIGNS)),
        Cow::Owned(tag) => Cow::Owned(tag.trim_start_matches(SIGNS).to_owned()),
    };
    (!label.is_empty()).then_some(label)
}

impl<'de: 'a, 'a> Deserialize<'de> for Payload<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Message::deserialize(MapAccessDeserializer::new(map))
            .map(|message| Payload::Message(Box::new(message)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Payload::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Payload::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Payload::Absent)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Payload::Absent)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Payload::Absent)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Payload::Absent)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Payload::Absent)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Payload::Absent)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ipld_core::cid::Cid;
    use ipld_core::cid::multihash::Multihash;
    use ipld_core::ipld;
    use ipld_core::ipld::Ipld;
    use proptest::prelude::*;

    use super::super::tests::{item, post, with};
    use super::*;

    pub(in crate::feed::format) const V1: &str = r##"{"did":"did:plc:ann","time_us":1783175888090631,"kind":"commit","commit":{"rev":"3a","operation":"create","collection":"app.bsky.feed.post","rkey":"3kx","cid":"bafy","record":{"$type":"app.bsky.feed.post","text":"আবার #হোয়াটসঅ্যাপডাউন","createdAt":"2019-01-01T00:00:00Z","langs":["bn-BD","en"],"facets":[{"index":{"byteStart":13,"byteEnd":62},"features":[{"$type":"app.bsky.richtext.facet#tag","tag":"হোয়াটসঅ্যাপডাউন"}]}],"tags":["outage","#status"]}}}"##;
    pub(in crate::feed::format) const V2: &str = r#"{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":12345,"did":"did:plc:ann","time":"2026-11-22T07:00:00.329308Z","rev":"3a","operation":"create","collection":"app.bsky.feed.post","rkey":"3kx","cid":"bafy","record":{"$type":"app.bsky.feed.post","text":"signal is down #signaldown","createdAt":"2026-11-22T06:59:58Z"}}}"#;

    #[test]
    fn a_post_of_version_one_is_read_at_the_time_the_host_saw_it() {
        let post = post(V1);
        assert_eq!(post.id, "at://did:plc:ann/app.bsky.feed.post/3kx");
        assert_eq!(post.author.as_deref(), Some("did:plc:ann"));
        assert_eq!(post.at.to_string(), "2026-07-04T14:38:08.09Z");
        assert_eq!(post.text, "আবার #হোয়াটসঅ্যাপডাউন");
        assert_eq!(post.tags, ["হোয়াটসঅ্যাপডাউন", "outage", "status"]);
        assert_eq!(
            (&*post.source, post.lang.as_deref()),
            ("bluesky", Some("bn"))
        );
        assert_eq!(
            post.url.as_deref(),
            Some("https://bsky.app/profile/did:plc:ann/post/3kx")
        );
        assert!(!post.edit);
    }

    #[test]
    fn a_post_of_version_two_is_read_at_the_time_of_its_message() {
        let post = post(V2);
        assert_eq!(post.id, "at://did:plc:ann/app.bsky.feed.post/3kx");
        assert_eq!(post.at.to_string(), "2026-11-22T07:00:00.329Z");
        assert_eq!(post.text, "signal is down #signaldown");
        assert_eq!(post.lang, None);
    }

    /// The record of a line, as a repository has it.
    fn in_cbor(line: &str) -> Vec<u8> {
        let line: serde_json::Value = serde_json::from_str(line).expect("good");
        let records = [&line["commit"]["record"], &line["payload"]["record"]];
        let record = records.into_iter().find(|record| record.is_object());
        serde_ipld_dagcbor::to_vec(record.expect("it has one")).expect("CBOR")
    }

    /// Reads a record of which everything else is known.
    fn read(record: &[u8]) -> Outcome<'_> {
        parse_record("did:plc:ann", "3kx", record, Some(Timestamp::FIRST), true)
    }

    #[test]
    fn a_record_in_cbor_makes_the_post_that_it_makes_in_json() {
        for line in [V1, V2] {
            let json = post(line);
            let record = in_cbor(line);
            let cbor = parse_record("did:plc:ann", "3kx", &record, Some(json.at), false);
            assert_eq!(cbor, Ok(Item::Post(Box::new(json))));
        }
    }

    #[test]
    fn what_cbor_has_and_json_has_not_breaks_no_post() {
        let link = Cid::new_v1(0x71, Multihash::wrap(0x12, &[7; 32]).expect("it fits"));
        for other in [
            Ipld::Link(link),
            Ipld::Bytes(vec![1, 2]),
            Ipld::Null,
            Ipld::Integer(i128::from(i64::MIN) - 1),
            Ipld::Float(1.5),
        ] {
            for field in ["langs", "facets", "tags", "embed", "reply"] {
                let record = ipld!({"text": "it is #down", field: other.clone()});
                let record = serde_ipld_dagcbor::to_vec(&record).expect("CBOR");
                let read = read(&record);
                let Ok(Item::Post(post)) = read else {
                    panic!("{field}: {other:?}: {read:?}");
                };
                assert_eq!((&*post.text, post.edit), ("it is #down", true));
                assert!(post.tags.is_empty() && post.lang.is_none());
            }
            let record = ipld!({"text": other.clone()});
            let record = serde_ipld_dagcbor::to_vec(&record).expect("CBOR");
            let read = read(&record);
            assert_eq!(read, Err(Reject::Text), "{other:?}");
        }
    }

    #[test]
    fn a_reject_names_what_is_wrong_with_a_record_in_cbor() {
        let good = in_cbor(V2);
        assert_eq!(
            parse_record("", "3kx", &good, Some(Timestamp::FIRST), false),
            Err(Reject::Id)
        );
        assert_eq!(
            parse_record("did:plc:ann", "", &good, Some(Timestamp::FIRST), false),
            Err(Reject::Id)
        );
        assert_eq!(
            parse_record("did:plc:ann", "3kx", &good, None, false),
            Err(Reject::Time)
        );
        assert_eq!(read(&good[..good.len() - 1]), Err(Reject::Cbor));
        assert_eq!(read(b""), Err(Reject::Cbor));
        assert_eq!(read(b"\x65hello"), Err(Reject::Shape));
        assert_eq!(read(b"\xa1\x64text\x62\xff\xfe"), Err(Reject::Utf8));
        assert_eq!(read(b"\xa1\x65words\x61x"), Err(Reject::Text));
        let deep = [&b"\xa1\x64deep"[..], &vec![0x81; 100_000], b"\x00"].concat();
        assert_eq!(read(&deep), Err(Reject::Depth));
        assert_eq!(
            read(&vec![0xa0; RECORD_BYTES_MAX + 1]),
            Err(Reject::TooLong)
        );
    }

    #[test]
    fn a_list_that_claims_to_be_endless_takes_no_memory() {
        let claim = b"\xa1\x66facets\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\xa0";
        assert_eq!(read(claim), Err(Reject::Cbor));
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_record_make_it_panic(
            breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            end in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut record = in_cbor(V1);
            for (at, byte) in breaks {
                let at = at.index(record.len());
                record[at] = byte;
            }
            record.truncate(end.index(record.len()) + 1);
            for record in [record, noise] {
                let read = read(&record);
                prop_assert!(!matches!(read, Ok(Item::Skipped)), "a record is a post or a reject");
            }
        }
    }

    #[test]
    fn an_update_is_an_edit_of_the_same_post() {
        for line in [V1, V2] {
            let update = with(line, "create", "update");
            assert!(post(&update).edit);
            assert_eq!(post(&update).id, post(line).id);
        }
    }

    #[test]
    fn what_a_bridge_brought_is_the_post_it_was_at_the_time_it_was_written() {
        for (field, created_at, at) in [
            (
                "bridgyOriginalUrl",
                "2026-11-22T06:20:00Z",
                "2026-11-22T06:20:00Z",
            ),
            (
                "fediverseId",
                "2026-11-22T06:20:00Z",
                "2026-11-22T06:20:00Z",
            ),
            (
                "bridgyOriginalUrl",
                "2026-11-22T07:59:58Z",
                "2026-11-22T07:00:00.329Z",
            ),
            (
                "bridgyOriginalUrl",
                "this morning",
                "2026-11-22T07:00:00.329Z",
            ),
        ] {
            let line = with(
                V2,
                r#""createdAt":"2026-11-22T06:59:58Z""#,
                &format!(r#""createdAt":"{created_at}","{field}":"https://town.example/@ann/109""#),
            );
            let post = post(&line);
            assert_eq!(post.id, "https://town.example/users/ann/statuses/109");
            assert_eq!(post.author.as_deref(), Some("ann@town.example"));
            assert_eq!(post.at.to_string(), at);
            assert_eq!(post.source, "bluesky");
        }
    }

    #[test]
    fn whatever_is_no_new_post_is_skipped() {
        for line in [V1, V2] {
            for (old, new) in [
                ("create", "delete"),
                ("create", "rename"),
                ("feed.post\",\"rkey", "feed.like\",\"rkey"),
            ] {
                assert_eq!(item(&with(line, old, new)), Ok(Item::Skipped));
            }
        }
        for line in [
            r#"{"did":"did:plc:a","time_us":1,"kind":"identity","identity":{"did":"did:plc:a"}}"#,
            r#"{"did":"did:plc:a","time_us":1,"kind":"account","account":{"active":false}}"#,
            r#"{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"x"}}"#,
        ] {
            assert_eq!(item(line), Ok(Item::Skipped), "{line}");
        }
    }

    #[test]
    fn a_facet_that_points_nowhere_or_into_a_word_is_ignored_and_the_post_is_read() {
        for (old, new) in [
            ("\"byteStart\":13", "\"byteStart\":-1"),
            ("\"byteStart\":13", "\"byteStart\":14.5"),
            ("\"byteStart\":13", "\"byteStart\":1"),
            ("\"byteStart\":13", "\"byteStart\":62"),
            ("\"byteEnd\":62", "\"byteEnd\":5000"),
            ("\"byteEnd\":62", "\"byteEnd\":17"),
            ("\"index\":", "\"place\":"),
        ] {
            assert_eq!(
                post(&with(V1, old, new)).tags,
                ["outage", "status"],
                "{new}"
            );
        }
    }

    #[test]
    fn a_reject_names_what_is_missing() {
        assert_eq!(item(&with(V1, r#""rkey":"3kx","#, "")), Err(Reject::Id));
        assert_eq!(
            item(&with(V1, r#""did":"did:plc:ann","#, "")),
            Err(Reject::Id)
        );
        assert_eq!(
            item(&with(V1, r#""text":"#, r#""words":"#)),
            Err(Reject::Text)
        );
        assert_eq!(
            item(&with(V1, r#""record":"#, r#""other":"#)),
            Err(Reject::Text)
        );
        assert_eq!(
            item(&with(V1, "1783175888090631", "\"today\"")),
            Err(Reject::Time)
        );
        assert_eq!(
            item(&with(V1, "\"commit\":", "\"comit\":")),
            Err(Reject::Shape)
        );
        assert_eq!(
            item(&with(V2, r#""did":"did:plc:ann","#, "")),
            Err(Reject::Id)
        );
        assert_eq!(
            item(&with(V2, r#""time":"#, r#""thyme":"#)),
            Err(Reject::Time)
        );
    }
}
