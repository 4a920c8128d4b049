//! What a run shows while it goes on, on standard error.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::super::Global;
use super::asked::Running;
use crate::clock;
use crate::feed::archive::Meter;
use crate::feed::contract::{Dropped, Standing};
use crate::pipeline::{Summary, Watcher};
use crate::trend::mention::FeedId;
use crate::view::table::{grouped, plain};

/// How often a live run says how it goes.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// The progress bar of archives, or the line of a live run; and the dropped lines under `-v`.
pub(super) struct Screen<'a> {
    bar: ProgressBar,
    meters: Vec<Meter>,
    names: BTreeMap<FeedId, String>,
    is_live: bool,
    standings: BTreeMap<FeedId, Standing>,
    /// Some feed was heard.
    has_reached: bool,
    last_told: Instant,
    counted_then: u64,
    global: &'a Global,
}

impl<'a> Screen<'a> {
    pub(super) fn new(feeds: &[Running], global: &'a Global) -> Self {
        let meters: Vec<Meter> = feeds.iter().filter_map(|feed| feed.meter.clone()).collect();
        let is_live = meters.len() < feeds.len();
        let total = meters.iter().map(|meter| meter.bytes_total).sum();
        let bar = match (global.quiet || global.json, is_live) {
            (true, _) => ProgressBar::hidden(),
            (false, true) => ProgressBar::new_spinner(),
            (false, false) => ProgressBar::new(total),
        };
        let template = if is_live {
            "{spinner} {wide_msg}"
        } else {
            "{bar:24} {percent:>3} %  {msg}  {elapsed}, {eta} left"
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is ours"));
        Self {
            bar,
            has_reached: !meters.is_empty(),
            meters,
            names: feeds
                .iter()
                .map(|feed| (feed.id, plain(&feed.shown)))
                .collect(),
            is_live,
            standings: BTreeMap::new(),
            last_told: clock::start(),
            counted_then: 0,
            global,
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Why no feed was heard at all, if none was.
    pub(super) fn unreached(&self) -> Option<String> {
        let reasons = self.standings.iter().filter_map(|(feed, standing)| {
            let (Standing::Waiting { why, .. } | Standing::Refused { why }) = standing else {
                return None;
            };
            Some(format!("{}: {}", self.names[feed], plain(why)))
        });
        let reasons: Vec<String> = reasons.collect();
        (!self.has_reached && !reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// How a live run goes, in one line.
    fn line(&self, summary: &Summary, counted: u64, seconds: f64) -> String {
        let rate = (counted - self.counted_then) as f64 / seconds.max(0.001);
        let now = clock::now();
        // One that is refused or waits hears nothing, and says so itself.
        let is_well = |feed: &FeedId| {
            let standing = self.standings.get(feed);
            standing.is_some_and(|standing| standing.problem().is_none())
        };
        let well = summary.feeds.iter().filter(|(feed, _)| is_well(feed));
        let heard = well.filter_map(|(_, feed)| feed.heard_until);
        let lag = heard.min().map_or_else(
            || "nothing heard yet".to_owned(),
            |until| {
                let seconds = (now.as_millis() - until.as_millis()).max(0) / 1_000;
                format!("{} s behind", grouped(seconds.unsigned_abs()))
            },
        );
        let standings: Vec<String> = self
            .standings
            .iter()
            .map(|(feed, standing)| {
                let words = standing.to_string();
                // Why was told when it changed.
                let short = words.split(" because ").next().unwrap_or_default();
                format!("{} {}", self.names[feed], plain(short))
            })
            .collect();
        format!(
            "{} posts, {rate:.1} a second, {lag}, {} hashtags, {} spikes; {}",
            grouped(counted),
            grouped(summary.hashtags()),
            grouped(summary.spikes_opened()),
            standings.join(", ")
        )
    }
}

impl Watcher for Screen<'_> {
    fn dropped(&mut self, feed: FeedId, dropped: &Dropped) {
        if self.global.verbose {
            let Dropped { line, reject } = dropped;
            self.bar.suspend(|| {
                self.global.say(&format!(
                    "{}, line {line}: dropped, {} ({})",
                    self.names[&feed],
                    reject.about(),
                    reject.name()
                ));
            });
        }
    }

    fn stands(&mut self, feed: FeedId, standing: &Standing) {
        self.has_reached |= matches!(standing, Standing::Live | Standing::CatchingUp);
        let line = format!("{}: {}.", self.names[&feed], plain(&standing.to_string()));
        self.bar.suspend(|| self.global.say(&line));
        self.standings.insert(feed, standing.clone());
    }

    fn committed(&mut self, summary: &Summary) {
        let counted = summary.feeds.values().map(|feed| feed.counted).sum();
        if !self.is_live {
            self.bar
                .set_position(self.meters.iter().map(Meter::bytes_read).sum());
            self.bar.set_message(format!("{} posts", grouped(counted)));
            return;
        }
        let since = self.last_told.elapsed();
        let line = self.line(summary, counted, since.as_secs_f64());
        if since >= TELL_EVERY {
            self.bar.suspend(|| self.global.say(&line));
            self.last_told = clock::start();
            self.counted_then = counted;
        }
        self.bar.set_message(line);
        self.bar.tick();
    }
}
