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

/// Rarity from which a burst is major. The labelled tickers at hand would score more at 9, but what wins one half of
/// them has lost the other: see `docs/detector.md`.
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
                readings.push(reading);
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

/// For `fuzz/targets/series.rs`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use std::path::Path;

    use super::{Error, Series, read_rows, smallest_step};

    /// Reads a file of counts.
    pub fn read(bytes: &[u8]) -> Result<(), Error> {
        let path = Path::new("counts.csv");
        let rows = read_rows(path, bytes)?;
        let width = smallest_step(path, &rows)?;
        Series::of(path, rows, width).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn args(file: &Path) -> Args {
        Args {
            file: file.to_owned(),
            bucket: None,
            spike_threshold: 3.0,
            sensitivity: Sensitivity::Normal,
            min_posts: 10,
            rarity: false,
            spikes: false,
            json: false,
            output: None,
        }
    }

    /// Runs over `csv`, gives the lines of the output.
    fn lines_of(csv: &str, adjust: impl FnOnce(&mut Args)) -> Result<Vec<String>, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("counts.csv");
        fs::write(&file, csv).expect("a file");
        let mut args = args(&file);
        adjust(&mut args);
        let mut out = Vec::new();
        run(&args, &mut out)?;
        Ok(String::from_utf8(out)
            .expect("UTF-8")
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Ten quiet hours, forty loud minutes, two quiet hours; minute 5 is missing.
    fn outage() -> String {
        let mut csv = "timestamp,count\n".to_owned();
        for minute in (0..760).filter(|&minute| minute != 5) {
            let count = if (600..640).contains(&minute) {
                25
            } else {
                1 + minute % 2
            };
            writeln!(
                csv,
                "2022-10-25T{:02}:{:02}:00+00:00,{count}",
                minute / 60,
                minute % 60
            )
            .expect("a String");
        }
        csv
    }

    fn flagged(lines: &[String]) -> Vec<&String> {
        lines
            .iter()
            .filter(|line| line.split(',').nth(6) == Some("1"))
            .collect()
    }

    #[test]
    fn an_outage_is_flagged_from_its_alarm_to_its_end_in_the_form_the_times_came_in() {
        let lines = lines_of(&outage(), |_| ()).expect("it runs");
        assert_eq!(
            lines[0],
            "timestamp,observed,expected,growth,score,rarity,flag,state,onset"
        );
        assert_eq!(lines.len(), 760);
        let flagged = flagged(&lines);
        assert!(
            flagged[0].starts_with("2022-10-25T10:00:00+00:00,25,"),
            "{}",
            flagged[0]
        );
        assert!(
            flagged
                .iter()
                .all(|line| line.ends_with(",1,spike,2022-10-25T10:00:00+00:00"))
        );
        assert!((45..75).contains(&flagged.len()), "{}", flagged.len());
    }

    #[test]
    fn spikes_are_a_row_each() {
        let lines = lines_of(&outage(), |args| args.spikes = true).expect("it runs");
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1]
                .starts_with("2022-10-25T10:00:00+00:00,2022-10-25T10:00:00+00:00,2022-10-25T10:"),
            "{}",
            lines[1]
        );
    }

    #[test]
    fn every_line_of_ndjson_is_an_object_with_the_same_names() {
        let lines = lines_of(&outage(), |args| args.json = true).expect("it runs");
        let rows: Vec<serde_json::Value> = lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(rows.len(), 759);
        assert_eq!(rows[0]["onset"], serde_json::Value::Null);
        assert_eq!(rows[610]["flag"], 1);
        assert_eq!(rows[610]["state"], "spike");
    }

    #[test]
    fn authors_are_fed_where_there_are_any_and_posts_where_the_cell_is_empty() {
        let csv = "timestamp,count,authors\n2022-10-25 00:00:00,9,2\n2022-10-25 00:01:00,9,\n";
        let lines = lines_of(csv, |_| ()).expect("it runs");
        assert!(
            lines[1].starts_with("2022-10-25 00:00:00,2,"),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].starts_with("2022-10-25 00:01:00,9,"),
            "{}",
            lines[2]
        );
    }

    #[test]
    fn rarity_flags_the_bucket_of_its_alarm_alone() {
        let lines = lines_of(&outage(), |args| args.rarity = true).expect("it runs");
        assert_eq!(flagged(&lines).len(), 1);
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_with_its_line() {
        let error = |rows: &str| {
            lines_of(
                &format!("timestamp,count\n2022-10-25 00:01:00,1\n{rows}"),
                |_| (),
            )
            .expect_err("it is refused")
        };
        for (rows, what) in [
            (
                "2022-10-25 00:02:00,1\n2022-10-25 00:02:00,1\n",
                "line 4: 2022-10-25 00:02:00 is not later than the row before",
            ),
            (
                "2022-10-25 00:00:00,1\n",
                "line 3: 2022-10-25 00:00:00 is not later than the row before",
            ),
            ("yesterday,1\n", "line 3: \"yesterday\" is no time"),
            ("2022-10-25 00:02:00,-4\n", "line 3: \"-4\" is no count"),
            ("2022-10-25 00:02:00\n", "line 3"),
        ] {
            let error = error(rows);
            assert!(error.to_string().contains(what), "{error}");
            assert_eq!(error.exit_code(), 65);
        }
    }

    #[test]
    fn steps_that_no_bucket_can_have_are_refused() {
        let csv = "timestamp,count\n2022-10-25 00:00:00,1\n2022-10-25 00:00:30,1\n";
        let error = lines_of(csv, |_| ()).expect_err("30 s");
        assert!(error.to_string().contains("30 s"), "{error}");
        let error = lines_of(csv, |args| args.bucket = Some(1)).expect_err("two rows a minute");
        assert!(error.to_string().contains("line 3"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_no_such_input() {
        let error = run(&args(Path::new("/nowhere/counts.csv")), &mut Vec::new())
            .expect_err("it is not there");
        assert_eq!(error.exit_code(), 66);
    }

    #[test]
    fn an_output_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("out.csv");
        lines_of(&outage(), |args| args.output = Some(output.clone())).expect("it runs");
        assert_eq!(
            fs::read_to_string(&output)
                .expect("it is there")
                .lines()
                .count(),
            760
        );
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);

        let error = lines_of(&outage(), |args| {
            args.output = Some(folder.path().join("no/such/out.csv"));
        })
        .expect_err("no folder");
        assert_eq!(error.exit_code(), 74);
    }

    #[test]
    fn widths_are_whole_minutes_up_to_an_hour() {
        assert_eq!(width_minutes("60s"), Ok(1));
        assert_eq!(width_minutes("5m"), Ok(5));
        assert_eq!(width_minutes("1h"), Ok(60));
        for text in ["90s", "0m", "2h", "5", "m", "-5m", "99999999999m"] {
            assert!(width_minutes(text).is_err(), "{text}");
        }
    }

    /// A file of the shared measurements, where they are at hand.
    fn shared(path: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../shared")
            .join(path);
        if !path.exists() {
            skipped(&path);
        }
        path.exists().then_some(path)
    }

    fn skipped(path: &Path) {
        eprintln!("skipped: {} is not here", path.display());
    }

    /// The first bucket flagged, and its onset, of a CSV.
    fn first_flag(path: &Path) -> Option<(String, String)> {
        let mut out = Vec::new();
        run(&args(path), &mut out).expect("it runs");
        let out = String::from_utf8(out).expect("UTF-8");
        let line = out
            .lines()
            .find(|line| line.split(',').nth(6) == Some("1"))?;
        let fields: Vec<_> = line.split(',').collect();
        Some((fields[0].to_owned(), fields[8].to_owned()))
    }

    #[test]
    fn the_reconstructed_outage_of_october_2022_is_raised_within_five_minutes() {
        let Some(path) = shared("detection/synth/wa_whatsappdown.csv") else {
            return;
        };
        let want = (
            "2022-10-25 06:41:00".to_owned(),
            "2022-10-25 06:37:00".to_owned(),
        );
        assert_eq!(first_flag(&path), Some(want));
        let Some(path) = shared("detection/synth/wa_goodmorning.csv") else {
            return;
        };
        assert_eq!(first_flag(&path), None);
    }

    #[test]
    fn the_tail_of_a_real_outage_without_a_baseline_raises_nothing() {
        let Some(path) = shared("realdata/groundtruth/fb-outage-2021-10-04a.5min.csv") else {
            return;
        };
        let text = fs::read_to_string(path).expect("a file");
        for hashtag in ["facebookdown", "whatsappdown", "serverdown"] {
            let mut csv = "timestamp,count,authors\n".to_owned();
            for row in text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{hashtag},")))
            {
                csv.push_str(row);
                csv.push('\n');
            }
            let lines = lines_of(&csv, |_| ()).expect("it runs");
            assert!(lines.len() > 5 && flagged(&lines).is_empty(), "{hashtag}");
            assert!(
                lines[1..]
                    .iter()
                    .all(|line| line.split(',').nth(7) == Some("unknown")),
                "{hashtag}"
            );
        }
    }

    #[test]
    fn the_real_earthquake_after_quiet_hours_is_raised_within_ten_minutes() {
        let Some(path) = shared("realdata/arrivals/ridgecrest-2019-07.txt.gz") else {
            return;
        };
        let mut text = String::new();
        let file = File::open(path).expect("a file");
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .expect("gzip");
        let minutes: Vec<u32> = text
            .lines()
            .map(|line| line.parse::<Timestamp>().expect("a time").minute().0)
            .collect();
        let (first, last) = (minutes[0], *minutes.last().expect("arrivals"));
        let mut counts = vec![0; (last - first + 1) as usize];
        for minute in minutes {
            counts[(minute - first) as usize] += 1;
        }
        let mut csv = "timestamp,count\n".to_owned();
        for (minute, count) in (first..).zip(&counts) {
            writeln!(csv, "{},{count}", crate::time::Minute(minute)).expect("a String");
        }

        let lines = lines_of(&csv, |_| ()).expect("it runs");
        let hours_before = |line: &&String| {
            ("2019-07-05T12:00:00Z".."2019-07-06T03:19:00Z").contains(&&line[..20])
        };
        assert!(flagged(&lines).into_iter().all(|line| !hours_before(&line)));
        let raised = flagged(&lines)
            .into_iter()
            .find(|line| line[..20] >= *"2019-07-06T03:19:00Z")
            .expect("it is raised");
        assert!(raised[..20] <= *"2019-07-06T03:29:00Z", "{raised}");
    }
}
