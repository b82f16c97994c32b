"""How long until a configuration is printed and a first step done; short trials of a sweep."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402 - it needs the line above
from benchmarks._trials import compare  # noqa: E402

FIRST_STEP = """
import os, sys
from ganatomy.tasks.base import AdversarialTask
step = AdversarialTask.training_step
def once(self, *batch):
    step(self, *batch)
    os._exit(0)
AdversarialTask.training_step = once
from ganatomy.train import main
sys.argv = ["train", *sys.argv[1:]]
main()
"""
PAIRS = {
    "the configuration (`--cfg job`) over `import hydra`": (
        ["-m", "src.train", "--cfg", "job"],
        ["-c", "import hydra"],
    ),
    "the first step over `import torch, monai, pytorch_lightning, wandb`": (
        ["-c", FIRST_STEP],
        ["-W", "ignore", "-c", "import torch, monai, pytorch_lightning, wandb"],
    ),
}
TARGETS = (2.5, 1.3)


def seconds(words: list[str], run: Path) -> float:
    """Wall clock of a fresh interpreter."""
    more = [f"run_dir={run}"] if FIRST_STEP in words else []
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *words, *more],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples: python benchmarks/startup.py --runs 7; "
        "python benchmarks/startup.py --old ../ganatomy-062eb33 --trials 8",
    )
    parser.add_argument("--runs", type=int, default=7, help="pairs of launches that count")
    parser.add_argument("--quick", action="store_true", help="one pair: does it run?")
    parser.add_argument(
        "--old", type=Path, help="checkout of an earlier version: short trials of both, alone"
    )
    parser.add_argument("--trials", type=int, default=8, help="trials of a sweep, three or more")
    parser.add_argument("--rounds", type=int, default=1, help="sweeps of each version at each size")
    options = parser.parse_args()
    if options.old:
        trials = 3 if options.quick else max(3, options.trials)
        text = compare(options.old.absolute(), ROOT, trials, options.rounds)
        write("Start-up: trials", text, ("torch", "optuna"), keep=not options.quick)
        return
    runs = 1 if options.quick else options.runs
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for (name, (ours, theirs)), target in zip(PAIRS.items(), TARGETS, strict=True):
            ratios, times = [], []
            for index in range(-1, runs):  # the first launch fills the caches and does not count
                a, b = seconds(ours, Path(folder) / f"{target}_{index}"), seconds(theirs, Path(folder))
                if index >= 0:
                    ratios.append(a / b)
                    times.append(a)
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            rows.append(
                [
                    name,
                    f"{statistics.median(ratios):.2f}",
                    spread,
                    target,
                    f"{statistics.median(times):.1f} s",
                ]
            )
    if not options.quick:
        text = "A fresh interpreter each, in turn; medians of paired ratios. The default job, its virtual\n"
        text += "cohort already in the disk cache; W&B offline is started before the first step.\n\n"
        head = ["launch until", "ratio", "from, to", "at most", "median"]
        packages = ("torch", "monai", "pytorch-lightning", "hydra-core", "wandb")
        write("Start-up", text + table(head, rows), packages)


if __name__ == "__main__":
    main()
