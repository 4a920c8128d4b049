//! HTTP and websocket, as far as a server needs them, byte by byte: only so can it break off in the middle of a frame.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A frame's kind: RFC 6455, 5.2.
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// Frames of clients are small: none is longer than a list of ten thousand authors.
const FRAME_BYTES_MAX: usize = 10 << 20;

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) user_agent: String,
    pub(crate) at: Instant,
    pub(crate) protocols: String,
    pub(crate) key: String,
}

impl Visit {
    pub(crate) fn cursor(&self) -> Option<i64> {
        let cursor = self.values("cursor").next()?;
        Some(cursor.parse().expect("a cursor is a number"))
    }

    /// The values of a parameter that may stand there often.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let pairs = self.query.iter().filter(move |(other, _)| other == name);
        pairs.map(|(_, value)| value.as_str())
    }

    pub(crate) fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?;
        let target = head.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(other, _)| other.eq_ignore_ascii_case(name));
            found.map_or_else(String::new, |(_, value)| value.to_owned())
        };
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Some(Self {
            path: path.to_owned(),
            query: pairs
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
            user_agent: header("user-agent"),
            at: downtrend::clock::start(),
            protocols: header("sec-websocket-protocol"),
            key: header("sec-websocket-key"),
        })
    }
}

/// Undoes `%XX`.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).expect("two digits");
        bytes.push(u8::from_str_radix(code, 16).expect("hexadecimal"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// An HTTP answer that is no websocket.
pub(crate) fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
    // A client that has gone away does not want it.
    drop(stream.write_all(&[head.as_bytes(), body].concat()));
}

/// From HTTP to websocket.
pub(crate) fn upgrade(stream: &mut TcpStream, visit: &Visit) -> io::Result<()> {
    const PROTOCOL: &str = "xrpc.v1.json";
    let accept = derive_accept_key(visit.key.as_bytes());
    let is_offered = visit.protocols.split(',').any(|one| one.trim() == PROTOCOL);
    let protocol = if is_offered {
        format!("Sec-WebSocket-Protocol: {PROTOCOL}\r\n")
    } else {
        String::new()
    };
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    );
    stream.write_all(head.as_bytes())
}

/// A whole frame of a server.
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![0x80 | kind];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => bytes.push(short),
        (_, Ok(middle)) => {
            bytes.push(126);
            bytes.extend(middle.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// The payload of a close frame.
pub(crate) fn reason(code: u16, words: &str) -> Vec<u8> {
    [&code.to_be_bytes(), words.as_bytes()].concat()
}

/// The next frame of a client; an error also where it is none.
pub(crate) fn read_frame(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut length = [0; 8];
    match head[1] & 0x7f {
        126 => stream.read_exact(&mut length[6..])?,
        127 => stream.read_exact(&mut length)?,
        short => length[7] = short,
    }
    let length = usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX);
    let is_masked = head[1] & 0x80 != 0;
    if !is_masked || length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok((head[0] & 0x0f, payload))
}
