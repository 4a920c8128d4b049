//! How far a timeline is read.

use serde::{Deserialize, Serialize};

use crate::feed::http::polling;
use crate::post::Cursor;
use crate::time::Timestamp;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The newest post that was handed on.
    pub(super) min_id: Option<String>,
    /// All was heard up to here.
    pub(super) time: Option<Timestamp>,
}

/// A place as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    host: String,
    min_id: Option<String>,
    time: Option<String>,
}

impl Place {
    /// The place in `cursor`. One of another server means nothing on `host`: the feed then begins anew.
    pub(super) fn restore(cursor: Option<&Cursor>, host: &str) -> Self {
        match polling::restore::<Stored>(cursor) {
            Some(stored) if stored.host == host => Self {
                min_id: stored.min_id,
                time: stored.time.and_then(|time| time.parse().ok()),
            },
            Some(_) | None => Self::default(),
        }
    }

    pub(super) fn store(&self, host: &str) -> Cursor {
        polling::store(&Stored {
            host: host.to_owned(),
            min_id: self.min_id.clone(),
            time: self.time.map(|time| time.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_for_its_own_host_alone() {
        let place = Place {
            min_id: Some("1a".to_owned()),
            time: Some("2026-11-24T10:00:00Z".parse().unwrap()),
        };
        let cursor = place.store("a.example");
        let again = Place::restore(Some(&cursor), "a.example");
        assert_eq!((again.min_id, again.time), (place.min_id, place.time));
        assert_eq!(Place::restore(Some(&cursor), "b.example").min_id, None);
        let broken = Cursor::Token("{".to_owned());
        assert_eq!(Place::restore(Some(&broken), "a.example").min_id, None);
    }
}
