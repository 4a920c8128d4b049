//! A stream of server-sent events: bytes in, whole events out.
//!
//! The format is the one of the HTML standard, section 9.2
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): lines that end in CR, LF or both, fields before
//! a colon, comments after one, an empty line after each event, perhaps a byte order mark before the first. `id` and
//! `retry` are passed over: what we resume by and how long we wait is decided elsewhere. The data stay bytes, since
//! whether they are UTF-8 is for whoever reads them to say.
//!
//! A stream has no end, so nothing bounds it as a whole; a line and the data of an event have a cap. What is longer
//! comes out as [`Reject::TooLong`], and the next event is read as if nothing had been. It reads in pieces of any size:
//! that these make no difference is held against a naive reader below.

use crate::post::Reject;

/// Bytes of a line, and of the data of an event; a status of Mastodon has a few thousand.
pub(super) const EVENT_BYTES_MAX: usize = 1 << 20;
/// Some servers begin with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// What it is; empty where the stream does not say.
    pub name: Vec<u8>,
    /// Its lines of data.
    pub data: Vec<u8>,
}

/// Reads a stream piece by piece.
#[derive(Debug)]
pub(super) struct Reader {
    bytes_max: usize,
    /// The line that has not ended yet, unless it is too long.
    line: Vec<u8>,
    is_line_too_long: bool,
    is_after_cr: bool,
    is_first_line: bool,
    event: Unfinished,
}

/// An event that has not ended yet.
#[derive(Debug, Default)]
struct Unfinished {
    name: Vec<u8>,
    data: Option<Vec<u8>>,
    is_too_long: bool,
}

impl Reader {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            line: Vec::new(),
            is_line_too_long: false,
            is_after_cr: false,
            is_first_line: true,
            event: Unfinished::default(),
        }
    }

    /// Takes the next piece, appends the events that it ends, and says how many lines it ended.
    pub(super) fn push(&mut self, piece: &[u8], events: &mut Vec<Result<Event, Reject>>) -> usize {
        let mut rest = piece;
        let mut lines = 0;
        while !rest.is_empty() {
            if std::mem::take(&mut self.is_after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else {
                self.extend_line(rest);
                break;
            };
            self.extend_line(&rest[..end]);
            self.is_after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            lines += 1;
            events.extend(self.end_line());
        }
        lines
    }

    fn extend_line(&mut self, part: &[u8]) {
        self.is_line_too_long |= self.line.len() + part.len() > self.bytes_max;
        if self.is_line_too_long {
            // What it begins with tells a comment from a field.
            self.line
                .extend(part.first().filter(|_| self.line.is_empty()));
            self.line.truncate(1);
        } else {
            self.line.extend_from_slice(part);
        }
    }

    /// The event that the line ends, if it ends one.
    fn end_line(&mut self) -> Option<Result<Event, Reject>> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_first_line) && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        let is_too_long = std::mem::take(&mut self.is_line_too_long);
        let ended = match line.first() {
            None => self.end_event(),
            Some(b':') => None,
            Some(_) if is_too_long => {
                self.event.is_too_long = true;
                None
            }
            Some(_) => {
                self.take_field(&line);
                None
            }
        };
        // Its memory serves the next line.
        line.clear();
        self.line = line;
        ended
    }

    fn take_field(&mut self, line: &[u8]) {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.event.name = value.to_vec(),
            b"data" => self.take_data(value),
            _ => {}
        }
    }

    fn take_data(&mut self, value: &[u8]) {
        match &mut self.event.data {
            Some(data) if data.len() + value.len() >= self.bytes_max => {
                self.event.is_too_long = true;
            }
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            // A line has the same cap.
            data @ None => *data = Some(value.to_vec()),
        }
    }

    fn end_event(&mut self) -> Option<Result<Event, Reject>> {
        let event = std::mem::take(&mut self.event);
        if event.is_too_long {
            return Some(Err(Reject::TooLong));
        }
        let name = event.name;
        event.data.map(|data| Ok(Event { name, data }))
    }
}

/// For `fuzz/targets/events.rs`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::{Event, Reader};
    use crate::post::Reject;

    /// The events of a stream that comes in pieces of so many bytes.
    pub fn read(bytes: &[u8], piece_len: usize) -> Vec<Result<Event, Reject>> {
        let mut reader = Reader::new(1 << 16);
        let mut events = Vec::new();
        for piece in bytes.chunks(piece_len.max(1)) {
            reader.push(piece, &mut events);
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]], bytes_max: usize) -> Vec<Result<Event, Reject>> {
        let mut reader = Reader::new(bytes_max);
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece, &mut events);
        }
        events
    }

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.into(),
            data: data.into(),
        }
    }

    /// The same by splitting the whole text into lines.
    fn read_naively(stream: &[u8]) -> Vec<Result<Event, Reject>> {
        let stream = stream.strip_prefix(BYTE_ORDER_MARK).unwrap_or(stream);
        let text: String = stream.iter().copied().map(char::from).collect();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let bytes = |text: &str| text.chars().map(|char| char as u8).collect();
        let mut events = Vec::new();
        let (mut name, mut data) = ("", Vec::new());
        // What has no line end is no line yet.
        let mut lines: Vec<&str> = text.split('\n').collect();
        lines.pop();
        for line in lines {
            if line.is_empty() {
                if !data.is_empty() {
                    events.push(Ok(Event {
                        name: bytes(name),
                        data: bytes(&data.join("\n")),
                    }));
                }
                (name, data) = ("", Vec::new());
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value,
                "data" => data.push(value),
                _ => {}
            }
        }
        events
    }

    #[test]
    fn an_event_has_a_name_and_lines_of_data() {
        let stream =
            b":thump\nevent: update\nid: 7\ndata: {\ndata:  }\nretry: 9\n\ndata\n\nevent: x\n\n";
        assert_eq!(
            read(&[stream], EVENT_BYTES_MAX),
            [Ok(event("update", "{\n }")), Ok(event("", ""))]
        );
    }

    #[test]
    fn every_line_end_ends_a_line_and_a_byte_order_mark_is_none_of_the_first() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = format!("\u{feff}event: delete{end}data: ডাউন{end}{end}data: 2{end}{end}");
            let want = [Ok(event("delete", "ডাউন")), Ok(event("", "2"))];
            assert_eq!(read(&[stream.as_bytes()], EVENT_BYTES_MAX), want, "{end:?}");
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes, EVENT_BYTES_MAX), want, "{end:?} byte by byte");
        }
    }

    #[test]
    fn what_is_too_long_is_counted_once_and_the_next_event_is_read() {
        let long = "x".repeat(100);
        for stream in [
            format!("data: {long}\n\ndata: 2\n\n"),
            format!("{long}\ndata: 1\n\ndata: 2\n\n"),
            format!("{}\n\ndata: 2\n\n", "data: 12345\n".repeat(12)),
            format!("data: {long}\ndata: {long}\n\ndata: 2\n\n"),
        ] {
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(7).collect();
            assert_eq!(
                read(&bytes, 64),
                [Err(Reject::TooLong), Ok(event("", "2"))],
                "{stream}"
            );
        }
        let comment = format!(":{long}\ndata: 2\n\n");
        assert_eq!(read(&[comment.as_bytes()], 64), [Ok(event("", "2"))]);
    }

    #[test]
    fn an_endless_line_takes_no_more_than_its_cap() {
        let mut reader = Reader::new(64);
        let mut events = Vec::new();
        for _ in 0..1_000 {
            assert_eq!(reader.push(&[b'x'; 50], &mut events), 0);
            assert!(reader.line.capacity() <= 256, "{}", reader.line.capacity());
        }
        reader.push(b"\n\n", &mut events);
        assert_eq!(events, [Err(Reject::TooLong)]);
    }

    #[test]
    fn lines_are_counted_so_that_a_heartbeat_is_a_sign_of_life() {
        let mut reader = Reader::new(64);
        let mut events = Vec::new();
        assert_eq!(reader.push(b":thu", &mut events), 0);
        assert_eq!(reader.push(b"mp\r", &mut events), 1);
        assert_eq!(reader.push(b"\n", &mut events), 0, "it belongs to the CR");
        assert_eq!(reader.push(b"\n:)\n", &mut events), 2);
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_into_pieces_it_gives_the_same_events(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    &b"data:"[..], b"data", b"event: ", b"event", b"id: 1", b":", b": ", b" ", b"x", b"\n", b"\r",
                    b"\r\n", b"\n\n", b"\r\n\r\n", BYTE_ORDER_MARK, b"\xef", b"\xbb", b"\xe0\xa6\xa1", b"\x00", b"{}",
                ]),
                0..60,
            ),
            cuts in prop::collection::vec(1_usize..9, 0..200),
        ) {
            let stream = words.concat();
            let mut pieces = Vec::new();
            let mut rest = &*stream;
            for cut in cuts {
                let (piece, next) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = next;
            }
            pieces.push(rest);
            prop_assert_eq!(read(&pieces, EVENT_BYTES_MAX), read_naively(&stream));
        }

        #[test]
        fn no_bytes_make_it_panic_or_hold_more_than_its_caps(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        ) {
            let mut reader = Reader::new(64);
            let mut events = Vec::new();
            for piece in &pieces {
                reader.push(piece, &mut events);
                let data = reader.event.data.as_ref().map_or(0, Vec::len);
                prop_assert!(reader.line.len() <= 64 && data <= 64);
            }
        }
    }
}
