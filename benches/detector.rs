//! What a closed bucket costs, and what a hashtag's memory weighs.
//!
//! `cargo bench --bench detector`; `docs/detector.md` has the figures and the machine.

use divan::Bencher;
use divan::counter::ItemsCount;
use downtrend::trend::coverage::Coverage;
use downtrend::trend::detector::Detector;
use downtrend::trend::settings::Settings;

/// A Monday, 00:00, in minutes since the epoch.
const START: u32 = 26_200_800;
/// A day of minutes.
const DAY: u32 = 1_440;

fn main() {
    let busy = after_a_day(|minute| 3 + minute % 4);
    let sizes = format!(
        "size_of Detector {} bytes, encoded {} bytes\n",
        size_of::<Detector>(),
        busy.encode().len()
    );
    std::io::Write::write_all(&mut std::io::stdout(), sizes.as_bytes())
        .expect("standard output is open");
    divan::main();
}

fn after_a_day(count: impl Fn(u32) -> u32) -> Detector {
    let mut detector = Detector::new(1, START);
    day(&mut detector, START, count);
    detector
}

/// Feeds a day of minutes from `start` on.
fn day(detector: &mut Detector, start: u32, count: impl Fn(u32) -> u32) {
    let (coverage, settings) = (Coverage::since(START), Settings::default());
    for minute in 0..DAY {
        detector.observe(
            start + minute,
            count(minute),
            &coverage,
            &settings,
            &mut |reading| {
                divan::black_box(reading);
            },
        );
    }
}

fn another_day(bencher: Bencher<'_, '_>, count: impl Fn(u32) -> u32 + Copy + Sync) {
    let detector = after_a_day(count);
    bencher
        .counter(ItemsCount::new(DAY))
        .with_inputs(|| detector.clone())
        .bench_local_values(|mut detector| day(&mut detector, START + DAY, count));
}

/// Uses in every minute.
#[divan::bench]
fn a_busy_day(bencher: Bencher<'_, '_>) {
    another_day(bencher, |minute| 3 + minute % 4);
}

/// A use in every twentieth minute: mostly zeros, never idle.
#[divan::bench]
fn a_quiet_day(bencher: Bencher<'_, '_>) {
    another_day(bencher, |minute| u32::from(minute % 20 == 0));
}

/// The first use after a day of silence, made up for in closed form.
#[divan::bench]
fn a_use_after_a_silent_day(bencher: Bencher<'_, '_>) {
    let detector = after_a_day(|minute| u32::from(minute < 600));
    let (coverage, settings) = (Coverage::since(START), Settings::default());
    bencher
        .with_inputs(|| detector.clone())
        .bench_local_values(|mut detector| {
            detector.observe(START + 2 * DAY, 1, &coverage, &settings, &mut |reading| {
                divan::black_box(reading);
            });
        });
}

#[divan::bench]
fn to_bytes_and_back(bencher: Bencher<'_, '_>) {
    let detector = after_a_day(|minute| 3 + minute % 4);
    bencher.bench_local(|| Detector::decode(&detector.encode()));
}
