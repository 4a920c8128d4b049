//! The body of an answer: decoded while it streams, within limits.
//!
//! A small answer can decode to gigabytes, so it is decoded here, piece by piece, into a buffer that refuses to grow
//! beyond its cap or beyond a multiple of what has come over the wire; the client library's own decoding has no such
//! limit. Only what [`ACCEPT_ENCODING`] asks for is decoded; bytes under any other label are refused, not guessed.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use zstd::stream::write::Decoder as ZstdDecoder;

/// What we ask for: the two that the archives need as well, so that no third decoder is carried along.
pub(super) const ACCEPT_ENCODING: &str = "zstd, gzip";
/// Decoded bytes a byte of the wire may give. Text gives ten or twenty; bombs give a thousand.
const RATIO_MAX: usize = 200;
/// Decoded bytes that no ratio is asked of: a page of blanks is no bomb.
const RATIO_FREE_BYTES: usize = 64 << 10;
/// The window a zstd frame may ask for, as a power of two: 8 MiB, the largest that RFC 9659 allows on the web.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A body on its way in.
pub(super) struct Body {
    decoder: Decoder,
    wire_bytes: usize,
    bytes_max: usize,
}

enum Decoder {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
    Zstd(Box<ZstdDecoder<'static, Capped>>),
}

impl Body {
    /// A body in the encoding that the answer names. At most `bytes_max` come out of it.
    pub(super) fn new(encoding: Option<&str>, bytes_max: usize) -> io::Result<Self> {
        let capped = Capped::default();
        let decoder = match encoding
            .map(str::trim)
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("" | "identity") => Decoder::Plain(capped),
            Some("gzip" | "x-gzip") => Decoder::Gzip(Box::new(MultiGzDecoder::new(capped))),
            Some("zstd") => {
                let mut decoder = ZstdDecoder::new(capped)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Decoder::Zstd(Box::new(decoder))
            }
            Some(_) => return Err(io::Error::other("an encoding that was not asked for")),
        };
        Ok(Self {
            decoder,
            wire_bytes: 0,
            bytes_max,
        })
    }

    /// Takes the next piece from the wire.
    pub(super) fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        self.wire_bytes += piece.len();
        let by_ratio = self
            .wire_bytes
            .saturating_mul(RATIO_MAX)
            .saturating_add(RATIO_FREE_BYTES);
        let room = Room {
            bytes_max: self.bytes_max,
            by_ratio,
        };
        match &mut self.decoder {
            Decoder::Plain(capped) => {
                capped.room = room;
                capped.write_all(piece)
            }
            Decoder::Gzip(decoder) => {
                decoder.get_mut().room = room;
                decoder.write_all(piece)
            }
            Decoder::Zstd(decoder) => {
                decoder.get_mut().room = room;
                decoder.write_all(piece)
            }
        }
    }

    /// Bytes that have come over the wire.
    pub(super) fn wire_bytes(&self) -> usize {
        self.wire_bytes
    }

    /// All of it, once the wire has ended.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        let capped = match self.decoder {
            // An empty answer may be labelled as anything.
            _ if self.wire_bytes == 0 => Capped::default(),
            Decoder::Plain(capped) => capped,
            Decoder::Gzip(mut decoder) => {
                decoder.try_finish()?;
                std::mem::take(decoder.get_mut())
            }
            Decoder::Zstd(mut decoder) => {
                decoder.flush()?;
                decoder.into_inner()
            }
        };
        Ok(capped.bytes)
    }
}

/// How far a body may grow.
#[derive(Debug, Default, Clone, Copy)]
struct Room {
    bytes_max: usize,
    by_ratio: usize,
}

/// A buffer that refuses to grow beyond its room.
#[derive(Debug, Default)]
struct Capped {
    bytes: Vec<u8>,
    room: Room,
}

impl Write for Capped {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let grown = self.bytes.len() + piece.len();
        if grown > self.room.bytes_max {
            let cap = self.room.bytes_max;
            return Err(io::Error::other(format!("more than {cap} bytes")));
        }
        if grown > self.room.by_ratio {
            return Err(io::Error::other(format!(
                "a decompression bomb: more than {RATIO_MAX} times what was sent"
            )));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: usize = 8 << 20;

    fn decode(encoding: Option<&str>, wire: &[u8]) -> io::Result<Vec<u8>> {
        let mut body = Body::new(encoding, CAP)?;
        for piece in wire.chunks(1_000) {
            body.push(piece)?;
        }
        body.finish()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_encoding_gives_back_what_went_in() {
        let text = "হোয়াটসঅ্যাপ ডাউন\n".repeat(500).into_bytes();
        let zstd = zstd::encode_all(&*text, 3).unwrap();
        let members = [gzip(&text[..100]), gzip(&text[100..])].concat();
        for (encoding, wire) in [
            (None, text.clone()),
            (Some("identity"), text.clone()),
            (Some("GZIP"), gzip(&text)),
            (Some("gzip"), members),
            (Some("zstd"), zstd),
        ] {
            assert_eq!(decode(encoding, &wire).unwrap(), text, "{encoding:?}");
        }
    }

    #[test]
    fn bombs_are_refused_while_they_unpack() {
        let blanks = vec![b' '; 4 << 20];
        let zstd = zstd::encode_all(&*blanks, 19).unwrap();
        for (encoding, wire) in [("gzip", gzip(&blanks)), ("zstd", zstd)] {
            let error = decode(Some(encoding), &wire).unwrap_err();
            assert!(error.to_string().contains("bomb"), "{encoding}: {error}");
        }
    }

    #[test]
    fn the_cap_holds_for_plain_bytes_too() {
        assert_eq!(decode(None, &vec![b'x'; CAP]).unwrap().len(), CAP);
        assert!(decode(None, &vec![b'x'; CAP + 1]).is_err());
    }

    #[test]
    fn what_was_not_asked_for_or_is_cut_is_refused() {
        assert!(Body::new(Some("br"), CAP).is_err());
        assert!(Body::new(Some("gzip, gzip"), CAP).is_err());
        let whole = gzip(b"text");
        assert!(decode(Some("gzip"), &whole[..whole.len() - 6]).is_err());
        assert!(decode(Some("gzip"), b"plain text").is_err());
        assert!(decode(Some("gzip"), b"").unwrap().is_empty());
    }

    #[test]
    fn a_window_wider_than_the_web_allows_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(25).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.write_all(b"text").unwrap();
        assert!(decode(Some("zstd"), &encoder.finish().unwrap()).is_err());
    }
}
