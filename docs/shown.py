#!/usr/bin/env python3
"""What the documents show, made of what the program prints. Plain Python 3, no packages.

  docs/shown.py readme     writes anew what stands below each `$` line in the console blocks of README.md
  docs/shown.py check      says where README.md and the program differ; exit 1 if they do
  docs/shown.py picture    draws docs/img/run.png from the first console block of README.md (needs chromium)

The commands run in a new folder that holds `data/demo/` and nothing else, one after the other, with the binary
target/release/downtrend (or $DOWNTREND), in UTC. The folder's name, which differs each time, is shown as `~/downtrend`.
"""

import difflib
import html
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs/img/run.png"
BINARY = Path(os.environ.get("DOWNTREND", ROOT / "target/release/downtrend")).resolve()
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)

# The picture, in CSS pixels; it is drawn at one and a half times that.
LETTER, LINE, MARGIN = 9.04, 24, 22
# DejaVu draws Arabic to the width of its cells, which no reader is used to.
PAGE = """<!doctype html><meta charset="utf-8"><style>
@font-face {{ font-family: Arabic; src: local("Noto Sans Arabic"), local("NotoSansArabic-Regular");
  unicode-range: U+0600-06FF; }}
body {{ margin: 0; background: #14181d; color: #d8dee6; }}
pre {{ margin: {margin}px; white-space: pre; font: 15px/{line}px Arabic, "DejaVu Sans Mono", "Noto Sans Bengali",
  "Noto Sans Devanagari", monospace; }}
.typed {{ color: #ffffff; font-weight: bold; }} .dim {{ color: #8b98a8; }} .hashtag {{ color: #7fd0ff; }}
</style><pre>{text}</pre>"""


def main():
    job = sys.argv[1] if len(sys.argv) == 2 else None
    text = README.read_text()
    if job == "readme":
        README.write_text(refreshed(text))
    elif job == "check":
        now = refreshed(text)
        sys.stdout.writelines(difflib.unified_diff(text.splitlines(True), now.splitlines(True), "README.md", "program"))
        sys.exit(now != text)
    elif job == "picture":
        draw(CONSOLE.search(text)[0])
    else:
        sys.exit(__doc__)


def refreshed(text):
    """The text with every console block run again."""
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not there: cargo build --release")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "data/demo", Path(folder, "data/demo"))
        Path(folder, "bin").mkdir()
        Path(folder, "bin/downtrend").symlink_to(BINARY)
        return CONSOLE.sub(lambda block: run_block(block[0], folder), text)


def run_block(block, folder):
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "\n".join(f"{line}\n{run(line[2:], folder)}" for line in commands)


def run(command, folder):
    """What a terminal shows of a command: both streams, in the order of writing."""
    command = command.replace("cargo run --release --", "downtrend")
    settings = {name: value for name, value in os.environ.items() if not name.startswith("DOWNTREND")}
    path = f"{folder}/bin:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{command}"],
        cwd=folder,
        env={**settings, "PATH": path, "TZ": "UTC", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = done.stdout.replace(folder, "~/downtrend").rstrip().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def draw(block):
    lines = block.rstrip().splitlines()
    page = PAGE.format(text="\n".join(map(coloured, lines)), line=LINE, margin=MARGIN)
    width = math.ceil(LETTER * max(map(len, lines))) + 2 * MARGIN
    height = LINE * len(lines) + 2 * MARGIN
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "run.html")
        source.write_text(page)
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        chromium += ["--force-device-scale-factor=1.5", f"--window-size={width},{height}", f"--screenshot={PICTURE}"]
        subprocess.run([*chromium, source.as_uri()], check=True, stderr=subprocess.DEVNULL)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size} bytes")


def coloured(line):
    """A line of the terminal as HTML; a hashtag is a run of its own, so that Arabic reads from its own side."""
    if line.startswith("$ "):
        return f'<span class="typed">{html.escape(line)}</span>'
    if line.startswith("SERVICE"):
        return f'<span class="dim">{html.escape(line)}</span>'
    return re.sub(r"(#\S+)$", r'<bdi class="hashtag">\1</bdi>', html.escape(line))


if __name__ == "__main__":
    main()
