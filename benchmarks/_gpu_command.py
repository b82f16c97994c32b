"""The real command and the tests on a GPU, for gpu.py: each in a process of its own."""

from __future__ import annotations

import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks._results import table

ROOT = Path(__file__).resolve().parents[1]
TASKS = ("segmentation", "enhancement", "detection", "anomaly", "synthesis")
SMALL = [
    "data.subjects=12", "data.slices=4", "trainer.val_every=5", "trainer.log_every=5", "logger=csv",
    "callbacks.progress=none", "callbacks.report=false", "callbacks.samples=0",
]  # fmt: skip


def trained(folder: Path, device: str, *words: str) -> tuple[float, str]:
    """Run the command; return its seconds, and "done" or its last line."""
    where = f"trainer.accelerator={'gpu' if device == 'cuda' else 'cpu'}"
    command = [sys.executable, "-m", "src.train", f"run_dir={folder}", where, *SMALL, *words]
    environment = {**os.environ, "GANATOMY_CACHE": str(folder.parent / "cache"), "PYTHONPATH": str(ROOT)}
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - begun
    if done.returncode == 0:
        return took, "done"
    said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return took, f"exit {done.returncode}: {said[-1] if said else ''}"[:300].replace("|", "/")


def tasks(device: str, tiny: bool) -> str:
    """Ten steps of each task by the real command, in float32 and bfloat16, with deterministic kernels too."""
    ways = {"32-true": ["trainer.precision=32-true"], "deterministic": ["trainer.deterministic=true"]}
    ways |= {"bf16-mixed": ["trainer.precision=bf16-mixed"], "16-mixed": ["trainer.precision=16-mixed"]}
    cells = [
        (task, way) for task in TASKS[: 1 if tiny else None] for way in list(ways)[: 1 if tiny else None]
    ]
    steps = ["trainer.max_steps=10", *(["trainer.threads=1", "data.size=32"] if tiny else [])]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1 if tiny else 5) as pool:
        found = dict(
            zip(
                cells,
                pool.map(
                    lambda cell: trained(
                        Path(folder, "-".join(cell)), device, f"task={cell[0]}", *steps, *ways[cell[1]]
                    ),
                    cells,
                ),
                strict=True,
            )
        )
    rows = [(task, way, end, f"{took:.0f}") for (task, way), (took, end) in found.items()]
    text = "Ten steps, two validations and the test by `python -m src.train`, five at a time."
    return f"{text}\n\n{table(('task', 'trainer', 'ended', 's with start'), rows)}"


def loader(device: str, tiny: bool) -> str:
    """The share of time that training waits for its data, by the number of workers."""
    rows = []
    workers = (0,) if tiny else (0, 2, 8)
    steps = 10 if tiny else 200
    more = ["trainer.threads=1", "data.size=32"] if tiny else ["data.subjects=40"]
    with tempfile.TemporaryDirectory() as folder:
        for count in workers:
            words = [
                f"data.workers={count}",
                f"trainer.max_steps={steps}",
                f"trainer.val_every={steps}",
                *more,
            ]
            run = Path(folder, str(count))
            took, end = trained(run, device, "task=segmentation", "trainer.log_every=5", *words)
            rows.append((count, f"{_waiting(run):.0%}" if end == "done" else end, f"{took:.0f}"))
    text = f"{steps} steps of task=segmentation: the share of time that training waits for its data (median)."
    return f"{text}\n\n{table(('workers', 'waiting', 's with start'), rows)}"


def _waiting(run: Path) -> float:
    """Return the median of `time/waiting` over the second half of the run."""
    with (run / "metrics.csv").open() as file:
        found = [float(row["time/waiting"]) for row in csv.DictReader(file) if row.get("time/waiting")]
    return statistics.median(found[len(found) // 2 :])


def tests(device: str, tiny: bool) -> str:
    """`pytest -m gpu`."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines() or [done.stderr]
    bad = [
        re.sub(r"\s+", " ", line)[:300] for line in lines if line.startswith(("FAILED", "ERROR", "SKIPPED"))
    ]
    rows = [(line.replace("|", "/"),) for line in [*bad, lines[-1]]]
    return f"`pytest -m gpu`, exit code {done.returncode}.\n\n{table(('said',), rows)}"
