//! Posts as services write them: bytes in, posts out, whatever the shape.
//!
//! Takes one line or one whole JSON document and gives what it holds, oldest first: posts, well-formed events that
//! are none, and named rejects. The shape is recognised by the fields that are there ([`object`]), in one pass over
//! the line and without memory: what a line gives never depends on the lines before it. One file a shape says what
//! is kept of it, what is dropped and why.
//!
//! It promises never to panic and never to be silent: any bytes give at least one item. It is strict: a line that is
//! not UTF-8 all through, or not exactly one JSON value, counts as nothing else (`serde_json` is the judge). A broken
//! object inside a page is a reject of its own; its neighbours are read.
//!
//! It opens no file and no socket and has no clock: whether a post is late or from the future is decided later.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::post::{Item, RawPost, Reject};

mod bluesky_view;
mod bridge;
pub(super) mod field;
mod hackernews;
pub(super) mod html;
pub(super) mod jetstream;
mod mastodon;
mod nostr;
mod notice;
mod object;
mod plain;
mod reddit;
mod twitter_v1;
mod twitter_v2;

/// What one reading gives: an item, or why it is none.
pub(super) type Outcome<'a> = Result<Item<'a>, Reject>;

/// How deep JSON may be nested: as deep as `serde_json` follows. It does not look at the depth of what it skips, so
/// that is checked beforehand ([`is_too_deep`]).
const DEPTH_MAX: usize = 127;

/// Reads one line or one whole JSON document: recognises the shape and appends what it holds, oldest first, to
/// `items`. At least one item is appended; of a document that holds several, those without a time come first.
pub fn read<'a>(bytes: &'a [u8], items: &mut Vec<Result<Item<'a>, Reject>>) {
    let before = items.len();
    match std::str::from_utf8(bytes) {
        Ok(text) => read_line(trim(text), items),
        Err(_) => items.push(Err(Reject::Utf8)),
    }
    items[before..].sort_by_key(|item| match item {
        Ok(Item::Post(post)) => Some(post.at),
        Ok(Item::Skipped) | Err(_) => None,
    });
}

/// Whether bytes are one complete JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// One JSON value and nothing after it.
    Complete,
    /// The beginning of a JSON value: more lines may complete it.
    CutOff,
    /// No continuation makes this one JSON value.
    NeverJson,
}

/// Whether `bytes` is one complete JSON value; tells a file with an object a line from a pretty-printed document,
/// whose first line is [`Completeness::CutOff`]. It looks at the grammar alone, not at UTF-8 or depth, and takes time
/// in proportion to the length: ask about the first line and then about the whole, not after every line.
pub fn completeness(bytes: &[u8]) -> Completeness {
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => Completeness::Complete,
        Err(error) if error.is_eof() => Completeness::CutOff,
        Err(_) => Completeness::NeverJson,
    }
}

/// One line: JSON, or a line of a server-sent event stream.
fn read_line<'a>(line: &'a str, items: &mut Vec<Outcome<'a>>) {
    match line.as_bytes().first() {
        Some(b'{' | b'[') => read_document(line, items),
        Some(_) => read_event_line(line, items),
        None => items.push(Ok(Item::Skipped)),
    }
}

/// A line of `text/event-stream`. The data of an event we do not read (`delete`) is a bare id; a data line does not
/// say which event it belongs to, so any lone text or number is such an id.
fn read_event_line<'a>(line: &'a str, items: &mut Vec<Outcome<'a>>) {
    if let Some(data) = line.strip_prefix("data:").map(trim) {
        match data.as_bytes().first() {
            Some(b'{' | b'[') => read_document(data, items),
            Some(_) if !is_json(data) => items.push(Err(Reject::Json)),
            Some(_) | None => items.push(Ok(Item::Skipped)),
        }
        return;
    }
    let is_framing = [":", "event:", "id:", "retry:"]
        .iter()
        .any(|field| line.starts_with(field));
    // What a service answers where there is nothing: an item of Hacker News that was never there.
    items.push(if is_framing || line == "null" {
        Ok(Item::Skipped)
    } else if is_json(line) {
        Err(Reject::Shape)
    } else {
        Err(Reject::Json)
    });
}

fn read_document<'a>(json: &'a str, items: &mut Vec<Outcome<'a>>) {
    if is_too_deep(json.as_bytes()) {
        items.push(Err(Reject::Depth));
    } else {
        read_value(json, items);
    }
}

/// One JSON value: a post, a page of posts, or an array of either.
fn read_value<'a>(json: &'a str, items: &mut Vec<Outcome<'a>>) {
    match json.as_bytes().first() {
        Some(b'{') => object::read(json, items),
        Some(b'[') => read_array(json, items),
        _ if json == "null" => items.push(Ok(Item::Skipped)),
        _ => items.push(Err(Reject::Shape)),
    }
}

/// An array: one message of a Nostr relay if it begins with a text, else a page.
fn read_array<'a>(json: &'a str, items: &mut Vec<Outcome<'a>>) {
    let elements: Vec<&RawValue> = match serde_json::from_str(json) {
        Ok(elements) => elements,
        Err(error) => return items.push(Err(refusal(&error, json))),
    };
    match elements.first() {
        Some(first) if first.get().starts_with('"') => items.push(nostr::read_message(&elements)),
        Some(_) => {
            for element in elements {
                read_value(element.get(), items);
            }
        }
        // An empty page: a timeline without posts, or a closed one.
        None => items.push(Ok(Item::Skipped)),
    }
}

/// The elements of an array that a page carries; a page without one is an empty page.
fn read_page<'a>(
    array: &'a str,
    items: &mut Vec<Outcome<'a>>,
    mut read_element: impl FnMut(&'a str, &mut Vec<Outcome<'a>>),
) {
    let elements: Vec<&RawValue> = match serde_json::from_str(array) {
        Ok(elements) => elements,
        Err(error) => return items.push(Err(refusal(&error, array))),
    };
    if elements.is_empty() {
        items.push(Ok(Item::Skipped));
    }
    for element in elements {
        read_element(element.get(), items);
    }
}

/// A typed reading of `json`, with the reject that says why there is none.
#[inline]
pub(super) fn decode<'a, T: serde::Deserialize<'a>>(json: &'a str) -> Result<T, Reject> {
    serde_json::from_str(json).map_err(|error| refusal(&error, json))
}

/// Why `serde_json` refused. An error of data ends its reading early, so whether the rest is JSON is asked again.
fn refusal(error: &serde_json::Error, json: &str) -> Reject {
    match error.classify() {
        Category::Data if is_json(json) => Reject::Shape,
        Category::Data | Category::Syntax | Category::Eof | Category::Io => Reject::Json,
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether brackets nest deeper than [`DEPTH_MAX`]. Few lines hold that many brackets at all, so that most are done
/// after a count; the compiler turns it into vector code, since the count of a chunk fits a byte.
fn is_too_deep(json: &[u8]) -> bool {
    let openers_in = |chunk: &[u8]| {
        chunk
            .iter()
            .map(|byte| u8::from(matches!(byte, b'{' | b'[')))
            .fold(0, u8::wrapping_add)
    };
    let openers: usize = json
        .chunks(usize::from(u8::MAX))
        .map(|chunk| usize::from(openers_in(chunk)))
        .sum();
    openers > DEPTH_MAX && depth(json) > DEPTH_MAX
}

/// The deepest nesting of brackets outside strings. On bytes that are no JSON it gives some number.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut in_string = false;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Without the white space that JSON knows.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// A declared language: the primary subtag, in lower case; none if it says nothing.
fn language(declared: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let end = declared.find(['-', '_']).unwrap_or(declared.len());
    let primary = match declared {
        Cow::Borrowed(declared) => Cow::Borrowed(&declared[..end]),
        Cow::Owned(declared) => Cow::Owned(declared[..end].to_owned()),
    };
    if primary.is_empty() || primary.eq_ignore_ascii_case("und") {
        None
    } else if primary.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some(Cow::Owned(primary.to_ascii_lowercase()))
    } else {
        Some(primary)
    }
}

/// An item that no longer borrows, for a post that came as JSON inside a string.
fn into_owned(item: Item<'_>) -> Item<'static> {
    fn own(text: Cow<'_, str>) -> Cow<'static, str> {
        Cow::Owned(text.into_owned())
    }
    match item {
        Item::Skipped => Item::Skipped,
        Item::Post(post) => Item::Post(Box::new(RawPost {
            id: own(post.id),
            author: post.author.map(own),
            at: post.at,
            text: own(post.text),
            tags: post.tags.into_iter().map(own).collect(),
            truncated: post.truncated,
            source: own(post.source),
            lang: post.lang.map(own),
            bot: post.bot,
            edit: post.edit,
            url: post.url.map(own),
        })),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `line` gives.
    pub(in crate::feed::format) fn items(line: &str) -> Vec<Outcome<'_>> {
        let mut items = Vec::new();
        read(line.as_bytes(), &mut items);
        items
    }

    /// The one item that `line` gives.
    pub(in crate::feed::format) fn item(line: &str) -> Outcome<'_> {
        let mut items = items(line);
        assert_eq!(items.len(), 1, "{line}");
        items.remove(0)
    }

    /// The one post that `line` gives.
    pub(in crate::feed::format) fn post(line: &str) -> RawPost<'_> {
        match item(line) {
            Ok(Item::Post(post)) => *post,
            other => panic!("{other:?} instead of a post: {line}"),
        }
    }

    /// The posts that `line` gives, in order; anything else in it fails the test.
    pub(in crate::feed::format) fn posts(line: &str) -> Vec<RawPost<'_>> {
        items(line)
            .into_iter()
            .map(|item| match item {
                Ok(Item::Post(post)) => *post,
                other => panic!("{other:?} instead of a post: {line}"),
            })
            .collect()
    }

    /// `line` with one piece replaced, which must be there.
    pub(in crate::feed::format) fn with(line: &str, old: &str, new: &str) -> String {
        assert!(line.contains(old), "{old} is not in {line}");
        line.replacen(old, new, 1)
    }

    /// One good line of every shape.
    const GOOD: [&str; 13] = [
        plain::tests::POST,
        jetstream::tests::V1,
        jetstream::tests::V2,
        mastodon::tests::STATUS,
        mastodon::tests::REBLOG,
        twitter_v1::tests::TWEET,
        twitter_v1::tests::RETWEET,
        twitter_v2::tests::PAGE,
        nostr::tests::EVENT,
        reddit::tests::LISTING,
        bluesky_view::tests::PAGE,
        hackernews::tests::ITEM,
        hackernews::tests::PAGE,
    ];

    #[test]
    fn invalid_utf8_anywhere_is_named_even_in_a_field_nobody_reads() {
        let mut items = Vec::new();
        read(
            b"{\"id\":\"1\",\"ts\":1,\"text\":\"x\",\"other\":\"\xff\"}",
            &mut items,
        );
        assert_eq!(items, [Err(Reject::Utf8)]);
    }

    #[test]
    fn what_is_not_exactly_one_json_value_is_no_json() {
        for line in [
            r#"{"id":"1","ts":1,"text":"x"} x"#,
            r#"{"id":"1","ts":1,"text":"x"}{}"#,
            r#"{"id":"1","ts":1,"text":"x"#,
            r#"{"id":"1","ts":1,"text":"x",}"#,
            r#"{"id":"1","ts":1,"text":"\ud800"}"#,
            r#"{"id":"1","id":"2","ts":1,"text":"x",nonsense"#,
            r#"[{"id":"1","ts":1,"text":"x"}"#,
            "hello",
            "\u{feff}{}",
        ] {
            assert_eq!(item(line), Err(Reject::Json), "{line}");
        }
    }

    #[test]
    fn json_of_no_known_shape_is_named_so() {
        for line in [
            "5",
            r#""text""#,
            "true",
            "{}",
            r#"{"a":1}"#,
            "[5]",
            r#"["HELLO"]"#,
        ] {
            assert_eq!(item(line), Err(Reject::Shape), "{line}");
        }
    }

    #[test]
    fn a_name_given_twice_is_refused_since_readers_differ_about_it() {
        assert_eq!(
            item(r#"{"id":"1","id":"2","ts":1,"text":"x"}"#),
            Err(Reject::Shape)
        );
    }

    #[test]
    fn json_nested_too_deep_is_refused_even_where_nobody_reads_it() {
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            format!(r#"{{"id":"1","ts":1,"text":"[[[","other":{open}{close}}}"#)
        };
        post(&nested(DEPTH_MAX));
        assert_eq!(item(&nested(DEPTH_MAX + 1)), Err(Reject::Depth));
        assert_eq!(item(&"[".repeat(100_000)), Err(Reject::Depth));
        let brackets = format!(r#"{{"id":"1","ts":1,"text":"\"{}"}}"#, "[".repeat(1_000));
        post(&brackets);
    }

    #[test]
    fn pages_inside_pages_end_at_the_depth_and_not_at_the_stack() {
        let levels = DEPTH_MAX / 2;
        let open = r#"{"statuses":["#.repeat(levels);
        let line = format!("{open}{}", "]}".repeat(levels));
        assert_eq!(item(&line), Ok(Item::Skipped));
        let line = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert_eq!(item(&line), Ok(Item::Skipped));
    }

    #[test]
    fn lines_of_an_event_stream_are_skipped_but_for_their_data() {
        for line in [
            "",
            " \r",
            ":thump",
            "event: update",
            "id: 7",
            "retry: 10",
            "data:",
            "data: 1234",
            r#"data: "x""#,
        ] {
            assert_eq!(item(line), Ok(Item::Skipped), "{line}");
        }
        let line = format!("data: {}\r", mastodon::tests::STATUS);
        assert_eq!(post(&line), post(mastodon::tests::STATUS));
        assert_eq!(item("data: {\"id\""), Err(Reject::Json));
        assert_eq!(item("data: hello"), Err(Reject::Json));
    }

    #[test]
    fn a_broken_object_in_an_array_is_one_reject_and_its_neighbours_are_read() {
        let line = format!(
            r#"[{},{{"id":"2","ts":1}},7,{}]"#,
            plain::tests::POST,
            nostr::tests::EVENT
        );
        let items = items(&line);
        assert_eq!(items[..2], [Err(Reject::Text), Err(Reject::Shape)]);
        assert_eq!(items.len(), 4);
        assert!(items[2..].iter().all(Result::is_ok));
    }

    #[test]
    fn a_page_is_read_oldest_first_and_equal_times_keep_their_order() {
        let line = r#"[{"id":"c","ts":3,"text":""},{"id":"a","ts":1,"text":""},{"id":"b","ts":1,"text":""}]"#;
        let ids: Vec<_> = posts(line).into_iter().map(|post| post.id).collect();
        assert_eq!(ids, ["plain:a", "plain:b", "plain:c"]);
    }

    #[test]
    fn an_empty_page_is_skipped() {
        for line in [
            "[]",
            r#"{"statuses":[]}"#,
            r#"{"feed":[]}"#,
            r#"{"meta":{"result_count":0}}"#,
        ] {
            assert_eq!(item(line), Ok(Item::Skipped), "{line}");
        }
    }

    #[test]
    fn the_first_line_of_a_document_is_cut_off_and_the_first_of_a_stream_is_not() {
        assert_eq!(completeness(b"{\"id\":1}\n"), Completeness::Complete);
        assert_eq!(completeness(b"[\n"), Completeness::CutOff);
        assert_eq!(
            completeness(b"{\n \"text\": \"\xe0\xa6"),
            Completeness::CutOff
        );
        assert_eq!(completeness(b"{}\n{}"), Completeness::NeverJson);
        assert_eq!(completeness(b"data: {}"), Completeness::NeverJson);
    }

    #[test]
    fn a_language_is_its_primary_subtag() {
        assert_eq!(language("en-US".into()).as_deref(), Some("en"));
        assert_eq!(language("BN".into()).as_deref(), Some("bn"));
        assert_eq!(language("zh_TW".into()).as_deref(), Some("zh"));
        assert_eq!(language("und".into()), None);
        assert_eq!(language("".into()), None);
    }

    #[test]
    fn the_shape_of_a_line_does_not_depend_on_the_order_of_its_fields() {
        for line in GOOD.into_iter().filter(|line| line.starts_with('{')) {
            let sorted: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(line).expect("good");
            let reversed: Vec<String> = sorted
                .iter()
                .rev()
                .map(|(key, value)| format!("{key:?}:{value}"))
                .collect();
            assert_eq!(items(&format!("{{{}}}", reversed.join(","))), items(line));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_item(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut items = Vec::new();
            read(&bytes, &mut items);
            completeness(&bytes);
            prop_assert!(!items.is_empty());
        }

        #[test]
        fn a_good_line_with_broken_bytes_gives_an_item(
            which in 0..GOOD.len(),
            breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            end in any::<prop::sample::Index>(),
        ) {
            let mut bytes = GOOD[which].as_bytes().to_vec();
            for (at, byte) in breaks {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(end.index(bytes.len()) + 1);
            let mut items = Vec::new();
            read(&bytes, &mut items);
            prop_assert!(!items.is_empty());
        }

        #[test]
        fn a_field_of_another_type_gives_an_item(
            which in 0..GOOD.len(),
            at in any::<prop::sample::Index>(),
            value in prop::sample::select(vec!["null", "7", "-1", "1e300", "true", "\"\"", "[]", "{}", "[[]]"]),
        ) {
            let line = GOOD[which];
            let colons: Vec<usize> = line.match_indices("\":").map(|(at, _)| at + 2).collect();
            let start = colons[at.index(colons.len())];
            let mut rest = serde_json::Deserializer::from_str(&line[start..]).into_iter::<IgnoredAny>();
            prop_assume!(matches!(rest.next(), Some(Ok(_))));
            let changed = format!("{}{value}{}", &line[..start], &line[start + rest.byte_offset()..]);
            let items = items(&changed);
            prop_assert!(!items.is_empty());
            prop_assert!(!items.contains(&Err(Reject::Json)), "{changed}");
        }

        #[test]
        fn depth_is_that_of_the_brackets(depth in 1..300_usize) {
            let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            prop_assert_eq!(super::depth(json.as_bytes()), depth);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json).is_err(), depth > DEPTH_MAX);
        }
    }
}
