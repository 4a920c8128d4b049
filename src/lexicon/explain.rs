//! What the lexicon makes of a hashtag, in a sentence.
//!
//! [`Lexicon::outage`] answers yes or no; this says why, for people who wonder and for whoever mends the tables.

use hashbrown::HashMap;
use unicode_script::{Script, UnicodeScript as _};

use super::{Lexicon, Name, Order, Word, WordKind, cuts, joined, refusal};
use crate::hashtag;

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

impl Lexicon {
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

    fn find(&self, key: &str) -> Finding<'_> {
        let joined = joined(key);
        if self.never.contains(&*joined) {
            return Finding::nothing(
                "no outage: your lexicon file removed this hashtag".to_owned(),
            );
        }
        if let Some(listed) = self.listed.get(&*joined) {
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

/// ISO 15924 code of the script that a key is written in: that of its first letter.
pub fn script(key: &str) -> &'static str {
    key.chars()
        .map(|c| c.script())
        .find(|script| !matches!(script, Script::Common | Script::Inherited | Script::Unknown))
        .unwrap_or(Script::Common)
        .short_name()
}

/// The code of a script that is asked for by its code or its name: `Beng`, `beng`, `Bengali`, `old italic`.
pub fn script_code(asked: &str) -> Option<&'static str> {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let words: Vec<String> = asked
        .to_ascii_lowercase()
        .split([' ', '_', '-'])
        .map(capitalised)
        .collect();
    let name = words.join("_");
    Script::from_short_name(&name)
        .or_else(|| Script::from_full_name(&name))
        .map(Script::short_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_code_and_by_its_name() {
        for asked in ["Beng", "beng", "Bengali", "BENGALI"] {
            assert_eq!(script_code(asked), Some("Beng"), "{asked}");
        }
        assert_eq!(script_code("old italic"), Some("Ital"));
        assert_eq!(script_code("Bangla"), None);
    }

    #[test]
    fn the_name_of_a_service_names_it_and_an_everyday_word_does_not() {
        let lexicon = Lexicon::builtin();
        assert_eq!(lexicon.service("whatsapp"), Some("whatsapp"));
        assert_eq!(lexicon.service("whatsappdown"), Some("whatsapp"));
        assert_eq!(lexicon.service("signal"), None);
        assert_eq!(lexicon.service("lockdown"), None);
    }

    #[test]
    fn every_explanation_agrees_with_the_verdict_and_says_why() {
        let lexicon = Lexicon::builtin();
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
    fn the_script_is_that_of_the_first_letter() {
        for (hashtag, code) in [
            ("#whatsappডাউন", "Latn"),
            ("#ফেসবুকডাউন", "Beng"),
            ("#2024년", "Hang"),
            ("#微博崩了", "Hani"),
        ] {
            assert_eq!(Lexicon::builtin().explain(hashtag).script, code);
        }
    }
}
