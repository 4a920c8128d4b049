//! Bytes of a file: plain, gzip or zstd, by what it begins with and not by its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a zstd window that are allowed, as a power of two: 8 MiB, what RFC 9659 asks every reader to manage.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// How much of a file has been read, for a progress bar.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// Bytes of the file as it lies on disk.
    pub bytes_total: u64,
    bytes_read: Arc<AtomicU64>,
}

impl Meter {
    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// A stream of decompressed bytes.
pub type Bytes = Box<dyn Read + Send>;

/// Opens a file and finds out how it is packed.
pub fn open(path: &Path) -> io::Result<(Bytes, Meter)> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let meter = Meter {
        bytes_total: file.metadata()?.len(),
        bytes_read: Arc::default(),
    };
    let counted = Counted {
        inner: file,
        bytes_read: meter.bytes_read.clone(),
    };
    Ok((unpack(counted)?, meter))
}

/// Finds out how a stream is packed.
pub fn unpack(stream: impl Read + Send + 'static) -> io::Result<Bytes> {
    let mut stream = BufReader::new(stream);
    let head = stream.fill_buf()?;
    if head.starts_with(ZSTD_MAGIC) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(stream)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(Box::new(decoder))
    } else if head.starts_with(GZIP_MAGIC) {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(stream)))
    } else {
        Ok(Box::new(stream))
    }
}

struct Counted<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn unpacked(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        unpack(io::Cursor::new(bytes))
            .expect("readable")
            .read_to_string(&mut text)
            .expect("text");
        text
    }

    #[test]
    fn gzip_of_several_members_zstd_of_several_frames_and_plain_text_are_told_apart() {
        let gzip = |text: &str| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).expect("memory");
            encoder.finish().expect("memory")
        };
        let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 3).expect("memory");
        assert_eq!(unpacked([gzip("one "), gzip("two")].concat()), "one two");
        assert_eq!(unpacked([zstd("one "), zstd("two")].concat()), "one two");
        assert_eq!(unpacked(b"one two".to_vec()), "one two");
        assert_eq!(unpacked(Vec::new()), "");
    }
}
