//! Spikes with what is known of them: service, uses, authors, why.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::HashSet;

use crate::lexicon::Lexicon;
use crate::official::Official;
use crate::post::{AuthorId, Identity, PostId};
use crate::store::{Error, Ledger, Name};
use crate::time::Minute;
use crate::trend::detector;
use crate::trend::mention::{HashtagId, Mention, each_post};
use crate::trend::spike::Spike;

const HOUR_MINUTES: u32 = 60;
/// From so many posts an author on, a spike is what few say often.
const POSTS_PER_AUTHOR_SUSPICIOUS: f64 = 4.0;
/// From this share of posts by automated accounts on, a spike is a machine's.
const BOT_SHARE_SUSPICIOUS: f64 = 0.8;

/// A page may be ahead of its users, though it seldom is.
const OFFICIAL_BEFORE_MINUTES: u32 = 60;

/// How a hashtag stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As expected.
    Normal,
    /// No baseline yet, or nobody was listening.
    Unknown,
    /// More than expected, not yet beyond chance.
    Rising,
    /// Uses beyond what is expected, but by few authors or by machines.
    Suspicious,
    /// Beyond the threshold and beyond chance.
    Spike,
}

impl State {
    /// As it stands in JSON, CSV and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Unknown => "unknown",
            Self::Rising => "rising",
            Self::Suspicious => "suspicious",
            Self::Spike => "spike",
        }
    }
}

impl From<detector::State> for State {
    fn from(state: detector::State) -> Self {
        match state {
            detector::State::Unknown => Self::Unknown,
            detector::State::Normal => Self::Normal,
            detector::State::Rising => Self::Rising,
            detector::State::Spike => Self::Spike,
        }
    }
}

/// A spike as it is shown.
#[derive(Debug, Clone)]
pub struct SpikeView {
    /// Stable over restarts.
    pub id: String,
    /// As it was told.
    pub spike: Spike,
    /// Of which hashtag.
    pub name: Name,
    /// The service its hashtag names, if it is an outage hashtag.
    pub service: Option<String>,
    /// Distinct posts from the onset to the end.
    pub uses: u64,
    /// Distinct authors; a sum of minutes where the mentions are sealed, none where the feed names none.
    pub authors: Option<u64>,
    /// The minute with most uses, and how many.
    pub peak: (Minute, u64),
    /// `spike` or `suspicious`.
    pub state: State,
    /// Why it was flagged, in one sentence.
    pub why: String,
}

/// The spikes flagged, or not over, at or after `since`, oldest first.
pub fn spikes(
    ledger: &impl Ledger,
    lexicon: &Lexicon,
    since: Minute,
) -> Result<Vec<SpikeView>, Error> {
    spikes_that(ledger, lexicon, since, &|_, _| true)
}

/// Those of them that `keep` keeps, by spike and service. Only what is kept is counted: the mentions of a long history
/// are many.
pub fn spikes_that(
    ledger: &impl Ledger,
    lexicon: &Lexicon,
    since: Minute,
    keep: &dyn Fn(&Spike, Option<&str>) -> bool,
) -> Result<Vec<SpikeView>, Error> {
    views(ledger, lexicon, since, &|spike, name| {
        let outage = lexicon.outage(&name.key);
        keep(spike, outage.map(|outage| outage.service))
    })
}

/// The spike with this id.
pub fn find(
    ledger: &impl Ledger,
    lexicon: &Lexicon,
    wanted: &str,
) -> Result<Option<SpikeView>, Error> {
    let is_wanted = |spike: &Spike, name: &Name| id(&name.key, spike.flagged) == wanted;
    Ok(views(ledger, lexicon, Minute(0), &is_wanted)?.pop())
}

fn views(
    ledger: &impl Ledger,
    lexicon: &Lexicon,
    since: Minute,
    keep: &dyn Fn(&Spike, &Name) -> bool,
) -> Result<Vec<SpikeView>, Error> {
    let mut spikes = ledger.spikes(since)?;
    let hashtags: BTreeSet<HashtagId> = spikes.iter().map(|spike| spike.hashtag).collect();
    let names = ledger.names(&hashtags)?;
    spikes.retain(|spike| keep(spike, &names[&spike.hashtag]));
    let counts = counts(ledger, &spikes)?;
    Ok(spikes
        .into_iter()
        .zip(counts)
        .map(|(spike, counts)| view(spike, &counts, &names, lexicon))
        .collect())
}

/// Posts and authors of one spike.
#[derive(Debug, Default)]
struct Counts {
    by_minute: BTreeMap<Minute, u64>,
    /// Of forgotten hours that the spike touched: as whole hours, since nothing finer is known.
    uses_of_hours: u64,
    authors: HashSet<AuthorId>,
    authors_summed: u64,
    bots: u64,
    mentions: u64,
}

fn view(
    spike: Spike,
    counts: &Counts,
    names: &BTreeMap<HashtagId, Name>,
    lexicon: &Lexicon,
) -> SpikeView {
    let name = names[&spike.hashtag].clone();
    let uses = counts.by_minute.values().sum::<u64>() + counts.uses_of_hours;
    let authors = counts.authors.len() as u64 + counts.authors_summed;
    let peak = counts
        .by_minute
        .iter()
        .max_by_key(|&(minute, uses)| (uses, std::cmp::Reverse(minute)))
        .map_or(
            (spike.peak.unwrap_or(spike.flagged), 0),
            |(&minute, &uses)| (minute, uses),
        );
    let authors = (authors > 0).then_some(authors);
    let suspicion = suspicion(uses, authors, counts.bots, counts.mentions);
    SpikeView {
        id: id(&name.key, spike.flagged),
        service: lexicon
            .outage(&name.key)
            .map(|outage| outage.service.to_owned()),
        state: if suspicion.is_some() {
            State::Suspicious
        } else {
            State::Spike
        },
        why: why(&spike) + suspicion.as_deref().unwrap_or_default(),
        spike,
        name,
        uses,
        authors,
        peak,
    }
}

/// The same for the same hashtag flagged in the same minute, in every database.
pub fn id(key: &str, flagged: Minute) -> String {
    let PostId(hash) = Identity::new([0; 16]).post(&format!("spike {} {key}", flagged.0));
    format!("{:012x}", hash >> 16)
}

/// Why uses may be no report of many people, if so: a sentence to go on with.
pub fn suspicion(uses: u64, authors: Option<u64>, bots: u64, mentions: u64) -> Option<String> {
    let posts_per_author = authors.map_or(0.0, |authors| uses as f64 / authors as f64);
    let bot_share = bots as f64 / mentions.max(1) as f64;
    if posts_per_author >= POSTS_PER_AUTHOR_SUSPICIOUS {
        Some(format!(
            "; suspicious: {posts_per_author:.1} posts an author"
        ))
    } else if bot_share >= BOT_SHARE_SUSPICIOUS {
        Some(format!(
            "; suspicious: {:.0} % of the posts are automated",
            bot_share * 100.0
        ))
    } else {
        None
    }
}

fn why(spike: &Spike) -> String {
    let alarm = &spike.alarm;
    format!(
        "{} fresh authors in {} min where {:.1} were expected: growth {:.1} over the threshold {}, score {:.1}",
        alarm.observed,
        alarm.window_minutes,
        alarm.expected,
        alarm.growth,
        spike.threshold,
        alarm.score,
    )
}

/// What the status pages of a spike's service said from an hour before its onset until its end, oldest first.
pub fn officials(ledger: &impl Ledger, view: &SpikeView) -> Result<Vec<Official>, Error> {
    let Some(service) = &view.service else {
        return Ok(Vec::new());
    };
    let start = view.spike.onset().minus(OFFICIAL_BEFORE_MINUTES);
    ledger.officials(service, start..view.spike.end.unwrap_or(Minute(u32::MAX)))
}

fn span(spike: &Spike, watermark: Minute) -> Range<Minute> {
    spike.onset()..spike.end.unwrap_or(watermark)
}

fn counts(ledger: &impl Ledger, spikes: &[Spike]) -> Result<Vec<Counts>, Error> {
    let watermark = ledger.watermark()?.unwrap_or(Minute(0));
    let mut counts: Vec<Counts> = spikes.iter().map(|_| Counts::default()).collect();
    let spans: Vec<Range<Minute>> = spikes.iter().map(|spike| span(spike, watermark)).collect();
    let (Some(start), Some(end)) = (
        spans.iter().map(|span| span.start).min(),
        spans.iter().map(|span| span.end).max(),
    ) else {
        return Ok(counts);
    };
    let hashtags: BTreeSet<HashtagId> = spikes.iter().map(|spike| spike.hashtag).collect();
    let mut of_hashtag: BTreeMap<HashtagId, Vec<usize>> = BTreeMap::new();
    for (at, spike) in spikes.iter().enumerate() {
        of_hashtag.entry(spike.hashtag).or_default().push(at);
    }
    let concerned = |hashtag: HashtagId, time: &Range<Minute>| {
        let own = of_hashtag.get(&hashtag).map_or(&[][..], Vec::as_slice);
        let touched = |&at: &usize| spans[at].start < time.end && time.start < spans[at].end;
        own.iter().copied().filter(touched).collect::<Vec<_>>()
    };
    for (hashtag, hours) in ledger.hours(&hashtags, start..end)? {
        for (hour, tally) in hours {
            let hour = hour..Minute(hour.0 + HOUR_MINUTES);
            for at in concerned(hashtag, &hour) {
                counts[at].uses_of_hours += u64::from(tally.uses);
                counts[at].authors_summed += u64::from(tally.authors.unwrap_or(0));
            }
        }
    }
    let sealed_until = ledger
        .mentions_since()?
        .unwrap_or(Minute(0))
        .clamp(start, end);
    for (hashtag, tallies) in ledger.series(&hashtags, start..sealed_until)? {
        for (minute, tally) in tallies {
            for at in concerned(hashtag, &(minute..minute.next())) {
                *counts[at].by_minute.entry(minute).or_default() += u64::from(tally.uses);
                counts[at].authors_summed += u64::from(tally.authors.unwrap_or(0));
            }
        }
    }
    let keep = |mention: &Mention| hashtags.contains(&mention.hashtag);
    ledger.mentions(sealed_until..end, &keep, &mut |minute, mentions| {
        for mention in each_post(&mentions) {
            for at in concerned(mention.hashtag, &(minute..minute.next())) {
                *counts[at].by_minute.entry(minute).or_default() += 1;
                counts[at].authors.extend(mention.author);
                counts[at].bots += u64::from(mention.bot);
                counts[at].mentions += 1;
            }
        }
    })?;
    Ok(counts)
}
