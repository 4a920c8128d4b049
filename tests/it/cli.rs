//! What scripts rest on: exit codes, and that an error writes nothing.

use super::support::{Place, post, posts, stderr};

fn exit_code(place: &Place, arguments: &[&str]) -> (i32, String) {
    let output = place.run(arguments);
    (
        output.status.code().expect("it was not killed"),
        stderr(&output),
    )
}

fn place_with_posts() -> Place {
    let place = Place::new();
    place.write(
        "posts.ndjson",
        posts([
            (60, 1, 1, "#WhatsAppDown"),
            (61, 2, 2, "#whatsappdown again"),
        ]),
    );
    place.succeed(&["run", "posts.ndjson"]);
    place
}

#[test]
fn fine_is_0() {
    assert_eq!(exit_code(&place_with_posts(), &["trending"]).0, 0);
}

#[test]
fn nothing_found_where_that_was_asked_is_1() {
    let place = place_with_posts();
    let (code, message) = exit_code(
        &place,
        &["trending", "--at", "2022-10-25T20:00:00Z", "--fail-empty"],
    );
    assert_eq!(code, 1, "{message}");
}

#[test]
fn wrong_usage_is_2_and_writes_nothing() {
    let place = Place::new();
    for arguments in [
        &["run", "blusky:everything"][..],
        &["trending", "--at", "teatime"],
        &["frobnicate"],
    ] {
        let (code, message) = exit_code(&place, arguments);
        assert_eq!(code, 2, "{arguments:?}: {message}");
    }
    assert!(!place.path("downtrend.db").exists());
    let (_, message) = exit_code(&place, &["run", "flie:posts"]);
    assert!(
        message.contains("no kind \"flie\"") && message.contains("\"file\""),
        "{message}"
    );
}

#[test]
fn bad_data_is_65() {
    let place = place_with_posts();
    let mut packed =
        zstd::encode_all(post(70, 3, 3, "#a").repeat(1_000).as_bytes(), 3).expect("memory");
    packed.truncate(packed.len() - 10);
    place.write("cut.zst", &packed);
    let (code, message) = exit_code(&place, &["--db", "cut.db", "run", "cut.zst"]);
    assert_eq!(code, 65, "{message}");

    let output = place
        .command()
        .args(["extract", "--input", "json"])
        .write_stdin("no json\n")
        .output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("{\"error\":"));
}

#[test]
fn a_file_that_lies_in_the_past_is_65_and_says_use_another_db() {
    let place = place_with_posts();
    place.write(
        "later.ndjson",
        posts([(600, 8, 1, "#a"), (700, 9, 1, "#a")]),
    );
    place.succeed(&["run", "later.ndjson"]);
    place.write("old.ndjson", posts([(10, 5, 1, "#a"), (11, 6, 1, "#a")]));
    let before = place.succeed(&["export", "--all"]);
    let (code, message) = exit_code(&place, &["run", "old.ndjson"]);
    assert_eq!(code, 65, "{message}");
    assert!(message.contains("use another --db"), "{message}");
    assert_eq!(place.succeed(&["export", "--all"]), before);
}

#[test]
fn no_such_input_is_66_and_writes_nothing() {
    let place = Place::new();
    let (code, message) = exit_code(&place, &["run", "nowhere.ndjson"]);
    assert_eq!(code, 66, "{message}");
    assert!(message.contains("nowhere.ndjson"), "{message}");
    assert!(!place.path("downtrend.db").exists());
    assert_eq!(
        exit_code(&place, &["trending"]).0,
        66,
        "there is no database either"
    );
}

#[test]
fn a_database_that_is_not_ours_is_74_and_stays_as_it_is() {
    let place = place_with_posts();
    let text = place.write(
        "shopping.db",
        "milk, bread, a lamp for the hall, and a long enough list to be a file\n",
    );
    for arguments in [
        &["--db", "shopping.db", "run", "posts.ndjson"][..],
        &["--db", "shopping.db", "spikes"],
    ] {
        let (code, message) = exit_code(&place, arguments);
        assert_eq!(code, 74, "{message}");
        assert!(message.contains("not a downtrend database"), "{message}");
    }
    assert!(
        std::fs::read_to_string(text)
            .expect("still text")
            .starts_with("milk")
    );
    assert!(!place.path("shopping.db-writer").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_74() {
    let place = place_with_posts();
    let (code, message) = exit_code(&place, &["export", "--all", "-o", "no/such/folder/out.csv"]);
    assert_eq!(code, 74, "{message}");
    assert!(message.contains("no/such/folder/out.csv"), "{message}");
}

/// What the program exits with, and says, when a shell runs it with `$0`.
fn in_a_shell(place: &Place, script: &str) -> (Option<i32>, String) {
    let output = std::process::Command::new("sh")
        .current_dir(place.path("."))
        .args(["-c", script, env!("CARGO_BIN_EXE_downtrend")])
        .output()
        .expect("a shell runs");
    (output.status.code(), stderr(&output))
}

#[test]
fn a_full_disk_is_74_where_output_goes_and_where_the_database_lies() {
    let place = place_with_posts();
    let (code, message) = in_a_shell(&place, "exec \"$0\" export --all > /dev/full");
    assert_eq!(code, Some(74), "{message}");

    let text = posts((0..2_000).map(|n| (n, u64::from(n), u64::from(n), "#a #b #c #d")));
    place.write("many.ndjson", text);
    // Files of 64 blocks of 512 bytes at most; the signal that comes with it would end the program before it can say.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --db small.db run many.ndjson";
    let (code, message) = in_a_shell(&place, script);
    assert_eq!(code, Some(74), "{message}");
    // With room it goes on, and nothing was lost.
    let summary = place.json(&["--db", "small.db", "run", "many.ndjson"]);
    let (_, whole) = (
        place.succeed(&["--db", "whole.db", "run", "many.ndjson"]),
        place.succeed(&["--db", "whole.db", "export", "--all"]),
    );
    let small = place.succeed(&["--db", "small.db", "export", "--all"]);
    assert!(small == whole, "{summary}");
}

#[test]
fn what_would_export_more_than_was_named_is_2() {
    let place = place_with_posts();
    for choices in [
        &["--all", "--service", "whatsapp"][..],
        &["--spike", "00", "--service", "whatsapp"],
        &["--all", "--spike", "00"],
        &["--all", "whatsappdown"],
    ] {
        let (code, message) = exit_code(&place, &[&["export"], choices].concat());
        assert_eq!(code, 2, "{choices:?}: {message}");
        assert!(message.contains("cannot be used with"), "{message}");
    }
}

#[test]
fn a_dash_is_standard_output() {
    let place = place_with_posts();
    let plain = place.succeed(&["export", "--all"]);
    assert!(plain.lines().count() > 1);
    assert_eq!(place.succeed(&["export", "--all", "-o", "-"]), plain);
    assert!(!place.path("-").exists());
}

#[test]
fn a_database_without_a_post_speaks_of_no_moment() {
    let place = Place::new();
    drop(downtrend::store::sqlite::Sqlite::open(&place.path("downtrend.db")).expect("made"));
    let output = place.run(&["trending"]);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    assert!(message.contains("Nothing has been counted"), "{message}");
    let shown = place.json(&["trending"]);
    assert!(shown["at"].is_null() && shown["coverage"] == 0.0, "{shown}");
}

#[test]
fn a_window_that_is_no_whole_minutes_is_2() {
    let (code, message) = exit_code(&place_with_posts(), &["trending", "--window", "90s"]);
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("whole minutes"), "{message}");
}

#[test]
fn an_export_of_ages_is_written_as_it_goes() {
    let place = place_with_posts();
    // Four hundred megabytes would not hold the buckets of half a century at once.
    let script = "ulimit -v 400000
        lines=$(\"$0\" export whatsappdown --from 1970-01-01T00:00:00Z --bucket 5m | wc -l)
        test $lines -gt 5000000";
    let (code, message) = in_a_shell(&place, script);
    assert_eq!((code, message.as_str()), (Some(0), ""));
}

#[test]
fn a_locked_database_is_75() {
    let place = place_with_posts();
    let _writer =
        downtrend::store::sqlite::Sqlite::open(&place.path("downtrend.db")).expect("opens");
    let (code, message) = exit_code(&place, &["run", "posts.ndjson"]);
    assert_eq!(code, 75, "{message}");
    assert!(message.contains("try again later"), "{message}");
}

#[test]
fn bad_configuration_is_78_with_file_line_and_the_nearest_key() {
    let place = place_with_posts();
    place.write("downtrend.toml", "db = \"other.db\"\nspike_treshold = 4\n");
    let (code, message) = exit_code(&place, &["run", "posts.ndjson"]);
    assert_eq!(code, 78, "{message}");
    assert!(
        message.contains("downtrend.toml, line 2") && message.contains("spike_threshold"),
        "{message}"
    );
    assert!(!place.path("other.db").exists());
}

#[test]
fn a_newer_database_is_78() {
    let place = place_with_posts();
    // Bytes 60 to 63 of the header are user_version (sqlite.org/fileformat.html).
    let path = place.path("downtrend.db");
    let mut bytes = std::fs::read(&path).expect("readable");
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&path, bytes).expect("written");
    let (code, message) = exit_code(&place, &["spikes"]);
    assert_eq!(code, 78, "{message}");
    assert!(message.contains("newer"), "{message}");
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let place = place_with_posts();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_downtrend"))
        .current_dir(place.path("."))
        .args([
            "export",
            "--all",
            "--from",
            "2022-10-24T00:00:00Z",
            "--to",
            "2022-10-29T00:00:00Z",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn config_show_tells_where_values_come_from() {
    let place = Place::new();
    place.write("downtrend.toml", "spike_threshold = 4\n");
    let shown = place.succeed(&["config", "show", "--origin"]);
    let line = |key: &str| {
        shown
            .lines()
            .find(|line| line.starts_with(key))
            .map(str::to_owned)
    };
    assert!(
        line("spike_threshold").is_some_and(|line| line.ends_with("downtrend.toml")),
        "{shown}"
    );
    assert!(
        line("window").is_some_and(|line| line.ends_with("default")),
        "{shown}"
    );
}

#[test]
fn colour_and_bars_stay_out_of_pipes() {
    let place = Place::new();
    place.write("posts.ndjson", posts([(60, 1, 1, "#WhatsAppDown")]));
    let output = place.run(&["run", "posts.ndjson"]);
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
}

#[test]
fn a_feed_of_the_configuration_is_refused_with_file_line_and_key() {
    let place = Place::new();
    let file = |feed: &str| {
        place.write(
            "downtrend.toml",
            format!("db = \"x.db\"\n\n[[feed]]\n{feed}\n"),
        )
    };
    for (feed, told) in [
        (
            "kind = \"mastadon\"",
            "downtrend.toml, line 4: there is no kind \"mastadon\"",
        ),
        (
            "kind = \"mastodon\"",
            "line 3: a feed of kind \"mastodon\" needs the key \"server\"",
        ),
        (
            "kind = \"feed\"\nurl = \"https://a.example/rss\"\npol = \"5m\"",
            "line 6: a feed of kind \"feed\" has no key \"pol\"; did you mean \"poll\"?",
        ),
        (
            "kind = \"feed\"\nurl = \"gopher\"",
            "line 3: use \"gopher\": write it as https://HOST/PATH",
        ),
    ] {
        file(feed);
        for command in [&["run"][..], &["config", "check"], &["feeds"]] {
            let output = place.run(command);
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(78), "{command:?}: {message}");
            assert!(message.contains(told), "{command:?}: {message}");
        }
    }
    assert!(!place.path("x.db").exists(), "nothing was written");
    file("kind = \"feed\"\nurl = \"https://a.example/rss\"");
    place.succeed(&["config", "check"]);
    let feeds = &place.json(&["feeds"])["feeds"];
    assert_eq!(feeds[0]["state"], "never read", "{feeds}");
}
