//! A reconstruction of the WhatsApp outage of 25 October 2022: made-up posts with the shape of that day.
//!
//! [`generate`] gives the archive as NDJSON in the plain shape, and what is true of it as JSON. It takes nothing: no
//! clock, no file beyond the phrasebook compiled in, no chance beyond [`SEED`], so every run gives the same bytes on
//! every machine (whole numbers only: no platform rounds them its own way).
//!
//! Posts come in [`STREAMS`]: a kind of sentence, a curve of posts per minute, a rhythm and the hashtags it bears.
//! The curves follow what was published (`data/demo/README.md`); the rest of the world goes on around them: a feast, a
//! cyclone, a cricket match and an eclipse that all happened in those days, and a campaign that did not.
//!
//! `tests/it/demo.rs` recounts the truth from the posts without asking anything here.

mod crowd;
mod dice;
mod phrasebook;
mod truth;

use serde::Serialize;

use downtrend::time::{MINUTE_MS, Timestamp};

use self::crowd::{CROWDS, Crowd, Rhythm};
use self::dice::Dice;
use self::phrasebook::{EVERYWHERE, Phrasebook, Sentence, Spelling};
use self::truth::Truth;

/// Any number would do; this one is the day.
const SEED: u64 = 20_221_025;

/// 2022-10-23T00:00:00Z: two and a half days for a detector to learn what is usual.
const START_MS: i64 = 1_666_483_200_000;

/// Minutes from the start to 2022-10-25T12:00Z.
const SPAN_MIN: u32 = at(25, 12, 0);

/// 12:07 in India: the first reports.
const ONSET_MIN: u32 = at(25, 6, 37);

/// Reports fall steeply from here: two hours after the onset, between the times given for the first recoveries.
const RESTORED_MIN: u32 = at(25, 8, 35);

/// 13:00 in India, by when far more than a thousand people had reported.
const ONE_PM_IST_MIN: u32 = at(25, 7, 30);

/// The English hashtag comes first everywhere; people take some minutes to coin their own.
const LOCAL_HASHTAGS_AFTER_MIN: u32 = 8;

/// Chances for a post in a minute: enough that the count of a minute is close to Poisson at the rates used here.
const TICKS_A_MINUTE: u32 = 240;
const TICK_MS: u32 = 60_000 / TICKS_A_MINUTE;

/// Streams deliver out of order by up to this much.
const JITTER_MS: u64 = 30_000;

/// What does not work, in percent of the reports; 69 % is what was published, the rest a plausible split of it.
const CATEGORIES: [(&str, u64); 8] = [
    ("messages", 69),
    ("connection", 13),
    ("app_crash", 6),
    ("login", 4),
    ("everything", 3),
    ("calls", 2),
    ("media", 2),
    ("payments", 1),
];

/// Where posts are seen, by the last digit of the author's number.
const SOURCES: [&str; 10] = [
    "demo:microblog",
    "demo:microblog",
    "demo:microblog",
    "demo:microblog",
    "demo:microblog",
    "demo:fediverse",
    "demo:fediverse",
    "demo:fediverse",
    "demo:relay",
    "demo:relay",
];

/// Authors of the campaign.
const CAMPAIGNERS: u64 = 6;

/// Authors for each share of a crowd: so many that a post about the outage is nearly always its author's first.
const AUTHORS_A_SHARE: u64 = 150;

/// Of the posts with a hashtag: how many use their language's own, and how many of those the common one besides.
const LOCAL_PERCENT: u64 = 55;
const BOTH_PERCENT: u64 = 30;

/// Everyday posts with a hashtag from the long tail, made of two common ones.
const COMPOUND_PERCENT: u64 = 15;

/// Posts that begin with their hashtag, and Japanese hashtags with the full-width sign.
const IN_FRONT_PERCENT: u64 = 12;
const WIDE_SIGN_PERCENT: u64 = 40;

/// Minutes from the start to a time (UTC) in October 2022.
const fn at(day: u32, hour: u32, minute: u32) -> u32 {
    ((day - 23) * 24 + hour) * 60 + minute
}

/// Posts of one kind.
struct Stream {
    /// Which sentences, as in the phrasebook.
    kind: &'static str,
    /// Who posts when.
    rhythm: Rhythm,
    /// (minute, thousandths of a post per minute), linear in between, nothing outside.
    curve: &'static [(u32, u64)],
    /// (topic, percent of the posts that bear one of its hashtags).
    hashtags: &'static [(&'static str, u64)],
}

/// All posts there are. A stream's place in this list chooses its dice, so new ones go to the end.
const STREAMS: &[Stream] = &[
    Stream {
        kind: "daily",
        rhythm: Rhythm::Waking,
        curve: &[(0, 7_600), (SPAN_MIN, 7_600)],
        hashtags: &[("daily", 40)],
    },
    Stream {
        kind: "morning",
        rhythm: Rhythm::Mornings,
        curve: &[(0, 1_700), (SPAN_MIN, 1_700)],
        hashtags: &[("morning", 90)],
    },
    Stream {
        kind: "chatter",
        rhythm: Rhythm::Waking,
        curve: &[(0, 800), (SPAN_MIN, 800)],
        hashtags: &[("service", 60)],
    },
    // A stray question now and then, long before anything is wrong.
    Stream {
        kind: "doubt",
        rhythm: Rhythm::Waking,
        curve: &[(0, 5), (at(25, 4, 0), 5)],
        hashtags: &[("doubt", 100)],
    },
    Stream {
        kind: "lockdown",
        rhythm: Rhythm::Waking,
        curve: &[(0, 350), (SPAN_MIN, 350)],
        hashtags: &[("lockdown", 85)],
    },
    Stream {
        kind: "football",
        rhythm: Rhythm::Evenings,
        curve: &[(0, 600), (SPAN_MIN, 600)],
        hashtags: &[("football", 65)],
    },
    // Diwali, 24 October, in the evening of India.
    Stream {
        kind: "diwali",
        rhythm: Rhythm::Waking,
        curve: &[
            (at(23, 2, 0), 300),
            (at(24, 2, 0), 1_000),
            (at(24, 11, 0), 2_500),
            (at(24, 14, 0), 6_000),
            (at(24, 17, 0), 3_500),
            (at(24, 22, 0), 1_000),
            (at(25, 4, 0), 500),
            (SPAN_MIN, 200),
        ],
        hashtags: &[("diwali", 90)],
    },
    // India against Pakistan at Melbourne, 23 October, decided by the last ball at about 11:50Z.
    Stream {
        kind: "cricket",
        rhythm: Rhythm::Waking,
        curve: &[
            (at(23, 7, 30), 300),
            (at(23, 8, 30), 2_500),
            (at(23, 11, 20), 4_000),
            (at(23, 11, 50), 12_000),
            (at(23, 12, 30), 5_000),
            (at(23, 16, 0), 600),
            (at(23, 22, 0), 0),
        ],
        hashtags: &[("cricket", 90)],
    },
    // Cyclone Sitrang, ashore in Bangladesh in the evening of 24 October.
    Stream {
        kind: "cyclone",
        rhythm: Rhythm::Waking,
        curve: &[
            (at(23, 12, 0), 100),
            (at(24, 6, 0), 500),
            (at(24, 14, 0), 1_500),
            (at(24, 20, 0), 700),
            (at(25, 6, 0), 150),
            (SPAN_MIN, 50),
        ],
        hashtags: &[("cyclone", 85)],
    },
    // The partial solar eclipse of 25 October: Europe from 09Z, India from 10:30Z.
    Stream {
        kind: "eclipse",
        rhythm: Rhythm::Waking,
        curve: &[
            (at(24, 12, 0), 50),
            (at(25, 8, 45), 100),
            (at(25, 9, 0), 1_800),
            (at(25, 11, 0), 5_000),
            (SPAN_MIN, 4_500),
        ],
        hashtags: &[("eclipse", 85)],
    },
    // Invented: few authors push one hashtag, which a count of posts takes for an outage.
    Stream {
        kind: "campaign",
        rhythm: Rhythm::Outage,
        curve: &[(at(24, 14, 0), 5_700), (at(24, 15, 10), 5_700)],
        hashtags: &[("campaign", 100)],
    },
    Stream {
        kind: "report",
        rhythm: Rhythm::Outage,
        curve: &[
            (ONSET_MIN, 1_500),
            (at(25, 6, 42), 6_000),
            (at(25, 6, 47), 14_000),
            (at(25, 6, 57), 34_000),
            (at(25, 7, 5), 46_000),
            (at(25, 7, 17), 40_000),
            (ONE_PM_IST_MIN, 34_000),
            (at(25, 7, 47), 30_000),
            (at(25, 8, 15), 31_000),
            (RESTORED_MIN, 29_000),
            (at(25, 8, 43), 12_000),
            (at(25, 8, 57), 5_500),
            (at(25, 9, 20), 2_500),
            (at(25, 10, 0), 1_200),
            (SPAN_MIN, 400),
        ],
        hashtags: &[("outage", 62), ("service", 30)],
    },
    Stream {
        kind: "meme",
        rhythm: Rhythm::Outage,
        curve: &[
            (at(25, 6, 50), 500),
            (at(25, 7, 10), 6_000),
            (at(25, 7, 40), 11_000),
            (at(25, 8, 20), 11_000),
            (at(25, 9, 0), 4_000),
            (at(25, 10, 0), 1_000),
            (SPAN_MIN, 300),
        ],
        hashtags: &[("outage", 68), ("service", 20)],
    },
    Stream {
        kind: "news",
        rhythm: Rhythm::Outage,
        curve: &[
            (at(25, 7, 0), 500),
            (at(25, 7, 30), 3_000),
            (at(25, 8, 30), 3_000),
            (at(25, 10, 0), 800),
            (SPAN_MIN, 500),
        ],
        hashtags: &[("outage", 35), ("service", 65)],
    },
    Stream {
        kind: "back",
        rhythm: Rhythm::Outage,
        curve: &[
            (at(25, 8, 18), 500),
            (RESTORED_MIN, 6_000),
            (at(25, 8, 45), 16_000),
            (at(25, 9, 0), 10_000),
            (at(25, 9, 30), 2_500),
            (at(25, 10, 30), 300),
            (at(25, 11, 30), 0),
        ],
        hashtags: &[("outage", 25), ("service", 55)],
    },
];

/// The archive and its truth.
pub(crate) struct Demo {
    /// The posts, one JSON object a line, in the order in which they arrive.
    pub(crate) ndjson: String,
    /// What is true of them, as JSON.
    pub(crate) truth: String,
}

/// A post, and what the truth needs to know of it.
struct Draft {
    at_ms: i64,
    arrival_ms: i64,
    language: &'static str,
    language_declared: bool,
    kind: &'static str,
    topic: &'static str,
    hashtags: Vec<&'static str>,
    author: Author,
    text: String,
}

/// Somebody made up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Author {
    name: &'static str,
    language: &'static str,
    number: u64,
    bot: bool,
}

impl Author {
    /// Where this author posts: everybody has one home.
    fn source(self) -> &'static str {
        let place = usize::try_from(self.number).expect("there are few authors") % SOURCES.len();
        SOURCES[place]
    }

    fn id(self) -> String {
        format!(
            "{}:{}-{}{}",
            self.source(),
            self.name,
            self.language,
            self.number
        )
    }
}

/// A line of the archive: the plain shape.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    ts: String,
    author: String,
    text: &'a str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bot: bool,
    url: String,
}

/// The demo, the same on every call.
pub(crate) fn generate() -> Demo {
    let phrasebook = Phrasebook::read();
    let mut drafts: Vec<Draft> = (0..)
        .zip(STREAMS)
        .flat_map(|(seat, stream)| run(stream, seat, &phrasebook))
        .collect();
    drafts.sort_by_key(|draft| (draft.arrival_ms, draft.author));

    let mut lines: Vec<String> = (1..)
        .zip(&drafts)
        .map(|(number, draft)| line(draft, number))
        .collect();
    let duplicates = redeliver(&mut lines);
    let truth = Truth::count(&drafts, duplicates);
    truth.check();
    let mut ndjson = lines.join("\n");
    ndjson.push('\n');
    let mut truth =
        serde_json::to_string_pretty(&truth).expect("strings and numbers always serialise");
    truth.push('\n');
    Demo { ndjson, truth }
}

/// Sends every 2,000th line a second time, forty lines later: streams do so after a reconnect. Gives how many.
fn redeliver(lines: &mut Vec<String>) -> usize {
    let again: Vec<usize> = (2_000..lines.len().saturating_sub(40))
        .step_by(2_000)
        .collect();
    for &place in again.iter().rev() {
        lines.insert(place + 40, lines[place].clone());
    }
    again.len()
}

fn line(draft: &Draft, number: u32) -> String {
    let line = Line {
        id: format!("demo:{number}"),
        ts: timestamp(draft.at_ms).to_string(),
        author: draft.author.id(),
        text: &draft.text,
        source: draft.author.source(),
        lang: draft.language_declared.then_some(draft.language),
        bot: draft.author.bot,
        url: format!("https://demo.invalid/{number}"),
    };
    serde_json::to_string(&line).expect("strings always serialise")
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("the demo lies in 2022")
}

/// The first instant of a minute of the demo.
fn start_of(minute: u32) -> i64 {
    START_MS + i64::from(minute) * MINUTE_MS
}

/// Every post of one stream.
fn run(stream: &Stream, seat: u64, phrasebook: &Phrasebook) -> Vec<Draft> {
    let mut writer = Writer {
        stream,
        phrasebook,
        dice: Dice::new(SEED, seat),
        written: [0; CATEGORIES.len()],
    };
    let concerned = crowds_of(
        phrasebook,
        stream.kind,
        if stream.kind == "report" {
            "messages"
        } else {
            ""
        },
    );
    let mut moods = Dice::new(SEED, 1_000 + seat);
    let mut mood = 1_000;
    let mut drafts = Vec::new();
    for minute in 0..SPAN_MIN {
        if minute % 5 == 0 {
            mood = 800 + moods.below(401); // people come in waves: counts vary more than chance alone
        }
        let rate = rate(stream, minute, &concerned) * mood / 1_000;
        for tick in 0..TICKS_A_MINUTE {
            let opens = stream.kind == "report" && minute == ONSET_MIN && tick == 0;
            if opens || writer.dice.below(1_000 * u64::from(TICKS_A_MINUTE)) < rate {
                drafts.push(writer.draft(minute, tick * TICK_MS, opens));
            }
        }
    }
    drafts
}

/// Thousandths of a post per minute: the curve, times how many of the people concerned are up.
fn rate(stream: &Stream, minute: u32, concerned: &[&Crowd]) -> u64 {
    let sum = |part: &dyn Fn(&Crowd) -> u64| concerned.iter().map(|crowd| part(crowd)).sum::<u64>();
    let awake = sum(&|crowd| crowd.weight(stream.rhythm, minute));
    let everybody = sum(&|crowd| crowd.share(stream.rhythm));
    level(stream.curve, minute) * awake / (1_000 * everybody)
}

/// The curve at a minute; nothing outside.
fn level(curve: &[(u32, u64)], minute: u32) -> u64 {
    curve
        .windows(2)
        .map(|ends| (ends[0], ends[1]))
        .find(|&((from, _), (to, _))| (from..to).contains(&minute))
        .map_or(0, |((from, low), (to, high))| {
            (low * u64::from(to - minute) + high * u64::from(minute - from)) / u64::from(to - from)
        })
}

/// The people who have something to say: whose language has such sentences.
fn crowds_of(
    phrasebook: &Phrasebook,
    kind: &'static str,
    topic: &'static str,
) -> Vec<&'static Crowd> {
    CROWDS
        .iter()
        .filter(|crowd| !phrasebook.sentences(crowd.language, kind, topic).is_empty())
        .collect()
}

/// `word` with its first letter raised, as compounds in hashtags are written.
fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// Writes the posts of one stream.
struct Writer<'a> {
    stream: &'a Stream,
    phrasebook: &'a Phrasebook,
    dice: Dice,
    /// Reports written so far, by category.
    written: [u64; CATEGORIES.len()],
}

impl<'a> Writer<'a> {
    fn draft(&mut self, minute: u32, past_ms: u32, opens: bool) -> Draft {
        let within = if opens {
            0
        } else {
            self.millis_below(u64::from(TICK_MS))
        };
        let at_ms = start_of(minute) + i64::from(past_ms) + within;
        let topic = self.topic();
        let sentence = self.sentence(minute, topic);
        let language = sentence.language;
        let words = self.fill(sentence, minute);
        let hashtags = self.hashtags(language, minute);
        let text = self.text(words, &hashtags, language);
        let author = self.author(language);
        Draft {
            at_ms,
            arrival_ms: at_ms + self.millis_below(JITTER_MS),
            kind: self.stream.kind,
            topic,
            language,
            language_declared: self.dice.percent(95),
            hashtags: hashtags
                .into_iter()
                .filter_map(|(hashtag, _)| hashtag)
                .collect(),
            author,
            text,
        }
    }

    fn millis_below(&mut self, limit: u64) -> i64 {
        i64::try_from(self.dice.below(limit)).expect("the limits are below a minute")
    }

    /// What a report is about: the category that lags furthest behind its share, so that the shares hold all along.
    fn topic(&mut self) -> &'static str {
        if self.stream.kind != "report" {
            return "";
        }
        let next = self.written.iter().sum::<u64>() + 1;
        let lag = |place: usize| {
            i128::from(CATEGORIES[place].1 * next) - i128::from(100 * self.written[place])
        };
        let place = (0..CATEGORIES.len())
            .max_by_key(|&place| lag(place))
            .expect("there are categories");
        self.written[place] += 1;
        CATEGORIES[place].0
    }

    /// A sentence on the topic, in a language that has one.
    fn sentence(&mut self, minute: u32, topic: &'static str) -> &'a Sentence {
        let rhythm = self.stream.rhythm;
        let crowds = crowds_of(self.phrasebook, self.stream.kind, topic);
        let crowd = self
            .dice
            .pick_weighted(&crowds, |crowd| crowd.weight(rhythm, minute));
        let sentences = self
            .phrasebook
            .sentences(crowd.language, self.stream.kind, topic);
        let long_since = minute >= ONSET_MIN + 20;
        let fitting: Vec<&Sentence> = sentences
            .iter()
            .filter(|s| long_since || !s.text.contains("{n}"))
            .collect();
        fitting[self.dice.index(fitting.len())]
    }

    /// The sentence with a city and a number of minutes in its slots.
    fn fill(&mut self, sentence: &Sentence, minute: u32) -> String {
        let mut words = sentence.text.to_owned();
        if words.contains("{city}") {
            let cities = self.phrasebook.sentences(sentence.language, "city", "");
            words = words.replace("{city}", self.dice.pick(cities).text);
        }
        if words.contains("{n}") {
            // Multiples of five from 15 on: every language here counts those alike. The sentence is chosen from the
            // twentieth minute on, so that nobody complains of more minutes than have passed.
            let fives = u64::from((minute - ONSET_MIN).min(55) / 5);
            let minutes = 15 + 5 * self.dice.below(fives - 2);
            words = words.replace("{n}", &self.phrasebook.number(minutes, sentence.language));
        }
        words
    }

    /// What the post bears: (the hashtag it is counted as, its spelling); a compound of the long tail is not counted.
    fn hashtags(
        &mut self,
        language: &'static str,
        minute: u32,
    ) -> Vec<(Option<&'static str>, String)> {
        let mut found: Vec<(Option<&'static str>, String)> = Vec::new();
        for &(topic, percent) in self.stream.hashtags {
            if !self.dice.percent(percent) {
                continue;
            }
            let early = topic == "outage" && minute < ONSET_MIN + LOCAL_HASHTAGS_AFTER_MIN;
            let local = if early {
                &[]
            } else {
                self.phrasebook.spellings(topic, language)
            };
            let common = self.phrasebook.spellings(topic, EVERYWHERE);
            let own = !local.is_empty() && (common.is_empty() || self.dice.percent(LOCAL_PERCENT));
            if own {
                found.push(self.spelling(local));
            }
            if !common.is_empty() && (!own || self.dice.percent(BOTH_PERCENT)) {
                found.push(self.spelling(common));
            }
            if topic == "daily" && self.dice.percent(COMPOUND_PERCENT) {
                let (first, second) = (self.dice.pick(common).text, self.dice.pick(common).text);
                found.push((None, format!("{first}{}", capitalised(second))));
            }
        }
        found.dedup_by_key(|(hashtag, _)| *hashtag);
        found
    }

    fn spelling(&mut self, spellings: &[Spelling]) -> (Option<&'static str>, String) {
        let spelling = self
            .dice
            .pick_weighted(spellings, |spelling| spelling.weight);
        (Some(spelling.hashtag), spelling.text.to_owned())
    }

    /// The words with their hashtags: mostly behind, sometimes the first one in front.
    fn text(
        &mut self,
        words: String,
        hashtags: &[(Option<&'static str>, String)],
        language: &str,
    ) -> String {
        let mut text = words;
        for (place, (_, spelling)) in hashtags.iter().enumerate() {
            let wide = language == "ja" && self.dice.percent(WIDE_SIGN_PERCENT);
            let sign = if wide { '\u{FF03}' } else { '#' };
            text = if place == 0 && self.dice.percent(IN_FRONT_PERCENT) {
                format!("{sign}{spelling} {text}")
            } else {
                format!("{text} {sign}{spelling}")
            };
        }
        text
    }

    /// One of the people who write this language. Day by day some post far more than others; an outage moves all.
    fn author(&mut self, language: &'static str) -> Author {
        if self.stream.kind == "campaign" {
            let number = self.dice.below(CAMPAIGNERS);
            return Author {
                number,
                language,
                name: "campaign",
                bot: number < 2,
            };
        }
        let people = AUTHORS_A_SHARE
            * CROWDS
                .iter()
                .filter(|c| c.language == language)
                .map(Crowd::people)
                .sum::<u64>();
        let number = match self.stream.rhythm {
            Rhythm::Outage => self.dice.below(people),
            _ => self.dice.below(people).min(self.dice.below(people)),
        };
        Author {
            number,
            language,
            name: "person",
            bot: number % 50 == 49,
        }
    }
}
