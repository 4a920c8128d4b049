//! `config`: the settings in force, and whether they can be used.

use serde::Serialize;

use super::run::asked::open_configured;
use super::{Error, Global, Out, lexicon_of, print_json};
use crate::config::KEYS;
use crate::view::table::{table, text};

/// Shows or checks the settings.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the settings in force
    #[command(before_help = "Example: downtrend config show --origin")]
    Show {
        /// Tell where each value came from
        #[arg(long)]
        origin: bool,
    },
    /// Says whether the settings can be used
    #[command(before_help = "Example: downtrend --config downtrend.toml config check")]
    Check,
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    value: &'a str,
    origin: String,
}

pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let config = global.config(Vec::new())?;
    match args.action {
        Action::Check => {
            lexicon_of(&config)?;
            open_configured(&config)?;
            global.say("The settings can be used.");
        }
        Action::Show { .. } if global.json => {
            let shown: Vec<Shown<'_>> = config
                .given
                .iter()
                .map(|given| Shown {
                    key: given.key,
                    value: &given.value,
                    origin: given.origin.to_string(),
                })
                .collect();
            print_json(out, &shown)?;
        }
        Action::Show { origin } => {
            let rows = config.given.iter().zip(KEYS).map(|(given, key)| {
                let from = if origin {
                    given.origin.to_string()
                } else {
                    key.about.to_owned()
                };
                vec![given.key.to_owned(), given.value.clone(), from]
            });
            let last = if origin { "FROM" } else { "WHAT IT IS" };
            write!(
                out,
                "{}",
                table(&[text("KEY"), text("VALUE"), text(last)], rows.collect())
            )?;
        }
    }
    Ok(())
}
