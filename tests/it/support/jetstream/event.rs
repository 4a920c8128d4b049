//! What happens on the network, as both protocols write it down.

use serde_json::{Value, json};

/// Posts.
pub(crate) const POSTS: &str = "app.bsky.feed.post";
/// Who posts, where nobody says otherwise.
pub(crate) const ANN: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const SUBSCRIBE_EVENTS: &str = "network.bsky.jetstream.subscribeEvents";
/// Of some record; clients look at its form alone.
const CID: &str = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";

/// Something that happened, seen by one server as `seq` at `time_us`.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) time_us: i64,
    pub(crate) did: String,
    pub(crate) what: What,
}

/// What it was.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Commit {
        operation: &'static str,
        collection: &'static str,
        rkey: String,
        /// What was written; none where it was deleted.
        record: Option<Value>,
    },
    Identity,
    Account,
    /// A repository that must be read anew; the first protocol has no word for it.
    Sync,
}

impl Event {
    /// A post that `rkey` names, on every server alike.
    pub(crate) fn post(seq: u64, time_us: i64, rkey: String, text: &str) -> Self {
        let record = json!({"$type": POSTS, "text": text, "createdAt": iso(time_us)});
        let what = What::Commit {
            operation: "create",
            collection: POSTS,
            rkey,
            record: Some(record),
        };
        Self {
            seq,
            time_us,
            did: ANN.to_owned(),
            what,
        }
    }

    /// Its kind, as `kinds` names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.what {
            What::Commit { .. } => "commit",
            What::Identity => "identity",
            What::Account => "account",
            What::Sync => "sync",
        }
    }

    /// What was written to, if anything.
    pub(crate) fn collection(&self) -> Option<&'static str> {
        match self.what {
            What::Commit { collection, .. } => Some(collection),
            _ => None,
        }
    }

    /// The frame of the second protocol.
    pub(crate) fn v2(&self) -> String {
        let kind = self.kind();
        let mut payload = json!({
            "$type": format!("{SUBSCRIBE_EVENTS}#{kind}"), "seq": self.seq, "did": self.did,
            "time": iso(self.time_us), "witnessedAt": iso(self.time_us),
        });
        if let What::Commit { .. } = self.what {
            add(&mut payload, self.commit());
        } else {
            payload[kind] = self.upstream();
        }
        json!({"$type": "message", "payload": payload}).to_string()
    }

    /// The frame of the first protocol, as a server of the second writes it; none if it has none.
    pub(crate) fn v1(&self) -> Option<String> {
        let kind = self.kind();
        let body = match self.what {
            What::Commit { .. } => self.commit(),
            What::Identity | What::Account => self.upstream(),
            What::Sync => return None,
        };
        let mut event =
            json!({"did": self.did, "time_us": self.time_us, "kind": kind, "cursor": self.seq});
        event[kind] = body;
        Some(event.to_string())
    }

    fn commit(&self) -> Value {
        let What::Commit {
            operation,
            collection,
            rkey,
            record,
        } = &self.what
        else {
            return Value::Null;
        };
        let mut commit = json!({"rev": tid(self.time_us), "operation": operation, "collection": collection, "rkey": rkey});
        if let Some(record) = record {
            add(&mut commit, json!({"cid": CID, "record": record}));
        }
        commit
    }

    /// The event of the relay that the server wraps; its number is the relay's own.
    fn upstream(&self) -> Value {
        let mut upstream = json!({"did": self.did, "seq": 7_000_000 + self.seq, "time": iso(self.time_us - 250_000)});
        add(
            &mut upstream,
            match self.what {
                What::Account => json!({"active": false, "status": "deactivated"}),
                What::Sync => json!({"rev": tid(self.time_us), "blocks": {"$bytes": "oWE"}}),
                _ => json!({"handle": "ann.example.com"}),
            },
        );
        upstream
    }
}

/// What the server says of the stream itself.
pub(super) fn info(name: &str, message: &str) -> String {
    json!({"$type": "message", "payload": {"$type": format!("{SUBSCRIBE_EVENTS}#info"), "name": name, "message": message}})
        .to_string()
}

/// The last words of the second protocol.
pub(super) fn fault(name: &str, message: &str) -> String {
    json!({"$type": "error", "error": name, "message": message}).to_string()
}

fn add(object: &mut Value, fields: Value) {
    if let (Value::Object(object), Value::Object(fields)) = (object, fields) {
        object.extend(fields);
    }
}

/// A time in the network's own form, with six decimals.
fn iso(time_us: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(time_us).expect("a time");
    format!("{time:.6}")
}

/// A time as the name of a revision: 13 letters that sort as the times do.
fn tid(time_us: i64) -> String {
    const LETTERS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
    let number = time_us.unsigned_abs() << 10;
    let letter = |at: u32| char::from(LETTERS[(number >> (5 * at) & 31) as usize]);
    (0..13).rev().map(letter).collect()
}
