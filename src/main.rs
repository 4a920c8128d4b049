//! The `downtrend` program: parses arguments, turns an error into an exit code.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::{ColorChoice, Parser};
use downtrend::command::{Cli, Error};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.global.color {
        ColorChoice::Auto => {}
        ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
        ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
    }
    let mut out = anstream::stdout();
    let done = panic::catch_unwind(AssertUnwindSafe(|| {
        cli.execute(&mut out).and_then(|()| Ok(out.flush()?))
    }));
    // Where it happened stands on standard error already.
    let done = done.unwrap_or_else(|_| Err(Error::Bug("it broke off".to_owned())));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            anstream::eprintln!("downtrend: failed to {:#}", anyhow::Error::new(error));
            ExitCode::from(code)
        }
    }
}
