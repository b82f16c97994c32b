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
from importlib.util import find_spec
from pathlib import Path

from benchmarks._results import table

ROOT = Path(__file__).resolve().parents[1]
TASKS = {
    "segmentation": [],
    "enhancement": ["model.scheduler.generator=null"],  # OneCycleLR cannot divide ten steps
    "detection": [],
    "anomaly": ["data.subjects=24", "task.denoising_steps=20", "task.search_steps=5"],
    "synthesis": [],
}
"""Words of each, for a test that is over soon."""
TINY = ["trainer.threads=1", "data.size=32"]
SMALL = [
    "data.subjects=12", "data.slices=4", "trainer.val_every=5", "trainer.log_every=5", "logger=csv",
    "callbacks.progress=none", "callbacks.report=false", "callbacks.samples=0",
]  # fmt: skip


def trained(folder: Path, device: str, seconds: float, *words: str) -> tuple[float, str]:
    """Run the command; return its seconds, and "done" or its last line."""
    where = f"trainer.accelerator={'gpu' if device == 'cuda' else 'cpu'}"
    command = [sys.executable, "-m", "src.train", f"run_dir={folder}", where, *SMALL, *words]
    environment = {**os.environ, "GANATOMY_CACHE": str(folder.parent / "cache"), "PYTHONPATH": str(ROOT)}
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=max(1, seconds)
        )
    except subprocess.TimeoutExpired:
        return time.perf_counter() - begun, f"not done in {seconds:.0f} s"
    took = time.perf_counter() - begun
    if done.returncode == 0:
        return took, "done"
    said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return took, f"exit {done.returncode}: {said[-1] if said else ''}"[:300].replace("|", "/")


def tasks(device: str, tiny: bool) -> str:
    """Ten steps of each task by the real command, in float32 and bfloat16."""
    cells = [(task, precision) for precision in ("32-true", "bf16-mixed") for task in TASKS]
    until = time.perf_counter() + (3600 if tiny else 80)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1 if tiny else 5) as pool:

        def ended(cell: tuple[str, str]) -> tuple[float, str]:
            run, left = Path(folder, "-".join(cell)), until - time.perf_counter()
            words = [*TASKS[cell[0]], f"trainer.precision={cell[1]}", *(TINY if tiny else [])]
            return trained(run, device, left, f"task={cell[0]}", "trainer.max_steps=10", *words)

        cells = cells[: 1 if tiny else None]
        found = dict(zip(cells, pool.map(ended, cells), strict=True))
    rows = [(*cell, end, f"{took:.0f}") for cell, (took, end) in found.items()]
    text = "Ten steps, two validations and the test by `python -m src.train`, five at a time."
    return f"{text}\n\n{table(('task', 'precision', 'ended', 's with start'), rows)}"


def loader(device: str, tiny: bool) -> str:
    """The share of time that training waits for its data, by the number of workers."""
    rows, steps = [], 10 if tiny else 200
    more = TINY if tiny else ["data.subjects=40"]
    with tempfile.TemporaryDirectory() as folder:
        for count in (0,) if tiny else (0, 2, 8):
            words = [f"data.workers={count}", f"trainer.max_steps={steps}", f"trainer.val_every={steps}"]
            run = Path(folder, str(count))
            took, end = trained(run, device, 3600 if tiny else 40, "task=segmentation", *words, *more)
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
    command += ["-n", "6"] if device == "cuda" and find_spec("xdist") else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines() or [done.stderr]
    bad = [
        re.sub(r"\s+", " ", line)[:300] for line in lines if line.startswith(("FAILED", "ERROR", "SKIPPED"))
    ]
    rows = [(line.replace("|", "/"),) for line in [*bad, lines[-1]]]
    return f"`pytest -m gpu`, exit code {done.returncode}.\n\n{table(('said',), rows)}"
