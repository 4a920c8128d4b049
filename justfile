# What the checks run, and what to run before a commit. `just --list` shows all of it.

demo_posts := "data/demo/whatsapp-2022-10-25.ndjson.zst"

# Everything that must pass before a commit.
default: check test

# Formatting, the wall around the pure rooms, lints.
check:
    cargo fmt --check
    cargo check --lib --no-default-features
    cargo clippy --all-targets -- -D warnings

# Licences and sources of the dependencies (needs cargo-deny).
deny:
    cargo deny check licenses bans sources

# All that runs without a server.
test:
    cargo test

bench:
    cargo bench

# Counts the demo into a database of its own and lists the outages in it.
demo:
    cargo run --release -- --db target/demo.db run {{ demo_posts }}

# Makes the demo anew after a sentence was mended: commit what changes.
make-demo:
    cargo run --release --example make_demo
