//! Writes the demo: `cargo run --example make_demo`.
//!
//! Puts the posts into `data/demo/whatsapp-2022-10-25.ndjson.zst` and what is true of them into
//! `data/demo/truth.json`, and prints the latter. Nothing here is drawn from real posts: the sentences are our own
//! (`data/demo/sentences/`), the volumes follow published figures (`data/demo/README.md`). Run it after mending a
//! sentence, and commit both files; `tests/it/demo.rs` fails as long as they lag behind.

mod reconstruction;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

/// The strongest level that needs no more than zstd's usual 8 MiB window to read.
const ZSTD_LEVEL: i32 = 19;

fn main() -> anyhow::Result<()> {
    let demo = reconstruction::generate();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo");
    let archive = zstd::encode_all(demo.ndjson.as_bytes(), ZSTD_LEVEL)?;
    write(&folder.join("whatsapp-2022-10-25.ndjson.zst"), &archive)?;
    write(&folder.join("truth.json"), demo.truth.as_bytes())?;
    io::stdout().write_all(demo.truth.as_bytes())?;
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("failed to write {}", path.display()))
}
