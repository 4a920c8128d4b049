//! The plain post: one JSON object a line, for whatever has no shape of its own.
//!
//! `id`, `ts` (RFC 3339, or a Unix time in seconds or milliseconds) and `text` must be there; `author`, `source`,
//! `lang`, `rt_text` (read in place of `text`), `bot`, `url` and `edit` may. Ids and authors are unique within their
//! source, so that both get its name in front, or `plain` where it has none.

use std::borrow::Cow;

use super::field::Scalar;
use super::object::Object;
use super::{Outcome, language};
use crate::post::{Item, RawPost, Reject};
use crate::time::Timestamp;

/// The post in `object`.
pub(super) fn parse(object: Object<'_>) -> Outcome<'_> {
    let source = object.source.filled().unwrap_or_default();
    let space = if source.is_empty() { "plain" } else { &*source };
    let id = object.id.id().ok_or(Reject::Id)?;
    let text = object
        .rt_text
        .filled()
        .or_else(|| object.text.text())
        .ok_or(Reject::Text)?;
    let at = time(&object.ts).ok_or(Reject::Time)?;
    Ok(Item::Post(Box::new(RawPost {
        id: within(space, &id),
        author: object.author.id().map(|author| within(space, &author)),
        at,
        text,
        tags: Vec::new(),
        truncated: false,
        lang: object.lang.text().and_then(language),
        bot: object.bot.is_true(),
        edit: object.edit.is_true(),
        url: object.url.filled(),
        source,
    })))
}

fn within(space: &str, id: &str) -> Cow<'static, str> {
    Cow::Owned([space, ":", id].concat())
}

/// A time as archives write it: RFC 3339, or a Unix time as a number or as the text of one.
pub(super) fn time(ts: &Scalar<'_>) -> Option<Timestamp> {
    match ts {
        Scalar::Int(number) => Timestamp::from_unix(*number).ok(),
        Scalar::Float(number) => fractional(*number),
        Scalar::Text(text) => match text.parse::<i64>() {
            Ok(number) => Timestamp::from_unix(number).ok(),
            Err(_)
                if text
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.') =>
            {
                fractional(text.parse().ok()?)
            }
            Err(_) => text.parse().ok(),
        },
        Scalar::Absent | Scalar::Bool(_) | Scalar::Other => None,
    }
}

/// A Unix time with a fraction: seconds, unless it is too large for them; then the unit is as for whole numbers.
fn fractional(number: f64) -> Option<Timestamp> {
    const SECONDS_BELOW: f64 = 1e11;
    const WHOLE_BELOW: f64 = 9e18;
    if !(0.0..WHOLE_BELOW).contains(&number) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both fit: the range is checked above"
    )]
    if number < SECONDS_BELOW {
        Timestamp::from_millis((number * 1_000.0).round() as i64).ok()
    } else {
        Timestamp::from_unix(number as i64).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{item, post, with};
    use super::*;

    pub(in crate::feed::format) const POST: &str = r#"{"id":"17","ts":"2022-10-25T12:07:00+05:30","text":"no chats #whatsappdown","author":"ann","source":"board","lang":"bn-BD","url":"https://board.example/17"}"#;

    #[test]
    fn a_plain_post_is_read() {
        let post = post(POST);
        assert_eq!(post.id, "board:17");
        assert_eq!(post.author.as_deref(), Some("board:ann"));
        assert_eq!(post.at.to_string(), "2022-10-25T06:37:00Z");
        assert_eq!(post.text, "no chats #whatsappdown");
        assert_eq!((&*post.source, post.lang.as_deref()), ("board", Some("bn")));
        assert_eq!(post.url.as_deref(), Some("https://board.example/17"));
        assert!(!post.bot && !post.edit && !post.truncated && post.tags.is_empty());
    }

    #[test]
    fn the_full_text_of_a_repost_is_read_in_place_of_the_text() {
        let line = with(POST, r#""text":"#, r#""rt_text":"in full","text":"#);
        assert_eq!(post(&line).text, "in full");
        let line = with(POST, r#""text":"#, r#""rt_text":"","text":"#);
        assert_eq!(post(&line).text, "no chats #whatsappdown");
    }

    #[test]
    fn a_post_without_a_source_is_plain() {
        let line = r#"{"id":5,"ts":1,"text":"","author":"ann","bot":true,"edit":true}"#;
        let post = post(line);
        assert_eq!(
            (&*post.id, post.author.as_deref(), &*post.source),
            ("plain:5", Some("plain:ann"), "")
        );
        assert!(post.bot && post.edit);
    }

    #[test]
    fn times_are_read_in_every_way_archives_write_them() {
        for ts in [
            r#""2021-10-04T21:36:22Z""#,
            r#""2021-10-04 21:36:22""#,
            "1633383382",
            "1633383382000",
            "1633383382.0",
            r#""1633383382""#,
            r#""1633383382000""#,
            r#""1633383382.0""#,
        ] {
            let line = format!(r#"{{"id":"1","ts":{ts},"text":""}}"#);
            assert_eq!(post(&line).at.to_string(), "2021-10-04T21:36:22Z", "{ts}");
        }
    }

    #[test]
    fn a_reject_names_what_is_missing() {
        assert_eq!(item(&with(POST, r#""id":"17","#, "")), Err(Reject::Id));
        assert_eq!(item(&with(POST, r#""17""#, r#""""#)), Err(Reject::Id));
        assert_eq!(
            item(&with(POST, r#""text""#, r#""words""#)),
            Err(Reject::Text)
        );
        assert_eq!(
            item(r#"{"id":"1","ts":1,"text":null,"rt_text":5}"#),
            Err(Reject::Text)
        );
        assert_eq!(item(r#"{"id":"1","text":"x"}"#), Err(Reject::Time));
        for ts in ["-5", "1e300", "true", r#""soon""#, r#""-5""#, r#""1.2.3""#] {
            let line = format!(r#"{{"id":"1","ts":{ts},"text":""}}"#);
            assert_eq!(item(&line), Err(Reject::Time), "{ts}");
        }
    }
}
