//! The soak: many live feeds at once, each cut again and again, and in the end not a post too many or too few.
//!
//! Ten stand-ins for Jetstream send Bluesky's post rate each. Every connection ends after twenty seconds on average:
//! by a cut, torn in a frame, with a farewell, in silence; or it is answered with 503, 429 or 500. Two of the ten speak
//! the first protocol. The program listens to all of them; at the end it is told to stop, and what it has counted is
//! held against what was sent: posts of each feed, uses of each hashtag. Its memory is printed every ten seconds.
//!
//! `just soak` takes half an hour, `just soak 20` twenty seconds; what else can be set is [`Soak::asked_for`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use downtrend::clock;
use downtrend::time::Timestamp;
use serde_json::{Value, json};

use super::support::jetstream::{After, End, Event, Jetstream, Manner, What};
use super::support::program::Program;
use super::support::{Place, report};

/// How often figures are printed.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// How often a server sends what is due.
const SEND_EVERY: Duration = Duration::from_millis(50);
/// Events that a server keeps: a quarter of an hour at five times the usual rate, longer than any feed is away.
const KEEP: usize = 250_000;
/// All feeds speak the second protocol but for the last ones, which speak the first.
const FEEDS_OF_V1: usize = 2;
/// What the first connection brings before it is cut.
const FRAMES_FIRST: usize = 20;
/// How long a silent connection is borne.
const IDLE_AFTER: &str = "10s";
/// How long the last post may take to be counted: a pause of a minute, a silence, and another pause.
const PATIENCE: Duration = Duration::from_mins(4);
/// When memory is what it will be: minutes stay open for ten minutes, then their authors are remembered for an hour and
/// ten minutes; few authors are all there soon.
const WARM_UP: Duration = Duration::from_mins(85);
const WARM_UP_OF_FEW_AUTHORS: Duration = Duration::from_mins(15);
const FEW_AUTHORS: u32 = 1_000;
/// What may be added to memory after that, for what the allocator does.
const GROWTH_MAX: f64 = 0.10;
/// More than this it never takes, warm or not, at ten times Bluesky's rate.
const MEGABYTES_MAX: f64 = 256.0;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
struct Soak {
    time: Duration,
    feeds: usize,
    posts_per_second: u64,
    /// How long a connection lasts on average.
    life: Duration,
    /// How many people post.
    authors: u32,
    seed: u64,
}

impl Soak {
    /// `DOWNTREND_SOAK_SECONDS`, `_FEEDS`, `_POSTS_PER_SECOND` of each feed, `_LIFE_SECONDS`, `_AUTHORS`, `_SEED`.
    fn asked_for() -> Self {
        let number = |name: &str, default: u64| {
            let asked = std::env::var(format!("DOWNTREND_SOAK_{name}"));
            asked.map_or(default, |text| text.parse().expect("a number"))
        };
        Self {
            time: Duration::from_secs(number("SECONDS", 20)),
            feeds: usize::try_from(number("FEEDS", 10)).expect("small"),
            posts_per_second: number("POSTS_PER_SECOND", 55),
            life: Duration::from_secs(number("LIFE_SECONDS", 20)),
            authors: u32::try_from(number("AUTHORS", 20_000)).expect("small"),
            seed: number("SEED", clock::now().as_millis().cast_unsigned()),
        }
    }

    fn is_v1(&self, feed: usize) -> bool {
        feed + FEEDS_OF_V1 >= self.feeds
    }
}

/// What was sent by one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Truth {
    posts: u64,
    uses: BTreeMap<String, u64>,
}

/// What connections met, by name.
type Met = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// What the next connection meets.
fn draw(dice: &mut fastrand::Rng, life: Duration, met: &Met) -> Manner {
    let time = life.mul_f64(-(1.0 - dice.f64()).ln());
    let ends = |end| Manner::Ends(After::Time(time), end);
    let (name, manner) = match dice.u32(0..20) {
        0..=7 => ("cut", ends(End::Cut)),
        8..=10 => ("torn", ends(End::Torn)),
        11..=13 => ("farewell", ends(End::Farewell)),
        14..=15 => ("stall", ends(End::Stall)),
        16 => ("silence", Manner::Silence),
        17 => {
            let answer =
                Manner::Answer("503 Service Unavailable", "Retry-After: 3\r\n", "starting");
            ("503", answer)
        }
        18 => {
            let answer = Manner::Answer("429 Too Many Requests", "Retry-After: 2\r\n", "slowly");
            ("429", answer)
        }
        _ => ("500", Manner::Answer("500 Internal Server Error", "", "")),
    };
    *met.lock().expect("no panic").entry(name).or_default() += 1;
    manner
}

/// A hundred and twenty hashtags in many scripts, some much more frequent than others.
fn hashtag(dice: &mut fastrand::Rng) -> String {
    const WORDS: [&str; 12] = [
        "হোয়াটসঅ্যাপডাউন",
        "ডাউন",
        "whatsappdown",
        "Caído",
        "ÇÖKTÜ",
        "障害",
        "장애",
        "ล่มแล้ว",
        "تعطل",
        "НетСвязи",
        "बंद",
        "outage_now",
    ];
    let farthest = dice.usize(1..=120);
    let place = dice.usize(0..farthest);
    format!("{}{}", WORDS[place % WORDS.len()], place / WORDS.len())
}

/// Half of the posts bear hashtags, up to three.
fn hashtags(dice: &mut fastrand::Rng) -> BTreeSet<String> {
    let count = if dice.bool() { dice.usize(1..=3) } else { 0 };
    (0..count).map(|_| hashtag(dice)).collect()
}

fn post(
    feed: usize,
    seq: u64,
    hashtags: &BTreeSet<String>,
    author: u32,
    truth: &mut Truth,
) -> Event {
    let number = truth.posts;
    let mut text = format!("nothing works here, number {number}");
    for hashtag in hashtags {
        text = format!("{text} #{hashtag}");
        let key = downtrend::hashtag::declared(hashtag).remove(0).key;
        *truth.uses.entry(key).or_default() += 1;
    }
    truth.posts += 1;
    let now_us = clock::now().as_millis() * 1_000;
    let mut event = Event::post(seq, now_us, format!("f{feed}n{number}"), &text);
    event.did = format!("did:plc:author{author:018}");
    event
}

/// Something that the feed did not ask for.
fn like(feed: usize, seq: u64, number: u64) -> Event {
    const LIKES: &str = "app.bsky.feed.like";
    let mut event = Event::post(seq, clock::now().as_millis() * 1_000, String::new(), "");
    event.what = What::Commit {
        operation: "create",
        collection: LIKES,
        rkey: format!("f{feed}l{number}"),
        record: Some(json!({"$type": LIKES, "subject": {"uri": "at://x"}})),
    };
    event
}

/// Sends what is due until it is told to end; in the end without hashtags.
fn send(soak: Soak, feed: usize, server: &Jetstream, ending: &Receiver<()>) -> Truth {
    let mut dice = fastrand::Rng::with_seed(soak.seed + feed as u64);
    let (mut truth, mut seq) = (Truth::default(), 0);
    let started = clock::start();
    while ending.recv_timeout(SEND_EVERY) == Err(RecvTimeoutError::Timeout) {
        let due = started.elapsed().as_millis() * u128::from(soak.posts_per_second) / 1_000;
        while u128::from(truth.posts) < due {
            // Numbers have holes, as the server counts what nobody asked for too.
            seq += dice.u64(1..=3);
            let hashtags = if started.elapsed() < soak.time {
                hashtags(&mut dice)
            } else {
                BTreeSet::new()
            };
            let author = dice.u32(0..soak.authors);
            server.push_event(post(feed, seq, &hashtags, author, &mut truth));
            if dice.u32(0..10) == 0 {
                seq += 1;
                server.push_event(like(feed, seq, truth.posts));
            }
        }
    }
    truth
}

/// Memory over time.
#[derive(Default)]
struct Memory {
    /// Seconds since the start, and megabytes.
    samples: Vec<(f64, f64)>,
}

impl Memory {
    fn take(&mut self, seconds: f64, program: &Program) -> f64 {
        let megabytes = program.memory_kb().unwrap_or_default() as f64 / 1_000.0;
        self.samples.push((seconds, megabytes));
        megabytes
    }

    /// Megabytes a minute, by least squares, over the samples from a time on.
    fn slope_since(&self, seconds: f64) -> f64 {
        let part: Vec<_> = self
            .samples
            .iter()
            .filter(|(at, _)| *at >= seconds)
            .collect();
        let count = part.len() as f64;
        let mean =
            |value: fn(&(f64, f64)) -> f64| part.iter().map(|it| value(it)).sum::<f64>() / count;
        let (x, y) = (mean(|it| it.0), mean(|it| it.1));
        let above: f64 = part.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
        let below: f64 = part.iter().map(|it| (it.0 - x).powi(2)).sum();
        if below > 0.0 {
            60.0 * above / below
        } else {
            0.0
        }
    }

    fn tell(&self, authors: u32) {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else {
            return;
        };
        let warm_up = if authors <= FEW_AUTHORS {
            WARM_UP_OF_FEW_AUTHORS
        } else {
            WARM_UP
        };
        let (half, warm) = (last.0 / 2.0, warm_up.as_secs_f64());
        report(&format!(
            "memory: first {:.1} MB, last {:.1} MB; slope {:+.3} MB a minute over all, {:+.3} over the second half",
            first.1,
            last.1,
            self.slope_since(0.0),
            self.slope_since(half),
        ));
        assert!(last.1 < MEGABYTES_MAX, "memory is {} MB", last.1);
        let grown = self.slope_since(warm) * (last.0 - warm) / 60.0;
        assert!(
            last.0 < 1.5 * warm || grown < GROWTH_MAX * last.1,
            "memory grows: {grown:.1} MB since it was warm"
        );
    }
}

fn configuration(soak: &Soak, servers: &[Jetstream]) -> String {
    let tables = servers.iter().enumerate().map(|(feed, server)| {
        let protocol = if soak.is_v1(feed) { "v1" } else { "v2" };
        format!(
            "[[feed]]\nkind = \"bluesky\"\nhosts = [\"{}\"]\nprotocol = \"{protocol}\"\nallow_private = true\nidle_after = \"{IDLE_AFTER}\"\n",
            server.url()
        )
    });
    tables.collect()
}

/// Runs it all, and gives what was sent, the summary of the program and its memory.
fn run(soak: Soak, servers: &[Jetstream], place: &Place) -> (Vec<Truth>, Value, Memory) {
    let program = Program::start(place, &["--json"]);
    for server in servers {
        server.visits(1);
    }
    let mut memory = Memory::default();
    let truths: Vec<Truth> = std::thread::scope(|scope| {
        let sending = servers.iter().enumerate().map(|(feed, server)| {
            let (ending, until) = channel();
            (
                ending,
                scope.spawn(move || send(soak, feed, server, &until)),
            )
        });
        let sending: Vec<_> = sending.collect();
        let started = clock::start();
        while started.elapsed() < soak.time {
            program.watch(SAMPLE_EVERY.min(soak.time.saturating_sub(started.elapsed())));
            let seconds = started.elapsed().as_secs_f64();
            let megabytes = memory.take(seconds, &program);
            let counted: u64 = program.counted().values().sum();
            report(&format!(
                "{seconds:5.0} s: {megabytes:6.1} MB, {counted} posts counted"
            ));
        }
        until_the_next_minute(&program);
        let ended = sending.into_iter().map(|(ending, thread)| {
            drop(ending);
            thread.join().expect("it sends to the end")
        });
        ended.collect()
    });
    for server in servers {
        server.behave();
    }
    let sent: u64 = truths.iter().map(|truth| truth.posts).sum();
    program.until(PATIENCE, |counted| counted.values().sum::<u64>() == sent);
    report(&format!("it said:\n{}", last_lines(&program.errors(), 5)));
    (truths, program.stop_and_read(PATIENCE), memory)
}

/// A minute is shown once it is closed: when every feed has heard something of the next.
fn until_the_next_minute(program: &Program) {
    const FOR_A_FEW_POSTS: Duration = Duration::from_secs(2);
    program.watch(FOR_A_FEW_POSTS);
    let last = clock::now().minute();
    while clock::now().minute() == last {
        program.watch(Duration::from_secs(1));
    }
    program.watch(FOR_A_FEW_POSTS);
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" posts, "))
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Uses of each hashtag as exported.
fn exported(place: &Place, from: Timestamp) -> BTreeMap<String, u64> {
    let to = Timestamp::from_millis(clock::now().as_millis() + 120_000).expect("a time");
    let (from, to) = (from.to_string(), to.to_string());
    let document = place.json(&["export", "--all", "--from", &from, "--to", &to]);
    let mut uses = BTreeMap::<String, u64>::new();
    for row in document["rows"].as_array().expect("rows") {
        let key = row["hashtag"].as_str().expect("a key").to_owned();
        *uses.entry(key).or_default() += row["uses"].as_u64().unwrap_or(0);
    }
    uses
}

fn compare(soak: &Soak, servers: &[Jetstream], truths: &[Truth], summary: &Value, place: &Place) {
    let feeds = place.json(&["feeds"]);
    for ((feed, server), truth) in servers.iter().enumerate().zip(truths) {
        let name = format!("bluesky:{}", server.url());
        let row = |list: &Value| {
            let rows = list.as_array().expect("a list").iter();
            let mut found = rows.filter(|row| row["name"] == *name);
            found.next().expect("every feed is there").clone()
        };
        let (stored, ran) = (row(&feeds["feeds"]), row(&summary["feeds"]));
        assert_eq!(stored["posts"], truth.posts, "{name}: {ran}");
        assert_eq!(ran["posts_counted"], truth.posts, "{name}: {ran}");
        assert_eq!(ran["late"], 0, "{name}: {ran}");
        assert_eq!(ran["rejected"], json!({}), "{name}: {ran}");
        // The first protocol goes on a little earlier, and the store leaves out the repeats.
        assert!(soak.is_v1(feed) || ran["duplicates"] == 0, "{name}: {ran}");
    }
}

#[test]
#[ignore = "takes as long as it is told: just soak"]
fn not_a_post_is_lost_or_counted_twice_however_often_connections_end() {
    let soak = Soak::asked_for();
    report(&format!("{soak:?}"));
    let met = Met::default();
    let servers: Vec<Jetstream> = (0..soak.feeds)
        .map(|feed| {
            let mut dice = fastrand::Rng::with_seed(!soak.seed - feed as u64);
            let met = Met::clone(&met);
            let server = Jetstream::start_with(KEEP, move || draw(&mut dice, soak.life, &met));
            // A feed that has heard nothing yet starts at the live tip: what came before it is not missed.
            server.next_visit(Manner::Ends(After::Frames(FRAMES_FIRST), End::Cut));
            server
        })
        .collect();
    let place = Place::new();
    place.write("downtrend.toml", configuration(&soak, &servers));
    let from = Timestamp::from_millis(clock::now().as_millis() - 60_000).expect("a time");
    let (truths, summary, memory) = run(soak, &servers, &place);
    let mut uses = BTreeMap::<String, u64>::new();
    for (hashtag, count) in truths.iter().flat_map(|truth| &truth.uses) {
        *uses.entry(hashtag.clone()).or_default() += count;
    }
    let sent: u64 = truths.iter().map(|truth| truth.posts).sum();
    report(&format!(
        "sent: {sent} posts, {} uses of {} hashtags; counted: {} posts, {} uses, {} late, {} seen before",
        uses.values().sum::<u64>(),
        uses.len(),
        summary["posts_counted"],
        summary["hashtag_uses"],
        summary["late"],
        summary["duplicates"],
    ));
    let met = met.lock().expect("no panic");
    report(&format!(
        "{} connections met {met:?}",
        met.values().sum::<u64>()
    ));
    compare(&soak, &servers, &truths, &summary, &place);
    assert_eq!(exported(&place, from), uses);
    memory.tell(soak.authors);
}
