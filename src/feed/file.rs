//! Posts from a file or from standard input, read to its end.
//!
//! The stream is NDJSON, a line a thing, each line recognised by its shape (`format/`); or it begins with a JSON value
//! that spans several lines, as APIs answer and people save: then it is read as such a document. The cursor is the
//! place in the decompressed stream, with a hash of all that came before it: a second run goes on there, and a file
//! that was changed before its place is refused. A last line without an end that is no whole JSON is cut off: it is
//! counted as dropped, and read again when the file has grown.
//!
//! Standard input and named pipes are streams: they can be read once, and may take their time. Nothing is read of them
//! before the feed runs, what trickles is handed over within half a second, and they are new each time.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::de::IgnoredAny;
use xxhash_rust::xxh3::xxh3_64;

use super::archive::{self, Bytes, Meter};
use super::contract::{BATCH_ITEMS_MAX, Batch, Closed, Ending, Feed, Outlet, Standing};
use super::format::{self, Completeness};
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use super::{Kind, sorted};
use crate::clock;
use crate::post::{Cursor, Place};
use crate::post::{Identity, Item, Reject};
use crate::time::Timestamp;

/// How long what a stream brought may wait for more.
const STREAM_WAIT: Duration = Duration::from_millis(500);
/// A line of a live stream may be under way so long after its post was written.
const STREAM_DELAY_MS: i64 = 5_000;
/// A document of several lines longer than this is read line by line, which will not find much in it.
const DOCUMENT_BYTES_MAX: usize = 32 << 20;
/// A post may come from this far in the future, for clocks that differ.
const FUTURE_MAX: Duration = Duration::from_mins(5);

/// Why a file cannot be read from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be opened.
    #[error("open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It broke off before the place to resume at.
    #[error("read {path} again up to where it was left")]
    Reread {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is not the file that was read before.
    #[error(
        "go on with {path}: it was changed before the place it was left at (line {lines}); count it in another --db"
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Lines counted of it.
        lines: u64,
    },
}

/// What readers of posts need to know.
#[derive(Debug, Clone)]
pub struct Context {
    /// Hashes ids and authors.
    pub identity: Identity,
}

/// Files and standard input.
pub const KIND: Kind = Kind {
    name: "file",
    about: "posts in a file or on standard input: NDJSON or saved API answers, plain, gzip or zstd",
    open: None,
};

/// A file that is open and not yet read.
pub struct OpenFile {
    path: PathBuf,
    sorted: bool,
    content: Content,
    meter: Meter,
}

/// A file being read.
pub struct FileFeed {
    content: Content,
    context: Context,
    is_live: bool,
}

enum Content {
    /// A stream that was not touched yet.
    Stream {
        path: PathBuf,
        sorted: bool,
    },
    Lines(Box<Lines<Bytes>>),
    /// One or more JSON values, the places they end at, and how many of them are counted.
    Document {
        bytes: Vec<u8>,
        ends: Vec<usize>,
        counted: usize,
    },
}

impl OpenFile {
    /// Opens `path`; `-` is standard input. `sorted`: its lines are put in the order of their posts' times.
    pub fn open(path: &Path, sorted: bool) -> Result<Self, Error> {
        let failed = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let (content, meter) = if is_stream(path).map_err(failed)? {
            let path = path.to_owned();
            (Content::Stream { path, sorted }, Meter::default())
        } else {
            let (bytes, meter) = archive::open(path).map_err(failed)?;
            (Content::of(bytes, sorted).map_err(failed)?, meter)
        };
        Ok(Self {
            path: path.to_owned(),
            sorted,
            content,
            meter,
        })
    }

    /// What its cursor is kept under: the whole path, since the same name elsewhere is another file.
    pub fn name(&self) -> String {
        let path = self
            .path
            .canonicalize()
            .unwrap_or_else(|_| self.path.clone());
        let order = if self.sorted { " (sorted)" } else { "" };
        format!("{}{order}", path.display())
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is standard input or a pipe, which cannot be read twice.
    pub fn is_stream(&self) -> bool {
        matches!(self.content, Content::Stream { .. })
    }

    /// How much of it has been read.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Goes on at `cursor`. A stream is a new one each time and begins at its beginning.
    pub fn resume(&mut self, cursor: &Cursor) -> Result<(), Error> {
        let changed = |lines| Error::Changed {
            path: self.path.clone(),
            lines,
        };
        let Cursor::Place(place) = cursor else {
            return Err(changed(0));
        };
        let is_there = match &mut self.content {
            Content::Stream { .. } => true,
            Content::Lines(lines) => lines.skip_to(place).map_err(|source| Error::Reread {
                path: self.path.clone(),
                source,
            })?,
            Content::Document {
                bytes,
                ends,
                counted,
            } => {
                let end = usize::try_from(place.offset_bytes).unwrap_or(usize::MAX);
                *counted = ends.partition_point(|&other| other <= end);
                document_place(bytes, ends, *counted) == *place
            }
        };
        if is_there {
            Ok(())
        } else {
            Err(changed(place.lines))
        }
    }

    /// The feed of its posts.
    pub fn feed(self, context: Context) -> FileFeed {
        FileFeed {
            content: self.content,
            context,
            is_live: false,
        }
    }

    /// The feed of a stream that says what happens now, and has heard what happened up to now, posts or not.
    pub fn live_feed(self, context: Context) -> FileFeed {
        FileFeed {
            is_live: true,
            ..self.feed(context)
        }
    }
}

/// Whether what `path` names can be read once only.
fn is_stream(path: &Path) -> io::Result<bool> {
    if path == Path::new("-") {
        return Ok(true);
    }
    let metadata = std::fs::metadata(path)?;
    Ok(!metadata.is_file() && !metadata.is_dir())
}

impl Content {
    /// Opens a stream, which may wait for whoever writes to it.
    fn of_stream(path: &Path, sorted: bool) -> io::Result<Self> {
        let bytes = if path == Path::new("-") {
            archive::unpack(io::stdin())?
        } else {
            archive::open(path)?.0
        };
        Self::of(bytes, sorted)
    }

    /// What `bytes` hold, its lines in the order of their posts' times if `sorted`.
    fn of(bytes: Bytes, sorted: bool) -> io::Result<Self> {
        let mut content = Self::detect(bytes);
        if let (Self::Lines(lines), true) = (&mut content, sorted) {
            **lines = sorted::sort(lines)?;
        }
        Ok(content)
    }

    /// Finds out from the beginning of a stream what it is. A stream that breaks off gives what came before, then its
    /// error, in the place where it broke.
    fn detect(bytes: Bytes) -> Self {
        let mut bytes = BufReader::new(bytes);
        let mut head = Vec::new();
        let mut broken = None;
        while head.trim_ascii().is_empty() && head.len() < LINE_BYTES_MAX {
            let room = (LINE_BYTES_MAX - head.len()) as u64;
            match bytes.by_ref().take(room).read_until(b'\n', &mut head) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        if format::completeness(without_mark(&head)) == Completeness::CutOff && broken.is_none() {
            let room = DOCUMENT_BYTES_MAX.saturating_sub(head.len());
            broken = bytes
                .by_ref()
                .take(room as u64)
                .read_to_end(&mut head)
                .err();
            if let (Some(ends), None) = (value_ends(&head), &broken) {
                return Self::Document {
                    bytes: head,
                    ends,
                    counted: 0,
                };
            }
        }
        let head = io::Cursor::new(head).chain(Broken(broken));
        Self::Lines(Box::new(Lines::new(Box::new(head.chain(bytes)))))
    }
}

/// Fails once with the error that was met, if any.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Where the JSON values end that `bytes` is made of; none if it is anything else.
fn value_ends(bytes: &[u8]) -> Option<Vec<usize>> {
    let mark_bytes = bytes.len() - without_mark(bytes).len();
    let mut values =
        serde_json::Deserializer::from_slice(&bytes[mark_bytes..]).into_iter::<IgnoredAny>();
    let mut ends = Vec::new();
    while let Some(value) = values.next() {
        value.ok()?;
        ends.push(mark_bytes + values.byte_offset());
    }
    (!ends.is_empty()).then_some(ends)
}

/// The place after the first `counted` values of a document.
fn document_place(bytes: &[u8], ends: &[usize], counted: usize) -> Place {
    let passed = &bytes[..counted.checked_sub(1).map_or(0, |last| ends[last])];
    Place {
        offset_bytes: passed.len() as u64,
        lines: memchr::memchr_iter(b'\n', passed).count() as u64,
        fingerprint: xxh3_64(passed),
    }
}

/// Leaves a byte order mark out.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

impl Feed for FileFeed {
    fn run(self: Box<Self>, outlet: Outlet) {
        // A closed outlet is how the loop says that it has enough: nothing is left to do then.
        let Self {
            content,
            context,
            is_live,
        } = *self;
        let (Ok(()) | Err(Closed)) = match content {
            Content::Stream { path, sorted } => {
                let (pieces, gathered) = Outlet::open();
                thread::spawn(move || send_stream(&path, sorted, &context, &pieces));
                gather(&gathered, is_live, &outlet)
            }
            content => send(content, &context, Waiting::Never, &outlet),
        };
    }
}

/// Whether more of a file may take long to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Never,
    ForTheNextLine,
}

fn send_stream(
    path: &Path,
    sorted: bool,
    context: &Context,
    outlet: &Outlet,
) -> Result<(), Closed> {
    match Content::of_stream(path, sorted) {
        Ok(opened) => send(opened, context, Waiting::ForTheNextLine, outlet),
        Err(error) => outlet.send(Batch {
            ending: Some(Ending::Broken(error)),
            ..Batch::default()
        }),
    }
}

/// Makes batches of the pieces of a stream: one at least every half second while something comes, and none larger
/// than those of a file. One that is live says at each turn that it has heard everything up to now.
fn gather(pieces: &Receiver<Batch>, is_live: bool, outlet: &Outlet) -> Result<(), Closed> {
    let mut batch = Batch::default();
    let mut due = clock::start() + STREAM_WAIT;
    loop {
        match pieces.recv_timeout(due.saturating_duration_since(clock::start())) {
            Ok(piece) => batch.join(piece),
            Err(RecvTimeoutError::Timeout) => {}
            // Its reader is gone without an ending, and so are we: the loop knows what that means.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let is_over = batch.ending.is_some();
        if is_over || batch.items() >= BATCH_ITEMS_MAX || clock::start() >= due {
            if is_live {
                let now_ms = clock::now().as_millis();
                batch.heard_until = Timestamp::from_millis(now_ms - STREAM_DELAY_MS).ok();
                batch.standing = Some(Standing::Live);
            }
            if is_over || is_live || batch.items() > 0 {
                outlet.send(std::mem::take(&mut batch))?;
            }
            due = clock::start() + STREAM_WAIT;
        }
        if is_over {
            return Ok(());
        }
    }
}

fn send(
    opened: Content,
    context: &Context,
    waiting: Waiting,
    outlet: &Outlet,
) -> Result<(), Closed> {
    match opened {
        Content::Stream { path, sorted } => send_stream(&path, sorted, context, outlet),
        Content::Lines(lines) => send_lines(*lines, context, waiting, outlet),
        Content::Document {
            bytes,
            ends,
            counted,
        } => send_document(&bytes, &ends, counted, context, outlet),
    }
}

fn send_lines(
    mut lines: Lines<Bytes>,
    context: &Context,
    waiting: Waiting,
    outlet: &Outlet,
) -> Result<(), Closed> {
    let mut batch = Batch::default();
    let ending = loop {
        match lines.next_line() {
            Ok(None) => break Ending::Complete,
            Err(error) => break Ending::Broken(error),
            Ok(Some(Line::TooLong { number })) => batch.drop_line(number, Reject::TooLong),
            Ok(Some(Line::Whole {
                number,
                bytes,
                ended,
            })) => {
                let bytes = if number == 1 {
                    without_mark(bytes)
                } else {
                    bytes
                };
                let is_cut_off = !ended && format::completeness(bytes) == Completeness::CutOff;
                take(bytes, number, context, &mut batch);
                if !ended && !is_cut_off {
                    lines.accept_unended();
                }
            }
        }
        let must_wait = waiting == Waiting::ForTheNextLine && !lines.has_next();
        if batch.items() >= BATCH_ITEMS_MAX || (must_wait && batch.items() > 0) {
            batch.cursor = Some(Cursor::Place(lines.place()));
            outlet.send(std::mem::take(&mut batch))?;
        }
    };
    batch.cursor = Some(Cursor::Place(lines.place()));
    batch.ending = Some(ending);
    outlet.send(batch)
}

fn send_document(
    bytes: &[u8],
    ends: &[usize],
    counted: usize,
    context: &Context,
    outlet: &Outlet,
) -> Result<(), Closed> {
    let mut batch = Batch::default();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let (mut number, mut numbered) = (1, 0);
    for (start, &end) in starts.zip(ends).skip(counted) {
        number += memchr::memchr_iter(b'\n', &bytes[numbered..start]).count() as u64;
        numbered = start;
        take(
            without_mark(&bytes[start..end]),
            number,
            context,
            &mut batch,
        );
    }
    batch.cursor = Some(Cursor::Place(document_place(bytes, ends, ends.len())));
    batch.ending = Some(Ending::Complete);
    outlet.send(batch)
}

/// Reads one line or document into the batch; a blank line is nothing.
fn take(bytes: &[u8], line: u64, context: &Context, batch: &mut Batch) {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return;
    }
    let mut items = Vec::new();
    format::read(bytes, &mut items);
    for item in items {
        match item {
            Ok(Item::Post(post)) if is_from_the_future(post.at) => {
                batch.drop_line(line, Reject::Future);
            }
            Ok(Item::Post(post)) => batch.posts.push(post.anonymise(&context.identity)),
            Ok(Item::Skipped) => batch.skipped += 1,
            Err(reject) => batch.drop_line(line, reject),
        }
    }
}

fn is_from_the_future(at: Timestamp) -> bool {
    let ahead_ms = at.as_millis() - clock::now().as_millis();
    u64::try_from(ahead_ms).is_ok_and(|ahead_ms| u128::from(ahead_ms) > FUTURE_MAX.as_millis())
}
