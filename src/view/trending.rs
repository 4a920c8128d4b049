//! What is trending at a moment: the hashtags of a window, each with what was expected of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::{HashMap, HashSet};

use super::filter::Filter;
use super::replay::Replay;
use super::spikes::{State, id, suspicion};
use crate::lexicon::{self, Lexicon};
use crate::post::AuthorId;
use crate::store::{Error, Ledger, Name};
use crate::time::Minute;
use crate::trend::detector::Reading;
use crate::trend::mention::{HashtagId, Mention, SourceId, each_post};
use crate::trend::settings::Settings;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// The minutes looked at.
    pub window: Range<Minute>,
    /// Hashtags that name no service too.
    pub all: bool,
    /// Only hashtags written in this script (ISO 15924, as in `Beng`).
    pub script: Option<String>,
    /// Only these posts.
    pub filter: Filter,
    /// What is a spike.
    pub settings: Settings,
}

/// A hashtag in a window.
#[derive(Debug, Clone)]
pub struct Row {
    /// What people see, and what is counted.
    pub name: Name,
    /// The service it names.
    pub service: Option<String>,
    /// Whether it says that the service is down.
    pub outage: bool,
    /// Distinct posts.
    pub uses: u64,
    /// Distinct authors; none where the feed names none.
    pub authors: Option<u64>,
    /// Fresh authors foreseen in the window.
    pub expected: Option<f64>,
    /// Fresh authors observed against foreseen, one added to both.
    pub growth: Option<f64>,
    /// How far beyond chance, in the last minute.
    pub score: f64,
    /// How it stands.
    pub state: State,
    /// Why it is suspicious, if it is.
    pub suspicion: Option<String>,
    /// Since when, where it spikes.
    pub onset: Option<Minute>,
    /// The spike it is in.
    pub spike: Option<String>,
    /// Posts by source.
    pub sources: BTreeMap<String, u64>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Trending {
    /// The share of the window in which somebody was listening.
    pub coverage: f64,
    /// The hashtags that are not as usual, the most unusual first.
    pub rows: Vec<Row>,
}

/// What is trending in a window; none in an empty ledger.
pub fn trending(
    ledger: &impl Ledger,
    lexicon: &Lexicon,
    query: &Query,
) -> Result<Option<Trending>, Error> {
    let mut counts = counts(ledger, query)?;
    let in_spike: BTreeMap<HashtagId, Minute> = open_spikes(ledger, query.window.end)?;
    let least = u64::from(query.settings.posts_min);
    counts.retain(|hashtag, counted| counted.uses >= least || in_spike.contains_key(hashtag));
    for &hashtag in in_spike.keys() {
        counts.entry(hashtag).or_default();
    }
    let names = ledger.names(&counts.keys().copied().collect())?;
    counts.retain(|hashtag, _| is_wanted(&names[hashtag], lexicon, query));
    let hashtags: BTreeSet<HashtagId> = counts.keys().copied().collect();
    let Some(replay) = Replay::of(
        ledger,
        &hashtags,
        query.window.clone(),
        &query.settings,
        &query.filter,
    )?
    else {
        return Ok(None);
    };
    let sources = ledger.source_names()?;
    let mut rows: Vec<Row> = counts
        .into_iter()
        .map(|(hashtag, counted)| {
            let name = names[&hashtag].clone();
            let flagged = in_spike.get(&hashtag).copied();
            let mut row = row(name, lexicon, &counted, &sources);
            judge(&mut row, &counted, hashtag, &replay, query);
            row.spike = flagged
                .filter(|_| row.state == State::Spike)
                .map(|at| id(&row.name.key, at));
            row
        })
        .filter(|row| row.state != State::Normal)
        .collect();
    rows.sort_by(|a, b| {
        (b.state, b.score)
            .partial_cmp(&(a.state, a.score))
            .expect("scores are numbers")
            .then_with(|| a.name.key.cmp(&b.name.key))
    });
    let minutes = query.window.end.0 - query.window.start.0;
    // What lies beyond the watermark was heard by nobody yet.
    let heard_until = ledger.watermark()?.unwrap_or(query.window.start);
    let heard = query.window.start.0
        ..query
            .window
            .end
            .0
            .min(heard_until.0)
            .max(query.window.start.0);
    let covered = replay.coverage.covered_in(heard);
    Ok(Some(Trending {
        coverage: f64::from(covered) / f64::from(minutes.max(1)),
        rows,
    }))
}

#[derive(Debug, Default)]
struct Counted {
    uses: u64,
    authors: Option<u64>,
    bots: u64,
    sources: BTreeMap<SourceId, u64>,
}

fn counts(ledger: &impl Ledger, query: &Query) -> Result<BTreeMap<HashtagId, Counted>, Error> {
    let mut counts: BTreeMap<HashtagId, Counted> = BTreeMap::new();
    let mut authors: HashMap<HashtagId, HashSet<AuthorId>> = HashMap::new();
    let keep = |mention: &Mention| query.filter.keeps(mention);
    ledger.mentions(query.window.clone(), &keep, &mut |_, mentions| {
        for mention in &mentions {
            let counted = counts.entry(mention.hashtag).or_default();
            *counted.sources.entry(mention.source).or_default() += 1;
        }
        for mention in each_post(&mentions) {
            let counted = counts.entry(mention.hashtag).or_default();
            counted.uses += 1;
            counted.bots += u64::from(mention.bot);
            authors
                .entry(mention.hashtag)
                .or_default()
                .extend(mention.author);
        }
    })?;
    for (hashtag, authors) in authors {
        let authors = (!authors.is_empty()).then_some(authors.len() as u64);
        counts.entry(hashtag).or_default().authors = authors;
    }
    if query.filter.is_empty() {
        // Where minutes are sealed the ledger knows more than their mentions say.
        for busy in ledger.busiest(query.window.clone(), 1)? {
            let counted = counts.entry(busy.hashtag).or_default();
            (counted.uses, counted.authors) = (busy.uses, busy.authors);
        }
    }
    Ok(counts)
}

/// Hashtags in a spike in the minute before `at`, with the minute it was flagged in.
fn open_spikes(ledger: &impl Ledger, at: Minute) -> Result<BTreeMap<HashtagId, Minute>, Error> {
    let open = ledger
        .spikes(at.minus(1))?
        .into_iter()
        .filter(|spike| spike.flagged < at && spike.end.is_none_or(|end| end >= at));
    Ok(open.map(|spike| (spike.hashtag, spike.flagged)).collect())
}

fn is_wanted(name: &Name, lexicon: &Lexicon, query: &Query) -> bool {
    let is_in_script = |script: &String| lexicon::script(&name.key).eq_ignore_ascii_case(script);
    (query.all || lexicon.outage(&name.key).is_some())
        && query.script.as_ref().is_none_or(is_in_script)
}

fn row(
    name: Name,
    lexicon: &Lexicon,
    counted: &Counted,
    sources: &BTreeMap<SourceId, String>,
) -> Row {
    Row {
        service: lexicon.service(&name.key).map(str::to_owned),
        outage: lexicon.outage(&name.key).is_some(),
        name,
        uses: counted.uses,
        authors: counted.authors,
        expected: None,
        growth: None,
        score: 0.0,
        state: State::Unknown,
        suspicion: None,
        onset: None,
        spike: None,
        sources: counted
            .sources
            .iter()
            .map(|(id, &uses)| (sources[id].clone(), uses))
            .collect(),
    }
}

/// Fills in what the detector says.
fn judge(row: &mut Row, counted: &Counted, hashtag: HashtagId, replay: &Replay, query: &Query) {
    let readings: Vec<Reading> = replay.readings(hashtag, query.window.clone()).collect();
    let Some(last) = readings.last() else {
        return;
    };
    let observed: u64 = readings
        .iter()
        .map(|reading| u64::from(reading.observed))
        .sum();
    let expected: f64 = readings.iter().map(|reading| reading.expected).sum();
    let growth = growth(observed, expected);
    row.score = last.score;
    row.onset = last.onset.map(Minute);
    row.state = last.state.into();
    if row.state == State::Unknown {
        return;
    }
    row.expected = Some(expected);
    row.growth = Some(growth);
    let is_loud = counted.uses as f64 >= query.settings.spike_threshold * (expected + 1.0)
        && counted.uses >= u64::from(query.settings.posts_min);
    if row.state >= State::Rising || is_loud {
        row.suspicion = suspicion(row.uses, row.authors, counted.bots, counted.uses);
        if row.suspicion.is_some() {
            row.state = State::Suspicious;
        }
    }
}

/// Observed against expected: `(X + 1) / (E + 1)`, so that the first uses of a new hashtag are no infinite growth
/// (`detection.md` section 4.2).
pub fn growth(observed: u64, expected: f64) -> f64 {
    (observed as f64 + 1.0) / (expected + 1.0)
}
