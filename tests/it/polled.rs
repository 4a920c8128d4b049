//! What every kind that asks for pages must bear, for `feed`, `status` and `hackernews` alike: cuts, silence, a server
//! that wants to be left alone, broken pages, and being stopped.

use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use downtrend::clock;
use downtrend::feed::contract::{Batch, Standing};
use downtrend::feed::{hackernews, status, syndication};
use downtrend::post::Cursor;
use downtrend::time::Timestamp;
use serde_json::{Value, json};

use super::support::http::{Reply, Server, answer, context, ok, run, wait_for};

/// A kind, a page of it that holds things with these numbers, and how many things a batch brings.
struct Kind {
    name: &'static str,
    start: fn(&str, Option<&Cursor>) -> Receiver<Batch>,
    page: fn(Range<u32>) -> String,
    count: fn(&Batch) -> usize,
    /// After a restart all that stands on the page is handed on again: keeping it twice changes nothing.
    repeats: bool,
}

const POLL: Duration = Duration::from_millis(10);

const KINDS: [Kind; 3] = [
    Kind {
        name: "feed",
        start: |url, cursor| {
            let options = syndication::Options {
                url: url.to_owned(),
                token: None,
                allow_private: true,
                poll: POLL,
            };
            run(syndication::Syndication::new(options, &context(), cursor).expect("good options"))
        },
        page: |numbers| {
            let items: Vec<Value> = numbers
                .map(|number| {
                    json!({"id": number, "title": format!("#down{number}"), "date_published": at(number).to_string()})
                })
                .collect();
            json!({"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": items})
                .to_string()
        },
        count: |batch| batch.posts.len(),
        repeats: false,
    },
    Kind {
        name: "status",
        start: |url, cursor| {
            let options = status::Options {
                url: url.to_owned(),
                service: None,
                token: None,
                allow_private: true,
                poll: POLL,
            };
            run(status::Status::new(options, &context(), cursor).expect("good options"))
        },
        page: |numbers| {
            let updates: Vec<Value> = numbers
                .map(|number| {
                    json!({"id": number, "status": "investigating", "body": "we look", "created_at": at(number).to_string()})
                })
                .collect();
            let incident = json!({"id": "i", "name": "No messages", "incident_updates": updates});
            json!({"page": {"id": "p", "name": "WhatsApp"}, "incidents": [incident]}).to_string()
        },
        count: |batch| batch.officials.len(),
        repeats: true,
    },
    Kind {
        name: "hackernews",
        start: |url, cursor| {
            let options = hackernews::Options {
                query: "whatsapp down".to_owned(),
                url: url.to_owned(),
                allow_private: true,
                poll: POLL,
            };
            run(hackernews::HackerNews::new(options, &context(), cursor).expect("good options"))
        },
        page: |numbers| {
            let hits: Vec<Value> = numbers
                .map(|number| {
                    json!({"objectID": number.to_string(), "author": "ann", "comment_text": "WhatsApp is down",
                        "created_at_i": at(number).as_millis() / 1_000})
                })
                .collect();
            json!({"nbHits": hits.len(), "hits": hits}).to_string()
        },
        count: |batch| batch.posts.len(),
        repeats: false,
    },
];

/// When the thing with this number was written: a minute ago and so many seconds later.
fn at(number: u32) -> Timestamp {
    static A_MINUTE_AGO: LazyLock<i64> =
        LazyLock::new(|| clock::now().as_millis() / 1_000 * 1_000 - 60_000);
    Timestamp::from_millis(*A_MINUTE_AGO + i64::from(number) * 1_000).expect("in range")
}

/// A server that answers a request by its number, from 1, and then for ever with things up to `last`.
fn server(
    kind: &'static Kind,
    last: u32,
    mut answer: impl FnMut(u32) -> Option<Reply> + Send + 'static,
) -> Server {
    let mut asked = 0;
    Server::start(move |_| {
        asked += 1;
        answer(asked).unwrap_or_else(|| ok((kind.page)(0..last), &[]))
    })
}

/// Waits until so many things have come in all, and no more of them than that.
fn wait_for_things(kind: &Kind, batches: &Receiver<Batch>, wanted: usize) -> Batch {
    let mut so_far = 0;
    let last = wait_for(batches, |batch| {
        so_far += (kind.count)(batch);
        so_far >= wanted
    });
    assert_eq!(so_far, wanted, "{}", kind.name);
    last
}

/// Waits until it says that it waits, and gives until when and why.
fn wait_for_waiting(batches: &Receiver<Batch>) -> (Timestamp, String, Batch) {
    let mut batch = wait_for(batches, |batch| {
        matches!(batch.standing, Some(Standing::Waiting { .. }))
    });
    match batch.standing.take() {
        Some(Standing::Waiting { until, why }) => (until, why, batch),
        _ => unreachable!("it was waited for"),
    }
}

#[test]
fn it_goes_on_after_a_cut_without_loss_or_double_count() {
    for kind in &KINDS {
        let server = server(kind, 5, |asked| match asked {
            1 => Some(ok((kind.page)(0..3), &[])),
            2 => {
                let Reply::Bytes(mut bytes) = ok((kind.page)(0..5), &[]) else {
                    unreachable!("a whole answer")
                };
                bytes.truncate(bytes.len() - 20);
                Some(Reply::Bytes(bytes))
            }
            _ => None,
        });
        let batches = (kind.start)(&server.url(), None);
        let first = wait_for_things(kind, &batches, 3);
        assert!(first.cursor.is_some(), "{}", kind.name);
        wait_for_waiting(&batches);
        wait_for_things(kind, &batches, 2);
        drop(batches);
        let batches = (kind.start)(&server.url(), first.cursor.as_ref());
        wait_for_things(kind, &batches, if kind.repeats { 5 } else { 2 });
    }
}

#[test]
fn a_silent_server_is_noticed() {
    for kind in &KINDS {
        let server = server(kind, 3, |asked| match asked {
            1 => Some(Reply::Stall(Vec::new())),
            _ => None,
        });
        let batches = (kind.start)(&server.url(), None);
        let (_, why, _) = wait_for_waiting(&batches);
        assert!(
            why.contains("did not answer within 10 s"),
            "{}: {why}",
            kind.name
        );
        wait_for_things(kind, &batches, 3);
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_is_obeyed_to_the_second() {
    let second = Duration::from_secs(1);
    let forms: [fn() -> String; 3] = [
        || "Retry-After: 2".to_owned(),
        || {
            let date = SystemTime::UNIX_EPOCH + since_epoch() + Duration::from_secs(2);
            format!("Retry-After: {}", httpdate::fmt_http_date(date))
        },
        || {
            let at = clock::now().as_millis() + 2_000;
            let at = Timestamp::from_millis(at).expect("in range");
            format!("X-RateLimit-Reset: {at}")
        },
    ];
    for kind in &KINDS {
        for form in forms {
            let asked_at = Arc::new(Mutex::new(Vec::new()));
            let asked = Arc::clone(&asked_at);
            let server = server(kind, 3, move |number| {
                asked.lock().expect("no test fails here").push(clock::now());
                (number == 1).then(|| answer("429 Too Many Requests", "", &[&form()]))
            });
            let batches = (kind.start)(&server.url(), None);
            let (until, why, _) = wait_for_waiting(&batches);
            assert!(why.contains("429"), "{why}");
            wait_for_things(kind, &batches, 3);
            let asked_at = asked_at.lock().expect("no test fails here");
            // A date has no fractions: it may be up to a second early.
            let told =
                asked_at[0].as_millis() + 2_000 - i64::try_from(second.as_millis()).expect("small");
            assert!(until.as_millis() >= told, "{}: {until}", kind.name);
            assert!(
                asked_at[1] >= until,
                "{}: {} before {until}",
                kind.name,
                asked_at[1]
            );
        }
    }
}

fn since_epoch() -> Duration {
    Duration::from_millis(u64::try_from(clock::now().as_millis()).expect("after 1970"))
}

#[test]
fn a_broken_page_is_counted_and_what_comes_after_it_is_read() {
    for kind in &KINDS {
        let server = server(kind, 3, |asked| match asked {
            1 => Some(ok("{\"broken\":", &[])),
            _ => None,
        });
        let batches = (kind.start)(&server.url(), None);
        let (_, _, batch) = wait_for_waiting(&batches);
        assert_eq!(batch.rejected.values().sum::<u64>(), 1, "{}", kind.name);
        assert!(batch.cursor.is_none(), "{}", kind.name);
        wait_for_things(kind, &batches, 3);
    }
}
