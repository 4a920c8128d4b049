//! The program, running: what it has counted, what it takes, and how it is told to stop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use downtrend::clock;
use downtrend::store::Ledger;
use downtrend::store::sqlite::Sqlite;
use serde_json::Value;

use super::Place;

/// How long is waited for its end between two looks at what it has counted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `downtrend run`, with the settings that lie in its folder.
pub(crate) struct Program {
    process: Child,
    /// All of its standard output, once it has ended.
    output: Receiver<String>,
    db: PathBuf,
    errors: PathBuf,
}

impl Program {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        let errors = place.path("errors");
        let log = File::options().create(true).append(true).open(&errors);
        let mut process = Command::new(env!("CARGO_BIN_EXE_downtrend"))
            .current_dir(place.path("."))
            .arg("run")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("a file"))
            .spawn()
            .expect("the program runs");
        let mut pipe = process.stdout.take().expect("it is piped");
        let (ending, output) = sync_channel(1);
        std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("UTF-8");
            // A test that has failed does not ask.
            drop(ending.send(text));
        });
        Self {
            process,
            output,
            db: place.path("downtrend.db"),
            errors,
        }
    }

    /// The posts counted of each feed, read beside it as any reader may.
    pub(crate) fn counted(&self) -> BTreeMap<String, u64> {
        let reader = Sqlite::open_to_read(&self.db).ok().flatten();
        let feeds = reader.and_then(|reader| reader.feeds().ok());
        let rows = feeds.into_iter().flatten();
        rows.map(|row| (row.name, row.posts)).collect()
    }

    /// Looks at what is counted until it is as wanted; fails if the program ends or takes longer than `patience`.
    pub(crate) fn until(
        &self,
        patience: Duration,
        wanted: impl Fn(&BTreeMap<String, u64>) -> bool,
    ) {
        let started = clock::start();
        loop {
            let counted = self.counted();
            if wanted(&counted) {
                return;
            }
            assert!(
                started.elapsed() < patience,
                "it counts {counted:?}: {}",
                self.errors()
            );
            self.watch(LOOK_EVERY);
        }
    }

    /// Passes time, in which it must not end.
    pub(crate) fn watch(&self, time: Duration) {
        let ended = self.output.recv_timeout(time);
        assert_eq!(
            ended,
            Err(RecvTimeoutError::Timeout),
            "it ended: {}",
            self.errors()
        );
    }

    /// What it says on standard error.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Memory that it holds, in kilobytes; none where the system does not tell.
    pub(crate) fn memory_kb(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Its standard input.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.process.stdin.take().expect("it is asked for once")
    }

    /// Tells it to stop, and gives what it prints.
    pub(crate) fn stop(self, patience: Duration) -> String {
        terminate(&self.process);
        self.end(patience)
    }

    /// Waits until it ends in good order, and gives what it prints.
    pub(crate) fn end(mut self, patience: Duration) -> String {
        let output = self.output.recv_timeout(patience).expect("it ends");
        let status = self.process.wait().expect("it has ended");
        assert!(status.success(), "{status}: {}", self.errors());
        output
    }

    /// Tells it to stop, and reads what it prints with `--json`.
    pub(crate) fn stop_and_read(self, patience: Duration) -> Value {
        serde_json::from_str(&self.stop(patience)).expect("JSON")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Where a test has failed it still runs; where it has ended there is nothing to kill.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Tells a program to stop as a service manager does.
pub(crate) fn terminate(process: &Child) {
    let told = Command::new("kill").arg(process.id().to_string()).status();
    assert!(told.expect("kill runs").success());
}
