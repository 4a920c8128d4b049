//! The feeds that a run was asked for: opened before anything is written, then started where they were left.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;

use super::super::Error;
use super::Args;
use crate::config::{Config, FeedTable, nearest};
use crate::feed::archive::Meter;
use crate::feed::contract::{Feed, Outlet};
use crate::feed::file::{Context, OpenFile};
use crate::feed::inlet::Inlet;
use crate::feed::{self, LiveFeed, Open};
use crate::store::Ledger;
use crate::store::sqlite::Sqlite;
use crate::time::Minute;
use crate::trend::mention::FeedId;
use crate::trend::tracker::Tracker;

/// What is listened to when nobody names a feed.
const DEFAULT_KIND: &str = "bluesky";

/// A feed that was asked for.
pub(in crate::command) enum Asked {
    File(OpenFile),
    Live(&'static str, LiveFeed),
}

/// A feed being read, with what is known of it.
pub(super) struct Running {
    pub(super) id: FeedId,
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// As people know it.
    pub(super) shown: String,
    /// How much of a file has been read.
    pub(super) meter: Option<Meter>,
    /// It was read before and goes on where it was left.
    pub(super) is_resumed: bool,
}

/// What a feed needs to be started.
pub(super) struct Starter<'a> {
    pub(super) context: &'a Context,
    pub(super) ledger: &'a mut Sqlite,
    pub(super) tracker: &'a mut Tracker,
    pub(super) inlet: &'a mut Inlet,
}

/// Opens the feeds of the command line, or else those of the configuration, or else the default one.
pub(super) fn open_all(args: &Args, config: &Config) -> Result<Vec<Asked>, Error> {
    let asked: Vec<Asked> = if !args.feeds.is_empty() {
        let feeds = args.feeds.iter();
        feeds
            .map(|feed| open_one(feed, args.sort))
            .collect::<Result<_, _>>()?
    } else if !config.feeds.is_empty() {
        open_configured(config)?
    } else {
        vec![open_live(DEFAULT_KIND, "")?]
    };
    refuse_repeats(&asked)?;
    Ok(asked)
}

/// Opens every feed of the configuration.
pub(in crate::command) fn open_configured(config: &Config) -> Result<Vec<Asked>, Error> {
    config.feeds.iter().map(open_table).collect()
}

/// The same feed twice would be counted once and called late for the rest.
fn refuse_repeats(asked: &[Asked]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for feed in asked {
        let name = match feed {
            Asked::File(file) => file.name(),
            Asked::Live(_, feed) => feed.name.clone(),
        };
        if !names.insert(name.clone()) {
            return Err(Error::Usage(format!(
                "read {name} twice in one run: name it once"
            )));
        }
    }
    Ok(())
}

fn open_one(feed: &str, sort: bool) -> Result<Asked, Error> {
    if let Some((kind, url)) = kind_and_url(feed)
        && kind != feed::file::KIND.name
    {
        return open_live(kind, url);
    }
    let path = feed.strip_prefix("file:").unwrap_or(feed);
    Ok(Asked::File(OpenFile::open(Path::new(path), sort)?))
}

/// `KIND:URL`; a file of that name is a file.
fn kind_and_url(feed: &str) -> Option<(&str, &str)> {
    let (kind, url) = feed.split_once(':')?;
    let is_kind = kind.len() > 1 && kind.bytes().all(|byte| byte.is_ascii_lowercase());
    (is_kind && !Path::new(feed).exists()).then_some((kind, url))
}

fn open_table(table: &FeedTable) -> Result<Asked, Error> {
    let (kind, open) =
        live_kind(&table.kind, |kind| kind.open.is_some()).map_err(|why| table.wrong_kind(why))?;
    let feed = open(feed::Asked::Table(table.options.clone()));
    Ok(Asked::Live(kind, feed.map_err(|why| table.wrong(&why))?))
}

fn open_live(name: &str, url: &str) -> Result<Asked, Error> {
    let known = live_kind(name, |_| true);
    let (kind, open) = known.map_err(|why| Error::Usage(format!("read a feed: {why}")))?;
    let feed = open(feed::Asked::Url(url.to_owned()));
    let feed = feed.map_err(|why| Error::Usage(format!("read a feed of kind {kind}: {why}")))?;
    Ok(Asked::Live(kind, feed))
}

/// The live kind of that name, or a sentence that tells those that it might have been.
fn live_kind(
    name: &str,
    may_be: impl Fn(&feed::Kind) -> bool,
) -> Result<(&'static str, Open), String> {
    if let Some(kind) = feed::kind(name)
        && let Some(open) = kind.open
    {
        return Ok((kind.name, open));
    }
    let names: Vec<&str> = feed::KINDS
        .iter()
        .filter(|kind| may_be(kind))
        .map(|kind| kind.name)
        .collect();
    let hint = nearest(name, names.iter().copied())
        .map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
    let names = names.join(", ");
    Err(format!("there is no kind {name:?}, only {names}{hint}"))
}

impl Starter<'_> {
    /// Starts every feed. Beside live feeds a stream, as of standard input, is one of them: nobody waits for it.
    pub(super) fn start_all(
        &mut self,
        asked: Vec<Asked>,
        sort: bool,
    ) -> Result<Vec<Running>, Error> {
        let beside_live = asked.iter().any(|feed| matches!(feed, Asked::Live(..)));
        let start = |asked| match asked {
            Asked::File(file) if beside_live && file.is_stream() => self.start_stream(file),
            Asked::File(file) => self.start_file(file, sort),
            Asked::Live(kind, feed) => self.start_live(kind, feed),
        };
        asked.into_iter().map(start).collect()
    }

    fn start_file(&mut self, mut file: OpenFile, sort: bool) -> Result<Running, Error> {
        let name = file.name();
        let mut rows = self.ledger.feeds()?.into_iter();
        let known = rows.find(|row| row.name == name);
        let cursor = known.as_ref().and_then(|row| row.cursor.clone());
        match (&cursor, self.ledger.settled_until()?) {
            (Some(cursor), _) => file.resume(cursor)?,
            (None, Some(settled_until)) if !file.is_stream() => {
                self.refuse_what_is_past(file.path(), sort, settled_until)?;
            }
            (None, _) => {}
        }
        let running = self.announce(&file, false)?;
        let newest = known.and_then(|row| row.newest);
        let feed = Box::new(file.feed(self.context.clone()));
        self.inlet.start(running.id, newest, feed);
        Ok(Running {
            is_resumed: cursor.is_some(),
            ..running
        })
    }

    fn start_stream(&mut self, file: OpenFile) -> Result<Running, Error> {
        let running = self.announce(&file, true)?;
        let feed = Box::new(file.live_feed(self.context.clone()));
        self.inlet.start_live(running.id, feed);
        Ok(running)
    }

    fn announce(&mut self, file: &OpenFile, is_live: bool) -> Result<Running, Error> {
        let (kind, name) = (feed::file::KIND.name, file.name());
        let id = self.ledger.feed(&name, kind)?;
        self.tracker.expect_feed(id, is_live);
        Ok(Running {
            id,
            kind,
            name,
            shown: file.path().display().to_string(),
            meter: (!is_live).then(|| file.meter().clone()),
            is_resumed: false,
        })
    }

    fn start_live(&mut self, kind: &'static str, feed: LiveFeed) -> Result<Running, Error> {
        let id = self.ledger.feed(&feed.name, kind)?;
        let cursor = self.ledger.cursor(id)?;
        self.tracker.expect_feed(id, true);
        let started = (feed.start)(self.context.clone(), cursor.as_ref());
        let ready = started.map_err(|why| Error::Usage(format!("read {}: {why}", feed.name)))?;
        self.inlet.start_live(id, ready);
        Ok(Running {
            id,
            kind,
            shown: feed.name.clone(),
            name: feed.name,
            meter: None,
            is_resumed: cursor.is_some(),
        })
    }

    /// A file of which no post can be counted any more is refused before it is read for nothing.
    fn refuse_what_is_past(
        &self,
        path: &Path,
        sort: bool,
        settled_until: Minute,
    ) -> Result<(), Error> {
        let feed = Box::new(OpenFile::open(path, sort)?.feed(self.context.clone()));
        let (outlet, batches) = Outlet::open();
        thread::spawn(move || feed.run(outlet));
        let mut posts = 0;
        for batch in batches {
            let mut minutes = batch.posts.iter().map(|post| post.at.minute());
            if minutes.any(|minute| minute >= settled_until) {
                return Ok(());
            }
            posts += batch.posts.len();
        }
        if posts == 0 {
            return Ok(());
        }
        Err(Error::Data(format!(
            "count {}: it lies wholly before {settled_until}, up to where this database has counted; use another --db",
            path.display()
        )))
    }
}
