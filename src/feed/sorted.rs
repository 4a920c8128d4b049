//! Lines in the order of their posts' times, for archives that are not.
//!
//! An external merge sort: runs of bounded size are sorted in memory and spilled to temporary files, then merged. A
//! line that holds several posts stands where its oldest belongs; one that holds none stays behind the line before
//! it. The order is stable, so the same file always gives the same stream, and a cursor into it means something.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::sync::mpsc::{Sender, channel};

use super::archive::Bytes;
use super::format;
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use crate::post::Item;
use crate::time::Timestamp;

/// Bytes sorted in memory at a time: those of the lines and [`ENTRY_BYTES`] for each.
const RUN_BYTES_MAX: usize = 64 << 20;
/// What a line costs beside its bytes: its entry in a list that may be half empty, as it doubles when it grows.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();

/// Reads all of `lines` and gives them back sorted, each with the number it had.
pub fn sort(lines: &mut Lines<Bytes>) -> io::Result<Lines<Bytes>> {
    let runs = sort_in_runs(lines, RUN_BYTES_MAX)?;
    let (numbers, given) = channel();
    let merge = Merge::of(runs, numbers)?;
    Ok(Lines::renumbered(Box::new(merge), given))
}

/// A line with what it is sorted by: time, then place. A line that was too long is kept as none.
type Entry = (Timestamp, u64, Option<Vec<u8>>);

fn sort_in_runs(lines: &mut Lines<Bytes>, run_bytes_max: usize) -> io::Result<Vec<Bytes>> {
    let mut runs: Vec<Bytes> = Vec::new();
    let (mut run, mut run_bytes): (Vec<Entry>, usize) = (Vec::new(), 0);
    let mut at = Timestamp::FIRST;
    loop {
        let (number, line) = match lines.next_line()? {
            None => break,
            Some(Line::TooLong { number }) => (number, None),
            Some(Line::Whole { number, bytes, .. }) => {
                let mark: &[u8] = if number == 1 { b"\xef\xbb\xbf" } else { b"" };
                at = time_of(bytes.strip_prefix(mark).unwrap_or(bytes)).unwrap_or(at);
                run_bytes += bytes.len();
                (number, Some(bytes.to_vec()))
            }
        };
        run.push((at, number, line));
        run_bytes += ENTRY_BYTES;
        if run_bytes >= run_bytes_max {
            runs.push(spill(&mut run)?);
            run_bytes = 0;
        }
    }
    runs.push(spill(&mut run)?);
    Ok(runs)
}

/// The time of the oldest post in a line.
fn time_of(line: &[u8]) -> Option<Timestamp> {
    let mut items = Vec::new();
    format::read(line, &mut items);
    let times = items.iter().filter_map(|item| match item {
        Ok(Item::Post(post)) => Some(post.at),
        Ok(Item::Skipped) | Err(_) => None,
    });
    times.min()
}

/// Writes a run to a temporary file, sorted, and empties it.
fn spill(run: &mut Vec<Entry>) -> io::Result<Bytes> {
    run.sort_by_key(|(at, number, _)| (*at, *number));
    let mut file: File = tempfile::tempfile()?;
    let mut writer = BufWriter::new(&mut file);
    for (at, number, line) in run.drain(..) {
        writer.write_all(&at.as_millis().to_le_bytes())?;
        writer.write_all(&number.to_le_bytes())?;
        let length = line.as_ref().map_or(u32::MAX, |line| {
            u32::try_from(line.len()).expect("a line is at most LINE_BYTES_MAX long")
        });
        writer.write_all(&length.to_le_bytes())?;
        writer.write_all(&line.unwrap_or_default())?;
    }
    writer.flush()?;
    drop(writer);
    file.rewind()?;
    Ok(Box::new(BufReader::new(file)))
}

/// The next entry of a run.
fn next_entry(run: &mut Bytes) -> io::Result<Option<Entry>> {
    let mut head = [0; 20];
    match run.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (at, rest) = head.split_at(8);
    let (number, length) = rest.split_at(8);
    let millis = i64::from_le_bytes(at.try_into().expect("eight bytes"));
    let at = Timestamp::from_millis(millis).map_err(io::Error::other)?;
    let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
    let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
    if length == u32::MAX {
        return Ok(Some((at, number, None)));
    }
    let mut line = vec![0; length as usize];
    run.read_exact(&mut line)?;
    Ok(Some((at, number, Some(line))))
}

/// An entry with the run it came from.
type Head = (Timestamp, u64, usize, Option<Vec<u8>>);

/// The lines of sorted runs, merged.
struct Merge {
    runs: Vec<Bytes>,
    /// The next entry of each run that has one.
    heads: BinaryHeap<Reverse<Head>>,
    /// Told the number of each line in the file before it is given.
    numbers: Sender<u64>,
    line: io::Cursor<Vec<u8>>,
}

impl Merge {
    fn of(runs: Vec<Bytes>, numbers: Sender<u64>) -> io::Result<Self> {
        let mut merge = Self {
            runs,
            heads: BinaryHeap::new(),
            numbers,
            line: io::Cursor::default(),
        };
        (0..merge.runs.len()).try_for_each(|run| merge.refill(run))?;
        Ok(merge)
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        if let Some((at, number, line)) = next_entry(&mut self.runs[run])? {
            self.heads.push(Reverse((at, number, run, line)));
        }
        Ok(())
    }
}

impl Read for Merge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.line.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(Reverse((_, number, run, line))) = self.heads.pop() else {
                return Ok(0);
            };
            self.refill(run)?;
            self.numbers.send(number).map_err(io::Error::other)?;
            // What was too long to be read stays so, and is counted as that.
            let mut line = line.unwrap_or_else(|| vec![b' '; LINE_BYTES_MAX]);
            line.push(b'\n');
            self.line = io::Cursor::new(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn post(minute: u32, id: usize) -> String {
        format!(r##"{{"id":"{id}","ts":"2022-10-25T06:{minute:02}:00Z","text":"#a"}}"##)
    }

    fn sorted(text: &str, run_bytes_max: usize) -> String {
        let bytes: Bytes = Box::new(io::Cursor::new(text.to_owned().into_bytes()));
        let mut sorted = String::new();
        let (numbers, _given) = channel();
        sort_in_runs(&mut Lines::new(bytes), run_bytes_max)
            .and_then(|runs| Merge::of(runs, numbers))
            .and_then(|mut merge| merge.read_to_string(&mut sorted))
            .expect("temporary files work");
        sorted
    }

    /// The numbers of the lines as they come out.
    fn numbers(lines: &mut Lines<Bytes>) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Some(line) = lines.next_line().expect("temporary files work") {
            numbers.push(match line {
                Line::Whole { number, .. } | Line::TooLong { number } => number,
            });
        }
        numbers
    }

    #[test]
    fn a_line_keeps_the_number_it_has_in_the_file_and_after_a_restart_too() {
        let given = [
            post(9, 1),
            post(3, 2),
            String::new(),
            post(5, 3),
            "broken".to_owned(),
        ];
        let given = given.join("\n").into_bytes();
        let open = || {
            let bytes: Bytes = Box::new(io::Cursor::new(given.clone()));
            sort(&mut Lines::new(bytes)).expect("temporary files work")
        };
        assert_eq!(numbers(&mut open()), [2, 3, 4, 5, 1]);

        let mut first = open();
        for _ in 0..2 {
            first.next_line().expect("temporary files work");
        }
        let mut second = open();
        assert!(
            second
                .skip_to(&first.place())
                .expect("temporary files work")
        );
        assert_eq!(numbers(&mut second), [4, 5, 1]);
    }

    #[test]
    fn a_byte_order_mark_does_not_hide_the_time_of_the_first_line() {
        let (early, late) = (post(3, 2), format!("\u{feff}{}", post(9, 1)));
        let given = [late.clone(), early.clone()].join("\n");
        assert_eq!(sorted(&given, 1 << 20), [early, late].join("\n") + "\n");
    }

    #[test]
    fn tiny_lines_fill_a_run_by_what_they_cost() {
        let bytes: Bytes = Box::new(io::Cursor::new(b"\n".repeat(1_000)));
        let runs = sort_in_runs(&mut Lines::new(bytes), 100 * ENTRY_BYTES);
        assert_eq!(runs.expect("temporary files work").len(), 11);
    }

    proptest! {
        #[test]
        fn any_order_comes_out_in_time_order_however_small_the_runs(
            minutes in prop::collection::vec(0..60_u32, 1..40), run_bytes_max in 1..2_000_usize,
        ) {
            let mut lines: Vec<String> =
                minutes.iter().enumerate().map(|(id, &minute)| post(minute, id)).collect();
            let given = lines.join("\n") + "\n";
            let mut order: Vec<usize> = (0..minutes.len()).collect();
            order.sort_by_key(|&id| (minutes[id], id));
            lines = order.into_iter().map(|id| post(minutes[id], id)).collect();
            prop_assert_eq!(sorted(&given, run_bytes_max), lines.join("\n") + "\n");
        }
    }

    #[test]
    fn a_broken_line_stays_behind_the_one_before_it() {
        let given = [post(9, 1), "broken".to_owned(), post(3, 2)].join("\n");
        let want = [post(3, 2), post(9, 1), "broken".to_owned()].join("\n") + "\n";
        assert_eq!(sorted(&given, 1 << 20), want);
    }
}
