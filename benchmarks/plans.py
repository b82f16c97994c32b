"""What planned runs take beside what their plans expect: CPU time, and the peak of resident memory.

    python benchmarks/plans.py --cases hippocampus --minutes 2

Other work on the machine makes a wall clock slower and not the CPU's, so the trial of each plan is timed in
CPU time, and so is the run: user and system time of the whole command, from its start to its last line. The
memory is the largest resident set of the command's processes, as the system reports it when they end. One
thread; caches are empty before the plan. Each run is a row of plans.csv, from which the table is made.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
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
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.trial:
        return trial(args.trial)
    if args.make:
        return make(*args.make)
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


def planned(case: str, minutes: float) -> dict[str, object]:
    """Plan a run and train it; return its row."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        given = {**os.environ, "OMP_NUM_THREADS": "1", "GANATOMY_CACHE": str(place / "cache")}
        given["PYTHONPATH"] = str(ROOT)
        words = [sys.executable, __file__, "--make", case, str(minutes)]
        subprocess.run(words, cwd=place, env=given, check=True)
        about = json.loads((place / "estimate.json").read_text())
        command = [sys.executable, "-m", "ganatomy.train", "plan=plan.yaml", "run_dir=run"]
        with (place / "said.txt").open("w") as said:
            run = subprocess.Popen(command, cwd=place, env=given, stdout=said, stderr=said)
            _, status, usage = os.wait4(run.pid, 0)
        if os.waitstatus_to_exitcode(status) not in (0, 3):  # 3: done, but the game failed
            raise SystemExit((place / "said.txt").read_text()[-3000:])
        history = (place / "run/metrics.csv").read_text().splitlines()
        sys.stdout.write((place / "plan.yaml").read_text() + (place / "said.txt").read_text()[-1500:])
    return {
        "case": case,
        "minutes": minutes,
        "memory": CASES[case][1],
        "steps": max(int(line.split(",")[0]) for line in history[1:]),
        "expected_minutes": about["minutes"],
        "took_minutes": round((usage.ru_utime + usage.ru_stime) / 60, 2),
        "expected_gb": about["memory_gb"],
        "took_gb": round(usage.ru_maxrss * 1024 / GB, 2),
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
