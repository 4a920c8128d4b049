//! How fast posts are read, shape by shape: `cargo bench --bench parse`.
//!
//! The lines are made here, in our own words, with the fields and sizes that each service sends; every shape has its
//! own because most of a line is fields that nobody reads. One item is one line (of a page: one post).

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use downtrend::feed::format;

/// Lines that differ, so that no branch predictor learns one by heart.
const LINES: usize = 512;

const TEXTS: [&str; 4] = [
    "No message goes through since ten minutes, is it only me? #whatsappdown #outage",
    "হোয়াটসঅ্যাপে কোনো বার্তা যাচ্ছে না, আপনাদেরও কি একই অবস্থা? #হোয়াটসঅ্যাপডাউন",
    "A walk by the river, then bread, cheese and a very long nap in the sun.",
    "Nada carga desde esta mañana, ni fotos ni audios\\n\\nseguimos esperando",
];

fn main() {
    divan::main();
}

fn lines(of: impl Fn(usize, &str) -> String) -> Vec<String> {
    (0..LINES).map(|n| of(n, TEXTS[n % TEXTS.len()])).collect()
}

fn read(bencher: Bencher<'_, '_>, lines: &[String], posts: usize) {
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut items = Vec::with_capacity(lines.len().max(posts));
    bencher
        .counter(ItemsCount::new(posts))
        .counter(BytesCount::new(bytes))
        .bench_local(|| {
            for line in lines {
                items.clear();
                format::read(black_box(line.as_bytes()), &mut items);
                assert!(black_box(&items)[0].is_ok());
            }
        });
}

#[divan::bench]
fn plain(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| {
        format!(
            r#"{{"id":"{n}","ts":"2022-10-25T06:{:02}:37Z","text":"{text}","author":"u{n}"}}"#,
            n % 60
        )
    });
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn jetstream_v1(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| {
        format!(
            r#"{{"did":"did:plc:abcdefghijkl{n:012}","time_us":17831758880{n:05},"kind":"commit","commit":{{"rev":"3mmoojpaqkn2z","operation":"create","collection":"app.bsky.feed.post","rkey":"3mmoojp4c{n:04}","record":{}}},"cid":"bafyreicl7rzkxdrm4zz2ehbx52kuk3mvfow6p3gzfys72r5grvskxoswy4"}}"#,
            record(n, text)
        )
    });
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn jetstream_v2(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| {
        format!(
            r#"{{"$type":"message","payload":{{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":{n},"did":"did:plc:abcdefghijkl{n:012}","time":"2026-11-22T07:00:00.3{n:05}Z","rev":"3l3qo2vutsw2b","operation":"create","collection":"app.bsky.feed.post","rkey":"3l3qo2vuo{n:04}","cid":"bafyreicl7rzkxdrm4zz2ehbx52kuk3mvfow6p3gzfys72r5grvskxoswy4","record":{}}}}}"#,
            record(n, text)
        )
    });
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn jetstream_likes(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, _| {
        format!(
            r#"{{"did":"did:plc:abcdefghijkl{n:012}","time_us":17831758880{n:05},"kind":"commit","commit":{{"rev":"3mmoojp7vgo2g","operation":"create","collection":"app.bsky.feed.like","rkey":"3mmoojp7e{n:04}","record":{{"$type":"app.bsky.feed.like","createdAt":"2026-05-25T14:23:28.778Z","subject":{{"cid":"bafyreiaxf7tgbfydx3465sckitq6v564thxe2wwydbi7cwxbxvgssje3em","uri":"at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.post/3mmoodizfwc2j"}}}},"cid":"bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm"}}}}"#
        )
    });
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn mastodon(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| {
        format!(
            r#"{{"id":"10958449{n:010}","created_at":"2022-10-25T06:50:00.000Z","in_reply_to_id":null,"in_reply_to_account_id":null,"sensitive":false,"spoiler_text":"","visibility":"public","language":"en","uri":"https://town.example/users/ann{n}/statuses/{n}","url":"https://town.example/@ann{n}/{n}","replies_count":0,"reblogs_count":0,"favourites_count":0,"edited_at":null,"content":"<p>{text} <a href=\"https://town.example/tags/outage\" class=\"mention hashtag\" rel=\"tag\">#<span>outage</span></a></p>","reblog":null,"account":{{"id":"{n}","username":"ann{n}","acct":"ann{n}@town.example","display_name":"Ann","locked":false,"bot":false,"discoverable":true,"group":false,"created_at":"2020-01-10T00:00:00.000Z","note":"<p>Likes bread and cheese.</p>","url":"https://town.example/@ann{n}","avatar":"https://files.example/accounts/avatars/original/0a1b2c3d.png","avatar_static":"https://files.example/accounts/avatars/original/0a1b2c3d.png","header":"https://files.example/headers/original/missing.png","header_static":"https://files.example/headers/original/missing.png","followers_count":150,"following_count":216,"statuses_count":2447,"last_status_at":"2022-10-25","emojis":[],"fields":[]}},"media_attachments":[],"mentions":[],"tags":[{{"name":"outage","url":"https://town.example/tags/outage"}}],"emojis":[],"card":null,"poll":null}}"#
        )
    });
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn twitter_v1(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| tweet_v1(n, text, r#","timestamp_ms":"1666681509123""#));
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn twitter_v1_dated_in_words(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| tweet_v1(n, text, ""));
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn twitter_v2(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| format!(r#"{{"data":{}}}"#, tweet_v2(n, text)));
    read(bencher, &lines, LINES);
}

#[divan::bench]
fn twitter_v2_page(bencher: Bencher<'_, '_>) {
    let tweets = lines(tweet_v2).join(",");
    let page = format!(r#"{{"data":[{tweets}],"meta":{{"result_count":{LINES}}}}}"#);
    read(bencher, &[page], LINES);
}

#[divan::bench]
fn nostr(bencher: Bencher<'_, '_>) {
    let lines = lines(|n, text| {
        format!(
            r#"["EVENT","sub",{{"id":"{n:064x}","pubkey":"{n:064x}","created_at":1666681509,"kind":1,"tags":[["t","outage"]],"content":"{text}","sig":"{n:0128x}"}}]"#
        )
    });
    read(bencher, &lines, LINES);
}

/// A record of a reply; one in eight has a facet that is a hashtag, as measured on the live stream.
fn record(n: usize, text: &str) -> String {
    let facets = if n.is_multiple_of(8) {
        r#""facets":[{"index":{"byteStart":0,"byteEnd":2},"features":[{"$type":"app.bsky.richtext.facet#tag","tag":"outage"}]}],"#
    } else {
        ""
    };
    format!(
        r#"{{"$type":"app.bsky.feed.post","createdAt":"2026-05-25T14:23:28.757Z","langs":["en"],"reply":{{"parent":{{"cid":"bafyreiainko5un5pbcdosvxpbisjnjzemojnry6nsgtdftdgslbu37kxai","uri":"at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.post/3mmojbrjwbs26"}},"root":{{"cid":"bafyreiainko5un5pbcdosvxpbisjnjzemojnry6nsgtdftdgslbu37kxai","uri":"at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.post/3mmojbrjwbs26"}}}},{facets}"text":"{text}"}}"#
    )
}

fn tweet_v1(n: usize, text: &str, timestamp: &str) -> String {
    format!(
        r#"{{"created_at":"Tue Oct 25 07:05:09 +0000 2022","id":1584800000000{n:06},"id_str":"1584800000000{n:06}","text":"{text}","source":"<a href=\"https://board.example\" rel=\"nofollow\">Board<\/a>","truncated":false,"in_reply_to_status_id":null,"in_reply_to_user_id":null,"user":{{"id":{n},"id_str":"{n}","name":"Ann","screen_name":"ann{n}","location":"a town","url":null,"description":"Likes bread and cheese.","protected":false,"verified":false,"followers_count":910,"friends_count":1065,"listed_count":2,"statuses_count":19678,"created_at":"Fri Sep 07 16:35:24 +0000 2012","utc_offset":null,"geo_enabled":false,"lang":"en","profile_background_color":"C0DEED","profile_image_url_https":"https://files.example/profile.png","default_profile":true,"following":null}},"geo":null,"coordinates":null,"place":null,"is_quote_status":false,"quote_count":0,"reply_count":0,"retweet_count":0,"favorite_count":0,"entities":{{"hashtags":[{{"text":"outage","indices":[70,77]}}],"urls":[],"user_mentions":[],"symbols":[]}},"favorited":false,"retweeted":false,"filter_level":"low","lang":"en"{timestamp}}}"#
    )
}

fn tweet_v2(n: usize, text: &str) -> String {
    format!(
        r#"{{"id":"1584800000000{n:06}","author_id":"{n}","created_at":"2022-10-25T07:06:00.000Z","lang":"en","text":"{text}","conversation_id":"1584800000000{n:06}","reply_settings":"everyone","possibly_sensitive":false,"source":"Board","public_metrics":{{"retweet_count":0,"reply_count":0,"like_count":0,"quote_count":0}},"entities":{{"hashtags":[{{"start":70,"end":77,"tag":"outage"}}]}}}}"#
    )
}
