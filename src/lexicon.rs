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

use crate::hashtag;

mod explain;
mod user;

pub use self::explain::{Explanation, OutageWord, script, script_code};
pub use self::user::Error;

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
    /// Joined key of a hashtag that the user listed to its service.
    listed: HashMap<String, Name>,
    /// Joined keys that are never an outage.
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

    /// The outage that a hashtag with this key speaks of, if any.
    pub fn outage(&self, key: &str) -> Option<Outage<'_>> {
        let joined = joined(key);
        if self.never.contains(&*joined) {
            return None;
        }
        if let Some(listed) = self.listed.get(&*joined) {
            return Some(Outage {
                service: &listed.service,
                word: &listed.written,
                language: &listed.language,
            });
        }
        let (name, word) = self
            .pairs(&joined)
            .find(|(name, word, order)| refusal(name, word, *order).is_none())
            .map(|(name, word, _)| (name, word))?;
        Some(Outage {
            service: &name.service,
            word: &word.written,
            language: &word.language,
        })
    }

    /// The service that a hashtag with this key names, whether it says that it is down or not. An everyday word names
    /// none by itself.
    pub fn service(&self, key: &str) -> Option<&str> {
        let is_name = |name: &&Name| name.kind != NameKind::Common;
        let names = || self.names.get(&*joined(key));
        self.outage(key).map(|outage| outage.service).or_else(|| {
            names()?
                .iter()
                .find(is_name)
                .map(|name| name.service.as_str())
        })
    }

    /// The service that goes by this name, as it stands on a page: `WhatsApp`, or `WhatsApp Status`.
    pub fn service_named(&self, name: &str) -> Option<&str> {
        let known = |words: &[&str]| {
            let key = hashtag::fold(&words.concat());
            let name = self.names.get(&*joined(&key))?.first()?;
            Some(&*name.service)
        };
        let words: Vec<&str> = name.split_whitespace().collect();
        known(&words).or_else(|| known(words.strip_suffix(&["Status"])?))
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

/// The rows of a table that comes with the program, without its heading.
fn rows<const COLUMNS: usize>(table: &str) -> impl Iterator<Item = [&str; COLUMNS]> {
    table.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        <[&str; COLUMNS]>::try_from(columns)
            .expect("the tables are part of the program and every test reads them")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use unicode_normalization::UnicodeNormalization as _;

    use super::user::key_of;
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
}
