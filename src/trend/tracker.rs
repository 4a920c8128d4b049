//! The tracker: posts in, minutes closed, spikes told. The heart of the loop.
//!
//! Takes posts in the order of their feeds, keeps the minutes that may still change, and settles those that cannot:
//! a minute is settled when every running feed has passed its end by the lateness bound. Settled minutes go to the
//! detectors, in order, once. So the order, the repetition and the batching of posts within the bound change nothing,
//! and neither does a restart: see `tests/it/replay.rs`.
//!
//! [`Tracker::advance`] tells what is new since the last call as a [`Tick`]; whoever stores it in one transaction can
//! build the same tracker again from the store ([`Tracker::restore`]). [`Tracker::ahead`] judges the minutes that are
//! not settled yet as if they were.
//! It has no clock, no file, no socket; names are numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::{HashMap, HashSet};

use super::coverage::Coverage;
use super::detector::Reading;
use super::listening::Listening;
use super::mention::{self, FeedId, HashtagId, Mention, SourceId, Tally};
use super::recent::{MEMORY_MINUTES, RecentAuthors};
use super::settings::Settings;
use super::spike::Spike;
use super::track::Track;
use crate::post::PostId;
use crate::time::Minute;

/// Tallies settled before the memory of the hashtags is written again: what a restart may have to repeat. At 0.3 us
/// each, a second's work at most.
const CHECKPOINT_TALLIES: usize = 250_000;
/// Settled time after which it is written again all the same: minutes that a restart would repeat cannot be forgotten.
const CHECKPOINT_MINUTES: u32 = 24 * 60;
/// Hashtags kept in memory that time alone cannot change; beyond it they go, since the store has them. 32 MB of them.
/// Those that are awake stay: each has been said by several people within the hour, and its mentions are in memory too.
pub const IDLE_MAX: usize = 100_000;

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// New, and counted.
    Counted,
    /// Seen before; if it is an edit, hashtags new in it are counted.
    Duplicate,
    /// Older than the lateness bound behind the watermark.
    Late,
}

/// A minute that may still change.
#[derive(Debug, Clone, Default)]
struct OpenMinute {
    posts: Vec<PostId>,
    mentions: Vec<Mention>,
    heard: BTreeMap<FeedId, u32>,
    /// How much of `posts` and `mentions` an earlier tick has told.
    told: (usize, usize),
}

/// Where a post was first seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    minute: Minute,
    /// None for a post without a hashtag, which is no source's.
    source: Option<SourceId>,
}

/// How far one feed has come.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The newest minute it has shown.
    pub newest: Option<Minute>,
    /// Whether more may come; a feed that has ended holds nobody up.
    pub running: bool,
    /// Whether it tells itself what it has heard ([`Tracker::hear`]); of an archive that is concluded from its posts.
    pub live: bool,
    /// A live feed that is not connected; it holds nobody up either.
    pub deaf: bool,
    /// Its recent rate.
    pub listening: Listening,
    /// The minute after the last one it was heard in.
    pub silent_since: Option<Minute>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            newest: None,
            running: true,
            live: false,
            deaf: false,
            listening: Listening::default(),
            silent_since: None,
        }
    }
}

impl Progress {
    /// A live feed: of the minutes before `until` those that it has not heard are no silence of its own, and tell
    /// nothing about its rate.
    fn be_deaf(&mut self, until: Minute) {
        let (Some(since), Some(newest)) = (self.silent_since, self.newest) else {
            return;
        };
        if newest < until && since < until {
            self.listening
                .hear_silence(newest.0.saturating_sub(since.0));
            self.silent_since = Some(until);
        }
    }
}

/// New posts and mentions of a minute that may still change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Of which minute.
    pub minute: Minute,
    /// Posts counted, with a hashtag or without.
    pub posts: Vec<PostId>,
    /// Their mentions.
    pub mentions: Vec<Mention>,
    /// Posts by feed, in the whole minute so far.
    pub heard: Vec<(FeedId, u32)>,
}

/// A minute that nothing can join any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledMinute {
    /// Which one.
    pub minute: Minute,
    /// Its mentions, sorted.
    pub mentions: Vec<Mention>,
    /// What they add up to, by hashtag.
    pub tallies: Vec<Tally>,
    /// Posts by feed.
    pub heard: Vec<(FeedId, u32)>,
}

/// What is new since the last tick: everything that one transaction must hold.
#[derive(Debug, Clone, Default)]
pub struct Tick {
    /// Additions to minutes that stay open.
    pub segments: Vec<Segment>,
    /// Minutes settled, in order.
    pub settled: Vec<SettledMinute>,
    /// Stretches in which we were not listening.
    pub gaps: Vec<Range<Minute>>,
    /// Spikes that opened, changed or ended.
    pub spikes: Vec<Spike>,
    /// Memory of hashtags that changed since the last checkpoint; none between checkpoints.
    pub checkpoint: Option<Vec<Remembered>>,
    /// All minutes before this one are settled.
    pub settled_until: Option<Minute>,
    /// Up to where buckets are closed.
    pub watermark: Option<Minute>,
}

/// The memory of one hashtag, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Whose.
    pub hashtag: HashtagId,
    /// Whether the passing of time can still change it: a restart must load it.
    pub awake: bool,
    /// What [`Track::encode`] gave.
    pub state: Vec<u8>,
}

/// What [`Tracker::restore`] needs from the store.
#[derive(Debug, Default)]
pub struct Memory {
    /// All minutes before this one are settled.
    pub settled_until: Option<Minute>,
    /// Up to where buckets were closed.
    pub watermark: Option<Minute>,
    /// The first minute ever heard, and the stretches in which we were not listening.
    pub coverage: Option<Coverage>,
    /// Up to where `tracks` is remembered.
    pub checkpoint_until: Option<Minute>,
    /// Gaps that were told before the first heard minute was settled.
    pub gaps_early: Vec<Range<Minute>>,
    /// The feeds with their progress.
    pub feeds: Vec<(FeedId, Progress)>,
    /// Memory of the hashtags in `since_checkpoint` and of those awake, as of the last checkpoint.
    pub tracks: Vec<(HashtagId, Track)>,
    /// Tallies settled after the last checkpoint, in order.
    pub since_checkpoint: Vec<(Minute, Vec<Tally>)>,
    /// Settled mentions of the last hour, in order.
    pub last_hour: Vec<(Minute, Vec<Mention>)>,
    /// What has been told of the minutes that may still change.
    pub segments: Vec<Segment>,
    /// Spikes that have not ended.
    pub open_spikes: Vec<Spike>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Tracker {
    settings: Settings,
    lateness_minutes: u32,
    feeds: BTreeMap<FeedId, Progress>,
    open: BTreeMap<Minute, OpenMinute>,
    /// Posts of the open minutes.
    posts: HashMap<PostId, Seen>,
    /// Further sources at which posts of the open minutes were seen.
    seen_again: HashSet<(PostId, SourceId)>,
    settled_until: Option<Minute>,
    /// The last watermark told; it never goes back.
    watermark: Option<Minute>,
    recent: RecentAuthors,
    coverage: Option<Coverage>,
    tracks: HashMap<HashtagId, Slot>,
    /// Hashtags that the passing of time can still change.
    awake: Vec<HashtagId>,
    spikes: BTreeMap<HashtagId, Spike>,
    tallies_since_checkpoint: usize,
    /// Up to where the store knows what is remembered.
    checkpoint_until: Option<Minute>,
    /// Gaps of live feeds that no tick has told yet.
    gaps_untold: Vec<Range<Minute>>,
    /// Gaps of live feeds from before there is a coverage to take them out of.
    gaps_early: Vec<Range<Minute>>,
}

/// A track and where it stands.
#[derive(Debug, Clone, Default)]
struct Slot {
    track: Track,
    /// It is in `Tracker::awake`.
    awake: bool,
    /// It has changed since the last checkpoint.
    dirty: bool,
}

impl Tracker {
    /// One that has seen nothing.
    pub fn new(settings: Settings, lateness_minutes: u32) -> Self {
        Self {
            settings,
            lateness_minutes,
            feeds: BTreeMap::new(),
            open: BTreeMap::new(),
            posts: HashMap::new(),
            seen_again: HashSet::new(),
            settled_until: None,
            watermark: None,
            recent: RecentAuthors::default(),
            coverage: None,
            tracks: HashMap::new(),
            awake: Vec::new(),
            spikes: BTreeMap::new(),
            tallies_since_checkpoint: 0,
            checkpoint_until: None,
            gaps_untold: Vec::new(),
            gaps_early: Vec::new(),
        }
    }

    /// The tracker that told the ticks from which `memory` was stored.
    pub fn restore(settings: Settings, lateness_minutes: u32, memory: Memory) -> Self {
        let mut tracker = Self::new(settings, lateness_minutes);
        tracker.settled_until = memory.settled_until;
        tracker.watermark = memory.watermark;
        tracker.coverage = memory.coverage;
        tracker.gaps_early = memory.gaps_early;
        tracker.feeds = memory.feeds.into_iter().collect();
        for (minute, mentions) in &memory.last_hour {
            tracker.recent.tally(*minute, mentions);
        }
        for segment in memory.segments {
            tracker.reopen(segment);
        }
        tracker.admit(memory.tracks);
        tracker.checkpoint_until = memory.checkpoint_until;
        for (minute, tallies) in &memory.since_checkpoint {
            // What these readings said is in the store already.
            tracker.judge(*minute, tallies, &mut Tick::default());
        }
        tracker.spikes = memory
            .open_spikes
            .into_iter()
            .map(|spike| (spike.hashtag, spike))
            .collect();
        tracker
    }

    fn reopen(&mut self, segment: Segment) {
        let open = self.open.entry(segment.minute).or_default();
        let minute = segment.minute;
        for &post in &segment.posts {
            let source = None;
            self.posts.insert(post, Seen { minute, source });
        }
        for mention in &segment.mentions {
            // Of several sources any may be the first: all are remembered.
            if let Some(Seen { source, .. }) = self.posts.get_mut(&mention.post)
                && *source.get_or_insert(mention.source) != mention.source
            {
                self.seen_again.insert((mention.post, mention.source));
            }
        }
        open.posts.extend(segment.posts);
        open.mentions.extend(segment.mentions);
        open.heard = segment.heard.into_iter().collect();
        open.told = (open.posts.len(), open.mentions.len());
    }

    /// Announces a feed that will be read: until it has shown its first post, or told what it has heard, it holds the
    /// watermark. A live one that has never been connected does not.
    pub fn expect_feed(&mut self, feed: FeedId, live: bool) {
        let progress = self.feeds.entry(feed).or_default();
        progress.running = true;
        progress.live = live;
        // One that goes on where it was left may have much to make up for, and is waited for.
        progress.deaf = live && progress.newest.is_none();
    }

    /// A live feed has heard everything up to a minute, posts or not.
    pub fn hear(&mut self, feed: FeedId, until: Minute) {
        let progress = self.feeds.entry(feed).or_default();
        progress.newest = progress.newest.max(Some(until));
        progress.silent_since = progress.silent_since.or(Some(until));
        progress.deaf = false;
    }

    /// A live feed is not connected for the time being.
    pub fn lose(&mut self, feed: FeedId) {
        self.feeds.entry(feed).or_default().deaf = true;
    }

    /// A live feed could not hear a stretch and will not make up for it. Where it carries most of the posts, nobody
    /// was listening then.
    pub fn miss(&mut self, feed: FeedId, stretch: Range<Minute>) {
        let start = stretch
            .start
            .max(self.settled_until.unwrap_or(stretch.start));
        if start >= stretch.end || self.share_of(feed) <= DEAF_SHARE_MAX {
            return;
        }
        let gap = start..stretch.end;
        match &mut self.coverage {
            Some(coverage) => coverage.add_gap(gap.start.0..gap.end.0),
            None => self.gaps_early.push(gap.clone()),
        }
        self.gaps_untold.push(gap);
    }

    /// The share of the posts that a feed carries, by the recent rates or, as long as none is known, by the posts of
    /// the open minutes. One that runs alone carries all.
    fn share_of(&self, feed: FeedId) -> f64 {
        let running = || self.feeds.iter().filter(|(_, progress)| progress.running);
        if running().count() == 1 {
            return 1.0;
        }
        let posts_open = |feed: &FeedId| -> u32 {
            let heard = self.open.values().filter_map(|open| open.heard.get(feed));
            heard.sum()
        };
        let is_known = running().any(|(_, progress)| progress.listening.posts_per_minute() > 0.0);
        let rate = |feed: &FeedId, progress: &Progress| {
            if is_known {
                progress.listening.posts_per_minute()
            } else {
                f64::from(posts_open(feed))
            }
        };
        let all: f64 = running().map(|(id, progress)| rate(id, progress)).sum();
        let own = running().find(|(id, _)| **id == feed);
        match own {
            Some((id, progress)) if all > 0.0 => rate(id, progress) / all,
            Some(_) | None => 0.0,
        }
    }

    /// A feed has ended: it holds nobody up any more.
    pub fn end_feed(&mut self, feed: FeedId) {
        self.feeds.entry(feed).or_default().running = false;
    }

    /// Whether a live feed is among those that run.
    pub fn is_live(&self) -> bool {
        self.feeds
            .values()
            .any(|progress| progress.running && progress.live)
    }

    /// The feeds with their progress.
    pub fn feeds(&self) -> impl Iterator<Item = (FeedId, &Progress)> {
        self.feeds.iter().map(|(&feed, progress)| (feed, progress))
    }

    /// Which minutes were heard, of those that are settled; none before the first.
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_ref()
    }

    /// Takes a post seen at `source`, which a post without hashtags may leave out. `mentions` adds its mentions to a
    /// list; it is asked only where they count. A post seen again at another source is a duplicate, and counts there.
    pub fn record<E>(
        &mut self,
        feed: FeedId,
        minute: Minute,
        post: PostId,
        source: Option<SourceId>,
        edit: bool,
        mentions: impl FnOnce(&mut Vec<Mention>) -> Result<(), E>,
    ) -> Result<Verdict, E> {
        let progress = self.feeds.entry(feed).or_default();
        if !progress.live {
            progress.newest = progress.newest.max(Some(minute));
        }
        if self.settleable_until() > Some(minute) || self.settled_until > Some(minute) {
            return Ok(Verdict::Late);
        }
        if let Some(&first_seen) = self.posts.get(&post) {
            let is_elsewhere = source.is_some_and(|source| {
                first_seen.source != Some(source) && self.seen_again.insert((post, source))
            });
            if edit || is_elsewhere {
                // Hashtags it already had there are the same members of the minute's set.
                mentions(&mut self.open.entry(first_seen.minute).or_default().mentions)?;
            }
            return Ok(Verdict::Duplicate);
        }
        let open = self.open.entry(minute).or_default();
        mentions(&mut open.mentions)?;
        open.posts.push(post);
        *open.heard.entry(feed).or_default() += 1;
        self.posts.insert(post, Seen { minute, source });
        Ok(Verdict::Counted)
    }

    /// Up to where buckets are closed: the newest minute that every running feed has reached, and never less than it
    /// has been. None before each has shown a post.
    pub fn watermark(&self) -> Option<Minute> {
        // Once nothing more will come, the minute of the newest post is closed too.
        let reached = if self.is_running() {
            self.reached()
        } else {
            self.reached().map(Minute::next)
        };
        self.watermark.max(reached)
    }

    fn is_running(&self) -> bool {
        self.feeds.values().any(|progress| progress.running)
    }

    /// The newest minute that every feed has reached which holds the watermark; none where a feed has shown nothing
    /// yet, and where all are deaf: then time stands still. Without a running feed the newest of all.
    fn reached(&self) -> Option<Minute> {
        if !self.is_running() {
            let newest = self.feeds.values().filter_map(|progress| progress.newest);
            return newest.max();
        }
        let holding = |progress: &&Progress| progress.running && !progress.deaf;
        let holding = self.feeds.values().filter(holding);
        holding.map(|progress| progress.newest).min().flatten()
    }

    /// The first minute that a post may still join. It is behind what the feeds of this run have reached, not behind a
    /// watermark of an earlier run: so a file read in two goes counts what it counts in one.
    fn settleable_until(&self) -> Option<Minute> {
        self.reached()
            .map(|newest| newest.minus(self.lateness_minutes))
    }

    /// Hashtags of the closed minutes, settled next or looked ahead at, that are not in memory: the store may know them
    /// ([`Tracker::admit`]).
    pub fn unknown(&self) -> BTreeSet<HashtagId> {
        let until = self.watermark().unwrap_or(Minute(0));
        self.open
            .range(..until)
            .flat_map(|(_, open)| &open.mentions)
            .map(|mention| mention.hashtag)
            .filter(|hashtag| !self.tracks.contains_key(hashtag))
            .collect()
    }

    /// Takes what the store remembers of hashtags.
    pub fn admit(&mut self, tracks: impl IntoIterator<Item = (HashtagId, Track)>) {
        for (hashtag, track) in tracks {
            let awake = !track.is_idle();
            if awake {
                self.awake.push(hashtag);
            }
            self.tracks.insert(
                hashtag,
                Slot {
                    track,
                    awake,
                    dirty: false,
                },
            );
        }
    }

    /// Settles what can be settled and tells what is new since the last call.
    pub fn advance(&mut self) -> Tick {
        let mut tick = Tick {
            gaps: std::mem::take(&mut self.gaps_untold),
            ..Tick::default()
        };
        if let Some(until) = self.settleable_until() {
            self.settle(until, &mut tick);
        }
        tick.segments = self.untold_segments();
        if self.is_checkpoint_due() {
            tick.checkpoint = Some(self.checkpoint());
        }
        self.watermark = self.watermark();
        tick.settled_until = self.settled_until;
        tick.watermark = self.watermark;
        tick
    }

    fn is_checkpoint_due(&self) -> bool {
        let first = self
            .coverage
            .as_ref()
            .map(|coverage| Minute(coverage.start()));
        let since = self.checkpoint_until.or(first);
        let is_old = |until: Minute| Some(until.minus(CHECKPOINT_MINUTES)) > since;
        self.tallies_since_checkpoint >= CHECKPOINT_TALLIES
            || since.is_some() && self.settled_until.is_some_and(is_old)
            || self.idle() > IDLE_MAX
    }

    /// Hashtags in memory that time alone cannot change.
    pub fn idle(&self) -> usize {
        self.tracks.len() - self.awake.len()
    }

    /// The memory of every hashtag that has changed since the last checkpoint. The caller stores it with the tick
    /// that came before.
    pub fn checkpoint(&mut self) -> Vec<Remembered> {
        self.tallies_since_checkpoint = 0;
        self.checkpoint_until = self.settled_until;
        let changed = self.tracks.iter_mut().filter(|(_, slot)| slot.dirty);
        let remembered = changed
            .map(|(&hashtag, slot)| {
                slot.dirty = false;
                Remembered {
                    hashtag,
                    awake: slot.awake,
                    state: slot.track.encode(),
                }
            })
            .collect();
        if self.idle() > IDLE_MAX {
            self.let_idle_go();
        }
        remembered
    }

    /// Lets go of what the store can give back. What an open minute mentions stays: it may be looked ahead at before
    /// anybody asks the store.
    fn let_idle_go(&mut self) {
        let open = self.open.values().flat_map(|open| &open.mentions);
        let mentioned: HashSet<HashtagId> = open.map(|mention| mention.hashtag).collect();
        self.tracks
            .retain(|hashtag, slot| slot.awake || mentioned.contains(hashtag));
    }

    /// What the next tick would say if every closed minute were settled: provisional spikes and gaps. They are the
    /// reason why nobody waits for the lateness bound.
    pub fn ahead(&self) -> Tick {
        let mut ahead = self.clone();
        let mut tick = Tick::default();
        if let Some(watermark) = self.watermark() {
            ahead.settle(watermark, &mut tick);
        }
        tick.spikes
            .iter_mut()
            .for_each(|spike| spike.provisional = true);
        tick
    }

    fn settle(&mut self, until: Minute, tick: &mut Tick) {
        while let Some(entry) = self.open.first_entry()
            && *entry.key() < until
        {
            let (minute, mut open) = entry.remove_entry();
            for post in &open.posts {
                self.posts.remove(post);
            }
            mention::settle(&mut open.mentions);
            if !self.seen_again.is_empty() {
                for mention in &open.mentions {
                    self.seen_again.remove(&(mention.post, mention.source));
                }
            }
            let tallies = self.recent.tally(minute, &open.mentions);
            self.pass_empty(minute, tick);
            self.listen(minute, &open.heard, tick);
            self.judge(minute, &tallies, tick);
            tick.settled.push(SettledMinute {
                minute,
                mentions: open.mentions,
                tallies,
                heard: open.heard.into_iter().collect(),
            });
            self.settled_until = self.settled_until.max(Some(minute.next()));
        }
        self.pass_empty(until, tick);
        self.settled_until = self.settled_until.max(Some(until));
    }

    /// Settles the minutes before `until` that no post came in. How far each live feed has heard is known now and may
    /// be forgotten later: when it has been found again, it has heard everything up to then, or told what it missed.
    fn pass_empty(&mut self, until: Minute, tick: &mut Tick) {
        let (Some(coverage), Some(start)) = (&mut self.coverage, self.settled_until) else {
            return;
        };
        let live = |progress: &&mut Progress| progress.live && progress.running;
        let ends: BTreeSet<Minute> = self
            .feeds
            .values_mut()
            .filter(live)
            .filter_map(|progress| progress.newest)
            .filter(|newest| (start..until).contains(newest))
            .chain([until])
            .collect();
        let mut from = start;
        for to in ends.into_iter().filter(|&to| to > start) {
            // The same feeds are deaf in all of this stretch.
            let deaf = deaf_share(&self.feeds, |_, progress, _| {
                progress.live && progress.newest <= Some(from)
            });
            if deaf > DEAF_SHARE_MAX {
                add_gap(coverage, from..to, &mut tick.gaps);
            }
            from = to;
        }
        for progress in self.feeds.values_mut().filter(live) {
            progress.be_deaf(until);
        }
    }

    /// Decides whether the silence before `minute` was a gap, and whether the feeds silent in it are deaf.
    fn listen(&mut self, minute: Minute, heard: &BTreeMap<FeedId, u32>, tick: &mut Tick) {
        let gaps_early = std::mem::take(&mut self.gaps_early);
        let coverage = self
            .coverage
            .get_or_insert_with(|| Coverage::since(minute.0));
        for gap in gaps_early {
            coverage.add_gap(gap.start.0..gap.end.0);
        }
        let last_heard = self
            .feeds
            .values()
            .filter_map(|progress| progress.silent_since)
            .max();
        if let Some(start) = last_heard.filter(|&start| start < minute) {
            // Nobody was heard: how long the silence of an archive lasted is known by now.
            let deaf = deaf_share(&self.feeds, |_, progress, since| {
                !progress.live && progress.listening.is_gap(minute.0.saturating_sub(since.0))
            });
            if deaf > DEAF_SHARE_MAX {
                add_gap(coverage, start..minute, &mut tick.gaps);
            }
        }
        let deaf = deaf_share(&self.feeds, |feed, progress, since| {
            if progress.live {
                progress.newest <= Some(minute)
            } else {
                !heard.contains_key(feed)
                    && progress
                        .listening
                        .is_gap((minute.0 + 1).saturating_sub(since.0))
            }
        });
        if deaf > DEAF_SHARE_MAX {
            add_gap(coverage, minute..minute.next(), &mut tick.gaps);
        }
        for (feed, &posts) in heard {
            let progress = self.feeds.entry(*feed).or_default();
            let silence = progress
                .silent_since
                .map_or(0, |since| minute.0.saturating_sub(since.0));
            if progress.live || !progress.listening.is_gap(silence) {
                progress.listening.hear_silence(silence);
            }
            progress.listening.hear(posts);
            progress.silent_since = Some(minute.next());
        }
    }

    /// Hands a settled minute to the detectors.
    fn judge(&mut self, minute: Minute, tallies: &[Tally], tick: &mut Tick) {
        let Some(coverage) = &self.coverage else {
            return;
        };
        let mut changed: BTreeMap<HashtagId, Spike> = BTreeMap::new();
        let (settings, spikes) = (&self.settings, &mut self.spikes);
        let mut follow = |hashtag: HashtagId, reading: &Reading| {
            let open = spikes.get_mut(&hashtag);
            if let Some(spike) = Spike::opened(hashtag, reading, settings.spike_threshold) {
                changed.insert(hashtag, spike.clone());
                spikes.insert(hashtag, spike);
            } else if let Some(spike) = open
                && spike.follow(reading)
            {
                changed.insert(hashtag, spike.clone());
                if spike.end.is_some() {
                    spikes.remove(&hashtag);
                }
            }
        };
        let is_covered = coverage.covers(minute.0);
        for tally in tallies.iter().filter(|_| is_covered) {
            let hashtag = tally.hashtag;
            let slot = self.tracks.entry(hashtag).or_default();
            slot.dirty = true;
            slot.track
                .observe(minute, tally.fresh, coverage, settings, &mut |reading| {
                    follow(hashtag, &reading);
                });
            if !slot.awake && !slot.track.is_idle() {
                slot.awake = true;
                self.awake.push(hashtag);
            }
        }
        self.awake.retain(|&hashtag| {
            let slot = self
                .tracks
                .get_mut(&hashtag)
                .expect("an awake hashtag is in memory");
            slot.dirty = true;
            slot.track
                .catch_up(minute.next(), coverage, settings, &mut |reading| {
                    follow(hashtag, &reading);
                });
            slot.awake = !slot.track.is_idle();
            slot.awake
        });
        self.tallies_since_checkpoint += tallies.len();
        tick.spikes.extend(changed.into_values());
    }

    fn untold_segments(&mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        for (&minute, open) in &mut self.open {
            let (posts, mentions) = open.told;
            if posts < open.posts.len() || mentions < open.mentions.len() {
                segments.push(Segment {
                    minute,
                    posts: open.posts[posts..].to_vec(),
                    mentions: open.mentions[mentions..].to_vec(),
                    heard: open
                        .heard
                        .iter()
                        .map(|(&feed, &posts)| (feed, posts))
                        .collect(),
                });
                open.told = (open.posts.len(), open.mentions.len());
            }
        }
        segments
    }

    /// The first minute whose mentions a restart needs, for the authors of the trailing hour.
    pub fn last_hour_start(settled_until: Minute) -> Minute {
        settled_until.minus(MEMORY_MINUTES)
    }
}

/// From this share of the posts a minute on, counted by the feeds' recent rates, a minute is a gap when the feeds
/// that carry them are deaf: what is left would be judged against a baseline of twice its size.
const DEAF_SHARE_MAX: f64 = 0.5;

/// The share of posts that the feeds carry for which `is_deaf` holds; a feed that has ended, or was never heard, is
/// left out.
fn deaf_share(
    feeds: &BTreeMap<FeedId, Progress>,
    is_deaf: impl Fn(&FeedId, &Progress, Minute) -> bool,
) -> f64 {
    let (mut deaf, mut all) = (0.0, 0.0);
    for (feed, progress) in feeds {
        let Some(since) = progress.silent_since.filter(|_| progress.running) else {
            continue;
        };
        let rate = progress.listening.posts_per_minute();
        all += rate;
        if is_deaf(feed, progress, since) {
            deaf += rate;
        }
    }
    if all > 0.0 { deaf / all } else { 0.0 }
}

fn add_gap(coverage: &mut Coverage, gap: Range<Minute>, gaps: &mut Vec<Range<Minute>>) {
    coverage.add_gap(gap.start.0..gap.end.0);
    gaps.push(gap);
}
