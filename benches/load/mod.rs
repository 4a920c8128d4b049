//! A day of posts in Jetstream's shape, the same each time: what the benchmarks read.
//!
//! 30 % of the posts bear hashtags, one to four each, Zipf-distributed over twelve scripts; authors are Zipf-distributed
//! too. Event times follow a daily curve and are out of order by up to 30 s; 1 % of the lines stand twice, 0.1 % are
//! broken. Nothing in it is a real post.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares of a day are positive and small"
)]

use std::fmt::Write;

/// 2026-10-01T00:00:00Z in microseconds.
const DAY_START_US: u64 = 1_790_812_800_000_000;
const DAY_US: u64 = 86_400_000_000;
const JITTER_US: u64 = 30_000_000;

const WORDS: [&str; 24] = [
    "again",
    "nothing",
    "loads",
    "since",
    "this",
    "morning",
    "anyone",
    "else",
    "it",
    "is",
    "slow",
    "here",
    "আজ",
    "সকাল",
    "থেকে",
    "नहीं",
    "चल",
    "रहा",
    "その",
    "あと",
    "nada",
    "funciona",
    "всё",
    "ещё",
];
const STEMS: [&str; 12] = [
    "morning",
    "ডাউন",
    "सुबह",
    "صباح",
    "朝活",
    "утро",
    "เช้า",
    "காலை",
    "아침",
    "πρωί",
    "בוקר",
    "ਸਵੇਰ",
];

/// Pseudo-random numbers (splitmix64: Steele, Lea, Flood 2014).
pub(crate) struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A rank of `n`, about as often as one over the rank.
    fn zipf(&mut self, n: u64) -> u64 {
        ((n as f64).powf(self.unit()) - 1.0) as u64
    }
}

/// The text of a post.
pub(crate) fn text(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..8 + dice.below(14) {
        let word = WORDS[dice.below(WORDS.len() as u64) as usize];
        write!(text, "{word} ").expect("memory");
    }
    if dice.below(100) < 30 {
        for _ in 0..=dice.zipf(4) {
            let rank = dice.zipf(200_000);
            let stem = STEMS[(rank % STEMS.len() as u64) as usize];
            write!(text, "#{stem}{rank} ").expect("memory");
        }
    } else if dice.below(20) == 0 {
        text.push_str("https://example.com/page#section and C# and #1");
    }
    text
}

/// `posts` posts, a line each, with the repeated and the broken lines among them.
pub(crate) fn lines(posts: u64) -> Vec<u8> {
    let mut dice = Dice(posts);
    let mut lines = Vec::new();
    for n in 0..posts {
        // Two posts of three in the half of the day around 18:00.
        let share = n as f64 / posts as f64;
        let bent = share + 0.1 * (std::f64::consts::TAU * (share + 0.25)).sin() - 0.1;
        let at = DAY_START_US + (bent.max(0.0) * DAY_US as f64) as u64 + dice.below(JITTER_US);
        let author = dice.zipf(200_000);
        let line = format!(
            "{{\"did\":\"did:plc:{author:0>24}\",\"time_us\":{at},\"kind\":\"commit\",\"commit\":{{\"rev\":\"3l{n:0>11}\",\
             \"operation\":\"create\",\"collection\":\"app.bsky.feed.post\",\"rkey\":\"3k{n:0>11}\",\"record\":{{\"$type\":\
             \"app.bsky.feed.post\",\"createdAt\":\"2026-10-01T12:00:00.000Z\",\"embed\":{{\"$type\":\"app.bsky.embed.external\",\
             \"external\":{{\"description\":\"{0} {0} {0}\",\"title\":\"{0}\",\"uri\":\"https://example.com/{n}\"}}}},\
             \"langs\":[\"{1}\"],\"text\":\"{2}\"}},\"cid\":\"bafyrei{n:0>52}\"}}}}\n",
            "a page about nothing in particular",
            ["en", "bn", "hi", "ja"][(n % 4) as usize],
            text(&mut dice),
        );
        match dice.below(1_000) {
            0 => lines.extend_from_slice(&line.as_bytes()[..line.len() / 2]),
            1..=10 => lines.extend_from_slice(line.repeat(2).as_bytes()),
            _ => lines.extend_from_slice(line.as_bytes()),
        }
    }
    lines
}

/// Dice for texts.
pub(crate) fn dice(seed: u64) -> Dice {
    Dice(seed)
}
