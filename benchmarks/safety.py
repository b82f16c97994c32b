"""What guard, checksums and the second checkpoint cost a run, as shares of the CPU time of its training.

Default jobs are trained by the real command, and the functions that were added for safety add up their CPU
time. No value of a run changes; waiting for the disk is not counted.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks._results import table, versions

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- safety: written by benchmarks/safety.py -->", "<!-- safety: end -->"
JOBS = {"segmentation": 150, "enhancement": 150, "synthesis": 500}
"""Task -> steps: at least one validation of its default job, and the checkpoints between."""
PARTS = ("guard", "checksums", "second checkpoint")


class Spent:
    """Seconds by part; a call within another part's belongs to the outer one."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.busy = ""

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Replace a function by one that adds its time to a part; `-` takes it away from the outer one."""
        inner: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if part == "-" and not self.busy:
                return inner(*args, **kwargs)
            outer, begun = self.busy, time.process_time()
            if part != "-" and outer:
                return inner(*args, **kwargs)
            self.busy = "" if part == "-" else part
            try:
                return inner(*args, **kwargs)
            finally:
                took, self.busy = time.process_time() - begun, outer
                self.seconds[outer if part == "-" else part] += -took if part == "-" else took

        setattr(owner, name, timed)


def trained(task: str, steps: int, folder: str) -> None:
    """Train in this process with the parts watched; print their seconds."""
    import pytorch_lightning as pl
    import torch

    from ganatomy.callbacks import checkpoint, guard
    from ganatomy.runs import directory
    from ganatomy.runs.checkpoints import checkpoint_file, rotation
    from ganatomy.train import main

    spent = Spent()
    for name in [name for name in vars(guard.Guard) if name.startswith("on_") and "test" not in name]:
        spent.watch(guard.Guard, name, "guard")
    spent.watch(checkpoint_file, "encode", "checksums")
    spent.watch(torch, "save", "-")
    spent.watch(rotation, "write", "second checkpoint")
    spent.watch(rotation, "write_whole", "-")
    spent.watch(directory, "record", "checksums")
    spent.watch(directory.Run, "keep_copy", "checksums")
    fit = pl.Trainer.fit

    def clocked(*args: Any, **kwargs: Any) -> None:
        before, begun = Counter(spent.seconds), time.process_time()
        fit(*args, **kwargs)
        total = time.process_time() - begun
        spent.seconds.subtract(before)
        sys.stdout.write(json.dumps({"total": total, **spent.seconds}) + "\n")
        raise SystemExit(0)

    pl.Trainer.fit = clocked  # type: ignore[method-assign,assignment]
    assert checkpoint.rotation is rotation
    words = [f"task={task}", f"trainer.max_steps={steps}", "trainer.threads=1", "callbacks.progress=none"]
    sys.argv = ["train", *words, f"run_dir={folder}/run"]
    main()


def measured(task: str, steps: int) -> list[object]:
    """Return the row of a job."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, __file__, "--one", task, str(steps), folder]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        text = subprocess.run(line, capture_output=True, text=True, env=environment, check=False).stdout
    found = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
    shares = [100 * found.get(part, 0.0) / found["total"] for part in PARTS]
    step = f"{1000 * found['total'] / steps:.0f} ms"
    return [task, steps, step, *(f"{share:.2f} %" for share in shares), f"{sum(shares):.2f} %"]


def main() -> None:
    """Measure all jobs; write the table into docs/reliability.md with --write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    parser.add_argument("--one", nargs=3, metavar=("TASK", "STEPS", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        trained(given.one[0], int(given.one[1]), given.one[2])
    rows = [measured(task, steps) for task, steps in JOBS.items()]
    head = ["default job", "steps", "a step, validations included", *PARTS, "all"]
    packages = ("torch", "pytorch-lightning")
    text = f"{BEGIN}\n{table(head, rows)}\n\n*{versions(packages)}; one thread.*\n{END}"
    sys.stdout.write(f"{text}\n")
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, page, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
