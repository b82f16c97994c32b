"""Bits flipped, files cut and pages zeroed in a run; the table of docs/reliability.md."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, versions  # noqa: E402 - they need the line above
from tests.conftest import TINY  # noqa: E402
from tests.damage import KINDS, Outcome, campaign, several  # noqa: E402

PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- damage: written by benchmarks/damage.py -->", "<!-- damage: end -->"
HOW = ("went on", "earlier checkpoint", "refused", "silent", "traceback")
HEAD = ["damaged", "cases", "restored, or written anew", "from an earlier checkpoint", *HOW[2:], "lines"]


def row(name: str, done: list[tuple[str, str, Outcome]]) -> list[object]:
    """Counts of a row; `lines` is the most that one case wrote."""
    counts = Counter(outcome.how for _, _, outcome in done)
    most = max(len(outcome.lines) for _, _, outcome in done)
    return [name, len(done), *(counts[how] for how in HOW), most]


def main(share: float, keep: bool) -> int:
    """Measure a share of the campaign; return how many cases were silent or ended in a traceback."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        more = [f"run_dir={whole}", "callbacks.checkpoint_every=3"]
        environment = {**os.environ, "GANATOMY_CACHE": f"{folder}/cache", "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "src.train", *TINY, *more]
        subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True)
        counts = {kind: max(1, round(share * count)) for kind, count in KINDS.items()}
        with contextlib.redirect_stderr(io.StringIO()):
            done = campaign(whole, Path(folder) / "damaged", counts)
            both = several(whole, Path(folder) / "damaged", max(1, round(share * 50)))
    names = {"flip": "one bit flipped", "cut": "cut anywhere", "page": "a page of 4096 bytes zeroed"}
    rows = [row(text, [case for case in done if case[0] == kind]) for kind, text in names.items()]
    files = dict.fromkeys(name for _, name, _ in done)
    rows += [row(f"`{file}`", [case for case in done if case[1] == file]) for file in files]
    rows += [row("one file of a run", done), row("two or three files at once", both)]
    text = f"{BEGIN}\n{table(HEAD, rows)}\n\n*{versions(('torch', 'pyyaml', 'omegaconf'))}.*\n{END}"
    print(text)
    if keep:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, page, flags=re.S), encoding="utf-8")
    return sum(outcome.how in ("silent", "traceback") for _, _, outcome in [*done, *both])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the cases (1: 1000 bits, 200 cuts, 50 pages)"
    )
    parser.add_argument("--keep", action="store_true", help="write the table into docs/reliability.md")
    arguments = parser.parse_args()
    sys.exit(bool(main(arguments.share, arguments.keep)))
