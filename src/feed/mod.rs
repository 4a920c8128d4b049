//! Feeds: streams of posts.
pub mod archive;
pub mod contract;
pub mod file;
pub mod format;
pub mod inlet;
pub mod lines;
pub mod sorted;

/// A kind of feed.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// As it stands before the colon of `KIND:URL`.
    pub name: &'static str,
    /// What it reads.
    pub about: &'static str,
}

/// Every kind.
pub const KINDS: &[Kind] = &[file::KIND];
