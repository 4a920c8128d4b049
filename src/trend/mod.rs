//! Counts of hashtags over time, and what is unusual about them.
//!
//! The tracker takes posts, keeps the minutes that may still change ([`tracker`], [`mention`], [`recent`]), and hands
//! those that cannot to the detectors, one a hashtag ([`track`]); what opens and closes is told as a [`spike`].
//!
//! In a detector, closed buckets of fresh authors come in, readings go out: what was observed, what was expected, how sure it is that
//! the difference is no chance, and when a spike opens and closes. `docs/detector.md` has the formulas and figures;
//! [`detector`] joins the parts: [`baseline`] foresees, [`scan`] compares, [`event`] follows a spike to its end,
//! [`recurring`] knows last week, [`rarity`] ranks. All of it is pure, and a function of the bucket sequence alone.

pub mod baseline;
pub mod bytes;
pub mod coverage;
pub mod decay;
pub mod detector;
pub mod event;
pub mod listening;
pub mod mention;
pub mod rarity;
pub mod recent;
pub mod recurring;
pub mod ring;
pub mod scan;
pub mod settings;
pub mod spike;
pub mod tail;
pub mod track;
pub mod tracker;
