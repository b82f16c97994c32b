"""How many processes a call of `train` starts, and with which command line."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from ganatomy.errors import GAME_FAILED
from ganatomy.invocation import child_command
from ganatomy.launch.warm import Client, Server
from ganatomy.runs.directory import failed_game
from ganatomy.runs.multirun import NOTES, given_words
from ganatomy.runs.process_place import is_rank_zero, process_place

if TYPE_CHECKING:
    from ganatomy.config.schema import TrainerConfig


_servers: list[Server] = []
"""The server of a multirun that this process leads."""


def processes_of(trainer: TrainerConfig) -> int:
    """Return how many processes to start for this run; 0 to run it in this one.

    A job of a multirun has a process of its own, so that one that crashes leaves the others alone, and the
    processes of a distributed job run that job, not the whole sweep again.
    """
    from ganatomy.launch.launcher import follow_parent
    from ganatomy.launch.reports import launched

    if launched():
        follow_parent()
    if launched() or process_place() is not None:
        return 0
    count = trainer.devices
    return count if count > 1 or HydraConfig.get().mode == RunMode.MULTIRUN else 0


def train_in_processes(count: int, directory: Path) -> float:
    """Run this command in `count` processes; return the best validation score."""
    from ganatomy.config.compose import searched
    from ganatomy.config.mistakes.keys import search_path
    from ganatomy.config.plans.grammar import quoted
    from ganatomy.launch.launcher import launch
    from ganatomy.runs.directory import Run

    words = [*given_words(HydraConfig.get()), *search_path(searched())]
    words += [f"hydra.run.dir={quoted(str(directory.absolute()))}", "hydra.mode=RUN"]
    with _cards(count) as cards:
        launch(child_command("train"), words, count, directory, _client(count), cards)
    score = Run(directory).read("status.json")["best"]["score"]
    return math.nan if score is None else float(score)


def _client(count: int) -> Client | None:
    """Return the server that forks the jobs of this multirun, started by the first; None for a single run."""
    hydra = HydraConfig.get()
    one_by_one = hydra.mode == RunMode.MULTIRUN and "basic_launcher" in hydra.launcher["_target_"]
    if count > 1 or not one_by_one:
        return None
    if not _servers:
        _servers.append(Server(safe_path="-P" in child_command("train")))
        _servers[0].start()
        atexit.register(_servers[0].stop)
    _servers[0].revive()
    return _servers[0]


@contextlib.contextmanager
def _cards(count: int) -> Iterator[str | None]:
    """Hold the cards of a job of a multirun whose jobs run side by side; None for any other run."""
    from ganatomy.launch.many import cards

    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN or hydra.runtime.choices.get("hydra/launcher") != "joblib":
        yield None
        return
    names = cards.visible()
    number, folder = int(hydra.job.num), Path(hydra.sweep.dir).absolute() / NOTES
    if number == 0 and (line := cards.sharing(_jobs(hydra), count, names)):
        sys.stderr.write(f"{line}\n")
    with cards.claimed(folder, number, count, names) as own:
        yield own


def _jobs(hydra: Any) -> int:
    """Return how many jobs joblib runs at a time."""
    asked = int(hydra.launcher.get("n_jobs") or 1)
    return asked if asked > 0 else max(1, (os.cpu_count() or 1) + 1 + asked)


def end_by_game(directory: Path) -> None:
    """End this process with `GAME_FAILED` if the game of its run failed; a job of a multirun goes on.

    Of several processes the first one says so.
    """
    if HydraConfig.get().mode == RunMode.RUN and is_rank_zero() and failed_game(directory):
        raise SystemExit(GAME_FAILED)
