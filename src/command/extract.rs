//! `extract`: hashtags out of text, a line in, a JSON line out.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Out};
use crate::feed::archive;
use crate::feed::lines::{Line, Lines};
use crate::hashtag;

/// Reads hashtags out of text, a line in, a JSON line out.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example: echo 'again #WhatsAppDown' | downtrend extract")]
pub struct Args {
    /// A file; standard input if none or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// What a line is: text, or json with the text in `text`
    #[arg(long, value_name = "WHAT", default_value = "text")]
    input: Input,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Input {
    Text,
    Json,
}

#[derive(Deserialize)]
struct Given {
    text: String,
}

#[derive(Serialize)]
struct Found {
    hashtags: Vec<Tag>,
}

#[derive(Serialize)]
struct Tag {
    label: String,
    key: String,
}

#[derive(Serialize)]
struct Unreadable {
    error: String,
}

/// A line that cannot be read gives an error line in its place, and an error at the end.
pub(super) fn execute(args: &Args, out: Out<'_>) -> Result<(), Error> {
    let path = args.file.as_deref().unwrap_or(Path::new("-"));
    let failed = |error: io::Error| Error::NoInput(format!("open {}: {error}", path.display()));
    let bytes = if path == Path::new("-") {
        archive::unpack(io::stdin()).map_err(failed)?
    } else {
        archive::open(path).map_err(failed)?.0
    };
    let mut lines = Lines::new(bytes);
    let mut out = BufWriter::new(out);
    let mut unreadable = 0_u64;
    let broken =
        |error: io::Error| Error::Data(format!("read {} to its end: {error}", path.display()));
    while let Some(line) = lines.next_line().map_err(broken)? {
        let found = match line {
            Line::Whole { bytes, .. } => find(bytes, args.input),
            Line::TooLong { .. } => Err("the line is longer than 8 MiB".to_owned()),
        };
        match found {
            Ok(found) => serde_json::to_writer(&mut out, &found).map_err(io::Error::from)?,
            Err(error) => {
                unreadable += 1;
                serde_json::to_writer(&mut out, &Unreadable { error }).map_err(io::Error::from)?;
            }
        }
        writeln!(out)?;
    }
    out.flush()?;
    match unreadable {
        0 => Ok(()),
        1 => Err(Error::Data(
            "read 1 line; its place in the output says why".to_owned(),
        )),
        lines => Err(Error::Data(format!(
            "read {lines} lines; their places in the output say why"
        ))),
    }
}

fn find(line: &[u8], input: Input) -> Result<Found, String> {
    let text = match input {
        Input::Text => str::from_utf8(line)
            .map_err(|error| error.to_string())?
            .to_owned(),
        Input::Json => {
            serde_json::from_slice::<Given>(line)
                .map_err(|error| error.to_string())?
                .text
        }
    };
    let hashtags = hashtag::extract(&text)
        .into_iter()
        .map(|hashtag| Tag {
            label: hashtag.label,
            key: hashtag.key,
        })
        .collect();
    Ok(Found { hashtags })
}
