//! `spikes`: open and past, with the reason for each.

use std::time::Duration;

use serde::Serialize;

use super::{
    Error, Global, Out, json_number, known_service, label_made_up, lexicon_of, moment,
    open_to_read, print_json, short,
};
use crate::config::duration;
use crate::official::Official;
use crate::store::Ledger;
use crate::time::{Minute, Timestamp};
use crate::view::spikes::{self, SpikeView};
use crate::view::table::{grouped, local, local_time, number, plain, table, text};

/// What a status page said of one spike, as far as it is shown.
const OFFICIAL_LINES_MAX: usize = 3;
/// Of what it said.
const OFFICIAL_CHARS_MAX: usize = 120;

/// Lists spikes, open and past.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example: downtrend spikes --service whatsapp")]
pub struct Args {
    /// Only spikes of the last stretch before the newest post, as in 24h
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "from")]
    since: Option<Duration>,
    /// Only spikes that were not over at this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only spikes flagged before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// Only this service
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Spikes of hashtags that name no service too
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    spikes: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    key: &'a str,
    label: &'a str,
    service: Option<&'a str>,
    onset: String,
    flagged_at: String,
    peak_at: String,
    peak_uses: u64,
    end: Option<String>,
    uses: u64,
    authors: Option<u64>,
    growth_max: Option<f64>,
    score_max: Option<f64>,
    state: &'a str,
    provisional: bool,
    why: &'a str,
}

impl<'a> Row<'a> {
    fn of(view: &'a SpikeView) -> Self {
        Self {
            id: &view.id,
            key: &view.name.key,
            label: &view.name.label,
            service: view.service.as_deref(),
            onset: view.spike.onset().to_string(),
            // A minute is judged when it closes.
            flagged_at: view.spike.flagged.next().to_string(),
            peak_at: view.peak.0.to_string(),
            peak_uses: view.peak.1,
            end: view.spike.end.map(|minute| minute.to_string()),
            uses: view.uses,
            authors: view.authors,
            growth_max: json_number(Some(view.spike.growth_max)),
            score_max: json_number(Some(view.spike.score_max)),
            state: view.state.name(),
            provisional: view.spike.provisional,
            why: &view.why,
        }
    }
}

pub(super) fn execute(args: &Args, global: &Global, out: Out<'_>) -> Result<(), Error> {
    let config = global.config(Vec::new())?;
    let lexicon = lexicon_of(&config)?;
    let service = known_service(args.service.as_deref(), &lexicon)?;
    let ledger = open_to_read(&config)?;
    let from = match (args.since, args.from) {
        (Some(since), _) => {
            let minutes = u32::try_from(since.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
            ledger.watermark()?.unwrap_or(Minute(0)).minus(minutes)
        }
        (None, Some(from)) => from.minute(),
        (None, None) => Minute(0),
    };
    let views = spikes::spikes_that(&ledger, &lexicon, from, &|spike, of| {
        args.to.is_none_or(|to| spike.flagged < to.minute_ceil())
            && (args.all || service.is_some() || of.is_some())
            && service.as_deref().is_none_or(|service| of == Some(service))
    })?;
    if global.json {
        return print_json(
            out,
            &Shown {
                spikes: views.iter().map(Row::of).collect(),
            },
        );
    }
    if views.is_empty() {
        global.say("No spike. `--all` shows those of hashtags that name no service.");
        return Ok(());
    }
    label_made_up(&ledger, global)?;
    write!(out, "{}", draw(&views, &config.tz))?;
    for view in &views {
        writeln!(
            out,
            "\n#{}  {}\nFlagged at {}: {}",
            plain(&view.name.label),
            view.id,
            local_time(view.spike.flagged.next(), &config.tz),
            view.why
        )?;
        for official in spikes::officials(&ledger, view)?
            .iter()
            .take(OFFICIAL_LINES_MAX)
        {
            writeln!(out, "{}", official_line(official, &config.tz))?;
        }
    }
    Ok(())
}

/// What a status page said, in one line.
fn official_line(official: &Official, tz: &jiff::tz::TimeZone) -> String {
    let said = [&official.incident, &official.text];
    let said: Vec<&str> = said
        .into_iter()
        .flat_map(|part| part.split_whitespace())
        .collect();
    let said: String = said.join(" ").chars().take(OFFICIAL_CHARS_MAX).collect();
    format!(
        "official: {} status page, {} {}: {}",
        plain(&official.page),
        local_time(official.at.minute(), tz),
        plain(&official.state),
        plain(&said)
    )
}

/// The table of spikes; what `run` ends with.
pub(super) fn draw(views: &[SpikeView], tz: &jiff::tz::TimeZone) -> String {
    let columns = [
        text("SERVICE"),
        text("ONSET"),
        text("END"),
        number("USES"),
        number("AUTHORS"),
        number("GROWTH"),
        text("HASHTAG"),
    ];
    let rows = views
        .iter()
        .map(|view| {
            vec![
                view.service.clone().unwrap_or_default(),
                local(view.spike.onset(), tz),
                view.spike
                    .end
                    .map_or_else(|| "open".to_owned(), |end| local_time(end, tz)),
                grouped(view.uses),
                view.authors.map_or_else(|| "?".to_owned(), grouped),
                short(view.spike.growth_max),
                format!("#{}", plain(&view.name.label)),
            ]
        })
        .collect();
    table(&columns, rows)
}
