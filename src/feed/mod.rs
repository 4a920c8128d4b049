//! Feeds: where posts come from.
//!
//! A feed hands on posts as its wire tells them; [`format`] reads the wire shapes, whichever feed they came by. What
//! leaves this room is a [`crate::post::RawPost`], or a named reason why something is none.

pub mod format;
