//! Lines of a byte stream, each of bounded length, and the place they end at.
//!
//! A line longer than the cap is passed over as it streams by, and the next one is read as if nothing had happened:
//! no input makes this hold more than [`LINE_BYTES_MAX`]. Everything that has passed goes into a running hash, so a
//! [`Place`] can be recognised when the stream is read again.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::Receiver;

use xxhash_rust::xxh3::Xxh3;

use crate::post::Place;

/// The longest line that is read. The largest page seen is 0.7 MB; ten times that is no page.
pub const LINE_BYTES_MAX: usize = 8 << 20;
const BUFFER_BYTES: usize = 256 << 10;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Without its line end.
    Whole {
        /// Counted from 1, in the file as it is written.
        number: u64,
        /// Its bytes.
        bytes: &'a [u8],
        /// Whether a line end followed; one without is the last, and has not passed: see [`Lines::accept_unended`].
        ended: bool,
    },
    /// It was longer than the cap and is gone.
    TooLong {
        /// Counted from 1, in the file as it is written.
        number: u64,
    },
}

/// See the module.
pub struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    hash: Xxh3,
    passed: Place,
    /// Which line of the file each line of `reader` is, where they come in another order.
    numbers: Option<Receiver<u64>>,
}

impl<R: Read> Lines<R> {
    /// The lines of `reader`.
    pub fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            line: Vec::new(),
            hash: Xxh3::new(),
            passed: Place::default(),
            numbers: None,
        }
    }

    /// The lines of `reader`, which gives them in another order than the file and tells the number of each in the
    /// file before it gives it.
    pub fn renumbered(reader: R, numbers: Receiver<u64>) -> Self {
        Self {
            numbers: Some(numbers),
            ..Self::new(reader)
        }
    }

    /// Where the last line given ended.
    pub fn place(&self) -> Place {
        Place {
            fingerprint: self.hash.digest(),
            ..self.passed.clone()
        }
    }

    /// Passes over what `place` says is counted. False if the stream is shorter, or not the one it was.
    pub fn skip_to(&mut self, place: &Place) -> io::Result<bool> {
        let mut left = place.offset_bytes;
        while left > 0 {
            let bytes = self.reader.fill_buf()?;
            let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if taken == 0 {
                return Ok(false);
            }
            self.hash.update(&bytes[..taken]);
            self.reader.consume(taken);
            left -= taken as u64;
        }
        self.passed = Place {
            fingerprint: 0,
            ..place.clone()
        };
        if let Some(numbers) = &self.numbers {
            let passed = usize::try_from(place.lines).unwrap_or(usize::MAX);
            numbers.try_iter().take(passed).for_each(|_| ());
        }
        Ok(self.hash.digest() == place.fingerprint)
    }

    /// The next line; none at the end of the stream.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut is_too_long = false;
        let ended = loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                break false;
            }
            let line_end = memchr::memchr(b'\n', bytes);
            let taken = line_end.map_or(bytes.len(), |at| at + 1);
            if self.line.len() + taken > LINE_BYTES_MAX {
                is_too_long = true;
                self.hash.update(&self.line);
                self.passed.offset_bytes += self.line.len() as u64;
                self.line.clear();
            }
            self.line.extend_from_slice(&bytes[..taken]);
            self.reader.consume(taken);
            if line_end.is_some() {
                break true;
            }
        };
        if self.line.is_empty() && !is_too_long {
            return Ok(None);
        }
        let number = self
            .numbers
            .as_ref()
            .and_then(|given| given.try_recv().ok());
        let number = number.unwrap_or(self.passed.lines + 1);
        if ended || is_too_long {
            self.pass();
        }
        if is_too_long {
            return Ok(Some(Line::TooLong { number }));
        }
        let bytes = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Ok(Some(Line::Whole {
            number,
            bytes,
            ended,
        }))
    }

    /// Whether the next line is here as a whole, so that nobody has to wait for it.
    pub fn has_next(&self) -> bool {
        memchr::memchr(b'\n', self.reader.buffer()).is_some()
    }

    /// Lets the last line pass, which had no line end.
    pub fn accept_unended(&mut self) {
        self.pass();
    }

    fn pass(&mut self) {
        self.hash.update(&self.line);
        self.passed.offset_bytes += self.line.len() as u64;
        self.passed.lines += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Vec<Option<String>> {
        let mut lines = Lines::new(bytes);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().expect("memory does not fail") {
            all.push(match line {
                Line::Whole { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
                Line::TooLong { .. } => None,
            });
        }
        all
    }

    #[test]
    fn line_ends_of_both_kinds_are_taken_off() {
        let lines = read_all(b"one\r\ntwo\n\nlast");
        assert_eq!(
            lines,
            ["one", "two", "", "last"].map(|line| Some(line.to_owned()))
        );
    }

    #[test]
    fn the_line_after_one_that_is_too_long_is_read() {
        let mut bytes = vec![b'x'; LINE_BYTES_MAX + 1];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(read_all(&bytes), [None, Some("next".to_owned())]);
    }

    #[test]
    fn a_line_of_exactly_the_cap_with_its_end_is_read() {
        let mut bytes = vec![b'x'; LINE_BYTES_MAX - 1];
        bytes.push(b'\n');
        assert_eq!(
            read_all(&bytes)[0].as_ref().map(String::len),
            Some(LINE_BYTES_MAX - 1)
        );
    }

    #[test]
    fn a_last_line_without_an_end_passes_only_when_accepted() {
        let mut lines = Lines::new(&b"one\ntwo"[..]);
        lines.next_line().expect("memory does not fail");
        let before = lines.place();
        let last = lines.next_line().expect("memory does not fail");
        assert_eq!(
            last,
            Some(Line::Whole {
                number: 2,
                bytes: b"two",
                ended: false
            })
        );
        assert_eq!(lines.place(), before);
        lines.accept_unended();
        assert_eq!(lines.place().offset_bytes, 7);
        assert_eq!(lines.next_line().expect("memory does not fail"), None);
    }

    #[test]
    fn a_cursor_is_found_again_and_a_changed_stream_is_noticed() {
        let mut lines = Lines::new(&b"one\ntwo\nthree\n"[..]);
        lines.next_line().expect("memory does not fail");
        lines.next_line().expect("memory does not fail");
        let place = lines.place();
        assert_eq!((place.offset_bytes, place.lines), (8, 2));

        let mut again = Lines::new(&b"one\ntwo\nthree\nfour\n"[..]);
        assert!(again.skip_to(&place).expect("memory does not fail"));
        let next = again.next_line().expect("memory does not fail");
        assert_eq!(
            next,
            Some(Line::Whole {
                number: 3,
                bytes: b"three",
                ended: true
            })
        );

        let mut changed = Lines::new(&b"one\ntwO\nthree\n"[..]);
        assert!(!changed.skip_to(&place).expect("memory does not fail"));
        let mut shorter = Lines::new(&b"one\n"[..]);
        assert!(!shorter.skip_to(&place).expect("memory does not fail"));
    }
}
