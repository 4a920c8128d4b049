//! Counts, windows, baselines, spikes (being built).
pub mod coverage;
pub mod detector;
pub mod listening;
pub mod mention;
pub mod recent;
pub mod settings;
pub mod spike;
pub mod track;
pub mod tracker;
