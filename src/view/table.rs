//! Tables and times for people.
//!
//! The hashtag stands in the last column: no terminal agrees with another on how wide Bengali, Arabic or Japanese
//! are, so nothing may stand behind it.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::time::Minute;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Numbers stand to the right.
    pub is_number: bool,
}

/// A column of words.
pub const fn text(title: &'static str) -> Column {
    Column {
        title,
        is_number: false,
    }
}

/// A column of numbers.
pub const fn number(title: &'static str) -> Column {
    Column {
        title,
        is_number: true,
    }
}

/// Lays a table out, nothing behind the last column.
pub fn table(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.title));
    table.add_rows(rows);
    for (index, column) in columns.iter().enumerate() {
        let drawn = table.column_mut(index).expect("the header has made it");
        // Numbers stand to the right of room enough: one space keeps 80 columns wide enough for the hashtag.
        if column.is_number {
            drawn.set_padding((0, 1));
            drawn.set_cell_alignment(CellAlignment::Right);
        } else {
            drawn.set_padding((0, 2));
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Leaves out what could move the cursor or turn the writing direction of what follows.
pub fn plain(text: &str) -> String {
    const TURNS: [char; 12] = [
        '\u{061C}', '\u{200E}', '\u{200F}', '\u{202A}', '\u{202B}', '\u{202C}', '\u{202D}',
        '\u{202E}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    text.chars()
        .filter(|letter| !letter.is_control() && !TURNS.contains(letter))
        .collect()
}

/// A minute in a time zone, as in `25 Oct 12:07`.
pub fn local(minute: Minute, tz: &jiff::tz::TimeZone) -> String {
    format(minute, tz, "%d %b %H:%M")
}

/// A minute of a day, as in `12:07`.
pub fn local_time(minute: Minute, tz: &jiff::tz::TimeZone) -> String {
    format(minute, tz, "%H:%M")
}

/// A minute with its year and zone, as in `2022-10-25 12:07 IST`.
pub fn local_long(minute: Minute, tz: &jiff::tz::TimeZone) -> String {
    format(minute, tz, "%Y-%m-%d %H:%M %Z")
}

fn format(minute: Minute, tz: &jiff::tz::TimeZone, how: &str) -> String {
    let instant = jiff::Timestamp::from_millisecond(minute.start().as_millis());
    instant
        .expect("the range is jiff's own")
        .to_zoned_datetime(tz.clone())
        .strftime(how)
        .to_string()
}

/// A number with spaces between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_behind_the_hashtag() {
        let rows = vec![
            vec![
                "whatsapp".to_owned(),
                "1".to_owned(),
                "#হোয়াটসঅ্যাপডাউন".to_owned(),
            ],
            vec![
                "x".to_owned(),
                "1 234".to_owned(),
                "#واتساب_معطل".to_owned(),
            ],
        ];
        let drawn = table(&[text("SERVICE"), number("USES"), text("HASHTAG")], rows);
        assert_eq!(
            drawn,
            "SERVICE    USES HASHTAG\n\
             whatsapp      1 #হোয়াটসঅ্যাপডাউন\n\
             x         1 234 #واتساب_معطل\n"
        );
    }

    #[test]
    fn what_could_command_a_terminal_is_left_out() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\u{200d}d"), "a[31mbc\u{200d}d");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [7, 1_000, 1_234_567].map(grouped),
            ["7", "1 000", "1 234 567"]
        );
    }
}
