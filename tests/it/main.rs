//! The integration tests: one binary, a module a theme. None needs a server or the network, but for `peers`, which is
//! run on demand.

mod architecture;
mod atproto;
mod bluesky;
mod bridges;
mod cli;
mod demo;
mod demo_run;
mod example;
mod fetcher;
mod files;
mod groundtruth;
mod hackernews;
mod hashtag_cases;
mod hashtag_conformance;
mod ledger;
mod live;
mod mastodon;
mod mastodon_stream;
mod nostr;
mod order;
mod payloads;
mod peers;
mod polled;
mod real_feeds;
mod replay;
mod retention;
mod soak;
mod status;
mod support;
mod syndication;
mod tracker;
mod websocket;
