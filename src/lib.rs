//! Downtrend tells which online service is down, since when and how sure, from the hashtags of public posts.
//!
//! Posts come in through **feeds**; **hashtags** are read out of them; each hashtag has a **window** of counts; the
//! **detector** compares what it observed with what was expected; a **spike** is told; the **store** remembers; the
//! **views** show. Data walks that way and never back: `ARCHITECTURE.md` has the floors and the invariants.

#[cfg(feature = "app")]
pub mod backtest;
#[cfg(feature = "app")]
pub mod clock;
#[cfg(feature = "app")]
pub mod command;
#[cfg(feature = "app")]
pub mod config;
#[cfg(feature = "app")]
pub mod export;
#[cfg(feature = "app")]
pub mod feed;
pub mod hashtag;
pub mod lexicon;
pub mod official;
#[cfg(feature = "app")]
pub mod pipeline;
pub mod post;
#[cfg(feature = "app")]
pub mod store;
pub mod time;
pub mod trend;
#[cfg(feature = "app")]
pub mod view;
