//! What is taken out of a ledger: figures of hashtags, and how they are shown.
//!
//! The figures are recomputed from the counts by the very detector that flagged them, so every number can be traced
//! to minutes that `export` prints. Reads only; knows no SQL and no terminal but for `table.rs`.

pub mod filter;
pub mod replay;
pub mod spikes;
pub mod table;
pub mod timeline;
pub mod trending;
