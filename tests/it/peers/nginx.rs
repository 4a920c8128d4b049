//! nginx as it serves feeds, status pages and answers of a search on most of the web.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::contract::{Batch, Ending, Standing};
use downtrend::feed::{hackernews, status, syndication};
use downtrend::time::Timestamp;
use serde_json::json;

use crate::support::http::{context, refusal, run, wait_for};
use crate::support::peer::Peer;

const POLL: Duration = Duration::from_millis(50);

fn feed(nginx: &Peer, path: &str) -> Receiver<Batch> {
    let options = syndication::Options {
        url: format!("http://127.0.0.1:{}{path}", nginx.port()),
        token: None,
        allow_private: true,
        poll: POLL,
    };
    run(syndication::Syndication::new(options, &context(), None).expect("good options"))
}

/// A feed of so many entries, written just now.
fn write_rss(nginx: &Peer, entries: usize) {
    let items: Vec<String> = (0..entries)
        .map(|number| format!("<item><guid>{number}</guid><title>#down{number}</title><pubDate>{}</pubDate></item>", clock::now()))
        .collect();
    let rss = format!(
        "<rss version='2.0'><channel><title>t</title>{}</channel></rss>",
        items.concat()
    );
    write(nginx, "news.rss", &rss);
}

/// Beside it and renamed, so that no half of it is ever served.
fn write(nginx: &Peer, name: &str, text: &str) {
    let path = nginx.folder().join("html").join(name);
    std::fs::create_dir_all(path.parent().expect("in html")).expect("a folder");
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(&beside, &path).expect("renamed");
}

/// Status, target, If-None-Match, If-Modified-Since, User-Agent and `ETag` of each request so far.
fn asked(nginx: &Peer) -> Vec<[String; 6]> {
    let log = std::fs::read_to_string(nginx.folder().join("asked")).unwrap_or_default();
    log.lines()
        .map(|line| {
            let parts: Vec<String> = line.split('|').map(str::to_owned).collect();
            parts.try_into().expect("six of them")
        })
        .collect()
}

/// Waits until a page was read, or found as it was, so many times.
fn wait_for_looks(batches: &Receiver<Batch>, looks: usize) {
    let mut so_far = 0;
    wait_for(batches, |batch| {
        so_far += usize::from(batch.heard_until.is_some());
        so_far == looks
    });
}

fn waiting(batches: &Receiver<Batch>) -> (Timestamp, String) {
    let told = wait_for(batches, |batch| batch.standing.is_some());
    match told.standing {
        Some(Standing::Waiting { until, why }) => (until, why),
        other => panic!("{other:?} instead of waiting"),
    }
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn what_nginx_says_of_a_packed_page_is_given_back_byte_for_byte() {
    let Some(nginx) = Peer::start("nginx", &[]) else {
        return;
    };
    write_rss(&nginx, 2);
    let batches = feed(&nginx, "/news.rss");
    let first = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert_eq!(first.posts.len(), 2);
    wait_for_looks(&batches, 2);
    let log = asked(&nginx);
    let [status, _, etag_known, date_known, name, _] = &log[1];
    assert_eq!(status, "304", "{log:?}");
    assert!(
        etag_known.starts_with("W/\""),
        "packed, it is weak: {log:?}"
    );
    assert_eq!(etag_known, &log[0][5]);
    assert!(
        date_known.ends_with(" GMT") && name.starts_with("downtrend/"),
        "{log:?}"
    );
    write_rss(&nginx, 3);
    let next = wait_for(&batches, |batch| !batch.posts.is_empty());
    assert_eq!((next.posts.len(), next.skipped), (1, 2));
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn where_nginx_sends_us_is_remembered_if_it_is_for_good() {
    for (path, want) in [
        (
            "/moved/news.rss",
            ["/moved/news.rss", "/news.rss", "/news.rss"],
        ),
        (
            "/elsewhere/news.rss",
            ["/elsewhere/news.rss", "/news.rss", "/elsewhere/news.rss"],
        ),
    ] {
        let Some(nginx) = Peer::start("nginx", &[]) else {
            return;
        };
        write_rss(&nginx, 2);
        let batches = feed(&nginx, path);
        wait_for_looks(&batches, 3);
        drop(batches);
        let log = asked(&nginx);
        let targets: Vec<&str> = log.iter().map(|line| &*line[1]).collect();
        assert_eq!(targets[..3], want);
    }
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn every_refusal_of_nginx_is_told_in_plain_words() {
    let down_until = clock::now().as_millis() / 1_000 * 1_000 + 600_000;
    let down_until = Timestamp::from_millis(down_until).expect("in range");
    let date = std::time::UNIX_EPOCH + Duration::from_millis(down_until.as_millis().unsigned_abs());
    let Some(nginx) = Peer::start("nginx", &[("DOWN_UNTIL", &httpdate::fmt_http_date(date))])
    else {
        return;
    };
    write_rss(&nginx, 2);
    let gone = wait_for(&feed(&nginx, "/gone"), |batch| batch.ending.is_some());
    assert!(matches!(gone.ending, Some(Ending::Complete)));
    assert!(refusal(&feed(&nginx, "/missing")).contains("404"));
    assert!(refusal(&feed(&nginx, "/login")).contains("\"Please log in\""));
    let before = clock::now().as_millis();
    let (until, why) = waiting(&feed(&nginx, "/down"));
    assert!(why.contains("503"), "{why}");
    assert!((before + 120_000..=clock::now().as_millis() + 120_000).contains(&until.as_millis()));
    assert_eq!(waiting(&feed(&nginx, "/down-on")).0, down_until);
    let limited = feed(&nginx, "/limited/news.rss");
    wait_for_looks(&limited, 1);
    let (until, why) = {
        let told = wait_for(&limited, |batch| {
            matches!(batch.standing, Some(Standing::Waiting { .. }))
        });
        let Some(Standing::Waiting { until, why }) = told.standing else {
            unreachable!("it was waited for")
        };
        (until, why)
    };
    assert!(why.contains("429"), "{why}");
    wait_for_looks(&limited, 1);
    assert!(clock::now() >= until);
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_page_that_trickles_is_given_up() {
    let Some(nginx) = Peer::start("nginx", &[]) else {
        return;
    };
    write_rss(&nginx, 100);
    let (_, why) = waiting(&feed(&nginx, "/slow/news.rss"));
    assert!(why.contains("less than 1 KiB/s"), "{why}");
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn an_nginx_that_falls_silent_or_dies_is_noticed_and_nothing_counts_twice() {
    let Some(mut nginx) = Peer::start("nginx", &[]) else {
        return;
    };
    write_rss(&nginx, 2);
    let batches = feed(&nginx, "/news.rss");
    wait_for(&batches, |batch| batch.posts.len() == 2);
    nginx.freeze();
    let (_, why) = waiting(&batches);
    assert!(why.contains("did not answer"), "{why}");
    nginx.thaw();
    wait_for(&batches, |batch| batch.standing == Some(Standing::Live));
    nginx.kill();
    waiting(&batches);
    write_rss(&nginx, 5);
    nginx.start_again();
    let next = wait_for(&batches, |batch| !batch.posts.is_empty());
    assert_eq!((next.posts.len(), next.skipped), (3, 2));
}

#[test]
#[ignore = "needs servers of others: just peers"]
fn a_status_page_and_a_search_are_read_from_nginx() {
    let Some(nginx) = Peer::start("nginx", &[]) else {
        return;
    };
    let url = format!("http://127.0.0.1:{}", nginx.port());
    let incidents = |state: &str| {
        json!({"page": {"id": "p", "name": "WhatsApp"}, "incidents": [
            {"id": "i", "name": "No messages", "status": state, "created_at": "2026-11-24T07:12:00.000-08:00"},
        ]})
        .to_string()
    };
    write(&nginx, "api/v2/incidents.json", &incidents("investigating"));
    let options = status::Options {
        url: url.clone(),
        service: None,
        token: None,
        allow_private: true,
        poll: POLL,
    };
    let batches = run(status::Status::new(options, &context(), None).expect("good options"));
    let first = wait_for(&batches, |batch| !batch.officials.is_empty());
    assert_eq!(
        first.officials[0].service.as_deref(),
        Some("whatsapp"),
        "by the page's name"
    );
    write(&nginx, "api/v2/incidents.json", &incidents("resolved"));
    let next = wait_for(&batches, |batch| !batch.officials.is_empty());
    assert_eq!(next.officials[0].state, "resolved");
    assert!(next.posts.is_empty() && next.heard_until.is_none());
    drop(batches);
    assert!(
        asked(&nginx)[1..]
            .iter()
            .all(|line| line[2].starts_with("W/\""))
    );

    let hit = json!({"objectID": "7", "comment_text": "WhatsApp is down", "created_at_i": clock::now().as_millis() / 1_000});
    write(
        &nginx,
        "api/v1/search_by_date",
        &json!({"nbHits": 1, "hits": [hit]}).to_string(),
    );
    let options = hackernews::Options {
        query: "whatsapp down".to_owned(),
        url: format!("{url}/api/v1/search_by_date"),
        allow_private: true,
        poll: POLL,
    };
    let batches =
        run(hackernews::HackerNews::new(options, &context(), None).expect("good options"));
    let found = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert_eq!(found.posts[0].hashtags[0].key, "whatsappdown");
    let again = wait_for(&batches, |batch| batch.heard_until.is_some());
    assert_eq!((again.posts.len(), again.skipped), (0, 1));
}
