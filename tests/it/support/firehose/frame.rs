//! What a repository stream says, as bytes: messages of DAG-CBOR, commits with a CAR of blocks.

use ipld_core::cid::Cid;
use ipld_core::cid::multihash::Multihash;
use ipld_core::ipld;
use ipld_core::ipld::Ipld;

/// Who posts.
pub(crate) const ANN: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const DAG_CBOR: u64 = 0x71;
const SHA2_256: u64 = 0x12;

/// One change of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) action: &'static str,
    pub(crate) path: String,
    /// What was written; none where it was deleted.
    pub(crate) record: Option<Ipld>,
    /// The block of the record is left out.
    pub(crate) is_withheld: bool,
}

impl Change {
    /// A new record.
    pub(crate) fn create(path: &str, record: Ipld) -> Self {
        Self {
            action: "create",
            path: path.to_owned(),
            record: Some(record),
            is_withheld: false,
        }
    }

    /// A new post.
    pub(crate) fn post(rkey: &str, text: &str) -> Self {
        let record = ipld!({"$type": "app.bsky.feed.post", "text": text, "createdAt": "2019-01-01T00:00:00Z"});
        Self::create(&format!("app.bsky.feed.post/{rkey}"), record)
    }
}

/// A message: header and body.
pub(crate) fn message(t: &str, body: &Ipld) -> Vec<u8> {
    [cbor(&ipld!({"op": 1, "t": t})), cbor(body)].concat()
}

/// The last message before the server closes.
pub(crate) fn fault(error: &str, message: &str) -> Vec<u8> {
    let body = ipld!({"error": error, "message": message});
    [cbor(&ipld!({"op": -1})), cbor(&body)].concat()
}

/// Something about the stream itself.
pub(crate) fn info(name: &str) -> Vec<u8> {
    message("#info", &ipld!({"name": name, "message": "as it is"}))
}

/// A commit of Ann's repository.
pub(crate) fn commit(seq: u64, time_ms: i64, changes: &[Change]) -> Vec<u8> {
    let mut blocks = vec![cbor(&ipld!({"a": "part of the tree"}))];
    let mut ops = Vec::new();
    for change in changes {
        let block = change.record.as_ref().map(cbor);
        let cid = block
            .as_ref()
            .map_or(Ipld::Null, |block| Ipld::Link(cid_of(block)));
        ops.push(
            ipld!({"action": change.action, "path": change.path.clone(), "cid": cid, "prev": null}),
        );
        blocks.extend(block.filter(|_| !change.is_withheld));
    }
    let root = cid_of(&blocks[0]);
    let body = ipld!({
        "seq": i128::from(seq), "repo": ANN, "rev": "3l3qo2vutsw2b", "since": null, "time": iso(time_ms),
        "commit": Ipld::Link(root), "ops": ops, "blocks": Ipld::Bytes(car(root, &blocks)), "blobs": [],
        "rebase": false, "tooBig": false
    });
    message("#commit", &body)
}

/// An event that is no commit.
pub(crate) fn other(t: &str, seq: u64, time_ms: i64) -> Vec<u8> {
    message(
        t,
        &ipld!({"seq": i128::from(seq), "did": ANN, "time": iso(time_ms)}),
    )
}

fn car(root: Cid, blocks: &[Vec<u8>]) -> Vec<u8> {
    let header = cbor(&ipld!({"roots": [Ipld::Link(root)], "version": 1}));
    let sections = blocks
        .iter()
        .map(|block| [cid_of(block).to_bytes(), block.clone()].concat());
    let mut bytes = Vec::new();
    for section in [header].into_iter().chain(sections) {
        let mut buffer = unsigned_varint::encode::usize_buffer();
        bytes.extend_from_slice(unsigned_varint::encode::usize(section.len(), &mut buffer));
        bytes.extend(section);
    }
    bytes
}

/// The address of a block. It says SHA-256 and is another hash, widened: nobody but the block's owner can tell.
fn cid_of(block: &[u8]) -> Cid {
    let hash = xxhash_rust::xxh3::xxh3_128(block).to_be_bytes();
    let hash = Multihash::wrap(SHA2_256, &[hash, hash].concat()).expect("it fits");
    Cid::new_v1(DAG_CBOR, hash)
}

fn cbor(value: &Ipld) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).expect("CBOR")
}

fn iso(time_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(time_ms).expect("a time");
    format!("{time:.3}")
}
