//! What a client asks for, by the parameters of either protocol: from where on, and which events.

use serde_json::{Value, json};

use super::event::Event;
use super::wire::Visit;

/// Cursors from here on are microseconds, smaller ones are sequence numbers.
const MICROSECONDS_FROM: i64 = 1_000_000_000_000_000;
const COLLECTIONS_MAX: usize = 100;
const DIDS_MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) is_v2: bool,
    /// Where to begin; none for the live tip.
    pub(super) cursor: Option<Cursor>,
    pub(super) filter: Filter,
    /// Nothing is sent before the client has sent its options.
    pub(super) waits_for_hello: bool,
    /// The dictionary to pack frames with.
    pub(super) dictionary: Option<u32>,
}

/// Where to begin: the first event not before it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cursor {
    Seq(u64),
    Time(i64),
}

/// Which events; an empty list lets all through.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    kinds: Vec<String>,
    collections: Vec<String>,
    dids: Vec<String>,
    bytes_max: usize,
}

impl Filter {
    /// Whether the client wants `event`, which makes a frame of so many bytes.
    pub(super) fn takes(&self, event: &Event, bytes: usize) -> bool {
        let is_in = |list: &[String], one: &str| list.is_empty() || list.iter().any(|it| it == one);
        let is_kind = is_in(&self.kinds, event.kind());
        let is_collection = event.collection().is_none_or(|collection| {
            self.collections.is_empty() || self.collections.iter().any(|it| covers(it, collection))
        });
        let is_small = self.bytes_max == 0 || bytes <= self.bytes_max;
        is_kind && is_collection && is_in(&self.dids, &event.did) && is_small
    }

    /// Takes a message of a client of the first protocol; gives whether it was a hello.
    pub(super) fn update(&mut self, message: &[u8]) -> Result<bool, ()> {
        let message: Value = serde_json::from_slice(message).map_err(drop)?;
        if message["type"] != "options_update" {
            return Ok(false);
        }
        let payload = &message["payload"];
        let list = |name: &str| match &payload[name] {
            Value::Null => Ok(Vec::new()),
            list => serde_json::from_value(list.clone()).map_err(drop),
        };
        let (collections, dids) = (list("wantedCollections")?, list("wantedDids")?);
        if collections.len() > COLLECTIONS_MAX || dids.len() > DIDS_MAX {
            return Err(());
        }
        (self.collections, self.dids) = (collections, dids);
        let bytes_max = payload["maxMessageSizeBytes"].as_u64().unwrap_or(0);
        self.bytes_max = usize::try_from(bytes_max).unwrap_or(0);
        Ok(true)
    }
}

/// Whether a collection is the one named, or under the prefix named.
fn covers(pattern: &str, collection: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => collection.starts_with(prefix),
        None => collection == pattern,
    }
}

impl Asked {
    /// Reads a request; or gives the status and body of a refusal. `dictionary` is the one there is.
    pub(super) fn of(visit: &Visit, dictionary: u32) -> Result<Self, String> {
        match &*visit.path {
            "/subscribe" => Self::of_v1(visit),
            "/xrpc/network.bsky.jetstream.subscribeEvents" => Self::of_v2(visit, dictionary),
            _ => Err("no such path".to_owned()),
        }
    }

    fn of_v2(visit: &Visit, dictionary: u32) -> Result<Self, String> {
        const KINDS: [&str; 4] = ["commit", "identity", "account", "sync"];
        let wrong = |message: &str| refusal("InvalidRequest", message);
        let known = [
            "kinds",
            "collections",
            "dids",
            "maxMessageSizeBytes",
            "cursor",
            "zstdDictionary",
        ];
        if let Some(name) = unknown(visit, &known) {
            return Err(wrong(&format!("{name} is no parameter")));
        }
        let list = |name| visit.values(name).map(str::to_owned).collect::<Vec<_>>();
        let (kinds, collections, dids) = (list("kinds"), list("collections"), list("dids"));
        if kinds.iter().any(|kind| !KINDS.contains(&&**kind)) {
            return Err(wrong("no such kind"));
        }
        let hears_commits = kinds.is_empty() || kinds.iter().any(|kind| kind == "commit");
        if !collections.is_empty() && !hears_commits {
            return Err(wrong(
                "collections limits commits, and kinds leaves them out",
            ));
        }
        if collections.len() > COLLECTIONS_MAX || dids.len() > DIDS_MAX {
            return Err(wrong("too many of them"));
        }
        let number = |name| match visit.values(name).next() {
            None => Ok(None),
            Some(value) => value
                .parse::<u64>()
                .map(Some)
                .map_err(|_| wrong(&format!("{name} is no number"))),
        };
        let asked_dictionary = number("zstdDictionary")?;
        if asked_dictionary.is_some_and(|asked| asked != u64::from(dictionary)) {
            return Err(refusal(
                "UnknownZstdDictionary",
                &format!("it is {dictionary}"),
            ));
        }
        let bytes_max = number("maxMessageSizeBytes")?.unwrap_or(0);
        Ok(Self {
            is_v2: true,
            cursor: number("cursor")?.map(Cursor::of),
            filter: Filter {
                kinds,
                collections,
                dids,
                bytes_max: usize::try_from(bytes_max).unwrap_or(0),
            },
            waits_for_hello: false,
            dictionary: asked_dictionary.map(|_| dictionary),
        })
    }

    /// Refusals of the first protocol are plain text.
    fn of_v1(visit: &Visit) -> Result<Self, String> {
        let known = [
            "wantedCollections",
            "wantedDids",
            "maxMessageSizeBytes",
            "cursor",
            "requireHello",
        ];
        // The real one passes over what it does not know; a client of ours that says it is wrong. Its packed frames
        // need a dictionary that only it has.
        if let Some(name) = unknown(visit, &known) {
            return Err(format!("{name} is no parameter"));
        }
        let first = |name| visit.values(name).next();
        let list = |name| visit.values(name).map(str::to_owned).collect();
        let cursor = first("cursor")
            .map(|cursor| cursor.parse().map_err(|_| "no cursor".to_owned()))
            .transpose()?;
        let bytes_max = first("maxMessageSizeBytes").and_then(|bytes| bytes.parse().ok());
        Ok(Self {
            is_v2: false,
            cursor: cursor.map(Cursor::of),
            filter: Filter {
                kinds: Vec::new(),
                collections: list("wantedCollections"),
                dids: list("wantedDids"),
                bytes_max: bytes_max.unwrap_or(0),
            },
            waits_for_hello: first("requireHello") == Some("true"),
            dictionary: None,
        })
    }
}

impl Cursor {
    fn of(number: u64) -> Self {
        match i64::try_from(number) {
            Ok(time_us @ MICROSECONDS_FROM..) => Self::Time(time_us),
            _ => Self::Seq(number),
        }
    }
}

/// The body of a refusal of the second protocol.
pub(super) fn refusal(error: &str, message: &str) -> String {
    json!({"error": error, "message": message}).to_string()
}

fn unknown<'a>(visit: &'a Visit, known: &[&str]) -> Option<&'a str> {
    let names = visit.query.iter().map(|(name, _)| name.as_str());
    names.into_iter().find(|name| !known.contains(name))
}
