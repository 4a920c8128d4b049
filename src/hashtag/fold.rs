//! The key of a hashtag: one for every way in which one spelling can be typed or cased.
//!
//! Takes a label, gives the form that is counted. Labels that differ in case, in composed and decomposed characters,
//! in width, in the digits of their script, in joiners, tatweel and vowel points have one key; marks that tell words
//! apart stay (`ö` is not `o`, `ё` not `е`, `أ` not `ا`). Folding a key changes nothing: `fold_is_idempotent`.
//! A key is counted and compared, never shown.

use std::borrow::Cow;

use caseless::Caseless as _;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

use super::class::{ClassSet, Classes};

const ZWJ: char = '\u{200D}';
const WAVE_DASH: char = '\u{301C}';
const FULLWIDTH_TILDE: char = '\u{FF5E}';
const DOT_ABOVE: char = '\u{307}';

/// The key of a label. Not empty for what [`super::scan`] finds; other text may fold to nothing.
///
/// The specification has nine steps and normalizes after most of them. Here a step that changed nothing is followed by
/// no normalization; `the_fold_is_the_nine_steps` compares.
pub fn fold(label: &str) -> String {
    if label.is_ascii() {
        return fold_ascii(label);
    }
    let classes = Classes::table();
    let compatible = nfkc(with_atomic_letters(label), classes);
    let one_case = match lower(&compatible, classes) {
        Some(lower) => nfkc(Cow::Owned(lower), classes),
        None => compatible,
    };
    let key = without_greek_accents(plain_letters(&one_case, classes));
    let trimmed = key.trim_matches(|c| classes.of(c).meets(ClassSet::TRIMMED));
    if trimmed.len() == key.len() {
        key
    } else {
        trimmed.to_owned()
    }
}

/// What the nine steps come to for ASCII.
fn fold_ascii(label: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let mut key: String = label.trim_matches(|c| !kept(&c) || c == '_').to_owned();
    key.retain(|c| kept(&c));
    key.make_ascii_lowercase();
    key
}

/// Steps 1 and 2: the fullwidth tilde as the wave dash it stands for, and old spellings with a joiner as the letter
/// that Unicode has had for them since 4.1 (Bengali khanda ta) and 5.1 (Malayalam chillus).
fn with_atomic_letters(label: &str) -> Cow<'_, str> {
    if !label.contains([ZWJ, FULLWIDTH_TILDE]) {
        return Cow::Borrowed(label);
    }
    let mut out = String::with_capacity(label.len());
    for c in label.chars() {
        match c {
            FULLWIDTH_TILDE => out.push(WAVE_DASH),
            ZWJ => match atomic_letter(&out) {
                Some(letter) => {
                    out.pop();
                    out.pop();
                    out.push(letter);
                }
                None => out.push(ZWJ),
            },
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The letter that the last two characters of `before` and a ZWJ spell.
fn atomic_letter(before: &str) -> Option<char> {
    let mut backwards = before.chars().rev();
    let (virama, letter) = (backwards.next()?, backwards.next()?);
    Some(match (letter, virama) {
        ('\u{D23}', '\u{D4D}') => '\u{D7A}',
        ('\u{D28}', '\u{D4D}') => '\u{D7B}',
        ('\u{D30}', '\u{D4D}') => '\u{D7C}',
        ('\u{D32}', '\u{D4D}') => '\u{D7D}',
        ('\u{D33}', '\u{D4D}') => '\u{D7E}',
        ('\u{9A4}', '\u{9CD}') => '\u{9CE}',
        _ => return None,
    })
}

/// NFKC, which most text is in already.
fn nfkc<'t>(text: Cow<'t, str>, classes: &Classes) -> Cow<'t, str> {
    let is_plain = || text.chars().all(|c| classes.of(c).meets(ClassSet::NORMAL));
    if is_plain() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        text
    } else {
        Cow::Owned(text.nfkc().collect())
    }
}

/// Steps 4 and 5: full case folding; none where there is no case. Both Turkish i become `i`, so that `ÇALIŞMIYOR` meets
/// `çalışmıyor`.
fn lower(text: &str, classes: &Classes) -> Option<String> {
    if !text.chars().any(|c| classes.of(c).meets(ClassSet::CASED)) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if !classes.of(c).meets(ClassSet::CASED) => out.push(c),
            '\u{130}' | '\u{131}' => out.push('i'),
            _ if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            _ => out.extend(std::iter::once(c).default_case_fold()),
        }
    }
    Some(out)
}

/// Steps 6 and 8: without what may be left out in typing and what no hashtag can hold (NFKC brings in spaces and
/// brackets); Persian yeh and keheh as their Arabic twins, digits of every script as ASCII digits.
fn plain_letters(text: &str, classes: &Classes) -> String {
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut before = '\0';
    for c in text.chars() {
        // The dot that lower-casing İ leaves behind.
        let stray_dot = c == DOT_ABOVE && matches!(before, 'i' | 'j');
        if !classes.of(c).meets(ClassSet::KEPT) || stray_dot {
            changed = true;
            continue;
        }
        let plain = one_letter_shape(c, classes);
        changed |= plain != c;
        out.push(plain);
        before = c;
    }
    // A letter and a mark may meet where something between them has gone.
    if changed { out.nfc().collect() } else { out }
}

fn one_letter_shape(c: char, classes: &Classes) -> char {
    match c {
        '\u{6CC}' => '\u{64A}',
        '\u{6A9}' => '\u{643}',
        _ => classes
            .digit(c)
            .and_then(|value| char::from_digit(value, 10))
            .unwrap_or(c),
    }
}

/// Step 7: Greek without tonos and breathings, since capitals are written without them. The dialytika stays.
fn without_greek_accents(text: String) -> String {
    let is_greek = |c: char| matches!(c, '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}');
    if !text.contains(is_greek) {
        return text;
    }
    let mut letter = '\0';
    text.nfd()
        .filter(|&c| {
            if canonical_combining_class(c) == 0 {
                letter = c;
            }
            let is_accent = matches!(
                c,
                '\u{300}' | '\u{301}' | '\u{313}' | '\u{314}' | '\u{342}' | '\u{345}'
            );
            !(is_accent && matches!(letter, '\u{370}'..='\u{3FF}'))
        })
        .nfc()
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scan::scan;
    use super::*;

    /// A label in one of many scripts, as the scan would find it.
    fn label() -> impl Strategy<Value = String> {
        let letters = "[#][_]?[A-Za-zÀ-žΆ-ώἀ-ῼА-яԱ-և\u{5B0}-תء-ي\u{671}-ۓ\u{904}-\u{94D}\u{985}-\u{9CD}\u{B85}-\u{BCD}\u{C05}-\u{C4D}\
                       \u{D05}-\u{D4D}\u{D85}-\u{DCA}ก-ฺเ-๎ກ-ຮက-အა-ჰᲐ-Ჰ\u{1780}-\u{17D2}\u{1200}-\u{1248}ぁ-んァ-ヶー一-丿가-갛ﾀ-ﾟ０-９Ａ-ｚ\
                       0-9٠-٩০-৯\u{300}-\u{303}\u{307}\u{308}\u{323}\u{200C}\u{200D}\u{B7}\u{30FB}𝐀-𝐳ﬀ-ﬆﷲ-ﷺⅠ-ⅿ]{1,24}";
        letters.prop_filter_map("no hashtag", |text| {
            scan(&text).next().map(|span| text[span].to_owned())
        })
    }

    fn is_mark(c: char) -> bool {
        let class = Classes::table().of(c);
        class.meets(ClassSet::CONT) && !class.meets(ClassSet::WORD)
    }

    fn is_separator(c: char) -> bool {
        let class = Classes::table().of(c);
        class.meets(ClassSet::KEPT) && !class.meets(ClassSet::CONT)
    }

    /// The specification, step by step.
    fn nine_steps(label: &str) -> String {
        let classes = Classes::table();
        let one_case: String = with_atomic_letters(label)
            .nfkc()
            .map(|c| {
                if matches!(c, '\u{130}' | '\u{131}') {
                    'i'
                } else {
                    c
                }
            })
            .default_case_fold()
            .nfkc()
            .collect();
        let mut kept = String::new();
        for c in one_case
            .chars()
            .filter(|&c| classes.of(c).meets(ClassSet::KEPT))
        {
            if !(c == DOT_ABOVE && kept.ends_with(['i', 'j'])) {
                kept.push(c);
            }
        }
        let mut letter = '\0';
        let mut bare = String::new();
        for c in kept.nfd() {
            let is_accent = [
                '\u{300}', '\u{301}', '\u{313}', '\u{314}', '\u{342}', '\u{345}',
            ]
            .contains(&c);
            letter = if canonical_combining_class(c) == 0 {
                c
            } else {
                letter
            };
            if !(is_accent && ('\u{370}'..='\u{3FF}').contains(&letter)) {
                bare.push(c);
            }
        }
        let one_shape = bare
            .nfc()
            .map(|c| one_letter_shape(c, classes))
            .nfc()
            .collect::<String>();
        one_shape
            .trim_matches(|c| classes.of(c).meets(ClassSet::TRIMMED))
            .to_owned()
    }

    #[test]
    fn every_character_folds_as_in_the_nine_steps() {
        // Without Han, Hangul and private use, of which one is like the next; only such lie beyond U+1FFFF.
        for c in ('\0'..='\u{33FF}')
            .chain('\u{A000}'..='\u{ABFF}')
            .chain('\u{F900}'..='\u{1FFFF}')
        {
            for label in [format!("{c}"), format!("ι{c}\u{308}")] {
                assert_eq!(fold(&label), nine_steps(&label), "{label:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        #[test]
        fn the_fold_is_the_nine_steps(label in prop_oneof![label(), any::<String>()]) {
            prop_assert_eq!(fold(&label), nine_steps(&label));
        }

        #[test]
        fn fold_is_idempotent(label in label()) {
            let key = fold(&label);
            prop_assert_eq!(fold(&key), key);
        }

        #[test]
        fn composed_and_decomposed_spellings_have_one_key(label in label()) {
            let key = fold(&label);
            prop_assert_eq!(fold(&label.nfc().collect::<String>()), key.as_str());
            prop_assert_eq!(fold(&label.nfd().collect::<String>()), key.as_str());
        }

        #[test]
        fn case_makes_no_other_key(label in label()) {
            // A stray iota subscript is a letter in upper case and a mark in lower case.
            prop_assume!(!label.nfkd().any(|c| c == '\u{345}'));
            // A dot above beside another mark, which no language has on an i, is put behind it in lower case.
            let marks: Vec<char> = label.nfkd().filter(|&c| is_mark(c)).collect();
            prop_assume!(marks.len() < 2 || !marks.contains(&DOT_ABOVE));
            let key = fold(&label);
            prop_assert_eq!(fold(&label.to_uppercase()), key.as_str());
            prop_assert_eq!(fold(&label.to_lowercase()), key.as_str());
        }

        #[test]
        fn a_key_is_a_hashtag_of_its_own(label in label()) {
            let key = fold(&label);
            // A key that begins with a mark (of sara am, or bared by trimming `_`) is no hashtag, nor is one that
            // grew too long, as the ligature of a whole blessing does.
            prop_assume!(!key.starts_with(is_mark) && key.chars().count() <= 64);
            // So is one in which two separators meet, since the vowel point between them is gone.
            let meet = |(a, b): (char, char)| is_separator(a) && is_separator(b);
            prop_assume!(!key.chars().zip(key.chars().skip(1)).any(meet));
            let text = format!("#{key}");
            prop_assert_eq!(scan(&text).collect::<Vec<_>>(), vec![1..text.len()]);
        }

        #[test]
        fn any_text_folds(text in any::<String>()) {
            let key = fold(&text);
            prop_assert!(key.chars().all(|c| Classes::table().of(c).meets(ClassSet::KEPT)), "{:?}", key);
        }

        #[test]
        fn the_short_way_for_ascii_is_the_long_way(text in "[ -~]{0,20}") {
            let long_way = fold(&format!("{text}\u{200B}"));
            prop_assert_eq!(fold(&text), long_way);
        }
    }

    fn one_key(spellings: &[&str]) {
        for pair in spellings.windows(2) {
            assert_eq!(fold(pair[0]), fold(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn composition_exclusions_of_bengali_meet() {
        one_key(&["সময়", "সময\u{9BC}"]);
        one_key(&["হঠাৎ", "হঠাত\u{9CD}\u{200D}"]);
    }

    #[test]
    fn turkish_capitals_meet_their_small_letters() {
        one_key(&[
            "İNSTAGRAM",
            "INSTAGRAM",
            "instagram",
            "i\u{307}nstagram",
            "ınstagram",
        ]);
        one_key(&["ÇALIŞMIYOR", "çalışmıyor"]);
    }

    #[test]
    fn greek_capitals_meet_their_accented_letters() {
        one_key(&["ΈΠΕΣΕ", "ΕΠΕΣΕ", "έπεσε", "ἔπεσε"]);
        assert_ne!(fold("μαϊ"), fold("μαι"));
    }

    #[test]
    fn persian_and_arabic_keyboards_meet() {
        one_key(&["اینترنت۲", "اينترنت٢", "اينترنت2"]);
        one_key(&["می\u{200C}خواهم", "میخواهم"]);
    }

    #[test]
    fn marks_that_tell_words_apart_stay() {
        for (one, other) in [
            ("zähler", "zahler"),
            ("все", "всё"),
            ("أخبار", "اخبار"),
            ("हिंदी", "हिन्दी"),
            ("ツイ", "つい"),
        ] {
            assert_ne!(fold(one), fold(other));
        }
    }
}
