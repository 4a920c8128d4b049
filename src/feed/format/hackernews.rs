//! Items of Hacker News: as its own interface gives them, one by one (`/v0/item/N.json`), and as the search of Algolia
//! does, in pages of `hits` (<https://hn.algolia.com/api>).
//!
//! Stories (title and text), comments and polls are posts, under one id whichever way they came. Job advertisements
//! and the options of a poll are none and are skipped, as are items that were deleted, that moderators have killed
//! (`dead`), and the `null` that stands for an item that is not there. Texts are HTML in which `<p>` stands between
//! paragraphs and nothing closes them.

use std::borrow::Cow;

use self::wire::{Hit, Item as WireItem};
use super::field::Scalar;
use super::{Outcome, decode, html, plain};
use crate::post::{Item, RawPost, Reject};

mod wire {
    use serde::Deserialize;

    use super::super::field::{List, Scalar};

    /// As Hacker News itself writes it.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Item<'a> {
        #[serde(borrow)]
        pub(super) id: Scalar<'a>,
        #[serde(borrow, rename = "type")]
        pub(super) type_: Scalar<'a>,
        #[serde(borrow)]
        pub(super) by: Scalar<'a>,
        #[serde(borrow)]
        pub(super) time: Scalar<'a>,
        #[serde(borrow)]
        pub(super) title: Scalar<'a>,
        #[serde(borrow)]
        pub(super) text: Scalar<'a>,
        #[serde(borrow)]
        pub(super) deleted: Scalar<'a>,
        #[serde(borrow)]
        pub(super) dead: Scalar<'a>,
    }

    /// As the search writes it.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Hit<'a> {
        #[serde(borrow, rename = "objectID")]
        pub(super) object_id: Scalar<'a>,
        #[serde(borrow)]
        pub(super) author: Scalar<'a>,
        #[serde(borrow)]
        pub(super) created_at_i: Scalar<'a>,
        #[serde(borrow)]
        pub(super) title: Scalar<'a>,
        #[serde(borrow)]
        pub(super) story_text: Scalar<'a>,
        #[serde(borrow)]
        pub(super) comment_text: Scalar<'a>,
        #[serde(borrow, rename = "_tags")]
        pub(super) tags: List<Scalar<'a>>,
    }
}

/// The kinds of item, by the names that Hacker News gives them.
pub(super) const TYPES: [&str; 5] = ["story", "comment", "poll", "job", "pollopt"];

/// Reads an item as Hacker News itself writes it.
pub(super) fn parse_item(json: &str) -> Outcome<'_> {
    let item: WireItem<'_> = decode(json)?;
    let is_read = ["story", "comment", "poll"]
        .iter()
        .any(|kind| item.type_.is(kind));
    if item.deleted.is_true() || item.dead.is_true() || !is_read {
        return Ok(Item::Skipped);
    }
    post(item.id, item.by, &item.time, item.title, item.text)
}

/// Reads a hit of the search.
pub(super) fn parse_hit(json: &str) -> Outcome<'_> {
    let hit: Hit<'_> = decode(json)?;
    let tags = &hit.tags.0;
    if tags.iter().any(|tag| tag.is("job") || tag.is("pollopt")) {
        return Ok(Item::Skipped);
    }
    // A comment names its story in fields of their own; a `title` is the item's own.
    let text = if hit.comment_text.is_text() {
        hit.comment_text
    } else {
        hit.story_text
    };
    post(
        hit.object_id,
        hit.author,
        &hit.created_at_i,
        hit.title,
        text,
    )
}

fn post<'a>(
    id: Scalar<'a>,
    author: Scalar<'a>,
    time: &Scalar<'a>,
    title: Scalar<'a>,
    text: Scalar<'a>,
) -> Outcome<'a> {
    let id = id.id().ok_or(Reject::Id)?;
    let title = title.filled().map(html::decode_cow);
    let text = text.filled().map(|text| paragraphs(&text));
    let text = match (title, text) {
        (Some(title), Some(text)) => Cow::Owned([&*title, "\n", &text].concat()),
        (Some(title), None) => title,
        (None, Some(text)) => Cow::Owned(text),
        (None, None) => return Err(Reject::Text),
    };
    Ok(Item::Post(Box::new(RawPost {
        id: Cow::Owned(["hackernews:", &id].concat()),
        author: author
            .filled()
            .map(|name| Cow::Owned(["hackernews:", &name].concat())),
        at: plain::time(time).ok_or(Reject::Time)?,
        text,
        tags: Vec::new(),
        truncated: false,
        source: Cow::Borrowed("hackernews"),
        lang: None,
        bot: false,
        edit: false,
        url: Some(Cow::Owned(
            ["https://news.ycombinator.com/item?id=", &id].concat(),
        )),
    })))
}

/// Text in which paragraphs are lines: what ends one is the beginning of the next.
fn paragraphs(html: &str) -> String {
    html::to_text(&html.replace("<p>", "<br>")).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, items, post, posts, with};
    use super::*;

    pub(in crate::feed::format) const ITEM: &str = r#"{"by":"ann","id":17,"parent":3,"kids":[18],"text":"R&amp;D says #whatsappdown<p>since noon","time":1666681509,"type":"comment"}"#;
    pub(in crate::feed::format) const PAGE: &str = r#"{"hits":[{"author":"bob","created_at":"2022-10-25T07:05:10.000Z","created_at_i":1666681510,"objectID":"18","title":"Ask HN: whatsapp down?","story_text":null,"comment_text":null,"_tags":["story","author_bob","story_18"]},{"author":"ann","created_at_i":1666681509,"objectID":"17","story_title":"another","comment_text":"R&amp;D says #whatsappdown<p>since noon","_tags":["comment","author_ann"]}],"nbHits":2,"page":0,"nbPages":1,"hitsPerPage":1000}"#;

    #[test]
    fn an_item_is_one_post_whichever_way_it_came() {
        let own = post(ITEM);
        assert_eq!(own.text, "R&D says #whatsappdown\nsince noon");
        assert_eq!(own.id, "hackernews:17");
        assert_eq!(own.author.as_deref(), Some("hackernews:ann"));
        assert_eq!(own.at.to_string(), "2022-10-25T07:05:09Z");
        assert_eq!(
            own.url.as_deref(),
            Some("https://news.ycombinator.com/item?id=17")
        );
        let found = posts(PAGE);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], own);
        assert_eq!(found[1].text, "Ask HN: whatsapp down?");
    }

    #[test]
    fn a_story_has_its_title_before_its_text() {
        let line = r#"{"by":"ann","id":1,"title":"Q&amp;A","text":"<i>x</i>","time":1,"type":"story","score":5}"#;
        assert_eq!(post(line).text, "Q&A\nx");
    }

    #[test]
    fn what_is_no_post_is_skipped() {
        for (old, new) in [
            (r#""type":"comment""#, r#""type":"job""#),
            (r#""type":"comment""#, r#""type":"pollopt""#),
            (r#""id":17"#, r#""id":17,"dead":true"#),
            (r#""id":17"#, r#""id":17,"deleted":true"#),
        ] {
            assert_eq!(item(&with(ITEM, old, new)), Ok(Item::Skipped), "{new}");
        }
        // As a deleted one really comes: without text and author.
        let deleted = r#"{"deleted":true,"id":9,"parent":3,"time":1666681509,"type":"comment"}"#;
        assert_eq!(item(deleted), Ok(Item::Skipped));
        assert_eq!(item("null"), Ok(Item::Skipped));
        assert_eq!(item(r#"{"hits":[],"nbHits":0}"#), Ok(Item::Skipped));
        let job = with(PAGE, r#"["comment","#, r#"["job","#);
        assert_eq!(items(&job)[0], Ok(Item::Skipped));
    }

    #[test]
    fn a_reject_names_what_is_missing_and_the_neighbours_are_read() {
        for (old, new, reject) in [
            (r#""objectID":"17""#, r#""objectID":"""#, Reject::Id),
            (r#""comment_text":"R"#, r#""other":"R"#, Reject::Text),
            (
                r#""created_at_i":1666681509"#,
                r#""created_at_i":"noon""#,
                Reject::Time,
            ),
        ] {
            let line = with(PAGE, old, new);
            let items = items(&line);
            assert_eq!(items[0], Err(reject));
            assert!(items.len() == 2 && items[1].is_ok());
        }
        assert_eq!(
            item(&with(ITEM, r#""id":17"#, r#""id":"""#)),
            Err(Reject::Id)
        );
    }
}
