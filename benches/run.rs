//! Posts per second: parse, extract, record, and the whole `run`; wall time and CPU time of the process.
//!
//! `cargo bench --bench run [-- POSTS]`. Figures of one machine on one day: compare them only with others of the same
//! run. The floor that the project holds itself to is 150,000 posts a second of CPU time for the whole.
#![expect(clippy::print_stdout, reason = "its table is what a bench is for")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod load;

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use downtrend::feed::format;
use downtrend::hashtag;
use downtrend::post::{Identity, Item, Post};

/// Posts a round unless an argument says otherwise.
const POSTS: u64 = 200_000;
const ROUNDS: usize = 5;

fn main() {
    let posts = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(POSTS);
    let lines = load::lines(posts);
    println!(
        "{posts} posts in Jetstream's shape, {} bytes a line, median of {ROUNDS} rounds",
        lines.len() as u64 / posts
    );
    println!(
        "{:<10} {:>14} {:>14}",
        "step", "posts/s wall", "posts/s CPU"
    );
    report("parse", posts, || parse(&lines));
    report("extract", posts, {
        let texts: Vec<String> = (0..posts)
            .scan(load::dice(7), |dice, _| Some(load::text(dice)))
            .collect();
        move || texts.iter().map(|text| hashtag::extract(text).len()).sum()
    });
    report("record", posts, {
        let parsed = parsed(&lines);
        move || record(&parsed)
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("posts.ndjson");
    std::fs::write(&path, &lines).expect("written");
    whole(posts, &path, folder.path());
}

fn report(step: &str, posts: u64, mut work: impl FnMut() -> usize) {
    let mut rounds: Vec<(Duration, Duration)> = (0..ROUNDS)
        .map(|_| {
            let (wall, cpu) = (Instant::now(), ProcessTime::now());
            black_box(work());
            (wall.elapsed(), cpu.elapsed())
        })
        .collect();
    rounds.sort();
    let (wall, cpu) = rounds[ROUNDS / 2];
    print_row(step, posts, wall, cpu);
}

fn print_row(step: &str, posts: u64, wall: Duration, cpu: Duration) {
    let rate = |time: Duration| posts as f64 / time.as_secs_f64();
    println!("{step:<10} {:>14.0} {:>14.0}", rate(wall), rate(cpu));
}

fn parse(lines: &[u8]) -> usize {
    let mut items = Vec::new();
    lines
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            items.clear();
            format::read(line, &mut items);
            items.len()
        })
        .sum()
}

fn parsed(lines: &[u8]) -> Vec<Post> {
    let identity = Identity::new([7; 16]);
    let mut items = Vec::new();
    lines
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .for_each(|line| format::read(line, &mut items));
    let posts = items.iter().filter_map(|item| match item {
        Ok(Item::Post(post)) => Some(post.anonymise(&identity)),
        _ => None,
    });
    posts.collect()
}

/// The loop without its reading: tracker and ledger.
fn record(posts: &[Post]) -> usize {
    use downtrend::feed::contract::{Batch, Ending, Feed, Outlet};
    use downtrend::feed::inlet::Inlet;
    use downtrend::pipeline::{self, Summary, Watcher};
    use downtrend::store::sqlite::Sqlite;
    use downtrend::store::{Ledger, Retention};
    use downtrend::trend::settings::Settings;
    use downtrend::trend::tracker::Tracker;

    struct Ready(Vec<Batch>);
    impl Feed for Ready {
        fn run(self: Box<Self>, outlet: Outlet) {
            self.0
                .into_iter()
                .for_each(|batch| outlet.send(batch).expect("the loop reads to the end"));
        }
    }
    struct Nobody;
    impl Watcher for Nobody {
        fn dropped(
            &mut self,
            _: downtrend::trend::mention::FeedId,
            _: &downtrend::feed::contract::Dropped,
        ) {
        }
        fn stands(
            &mut self,
            _: downtrend::trend::mention::FeedId,
            _: &downtrend::feed::contract::Standing,
        ) {
        }
        fn committed(&mut self, _: &Summary) {}
    }

    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut ledger = Sqlite::open(&folder.path().join("bench.db")).expect("opens");
    let id = ledger.feed("bench", "file").expect("numbered");
    let mut tracker = Tracker::new(Settings::default(), 10);
    tracker.expect_feed(id, false);
    let mut batches: Vec<Batch> = posts
        .chunks(4_096)
        .map(|posts| Batch {
            posts: posts.to_vec(),
            ..Batch::default()
        })
        .collect();
    batches.push(Batch {
        ending: Some(Ending::Complete),
        ..Batch::default()
    });
    let mut inlet = Inlet::new(std::sync::Arc::default());
    inlet.start(id, None, Box::new(Ready(batches)));
    let retention = Retention {
        mentions_minutes: 7 * 24 * 60,
        minutes: downtrend::store::MinutesKept::Forever,
    };
    let summary = pipeline::run(
        &mut inlet,
        &mut tracker,
        &mut ledger,
        &retention,
        &mut Nobody,
    )
    .expect("counted");
    usize::try_from(summary.hashtags()).expect("few")
}

/// The program itself, in a process of its own; its CPU time is what the system says its children used.
fn whole(posts: u64, path: &std::path::Path, folder: &std::path::Path) {
    let mut rounds: Vec<(Duration, Duration)> = (0..ROUNDS)
        .map(|round| {
            let db = folder.join(format!("{round}.db"));
            let timed = Command::new("bash")
                .arg("-c")
                .arg("TIMEFORMAT='%R %U %S'; time \"$0\" --quiet --json --db \"$1\" run \"$2\" > /dev/null")
                .args([env!("CARGO_BIN_EXE_downtrend").as_ref(), db.as_os_str(), path.as_os_str()])
                .output()
                .expect("bash runs");
            let text = String::from_utf8(timed.stderr).expect("UTF-8");
            let seconds: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let [wall, user, system] = seconds[..] else {
                panic!("the run failed: {text}");
            };
            (Duration::from_secs_f64(wall), Duration::from_secs_f64(user + system))
        })
        .collect();
    rounds.sort();
    let (wall, cpu) = rounds[ROUNDS / 2];
    print_row("whole run", posts, wall, cpu);
}
