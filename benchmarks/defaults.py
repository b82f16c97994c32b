"""What the default runs cost beside those of an earlier version: CPU time of whole commands, and scores.

    python benchmarks/defaults.py --old FOLDER --tasks segmentation --seeds 0

FOLDER is a checkout of commit 062eb33. The two commands of a task run at the same time, each pinned to one
processor and one thread, with caches of their own that are empty; what a process costs is its user and system
time, so imports, preparation, training, validation, test, baselines, pictures and report are all in it. Each
finished pair is a row of defaults.csv, from which the table is made: the tasks may be measured one by one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks._results import table, write

ROOT = Path(__file__).resolve().parents[1]
ROWS = Path(__file__).with_suffix(".csv")
RUNS = {
    "segmentation": (["task=segmentation"], "test/dice"),
    "enhancement": (["task=enhancement"], "test/psnr"),
    "detection": (["task=detection"], "test/map50"),
    "anomaly": (["task=anomaly"], "test/auroc"),
    "synthesis": (["task=synthesis"], "test/swd"),
    "hippocampus": (["task=segmentation", "data=hippocampus"], "test/dice"),
}
TARGETS = {
    "segmentation": 0.60,
    "enhancement": 0.65,
    "detection": 0.60,
    "anomaly": 0.70,
    "synthesis": 0.65,
    "hippocampus": 0.55,
}
HEAD = ("task", "seed", "steps", "old_seconds", "new_seconds", "score", "old_score", "new_score")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, help="checkout of 062eb33")
    parser.add_argument("--tasks", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, help="steps of every run; by default those of conf/")
    args = parser.parse_args()
    for task in args.tasks:
        for seed in args.seeds:
            keep(pair(args.old.resolve(), task, seed, args.steps))
    report()


def pair(old: Path, task: str, seed: int, steps: int | None) -> dict[str, object]:
    """Run both versions side by side; return their row."""
    words, score = RUNS[task]
    more = [] if steps is None else [f"trainer.max_steps={steps}", f"trainer.val_every={steps}"]
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder) / name for name in ("old", "new")}
        started = {
            name: start(code, place, [*words, *more, f"seed={seed}", "trainer.threads=1"], index)
            for index, (name, code, place) in enumerate(
                (("old", old, places["old"]), ("new", ROOT, places["new"]))
            )
        }
        seconds = {}
        for name, process in started.items():
            _, status, usage = os.wait4(process.pid, 0)
            if os.waitstatus_to_exitcode(status) not in (0, 3):  # 3: done, but the game failed
                raise SystemExit((places[name] / "said.txt").read_text()[-3000:])
            seconds[name] = usage.ru_utime + usage.ru_stime
        scores = {
            name: json.loads((place / "run/metrics.json").read_text()) for name, place in places.items()
        }
        history = (places["new"] / "run/metrics.csv").read_text().splitlines()
    row = {
        "task": task,
        "seed": seed,
        "steps": steps or max(int(line.split(",")[0]) for line in history[1:]),
        "old_seconds": round(seconds["old"], 1),
        "new_seconds": round(seconds["new"], 1),
        "score": score,
        "old_score": round(scores["old"][score], 4),
        "new_score": round(scores["new"][score], 4),
    }
    sys.stdout.write(f"{row}\n")
    return row


def start(code: Path, place: Path, words: list[str], core: int) -> subprocess.Popen[bytes]:
    """Start `python -m src.train` of a checkout, on one processor."""
    place.mkdir()
    cores = sorted(os.sched_getaffinity(0))
    environment = {
        **os.environ,
        "PYTHONPATH": str(code),
        "OMP_NUM_THREADS": "1",
        "GANATOMY_CACHE": str(place / "cache"),
        "XDG_CACHE_HOME": str(place / "cache"),
    }
    with (place / "said.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "src.train", *words, f"hydra.run.dir={place / 'run'}"],
            cwd=place,
            env=environment,
            stdout=said,
            stderr=said,
            preexec_fn=lambda: os.sched_setaffinity(0, {cores[core % len(cores)]}),
        )


def keep(row: dict[str, object]) -> None:
    """Put a row in defaults.csv, in place of one of the same task, seed and length."""
    same = ("task", "seed", "steps")
    old = [each for each in rows() if any(str(each[name]) != str(row[name]) for name in same)]
    with ROWS.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEAD)
        writer.writeheader()
        writer.writerows([*old, row])


def rows() -> list[dict[str, str]]:
    if not ROWS.is_file():
        return []
    with ROWS.open(newline="") as file:
        return list(csv.DictReader(file))


def report() -> None:
    """Write the table of what is known."""
    lines = []
    for task, target in TARGETS.items():
        found = sorted((row for row in rows() if row["task"] == task), key=lambda row: int(row["steps"]))
        for steps in dict.fromkeys(row["steps"] for row in found):
            same = [row for row in found if row["steps"] == steps]
            ratio = statistics.median(float(row["new_seconds"]) / float(row["old_seconds"]) for row in same)
            old, new = (
                statistics.median(float(row[f"{name}_seconds"]) for row in same) for name in ("old", "new")
            )
            scores = [", ".join(row[f"{name}_score"] for row in same) for name in ("old", "new")]
            lines.append(
                (
                    task,
                    steps,
                    len(same),
                    f"{old:.0f}",
                    f"{new:.0f}",
                    f"{ratio:.2f}",
                    f"{target:.2f}",
                    same[0]["score"],
                    *scores,
                )
            )
    head = ("run", "steps", "seeds", "062eb33, s", "now, s", "ratio", "aim", "score", "062eb33", "now")
    text = (
        "CPU time of whole commands with nothing set but the seed and one thread, beside those of 062eb33: "
        "two processes at a time, each pinned to a processor, with empty caches. Scores of the test, seed "
        "by seed."
    )
    write("Default runs", f"{text}\n\n{table(head, lines)}", ("torch", "monai"))


if __name__ == "__main__":
    main()
