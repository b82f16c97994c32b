"""What the default step of each task costs beside that of commit 062eb33, of which `--old` is a checkout.

Each is a process of its own with one thread, under Lightning, on a batch of its data; they take steps in
turn, and the ratios are of CPU time within a round.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402
from benchmarks.step import ratios, times  # noqa: E402

JOBS = {
    "segmentation": ["task=segmentation"],
    "enhancement": ["task=enhancement"],
    "detection": ["task=detection"],
    "synthesis": ["task=synthesis"],
    "anomaly": ["task=anomaly"],
    "hippocampus, 3D": ["task=segmentation", "data=hippocampus"],
}
WAYS = {
    "float32": ("32-true", "none"),
    "bfloat16": ("bf16-mixed", "none"),
    "bfloat16, channels innermost": ("bf16-mixed", "both"),
}


class Worker:
    """A process that takes steps on demand; `seconds` are those of its own CPU."""

    def __init__(self, folder: Path, way: tuple[str, str], words: list[str]) -> None:
        self.seconds = 0.0
        script = ROOT / "benchmarks" / "_default_step.py"
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder), *way, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        )

    def __call__(self, count: int) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds "):
                self.seconds += float(line.split()[1])
                return
        raise SystemExit(f"the worker ended: {' '.join(map(str, self.process.args))}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def _spent(workers: dict[str, Worker]) -> float:
    return sum(worker.seconds for worker in workers.values())


def compare(old: Path, cache: str, jobs: list[str], rounds: int) -> str:
    """Time the earlier step over today's, for each task and way of computing."""
    rows = []
    for job in jobs:
        words = [*JOBS[job], f"paths.cache={cache}"]
        workers = {"old": Worker(old, WAYS["float32"], words)}
        workers |= {name: Worker(ROOT, way, words) for name, way in WAYS.items()}
        found = times(workers, rounds, 1 if "3D" in job else 4, functools.partial(_spent, workers))
        rows.append((job, *(ratios(found, "old", name) for name in WAYS)))
        for worker in workers.values():
            worker.close()
    text = (
        "Time of the default step of 062eb33 (float32) over today's, one batch of its data again and again; "
        "median and quartiles. The loader, validations and the start are not in it."
    )
    return f"{text}\n\n{table(('task', *(f'today in {name}' for name in WAYS)), rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, default=ROOT, help="the earlier checkout; this one if not given")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="some of the tasks")
    parser.add_argument("--quick", action="store_true", help="one task, two rounds: does it run?")
    given = parser.parse_args()
    jobs = given.jobs[:1] if given.quick else given.jobs
    with tempfile.TemporaryDirectory() as cache:
        text = compare(given.old.resolve(), cache, jobs, 2 if given.quick else 7)
    write(
        "Step: the default of each task", text, ("torch", "monai"), keep=not given.quick and given.old != ROOT
    )


if __name__ == "__main__":
    main()
