//! The project's own cases: `data/hashtags/*.tsv`, a line each, in words that people can read and edit.

use std::fs;
use std::path::Path;

use downtrend::hashtag;
use downtrend::lexicon::Lexicon;

/// A line of a table.
struct Case {
    place: String,
    text: String,
    labels: Vec<String>,
    keys: Vec<String>,
    script: String,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hashtags");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
        .collect();
    files.sort();
    files.iter().flat_map(|file| cases_of(file)).collect()
}

fn cases_of(file: &Path) -> Vec<Case> {
    let table = fs::read_to_string(file).expect("readable");
    let rows = table
        .lines()
        .enumerate()
        .filter(|(_, row)| !row.starts_with("//"))
        .skip(1);
    rows.map(|(index, row)| {
        let place = format!("{}:{}", file.display(), index + 1);
        let [text, labels, keys, script, _note] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{place}: a case has five columns");
        };
        let labels = list(labels);
        let keys = if keys == "=" {
            labels.clone()
        } else {
            list(keys)
        };
        Case {
            place,
            text: unescaped(text),
            labels,
            keys,
            script: script.to_owned(),
        }
    })
    .collect()
}

fn list(column: &str) -> Vec<String> {
    if column == "-" {
        Vec::new()
    } else {
        column.split(' ').map(unescaped).collect()
    }
}

/// `\u{200C}` and `\n` as the characters they stand for.
fn unescaped(column: &str) -> String {
    let mut parts = column.split(r"\u{");
    let mut out = parts.next().unwrap_or_default().replace(r"\n", "\n");
    for part in parts {
        let (code, rest) = part.split_once('}').expect("an escape ends in }");
        let code = u32::from_str_radix(code, 16).expect("hexadecimal");
        out.push(char::from_u32(code).expect("a character"));
        out.push_str(&rest.replace(r"\n", "\n"));
    }
    out
}

#[test]
fn every_case_is_exact() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let found = hashtag::extract(&case.text);
        let labels: Vec<&str> = found.iter().map(|hashtag| hashtag.label.as_str()).collect();
        let keys: Vec<&str> = found.iter().map(|hashtag| hashtag.key.as_str()).collect();
        if labels != case.labels || keys != case.keys {
            wrong.push(format!(
                "{}: {labels:?} {}",
                case.place,
                format!("{keys:?}").escape_default()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert!(cases.len() >= 150, "the tables are read");
}

#[test]
fn every_case_names_the_script_of_its_first_hashtag() {
    let lexicon = Lexicon::builtin();
    for case in cases() {
        let script = case
            .labels
            .first()
            .map_or("Zyyy", |label| lexicon.explain(label).script);
        assert_eq!(script, case.script, "{}", case.place);
    }
}
