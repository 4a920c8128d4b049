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
    /// When that was written; none after a restart.
    pub(super) written: Option<Timestamp>,
    /// All was heard up to here.
    pub(super) time: Option<Timestamp>,
}

/// A post that the stream told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) written: Timestamp,
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
                written: None,
                time: stored.time.and_then(|time| time.parse().ok()),
            },
            Some(_) | None => Self::default(),
        }
    }

    /// All was heard up to `time`; this never goes back.
    pub(super) fn hear(&mut self, time: Timestamp) {
        self.time = self.time.max(Some(time));
    }

    /// Moves on to a post that the stream told, unless it is older than the one we are at. A server tells a post when
    /// it learns of it, perhaps years late, and files it by when it was written: to go on behind such a post would be
    /// to read those years again.
    pub(super) fn move_on(&mut self, post: Told) {
        let is_newer = |at| post.written >= at;
        if self.written.or(self.time).is_none_or(is_newer) {
            self.min_id = Some(post.id);
            self.written = Some(post.written);
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
            written: None,
        };
        let cursor = place.store("a.example");
        let again = Place::restore(Some(&cursor), "a.example");
        assert_eq!((again.min_id, again.time), (place.min_id, place.time));
        assert_eq!(Place::restore(Some(&cursor), "b.example").min_id, None);
        let broken = Cursor::Token("{".to_owned());
        assert_eq!(Place::restore(Some(&broken), "a.example").min_id, None);
    }

    #[test]
    fn a_post_of_long_ago_does_not_take_the_place_back() {
        let at = |time: &str| time.parse().unwrap();
        let told = |id: &str, written: &str| Told {
            id: id.to_owned(),
            written: at(written),
        };
        let mut place = Place {
            min_id: Some("5".to_owned()),
            time: Some(at("2026-11-24T10:00:00Z")),
            written: None,
        };
        for (id, written, want) in [
            ("discovered", "2019-01-01T00:00:00Z", "5"),
            ("6", "2026-11-24T10:00:03Z", "6"),
            ("a little late", "2026-11-24T10:00:02Z", "6"),
            (
                "in the same second",
                "2026-11-24T10:00:03Z",
                "in the same second",
            ),
        ] {
            place.move_on(told(id, written));
            assert_eq!(place.min_id.as_deref(), Some(want), "{id}");
        }
    }
}
