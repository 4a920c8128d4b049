//! The lexicon: hashtag key to service and outage word (being built).
