//! How fast hashtags are read: posts per second on a mixed corpus, and that hostile text costs linear time.
//!
//! `cargo bench --no-default-features --bench extract`. In `hostile` the time of a row must double from one size to the
//! next; `fold` is the cost of one key by script.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use downtrend::hashtag;

fn main() {
    divan::main();
}

/// Words of twelve scripts to make posts of; a hashtag is one or two of them.
const WORDS: [&[&str]; 12] = [
    &[
        "the", "App", "keeps", "spinning", "again", "whatsapp", "down", "nothing", "loads", "for",
        "me",
    ],
    &[
        "আজ",
        "সকাল",
        "থেকে",
        "হোয়াটসঅ্যাপ",
        "ডাউন",
        "কেন",
        "ঢুকতে",
        "পারছি",
        "না",
    ],
    &["आज", "सुबह", "से", "व्हाट्सऐप", "ठप", "क्यों", "है"],
    &["இன்று", "காலை", "முதல்", "வாட்ஸ்அப்", "முடங்கியது"],
    &["منذ", "الصباح", "واتساب", "معطل", "عندكم"],
    &["с", "утра", "Телеграм", "лежит", "у", "всех"],
    &["από", "το", "πρωί", "Έπεσε", "Πάλι"],
    &["朝から", "障害", "繋がらない", "みたい"],
    &["오늘", "카톡", "먹통", "왜"],
    &["วันนี้", "เฟส", "ล่ม", "อีกแล้ว"],
    &["מהבוקר", "וואטסאפ", "נפל", "שוב"],
    &["bugün", "Instagram", "çöktü", "yine", "açılmıyor"],
];

/// A fixed sequence of numbers that look random: the corpus is the same on every machine.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's MMIX generator; the high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Posts of about 15 words, half of them English; every third has hashtags, every fifth a URL.
fn posts(count: usize) -> Vec<String> {
    let mut sequence = Sequence(25_102_022);
    (0..count)
        .map(|_| {
            let script = sequence.below(2 * WORDS.len());
            let words = WORDS[if script < WORDS.len() { script } else { 0 }];
            let mut text = String::new();
            for _ in 0..5 + sequence.below(20) {
                text.push_str(words[sequence.below(words.len())]);
                text.push_str([" ", " ", " ", ", ", "! "][sequence.below(5)]);
            }
            if sequence.below(10) < 3 {
                for _ in 0..=sequence.below(3) {
                    text.push('#');
                    text.push_str(words[sequence.below(words.len())]);
                    text.push_str(words[sequence.below(words.len())]);
                    text.push(' ');
                }
            }
            if sequence.below(5) == 0 {
                text.push_str("https://example.com/a/b?c=d#e");
            }
            text
        })
        .collect()
}

#[divan::bench(sample_count = 20)]
fn mixed_posts(bencher: Bencher) {
    let posts = posts(20_000);
    let bytes: usize = posts.iter().map(String::len).sum();
    bencher
        .counter(ItemsCount::new(posts.len()))
        .counter(BytesCount::new(bytes))
        .bench(|| {
            posts
                .iter()
                .map(|post| hashtag::extract(black_box(post)).len())
                .sum::<usize>()
        });
}

/// Pieces that, repeated, made other readers quadratic.
const HOSTILE: [(&str, &str); 8] = [
    ("signs", "#"),
    ("chain", "#a"),
    ("schemes", "http://"),
    ("domain without an end", "a.a"),
    ("dotted tags", "#a.b.c"),
    ("one endless tag", "ক্ষি"),
    ("joiners", "#a\u{200D}\u{200D}"),
    ("glued schemes", "#ahttps://"),
];

#[divan::bench(args = HOSTILE.map(|(name, _)| name), consts = [250_000, 500_000, 1_000_000], sample_count = 5)]
fn hostile<const BYTES: usize>(bencher: Bencher, name: &str) {
    let (_, piece) = HOSTILE
        .iter()
        .find(|(known, _)| *known == name)
        .expect("an argument is a name");
    let text = format!("#{} #a {0}#a", piece.repeat(BYTES / piece.len() / 2));
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| hashtag::extract(black_box(&text)).len());
}

#[divan::bench(args = ["WhatsAppDown", "হোয়াটসঅ্যাপডাউন", "व्हाट्सऐपडाउन", "واتساب_معطل", "ТелеграмЛежит", "ΈπεσεΤοFacebook", "LINE障害", "카톡먹통", "ＬＩＮＥ"])]
fn fold(label: &str) -> String {
    hashtag::fold(black_box(label))
}
