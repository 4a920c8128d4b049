//! Comma-separated values, RFC 4180, a header first.

use super::{Format, Options, Place, nothing, rows};
use crate::view::timeline::Timeline;

pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "comma-separated values with a header",
    head,
    part,
    tail: nothing,
};

const HEADER: [&str; 9] = [
    "hashtag",
    "bucket_start",
    "uses",
    "authors",
    "expected",
    "growth",
    "score",
    "state",
    "coverage",
];

fn head(_: Options) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).expect("memory does not fail");
    writer.into_inner().expect("memory does not fail")
}

fn part(timeline: &Timeline, options: Options, _: Place) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows(timeline) {
        let cells = [
            if options.raw {
                row.hashtag.to_owned()
            } else {
                defused(row.hashtag)
            },
            row.bucket_start,
            cell(row.uses),
            cell(row.authors),
            cell(row.expected),
            cell(row.growth),
            cell(row.score),
            cell(row.state),
            row.coverage.to_string(),
        ];
        writer
            .write_record(cells)
            .expect("memory does not fail, and every row has the header's cells");
    }
    writer.into_inner().expect("memory does not fail")
}

fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Puts an apostrophe before what a spreadsheet would run (OWASP, CSV injection).
fn defused(cell: &str) -> String {
    const FORMULA_STARTS: [char; 11] = [
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}',
    ];
    if cell.starts_with(FORMULA_STARTS) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Name;
    use crate::time::Minute;
    use crate::view::spikes::State;
    use crate::view::timeline::{Bucket, Figures};

    fn timeline(key: &str) -> Timeline {
        let figures = Figures {
            uses: 3,
            authors: None,
            expected: Some(0.12345),
            growth: Some(3.5),
            score: Some(4.0),
            state: State::Spike,
        };
        Timeline {
            name: Name {
                key: key.to_owned(),
                label: key.to_owned(),
            },
            buckets: vec![
                Bucket {
                    start: Minute(27_778_000),
                    coverage: 1.0,
                    figures: Some(figures),
                },
                Bucket {
                    start: Minute(27_778_005),
                    coverage: 0.0,
                    figures: None,
                },
            ],
        }
    }

    fn written(key: &str, raw: bool) -> String {
        let options = Options {
            bucket_minutes: 5,
            raw,
        };
        let bytes = [head(options), part(&timeline(key), options, Place::First)];
        String::from_utf8(bytes.concat()).expect("UTF-8")
    }

    #[test]
    fn a_bucket_that_is_not_covered_has_empty_figures() {
        assert_eq!(
            written("whatsappdown", false),
            "hashtag,bucket_start,uses,authors,expected,growth,score,state,coverage\n\
             whatsappdown,2022-10-25T06:40:00Z,3,,0.123,3.5,4,spike,1\n\
             whatsappdown,2022-10-25T06:45:00Z,,,,,,,0\n"
        );
    }

    #[test]
    fn a_cell_that_would_run_is_defused_unless_raw_is_wanted() {
        assert!(written("=cmd", false).contains("\n'=cmd,"));
        assert!(written("=cmd", true).contains("\n=cmd,"));
    }
}
