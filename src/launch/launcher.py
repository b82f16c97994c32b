"""Processes of a run on this machine: started together, ended together, one error for all."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ganatomy.errors import GAME_FAILED, UserError
from ganatomy.launch.many.cards import VARIABLE
from ganatomy.launch.reports import named
from ganatomy.launch.signals import SIGNALS, heard_by
from ganatomy.launch.warm import Client, Process
from ganatomy.runs.directory import Run
from ganatomy.runs.lock import held_here, in_use
from ganatomy.runs.reserve import last_status

GRACE = 15.0
"""Seconds in which the others may end by themselves when one has; most notice within one."""
OFTEN = 0.1
ENDED = (0, GAME_FAILED)
"""Exit codes of a process that came to its end."""


class ProcessFailed(Exception):
    """Failure of a process; `text` is the whole message for the user, `code` the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.text, self.code = text, code


def launch(
    command: Sequence[str],
    words: Sequence[str],
    count: int,
    directory: Path,
    client: Client | None = None,
    cards: str | None = None,
) -> None:
    """Run `count` processes of `<command> <words>` and wait for all.

    Args:
        command: Program and its first arguments.
        words: Overrides of the command line.
        count: Number of processes; one has no process group.
        directory: Run directory that they write.
        client: Starts the first process; None: as a fresh one.
        cards: CUDA_VISIBLE_DEVICES of all of them; None leaves it.

    Raises:
        ProcessFailed: Error of the process that failed first.
        SystemExit: The run was asked to stop.
    """
    before = _written(directory)
    with tempfile.TemporaryDirectory(prefix="ganatomy-") as notes:
        common = {
            "GANATOMY_LAUNCH": notes,
            "GANATOMY_PARENT": str(os.getpid()),
            "GANATOMY_RUN": str(directory),
        }
        if cards is not None:
            common[VARIABLE] = cards
        if count > 1:
            common |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "GROUP_RANK": "0"}
            common |= {"MASTER_ADDR": os.environ.get("MASTER_ADDR", "127.0.0.1"), "MASTER_PORT": _port()}
        children: list[Process] = []
        with _passing_on(children) as asked:
            try:
                for rank in range(count):
                    own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else {}
                    environment = {**os.environ, **common, **own}
                    children.append(_start(command, words, rank, environment, notes, client or Client()))
                first = _wait(children)
            finally:
                for child in children:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(child.pid, signal.SIGKILL)  # what it started too
                    child.wait()
        began = _written(directory) != before
        _settle([child.wait() for child in children], first, Path(notes), Run(directory), asked, began)


def _port() -> str:
    """Return MASTER_PORT if it is set, else any free port; UserError if the port is taken."""
    given = os.environ.get("MASTER_PORT", "0")
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", int(given)))
        except OSError as error:
            raise UserError(
                f"MASTER_PORT: port {given} is taken by another program; choose another, or leave it unset"
            ) from error
        return str(probe.getsockname()[1])


def _start(
    command: Sequence[str],
    words: Sequence[str],
    rank: int,
    environment: dict[str, str],
    notes: str,
    client: Client,
) -> Process:
    """Start a process; only rank zero prints, stderr of the others is kept in case one fails silently."""
    line = [*command, *words]
    if rank == 0:
        return client.start_process(line, env=environment, dies_with_parent=False)
    with (Path(notes) / f"{rank}.stderr").open("wb") as stderr:
        return subprocess.Popen(
            line, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        )


def _wait(children: Sequence[Process]) -> int:
    """Wait until all have ended, or GRACE seconds after the first failure; return the rank that failed first.

    Of several that are found ended at once the killed one failed first: the others ended because of it.
    """
    deadline, first = float("inf"), 0
    while any(child.poll() is None for child in children) and time.monotonic() < deadline:
        failed = [rank for rank, child in enumerate(children) if child.poll() not in (None, *ENDED)]
        if deadline == float("inf") and failed:
            deadline = time.monotonic() + GRACE
            first = min(failed, key=lambda rank: ((children[rank].returncode or 0) > 0, rank))
        time.sleep(OFTEN)
    killed = [rank for rank, child in enumerate(children) if child.poll() == -signal.SIGKILL]
    return first if not killed or first in killed else killed[0]


@contextmanager
def _passing_on(children: Sequence[Process]) -> Iterator[list[int]]:
    """Pass requests to stop on to every process within the block; yield the list of their signals."""
    asked: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        for child in children:
            with suppress(ProcessLookupError):
                child.send_signal(number)

    with heard_by(pass_on):
        yield asked


def _written(directory: Path) -> int | None:
    """Return when a run's status was written, in nanoseconds; None if it was not."""
    path = directory / "status.json"
    return path.stat().st_mtime_ns if path.is_file() else None


def _settle(
    codes: Sequence[int], failed: int, notes: Path, run: Run, asked: Sequence[int], began: bool
) -> None:
    """Turn the exit codes of all processes into one outcome.

    `failed` is the rank that failed first. `began`: they wrote in the run's directory, whose
    status is then set; a refused configuration leaves nothing there.
    """
    if all(code in ENDED for code in codes):
        return
    theirs = any(note["theirs"] for note in _notes(notes)) or in_use(run.path)
    state = (run.read("status.json") or {}).get("status")
    stopped = [number for number in SIGNALS if asked[:1] == [number] or 128 + number in codes]
    if stopped and (asked or state == "preempted"):
        if state not in (None, "preempted", "done") and not theirs:
            last_status(run, "preempted", f"stopped by {signal.Signals(stopped[0]).name}")
        raise SystemExit(128 + stopped[0])
    text, why, code = _first_failure(codes, failed, notes)
    if (began or state == "running") and not theirs:  # which it no longer is
        last_status(run, "failed", why)
    raise ProcessFailed(text, code)


def _notes(folder: Path) -> list[dict[str, Any]]:
    """Return what the processes reported of their errors."""
    return [json.loads(file.read_text()) for file in folder.glob("*.json")]


def _first_failure(codes: Sequence[int], failed: int, notes: Path) -> tuple[str, str, int]:
    """Return (whole message, one line, exit code) of the first that failed by itself, not by a peer."""
    own = sorted((note for note in _notes(notes) if not note["lost"]), key=lambda note: note["time"])
    if own:
        first, count = own[0], len(codes)
        alone = count > 1 and len({note["rank"] for note in own if note["why"] == first["why"]}) < count
        return named(first, count) if alone else (first["text"], first["why"], first["code"])
    code = codes[failed]
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    why = f"process {failed} of {len(codes)} {how}"
    output = notes / f"{failed}.stderr"
    last = output.read_text(errors="replace").strip().splitlines()[-5:] if output.is_file() else []
    hint = "; the system does that when memory runs out" if code == -signal.SIGKILL else ""
    return "\n".join([*last, f"error: {why}{hint}; go on with resume=..., if it had begun"]), why, 1


def follow_parent() -> None:
    """End this process soon after the one that launched it, however that one ends."""

    def watch(parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(1)
        run = Run(os.environ["GANATOMY_RUN"])
        running = (run.read("status.json") or {}).get("status") == "running"
        if os.environ.get("RANK", "0") == "0" and running and (held_here(run.path) or not in_use(run.path)):
            last_status(run, "failed", "the command that started the processes was killed")
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, args=(int(os.environ["GANATOMY_PARENT"]),), daemon=True).start()
