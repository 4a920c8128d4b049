//! Reddit's listings: submissions (`t3`, title and text) and comments (`t1`, body).
//!
//! Bodies are Markdown, read as they are but for the entities that Reddit puts in them. Things that are no post
//! (`more`, `t2` users, `t5` communities) are skipped. Answers below a comment are read only where a listing names
//! them itself.

use std::borrow::Cow;

use self::wire::{Listing, Thing};
use super::field::{Maybe, Scalar};
use super::{Outcome, decode, html, plain, read_page};
use crate::post::{Item, RawPost, Reject};

mod wire {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::super::field::{Maybe, Scalar};

    #[derive(Debug, Deserialize)]
    pub(super) struct Listing<'a> {
        #[serde(borrow)]
        pub(super) kind: Scalar<'a>,
        #[serde(borrow)]
        pub(super) data: Children<'a>,
    }

    #[derive(Debug, Deserialize)]
    pub(super) struct Children<'a> {
        #[serde(borrow)]
        pub(super) children: &'a RawValue,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Thing<'a> {
        #[serde(borrow)]
        pub(super) kind: Scalar<'a>,
        #[serde(borrow)]
        pub(super) data: Maybe<Data<'a>>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Data<'a> {
        #[serde(borrow)]
        pub(super) id: Scalar<'a>,
        #[serde(borrow)]
        pub(super) author: Scalar<'a>,
        #[serde(borrow)]
        pub(super) created_utc: Scalar<'a>,
        #[serde(borrow)]
        pub(super) title: Scalar<'a>,
        #[serde(borrow)]
        pub(super) selftext: Scalar<'a>,
        #[serde(borrow)]
        pub(super) body: Scalar<'a>,
        #[serde(borrow)]
        pub(super) permalink: Scalar<'a>,
    }
}

/// Reads a listing, or a thing on its own.
pub(super) fn read<'a>(json: &'a str, items: &mut Vec<Outcome<'a>>) {
    match decode::<Listing<'a>>(json) {
        Ok(listing) if listing.kind.is("Listing") => {
            read_page(listing.data.children.get(), items, |thing, items| {
                items.push(parse(thing));
            });
        }
        // A thing of its own, or a `more`, which has children too: the ids of comments left out.
        Ok(_) | Err(_) => items.push(parse(json)),
    }
}

fn parse(json: &str) -> Outcome<'_> {
    let thing = decode::<Maybe<Thing<'_>>>(json)?.0.ok_or(Reject::Shape)?;
    let data = thing.data.0.ok_or(Reject::Shape)?;
    let kind = thing.kind.filled().ok_or(Reject::Shape)?;
    let text = match &*kind {
        "t3" => submission(data.title, data.selftext),
        "t1" => data.body.text().map(html::decode_cow),
        "more" | "t2" | "t4" | "t5" | "t6" => return Ok(Item::Skipped),
        _ => return Err(Reject::Shape),
    };
    let id = data.id.id().ok_or(Reject::Id)?;
    Ok(Item::Post(Box::new(RawPost {
        id: Cow::Owned(["reddit:", &kind, "_", &id].concat()),
        author: author(data.author),
        text: text.ok_or(Reject::Text)?,
        at: plain::time(&data.created_utc).ok_or(Reject::Time)?,
        tags: Vec::new(),
        truncated: false,
        source: Cow::Borrowed("reddit"),
        lang: None,
        bot: false,
        edit: false,
        url: data
            .permalink
            .filled()
            .map(|path| Cow::Owned(["https://www.reddit.com", &path].concat())),
    })))
}

/// Title and text; a link or a picture has a title alone.
fn submission<'a>(title: Scalar<'a>, selftext: Scalar<'a>) -> Option<Cow<'a, str>> {
    let title = html::decode_cow(title.text()?);
    Some(match selftext.filled().map(html::decode_cow) {
        Some(selftext) => Cow::Owned([&title, "\n", &selftext].concat()),
        None => title,
    })
}

/// A deleted account is nobody: its posts do not share an author.
fn author(name: Scalar<'_>) -> Option<Cow<'_, str>> {
    let name = name.filled().filter(|name| name != "[deleted]")?;
    Some(Cow::Owned(["reddit:", &name].concat()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, items, posts, with};
    use super::*;

    pub(in crate::feed::format) const LISTING: &str = r##"{"kind":"Listing","data":{"after":null,"children":[{"kind":"t3","data":{"id":"b2","name":"t3_b2","author":"ann","created_utc":1666681509.0,"title":"Down &amp; out?","selftext":"#steamdown since noon","permalink":"/r/x/comments/b2/"}},{"kind":"t1","data":{"id":"c1","author":"[deleted]","created_utc":1666681500,"body":"same &lt;here&gt;"}},{"kind":"t3","data":{"id":"b3","author":"bob","created_utc":1666681510,"title":"a picture","selftext":""}}]}}"##;

    #[test]
    fn submissions_and_comments_are_read_oldest_first() {
        let posts = posts(LISTING);
        let ids: Vec<_> = posts.iter().map(|post| &*post.id).collect();
        assert_eq!(ids, ["reddit:t1_c1", "reddit:t3_b2", "reddit:t3_b3"]);
        let texts: Vec<_> = posts.iter().map(|post| &*post.text).collect();
        assert_eq!(
            texts,
            [
                "same <here>",
                "Down & out?\n#steamdown since noon",
                "a picture"
            ]
        );
        assert_eq!(posts[1].author.as_deref(), Some("reddit:ann"));
        assert_eq!(posts[1].at.to_string(), "2022-10-25T07:05:09Z");
        assert_eq!(
            posts[1].url.as_deref(),
            Some("https://www.reddit.com/r/x/comments/b2/")
        );
    }

    #[test]
    fn a_deleted_account_is_nobody() {
        assert_eq!(posts(LISTING)[0].author, None);
    }

    #[test]
    fn a_thing_on_its_own_is_read_and_one_that_is_no_post_is_skipped() {
        let line = r#"{"kind":"t1","data":{"id":"c1","created_utc":1,"body":"x"}}"#;
        assert_eq!(posts(line).len(), 1);
        assert_eq!(
            item(r#"{"kind":"more","data":{"count":3,"children":["a"]}}"#),
            Ok(Item::Skipped)
        );
        assert_eq!(
            item(r#"{"kind":"t5","data":{"id":"x"}}"#),
            Ok(Item::Skipped)
        );
    }

    #[test]
    fn a_reject_names_what_is_missing_and_the_neighbours_are_read() {
        for (old, new, reject) in [
            (r#""id":"b2""#, r#""id":"""#, Reject::Id),
            (r#""title":"Down"#, r#""t":"Down"#, Reject::Text),
            ("1666681509.0", "\"noon\"", Reject::Time),
            (r#""kind":"t3""#, r#""kind":"t9""#, Reject::Shape),
        ] {
            let line = with(LISTING, old, new);
            let items = items(&line);
            assert_eq!(items[0], Err(reject));
            assert_eq!(items.len(), 3);
        }
    }
}
