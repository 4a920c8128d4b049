//! The walls: which room may import which, and that the pure rooms stay pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::support::root;

/// The floor of each room, as ARCHITECTURE.md draws them.
const FLOORS: &[(&str, u32)] = &[
    ("time", 1),
    ("hashtag", 1),
    ("clock", 2),
    ("post", 2),
    ("lexicon", 2),
    ("official", 2),
    ("trend", 3),
    ("store", 4),
    ("feed", 4),
    ("pipeline", 5),
    ("config", 5),
    ("view", 5),
    ("backtest", 5),
    ("export", 6),
    ("command", 7),
    ("main", 8),
];

/// Rooms that know no file, socket, database, thread, random source or clock.
const PURE: &[&str] = &["time", "hashtag", "post", "official", "lexicon", "trend"];

#[test]
fn imports_point_down() {
    let floors: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, path, text) in sources() {
        let floor = floors.get(room.as_str()).copied();
        let floor =
            floor.unwrap_or_else(|| panic!("{} is on no floor: give it one", path.display()));
        for other in imported_rooms(&text)
            .into_iter()
            .filter(|other| *other != room)
        {
            let Some(&other_floor) = floors.get(other.as_str()) else {
                continue;
            };
            if other_floor >= floor {
                wrong.push(format!(
                    "{}: {room} (floor {floor}) imports {other} (floor {other_floor}); the arrow must point down: \
                     move what both need below them",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_touch_nothing_outside() {
    const OUTSIDE: &[&str] = &[
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "std::io",
        "tokio::",
        "reqwest::",
        "rusqlite::",
        "SystemTime",
        "Instant::",
    ];
    let mut wrong = Vec::new();
    for (room, path, text) in sources() {
        if !PURE.contains(&room.as_str()) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for outside in OUTSIDE.iter().filter(|outside| code.contains(**outside)) {
            wrong.push(format!(
                "{}: the room {room} is pure and may not name {outside}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sql_stands_in_the_store_alone() {
    for (room, path, text) in sources() {
        let is_sql = text.contains("SELECT ") || text.contains("INSERT ");
        assert!(
            !is_sql || room == "store",
            "{}: SQL belongs in store/",
            path.display()
        );
    }
}

/// Room, path and text of every source file.
fn sources() -> Vec<(String, PathBuf, String)> {
    let source = root().join("src");
    let mut found = Vec::new();
    collect(&source, &mut found);
    assert!(found.len() > 30, "the sources were not found");
    found
        .into_iter()
        .filter(|path| !path.ends_with("lib.rs"))
        .map(|path| {
            let inside = path
                .strip_prefix(&source)
                .expect("collected from there")
                .to_owned();
            let room = inside.components().next().expect("a file has a name");
            let room = Path::new(room.as_os_str())
                .with_extension("")
                .display()
                .to_string();
            let text = std::fs::read_to_string(&path).expect("a source is text");
            (room, inside, text)
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rooms named in `crate::ROOM` paths and in `use crate::{a, b}` lists.
fn imported_rooms(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let list = rest
            .strip_prefix('{')
            .and_then(|rest| rest.split("};").next());
        match list {
            Some(list) => rooms.extend(list.split(',').map(|item| first_word(item.trim()))),
            None => rooms.push(first_word(rest)),
        }
    }
    rooms
}

fn first_word(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}
