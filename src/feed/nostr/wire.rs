//! The messages between a relay and us, named as the protocol names them (NIP-01, NIP-42).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::event::Event;

/// What is asked for: notes, reposts of notes, and reposts of anything.
pub(super) const KINDS: [u32; 3] = [1, 6, 16];
/// Stored events asked for at once; what most relays give at most, and a megabyte or so.
pub(super) const PAGE_LEN: usize = 500;

/// Which events a request is for: those of our [`KINDS`] whose authors say that they are of this time, in seconds since
/// the Unix epoch, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) since: i64,
    /// None: what is still to come, too.
    pub(super) until: Option<i64>,
}

impl Filter {
    /// Whether the relay was asked for this event.
    pub(super) fn fits(&self, event: &Event<'_>) -> bool {
        KINDS.contains(&event.kind)
            && self.since <= event.created_at
            && self.until.is_none_or(|until| event.created_at <= until)
    }

    /// The request for it under a name, with at most `limit` stored events.
    pub(super) fn request(&self, subscription: &str, limit: usize) -> String {
        let mut filter = json!({"kinds": KINDS, "since": self.since, "limit": limit});
        if let Some(until) = self.until {
            filter["until"] = until.into();
        }
        json!(["REQ", subscription, filter]).to_string()
    }
}

/// That we have heard enough of a subscription.
pub(super) fn close(subscription: &str) -> String {
    json!(["CLOSE", subscription]).to_string()
}

/// What a relay says.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// An event, as it was sent.
    Event {
        subscription: Cow<'a, str>,
        event: &'a str,
    },
    /// All stored events of a subscription were sent.
    StoredEnd(Cow<'a, str>),
    /// A subscription is over, and why.
    Closed {
        subscription: Cow<'a, str>,
        reason: Cow<'a, str>,
    },
    /// Words for people.
    Notice(Cow<'a, str>),
    /// It wants to know who we are.
    WhoAreYou,
    /// Something else, or nothing that can be read.
    Other,
}

pub(super) fn read(frame: &[u8]) -> Said<'_> {
    let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(frame) else {
        return Said::Other;
    };
    let mut elements = elements.into_iter().map(RawValue::get);
    let mut next = || elements.next().unwrap_or("null");
    let Some(verb) = text(next()) else {
        return Said::Other;
    };
    let (first, second) = (next(), next());
    match (&*verb, text(first)) {
        ("EVENT", Some(subscription)) => Said::Event {
            subscription,
            event: second,
        },
        ("EOSE", Some(subscription)) => Said::StoredEnd(subscription),
        ("CLOSED", Some(subscription)) => Said::Closed {
            subscription,
            reason: text(second).unwrap_or_default(),
        },
        ("NOTICE", Some(words)) => Said::Notice(words),
        ("AUTH", Some(_)) => Said::WhoAreYou,
        _ => Said::Other,
    }
}

fn text(json: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text: Text<'_> = serde_json::from_str(json).ok()?;
    Some(text.0)
}
