//! `kill -9` at any moment, then the same command again: the same exports and spikes as an undisturbed run.
//!
//! What a kill proves is that a batch is one transaction; the page cache survives it, so it does not prove anything
//! about power loss.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::{Place, demo, report};

/// What must come out the same.
fn outcome(place: &Place) -> (String, String) {
    (
        place.succeed(&["export", "--all", "--bucket", "15m"]),
        place.succeed(&["spikes", "--all", "--json"]),
    )
}

/// Starts the run and kills it after `delay`; true if it died of that.
fn kill_after(place: &Place, feeds: &[&str], delay: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_downtrend"))
        .current_dir(place.path("."))
        .arg("run")
        .args(feeds)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    // This pause is the experiment: the kill must come at an arbitrary moment.
    std::thread::sleep(delay);
    child.kill().expect("it is ours to kill");
    let status = child.wait().expect("it ends");
    let died = status.signal() == Some(SIGKILL);
    assert!(died || status.success(), "it failed by itself: {status}");
    died
}

const SIGKILL: i32 = 9;

/// A spread of moments that is the same each time (splitmix64, Steele et al. 2014).
fn moments(seed: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |n: u64| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Kills the run of `feeds` in the places that `prepare` makes until `kills` have landed, and holds what comes out after
/// each ten tries against an undisturbed run.
fn kills_change_nothing(kills: u32, feeds: &[&str], prepare: impl Fn(&Place)) {
    let place_of = || {
        let place = Place::new();
        prepare(&place);
        place
    };
    let run = [&["run"], feeds].concat();
    let undisturbed = place_of();
    let started = downtrend::clock::start();
    undisturbed.succeed(&run);
    let whole_ms = u64::try_from(started.elapsed().as_millis()).expect("it took less than an age");
    let want = outcome(&undisturbed);
    assert!(
        want.1.contains("whatsappdown"),
        "there is something to lose"
    );
    let (mut landed, mut moments) = (0, moments(20_221_025));
    // Of ten tries some come too late; if next to none lands, the experiment is none.
    for _ in 0..kills {
        if landed >= kills {
            break;
        }
        let place = place_of();
        for moment in moments.by_ref().take(10) {
            // Short enough that ten in a row do not outlast the run.
            let delay = Duration::from_millis(1 + moment % (whole_ms / 4).max(1));
            landed += u32::from(kill_after(&place, feeds, delay));
        }
        place.succeed(&run);
        let (export, spikes) = outcome(&place);
        assert!(export == want.0, "the export differs after {landed} kills");
        assert_eq!(spikes, want.1, "after {landed} kills");
        assert!(
            place
                .succeed(&["db", "check", "--json"])
                .contains("\"sound\":true")
        );
    }
    assert!(landed >= kills, "only {landed} of {kills} kills landed");
    report(&format!(
        "replay: {landed} kills landed, every outcome equal"
    ));
}

#[test]
fn fifty_kills_change_nothing() {
    kills_change_nothing(50, &[&demo()], |_| ());
}

#[test]
fn kills_while_mentions_are_sealed_change_nothing() {
    kills_change_nothing(10, &[&demo()], |place| {
        place.write("downtrend.toml", "[retention]\nmentions = \"70m\"\n");
    });
}

#[test]
fn kills_of_a_run_of_two_files_change_nothing() {
    let packed = std::fs::read(demo()).expect("it is part of the repository");
    let text = String::from_utf8(zstd::decode_all(&packed[..]).expect("it is sound"));
    let text = text.expect("UTF-8");
    let half = |odd: usize| -> String {
        let lines = text.lines().skip(odd).step_by(2);
        lines.flat_map(|line| [line, "\n"]).collect()
    };
    let halves = [half(0), half(1)];
    kills_change_nothing(10, &["first.ndjson", "second.ndjson"], |place| {
        place.write("first.ndjson", &halves[0]);
        place.write("second.ndjson", &halves[1]);
    });
}

#[test]
fn running_a_finished_file_again_changes_nothing() {
    let place = Place::new();
    place.succeed(&["run", &demo()]);
    let before = outcome(&place);
    let again = place.json(&["run", &demo()]);
    assert_eq!(again["posts_read"], 0);
    assert_eq!(again["spikes_opened"], 0);
    assert_eq!(outcome(&place), before);
}
