//! The lexicon: from the key of a hashtag to the service that is down and the word that says so.
//!
//! A hashtag speaks of an outage when its key is the name of a service followed by an outage word, or the other way
//! round: `whatsapp` + `down`, `panne` + `facebook`, `ফেসবুক` + `ডাউন`. A name or a word alone says nothing. Names that
//! are ordinary words too (`line`, `x`, `বিকাশ`) are believed less: see `data/lexicon/README.md`, which explains the
//! kinds of names and words. Power cuts and blocks ordered by a state are known and are no outages.
//! The room parses text and answers; who reads the user's file is `config.rs`. The whole key must split, so `#lockdown`
//! and `#countdown` need no list of exceptions: `false_friends_are_no_outages`.

use std::borrow::Cow;

use hashbrown::{HashMap, HashSet};
use unicode_script::{Script, UnicodeScript as _};

use crate::hashtag;

const SERVICES: &str = include_str!("../data/lexicon/services.tsv");
const OUTAGE_WORDS: &str = include_str!("../data/lexicon/outage_words.tsv");

/// The language of names and words that are used everywhere.
const EVERYWHERE: &str = "mul";

/// Languages that say the outage first as readily as last: "se cayó Telegram", تعطل واتساب.
const WORD_FIRST_TOO: [&str; 17] = [
    "ar", "be", "bg", "ca", "cs", "el", "es", "fa", "fr", "hu", "mul", "pl", "pt", "ro", "ru",
    "sk", "uk",
];

/// Articles and prepositions between a word and the name after it: "έπεσε το Facebook", "caída de Telegram".
const BETWEEN: [(&str, &[&str]); 4] = [
    ("el", &["το", "ο", "η"]),
    ("es", &["el", "la", "de"]),
    ("fr", &["de", "chez"]),
    ("pt", &["o", "do", "da", "no"]),
];

/// The Arabic article, written in one with the name.
const ARABIC_ARTICLE: &str = "ال";

/// The commands of a user's file, with their columns.
const COMMANDS: [(&str, &str); 6] = [
    ("add-service", "SERVICE and NAME"),
    ("remove-service", "SERVICE"),
    ("add-word", "WORD"),
    ("remove-word", "WORD"),
    ("add-hashtag", "HASHTAG and SERVICE"),
    ("remove-hashtag", "HASHTAG"),
];

/// Why a user's lexicon file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first column is no command.
    #[error("read line {line} of the lexicon: no command {found:?}, the nearest is {nearest:?}")]
    Command {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// The most similar command.
        nearest: String,
    },
    /// A column is missing, empty, or one too many.
    #[error("read line {line} of the lexicon: {command} takes {columns}, separated by tabs")]
    Columns {
        /// Counted from 1.
        line: usize,
        /// The command.
        command: &'static str,
        /// What it takes.
        columns: &'static str,
    },
    /// What shall be removed is not there.
    #[error(
        "read line {line} of the lexicon: nothing to remove at {found:?}, the nearest is {nearest:?}"
    )]
    Unknown {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// The most similar service or word.
        nearest: String,
    },
    /// A hashtag, name or word that no hashtag can hold.
    #[error("read line {line} of the lexicon: {found:?} cannot stand in a hashtag")]
    NoHashtag {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
    },
}

/// What a hashtag says about a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage<'a> {
    /// The id of the service.
    pub service: &'a str,
    /// The outage word as the lexicon writes it; the hashtag itself where the user listed it.
    pub word: &'a str,
    /// The language of the word (BCP 47); `mul` where the user listed it.
    pub language: &'a str,
}

/// An outage word with its language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutageWord {
    /// As the lexicon writes it.
    pub word: String,
    /// BCP 47.
    pub language: String,
}

/// Everything the lexicon has to say about a hashtag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The folded form; empty for what is no hashtag.
    pub key: String,
    /// ISO 15924 code of the script of its first letter.
    pub script: &'static str,
    /// The service it names, as far as it names one.
    pub service: Option<String>,
    /// The name of the service in it, as the lexicon writes it.
    pub alias: Option<String>,
    /// The outage word in it.
    pub outage_word: Option<OutageWord>,
    /// Whether [`Lexicon::outage`] takes it for an outage.
    pub is_outage: bool,
    /// Why, or why not: one sentence.
    pub verdict: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameKind {
    /// Means the service and nothing else.
    Name,
    /// Also an ordinary word.
    Common,
    /// Means a supplier of electricity.
    Electricity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WordKind {
    /// Says that a service does not work.
    Outage,
    /// Says other things as well.
    Common,
    /// A power cut.
    Power,
    /// Blocked by order.
    Ban,
}

#[derive(Debug, Clone)]
struct Name {
    service: String,
    written: String,
    language: String,
    kind: NameKind,
}

impl Name {
    fn new(service: &str, language: &str, written: &str, kind: NameKind) -> Self {
        Self {
            service: service.to_owned(),
            written: written.to_owned(),
            language: language.to_owned(),
            kind,
        }
    }
}

#[derive(Debug, Clone)]
struct Word {
    written: String,
    language: String,
    kind: WordKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    NameFirst,
    WordFirst,
}

/// Names of services, outage words, and the hashtags that the user listed.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    /// Joined key of a name to its entries, one a language.
    names: HashMap<String, Vec<Name>>,
    /// Joined key of a word to its entries, one a language.
    words: HashMap<String, Vec<Word>>,
    /// Key of a hashtag that the user listed to its service.
    listed: HashMap<String, Name>,
    /// Keys that are never an outage.
    never: HashSet<String>,
}

impl Lexicon {
    /// The lexicon that comes with the program.
    pub fn builtin() -> Self {
        let mut lexicon = Self::default();
        for row in rows(SERVICES) {
            let [
                service,
                language,
                written,
                _script,
                _confidence,
                kind,
                _note,
            ] = row;
            let kind = match kind {
                "name" => NameKind::Name,
                "common" => NameKind::Common,
                "electricity" => NameKind::Electricity,
                other => unreachable!("services.tsv has no kind {other:?}"),
            };
            lexicon.add_name(service, language, written, kind);
        }
        for row in rows(OUTAGE_WORDS) {
            let [language, written, _script, _confidence, kind, _note] = row;
            let kind = match kind {
                "outage" => WordKind::Outage,
                "common" => WordKind::Common,
                "power" => WordKind::Power,
                "ban" => WordKind::Ban,
                other => unreachable!("outage_words.tsv has no kind {other:?}"),
            };
            lexicon.add_word(language, written, kind);
        }
        lexicon
    }

    /// With a user's additions and removals, one a line, columns separated by tabs; `#` in the first column begins a
    /// comment. The commands: `add-service SERVICE NAME`, `remove-service SERVICE`, `add-word WORD`,
    /// `remove-word WORD`, `add-hashtag HASHTAG SERVICE` (always an outage of it), `remove-hashtag HASHTAG` (never
    /// one).
    pub fn with_user(mut self, text: &str) -> Result<Self, Error> {
        for (index, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                self.obey(index + 1, line)?;
            }
        }
        Ok(self)
    }

    /// The outage that a hashtag with this key speaks of, if any.
    pub fn outage(&self, key: &str) -> Option<Outage<'_>> {
        if self.never.contains(key) {
            return None;
        }
        if let Some(listed) = self.listed.get(key) {
            return Some(Outage {
                service: &listed.service,
                word: &listed.written,
                language: &listed.language,
            });
        }
        let (name, word) = self
            .pairs(&joined(key))
            .find(|(name, word, order)| refusal(name, word, *order).is_none())
            .map(|(name, word, _)| (name, word))?;
        Some(Outage {
            service: &name.service,
            word: &word.written,
            language: &word.language,
        })
    }

    /// Says what the lexicon makes of a hashtag, with or without its sign, and why.
    pub fn explain(&self, hashtag: &str) -> Explanation {
        let key = hashtag::declared(hashtag)
            .into_iter()
            .next()
            .map(|tag| tag.key);
        let finding = match &key {
            Some(key) => self.find(key),
            None => Finding::nothing(format!("{hashtag:?} is no hashtag: no letter, or too long")),
        };
        let key = key.unwrap_or_default();
        Explanation {
            script: script(&key),
            key,
            service: finding.name.map(|name| name.service.clone()),
            alias: finding.name.map(|name| name.written.clone()),
            outage_word: finding.word.map(|word| OutageWord {
                word: word.written.clone(),
                language: word.language.clone(),
            }),
            is_outage: finding.is_outage,
            verdict: finding.verdict,
        }
    }

    /// The ids of all services, sorted.
    pub fn services(&self) -> Vec<&str> {
        let names = self.names.values().flatten().chain(self.listed.values());
        let mut services: Vec<&str> = names.map(|name| name.service.as_str()).collect();
        services.sort_unstable();
        services.dedup();
        services
    }
}

/// What [`Lexicon::explain`] found out about a key.
struct Finding<'a> {
    name: Option<&'a Name>,
    word: Option<&'a Word>,
    is_outage: bool,
    verdict: String,
}

impl Finding<'_> {
    fn nothing(verdict: String) -> Self {
        Self {
            name: None,
            word: None,
            is_outage: false,
            verdict,
        }
    }
}

/// The reasons.
impl Lexicon {
    fn find(&self, key: &str) -> Finding<'_> {
        if self.never.contains(key) {
            return Finding::nothing(
                "no outage: your lexicon file removed this hashtag".to_owned(),
            );
        }
        if let Some(listed) = self.listed.get(key) {
            return Finding {
                name: Some(listed),
                word: None,
                is_outage: true,
                verdict: format!(
                    "an outage of {}: your lexicon file lists this hashtag",
                    listed.service
                ),
            };
        }
        let joined = joined(key);
        let judged = || {
            let pairs = self.pairs(&joined);
            pairs.map(|(name, word, order)| (name, word, order, refusal(name, word, order)))
        };
        let accepted = judged().find(|(.., reason)| reason.is_none());
        match accepted.or_else(|| judged().next()) {
            Some((name, word, order, reason)) => Finding {
                name: Some(name),
                word: Some(word),
                is_outage: reason.is_none(),
                verdict: match reason {
                    Some(reason) => format!("no outage: {reason}"),
                    None => accepted_because(name, word, order),
                },
            },
            None => self.find_parts(&joined),
        }
    }

    /// What is to be said about a key that does not split into a name and a word.
    fn find_parts(&self, joined: &str) -> Finding<'_> {
        let name = longest_part(joined, &self.names);
        let word = longest_part(joined, &self.words);
        let reason = match (name, word) {
            (Some(name), _) if self.names.contains_key(joined) => {
                format!(
                    "{} names {}, and nothing says it is down",
                    name.written, name.service
                )
            }
            (_, Some(word)) if self.words.contains_key(joined) => {
                let what = match word.kind {
                    WordKind::Power => "a power cut",
                    WordKind::Ban => "a block by order",
                    WordKind::Outage | WordKind::Common => "an outage word alone",
                };
                format!("{} is {what} and names no service", word.written)
            }
            (Some(name), Some(word)) => {
                format!(
                    "{} and {} are in it, but other letters too",
                    name.written, word.written
                )
            }
            (Some(name), None) => {
                format!(
                    "{} names {}, but the rest is no outage word",
                    name.written, name.service
                )
            }
            (None, Some(word)) => {
                format!(
                    "{} is an outage word, but the rest names no service",
                    word.written
                )
            }
            (None, None) => "it holds neither the name of a service nor an outage word".to_owned(),
        };
        Finding {
            name,
            word,
            ..Finding::nothing(format!("no outage: {reason}"))
        }
    }
}

fn accepted_because(name: &Name, word: &Word, order: Order) -> String {
    let (first, second) = match order {
        Order::NameFirst => (&name.written, &word.written),
        Order::WordFirst => (&word.written, &name.written),
    };
    format!(
        "an outage of {}: {first} + {second}; {} is an outage word ({})",
        name.service, word.written, word.language
    )
}

/// The longest entry that `joined` is, begins or ends with.
fn longest_part<'a, T>(joined: &str, table: &'a HashMap<String, Vec<T>>) -> Option<&'a T> {
    let parts = cuts(joined).flat_map(|at| [&joined[..at], &joined[at..]]);
    std::iter::once(joined)
        .chain(parts)
        .filter(|part| table.contains_key(*part))
        .max_by_key(|part| part.len())
        .and_then(|part| table[part].first())
}

/// The split.
impl Lexicon {
    /// Every way to read `joined` as a name and a word: name first before word first, longer names before shorter.
    fn pairs(&self, joined: &str) -> impl Iterator<Item = (&Name, &Word, Order)> {
        let name_first = cuts(joined)
            .rev()
            .map(|at| (&joined[..at], &joined[at..], Order::NameFirst));
        let word_first = cuts(joined).map(|at| (&joined[at..], &joined[..at], Order::WordFirst));
        name_first
            .chain(word_first)
            .flat_map(move |(name, word, order)| self.entries(name, word, order))
    }

    fn entries(
        &self,
        name: &str,
        word: &str,
        order: Order,
    ) -> impl Iterator<Item = (&Name, &Word, Order)> {
        let words = self.words.get(word).map_or(&[][..], Vec::as_slice);
        words.iter().flat_map(move |word| {
            self.named(name, word, order)
                .iter()
                .map(move |name| (name, word, order))
        })
    }

    /// The entries of a name; of what is left when an article before it is cut off, where `word` has articles.
    fn named(&self, name: &str, word: &Word, order: Order) -> &[Name] {
        let bare = || {
            name.strip_prefix(ARABIC_ARTICLE)
                .filter(|_| word.language == "ar")
        };
        let after_article = || {
            let (_, articles) = BETWEEN
                .iter()
                .find(|(language, _)| order == Order::WordFirst && *language == word.language)?;
            articles
                .iter()
                .find_map(|article| self.names.get(name.strip_prefix(article)?))
        };
        self.names
            .get(name)
            .or_else(|| self.names.get(bare()?))
            .or_else(after_article)
            .map_or(&[], Vec::as_slice)
    }
}

/// The tables.
impl Lexicon {
    fn add_name(&mut self, service: &str, language: &str, written: &str, kind: NameKind) {
        let key = joined(&hashtag::fold(written)).into_owned();
        let entries = self.names.entry(key).or_default();
        // Whoever comes later decides what a name means: the user comes last.
        entries.retain(|name| name.service == service);
        entries.push(Name::new(service, language, written, kind));
    }

    fn add_word(&mut self, language: &str, written: &str, kind: WordKind) {
        let key = joined(&hashtag::fold(written)).into_owned();
        self.words.entry(key).or_default().push(Word {
            written: written.to_owned(),
            language: language.to_owned(),
            kind,
        });
    }

    fn obey(&mut self, line: usize, text: &str) -> Result<(), Error> {
        let columns: Vec<&str> = text.split('\t').map(str::trim).collect();
        let Some(&(command, takes)) = COMMANDS.iter().find(|(command, _)| *command == columns[0])
        else {
            return Err(Error::Command {
                line,
                found: columns[0].to_owned(),
                nearest: nearest(columns[0], COMMANDS.iter().map(|(command, _)| *command)),
            });
        };
        let key = |text: &str| {
            key_of(text).ok_or_else(|| Error::NoHashtag {
                line,
                found: text.to_owned(),
            })
        };
        match (command, &columns[1..]) {
            (_, arguments) if arguments.iter().any(|argument| argument.is_empty()) => {
                return Err(Error::Columns {
                    line,
                    command,
                    columns: takes,
                });
            }
            ("add-service", [service, name]) => {
                key(name)?;
                self.add_name(service, EVERYWHERE, name, NameKind::Name);
            }
            ("remove-service", [service]) => self.remove_service(line, service)?,
            ("add-word", [word]) => {
                key(word)?;
                self.add_word(EVERYWHERE, word, WordKind::Outage);
            }
            ("remove-word", [word]) => self.remove_word(line, word)?,
            ("add-hashtag", [hashtag, service]) => {
                let key = key(hashtag)?;
                self.never.remove(&key);
                let name = Name::new(service, EVERYWHERE, hashtag, NameKind::Name);
                self.listed.insert(key, name);
            }
            ("remove-hashtag", [hashtag]) => {
                let key = key(hashtag)?;
                self.listed.remove(&key);
                self.never.insert(key);
            }
            _ => {
                return Err(Error::Columns {
                    line,
                    command,
                    columns: takes,
                });
            }
        }
        Ok(())
    }

    fn remove_service(&mut self, line: usize, service: &str) -> Result<(), Error> {
        let services = self.services();
        if !services.contains(&service) {
            return Err(Error::Unknown {
                line,
                found: service.to_owned(),
                nearest: nearest(service, services.into_iter()),
            });
        }
        for names in self.names.values_mut() {
            names.retain(|name| name.service != service);
        }
        self.names.retain(|_, names| !names.is_empty());
        self.listed.retain(|_, listed| listed.service != service);
        Ok(())
    }

    fn remove_word(&mut self, line: usize, word: &str) -> Result<(), Error> {
        let key = joined(&hashtag::fold(word)).into_owned();
        if self.words.remove(&key).is_some() {
            return Ok(());
        }
        let known = self
            .words
            .values()
            .flatten()
            .map(|word| word.written.as_str());
        Err(Error::Unknown {
            line,
            found: word.to_owned(),
            nearest: nearest(word, known),
        })
    }
}

/// Why a name and a word that stand side by side are no outage after all.
fn refusal(name: &Name, word: &Word, order: Order) -> Option<String> {
    let (n, w) = (&name.written, &word.written);
    let speaks = name.language == EVERYWHERE
        || word.language == EVERYWHERE
        || primary(&name.language) == primary(&word.language);
    let in_order = order == Order::NameFirst || WORD_FIRST_TOO.contains(&primary(&word.language));
    match (name.kind, word.kind) {
        (_, WordKind::Ban) => Some(format!("{w} says that {n} is blocked by order, not broken")),
        (NameKind::Electricity, WordKind::Power) => None,
        (_, WordKind::Power) => Some(format!(
            "{w} is a power cut, and {n} supplies no electricity"
        )),
        (NameKind::Common, WordKind::Common) => {
            Some(format!("{n} and {w} are both everyday words"))
        }
        (NameKind::Common, WordKind::Outage) if !speaks => Some(format!(
            "{n} is an everyday word, and {w} is of another language"
        )),
        (NameKind::Common, WordKind::Outage) if !in_order => Some(format!(
            "{n} is an everyday word, and {w} stands after the name"
        )),
        _ => None,
    }
}

/// The language of a tag without script and region.
fn primary(language: &str) -> &str {
    language.split('-').next().unwrap_or(language)
}

/// A key without the signs that join words: connectors such as `_`, and middle dots.
fn joined(key: &str) -> Cow<'_, str> {
    let joins = |c: char| {
        matches!(
            c,
            '_' | '\u{203F}' | '\u{2040}' | '\u{2054}' | '\u{B7}' | '\u{30FB}'
        )
    };
    if key.contains(joins) {
        Cow::Owned(key.replace(joins, ""))
    } else {
        Cow::Borrowed(key)
    }
}

/// Where a text can be cut in two.
fn cuts(text: &str) -> impl DoubleEndedIterator<Item = usize> + '_ {
    text.char_indices().map(|(at, _)| at).filter(|&at| at > 0)
}

/// The key of a hashtag that a user wrote, if it is exactly one.
fn key_of(written: &str) -> Option<String> {
    match hashtag::declared(written).as_slice() {
        [tag] if tag.label == written.trim_start_matches(hashtag::SIGNS) => Some(tag.key.clone()),
        _ => None,
    }
}

/// ISO 15924 code of the script of the first letter.
pub fn script(key: &str) -> &'static str {
    key.chars()
        .map(|c| c.script())
        .find(|script| !matches!(script, Script::Common | Script::Inherited | Script::Unknown))
        .unwrap_or(Script::Common)
        .short_name()
}

/// The rows of a table that comes with the program, without its heading.
fn rows<const COLUMNS: usize>(table: &str) -> impl Iterator<Item = [&str; COLUMNS]> {
    table.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        <[&str; COLUMNS]>::try_from(columns)
            .expect("the tables are part of the program and every test reads them")
    })
}

/// The candidate with the fewest letters to change, add or leave out.
fn nearest<'a>(found: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    candidates
        .min_by_key(|candidate| (distance(found, candidate), *candidate))
        .unwrap_or_default()
        .to_owned()
}

/// Levenshtein's edit distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use unicode_normalization::UnicodeNormalization as _;

    use super::*;

    fn service(hashtag: &str) -> Option<String> {
        let explanation = lexicon().explain(hashtag);
        explanation
            .is_outage
            .then_some(explanation.service)
            .flatten()
    }

    fn lexicon() -> &'static Lexicon {
        static BUILTIN: LazyLock<Lexicon> = LazyLock::new(Lexicon::builtin);
        &BUILTIN
    }

    #[test]
    fn a_service_and_an_outage_word_are_an_outage_in_every_language() {
        for (hashtag, service_id) in SAMPLES {
            assert_eq!(
                service(hashtag).as_deref(),
                Some(*service_id),
                "{hashtag}: {}",
                lexicon().explain(hashtag).verdict
            );
        }
    }

    /// How people write it, one or more a language.
    #[rustfmt::skip]
    const SAMPLES: &[(&str, &str)] = &[
        ("#whatsappdown", "whatsapp"), ("#InternetShutDown", "internet"), ("#internetdown", "internet"),
        ("#xdown", "x"), ("#LineDown", "line"), ("#XNotWorking", "x"), ("#facebook_outage", "facebook"),
        ("#হোয়াটসঅ্যাপডাউন", "whatsapp"), ("#ফেসবুকডাউন", "facebook"), ("#বিকাশডাউন", "bkash"), ("#ইন্টারনেট_বন্ধ", "internet"),
        ("#রবিডাউন", "robi"), ("#জিমেইল_বিভ্রাট", "gmail"), ("#নগদ_অচল", "nagad"),
        ("#व्हाट्सऐपडाउन", "whatsapp"), ("#यूपीआईठप", "upi"), ("#जिओठप्प", "jio"), ("#फेसबुक_बन्द", "facebook"),
        ("#வாட்ஸ்அப்முடங்கியது", "whatsapp"), ("#ஜியோ_முடக்கம்", "jio"), ("#WhatsAppடவுன்", "whatsapp"),
        ("#వాట్సాప్\u{200C}డౌన్", "whatsapp"), ("#ವಾಟ್ಸಾಪ್\u{200C}ಡೌನ್", "whatsapp"), ("#വാട്സാപ്പ്പണിമുടക്കി", "whatsapp"),
        ("#વોટ્સએપડાઉન", "whatsapp"), ("#ਫੇਸਬੁੱਕਠੱਪ", "facebook"), ("#ହ୍ୱାଟ୍ସଆପଠପ", "whatsapp"), ("#වට්ස්ඇප්_ඩවුන්", "whatsapp"),
        ("#فیس_بک_ڈاؤن", "facebook"), ("#انٹرنیٹ_بند", "internet"), ("#واتساب_معطل", "whatsapp"),
        ("#تعطل_الواتساب", "whatsapp"), ("#توقف_واتساب", "whatsapp"), ("#تعليق_الواتساب", "whatsapp"), ("#تعطل_التلغرام", "telegram"),
        ("#قطعی_اینترنت", "internet"), ("#واتساپ_قطع_شد", "whatsapp"), ("#וואטסאפ_נפל", "whatsapp"), ("#פייסבוק_קרס", "facebook"),
        ("#instagramçöktü", "instagram"), ("#INSTAGRAMÇÖKTÜ", "instagram"), ("#facebook_açılmıyor", "facebook"),
        ("#ТелеграмУпал", "telegram"), ("#сбойWhatsApp", "whatsapp"), ("#вотсапнеработает", "whatsapp"),
        ("#ТелеграмЛежить", "telegram"), ("#Київстар_не_працює", "kyivstar"), ("#фейсбукпадна", "facebook"),
        ("#ΈπεσεΤοFacebook", "facebook"), ("#ΕΠΕΣΕ_ΤΟ_FACEBOOK", "facebook"), ("#SeCayoWhatsApp", "whatsapp"),
        ("#SeCayóElWhatsApp", "whatsapp"), ("#CaídaDeWhatsApp", "whatsapp"), ("#WhatsAppCaído", "whatsapp"), ("#InstagramCaido", "instagram"),
        ("#WhatsAppCaiu", "whatsapp"), ("#zapcaiu", "whatsapp"), ("#FaceCaiu", "facebook"), ("#CaiuOWhatsApp", "whatsapp"),
        ("#PanneFacebook", "facebook"), ("#WhatsAppEnPanne", "whatsapp"), ("#PanneDeFree", "free_fr"), ("#FreeEnPanne", "free_fr"),
        ("#WhatsAppStörung", "whatsapp"), ("#WhatsAppKaput", "whatsapp"), ("#BahnStörung", "deutschebahn"), ("#KPNstoring", "kpn"),
        ("#WhatsAppNonFunziona", "whatsapp"), ("#awariaFacebook", "facebook"), ("#FacebookPadł", "facebook"),
        ("#výpadekFacebook", "facebook"), ("#FacebookLeállt", "facebook"), ("#SwishNere", "swish"), ("#FacebookNede", "facebook"),
        ("#InstagramDown", "instagram"), ("#WhatsAppError", "whatsapp"), ("#WAdown", "whatsapp"), ("#FacebookSập", "facebook"), ("#ZaloLỗi", "zalo"),
        ("#ไอจีล่ม", "instagram"), ("#เฟสล่ม", "facebook"), ("#ทวิตล่ม", "x"), ("#ไลน์ล่ม", "line"), ("#ເຟສບຸກລົ່ມ", "facebook"),
        ("#ហ្វេសប៊ុកគាំង", "facebook"), ("#အင်တာနက်ပြတ်", "internet"), ("#微博崩了", "weibo"), ("#B站崩了", "bilibili"), ("#臉書當機", "facebook"),
        ("#LINE障害", "line"), ("#ＬＩＮＥ障害", "line"), ("#au障害", "kddi_au"), ("#ツイッター不具合", "x"), ("#ﾂｲｯﾀｰ不具合", "x"), ("#ドコモ通信障害", "docomo"), ("#楽天・障害", "rakuten"),
        ("#카톡먹통", "kakaotalk"), ("#카톡오류", "kakaotalk"), ("#인스타오류", "instagram"),
        ("#ኢንተርኔት_ተቋርጧል", "internet"), ("#ფეისბუქი_გაითიშა", "facebook"), ("#whatsappbug", "whatsapp"), ("#facebookcrash", "facebook"),
        ("#DESCOলোডশেডিং", "desco"),
    ];

    #[test]
    fn false_friends_are_no_outages() {
        for hashtag in [
            "#lockdown",
            "#countdown",
            "#pendown",
            "#stockmarketcrash",
            "#breakdown",
            "#sundown",
            "#touchdown",
            "#meltdown",
            "#rundown",
            "#downtown",
            "#crackdown",
            "#bug",
            "#lineup",
            "#deadline",
            "#outlineerror",
            "#marketcrash",
            "#carcrash",
            "#xfail",
            "#facedown",
            "#downline",
            "#offlineteams",
            "#bugfree",
            "#freefall",
            "#errorfree",
            "#linebroken",
            "#downx",
            "#serverdown",
            "#down",
            "#whatsapp",
            "#line",
            "#x",
            "#障害",
            "#লকডাউন",
            "#लॉकडाउन",
            "#লোডশেডিং",
            "#erişimengeli",
            "#twittererişimengeli",
            "#বিকাশসমস্যা",
            "#রকেটক্র্যাশ",
            "#facebook_فیلتر",
            "#停電",
            "#LINE停電",
            "#häiriö",
            "#đứtcáp",
        ] {
            assert_eq!(
                service(hashtag),
                None,
                "{hashtag}: {}",
                lexicon().explain(hashtag).verdict
            );
        }
    }

    #[test]
    fn every_explanation_agrees_with_the_verdict_and_says_why() {
        let lexicon = lexicon();
        for (hashtag, why) in [
            (
                "#whatsappdown",
                "an outage of whatsapp: whatsapp + down; down is an outage word (en)",
            ),
            (
                "#PanneFacebook",
                "an outage of facebook: panne + facebook; panne is an outage word (fr)",
            ),
            (
                "#lockdown",
                "no outage: down is an outage word, but the rest names no service",
            ),
            (
                "#লোডশেডিং",
                "no outage: লোডশেডিং is a power cut and names no service",
            ),
            (
                "#erişimengeli",
                "no outage: erişimengeli is a block by order and names no service",
            ),
            (
                "#downline",
                "no outage: line is an everyday word, and down stands after the name",
            ),
            (
                "#facedown",
                "no outage: face is an everyday word, and down is of another language",
            ),
            ("#xfail", "no outage: x and fail are both everyday words"),
            (
                "#whatsapp",
                "no outage: whatsapp names whatsapp, and nothing says it is down",
            ),
            (
                "#facebookisfun",
                "no outage: facebook names facebook, but the rest is no outage word",
            ),
            (
                "#goodmorning",
                "no outage: it holds neither the name of a service nor an outage word",
            ),
        ] {
            let explanation = lexicon.explain(hashtag);
            assert_eq!(explanation.verdict, why);
            let outage = lexicon.outage(&explanation.key);
            assert_eq!(outage.is_some(), explanation.is_outage);
        }
        assert!(lexicon.explain("#123").verdict.contains("is no hashtag"));
    }

    #[test]
    fn composed_and_decomposed_hashtags_have_one_answer() {
        for (hashtag, service_id) in SAMPLES {
            let (composed, decomposed): (String, String) =
                (hashtag.nfc().collect(), hashtag.nfd().collect());
            assert_eq!(
                lexicon().explain(&composed).key,
                lexicon().explain(&decomposed).key
            );
            assert_eq!(service(&decomposed).as_deref(), Some(*service_id));
        }
    }

    #[test]
    fn the_script_is_that_of_the_first_letter() {
        for (hashtag, code) in [
            ("#whatsappডাউন", "Latn"),
            ("#ফেসবুকডাউন", "Beng"),
            ("#2024년", "Hang"),
            ("#微博崩了", "Hani"),
        ] {
            assert_eq!(lexicon().explain(hashtag).script, code);
        }
    }

    #[test]
    fn every_name_and_every_word_of_the_tables_is_a_hashtag() {
        for [_, _, written, ..] in rows::<7>(SERVICES) {
            assert!(key_of(written).is_some(), "{written}");
        }
        for [_, written, ..] in rows::<6>(OUTAGE_WORDS) {
            assert!(key_of(written).is_some(), "{written}");
        }
    }

    #[test]
    fn a_name_means_one_service() {
        let named = rows::<7>(SERVICES).map(|[service, _, written, ..]| {
            (joined(&hashtag::fold(written)).into_owned(), service)
        });
        let mut service_of: HashMap<String, &str> = HashMap::new();
        for (key, service) in named {
            let known = *service_of.entry(key.clone()).or_insert(service);
            assert_eq!(known, service, "{key}");
        }
    }

    #[test]
    fn a_user_adds_and_removes() {
        let file = "# ours\nadd-service\tacme\tAcmeপে\nadd-word\tkaputtgegangen\nremove-service\tzoom\nremove-word\tnere\n\
                    add-hashtag\t#DudaPay\tdudapay\nremove-hashtag\t#XDown\n\n";
        let lexicon = Lexicon::builtin().with_user(file).expect("a good file");
        let service = |key: &str| lexicon.outage(key).map(|outage| outage.service);
        assert_eq!(service("acmeপেdown"), Some("acme"));
        assert_eq!(service("whatsappkaputtgegangen"), Some("whatsapp"));
        assert_eq!(service("dudapay"), Some("dudapay"));
        for gone in ["zoomdown", "swishnere", "xdown"] {
            assert_eq!(service(gone), None, "{gone}");
        }
        assert!(lexicon.explain("#xdown").verdict.contains("removed"));
        assert!(lexicon.explain("#dudapay").verdict.contains("lists"));
    }

    #[test]
    fn a_mistake_in_a_user_file_names_its_line_and_the_nearest_right_word() {
        for (file, message) in [
            (
                "\nad-word\tkaput",
                "line 2 of the lexicon: no command \"ad-word\", the nearest is \"add-word\"",
            ),
            (
                "add-service\tacme",
                "line 1 of the lexicon: add-service takes SERVICE and NAME",
            ),
            (
                "remove-service\twhatsap",
                "nothing to remove at \"whatsap\", the nearest is \"whatsapp\"",
            ),
            (
                "remove-word\tdwn",
                "nothing to remove at \"dwn\", the nearest is \"down\"",
            ),
            (
                "add-hashtag\tacme pay\tacme",
                "\"acme pay\" cannot stand in a hashtag",
            ),
        ] {
            let error = Lexicon::builtin()
                .with_user(file)
                .expect_err("a bad file")
                .to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
