"""An experiment killed again and again, at any moment and in any way, ends as one that is not."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiments.conftest import STUB, ran, start
from tests.sweeps.conftest import wait_for

Small = Callable[..., Path]


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "results/runs.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def left(folder: Path) -> list[str]:
    """Command lines of the processes that work in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = os.path.realpath(process / "cwd")
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if here == str(folder) and int(process.name) != os.getpid():
            found.append(words)
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment(tmp_path: Path, small: Small, seed: int) -> None:
    folder, rng = small(), random.Random(seed)
    words = ["small", STUB, "jobs=2"]
    for kill in range(8):
        process: subprocess.Popen[str] = start(tmp_path, *words)
        time.sleep(rng.uniform(0.5, 12.0))
        how = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[kill % 3]
        process.send_signal(how)
        _, said = process.communicate(timeout=120)
        assert process.returncode in (0, -how, 128 + how), said
        assert "Traceback" not in said
        wait_for(lambda: not left(tmp_path), 60)
        if (folder / "results/runs.csv").exists():
            keys = [(row["arm"], row["seed"]) for row in lines(folder)]
            assert len(set(keys)) == len(keys)
    assert ran(tmp_path, *words)[0] == 0
    killed = lines(folder)
    for path in (folder / "results").iterdir():
        path.unlink()
    assert ran(tmp_path, *words, "paths.runs=elsewhere")[0] == 0
    assert lines(folder) == killed and len(killed) == 6
