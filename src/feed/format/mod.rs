//! stub: plain only
use crate::post::{Item, RawPost, Reject};
use std::borrow::Cow;
#[derive(Debug, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    CutOff,
    Never,
}
pub fn completeness(b: &[u8]) -> Completeness {
    match serde_json::from_slice::<serde::de::IgnoredAny>(b) {
        Ok(_) => Completeness::Complete,
        Err(e) if e.is_eof() => Completeness::CutOff,
        Err(_) => Completeness::Never,
    }
}
#[derive(serde::Deserialize)]
struct Plain<'a> {
    id: Option<Cow<'a, str>>,
    ts: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    rt_text: Option<Cow<'a, str>>,
    author: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    lang: Option<Cow<'a, str>>,
    bot: Option<bool>,
}
pub fn read<'a>(b: &'a [u8], items: &mut Vec<Result<Item<'a>, Reject>>) {
    if std::str::from_utf8(b).is_err() {
        items.push(Err(Reject::Utf8));
        return;
    }
    if b[0] == b'[' {
        if let Ok(v) = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(b) {
            for r in v {
                read(r.get().as_bytes(), items)
            }
            return;
        }
    }
    items.push(match serde_json::from_slice::<Plain>(b) {
        Err(e) if e.to_string().contains("recursion") => Err(Reject::Depth),
        Err(_) => Err(Reject::Json),
        Ok(p) => (|| {
            if p.id.is_none() && p.text.is_none() {
                return Err(Reject::Shape);
            }
            let source = p.source.unwrap_or_default();
            let ns = if source.is_empty() { "plain" } else { &source };
            Ok(Item::Post(Box::new(RawPost {
                id: format!("{ns}:{}", p.id.ok_or(Reject::Id)?).into(),
                author: p.author.map(|a| format!("{ns}:{a}").into()),
                at: p
                    .ts
                    .ok_or(Reject::Time)?
                    .parse()
                    .map_err(|_| Reject::Time)?,
                text: p.rt_text.or(p.text).ok_or(Reject::Text)?,
                tags: vec![],
                truncated: false,
                source,
                lang: p.lang,
                bot: p.bot.unwrap_or(false),
                edit: false,
                url: None,
            })))
        })(),
    });
}
