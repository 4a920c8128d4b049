//! The `downtrend` program.

fn main() {}
