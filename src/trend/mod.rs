//! Counts, windows, baselines, spikes (being built).
