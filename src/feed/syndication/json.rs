//! JSON Feed (<https://www.jsonfeed.org/version/1.1/>), read with patience.
//!
//! What makes it one is a list of `items` beside a `version`; writers get the version wrong, so that any will do. Ids may
//! be numbers, authors one or several, nothing but some text is needed, and an item that is no object is a reject of its
//! own.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::date;
use super::page::Written;
use crate::feed::format::field::{List, Maybe, Scalar};
use crate::feed::format::{decode, html};
use crate::post::Reject;

#[derive(Debug, Deserialize)]
struct Feed<'a> {
    #[serde(borrow)]
    version: Scalar<'a>,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    language: Scalar<'a>,
    #[serde(borrow, default)]
    author: Maybe<Author<'a>>,
    #[serde(borrow, default)]
    authors: List<Maybe<Author<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
    #[serde(borrow)]
    url: Scalar<'a>,
    #[serde(borrow)]
    title: Scalar<'a>,
    #[serde(borrow)]
    content_html: Scalar<'a>,
    #[serde(borrow)]
    content_text: Scalar<'a>,
    #[serde(borrow)]
    summary: Scalar<'a>,
    #[serde(borrow)]
    date_published: Scalar<'a>,
    #[serde(borrow)]
    date_modified: Scalar<'a>,
    #[serde(borrow)]
    language: Scalar<'a>,
    #[serde(borrow)]
    tags: List<Scalar<'a>>,
    #[serde(borrow)]
    author: Maybe<Author<'a>>,
    #[serde(borrow)]
    authors: List<Maybe<Author<'a>>>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Author<'a> {
    #[serde(borrow)]
    name: Scalar<'a>,
    #[serde(borrow)]
    url: Scalar<'a>,
}

/// Its items as they stand on the page, newest first.
pub(super) fn read(text: &str) -> Result<Vec<Result<Written, Reject>>, Reject> {
    let feed: Feed<'_> = decode(text)?;
    if !feed.version.is_there() {
        return Err(Reject::Shape);
    }
    let lang = feed.language.filled();
    let author = name_of(feed.author, feed.authors);
    Ok(feed
        .items
        .iter()
        .map(|item| {
            let mut written = written(item.get())?;
            written.lang = written.lang.or_else(|| lang.as_deref().map(str::to_owned));
            written.author = written.author.or_else(|| author.clone());
            Ok(written)
        })
        .collect())
}

fn written(item: &str) -> Result<Written, Reject> {
    let item = decode::<Maybe<Item<'_>>>(item)?.0.ok_or(Reject::Shape)?;
    let content = match (item.content_text.filled(), item.content_html.filled()) {
        (Some(text), _) => Some(text.into_owned()),
        (None, html) => html.map(|html| html::to_text(&html).into_owned()),
    };
    let time = |field: &Scalar<'_>| field.as_text().and_then(date::read);
    Ok(Written {
        id: item.id.id().unwrap_or_default().into_owned(),
        link: item.url.filled().map(Cow::into_owned),
        author: name_of(item.author, item.authors),
        title: item.title.filled().map(Cow::into_owned),
        content: content.or_else(|| item.summary.filled().map(Cow::into_owned)),
        tags: item
            .tags
            .0
            .into_iter()
            .filter_map(Scalar::filled)
            .map(Into::into)
            .collect(),
        lang: item.language.filled().map(Cow::into_owned),
        at: time(&item.date_published).or_else(|| time(&item.date_modified)),
    })
}

/// The first of the authors that has a name, or an address.
fn name_of(author: Maybe<Author<'_>>, authors: List<Maybe<Author<'_>>>) -> Option<String> {
    let all = authors
        .0
        .into_iter()
        .chain([author])
        .filter_map(|author| author.0);
    all.filter_map(|author| author.name.filled().or_else(|| author.url.filled()))
        .map(Cow::into_owned)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: &str = r#"{"version":"https://jsonfeed.org/version/1.1","title":"t","language":"bn","authors":[{"url":"https://ann.example"}],
        "items":[{"id":17,"url":"https://a.example/17","title":"R&D","content_html":"<p>#<span>x</span></p>","date_published":"2026-11-24T10:00:00Z","tags":["Down",5]},
        {"id":"18","content_text":"1 < 2","author":{"name":"bob"},"language":"de","attachments":[{"url":"x"}]}, 5]}"#;

    #[test]
    fn items_are_read_with_what_the_feed_says_for_all() {
        let items = read(FEED).expect("a feed");
        let first = items[0].as_ref().expect("an item");
        assert_eq!((&*first.id, first.title.as_deref()), ("17", Some("R&D")));
        assert_eq!(first.content.as_deref(), Some("#x"));
        assert_eq!(first.author.as_deref(), Some("https://ann.example"));
        assert_eq!(first.lang.as_deref(), Some("bn"));
        assert_eq!(first.tags, ["Down"]);
        assert_eq!(
            first.at.map(|at| at.to_string()).as_deref(),
            Some("2026-11-24T10:00:00Z")
        );
        let second = items[1].as_ref().expect("an item");
        assert_eq!(
            second.content.as_deref(),
            Some("1 < 2"),
            "plain text is no HTML"
        );
        assert_eq!(
            (second.author.as_deref(), second.lang.as_deref()),
            (Some("bob"), Some("de"))
        );
        assert_eq!(items[2].as_ref().err(), Some(&Reject::Shape));
    }

    #[test]
    fn other_json_is_no_feed() {
        for (text, reject) in [
            ("{}", Reject::Shape),
            (r#"{"version":"1"}"#, Reject::Shape),
            (r#"{"items":[]}"#, Reject::Shape),
            (r#"{"version":"1","items":{}}"#, Reject::Shape),
            (r#"{"version":"1","items":["#, Reject::Json),
        ] {
            assert_eq!(read(text).err(), Some(reject), "{text}");
        }
    }
}
