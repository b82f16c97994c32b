"""One run of `train` in a process of its own: start it, follow its files, end it."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ganatomy.errors import GAME_FAILED
from ganatomy.launch.many.cards import VARIABLE
from ganatomy.launch.signals import SIGNALS
from ganatomy.launch.warm import Client, orphaned
from ganatomy.runs.directory import Run
from ganatomy.runs.integrity.checked import read_file, warn_once
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.runs.lock import InUse, in_use
from ganatomy.runs.process_identity import alive, whoami

STOPPED = {code for number in SIGNALS for code in (128 + number, -number)}
"""Exit codes of a run that was asked to stop: with a checkpoint, or before it listened."""


class TrainProcess:
    """Process of `<launch> <words> run_dir=DIR`; it resumes DIR if there is a checkpoint.

    It ends when the process that started it ends. If the server that forked it dies, it goes on afresh.

    Args:
        launch: Command that starts `train`.
        words: Overrides of its command line.
        directory: Run directory.
        patience: Seconds to wait for another process that still writes there, as after a kill of its parent.
        client: Starts the process; None: as a fresh one.
        cards: CUDA_VISIBLE_DEVICES of the process; None leaves it.

    Raises:
        InUse: Another process writes in the directory; nothing there was touched.
    """

    def __init__(
        self,
        launch: Sequence[str],
        words: Sequence[str],
        directory: Path,
        patience: float = 0.0,
        client: Client | None = None,
        cards: str | None = None,
    ) -> None:
        self.directory, self.log = directory, directory.with_suffix(".log")
        self.last = -1
        self._start = functools.partial(self._begin, launch, words, patience, client or Client(), cards)
        self._start()

    def _begin(
        self,
        launch: Sequence[str],
        words: Sequence[str],
        patience: float,
        client: Client,
        cards: str | None,
    ) -> None:
        """Start the process: anew, or from the checkpoint that is there."""
        directory = self.directory
        self.status_before = _written(directory)
        _wait_until_free(directory, patience)
        directory.parent.mkdir(parents=True, exist_ok=True)
        if any((directory / "checkpoints").glob("last*.ckpt")):
            typed = ("hydra.searchpath=", "logger.mode=")  # what a run does not take from its own files
            words = [f"resume={directory}", *(word for word in words if word.startswith(typed))]
        else:
            shutil.rmtree(directory, ignore_errors=True)  # nothing was reached there
            words = [*words, f"run_dir={directory}"]
        with self.log.open("ab") as log:
            self.process = client.start_process(
                [*launch, *words],
                env=None if cards is None else {**os.environ, VARIABLE: cards},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.who = whoami(self.process.pid)

    def running(self) -> bool:
        if self.process.poll() is not None and orphaned(self.process):
            self._start()
        return self.process.poll() is None

    def wait(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def scores(self, name: str) -> list[tuple[int, float]]:
        """Return (step, value) of a score in metrics.csv, only rows that came since the last call."""
        try:
            history = read_file(self.directory, "metrics.csv") or []
        except Damaged as error:  # the run that writes it will write it again
            warn_once(f"{error}; its scores are not read")
            return []
        rows = [(int(row["step"]), row.get(name)) for row in history]
        found = [(step, float(value)) for step, value in rows if value and step > self.last]
        self.last = max([self.last, *(step for step, _ in found)])
        return found

    def end(self, patience: float) -> None:
        """Send SIGTERM, on which `train` writes a checkpoint; kill what is left after `patience` seconds."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        kill_group(self.process.pid)
        self.process.wait()

    def result(self) -> float | str | None:
        """Wait for the end; return the best validation score, why it failed, or None if it was stopped."""
        code = self.process.wait()
        while orphaned(self.process):
            self._start()
            code = self.process.wait()
        kill_group(self.process.pid)
        score = finished(self.directory)
        if code in (0, GAME_FAILED) and score is not None:
            return score
        status = Run(self.directory).known_status()
        preempted = status.get("status") == "preempted" and _written(self.directory) != self.status_before
        if code in STOPPED or preempted:
            return None
        if code < 0:
            hint = " (often because memory ran out)" if code == -signal.SIGKILL else ""
            return f"killed by {signal.Signals(-code).name}{hint}"
        if status.get("status") == "done":
            return f"its best score is {(status.get('best') or {}).get('score')}"
        return self._last_words() or status.get("why") or f"exit code {code}"

    def _last_words(self) -> str:
        """Return the line of its output that names the error, else the last line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line.strip() for line in lines[-50:] if line.strip()]
        named = [line for line in lines if line.startswith("error: ")]
        return (named or lines or [""])[-1].removeprefix("error: ")[:300]


def finished(directory: Path) -> float | None:
    """Return the best validation score of a finished run; None for any other, or if it is no number."""
    status = Run(directory).known_status()
    score = (status.get("best") or {}).get("score") if status.get("status") == "done" else None
    return float(score) if score is not None and math.isfinite(score) else None


def _wait_until_free(directory: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while line := in_use(directory):
        if time.monotonic() > until:
            raise InUse(line)
        time.sleep(0.2)


def _written(directory: Path) -> int:
    """Return when a run's status was written, in nanoseconds; 0 if it was not."""
    path = directory / "status.json"
    return path.stat().st_mtime_ns if path.is_file() else 0


def kill_group(pid: int) -> None:
    """Kill what is left of a run's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def outlive(who: str, patience: float) -> None:
    """Wait for the run of a dead worker to end, at most `patience` seconds, then end it."""
    until = time.monotonic() + patience
    while alive(who) and time.monotonic() < until:
        time.sleep(0.05)
    if alive(who):
        kill_group(int(who.split(" ")[1]))
