//! `lexicon explain`: what the lexicon makes of a hashtag.

use serde::Serialize;

use super::{Error, Global, Out, lexicon_of, print_json};
use crate::lexicon::Explanation;
use crate::view::table::{plain, table, text};

/// Explains what the lexicon makes of a hashtag.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Key, script, service, outage word, and why or why not
    #[command(before_help = "Example: downtrend lexicon explain '#হোয়াটসঅ্যাপডাউন' '#lockdown'")]
    Explain {
        /// Hashtags, with or without their sign
        #[arg(required = true, value_name = "HASHTAG")]
        hashtags: Vec<String>,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    script: &'a str,
    service: Option<&'a str>,
    alias: Option<&'a str>,
    outage_word: Option<&'a str>,
    language: Option<&'a str>,
    outage: bool,
    why: &'a str,
}

impl<'a> Shown<'a> {
    fn of(explanation: &'a Explanation) -> Self {
        let word = explanation.outage_word.as_ref();
        Self {
            key: &explanation.key,
            script: explanation.script,
            service: explanation.service.as_deref(),
            alias: explanation.alias.as_deref(),
            outage_word: word.map(|word| word.word.as_str()),
            language: word.map(|word| word.language.as_str()),
            outage: explanation.is_outage,
            why: &explanation.verdict,
        }
    }
}

pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let Action::Explain { hashtags } = &args.action;
    let lexicon = lexicon_of(&global.config(Vec::new())?)?;
    for hashtag in hashtags {
        let explanation = lexicon.explain(hashtag);
        let shown = Shown::of(&explanation);
        if global.json {
            print_json(out, &shown)?;
        } else {
            writeln!(out, "{}", draw(hashtag, &shown))?;
        }
    }
    Ok(())
}

fn draw(hashtag: &str, shown: &Shown<'_>) -> String {
    let none = "none";
    let word = shown.outage_word.map_or(none.to_owned(), |word| {
        format!("{word} ({})", shown.language.unwrap_or("mul"))
    });
    let rows = [
        ("hashtag", plain(hashtag)),
        ("key", plain(shown.key)),
        ("script", shown.script.to_owned()),
        ("service", shown.service.unwrap_or(none).to_owned()),
        ("alias", shown.alias.unwrap_or(none).to_owned()),
        ("outage word", word),
        ("outage", if shown.outage { "yes" } else { "no" }.to_owned()),
        ("why", shown.why.to_owned()),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    let drawn = table(&[text(""), text("")], rows.to_vec());
    drawn.trim_start().to_owned()
}
