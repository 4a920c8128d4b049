//! The detector over a series of counts in a file, row by row.
//!
//! CSV comes in (`timestamp,count[,authors]`, or `value` for `count`), one row a bucket; CSV or NDJSON goes out, one
//! row a bucket or a spike. It is the same [`Detector`] as in the live loop, fed bucket by bucket, without a look
//! ahead. A missing row is a gap, not a zero. Times are given back in the form they came in.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::time::{MINUTE_MS, Timestamp};
use crate::trend::coverage::Coverage;
use crate::trend::detector::{Alarm, Change, Detector, Ended, Reading, State, WIDTH_MINUTES_MAX};
use crate::trend::settings::{Sensitivity, Settings};

/// Rarity from which a burst is major: with 6 or 8 the labelled tickers of `docs/detector.md` score less.
const RARITY_MIN: f64 = 7.0;
/// The time after a rarity alarm in which there is no other, minutes.
const RARITY_REPEAT_MINUTES: u32 = 24 * 60;

/// Runs the detector over a count series.
///
/// Example: downtrend backtest counts.csv --spikes
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// CSV with a header: `timestamp,count[,authors]` (or `value`); `-` is standard input
    pub file: PathBuf,
    /// Width of a bucket, whole minutes up to an hour, as in 60s, 5m, 1h [default: the smallest step]
    #[arg(long, value_name = "DURATION", value_parser = width_minutes)]
    pub bucket: Option<u32>,
    /// Growth (observed / expected) from which a spike begins
    #[arg(long, value_name = "FACTOR", default_value_t = 3.0, value_parser = threshold)]
    pub spike_threshold: f64,
    /// How improbable a count has to be
    #[arg(long, value_name = "LEVEL", default_value = "normal", value_parser = sensitivity)]
    pub sensitivity: Sensitivity,
    /// Fresh authors that a window must hold at least
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub min_posts: u32,
    /// Flag by rarity over weeks instead: from 7 on, one alarm in 24 hours
    #[arg(long, conflicts_with = "spikes")]
    pub rarity: bool,
    /// A row a spike instead of a row a bucket
    #[arg(long)]
    pub spikes: bool,
    /// NDJSON instead of CSV
    #[arg(long)]
    pub json: bool,
    /// Where to write instead of standard output; written beside and renamed
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Why there is no backtest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such input, or it cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The input.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The header names no times or no counts.
    #[error("find the column `{column}` in the header of {}", path.display())]
    Header {
        /// The input.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
    },
    /// A row that cannot be used.
    #[error("use {}, line {line}: {what}", path.display())]
    Row {
        /// The input.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The steps of the file give no width that a bucket can have.
    #[error("take {seconds} s, the smallest step of {}, for the width of a bucket: buckets are whole minutes, 1 to 60 (--bucket sets the width)", path.display())]
    Width {
        /// The input.
        path: PathBuf,
        /// The smallest step.
        seconds: i64,
    },
    /// The output cannot be written.
    #[error("write {}", path.display())]
    Write {
        /// The output, `-` for standard output.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    /// The exit code that scripts go by: 65 bad data, 66 no such input, 74 output not written.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. } => 66,
            Self::Header { .. } | Self::Row { .. } | Self::Width { .. } => 65,
            Self::Write { .. } => 74,
        }
    }
}

/// One row of the input.
#[derive(Debug)]
struct Row {
    /// Its time as it was written.
    timestamp: String,
    at: Timestamp,
    line: u64,
    observed: u32,
}

/// The input, in buckets.
#[derive(Debug)]
struct Series {
    width: u32,
    /// Ascending by bucket, none twice.
    rows: Vec<(u32, Row)>,
}

/// Reads, judges and writes; `stdout` is used where no output file is named.
pub fn run(args: &Args, stdout: &mut dyn Write) -> Result<(), Error> {
    let series = Series::read(&args.file, args.bucket)?;
    let Some(output) = &args.output else {
        let written = write(args, &series, stdout).and_then(|()| stdout.flush());
        return written.map_err(|source| Error::Write {
            path: "-".into(),
            source,
        });
    };
    write_beside(output, |file| write(args, &series, file)).map_err(|source| Error::Write {
        path: output.clone(),
        source,
    })
}

fn write(args: &Args, series: &Series, out: &mut dyn Write) -> io::Result<()> {
    let settings = Settings {
        spike_threshold: args.spike_threshold,
        sensitivity: args.sensitivity,
        posts_min: args.min_posts,
    };
    let readings = series.readings(&settings);
    let table = if args.spikes {
        spikes(series, &readings)
    } else {
        buckets(series, &readings, args.rarity)
    };
    if args.json {
        table.write_json(out)
    } else {
        table.write_csv(out)
    }
}

/// Writes beside `path` and renames, so that nobody ever sees half a file.
fn write_beside(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut beside = OsString::from(path);
    beside.push(".partial");
    let mut file = BufWriter::new(File::create(&beside)?);
    let written = write(&mut file).and_then(|()| {
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        // The first error is the one to tell; what is left beside is of no use.
        drop(fs::remove_file(&beside));
    }
    renamed
}

impl Series {
    fn read(path: &Path, width: Option<u32>) -> Result<Self, Error> {
        let input: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path).map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?)
        };
        let rows = read_rows(path, input)?;
        let width = match width {
            Some(width) => width,
            None => smallest_step(path, &rows)?,
        };
        Self::of(path, rows, width)
    }

    /// Puts each row in its bucket; two rows of one bucket are an error.
    fn of(path: &Path, rows: Vec<Row>, width: u32) -> Result<Self, Error> {
        let mut series = Self {
            width,
            rows: Vec::with_capacity(rows.len()),
        };
        for row in rows {
            let bucket = row.at.minute().0 / width;
            if series.rows.last().is_some_and(|&(last, _)| last >= bucket) {
                let what = format!(
                    "{} lies in the same bucket of {width} min as the row before",
                    row.timestamp
                );
                return Err(Error::Row {
                    path: path.to_owned(),
                    line: row.line,
                    what,
                });
            }
            series.rows.push((bucket, row));
        }
        Ok(series)
    }

    /// The detector's reading of each row.
    fn readings(&self, settings: &Settings) -> Vec<Reading> {
        let start = self.rows.first().map_or(0, |&(bucket, _)| bucket);
        let mut coverage = Coverage::since(start);
        let mut detector = Detector::new(self.width, start);
        let mut readings = Vec::with_capacity(self.rows.len());
        let mut next = start;
        for (bucket, row) in &self.rows {
            coverage.add_gap(next..*bucket);
            detector.observe(*bucket, row.observed, &coverage, settings, &mut |reading| {
                readings.push(reading)
            });
            next = bucket + 1;
        }
        readings
    }

    /// The time of a bucket as the file writes it; of one without a row, of the next that has one.
    fn timestamp(&self, bucket: u32) -> &str {
        let row = self.rows.partition_point(|&(known, _)| known < bucket);
        self.rows
            .get(row)
            .map_or("", |(_, row)| row.timestamp.as_str())
    }
}

fn read_rows(path: &Path, input: impl Read) -> Result<Vec<Row>, Error> {
    let mut csv = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(input);
    let header = csv
        .headers()
        .map_err(|error| unreadable(path, error))?
        .clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|field| field.trim_start_matches('\u{feff}') == name)
    };
    let missing = |column| Error::Header {
        path: path.to_owned(),
        column,
    };
    let timestamp = column("timestamp").ok_or_else(|| missing("timestamp"))?;
    let count = column("count")
        .or_else(|| column("value"))
        .ok_or_else(|| missing("count"))?;
    let authors = column("authors");

    let mut rows: Vec<Row> = Vec::new();
    for record in csv.records() {
        let record = record.map_err(|error| unreadable(path, error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let bad = |what| Error::Row {
            path: path.to_owned(),
            line,
            what,
        };
        let field = |index: usize| record.get(index).unwrap_or_default();
        let at: Timestamp = field(timestamp)
            .parse()
            .map_err(|_| bad(format!("{:?} is no time", field(timestamp))))?;
        // Authors are what is fed; a feed that names none leaves the cell empty, and posts stand in.
        let observed = authors
            .map(field)
            .filter(|authors| !authors.is_empty())
            .unwrap_or(field(count));
        let observed: u64 = observed
            .parse()
            .map_err(|_| bad(format!("{observed:?} is no count")))?;
        if let Some(before) = rows.last()
            && before.at >= at
        {
            return Err(bad(format!(
                "{} is not later than the row before",
                field(timestamp)
            )));
        }
        rows.push(Row {
            timestamp: field(timestamp).to_owned(),
            at,
            line,
            observed: u32::try_from(observed).unwrap_or(u32::MAX),
        });
    }
    Ok(rows)
}

fn unreadable(path: &Path, error: csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    let what = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::Read {
            path: path.to_owned(),
            source,
        },
        _ => Error::Row {
            path: path.to_owned(),
            line,
            what,
        },
    }
}

/// The smallest step between two rows, minutes; one minute where there are not two.
fn smallest_step(path: &Path, rows: &[Row]) -> Result<u32, Error> {
    let millis = |row: &Row| row.at.as_millis();
    let Some(step) = rows
        .windows(2)
        .map(|pair| millis(&pair[1]) - millis(&pair[0]))
        .min()
    else {
        return Ok(1);
    };
    whole_minutes(step).ok_or_else(|| Error::Width {
        path: path.to_owned(),
        seconds: step / 1_000,
    })
}

fn whole_minutes(millis: i64) -> Option<u32> {
    let minutes = u32::try_from(millis / MINUTE_MS).ok()?;
    (millis % MINUTE_MS == 0 && (1..=WIDTH_MINUTES_MAX).contains(&minutes)).then_some(minutes)
}

/// A value of the output; what CSV leaves empty is `null` in JSON.
#[derive(Debug)]
enum Cell {
    None,
    Text(String),
    Count(u64),
    /// A figure, with the digits after the point.
    Figure(f64, usize),
}

/// Rows to write.
#[derive(Debug)]
struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Table {
    fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(self.columns)?;
        for row in &self.rows {
            csv.write_record(row.iter().map(Cell::text))?;
        }
        csv.flush()
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        for row in &self.rows {
            let mut mark = '{';
            for (column, cell) in self.columns.iter().zip(row) {
                write!(out, "{mark}\"{column}\":{}", cell.json())?;
                mark = ',';
            }
            out.write_all(b"}\n")?;
        }
        out.flush()
    }
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Figure(figure, digits) => format!("{figure:.digits$}"),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::None => "null".to_owned(),
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Count(_) | Self::Figure(..) => self.text(),
        }
    }
}

/// A row a bucket.
fn buckets(series: &Series, readings: &[Reading], by_rarity: bool) -> Table {
    let mut major = Major::new(series.width);
    let row = |reading: &Reading| {
        let flag = if by_rarity {
            major.flags(reading)
        } else {
            reading.state == State::Spike
        };
        let onset = reading.onset.unwrap_or(reading.bucket);
        vec![
            text(series, reading.bucket),
            Cell::Count(reading.observed.into()),
            Cell::Figure(reading.expected, 4),
            Cell::Figure(reading.growth, 3),
            Cell::Figure(reading.score, 3),
            Cell::Figure(reading.rarity, 3),
            Cell::Count(flag.into()),
            Cell::Text(name(reading.state).to_owned()),
            if flag {
                text(series, onset)
            } else {
                Cell::None
            },
        ]
    };
    Table {
        columns: &[
            "timestamp",
            "observed",
            "expected",
            "growth",
            "score",
            "rarity",
            "flag",
            "state",
            "onset",
        ],
        rows: readings.iter().map(row).collect(),
    }
}

/// A row a spike; peak and end are empty while it is open.
fn spikes(series: &Series, readings: &[Reading]) -> Table {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut open: Option<(u32, Alarm)> = None;
    for reading in readings {
        match &reading.change {
            Some(Change::Opened(alarm)) => open = Some((reading.bucket, alarm.clone())),
            Some(Change::Closed(ended)) => {
                rows.extend(
                    open.take()
                        .map(|(flagged, alarm)| spike(series, flagged, &alarm, Some(ended))),
                );
            }
            Some(Change::Recurring(_)) | None => (),
        }
    }
    rows.extend(open.map(|(flagged, alarm)| spike(series, flagged, &alarm, None)));
    Table {
        columns: &[
            "onset",
            "flagged",
            "peak",
            "end",
            "window_minutes",
            "observed",
            "expected",
            "growth",
            "score",
        ],
        rows,
    }
}

fn spike(series: &Series, flagged: u32, alarm: &Alarm, ended: Option<&Ended>) -> Vec<Cell> {
    vec![
        text(series, alarm.onset),
        text(series, flagged),
        ended.map_or(Cell::None, |ended| text(series, ended.peak)),
        ended.map_or(Cell::None, |ended| text(series, ended.end)),
        Cell::Count(alarm.window_minutes.into()),
        Cell::Count(alarm.observed),
        Cell::Figure(alarm.expected, 4),
        Cell::Figure(alarm.growth, 3),
        Cell::Figure(alarm.score, 3),
    ]
}

fn text(series: &Series, bucket: u32) -> Cell {
    Cell::Text(series.timestamp(bucket).to_owned())
}

fn name(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Normal => "normal",
        State::Rising => "rising",
        State::Spike => "spike",
    }
}

/// The rarity channel: one alarm a day.
#[derive(Debug)]
struct Major {
    repeat: u32,
    last: Option<u32>,
}

impl Major {
    fn new(width: u32) -> Self {
        Self {
            repeat: RARITY_REPEAT_MINUTES.div_ceil(width),
            last: None,
        }
    }

    fn flags(&mut self, reading: &Reading) -> bool {
        let rested = self
            .last
            .is_none_or(|last| reading.bucket - last >= self.repeat);
        let flags = rested && reading.rarity >= RARITY_MIN;
        if flags {
            self.last = Some(reading.bucket);
        }
        flags
    }
}

fn width_minutes(text: &str) -> Result<u32, String> {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let unit_ms = match unit {
        "s" => 1_000,
        "m" | "min" => MINUTE_MS,
        "h" => 60 * MINUTE_MS,
        _ => return Err("use a number with s, m or h, as in 60s".to_owned()),
    };
    let number: u32 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| "use a number with s, m or h, as in 60s".to_owned())?;
    whole_minutes(i64::from(number) * unit_ms)
        .ok_or_else(|| "use whole minutes, 1 to 60".to_owned())
}

fn threshold(text: &str) -> Result<f64, String> {
    let factor = text
        .parse()
        .ok()
        .filter(|factor: &f64| factor.is_finite() && *factor >= 1.0);
    factor.ok_or_else(|| "use a factor of at least 1".to_owned())
}

fn sensitivity(text: &str) -> Result<Sensitivity, String> {
    match text {
        "low" => Ok(Sensitivity::Low),
        "normal" => Ok(Sensitivity::Normal),
        "high" => Ok(Sensitivity::High),
        _ => Err("use low, normal or high".to_owned()),
    }
}
