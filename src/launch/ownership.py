"""A run directory of its own for each command, in the hands of one process until the last file is written."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from ganatomy.config.plans.grammar import quoted
from ganatomy.launch.signals import heard_by
from ganatomy.runs import reserve
from ganatomy.runs.lock import LEFT_OVER, RunLock
from ganatomy.runs.process_place import is_rank_zero as first_process

TIME = "${now:"


class Stopped(SystemExit):
    """Request to stop that came before the first step; no `except Exception` of a library keeps it."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name} before the first step"


@contextmanager
def owned(directory: Path, resumes: bool, is_rank_zero: bool) -> Iterator[None]:
    """Hold the lock of a run directory within the block, and room on its disk for the last status.

    Only rank zero locks, as only it writes. A request to stop ends the block at once, until the training
    takes such requests itself.

    Args:
        directory: Run directory; made for a new run.
        resumes: The run that is there goes on.
        is_rank_zero: This is the first process of the run.

    Raises:
        UserError: Another process holds the lock, or the directory cannot be written.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    with heard_by(stop):
        lock = _lock(directory, resumes) if is_rank_zero else None
        try:
            yield
        except Stopped as stopped:
            if is_rank_zero:
                begun = not resumes and any(_others(directory))
                way = "it anew with another run_dir" if begun else "the same command again"
                sys.stderr.write(f"{stopped}; start {way}\n")
            raise
        finally:
            if lock is not None:
                reserve.free(directory)
                lock.release()


def _lock(directory: Path, resumes: bool) -> RunLock | None:
    """Take the lock; None for a directory that is refused anyway: none there, or one with other files."""
    if resumes and not directory.is_dir():
        return None
    if not resumes:
        directory.mkdir(parents=True, exist_ok=True)
        if any(_others(directory)):
            return None
    lock = RunLock(directory, "resume" if resumes else "run_dir")
    lock.take()
    if lock.note:
        sys.stderr.write(f"{lock.note}\n")
    reserve.keep(directory)
    return lock


def _others(directory: Path) -> Iterator[Path]:
    return (path for path in directory.iterdir() if not path.name.startswith(LEFT_OVER))


class NewFolders(Callback):
    """Hydra callback that makes the directory under the first free name: NAME, NAME_2, NAME_3, ...

    Names made of the time are equal for commands begun in one second. A directory that was named otherwise is
    used, or refused, as it stands.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        raw: Any = OmegaConf.to_container(config, resolve=False)
        named = str(raw["hydra"]["run"]["dir"]).replace("${run_dir}", str(raw.get("run_dir")))
        if TIME in named and not config.get("resume") and first_process():
            HydraConfig.instance().set_config(config)  # as Hydra does next: the name refers to it
            with read_write(config.hydra.run):
                config.hydra.run.dir = made(config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        raw: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
        if TIME in str(raw["dir"]):
            with read_write(config.hydra):
                config.hydra.sweep.dir = made(config.hydra.sweep.dir)
                # each job is composed anew, from these words
                config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(config.hydra.sweep.dir)}")


def made(path: str) -> str:
    """Make a directory that nobody else has made and return its name; `path` where none can be made."""
    with suppress(OSError):  # the command itself says what is wrong with the place
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        for name in chain([path], (f"{path}_{number}" for number in count(2))):
            with suppress(FileExistsError):
                Path(name).mkdir()
                return name
    return path
