//! Reading files: shapes, packing, broken lines, resuming.

use std::io::Write;

use serde_json::Value;

use super::support::{Place, post, posts, stderr};

fn number(summary: &Value, key: &str) -> u64 {
    summary[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} is a number: {summary}"))
}

/// Everything read is counted somewhere.
fn assert_adds_up(summary: &Value) {
    let rejected: u64 = summary["rejected"]
        .as_object()
        .expect("an object")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    let sum = ["posts_counted", "duplicates", "late", "skipped"]
        .map(|key| number(summary, key))
        .iter()
        .sum::<u64>();
    assert_eq!(number(summary, "posts_read"), sum + rejected, "{summary}");
}

#[test]
fn plain_gzip_and_zstd_give_the_same_whatever_their_names() {
    let text =
        posts((0..500).map(|n| (n, u64::from(n), u64::from(n % 40), "so #WhatsAppDown again")));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("memory");
    let packed = [
        text.clone().into_bytes(),
        gzip.finish().expect("memory"),
        zstd::encode_all(text.as_bytes(), 3).expect("memory"),
    ];
    let exports = packed.map(|bytes| {
        let place = Place::new();
        place.write("posts", bytes);
        assert_eq!(number(&place.json(&["run", "posts"]), "posts_counted"), 500);
        place.succeed(&["export", "whatsappdown"])
    });
    assert_eq!(exports[0], exports[1]);
    assert_eq!(exports[0], exports[2]);
    assert_eq!(exports[0].lines().count(), 501);
}

#[test]
fn a_broken_line_is_counted_under_its_reason_and_the_next_one_is_read() {
    let place = Place::new();
    let mut bytes = Vec::new();
    bytes.extend(post(1, 1, 1, "#one").into_bytes());
    bytes.extend(b"this is no JSON\n");
    bytes.extend(b"{\"id\":\"x\",\"ts\":\"2022-10-25T00:01:00Z\",\"text\":\"cut off\n");
    bytes.extend(b"{\"id\":\"x\",\"ts\":\"2022-10-25T00:01:00Z\",\"text\":\"\xff\xfe\"}\n");
    bytes.extend("[".repeat(100_000).into_bytes());
    bytes.extend(b"\n{\"weather\":\"fine\"}\n");
    bytes.extend(b"{\"id\":\"y\",\"text\":\"no time\"}\n");
    bytes.extend(b"{\"id\":\"z\",\"ts\":\"9999-01-01T00:00:00Z\",\"text\":\"from the future\"}\n");
    bytes.extend(b"\n");
    bytes.extend(post(2, 2, 2, "#two").into_bytes());
    place.write("posts", bytes);
    let summary = place.json(&["run", "posts"]);
    assert_adds_up(&summary);
    assert_eq!(number(&summary, "posts_counted"), 2);
    let rejected = &summary["rejected"];
    for (reason, count) in [
        ("json", 2),
        ("utf8", 1),
        ("depth", 1),
        ("shape", 1),
        ("time", 1),
        ("future", 1),
    ] {
        assert_eq!(rejected[reason], count, "{reason}: {summary}");
    }
}

#[test]
fn dropped_lines_are_named_under_v() {
    let place = Place::new();
    place.write("posts", format!("{}nonsense\n", post(1, 1, 1, "#one")));
    let told = stderr(&place.run(&["-v", "run", "posts"]));
    assert!(told.contains("posts, line 2: dropped, not JSON"), "{told}");
}

#[test]
fn a_line_of_a_hundred_megabytes_is_passed_over() {
    let place = Place::new();
    let mut bytes = post(1, 1, 1, "#one").into_bytes();
    bytes.resize(bytes.len() + 100_000_000, b'x');
    bytes.push(b'\n');
    bytes.extend(post(2, 2, 2, "#two").into_bytes());
    place.write("posts", zstd::encode_all(&bytes[..], 1).expect("memory"));
    let summary = place.json(&["run", "posts"]);
    assert_adds_up(&summary);
    assert_eq!(number(&summary, "posts_counted"), 2);
    assert_eq!(summary["rejected"]["too_long"], 1);
}

#[test]
fn the_same_file_again_counts_nothing_and_one_that_grew_only_what_is_new() {
    let place = Place::new();
    let first = posts([(1, 1, 1, "#one"), (2, 2, 2, "#one")]);
    let more = posts([(2, 3, 3, "#one"), (3, 4, 4, "#one")]);
    place.write("posts", &first);
    assert_eq!(number(&place.json(&["run", "posts"]), "posts_counted"), 2);
    let exported = place.succeed(&["export", "one"]);
    let again = place.json(&["run", "posts"]);
    assert_eq!(
        (
            number(&again, "posts_read"),
            number(&again, "posts_counted")
        ),
        (0, 0)
    );
    assert_eq!(place.succeed(&["export", "one"]), exported);
    assert!(stderr(&place.run(&["run", "posts"])).contains("nothing new"));

    place.write("posts", format!("{first}{more}"));
    assert_eq!(number(&place.json(&["run", "posts"]), "posts_counted"), 2);
    let at_once = Place::new();
    at_once.write("posts", format!("{first}{more}"));
    at_once.succeed(&["run", "posts"]);
    assert_eq!(
        place.succeed(&["export", "one"]),
        at_once.succeed(&["export", "one"])
    );
}

#[test]
fn a_file_changed_before_its_place_is_refused() {
    let place = Place::new();
    place.write("posts", posts([(1, 1, 1, "#one"), (2, 2, 2, "#one")]));
    place.succeed(&["run", "posts"]);
    place.write(
        "posts",
        posts([(1, 1, 1, "#uno"), (2, 2, 2, "#one"), (3, 3, 3, "#one")]),
    );
    let output = place.run(&["run", "posts"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        stderr(&output).contains("was changed before the place"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_last_line_that_is_still_being_written_is_read_once_it_is_whole() {
    let place = Place::new();
    let whole = posts([(1, 1, 1, "#one"), (2, 2, 2, "#one")]);
    place.write("posts", &whole[..whole.len() - 20]);
    assert_eq!(number(&place.json(&["run", "posts"]), "posts_counted"), 1);
    place.write("posts", &whole);
    assert_eq!(number(&place.json(&["run", "posts"]), "posts_counted"), 1);
    assert!(
        place
            .succeed(&["export", "one"])
            .contains("2022-10-25T00:02:00Z,1,1,")
    );
}

#[test]
fn a_saved_page_that_spans_lines_is_read_as_one_document() {
    let place = Place::new();
    let page = format!(
        "[\n  {},\n  {}\n]\n",
        post(5, 2, 2, "#two").trim_end(),
        post(4, 1, 1, "#one").trim_end().replace(',', ",\n    ")
    );
    place.write("page.json", page);
    let summary = place.json(&["run", "page.json"]);
    assert_eq!(number(&summary, "posts_counted"), 2);
    assert_eq!(
        number(&place.json(&["run", "page.json"]), "posts_read"),
        0,
        "it is finished"
    );
}

#[test]
fn an_archive_out_of_order_is_named_and_sort_counts_all_of_it() {
    let place = Place::new();
    let newest_first = posts(
        (0..300)
            .rev()
            .map(|n| (n, u64::from(n), u64::from(n), "#one")),
    );
    place.write("posts", newest_first);
    let output = place.run(&["run", "posts"]);
    assert!(stderr(&output).contains("--sort"), "{}", stderr(&output));
    let summary = place.json(&["--db", "sorted.db", "run", "--sort", "posts"]);
    assert_adds_up(&summary);
    assert_eq!(
        (number(&summary, "posts_counted"), number(&summary, "late")),
        (300, 0)
    );
}

#[test]
fn standard_input_is_read_and_read_again_without_counting_twice() {
    let place = Place::new();
    let text = posts((0..100).map(|n| (n, u64::from(n), u64::from(n), "#one")));
    let run = || {
        let output = place
            .command()
            .args(["run", "-", "--json"])
            .write_stdin(text.clone())
            .output();
        let output = output.expect("the program runs");
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    assert_eq!(number(&run(), "posts_counted"), 100);
    let exported = place.succeed(&["export", "one"]);
    let again = run();
    assert_adds_up(&again);
    assert_eq!(number(&again, "posts_counted"), 0);
    assert_eq!(place.succeed(&["export", "one"]), exported);
}

#[test]
fn several_archives_are_merged_in_time() {
    let place = Place::new();
    let of = |remainder| {
        posts(
            (0..600_u32)
                .filter(move |n| n % 2 == remainder)
                .map(|n| (n, u64::from(n), u64::from(n), "#one")),
        )
    };
    place.write("even", of(0));
    place.write("odd", of(1));
    place.write(
        "all",
        posts((0..600_u32).map(|n| (n, u64::from(n), u64::from(n), "#one"))),
    );
    let summary = place.json(&["run", "even", "odd"]);
    assert_eq!(
        (number(&summary, "posts_counted"), number(&summary, "late")),
        (600, 0)
    );
    place.succeed(&["--db", "all.db", "run", "all"]);
    assert_eq!(
        place.succeed(&["export", "one"]),
        place.succeed(&["--db", "all.db", "export", "one"])
    );
}
