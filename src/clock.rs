//! The one file that asks the system what time it is. Everybody else is told.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the owner of the system's clock"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// Now. A system clock before 1970 or after 9999 reads as the nearer end.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(millis).unwrap_or(Timestamp::LAST)
}

/// Starts to measure how long something takes.
pub fn start() -> Instant {
    Instant::now()
}
