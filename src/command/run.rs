//! `run`: the ingestion loop.

pub(super) mod asked;
mod ending;
mod screen;

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use self::asked::Starter;
use self::ending::Shown;
use self::screen::Screen;
use super::{Error, Global, Knobs, Out, label_made_up, lexicon_of, print_json};
use crate::clock;
use crate::feed::file::Context;
use crate::feed::inlet::Inlet;
use crate::pipeline::{self, Broken};
use crate::post::Identity;
use crate::store::Ledger;
use crate::store::sqlite::Sqlite;
use crate::time::Minute;
use crate::trend::tracker::Tracker;
use crate::view::spikes::spikes;

/// Reads posts from feeds and counts their hashtags.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example: downtrend run data/demo/whatsapp-2022-10-25.ndjson.zst")]
pub struct Args {
    /// Files of posts, plain, gzip or zstd; `-` is standard input; or KIND:URL of a live feed, see `downtrend feeds`
    #[arg(value_name = "FEED")]
    feeds: Vec<String>,
    /// Read files in the order of their posts' times, however they are written
    #[arg(long)]
    sort: bool,
    #[command(flatten)]
    knobs: Knobs,
    /// How far behind the newest post a post may be and still count [default: 10m]
    #[arg(long, value_name = "DURATION")]
    lateness: Option<String>,
}
pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let started = clock::start();
    let mut flags = args.knobs.flags();
    flags.extend(args.lateness.clone().map(|lateness| ("lateness", lateness)));
    let config = global.config(flags)?;
    let lexicon = lexicon_of(&config)?;
    let asked = asked::open_all(args, &config)?;
    let mut ledger = Sqlite::open(&config.db)?;
    let context = Context {
        identity: Identity::new(ledger.secret()?),
    };
    let (settings, memory) = (config.settings.clone(), ledger.memory()?);
    let mut tracker = Tracker::restore(settings, config.lateness_minutes, memory);
    let mut inlet = Inlet::new(stop_on_signal());
    let mut run = Starter {
        context: &context,
        ledger: &mut ledger,
        tracker: &mut tracker,
        inlet: &mut inlet,
    };
    let feeds = run.start_all(asked, args.sort)?;
    let mut screen = Screen::new(&feeds, global);
    let summary = pipeline::run(
        &mut inlet,
        &mut tracker,
        &mut ledger,
        &config.retention,
        &mut screen,
    )?;
    let unreached = screen.unreached();
    screen.finish();
    if global.json {
        print_json(out, &Shown::of(&summary, &feeds, started))?;
    } else {
        ending::tell(&summary, &feeds, global);
        let found = spikes(&ledger, &lexicon, Minute(0))?;
        label_made_up(&ledger, global)?;
        let covered_minutes = ending::covered_minutes(&ledger)?;
        ending::show(found, covered_minutes, &config, global, out)?;
    }
    let broken = summary.feeds.values().find_map(|feed| feed.broken.as_ref());
    match (broken, unreached) {
        (Some(Broken::Input(why)), _) => Err(Error::Data(format!("read a feed to its end: {why}"))),
        (Some(Broken::Bug), _) => Err(Error::Bug("a feed's reader stopped".to_owned())),
        (None, Some(why)) => Err(Error::Unreachable(why)),
        (None, None) => Ok(()),
    }
}

/// The first SIGINT or SIGTERM lets the loop finish the batch in hand. The second ends the process at once: a file's
/// batch in hand is read again by the next run, that of standard input is lost.
fn stop_on_signal() -> Arc<AtomicBool> {
    const INTERRUPTED: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
            // Without it a signal ends the process, which is safe.
            return;
        };
        runtime.block_on(async {
            if signalled().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
            if signalled().await.is_ok() {
                process::exit(INTERRUPTED);
            }
        });
    });
    stop
}

async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
