//! A status page as Statuspage writes it: bytes in, official rows out.
//!
//! Reads `/api/v2/incidents.json` and `/api/v2/summary.json`: incidents and maintenance, each with the updates that were
//! said of it. Components and the state of the page as a whole are left: they say nothing that an incident does not.
//! Pure: bytes of unknown honesty in, a row or a named reject out, texts cut to a length that a person would write.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::feed::format::field::{List, Maybe, Scalar};
use crate::feed::format::{decode, html};
use crate::official::Official;
use crate::post::Reject;
use crate::time::Timestamp;

/// Updates read of a page: 50 incidents, which is what a page shows, with 40 each.
const UPDATES_MAX: usize = 2_000;
/// Of an id, a name or a state.
const NAME_CHARS_MAX: usize = 200;
/// Of what was said.
const TEXT_CHARS_MAX: usize = 2_000;

/// What a page says.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Updates, oldest first.
    pub officials: Vec<Official>,
    /// Why some of what it holds is none.
    pub rejected: Vec<Reject>,
}

#[derive(Debug, Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    page: Maybe<Page<'a>>,
    #[serde(borrow)]
    incidents: List<&'a RawValue>,
    #[serde(borrow, default)]
    scheduled_maintenances: List<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
    #[serde(borrow)]
    name: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incident<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
    #[serde(borrow)]
    name: Scalar<'a>,
    #[serde(borrow)]
    status: Scalar<'a>,
    #[serde(borrow)]
    impact: Scalar<'a>,
    #[serde(borrow)]
    created_at: Scalar<'a>,
    #[serde(borrow)]
    updated_at: Scalar<'a>,
    #[serde(borrow)]
    shortlink: Scalar<'a>,
    #[serde(borrow, rename = "incident_updates")]
    updates: List<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Update<'a> {
    #[serde(borrow)]
    id: Scalar<'a>,
    #[serde(borrow)]
    status: Scalar<'a>,
    #[serde(borrow)]
    body: Scalar<'a>,
    #[serde(borrow)]
    created_at: Scalar<'a>,
    #[serde(borrow)]
    updated_at: Scalar<'a>,
}

/// Reads a page. `service_of` knows the service by the name of the page.
pub fn parse(bytes: &[u8], service_of: impl Fn(&str) -> Option<String>) -> Result<Parsed, Reject> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reject::Utf8)?;
    let document: Document<'_> = decode(text.trim_start_matches('\u{feff}'))?;
    let page = document.page.0.ok_or(Reject::Shape)?;
    let name = short(page.name, NAME_CHARS_MAX);
    let blank = Official {
        page_id: id(page.id)?,
        service: service_of(&name),
        page: name,
        incident_id: String::new(),
        update_id: String::new(),
        incident: String::new(),
        state: String::new(),
        impact: String::new(),
        text: String::new(),
        at: Timestamp::FIRST,
        updated_at: Timestamp::FIRST,
        url: None,
    };
    let mut parsed = Parsed::default();
    let maintenances = document.scheduled_maintenances.0;
    for incident in document.incidents.0.into_iter().chain(maintenances) {
        if let Err(reject) = read_incident(incident.get(), &blank, &mut parsed) {
            parsed.rejected.push(reject);
        }
    }
    parsed.officials.sort_by_key(|official| official.at);
    Ok(parsed)
}

fn read_incident(json: &str, blank: &Official, parsed: &mut Parsed) -> Result<(), Reject> {
    let incident = decode::<Maybe<Incident<'_>>>(json)?
        .0
        .ok_or(Reject::Shape)?;
    let at = time(&incident.created_at);
    let said = Official {
        incident_id: id(incident.id)?,
        incident: short(incident.name, NAME_CHARS_MAX),
        state: short(incident.status, NAME_CHARS_MAX),
        impact: short(incident.impact, NAME_CHARS_MAX),
        url: incident
            .shortlink
            .filled()
            .map(std::borrow::Cow::into_owned)
            .filter(|url| is_shown(url)),
        ..blank.clone()
    };
    if incident.updates.0.is_empty() {
        let at = at.ok_or(Reject::Time)?;
        let updated_at = time(&incident.updated_at).unwrap_or(at);
        take(
            Official {
                at,
                updated_at,
                ..said
            },
            parsed,
        );
        return Ok(());
    }
    for update in incident.updates.0 {
        match read_update(update.get(), &said) {
            Ok(official) => take(official, parsed),
            Err(reject) => parsed.rejected.push(reject),
        }
    }
    Ok(())
}

fn read_update(json: &str, incident: &Official) -> Result<Official, Reject> {
    let update = decode::<Maybe<Update<'_>>>(json)?.0.ok_or(Reject::Shape)?;
    let at = time(&update.created_at).ok_or(Reject::Time)?;
    let body = update.body.filled().unwrap_or_default();
    Ok(Official {
        update_id: id(update.id)?,
        state: match short(update.status, NAME_CHARS_MAX) {
            state if state.is_empty() => incident.state.clone(),
            state => state,
        },
        text: html::to_text(&body).chars().take(TEXT_CHARS_MAX).collect(),
        at,
        updated_at: time(&update.updated_at).unwrap_or(at),
        ..incident.clone()
    })
}

fn take(official: Official, parsed: &mut Parsed) {
    if parsed.officials.len() < UPDATES_MAX {
        parsed.officials.push(official);
    } else {
        parsed.rejected.push(Reject::TooLong);
    }
}

/// An id that is longer than any would, cut, be another's.
fn id(field: Scalar<'_>) -> Result<String, Reject> {
    let id = field.id().ok_or(Reject::Id)?;
    let is_short = id.chars().count() <= NAME_CHARS_MAX;
    is_short.then(|| id.into_owned()).ok_or(Reject::Id)
}

fn short(field: Scalar<'_>, chars_max: usize) -> String {
    let text = field.text().unwrap_or_default();
    text.chars().take(chars_max).collect()
}

/// A time with its offset, as in `2026-11-24T07:12:00.000-08:00`.
fn time(field: &Scalar<'_>) -> Option<Timestamp> {
    field.as_text()?.parse().ok()
}

fn is_shown(url: &str) -> bool {
    url.len() <= TEXT_CHARS_MAX && (url.starts_with("https://") || url.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"page":{"id":"p1","name":"WhatsApp","url":"https://status.example","updated_at":"2026-11-24T07:20:00.000-08:00"},
        "incidents":[{"id":"i1","name":"No messages","status":"identified","impact":"major","created_at":"2026-11-24T07:10:00.000-08:00",
        "updated_at":"2026-11-24T07:20:00.000-08:00","shortlink":"https://stspg.example/i1","components":[],"incident_updates":[
        {"id":"u2","status":"identified","body":"A disk &amp; a cable.","created_at":"2026-11-24T07:20:00.000-08:00","updated_at":"2026-11-24T07:21:00.000-08:00"},
        {"id":"u1","status":"investigating","body":"We look.","created_at":"2026-11-24T07:12:00.000-08:00","updated_at":"2026-11-24T07:12:00.000-08:00"}]}],
        "scheduled_maintenances":[{"id":"m1","name":"A move","status":"scheduled","impact":"maintenance","created_at":"2026-11-20T00:00:00Z","incident_updates":[]}]}"#;

    fn read(json: &str) -> Result<Parsed, Reject> {
        parse(json.as_bytes(), |name| {
            (name == "WhatsApp").then(|| "whatsapp".to_owned())
        })
    }

    #[test]
    fn every_update_is_a_row_oldest_first() {
        let parsed = read(PAGE).unwrap();
        let keys: Vec<_> = parsed
            .officials
            .iter()
            .map(|row| (&*row.incident_id, &*row.update_id, &*row.state))
            .collect();
        assert_eq!(
            keys,
            [
                ("m1", "", "scheduled"),
                ("i1", "u1", "investigating"),
                ("i1", "u2", "identified")
            ]
        );
        let last = &parsed.officials[2];
        assert_eq!((&*last.page_id, &*last.page), ("p1", "WhatsApp"));
        assert_eq!(last.service.as_deref(), Some("whatsapp"));
        assert_eq!((&*last.incident, &*last.impact), ("No messages", "major"));
        assert_eq!(last.text, "A disk & a cable.");
        assert_eq!(last.at.to_string(), "2026-11-24T15:20:00Z");
        assert_eq!(last.updated_at.to_string(), "2026-11-24T15:21:00Z");
        assert_eq!(last.url.as_deref(), Some("https://stspg.example/i1"));
    }

    #[test]
    fn what_is_broken_is_named_and_its_neighbours_are_read() {
        for (old, new, reject) in [
            (r#""id":"u1""#, r#""id":null"#, Reject::Id),
            (
                "2026-11-24T07:12:00.000-08:00\",\"upd",
                "noon\",\"upd",
                Reject::Time,
            ),
            (r#""id":"i1""#, r#""id":"""#, Reject::Id),
            (
                r#"{"id":"m1","name":"#,
                r#"5,{"id":"m1","name":"#,
                Reject::Shape,
            ),
        ] {
            assert!(PAGE.contains(old), "{old}");
            let parsed = read(&PAGE.replacen(old, new, 1)).unwrap();
            assert_eq!(parsed.rejected, [reject], "{new}");
            assert!(!parsed.officials.is_empty());
        }
    }

    #[test]
    fn other_json_is_no_status_page() {
        for (text, reject) in [
            ("{}", Reject::Shape),
            (r#"{"page":{"id":"p"}}"#, Reject::Shape),
            (r#"{"page":{},"incidents":[]}"#, Reject::Id),
            (r#"{"page":{"id":"p"},"incidents":["#, Reject::Json),
            ("<html>", Reject::Json),
        ] {
            assert_eq!(read(text).unwrap_err(), reject, "{text}");
        }
        assert_eq!(parse(b"\xff", |_| None).unwrap_err(), Reject::Utf8);
        assert!(
            read(r#"{"page":{"id":"p"},"incidents":[]}"#)
                .unwrap()
                .officials
                .is_empty()
        );
    }

    #[test]
    fn a_page_that_never_ends_is_cut() {
        let update = r#"{"id":"ID","body":"BODY","created_at":"2026-11-24T07:12:00Z"}"#;
        let updates: Vec<String> = (0..UPDATES_MAX + 5)
            .map(|number| {
                let update = update.replace("ID", &number.to_string());
                update.replace("BODY", &"x".repeat(TEXT_CHARS_MAX + 1))
            })
            .collect();
        let json = format!(
            r#"{{"page":{{"id":"p"}},"incidents":[{{"id":"i","incident_updates":[{}]}}]}}"#,
            updates.join(",")
        );
        let parsed = read(&json).unwrap();
        assert_eq!(parsed.officials.len(), UPDATES_MAX);
        assert_eq!(parsed.rejected, [Reject::TooLong; 5]);
        assert!(
            parsed
                .officials
                .iter()
                .all(|row| row.text.len() == TEXT_CHARS_MAX)
        );
    }
}
