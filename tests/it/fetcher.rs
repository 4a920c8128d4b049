//! The fetcher against servers that are slow, broken, hostile or just busy, and addresses that are none of its
//! business.

use std::io::Write;
use std::time::Duration;

use downtrend::clock;
use downtrend::feed::http::stream::Stream;
use downtrend::feed::http::{Answer, Fetcher, Page, Request, Settings, Token};
use downtrend::time::Timestamp;
use reqwest::Url;

use super::support::http::{Reply, Server, answer, ok};

/// May talk to the test's own server, and gives up soon.
fn settings() -> Settings {
    Settings {
        private_host: Some("127.0.0.1".to_owned()),
        header_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_secs(5),
        host_interval: Duration::ZERO,
        ..Settings::default()
    }
}

fn request(url: &str) -> Request {
    Request {
        url: Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")),
        accept: "*/*",
        validators: None,
        token: None,
    }
}

fn get(settings: Settings, request: &Request) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let fetcher = Fetcher::new(settings).expect("a fetcher");
    runtime.block_on(fetcher.get(request))
}

fn page(answer: Answer) -> Page {
    match answer {
        Answer::Body(page) => *page,
        other => panic!("{other:?} instead of a page"),
    }
}

fn refused(answer: Answer) -> (Option<u16>, String) {
    match answer {
        Answer::Refused { status, why } => (status, why),
        other => panic!("{other:?} instead of a refusal"),
    }
}

fn failed(answer: Answer) -> String {
    match answer {
        Answer::Failed { why } => why,
        other => panic!("{other:?} instead of a failure"),
    }
}

/// Hosts that are not the public internet, as an attacker would write them.
const PRIVATE_HOSTS: &[&str] = &[
    // Loopback, in every base and with parts left out.
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0x0.0.1",
    "0x7F.0X0.0.0x1",
    "127.0x1",
    "127.0.0.0x1",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "⑫7.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "a.b.localhost.",
    // This host.
    "0",
    "0.0.0.0",
    "0.0.0.1",
    "0x0",
    "00",
    "0.1.2.3",
    "0.255.255.255",
    // Private.
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "0xa000001",
    "012.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "2886729729",
    "0xac.0x10.0.1",
    "192.168.0.1",
    "192.168.255.255",
    "3232235521",
    "0xc0a80001",
    "0300.0250.0.1",
    "192.168.257",
    // Link-local and metadata.
    "169.254.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "0xa9.254.0251.254",
    "169.254.43518",
    "169.16689662",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    // Carrier-grade NAT.
    "100.64.0.1",
    "100.127.255.255",
    "0x64400001",
    "1681915905",
    // Protocol assignments, documentation, benchmarks, relays.
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    // Multicast, reserved, broadcast.
    "224.0.0.1",
    "239.255.255.250",
    "0xe0000001",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "0xffffffff",
    "037777777777",
    // IPv6: unspecified, loopback, mapped, compatible, translated.
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:8.8.8.8]",
    "[::127.0.0.1]",
    "[::a00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::10.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001::1]",
    "[2001:0:7f00:1::]",
    // IPv6: local, link-local, site-local, metadata, multicast, discard, documentation, identifiers.
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[fdff::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[5f00::1]",
    "[2620:4f:8000::1]",
    "[1::1]",
    "[4000::1]",
    "[e000::1]",
    "[fd12:3456:789a::1]",
];

#[test]
fn no_private_address_is_asked_however_it_is_written() {
    assert!(PRIVATE_HOSTS.len() >= 120, "{}", PRIVATE_HOSTS.len());
    let settings = Settings {
        private_host: None,
        ..settings()
    };
    for host in PRIVATE_HOSTS {
        let (status, why) = refused(get(
            settings.clone(),
            &request(&format!("http://{host}:9/x?secret")),
        ));
        assert_eq!(status, None, "{host}");
        assert!(why.contains("not on the public internet"), "{host}: {why}");
    }
}

#[test]
fn a_redirect_to_a_private_address_is_refused_even_from_a_server_of_ones_own() {
    for host in PRIVATE_HOSTS.iter().filter(|host| {
        // These are the test's own server, which may redirect to itself.
        Url::parse(&format!("http://{host}/")).is_ok_and(|url| url.host_str() != Some("127.0.0.1"))
    }) {
        let location = format!("Location: http://{host}:9/");
        if !location.is_ascii() {
            continue;
        }
        let server = Server::start(move |_| answer("302 Found", "", &[&location]));
        let (_, why) = refused(get(settings(), &request(&server.url())));
        assert!(why.contains("not on the public internet"), "{host}: {why}");
    }
}

#[test]
fn only_http_is_followed() {
    for target in [
        "file:///etc/passwd",
        "ftp://a.example/",
        "gopher://a.example/",
        "data:,x",
    ] {
        let location = format!("Location: {target}");
        let server = Server::start(move |_| answer("301 Moved Permanently", "", &[&location]));
        let (_, why) = refused(get(settings(), &request(&server.url())));
        assert!(why.contains("only http and https"), "{target}: {why}");
    }
}

#[test]
fn a_server_of_ones_own_is_read_when_that_is_allowed_and_we_name_ourselves() {
    let server = Server::start(|_| ok("[]", &["Cache-Control: max-age=60"]));
    let page = page(get(settings(), &request(&server.url())));
    assert_eq!(page.bytes, b"[]");
    assert_eq!(page.max_age, Some(Duration::from_mins(1)));
    let heard = server.heard();
    let agent = heard[0].header("user-agent").expect("we name ourselves");
    assert!(agent.starts_with("downtrend/"), "{agent}");
}

fn listen(settings: Settings, url: &str) -> Result<Stream, Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let fetcher = Fetcher::new(settings).expect("a fetcher");
    runtime.block_on(fetcher.listen(&request(url), Duration::from_secs(1)))
}

#[test]
fn a_stream_is_asked_for_as_carefully_as_a_page() {
    const STREAM: &str = "Content-Type: text/event-stream";
    let server = Server::start(|heard| match heard.target() {
        "/away" => answer("302 Found", "", &["Location: http://10.0.0.1/"]),
        "/packed" => ok("", &[STREAM, "Content-Encoding: gzip"]),
        "/page" => ok("[]", &["Content-Type: application/json"]),
        "/closed" => answer("401 Unauthorized", "", &[STREAM]),
        _ => ok(":)\n", &[STREAM]),
    });
    let url = server.url();
    let answer = |path: &str| listen(settings(), &format!("{url}{path}"));
    assert!(answer("/stream").is_ok());
    let (_, why) = refused(answer("/away").expect_err("a private address"));
    assert!(why.contains("not on the public internet"), "{why}");
    let (_, why) = refused(answer("/page").expect_err("no stream"));
    assert!(why.contains("no stream of events"), "{why}");
    let (status, _) = refused(answer("/closed").expect_err("closed"));
    assert_eq!(status, Some(401));
    failed(answer("/packed").expect_err("packed"));
    let settings = Settings {
        private_host: None,
        ..settings()
    };
    let (_, why) = refused(listen(settings, &url).expect_err("a private address"));
    assert!(why.contains("not on the public internet"), "{why}");
}

#[test]
fn validators_are_given_back_byte_for_byte_and_304_is_no_body() {
    const ETAG: &str = "W/\"a-b  c\"";
    const MODIFIED: &str = "Tue, 24 Nov 2026 9:5:00 +0000";
    let server = Server::start(|heard| match heard.header("if-none-match") {
        Some(_) => answer("304 Not Modified", "", &["Cache-Control: max-age=5"]),
        None => ok(
            "x",
            &[
                &format!("ETag: {ETAG}"),
                &format!("Last-Modified: {MODIFIED}"),
            ],
        ),
    });
    let mut request = request(&server.url());
    request.validators = page(get(settings(), &request)).validators;
    assert_eq!(
        get(settings(), &request),
        Answer::NotModified {
            max_age: Some(Duration::from_secs(5))
        }
    );
    let heard = server.heard();
    assert_eq!(heard[1].header("if-none-match"), Some(ETAG));
    assert_eq!(heard[1].header("if-modified-since"), Some(MODIFIED));

    request.url = request.url.join("/other").unwrap();
    page(get(settings(), &request));
    assert_eq!(server.heard()[2].header("if-none-match"), None);
}

#[test]
fn five_redirects_are_followed_and_a_sixth_is_not() {
    let server = Server::start(|heard| {
        let hops: u32 = heard.target()[1..].parse().expect("a number");
        match hops {
            0 => ok("there", &[]),
            _ => answer("302 Found", "", &[&format!("Location: /{}", hops - 1)]),
        }
    });
    let page = page(get(settings(), &request(&format!("{}/5", server.url()))));
    assert_eq!((&*page.bytes, page.final_url.path()), (&b"there"[..], "/0"));
    assert_eq!(page.permanent_redirect, None);
    let why = failed(get(settings(), &request(&format!("{}/6", server.url()))));
    assert!(why.contains("more than 5"), "{why}");
}

#[test]
fn an_address_that_has_moved_for_good_is_told_up_to_the_first_passing_redirect() {
    let server = Server::start(|heard| match heard.target() {
        "/a" => answer("301 Moved Permanently", "", &["Location: /b"]),
        "/b" => answer("308 Permanent Redirect", "", &["Location: /c"]),
        "/c" => answer("307 Temporary Redirect", "", &["Location: /d"]),
        "/d" => answer("301 Moved Permanently", "", &["Location: /e"]),
        _ => ok("there", &[]),
    });
    let page = page(get(settings(), &request(&format!("{}/a", server.url()))));
    assert_eq!(page.permanent_redirect.expect("moved").path(), "/c");
    assert_eq!(page.final_url.path(), "/e");
}

#[test]
fn every_form_of_a_429_is_obeyed_to_the_second() {
    let waits = |header: String| {
        let server = Server::start(move |_| answer("429 Too Many Requests", "", &[&header]));
        let before = clock::now();
        match get(settings(), &request(&server.url())) {
            Answer::Wait { until, why } => (before, until, clock::now(), why),
            other => panic!("{other:?} instead of a wait"),
        }
    };
    let plus = |at: Timestamp, seconds: i64| {
        Timestamp::from_millis(at.as_millis() + seconds * 1_000).expect("this century")
    };
    for header in ["Retry-After: 90", "X-RateLimit-Reset: 90"] {
        let (before, until, after, why) = waits(header.to_owned());
        assert!(
            (plus(before, 90)..=plus(after, 90)).contains(&until),
            "{header}: {until}"
        );
        assert!(why.contains("429"), "{why}");
    }
    let reset = Timestamp::from_millis((clock::now().as_millis() / 1_000 + 90) * 1_000)
        .expect("this century");
    let instant = jiff::Timestamp::from_millisecond(reset.as_millis()).expect("this century");
    let http_date = instant.strftime("%a, %d %b %Y %H:%M:%S GMT");
    for header in [
        format!("Retry-After: {http_date}"),
        format!(
            "X-RateLimit-Reset: {}",
            instant.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        ),
        format!("X-RateLimit-Reset: {}", instant.as_second()),
    ] {
        let (_, until, _, _) = waits(header.clone());
        assert_eq!(until, reset, "{header}");
    }
    let (before, until, after, _) = waits("Retry-After: 999999999".to_owned());
    assert!((plus(before, 3_600)..=plus(after, 3_600)).contains(&until));
    let (before, until, after, _) = waits("X-Nothing: said".to_owned());
    assert!((plus(before, 60)..=plus(after, 60)).contains(&until));
}

#[test]
fn a_503_waits_if_it_says_until_when_and_fails_if_not() {
    let server = Server::start(|heard| match heard.target() {
        "/told" => answer("503 Service Unavailable", "", &["Retry-After: 5"]),
        _ => answer("503 Service Unavailable", "", &[]),
    });
    let told = get(settings(), &request(&format!("{}/told", server.url())));
    assert!(matches!(told, Answer::Wait { .. }), "{told:?}");
    failed(get(settings(), &request(&server.url())));
}

#[test]
fn a_refusal_has_its_status_and_plain_words() {
    for (status, words) in [
        ("400 Bad Request", "does not accept"),
        ("401 Unauthorized", "wants a login"),
        ("403 Forbidden", "forbids"),
        ("404 Not Found", "nothing at this address"),
        ("410 Gone", "for good"),
        ("422 Unprocessable Content", "does not accept"),
    ] {
        let server = Server::start(move |_| answer(status, "secret", &[]));
        let (code, why) = refused(get(settings(), &request(&server.url())));
        assert_eq!(code, status[..3].parse().ok(), "{why}");
        assert!(why.contains(words) && !why.contains("secret"), "{why}");
    }
}

#[test]
fn a_login_page_is_a_refusal_that_names_its_title() {
    let server = Server::start(|_| ok("<!DOCTYPE html><title>Sign &amp; in</title>", &[]));
    let (_, why) = refused(get(settings(), &request(&server.url())));
    assert!(why.contains("\"Sign & in\""), "{why}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn compressed_answers_are_decoded_and_bombs_are_not() {
    let text = "হোয়াটসঅ্যাপ ডাউন ".repeat(1_000);
    let blanks = vec![0; 64 << 20];
    let packed = |encoding: &str, bytes: &[u8]| match encoding {
        "gzip" => gzip(bytes),
        _ => zstd::encode_all(bytes, 3).expect("memory"),
    };
    for encoding in ["gzip", "zstd"] {
        let header = format!("Content-Encoding: {encoding}");
        let (good, bomb) = (packed(encoding, text.as_bytes()), packed(encoding, &blanks));
        let server = Server::start(move |heard| match heard.target() {
            "/bomb" => ok(&bomb, &[&header]),
            _ => ok(&good, &[&header]),
        });
        let page = page(get(settings(), &request(&server.url())));
        assert_eq!(page.bytes, text.as_bytes(), "{encoding}");
        let why = failed(get(settings(), &request(&format!("{}/bomb", server.url()))));
        assert!(why.contains("bomb"), "{encoding}: {why}");
    }
}

#[test]
fn a_body_over_the_cap_is_refused_before_it_has_all_come() {
    let server = Server::start(|_| {
        let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
        Reply::Stall([endless, vec![b'x'; 2_000]].concat())
    });
    let settings = Settings {
        body_bytes_max: 1_000,
        ..settings()
    };
    let why = failed(get(settings, &request(&server.url())));
    assert!(why.contains("more than 1000 bytes"), "{why}");
}

#[test]
fn slow_peers_are_given_up() {
    for (sent, words) in [
        ("", "did not answer within"),
        ("HTTP/1.1 200 OK\r\nX: ", "did not answer within"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
            "in full within",
        ),
    ] {
        let server = Server::start(move |_| Reply::Stall(sent.into()));
        let settings = Settings {
            total_timeout: Duration::from_millis(600),
            ..settings()
        };
        let why = failed(get(settings, &request(&server.url())));
        assert!(why.contains(words), "{sent:?}: {why}");
    }
}

#[test]
fn broken_framing_is_a_failure_and_never_half_a_page() {
    for sent in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    ] {
        let server = Server::start(move |_| Reply::Bytes(sent.into()));
        failed(get(settings(), &request(&server.url())));
    }
}

#[test]
fn no_url_and_no_token_stands_in_what_is_said() {
    let replies = [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        "",
        "nonsense",
        "HTTP/1.1 401 No\r\n\r\n",
    ];
    for sent in replies {
        let server = Server::start(move |_| Reply::Bytes(sent.into()));
        let mut request = request(&format!("{}/canary?key=canary", server.url()));
        request.token = Some(Token::new("canary"));
        let answer = get(settings(), &request);
        assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
        assert_eq!(
            server.heard()[0].header("authorization"),
            Some("Bearer canary")
        );
    }
}
