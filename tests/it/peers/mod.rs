//! Against servers of others, as they run in the world. Ignored where nobody asks: `just peers` installs them and runs
//! these.

mod atproto;
mod jetstream;
mod mastodon;
mod nginx;
mod nostr;
mod snac;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::support::http::{self, Server};
use super::support::peer::Peer;

/// Asks for `/` and gives the status line, or why there is none.
fn ask(port: u16, patience: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_peer_can_be_told_frozen_killed_and_started_again() {
    const PATIENCE: Duration = Duration::from_secs(20);
    let server = Server::start(|_| http::ok("", &[]));
    let url = server.url();
    let (_, server_port) = url.rsplit_once(':').expect("it names a port");
    let Some(mut haproxy) = Peer::start("haproxy", &[("SERVER_PORT", server_port)]) else {
        return;
    };
    let port = haproxy.port();
    assert_eq!(ask(port, PATIENCE).unwrap(), "HTTP/1.1 200 OK");
    haproxy.tell("down", &[]);
    assert!(ask(port, PATIENCE).unwrap().contains(" 503 "));
    haproxy.tell("up", &[]);
    haproxy.freeze();
    let silence = ask(port, Duration::from_millis(300)).unwrap_err();
    assert_eq!(silence.kind(), ErrorKind::WouldBlock);
    haproxy.thaw();
    assert_eq!(ask(port, PATIENCE).unwrap(), "HTTP/1.1 200 OK");
    haproxy.kill();
    let refusal = ask(port, PATIENCE).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::ConnectionRefused);
    haproxy.start_again();
    assert_eq!(ask(port, PATIENCE).unwrap(), "HTTP/1.1 200 OK");
}
