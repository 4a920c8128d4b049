//! A page of a timeline, as far as paging needs to know it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::feed::format::{self, Completeness};
use crate::post::Reject;
use crate::time::Timestamp;

/// A page of a timeline.
pub(super) struct Page {
    pub(super) bytes: Vec<u8>,
    /// Posts that are new to us.
    pub(super) len: usize,
    /// The id of the newest post.
    pub(super) first_id: Option<String>,
    /// The post of our cursor is among them.
    pub(super) is_known: bool,
    /// When that was written.
    pub(super) first_written: Option<Timestamp>,
    /// When the posts were written, as far as they say so.
    written: Vec<Timestamp>,
    pub(super) heard_until: Timestamp,
}

/// What paging needs to know of a status.
#[derive(Debug, Deserialize)]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    created_at: Option<Cow<'a, str>>,
}

impl Entry<'_> {
    /// When it was written, if it says so.
    pub(super) fn written(&self) -> Option<Timestamp> {
        self.created_at.as_ref()?.parse().ok()
    }
}

impl Page {
    /// `known_id`: the post of our cursor. A server that passes over a `min_id` gives the newest page, with it inside.
    pub(super) fn parse(
        bytes: Vec<u8>,
        known_id: Option<&str>,
        heard_until: Timestamp,
    ) -> Result<Self, Reject> {
        let elements: Vec<&RawValue> = serde_json::from_slice(&bytes).map_err(|error| {
            // An error of data ends the reading early: the rest may be cut off.
            match format::completeness(&bytes) {
                Completeness::Complete if error.is_data() => Reject::Shape,
                _ => Reject::Json,
            }
        })?;
        let entries: Vec<Entry<'_>> = elements
            .iter()
            .filter_map(|element| serde_json::from_str(element.get()).ok())
            .collect();
        if entries.is_empty() && !elements.is_empty() {
            // Without an id there is no way on from here.
            return Err(Reject::Id);
        }
        let known_at =
            known_id.and_then(|known| entries.iter().position(|entry| entry.id == known));
        Ok(Self {
            len: known_at.unwrap_or(elements.len()),
            first_id: entries.first().map(|entry| entry.id.clone().into_owned()),
            first_written: entries.first().and_then(Entry::written),
            is_known: known_at.is_some(),
            written: entries.iter().filter_map(Entry::written).collect(),
            heard_until,
            bytes,
        })
    }

    /// The time of the oldest post written after `time`.
    pub(super) fn oldest_after(&self, time: Option<Timestamp>) -> Option<Timestamp> {
        let later = self.written.iter().copied();
        later.filter(|written| Some(*written) > time).min()
    }

    /// The time of the oldest post.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.oldest_after(None)
    }
}
