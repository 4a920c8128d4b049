//! `db`: looks after the database.

use serde::Serialize;

use super::{Error, Global, Out, open_to_read, print_json};

/// Looks after the database.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Says whether the file is sound, and whether its counts add up
    #[command(before_help = "Example: downtrend --db downtrend.db db check")]
    Check,
}

#[derive(Serialize)]
struct Shown<'a> {
    sound: bool,
    wrong: &'a [String],
}

pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let config = global.config(Vec::new())?;
    let Action::Check = args.action;
    let wrong = open_to_read(&config)?.check()?;
    if global.json {
        print_json(
            out,
            &Shown {
                sound: wrong.is_empty(),
                wrong: &wrong,
            },
        )?;
    } else {
        for sentence in &wrong {
            writeln!(out, "{sentence}")?;
        }
    }
    if wrong.is_empty() {
        global.say(&format!("{} is sound.", config.db.display()));
        return Ok(());
    }
    Err(Error::Data(format!("find {} sound", config.db.display())))
}
