"""Failed, healthy and taken-back games: does the guard name them? (docs/reliability.md)

    python benchmarks/games.py                     run what has not run yet, and print the tables
    python benchmarks/games.py --write             also put them into docs/reliability.md
    python benchmarks/games.py --only failed healthy rollback --match fast --jobs 2
    python benchmarks/games.py --report            run nothing

Every game is a `python -m src.train` of its own, at a fixed seed, on one thread. A game that has ended is not
run again: remove its directory, or name another one with --runs, after the guard has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._game_data import SETS_OF_DATA, made, source  # noqa: E402
from benchmarks._game_lists import FAILED, HEALTHY, TAKEN_BACK  # noqa: E402
from benchmarks._game_tables import tables, write  # noqa: E402
from benchmarks._games import ALWAYS  # noqa: E402

SETS = ("failed", "healthy", "rollback")
LIMIT = 900
"""Seconds after which a run counts as hung."""


@dataclass(frozen=True)
class Job:
    """One run to make: its words without those of every game, and where it goes."""

    place: Path
    words: tuple[str, ...]
    data: str
    scaler: bool


def jobs(runs: Path, only: Sequence[str], match: Sequence[str], held_out: bool) -> list[Job]:
    """List the runs asked for, in a fixed order.

    Args:
        runs: Directory of all runs.
        only: Names of SETS.
        match: Parts of names of games; "" for every one.
        held_out: True: the held-out games too.
    """
    found = []
    for game in FAILED if "failed" in only else ():
        found.append((game, Job(runs / "failed" / game.name, game.words, game.data, game.scaler)))
    for well in HEALTHY if "healthy" in only else ():
        found.append((well, Job(runs / "healthy" / well.name, well.all_words, well.folder, False)))
    for game in FAILED if "rollback" in only else ():
        if game.name not in TAKEN_BACK:
            continue
        words = (*game.words, "guard=rollback")
        found.append((game, Job(runs / "rollback" / game.name, words, game.data, game.scaler)))
    return [
        job
        for game, job in found
        if any(part in game.name for part in match) and (held_out or not game.held_out)
    ]


def run(job: Job, data: Path) -> None:
    """Make one run, unless it has ended before; keep how it ended in outcome.json beside its files."""
    if (job.place / "outcome.json").exists():
        return
    shutil.rmtree(job.place, ignore_errors=True)
    folder = made(job.data, data) if job.data else ""
    words = [word.format(data=folder) for word in (*job.words, *ALWAYS)]
    start = [str(ROOT / "benchmarks/_cpu_scaler.py")] if job.scaler else ["-m", "src.train"]
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *start, *words, f"run_dir={job.place}"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        code, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        code, said = None, ""
    job.place.mkdir(parents=True, exist_ok=True)
    (job.place / "said.txt").write_text(said)
    took = round(time.perf_counter() - begun, 1)
    outcome = {"exit": code, "seconds": took, "words": ["python", *start, *words]}
    (job.place / "outcome.json").write_text(json.dumps(outcome, indent=2))
    print(f"{job.place.parent.name}/{job.place.name}: exit {code}, {took} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/games"), help="where the runs are kept")
    parser.add_argument("--data", type=Path, help="where the data sets are made (default: RUNS/data)")
    parser.add_argument("--only", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--match", nargs="+", default=[""], help="only games with one of these in their name")
    parser.add_argument("--held-out", action="store_true", help="the held-out games too")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--report", action="store_true", help="run nothing, show what has run")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/reliability.md")
    options = parser.parse_args()
    runs = options.runs.resolve()
    data = (options.data or options.runs / "data").resolve()
    if missing := [name for name in SETS_OF_DATA if not source(name).is_dir()]:
        print(f"not run: GANATOMY_DATA has no {', '.join(missing)}")
        return
    wanted = [] if options.report else jobs(runs, options.only, options.match, options.held_out)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda job: run(job, data), wanted))
    text = tables(runs, options.only)
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
