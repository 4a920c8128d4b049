# What the checks run, and what to run before a commit. `just --list` shows all of it.

demo_posts := "data/demo/whatsapp-2022-10-25.ndjson.zst"
# Count series with labels; not in this tree.
series := "../shared/detection"

# Everything that must pass before a commit.
default: check test

# Formatting, the wall around the pure rooms, lints.
check:
    cargo fmt --check
    cargo check --lib --no-default-features
    cargo clippy --all-targets --all-features -- -D warnings

# All that runs without a server.
test:
    cargo test

# Installs servers and clients that others wrote (root, registries) and runs the tests against them.
peers:
    tests/peers/install
    cargo test --test it -- --ignored peers::

# Live feeds that are cut again and again at ten times Bluesky's rate, for half an hour or as many seconds as said: not
# a post too many or too few, and flat memory. DOWNTREND_SOAK_POSTS_PER_SECOND=275 is a peak;
# with DOWNTREND_SOAK_AUTHORS=200 memory is what it will be after a quarter of an hour, else after one and a half.
soak seconds="1800":
    DOWNTREND_SOAK_SECONDS={{ seconds }} cargo test --test it soak:: -- --ignored --nocapture

# Each parser of bytes from outside against bytes that nobody would send, a minute each, or one of them (needs
# cargo-fuzz).
fuzz seconds="60" *targets:
    #!/usr/bin/env bash
    set -euo pipefail
    # What libFuzzer wants of the compiler is not for stable programs, and is there all the same.
    export RUSTC_BOOTSTRAP=1
    cd fuzz
    targets="{{ targets }}"
    for target in ${targets:-$(cargo fuzz list)}; do
        echo "== $target"
        mkdir -p "corpus/$target"
        cargo fuzz run "$target" "corpus/$target" "seeds/$target" -- -max_total_time={{ seconds }} -timeout=10 \
            -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0
    done

# What a change must pass to land, as it runs on a new machine.
ci:
    .ci/run

# Fifty kills in the middle of a run, after which the counts must be the same; prints how many landed.
kills:
    cargo test --test it replay:: -- --nocapture

# Licences and sources of the dependencies (needs cargo-deny).
deny:
    cargo deny check licenses bans sources

# Posts, hashtags and buckets per second.
bench:
    cargo bench

# The detector's scores on series with labels: Twitter counts by rarity, synthetic outages by the rule.
detect-bench:
    #!/usr/bin/env bash
    set -euo pipefail
    if [ ! -f "{{ series }}/score.py" ]; then
        echo "{{ series }} is not there: nothing to score"
        exit
    fi
    cargo build --release --quiet
    mkdir -p target/detection/nab target/detection/series
    for file in "{{ series }}"/nab/Twitter_volume_*.csv; do
        ticker=${file##*_}
        target/release/downtrend backtest --rarity -o "target/detection/nab/$ticker" "$file"
    done
    for file in "{{ series }}"/synth/t*.csv; do
        target/release/downtrend backtest -o "target/detection/series/${file##*/}" "$file"
    done
    python3 "{{ series }}/score.py" nab target/detection/nab
    python3 "{{ series }}/score.py" series target/detection/series

# Counts the demo into a database of its own and lists the outages in it.
demo:
    cargo run --release -- --db target/demo.db run {{ demo_posts }}

# Makes the demo anew after a sentence was mended: commit what changes.
make-demo:
    cargo run --release --example make_demo

# Runs the commands of README.md again and writes down what they print (needs Python 3).
readme:
    cargo build --release
    docs/shown.py readme

# Draws the picture of README.md from its first console block (needs Python 3 and Chromium).
picture: readme
    docs/shown.py picture
