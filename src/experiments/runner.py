"""Runner of the missing runs, some at a time; each is a process of `train`."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ganatomy.errors import UserError
from ganatomy.experiments.fingerprint import data_hash
from ganatomy.experiments.plan import PlannedRun, devices
from ganatomy.experiments.store import done, seconds
from ganatomy.files import write_whole
from ganatomy.launch.many.cards import Cards, sharing, visible
from ganatomy.launch.signals import heard_by
from ganatomy.launch.train_process import TrainProcess
from ganatomy.launch.warm import Client, Server
from ganatomy.runs.directory import failed_game
from ganatomy.runs.integrity.checked import read_file, warn_once
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.runs.lock import InUse
from ganatomy.runs.terminal import Terminal

LOOK = 0.2
"""Seconds between looks at the runs."""


@dataclass
class Outcome:
    """End of the work: `signum` is the signal that stopped it, `failed` has a line for each failed run."""

    signum: int | None
    failed: list[str]


def missing(runs: Sequence[PlannedRun], kept: Mapping[tuple[str, int], object]) -> list[PlannedRun]:
    """Return the runs to train: those not kept, and those whose weights one of them needs here."""
    wanted: set[tuple[str, int]] = set()
    for run in reversed(runs):  # each stands after those it needs
        key = run.arm, run.seed
        if key not in kept:
            wanted.add(key)
        if key in wanted:
            wanted |= {other.key for other in run.needs if not done(other.directory)}
    return [run for run in runs if run.key in wanted]


class Runner:
    """Trains runs in processes, those first that others need.

    A request to stop reaches every run, which writes its checkpoint. A run that reads other data than its
    configuration did before raises UserError.

    Args:
        launch: Command that starts `train`.
        jobs: Runs at a time.
        patience: Seconds for a run to write its checkpoint when it is stopped.
        known: Hash of the data by the hash of their configuration; completed as runs begin.
        on_done: Called with each finished run; returns a line to print.
        warm: A server forks the runs, if there are several.
    """

    def __init__(
        self,
        launch: Sequence[str],
        jobs: int,
        patience: float,
        known: dict[str, str],
        on_done: Callable[[PlannedRun], str],
        warm: bool = False,
    ) -> None:
        self.launch, self.jobs, self.patience, self.known, self.on_done = (
            launch,
            jobs,
            patience,
            known,
            on_done,
        )
        self.warm, self.client = warm, Client()
        self.signum: int | None = None
        self.failed: list[str] = []
        self.running: dict[tuple[str, int], tuple[PlannedRun, TrainProcess, float]] = {}
        self.cards = Cards(visible(launch) if jobs > 1 else [])
        self.taken: dict[tuple[str, int], str | None] = {}
        self.devices: dict[str, int] = {}
        self.console = Terminal(stderr=True)

    def work(self, todo: Sequence[PlannedRun], total: int) -> Outcome:
        """Train until no run is left that can begin, or a signal comes."""
        waiting = list(todo)
        if waiting and (names := list(self.cards.users)):
            line = sharing(min(self.jobs, len(waiting)), max(map(self._devices, waiting)), names)
            self.console.print(line, soft_wrap=True) if line else None
        server = Server(safe_path="-P" in self.launch, wanted=self.warm and len(todo) > 1)
        with server, heard_by(self._ask), self._bar(total, total - len(todo)) as step:
            self.client = server
            try:
                while self.running or (waiting and self.signum is None):
                    if self.signum is not None:
                        break
                    waiting = self._begin(waiting)
                    time.sleep(LOOK)
                    server.revive()
                    self._look(step)
            finally:
                for run, process, began in self.running.values():
                    process.end(self.patience)
                    _clock(run, began)
        return Outcome(self.signum, self.failed)

    def _devices(self, run: PlannedRun) -> int:
        """Return the devices of a run, which are those of its arm: composing takes a while."""
        if run.arm not in self.devices:
            self.devices[run.arm] = devices(run)
        return self.devices[run.arm]

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum

    def _begin(self, waiting: list[PlannedRun]) -> list[PlannedRun]:
        """Start the runs that can start; return those that wait. Those that need a failed run never begin."""
        left = []
        for run in waiting:
            ready = all(done(other.directory) for other in run.needs)
            if ready and len(self.running) < self.jobs:
                own = self.cards.take(self._devices(run) if self.cards.users else 1)
                try:
                    process = TrainProcess(
                        self.launch, run.words, run.directory, self.patience, self.client, own
                    )
                except InUse as error:
                    self.cards.give_back(own)
                    self.failed.append(f"{run.arm} seed {run.seed}: {error}")
                    continue
                self.running[run.key], self.taken[run.key] = (run, process, time.monotonic()), own
            else:
                left.append(run)
        if left and not self.running:
            self.failed += [
                f"{run.arm} seed {run.seed}: was not begun, as a run it needs failed" for run in left
            ]
            left = []
        return left

    def _look(self, step: Callable[[str, str], None]) -> None:
        for key, (run, process, began) in list(self.running.items()):
            self._same_data(run)
            if process.running():
                continue
            del self.running[key]
            self.cards.give_back(self.taken.pop(key))
            result = process.result()
            _clock(run, began)
            name = f"{run.arm} seed {run.seed}"
            if done(run.directory):
                game = failed_game(run.directory)
                step(f"{name}: {self.on_done(run)}{game and f'; the game failed: {game}'}", self._note())
            else:
                why = "was stopped" if result is None else str(result)
                self.failed.append(f"{name}: {why} (see {process.log})")
                step(f"{name}: failed: {why}", self._note())
        step("", self._note())

    def _same_data(self, run: PlannedRun) -> None:
        try:
            found = read_file(run.directory, "data.json")
        except Damaged as error:
            warn_once(f"{error}; its data are not compared")
        else:
            if found and "hash" in found:
                same_data(self.known, run, data_hash(found))

    def _note(self) -> str:
        return ", ".join(f"{run.arm} {run.seed}" for run, _, _ in self.running.values())

    @contextlib.contextmanager
    def _bar(self, total: int, completed: int) -> Iterator[Callable[[str, str], None]]:
        """Show a bar on a terminal, and print a line for each run that ends."""
        columns = (TextColumn("[bold]experiment"), BarColumn(bar_width=28), MofNCompleteColumn())
        more = (TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
        bar = Progress(*columns, *more, console=self.console, disable=not self.console.is_terminal)
        bar.add_task("experiment", total=total, completed=completed, note="")

        def step(line: str, note: str) -> None:
            if line:
                self.console.print(line, soft_wrap=True)
            bar.update(bar.task_ids[0], advance=1 if line else 0, note=note)

        with bar:
            yield step


def same_data(known: dict[str, str], run: PlannedRun, found: str) -> None:
    """Raise UserError for a run that reads other data than its configuration did before.

    Args:
        known: Hash of the data by the hash of their configuration; this run's is added.
        run: The run.
        found: Hash of its data.
    """
    if known.setdefault(run.data, found) != found:
        raise UserError(
            f"data: {run.arm} seed {run.seed} reads other data ({found[:12]}) than the runs that are kept "
            f"({known[run.data][:12]}); bring the same data, or remove the results to begin anew"
        )


def _clock(run: PlannedRun, began: float) -> None:
    """Add the seconds of this start to the file beside the run directory."""
    total = (seconds(run.directory) or 0.0) + time.monotonic() - began
    write_whole(run.directory.with_suffix(".seconds"), f"{total:.1f}\n".encode())


@contextlib.contextmanager
def alone(place: Path) -> Iterator[None]:
    """Lock a folder of runs for one command; UserError for the second."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{place}: is being run by another process; wait for it, or end it") from error
        yield
