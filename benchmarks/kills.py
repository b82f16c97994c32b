"""Forty kills: runs of every task killed anywhere and resumed; the table of docs/reliability.md."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder
os.environ["PYTHONPATH"] = str(ROOT)

from benchmarks._results import processor, table, versions  # noqa: E402 - they need the lines above
from tests.kills import CAMPAIGN, kill_and_resume  # noqa: E402

PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- kills: written by benchmarks/kills.py -->", "<!-- kills: end -->"
HEAD = ["run", "kills", "while a checkpoint was written", "before the first checkpoint", "equal bit for bit"]


def main(most: int, keep: bool) -> int:
    """Run the first `most` runs of the campaign; return the number that differ."""
    rows: list[list[object]] = []
    differ = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GANATOMY_CACHE"] = str(Path(folder) / "cache")
        for number, planned in enumerate(CAMPAIGN[:most]):
            place = Path(folder) / str(number)
            place.mkdir()
            done = kill_and_resume(planned.job, place, planned.points)
            differ += bool(done.difference)
            rows.append(
                [planned.job, done.killed, done.writing, done.early, "no" if done.difference else "yes"]
            )
            print(*rows[-1], done.difference, sep="  ", flush=True)
    totals: list[object] = [sum(int(str(row[place])) for row in rows) for place in (1, 2, 3)]
    rows.append(["all", *totals, f"{len(rows) - differ} of {len(rows)}"])
    packages = ("torch", "pytorch-lightning", "wandb")
    text = f"{BEGIN}\n{table(HEAD, rows)}\n\n*{versions(packages)}; {processor()}.*\n{END}"
    print(text)
    if keep:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, page, flags=re.S), encoding="utf-8")
    return differ


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=len(CAMPAIGN), help="runs, of those in tests/kills.py")
    parser.add_argument("--keep", action="store_true", help="write the table into docs/reliability.md")
    arguments = parser.parse_args()
    sys.exit(bool(main(arguments.most, arguments.keep)))
