//! The sentences and hashtags that posts are made of, read from `data/demo/`.
//!
//! A native speaker mends `sentences/LANGUAGE.tsv` (kind, topic, sentence) and `hashtags.tsv` (topic, language,
//! hashtag, spelling, weight) without reading Rust. A sentence may hold `{city}` and `{n}`, a number of minutes.

use std::collections::BTreeMap;

/// Every language and its sentences; a new language is a file and a row here.
const SENTENCES: [(&str, &str); 15] = [
    ("ar", include_str!("../../../data/demo/sentences/ar.tsv")),
    ("bn", include_str!("../../../data/demo/sentences/bn.tsv")),
    ("de", include_str!("../../../data/demo/sentences/de.tsv")),
    ("en", include_str!("../../../data/demo/sentences/en.tsv")),
    ("es", include_str!("../../../data/demo/sentences/es.tsv")),
    ("fr", include_str!("../../../data/demo/sentences/fr.tsv")),
    ("hi", include_str!("../../../data/demo/sentences/hi.tsv")),
    ("id", include_str!("../../../data/demo/sentences/id.tsv")),
    ("it", include_str!("../../../data/demo/sentences/it.tsv")),
    ("ja", include_str!("../../../data/demo/sentences/ja.tsv")),
    ("pt", include_str!("../../../data/demo/sentences/pt.tsv")),
    ("ru", include_str!("../../../data/demo/sentences/ru.tsv")),
    ("ta", include_str!("../../../data/demo/sentences/ta.tsv")),
    ("tr", include_str!("../../../data/demo/sentences/tr.tsv")),
    ("ur", include_str!("../../../data/demo/sentences/ur.tsv")),
];

const HASHTAGS: &str = include_str!("../../../data/demo/hashtags.tsv");

/// The language column of a hashtag that is used everywhere.
pub(crate) const EVERYWHERE: &str = "mul";

/// A row of a language's file. Its kind says what it is for: `report`, `meme`, `daily`, …, or `city` and `digits`,
/// which fill slots; the topic of a report says what does not work.
pub(crate) struct Sentence {
    /// The language's code (BCP 47).
    pub(crate) language: &'static str,
    /// The words, with their slots.
    pub(crate) text: &'static str,
}

/// A row of the hashtags' file.
pub(crate) struct Spelling {
    /// The hashtag that it is a spelling of: what is counted.
    pub(crate) hashtag: &'static str,
    /// What stands in the post, without its sign.
    pub(crate) text: &'static str,
    /// How often, against the others of its topic and language.
    pub(crate) weight: u64,
}

/// All of it.
pub(crate) struct Phrasebook {
    /// By language, kind and topic.
    sentences: BTreeMap<[&'static str; 3], Vec<Sentence>>,
    /// By topic and language.
    spellings: BTreeMap<[&'static str; 2], Vec<Spelling>>,
}

impl Phrasebook {
    /// Reads what was compiled in; a broken row stops the generator.
    pub(crate) fn read() -> Self {
        let (mut sentences, mut spellings) = (BTreeMap::new(), BTreeMap::new());
        for (language, file) in SENTENCES {
            for [kind, topic, text] in rows(file) {
                let group: &mut Vec<Sentence> =
                    sentences.entry([language, kind, topic]).or_default();
                group.push(Sentence { language, text });
            }
        }
        for [topic, language, hashtag, text, weight] in rows(HASHTAGS) {
            let weight = weight
                .parse()
                .expect("the weight of a hashtag is a whole number");
            let group: &mut Vec<Spelling> = spellings.entry([topic, language]).or_default();
            group.push(Spelling {
                hashtag,
                text,
                weight,
            });
        }
        Self {
            sentences,
            spellings,
        }
    }

    /// The sentences of one language, kind and topic.
    pub(crate) fn sentences(
        &self,
        language: &'static str,
        kind: &'static str,
        topic: &'static str,
    ) -> &[Sentence] {
        self.sentences
            .get(&[language, kind, topic])
            .map_or(&[], Vec::as_slice)
    }

    /// The spellings of a topic's hashtags in one language, or [`EVERYWHERE`].
    pub(crate) fn spellings(&self, topic: &'static str, language: &'static str) -> &[Spelling] {
        self.spellings
            .get(&[topic, language])
            .map_or(&[], Vec::as_slice)
    }

    /// A number in the digits that the language's file names, else in ASCII.
    pub(crate) fn number(&self, number: u64, language: &'static str) -> String {
        let Some(digits) = self.sentences(language, "digits", "").first() else {
            return number.to_string();
        };
        let own = |ascii: char| {
            ascii
                .to_digit(10)
                .and_then(|value| digits.text.chars().nth(value as usize))
        };
        number
            .to_string()
            .chars()
            .map(|ascii| own(ascii).expect("a row of digits holds ten"))
            .collect()
    }
}

/// The rows of a table of `N` columns, without its heading.
fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        <[&str; N]>::try_from(cells)
            .unwrap_or_else(|cells| panic!("{N} columns expected, not {cells:?}"))
    })
}
