//! The integration tests: one binary, a module a theme. None needs a server or the network.

mod architecture;
mod cli;
mod files;
mod groundtruth;
mod ledger;
mod order;
mod replay;
mod support;
