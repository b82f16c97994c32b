"""What planned runs take beside what their plans expect: CPU time, and the peak of resident memory.

    python benchmarks/plans.py --cases hippocampus --minutes 2
    python benchmarks/plans.py --starts --cases hippocampus

Other work on the machine makes a wall clock slower and not the CPU's, so the trial of each plan is timed in
CPU time, and so is the run: user and system time of the whole command, from its start to its last line. The
memory is the largest resident set of the command's processes, as the system reports it when they end. One
thread; caches are empty before the plan. Each run is a row of plans.csv, from which the table is made.

--starts times commands of one step and a test instead: plain ones with the plan's own words, and with
plan=auto, at first and again, when the survey and the trial are remembered.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402 - it needs the line above

ROWS = Path(__file__).with_suffix(".csv")
CASES = {
    "hippocampus": (["task=segmentation", "data=hippocampus"], 4.0),
    "breast ultrasound": (["task=segmentation", "data=busi"], 4.0),
    "blood cells": (["task=detection", "data=cbc"], 4.0),
    "blood cells in 2 GB": (["task=detection", "data=cbc"], 2.0),
    "OCT": (["task=enhancement", "data=oct"], 4.0),
    "chest X-rays, synthesis": (["task=synthesis", "data=nih_cxr"], 4.0),
    "chest X-rays, enhancement": (["task=enhancement", "data=nih_cxr", "degradation=gaussian"], 4.0),
    "chest X-rays, anomaly": (["task=anomaly", "data=nih_cxr"], 4.0),
    "MedNIST, synthesis": (["task=synthesis", "data=mednist"], 4.0),
    "MedNIST, enhancement": (["task=enhancement", "data=mednist", "degradation=gaussian"], 4.0),
}
"""Words of each run, and the GB that it may take."""
ONE = "trainer.threads=1"
HEAD = ("case", "minutes", "memory", "steps", "expected_minutes", "took_minutes", "expected_gb", "took_gb")
GB = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--minutes", type=float, default=2.0, help="of CPU time, for each run")
    parser.add_argument("--starts", action="store_true", help="time commands of one step, planned or not")
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.trial:
        return trial(args.trial)
    if args.make:
        return make(*args.make)
    if args.starts:
        return report_starts([[case, *starts(case)] for case in args.cases])
    for case in args.cases:
        keep(planned(case, args.minutes))
    report()


def trial(result: str) -> None:
    """Run the trial of a plan, with the CPU's clock in the place of the wall's."""
    from ganatomy.planning.trials import clock
    from ganatomy.planning.trials import trial as own

    for module in (own, clock):
        module.time = SimpleNamespace(monotonic=time.process_time, time=time.process_time)
    sys.argv = [own.__file__, result]
    own.main()


def make(case: str, minutes: str) -> None:
    """Make the plan of a case in this folder."""
    from ganatomy.config.resolvers import register_resolvers
    from ganatomy.planning import planner, writing
    from ganatomy.planning.trials import measuring

    register_resolvers()
    measuring.TRIAL = (__file__, "--trial")
    measuring.time = SimpleNamespace(time=lambda: 0.0)
    words, memory = CASES[case]
    plan = planner.make_plan([*words, ONE], float(minutes), memory)
    writing.write_plan(plan, Path("plan.yaml"))
    Path("estimate.json").write_text(json.dumps(plan.estimate))


def surroundings(place: Path) -> dict[str, str]:
    """Return the environment of a command whose caches lie in a folder."""
    own = {"OMP_NUM_THREADS": "1", "GANATOMY_CACHE": str(place / "cache"), "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own}


def timed(words: list[str], place: Path) -> tuple[float, float]:
    """Run a training command in a folder; return its CPU time in minutes and its peak of memory in GB."""
    command = [sys.executable, "-m", "ganatomy.train", *words]
    with (place / "said.txt").open("w") as said:
        run = subprocess.Popen(command, cwd=place, env=surroundings(place), stdout=said, stderr=said)
        _, status, usage = os.wait4(run.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):  # 3: done, but the game failed
        raise SystemExit((place / "said.txt").read_text()[-3000:])
    return (usage.ru_utime + usage.ru_stime) / 60, usage.ru_maxrss * 1024 / GB


def starts(case: str, repeats: int = 3) -> list[str]:
    """Return the seconds of commands of one step: plain, with plan=auto at first, and again (medians)."""
    words, memory = CASES[case]
    short = [*words, ONE, "trainer.max_steps=1", "trainer.val_every=1", "logger=none"]
    automatic = [*short, "plan=auto", f"plan_memory={memory:g}"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first = timed([*automatic, "run_dir=first"], place)[0]
        shutil.copy(place / "first/plan.yaml", place / "plan.yaml")
        pairs = [
            (
                timed([*short, "plan=plan.yaml", f"run_dir=plain{number}"], place)[0],
                timed([*automatic, f"run_dir=again{number}"], place)[0],
            )
            for number in range(repeats)
        ]
    plain, again = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [f"{60 * value:.1f}" for value in (plain, again, first)]


def report_starts(rows: list[list[str]]) -> None:
    """Write the section of results.md on the first steps."""
    head = ["run of one step", "plain, CPU s", "plan=auto again", "plan=auto at first"]
    text = (
        "CPU time of commands of one step, a validation and the test: with the words of a plan, with "
        "`plan=auto` when its survey and its trial are remembered, and when nothing is.\n\n"
    )
    write("Planned runs: first steps", text + table(head, rows))


def planned(case: str, minutes: float) -> dict[str, object]:
    """Plan a run and train it; return its row."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        given = surroundings(place)
        words = [sys.executable, __file__, "--make", case, str(minutes)]
        subprocess.run(words, cwd=place, env=given, check=True)
        about = json.loads((place / "estimate.json").read_text())
        took_minutes, took_gb = timed(["plan=plan.yaml", "run_dir=run"], place)
        history = (place / "run/metrics.csv").read_text().splitlines()
        sys.stdout.write((place / "plan.yaml").read_text() + (place / "said.txt").read_text()[-1500:])
    return {
        "case": case,
        "minutes": minutes,
        "memory": CASES[case][1],
        "steps": max(int(line.split(",")[0]) for line in history[1:]),
        "expected_minutes": about["minutes"],
        "took_minutes": round(took_minutes, 2),
        "expected_gb": about["memory_gb"],
        "took_gb": round(took_gb, 2),
    }


def keep(row: dict[str, object]) -> None:
    """Put a row into plans.csv, in the place of the last one of that case."""
    known = list(csv.DictReader(ROWS.open())) if ROWS.exists() else []
    rows = [one for one in known if one["case"] != row["case"]] + [row]
    with ROWS.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEAD)
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda one: list(CASES).index(str(one["case"]))))


def report() -> None:
    """Write the section of results.md."""
    rows = []
    for row in csv.DictReader(ROWS.open()):
        numbers = {key: float(row[key]) for key in HEAD[1:]}
        time_ratio, size_ratio = (
            numbers[f"took_{key}"] / numbers[f"expected_{key}"] for key in ("minutes", "gb")
        )
        rows.append([row["case"], f"{numbers['minutes']:g}", f"{numbers['memory']:g}", row["steps"]])
        rows[-1] += [row["expected_minutes"], row["took_minutes"], f"{time_ratio:.2f}"]
        rows[-1] += [row["expected_gb"], row["took_gb"], f"{size_ratio:.2f}"]
    head = ["planned run", "minutes=", "memory=", "steps", "expected, CPU min", "took", "ratio"]
    text = (
        "CPU time and peak of resident memory of whole planned runs, beside what their plans expected.\n\n"
        + table([*head, "expected, GB", "took", "ratio"], rows)
    )
    write("Planned runs", text)


if __name__ == "__main__":
    main()
