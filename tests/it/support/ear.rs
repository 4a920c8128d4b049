//! A feed that runs, and all that it has handed over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::{Batch, Feed, Outlet, Standing};
use downtrend::post::{Cursor, Post, PostId, Reject};
use downtrend::time::Timestamp;

/// Longer than any test should wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Ear {
    batches: Receiver<Batch>,
    thread: JoinHandle<()>,
    pub(crate) posts: Vec<Post>,
    pub(crate) skipped: u64,
    pub(crate) rejected: BTreeMap<Reject, u64>,
    pub(crate) gaps: Vec<Range<Timestamp>>,
    pub(crate) standings: Vec<Standing>,
    /// Of the last batch.
    pub(crate) cursor: Option<Cursor>,
    pub(crate) heard_until: Option<Timestamp>,
}

impl Ear {
    pub(crate) fn open(feed: impl Feed + 'static) -> Self {
        let (outlet, batches) = Outlet::open();
        Self {
            batches,
            thread: std::thread::spawn(move || Box::new(feed).run(outlet)),
            posts: Vec::new(),
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
                started.elapsed() < PATIENCE,
                "no {what}: {:?} {:?}",
                self.standings,
                self.rejected
            );
            self.take_one();
        }
    }

    /// Takes one batch more.
    pub(crate) fn take_one(&mut self) {
        let batch = self.batches.recv_timeout(PATIENCE).expect("a batch");
        assert!(
            self.heard_until <= batch.heard_until,
            "it went back in time"
        );
        self.posts.extend(batch.posts);
        self.skipped += batch.skipped;
        for (reject, count) in batch.rejected {
            *self.rejected.entry(reject).or_default() += count;
        }
        self.gaps.extend(batch.gaps);
        self.standings.extend(batch.standing);
        self.cursor = batch.cursor;
        self.heard_until = batch.heard_until;
    }

    pub(crate) fn until_live(&mut self) {
        self.until("live feed", |ear| {
            ear.standings.last() == Some(&Standing::Live)
        });
    }

    /// Waits till it waits or is refused, and gives the reason.
    pub(crate) fn until_setback(&mut self) -> String {
        let why = |standing: &Standing| match standing {
            Standing::Waiting { why, .. } | Standing::Refused { why } => Some(why.clone()),
            Standing::Live | Standing::CatchingUp => None,
        };
        let before = self.standings.len();
        self.until("setback", |ear| {
            ear.standings[before..]
                .iter()
                .any(|standing| why(standing).is_some())
        });
        let found = self.standings[before..].iter().find_map(why);
        found.expect("it was waited for")
    }

    /// The posts with each hashtag.
    pub(crate) fn tags(&self) -> BTreeMap<&str, BTreeSet<PostId>> {
        let mut tags: BTreeMap<&str, BTreeSet<PostId>> = BTreeMap::new();
        for post in &self.posts {
            for hashtag in &post.hashtags {
                tags.entry(&hashtag.label).or_default().insert(post.id);
            }
        }
        tags
    }

    /// Waits for a post with each of these hashtags.
    pub(crate) fn until_tags(&mut self, tags: impl IntoIterator<Item = String>) {
        let wanted: BTreeSet<String> = tags.into_iter().collect();
        self.until("posts", |ear| {
            let tags = ear.tags();
            wanted.iter().all(|tag| tags.contains_key(tag.as_str()))
        });
    }

    /// Closes the outlet; the feed must end within a second.
    pub(crate) fn stop(self) {
        let started = clock::start();
        drop(self.batches);
        self.thread.join().expect("the feed never panics");
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "a stop takes {:?}",
            started.elapsed()
        );
    }
}
