"""A sweep of stand-ins, a real database server, and the smallest space."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.sweeps.plan import Plan
from tests.conftest import ROOT, started

STUB = Path(__file__).parent / "stub_train.py"
SPACE = {
    "model.optimizer.generator.lr": {"low": 2.0e-4, "high": 2.0e-2, "log": True},
    "model.adversarial.loss": ["hinge", "non_saturating"],
}


def settings(**more: Any) -> dict[str, Any]:
    """conf/sweep.yaml as composed, with the stand-in, the small space and other changes."""
    from omegaconf import OmegaConf

    cfg: Any = OmegaConf.load(ROOT / "conf/sweep.yaml")
    cfg.pop("defaults"), cfg.pop("hydra")
    cfg.paths = {"runs": "runs", "data": "x", "cache": "x"}
    plain = OmegaConf.to_container(cfg, resolve=True)
    return {**plain, "train": ["logger=csv"], "launch": f"{sys.executable} {STUB}", "space": SPACE, **more}


@pytest.fixture(scope="session")
def checked() -> Plan:
    from ganatomy.sweeps.plan import read_plan

    return read_plan(settings(pruner={"name": "none"}, heartbeat=0.3, patience=10.0), [], [])


@pytest.fixture
def plan(checked: Plan, tmp_path: Path) -> Callable[..., Plan]:
    """A checked plan in a directory of its own, with changes."""
    return lambda **more: replace(checked, directory=tmp_path / "study", **more)


def plot(directory: Path, **fates: str) -> None:
    """What the stand-in for `train` does in each trial: `plot(directory, t3="fail")`."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {name.removeprefix("t"): fate for name, fate in fates.items()}
    (directory / "plot.json").write_text(json.dumps(content))


def own(folder: Path, **content: Any) -> list[str]:
    """A sweep file of the user's own, and the words that choose it."""
    (folder / "sweep").mkdir()
    (folder / "sweep/mine.yaml").write_text("# @package _global_\n" + yaml.safe_dump(content))
    return ["--config-dir", str(folder), "+sweep=mine"]


start = partial(started, "src.sweep")
"""With the stand-in behind it, unless the words say otherwise."""


def wait_for(what: Callable[[], bool], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database on a server of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    binaries = Path(shutil.which("initdb") or "").parent if shutil.which("initdb") else (found or [None])[-1]
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here (Debian: apt install postgresql)")
    user: dict[str, Any] = {}
    folder = tmp_path_factory.mktemp("postgresql")
    if os.getuid() == 0:  # the server refuses to be root
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = {"user": "postgres" if "postgres" in names else "nobody", "cwd": "/"}
        folder = Path("/tmp") / f"ganatomy_test_{os.getpid()}"  # pytest's own folders are closed to others
        folder.mkdir()
        shutil.chown(folder, user["user"])
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, **user}
    data = folder / "data"
    subprocess.run([binaries / "initdb", "-D", data, "-A", "trust", "-U", "me", "--no-sync"], **quiet)
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    control = [binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], **quiet)
    yield f"postgresql+psycopg://me@/postgres?host={folder}"
    subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder)
