//! `kill -9` at any moment, then the same command again: the same exports and spikes as an undisturbed run.
//!
//! What a kill proves is that a batch is one transaction; the page cache survives it, so it does not prove anything
//! about power loss.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::{Place, demo, report};

/// Kills that must land while the program runs.
const KILLS: u32 = 50;

/// What must come out the same.
fn outcome(place: &Place) -> (String, String) {
    (
        place.succeed(&[
            "export",
            "--all",
            "--bucket",
            "5m",
            "--from",
            "2022-10-25T05:00:00Z",
        ]),
        place.succeed(&["spikes", "--all", "--json"]),
    )
}

/// Starts the run and kills it after `delay`; true if the kill came in time.
fn kill_after(place: &Place, delay: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_downtrend"))
        .current_dir(place.path("."))
        .args(["run", &demo()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    // This pause is the experiment: the kill must come at an arbitrary moment.
    std::thread::sleep(delay);
    child.kill().expect("it is ours to kill");
    !child.wait().expect("it ends").success()
}

/// A spread of moments that is the same each time (splitmix64, Steele et al. 2014).
fn moments(seed: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |n: u64| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[test]
fn fifty_kills_change_nothing() {
    let undisturbed = Place::new();
    let started = downtrend::clock::start();
    undisturbed.succeed(&["run", &demo()]);
    let whole_ms = u64::try_from(started.elapsed().as_millis()).expect("it took less than an age");
    let want = outcome(&undisturbed);
    assert!(
        want.1.contains("whatsappdown"),
        "there is something to lose"
    );

    let (mut landed, mut moments) = (0, moments(20_221_025));
    while landed < KILLS {
        let place = Place::new();
        for moment in moments.by_ref().take(10) {
            // Short enough that ten in a row do not outlast the run.
            landed += u32::from(kill_after(
                &place,
                Duration::from_millis(1 + moment % (whole_ms / 4)),
            ));
        }
        place.succeed(&["run", &demo()]);
        let (export, spikes) = outcome(&place);
        assert!(export == want.0, "the export differs after {landed} kills");
        assert_eq!(spikes, want.1, "after {landed} kills");
        assert!(
            place
                .succeed(&["db", "check", "--json"])
                .contains("\"sound\":true")
        );
    }
    report(&format!(
        "replay: {landed} kills landed, every outcome equal"
    ));
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
