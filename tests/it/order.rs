//! Order within the lateness bound, repetition and batching change nothing: a naive count is the oracle.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::support::{Place, post};

#[derive(Debug, Clone)]
struct Given {
    minute: u32,
    id: u64,
    author: u64,
    hashtag: usize,
}

const HASHTAGS: [&str; 3] = ["one", "two", "WhatsAppDown"];

/// Posts in time order, each with how far it is displaced and how often it is repeated.
fn stream() -> impl Strategy<Value = Vec<(Given, u32, usize)>> {
    prop::collection::vec(
        (0..400_u32, 0..12_u64, 0..3_usize, 0..9_u32, 1..3_usize),
        1..120,
    )
    .prop_map(|rows| {
        let given = |(id, (minute, author, hashtag, delay, copies))| {
            (
                Given {
                    minute,
                    id,
                    author,
                    hashtag,
                },
                delay,
                copies,
            )
        };
        (0_u64..).zip(rows).map(given).collect()
    })
}

fn lines(stream: &[(Given, u32, usize)], displaced: bool) -> String {
    let mut order: Vec<(u32, String)> = Vec::new();
    for (given, delay, copies) in stream {
        let text = format!("#{}", HASHTAGS[given.hashtag]);
        let line = post(given.minute, given.id, given.author, &text);
        let copies = if displaced { *copies } else { 1 };
        let delay = if displaced { *delay } else { 0 };
        order.extend(std::iter::repeat_n((given.minute + delay, line), copies));
    }
    order.sort_by_key(|(place, _)| *place);
    order.into_iter().map(|(_, line)| line).collect()
}

/// Uses and authors by hashtag and minute, counted with sets and nothing else.
fn naive(stream: &[(Given, u32, usize)]) -> BTreeMap<(String, u32), (usize, usize)> {
    let mut posts: BTreeMap<(String, u32), BTreeSet<u64>> = BTreeMap::new();
    let mut authors: BTreeMap<(String, u32), BTreeSet<u64>> = BTreeMap::new();
    for (given, ..) in stream {
        let key = (HASHTAGS[given.hashtag].to_lowercase(), given.minute);
        posts.entry(key.clone()).or_default().insert(given.id);
        authors.entry(key).or_default().insert(given.author);
    }
    posts
        .into_iter()
        .map(|(key, posts)| (key.clone(), (posts.len(), authors[&key].len())))
        .collect()
}

fn exported(place: &Place) -> String {
    place.succeed(&[
        "export",
        "--all",
        "--from",
        "2022-10-25T00:00:00Z",
        "--to",
        "2022-10-25T07:00:00Z",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_order_within_the_bound_and_any_repetition_count_the_same(stream in stream()) {
        let (tidy, untidy) = (Place::new(), Place::new());
        tidy.write("posts", lines(&stream, false));
        untidy.write("posts", lines(&stream, true));
        tidy.succeed(&["run", "posts"]);
        let summary = untidy.json(&["run", "posts"]);
        prop_assert_eq!(summary["late"].as_u64(), Some(0), "{}", summary);
        prop_assert_eq!(exported(&tidy), exported(&untidy));
        prop_assert_eq!(tidy.succeed(&["spikes", "--all", "--json"]), untidy.succeed(&["spikes", "--all", "--json"]));

        let mut counted = BTreeMap::new();
        for line in exported(&untidy).lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            if let (Ok(uses @ 1..), Ok(authors)) = (cells[2].parse::<usize>(), cells[3].parse::<usize>()) {
                let time = cells[1].split('T').nth(1).expect("a time");
                let minute = time[..2].parse::<u32>().expect("hours") * 60 + time[3..5].parse::<u32>().expect("minutes");
                counted.insert((cells[0].to_owned(), minute), (uses, authors));
            }
        }
        prop_assert_eq!(counted, naive(&stream));
    }
}
