//! Servers and clients that others wrote, run for one test on this machine. `tests/peers/` holds a script for each.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{report, root};

/// One of them, running until it is dropped.
pub(crate) struct Peer {
    script: PathBuf,
    installed: PathBuf,
    state: tempfile::TempDir,
    port: u16,
    settings: Vec<(String, String)>,
    process: Option<Child>,
}

impl Peer {
    /// Starts the peer of that name with variables of its environment, and waits until it listens. None, and a line
    /// that says so, where it is not installed.
    pub(crate) fn start(name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let installed = installed(name)?;
        let mut peer = Self {
            script: script(name),
            installed,
            state: tempfile::tempdir().expect("a temporary folder"),
            port: free_port(),
            settings: settings
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            process: None,
        };
        peer.start_again();
        Some(peer)
    }

    /// Starts it again after [`Peer::kill`], on the same port and with the files it left.
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let mut process = self
            .script_with("run")
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the script runs");
        let output = process.stdout.take().expect("it is piped");
        self.process = Some(process);
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the script speaks");
        assert_eq!(line, "ready\n", "it did not start: {}", self.log());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        self.state.path()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// Tells it something by a verb of its script, and gives what that prints.
    pub(crate) fn tell(&self, verb: &str, arguments: &[&str]) -> String {
        let output = self
            .script_with(verb)
            .args(arguments)
            .output()
            .expect("the script runs");
        assert!(
            output.status.success(),
            "{verb} {arguments:?}: {}",
            super::stderr(&output)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Stops it in the middle of whatever it does: connections stay open and say nothing.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Peer::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Ends it at once, without a farewell.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        if let Some(mut process) = self.process.take() {
            process.wait().expect("it was killed");
        }
    }

    fn script_with(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.script);
        command
            .arg(verb)
            .arg(&self.installed)
            .arg(self.folder())
            .arg(self.port.to_string())
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// To the script and all that it started.
    fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            let group = format!("-{}", process.id());
            let status = Command::new("kill")
                .args(["-s", name, "--", &group])
                .status();
            assert!(status.expect("kill runs").success(), "kill -s {name}");
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a client of that name by a verb of its script until it ends by itself, and gives the lines it prints, which are
/// JSON. None, and a line that says so, where it is not installed.
pub(crate) fn client(name: &str, verb: &str, port: u16, arguments: &[&str]) -> Option<Vec<Value>> {
    /// Longer than any client needs for a few events.
    const SECONDS_MAX: &str = "60";
    let installed = installed(name)?;
    let state = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("timeout")
        .arg(SECONDS_MAX)
        .arg(script(name))
        .arg(verb)
        .arg(installed)
        .arg(state.path())
        .arg(port.to_string())
        .args(arguments)
        .output()
        .expect("the script runs");
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    assert!(
        output.status.success(),
        "{name} {verb}: {text}{}",
        super::stderr(&output)
    );
    let lines = text.lines().map(serde_json::from_str);
    Some(lines.collect::<Result<_, _>>().expect("JSON"))
}

fn script(name: &str) -> PathBuf {
    root().join("tests/peers").join(name)
}

/// Where `tests/peers/install` put it.
fn installed(name: &str) -> Option<PathBuf> {
    let peers = std::env::var_os("DOWNTREND_PEERS")
        .map_or_else(|| root().join("target/peers"), PathBuf::from);
    let folder = peers.join(name);
    if folder.join(".installed").exists() {
        return Some(folder);
    }
    report(&format!(
        "skipped: {name} is not installed; tests/peers/install does that"
    ));
    None
}

/// A port that was free a moment ago; the system does not give it again soon.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
