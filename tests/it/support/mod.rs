//! What the integration tests have in common.

pub(crate) mod ear;
pub(crate) mod firehose;
pub(crate) mod http;
pub(crate) mod jetstream;
pub(crate) mod mastodon;
pub(crate) mod nostr;
pub(crate) mod peer;
pub(crate) mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

/// A folder with a database to be, and the program to run in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The program, to be run in this folder, with nothing of ours in its environment.
    pub(crate) fn command(&self) -> assert_cmd::Command {
        let mut command =
            assert_cmd::Command::cargo_bin("downtrend").expect("the program is built");
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("TZ", "UTC");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command()
            .args(arguments)
            .output()
            .expect("the program runs")
    }

    /// Runs the program, which must succeed, and gives its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs the program with `--json` and reads what it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.succeed(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The demo, which is part of the repository.
pub(crate) fn demo() -> String {
    root()
        .join("data/demo/whatsapp-2022-10-25.ndjson.zst")
        .display()
        .to_string()
}

/// The folder of real recordings beside the repository; says so and gives none where it is absent.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(what);
    if path.exists() {
        return Some(path);
    }
    report(&format!("skipped: {} is not there", path.display()));
    None
}

/// A plain post a line, made of minute, id, author and text.
pub(crate) fn posts(rows: impl IntoIterator<Item = (u32, u64, u64, &'static str)>) -> String {
    rows.into_iter()
        .map(|(minute, id, author, text)| post(minute, id, author, text))
        .collect()
}

/// A plain post of 25 October 2022, `minute` minutes after midnight UTC.
pub(crate) fn post(minute: u32, id: u64, author: u64, text: &str) -> String {
    let day = 25 + minute / 1_440;
    let (hour, minute) = (minute / 60 % 24, minute % 60);
    format!(
        "{{\"id\":\"p{id}\",\"ts\":\"2022-10-{day:02}T{hour:02}:{minute:02}:07Z\",\"author\":\"a{author}\",\"text\":\"{text}\"}}\n"
    )
}

/// A figure for whoever reads the output of a test.
#[expect(
    clippy::print_stdout,
    reason = "figures of a test are for whoever reads its output"
)]
pub(crate) fn report(line: &str) {
    println!("{line}");
}
