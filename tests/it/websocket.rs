//! One websocket against peers that say too much, too little or nothing.

use std::net::TcpListener;
use std::time::Duration;

use downtrend::feed::websocket::{Error, Heard, MESSAGE_BYTES_MAX, Manners, Socket};
use downtrend::post::Reject;

use super::support::jetstream::{Jetstream, Manner};

fn manners() -> Manners {
    Manners {
        allow_private: true,
        ..Manners::default()
    }
}

/// Connects and listens till the connection ends.
fn end_of(url: &str, manners: &Manners) -> Error {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let url = format!("{url}/subscribe?cursor=0").parse().expect("a URL");
    runtime.block_on(async {
        let mut socket = match Socket::connect(&url, manners).await {
            Ok(socket) => socket,
            Err(error) => return error,
        };
        loop {
            match socket.next().await {
                Ok(Heard::Message(_) | Heard::SignOfLife) => {}
                Err(error) => return error,
            }
        }
    })
}

#[test]
fn a_peer_that_does_not_even_answer_pings_is_dead() {
    let server = Jetstream::start();
    server.next_visit(Manner::Silence);
    let manners = Manners {
        ping_every: Duration::from_millis(50),
        dead_after: Duration::from_millis(200),
        ..manners()
    };
    let end = end_of(&server.url(), &manners);
    assert!(matches!(end, Error::Silent { .. }), "{end:?}");
}

#[test]
fn a_peer_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let manners = Manners {
        connect_within: Duration::from_millis(100),
        ..manners()
    };
    let end = end_of(&format!("ws://127.0.0.1:{port}"), &manners);
    assert!(matches!(end, Error::Slow { .. }), "{end:?}");
}

#[test]
fn a_message_over_the_cap_ends_the_connection_and_is_counted() {
    let server = Jetstream::start();
    server.push(1, 1, 1_783_175_888_090_631);
    server.push_frame(&"x".repeat(MESSAGE_BYTES_MAX + 1));
    let end = end_of(&server.url(), &manners());
    assert_eq!(end.reject(), Some(Reject::TooLong), "{end:?}");
}

#[test]
fn a_host_where_nobody_listens_fails_and_says_so_with_its_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let end = end_of(&format!("ws://127.0.0.1:{port}"), &manners());
    assert!(
        end.in_words().starts_with("connect to 127.0.0.1: "),
        "{}",
        end.in_words()
    );
}
