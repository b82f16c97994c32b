"""The run directory: one folder with everything that a run read, made and reported."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ganatomy.errors import UserError
from ganatomy.files import sync_folder, write_whole
from ganatomy.runs.integrity.checked import read_file, warn_once
from ganatomy.runs.integrity.checksums import Damaged, record
from ganatomy.runs.integrity.restore import COPIED, COPIES, HISTORY
from ganatomy.runs.lock import LEFT_OVER

if TYPE_CHECKING:
    from ganatomy.runs.checkpoints.resumption import Resumption

HEALTHY = "healthy"
"""Name of a game that did not fail, in status.json."""


class Run:
    """A run's directory and the files that describe it; of several processes only rank zero writes."""

    def __init__(self, directory: str | Path, is_rank_zero: bool = True) -> None:
        self.path = Path(directory).absolute()
        self.is_rank_zero = is_rank_zero
        self.begun = time.monotonic()
        self.resumption: Resumption | None = None
        self.identity = ""

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def best(self) -> Path:
        return self.checkpoints / "best.ckpt"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    def write(self, name: str, content: Any) -> Path:
        """Write JSON or YAML by the name's ending, whole or not at all; NaN and infinity are null in JSON."""
        text = (
            yaml.safe_dump(content, sort_keys=False)
            if name.endswith(".yaml")
            else json.dumps(without_nan(content), indent=2, allow_nan=False)
        )
        return self.write_bytes(name, (text.rstrip() + "\n").encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file that is read again: its checksum, then it, then its copy if it is one that has a copy.

        That of metrics.csv is written with a checkpoint, by `keep_copy`.
        """
        if not self.is_rank_zero:
            return self.path / name
        copied = [f"{COPIES}/{name}"] if name in COPIED and name != HISTORY else []
        record(self.path, dict.fromkeys([name, *copied], content))
        for file in (name, *copied):
            write_atomically(self.path / file, content)
        return self.path / name

    def keep_copy(self, name: str) -> None:
        """Copy a file as it stands, for the resume that finds it damaged."""
        if self.is_rank_zero and (self.path / name).is_file():
            content = (self.path / name).read_bytes()
            record(self.path, {f"{COPIES}/{name}": content})
            write_atomically(self.path / COPIES / name, content)

    def read(self, name: str) -> Any:
        """Return the content of a file, or of its copy if it is damaged; None if there is none.

        Raises:
            Damaged: The file is not as it was written, and there is no sound copy; the line names it.
        """
        return read_file(self.path, name)

    def known_status(self) -> dict[str, Any]:
        """Return what status.json says; nothing if it is missing, or damaged beyond its copy."""
        try:
            return self.read("status.json") or {}
        except Damaged as error:
            warn_once(f"{error}; what it said is lost")
            return {}

    def status(self, state: str, why: str = "", **more: Any) -> None:
        """Set the status (running, done, preempted or failed) and its reason; None takes an entry out."""
        entries = {**self.known_status(), "status": state, "why": why, **more}
        self.write("status.json", {key: value for key, value in entries.items() if value is not None})

    def timed(self) -> None:
        """Add the seconds since the last call, or since the run was opened, to those of the status."""
        before, now = self.known_status(), time.monotonic()
        self.write(
            "status.json", {**before, "seconds": round(before.get("seconds", 0.0) + now - self.begun, 1)}
        )
        self.begun = now


def failed_game(directory: str | Path) -> str:
    """Return the name of the game that failed in a finished run, e.g. `collapse`; empty if none did."""
    status = Run(directory).read("status.json") or {}
    game = str(status.get("game") or "") if status.get("status") == "done" else ""
    return "" if game == HEALTHY else game


def without_nan(content: Any) -> Any:
    """Return plain values with None for every float that is NaN or infinite, which JSON cannot hold."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: without_nan(value) for key, value in content.items()}
    return [without_nan(value) for value in content] if isinstance(content, list | tuple) else content


def open_new(directory: str | Path, is_rank_zero: bool = True) -> Run:
    """Make a run directory; UserError where it holds files, which are never written over."""
    run = Run(directory, is_rank_zero)
    if not is_rank_zero:
        return run
    if run.path.exists() and any(not path.name.startswith(LEFT_OVER) for path in run.path.iterdir()):
        raise UserError(
            f"run_dir: {directory} already holds files; choose another, or go on with it: resume={directory}"
        )
    run.path.mkdir(parents=True, exist_ok=True)
    if not os.access(run.path, os.W_OK):
        raise UserError(f"run_dir: no permission to write in {directory}; choose another run_dir")
    return run


def open_again(directory: str | Path, is_rank_zero: bool = True) -> Run:
    """Open the directory of a run that stopped and goes on, and say which checkpoints are damaged.

    Nothing is written. The newest checkpoint that is sound becomes `Run.resumption`.

    Raises:
        UserError: There is no checkpoint, or none is sound.
    """
    from ganatomy.runs.checkpoints.resumption import resumption
    from ganatomy.runs.checkpoints.thinning import removed
    from ganatomy.runs.console import print_status
    from ganatomy.runs.process_place import from_rank_zero

    run = Run(directory, is_rank_zero)
    if not from_rank_zero(lambda: any(run.checkpoints.glob("last*.ckpt"))):
        why = f"any more ({names} were removed by keep=...)" if (names := removed(run.checkpoints)) else "yet"
        raise UserError(
            f"resume: {directory} has no checkpoints/last.ckpt {why}; start it anew with another run_dir"
        )
    run.resumption = resumption(run.checkpoints)
    for line in run.resumption.lines:
        print_status(line)
    return run


def check_room(path: Path, need: int) -> None:
    """Raise when the disk holds fewer than `need` free bytes."""
    free = shutil.disk_usage(path).free
    if free < need:
        raise UserError(
            f"run_dir: {free / 1e6:.0f} MB free on the disk of {path}, about {need / 1e6:.0f} MB are needed; "
            "free some room or choose another run_dir"
        )


def write_atomically(path: Path, content: bytes) -> Path:
    """Write a file so that a kill leaves the old one or the new one, and sync its folder; return its path."""
    write_whole(path, content)
    sync_folder(path.parent)
    return path
