//! Character classes of the hashtag grammar, as one table.
//!
//! The classes are written below as regular expressions, the way the grammar is specified; at first use they are
//! expanded into a two-level table that answers for one character in two loads. General categories and short lists
//! only, never `XID_Continue`: that property gained ZWNJ, ZWJ and the katakana middle dot in Unicode 15.1, so a
//! grammar that rests on it changes under one's feet. The Unicode version is that of crate `regex-syntax`.

use std::sync::LazyLock;

use hashbrown::HashMap;
use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// Characters that share one row of the table.
const ROW: usize = 256;

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct ClassSet(u16);

impl ClassSet {
    /// May begin a hashtag.
    pub(super) const WORD: Self = Self(1);
    /// May go on with one.
    pub(super) const CONT: Self = Self(1 << 1);
    /// Stands inside a hashtag, one at a time; the joiners U+200C and U+200D are in [`Self::JOINER`].
    pub(super) const SEP: Self = Self(1 << 2);
    /// ZWNJ and ZWJ: separators that may be repeated.
    pub(super) const JOINER: Self = Self(1 << 3);
    /// With a ZWJ after it, may end a hashtag.
    pub(super) const VIRAMA: Self = Self(1 << 4);
    /// Right before a sign, makes it no sign.
    pub(super) const BLOCK: Self = Self(1 << 5);
    /// Ends a URL.
    pub(super) const GAP: Self = Self(1 << 6);
    /// A letter.
    pub(super) const LETTER: Self = Self(1 << 7);
    /// A letter that leaves a letter in the key, whatever stands around it.
    pub(super) const LASTING: Self = Self(1 << 8);
    /// Is not deleted by the fold.
    pub(super) const KEPT: Self = Self(1 << 9);
    /// Is cut from both ends of a key.
    pub(super) const TRIMMED: Self = Self(1 << 10);
    /// A decimal digit.
    pub(super) const DIGIT: Self = Self(1 << 11);
    /// Case folding changes it.
    pub(super) const CASED: Self = Self(1 << 12);
    /// Some of the characters that NFKC leaves alone, whatever stands around them: those of most text.
    pub(super) const NORMAL: Self = Self(1 << 13);

    /// Whether `self` holds one of `classes`.
    pub(super) fn meets(self, classes: Self) -> bool {
        self.0 & classes.0 != 0
    }

    /// What is in either.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Every class with its definition.
#[rustfmt::skip]
const DEFINITIONS: [(ClassSet, &str); 14] = [
    (ClassSet::WORD, r"[\p{L}\p{Nl}\p{Nd}\p{Pc}]"),
    (ClassSet::CONT, r"[[\p{L}\p{Nl}\p{Nd}\p{Pc}\p{Mn}\p{Mc}\u{5F3}\u{F0B}\u{F0C}\u{3003}\u{309B}\u{309C}]--[\u{FE0E}\u{FE0F}]]"),
    (ClassSet::SEP, r"[\u{B7}\u{387}\u{55B}\u{55C}\u{55E}\u{5BE}\u{5F4}\u{301C}\u{30A0}\u{30FB}\u{FF5E}\u{FF65}]"),
    (ClassSet::JOINER, r"[\u{200C}\u{200D}]"),
    (ClassSet::VIRAMA, r"[\u{94D}\u{9CD}\u{A4D}\u{ACD}\u{B4D}\u{BCD}\u{C4D}\u{CCD}\u{D4D}\u{DCA}]"),
    (ClassSet::BLOCK, r"[[\p{L}\p{Nl}\p{Nd}\p{Pc}\p{Mn}\p{Mc}&]--[\u{FE0E}\u{FE0F}]]"),
    (ClassSet::GAP, r#"[\s<>"\u{201C}\u{201D}\u{3000}-\u{3003}\u{3008}-\u{3011}\u{FF01}\u{FF08}\u{FF09}\u{FF0C}\u{FF1F}]"#),
    (ClassSet::LETTER, r"\p{L}"),
    // Letters that are left out may fold to nothing: tatweel among the modifiers, the Hangul fillers, the
    // presentation forms of harakat. Proved for every code point by `a_lasting_letter_leaves_a_letter_in_the_key`.
    (ClassSet::LASTING, r"[\p{L}--[\p{Lm}\p{Default_Ignorable_Code_Point}\u{FB50}-\u{FEFF}]]"),
    // What may stand in a hashtag, less the invisible, Arabic tatweel and harakat, Hebrew points and accents, and the
    // Armenian marks of intonation: people type the same word with and without them.
    (ClassSet::KEPT, r"[
        [\p{L}\p{Nl}\p{Nd}\p{Pc}\p{Mn}\p{Mc}\u{5F3}\u{F0B}\u{F0C}\u{3003}\u{309B}\u{309C}
         \u{B7}\u{387}\u{5BE}\u{5F4}\u{301C}\u{30A0}\u{30FB}\u{FF5E}\u{FF65}]
        --
        [\p{Default_Ignorable_Code_Point}
         \u{640}\u{64B}-\u{652}\u{670}\u{610}-\u{61A}\u{6D6}-\u{6DC}\u{6DF}-\u{6E4}\u{6E7}-\u{6E8}\u{6EA}-\u{6ED}
         \u{591}-\u{5BD}\u{5BF}\u{5C1}-\u{5C2}\u{5C4}-\u{5C5}\u{5C7}]
    ]"),
    (ClassSet::TRIMMED, r"[\p{Pc}\u{5F3}\u{F0B}\u{B7}\u{387}\u{55B}\u{55C}\u{55E}\u{5BE}\u{5F4}\u{301C}\u{30A0}\u{30FB}\u{FF5E}\u{FF65}\u{200C}\u{200D}]"),
    (ClassSet::DIGIT, r"\p{Nd}"),
    // Letters without compatibility forms: Latin, Cyrillic, Hebrew, Arabic, Thai, Georgian, kana, Han, Hangul. Proved by
    // `normal_characters_are_normal_everywhere`.
    (ClassSet::NORMAL, r"[
        0-9A-Za-z_ \u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{131}\u{141}-\u{148}\u{14A}-\u{17E} \u{400}-\u{481}\u{48A}-\u{52F}
        \u{5D0}-\u{5EA} \u{620}-\u{64A}\u{671}-\u{674}\u{679}-\u{6D3} \u{E01}-\u{E32}\u{E40}-\u{E46}
        \u{10D0}-\u{10FA} \u{3041}-\u{3096}\u{30A1}-\u{30FC} \u{4E00}-\u{9FFF} \u{AC00}-\u{D7A3}
    ]"),
    (ClassSet::CASED, r"[\p{Changes_When_Casefolded}\u{131}]"),
];

/// The classes of every character.
pub(super) struct Classes {
    row_of: Vec<u16>,
    rows: Vec<[ClassSet; ROW]>,
    digit_runs: ClassUnicode,
}

impl Classes {
    /// The one table, built at the first call (some milliseconds).
    pub(super) fn table() -> &'static Self {
        static TABLE: LazyLock<Classes> = LazyLock::new(Classes::build);
        &TABLE
    }

    /// The classes of one character.
    pub(super) fn of(&self, c: char) -> ClassSet {
        let code = c as usize;
        self.rows[usize::from(self.row_of[code / ROW])][code % ROW]
    }

    /// The value of a decimal digit of any script; none for other characters.
    pub(super) fn digit(&self, c: char) -> Option<u32> {
        // Unicode encodes decimal digits in runs of whole tens, zero first.
        self.of(c).meets(ClassSet::DIGIT).then(|| {
            let runs = self.digit_runs.ranges();
            let run = runs.partition_point(|run| run.end() < c);
            (u32::from(c) - u32::from(runs[run].start())) % 10
        })
    }

    fn build() -> Self {
        let mut flat = vec![ClassSet::default(); char::MAX as usize + 1];
        for (class, definition) in DEFINITIONS {
            for range in expand(definition).ranges() {
                for set in &mut flat[range.start() as usize..=range.end() as usize] {
                    *set = set.or(class);
                }
            }
        }
        let mut rows: Vec<[ClassSet; ROW]> = Vec::new();
        let mut known = HashMap::new();
        let row_of = flat
            .as_chunks::<ROW>()
            .0
            .iter()
            .map(|row| {
                *known.entry(*row).or_insert_with(|| {
                    rows.push(*row);
                    u16::try_from(rows.len() - 1).expect("there are 4352 rows at most")
                })
            })
            .collect();
        Self {
            row_of,
            rows,
            digit_runs: expand(r"\p{Nd}"),
        }
    }
}

/// The code points of a class as sorted ranges.
fn expand(definition: &str) -> ClassUnicode {
    let hir = regex_syntax::ParserBuilder::new()
        .ignore_whitespace(true)
        .build()
        .parse(definition)
        .expect("the definitions are constants and have a test");
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => class,
        other => unreachable!("a definition is one class of characters, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::char::canonical_combining_class;
    use unicode_normalization::{IsNormalized, is_nfkc_quick};

    use super::*;

    #[test]
    fn normal_characters_are_normal_everywhere() {
        let table = Classes::table();
        for c in ('\0'..=char::MAX).filter(|&c| table.of(c).meets(ClassSet::NORMAL)) {
            let alone = is_nfkc_quick(std::iter::once(c));
            assert_eq!(
                (alone, canonical_combining_class(c)),
                (IsNormalized::Yes, 0),
                "{c:?}"
            );
        }
    }

    #[test]
    fn the_table_says_what_the_expanded_classes_say() {
        let table = Classes::table();
        for (class, definition) in DEFINITIONS {
            let members: usize = expand(definition)
                .ranges()
                .iter()
                .map(regex_syntax::hir::ClassUnicodeRange::len)
                .sum();
            let in_table = ('\0'..=char::MAX)
                .filter(|&c| table.of(c).meets(class))
                .count();
            assert_eq!(in_table, members, "{definition}");
        }
    }

    #[test]
    fn digits_run_in_whole_tens() {
        for run in expand(r"\p{Nd}").ranges() {
            assert_eq!(run.len() % 10, 0, "{run:?}");
        }
        let table = Classes::table();
        for (digit, value) in [('0', 0), ('৭', 7), ('٩', 9), ('๔', 4), ('𝟡', 9)] {
            assert_eq!(table.digit(digit), Some(value), "{digit}");
        }
        assert_eq!(table.digit('a'), None);
    }
}
