//! A feed that is listened to, batch by batch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::bluesky::{Bluesky, Options};
use downtrend::feed::contract::{Batch, Feed, Outlet, Standing};
use downtrend::feed::file::Context;
use downtrend::post::{Cursor, Identity, Post, PostId, Reject};
use downtrend::time::Timestamp;

use super::jetstream::PATIENCE;

/// A running feed, and all it has handed over.
pub(crate) struct Ear {
    batches: Receiver<Batch>,
    /// Told when the feed has ended.
    ended: Receiver<()>,
    patience: Duration,
    pub(crate) posts: Vec<Post>,
    /// How often each hashtag came.
    pub(crate) tags: BTreeMap<String, u32>,
    pub(crate) skipped: u64,
    pub(crate) rejected: BTreeMap<Reject, u64>,
    pub(crate) gaps: Vec<Range<Timestamp>>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) heard_until: Option<Timestamp>,
}

impl Ear {
    /// A feed of Bluesky.
    pub(crate) fn open(options: &Options, cursor: Option<&Cursor>) -> Self {
        let feed = Bluesky::new(options, Self::context(), cursor).expect("good options");
        Self::listen(feed, PATIENCE)
    }

    /// What feeds are made with here.
    pub(crate) fn context() -> Context {
        Context {
            identity: Identity::new([7; 16]),
        }
    }

    /// Runs a feed. Whatever a test waits for shall come within `patience`.
    pub(crate) fn listen(feed: impl Feed + 'static, patience: Duration) -> Self {
        let (outlet, batches) = Outlet::open();
        let (ending, ended) = sync_channel(1);
        std::thread::spawn(move || {
            Box::new(feed).run(outlet);
            // A test that has failed does not listen.
            let (Ok(()) | Err(_)) = ending.send(());
        });
        Self {
            batches,
            ended,
            patience,
            posts: Vec::new(),
            tags: BTreeMap::new(),
            skipped: 0,
            rejected: BTreeMap::new(),
            gaps: Vec::new(),
            standings: Vec::new(),
            cursor: None,
            heard_until: None,
        }
    }

    /// Takes batches until something is so.
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let started = clock::start();
        while !is_so(self) {
            assert!(
                started.elapsed() < self.patience,
                "no {what}: {:?} {:?} {:?}",
                self.standings,
                self.tags,
                self.rejected
            );
            self.take_one();
        }
    }

    /// Takes one batch more.
    pub(crate) fn take_one(&mut self) {
        let batch = self.batches.recv_timeout(self.patience).expect("a batch");
        for hashtag in batch.posts.iter().flat_map(|post| &post.hashtags) {
            *self.tags.entry(hashtag.label.clone()).or_default() += 1;
        }
        self.posts.extend(batch.posts);
        self.skipped += batch.skipped;
        for (reject, count) in batch.rejected {
            *self.rejected.entry(reject).or_default() += count;
        }
        self.gaps.extend(batch.gaps);
        self.cursor = batch.cursor.or(self.cursor.take());
        if let Some(heard_until) = batch.heard_until {
            assert!(
                batch.standing.is_some() || !self.is_deaf(),
                "it says that it hears, and is not connected: {:?}",
                self.standings
            );
            assert!(
                self.heard_until <= Some(heard_until),
                "it went back in time"
            );
            self.heard_until = Some(heard_until);
        }
        self.standings.extend(batch.standing);
    }

    pub(crate) fn until_tags(&mut self, numbers: std::ops::RangeInclusive<u64>) {
        let wanted: Vec<String> = numbers.map(|number| format!("tag{number}")).collect();
        self.until("posts", |ear| {
            wanted.iter().all(|tag| ear.tags.contains_key(tag))
        });
    }

    /// Waits for a post with each of these hashtags.
    pub(crate) fn until_labels(&mut self, labels: impl IntoIterator<Item = String>) {
        let wanted: Vec<String> = labels.into_iter().collect();
        self.until("posts", |ear| {
            wanted.iter().all(|label| ear.tags.contains_key(label))
        });
    }

    /// The posts with each hashtag.
    pub(crate) fn posts_by_tag(&self) -> BTreeMap<&str, BTreeSet<PostId>> {
        let mut found: BTreeMap<&str, BTreeSet<PostId>> = BTreeMap::new();
        for post in &self.posts {
            for hashtag in &post.hashtags {
                found.entry(&hashtag.label).or_default().insert(post.id);
            }
        }
        found
    }

    /// Waits until the last thing it said of itself is that it hears.
    pub(crate) fn until_live_now(&mut self) {
        self.until("live feed", |ear| {
            ear.standings.last() == Some(&Standing::Live)
        });
    }

    /// Waits till it waits or is refused, and gives the reason.
    pub(crate) fn until_setback(&mut self) -> String {
        let before = self.standings.len();
        let why = |ear: &Self| {
            let problem = ear.standings[before..].iter().find_map(Standing::problem);
            problem.map(str::to_owned)
        };
        self.until("setback", |ear| why(ear).is_some());
        why(self).expect("it was waited for")
    }

    pub(crate) fn until_live(&mut self) {
        self.until("live feed", |ear| ear.standings.contains(&Standing::Live));
    }

    /// Waits until the feed waits, for a reason with these words in it.
    pub(crate) fn until_waiting(&mut self, words: &str) {
        self.until(words, |ear| {
            ear.standings.iter().any(
                |standing| matches!(standing, Standing::Waiting { why, .. } if why.contains(words)),
            )
        });
    }

    /// Hangs up, and waits till the feed has ended.
    pub(crate) fn stop(self) {
        drop(self.batches);
        self.ended
            .recv_timeout(PATIENCE)
            .expect("the feed ends when nobody listens, and never panics");
    }

    fn is_deaf(&self) -> bool {
        let last = self.standings.last();
        matches!(
            last,
            Some(Standing::Waiting { .. } | Standing::Refused { .. })
        )
    }

    pub(crate) fn each_once(&self) -> bool {
        self.tags.values().all(|&times| times == 1)
    }

    /// These hashtags `tagNUMBER` came once each, and no other.
    pub(crate) fn has_once(&self, numbers: std::ops::RangeInclusive<u64>) -> bool {
        let wanted = numbers.map(|number| (format!("tag{number}"), 1));
        self.tags == wanted.collect()
    }
}
