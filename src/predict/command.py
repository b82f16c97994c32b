"""Predict all cases that a user names: load, plan, work in one process or several, and write the tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganatomy.data.records import Record
from ganatomy.errors import UserError
from ganatomy.inference.ensemble import load_runs, member_tasks
from ganatomy.inference.inputs import Named, inputs
from ganatomy.inference.loaded import LoadedRun
from ganatomy.inference.predictor import Loaded, Predictor
from ganatomy.predict import journal, outputs, pictures
from ganatomy.predict.plan import Plan, plan
from ganatomy.predict.progress import progress
from ganatomy.predict.settings import PredictConfig
from ganatomy.predict.work import Job, work
from ganatomy.runs.directory import write_atomically
from ganatomy.runs.keys import write_private
from ganatomy.runs.lock import RunLock
from ganatomy.training.build import laid_out


def predict(config: PredictConfig) -> int:
    """Predict every case of the input that has no answer yet; return how many failed."""
    loaded = load(config)
    source = inputs(loaded.preprocessing, config.input, config.series)
    config.check_output(source.folder)
    records = source.records()
    folder = config.folder
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        todo = plan(config, loaded, source, records)
        begun = time.monotonic()
        if todo.todo:
            run_all(config, loaded, source, records, todo)
        return finish(config, source, records, todo, time.monotonic() - begun)


def load(config: PredictConfig) -> LoadedRun:
    """Load the run, or the runs, with the settings of the command.

    Raises:
        UserError: A setting does not suit the run.
    """
    loaded = load_runs(config.runs, config.device, config.mirror_axes, config.samples, doubt=config.doubt)
    if config.precision != "run":
        if config.precision == "16-mixed" and loaded.device.type == "cpu":
            raise UserError("precision=16-mixed: needs a GPU; use bf16-mixed or 32-true here")
        trainer = {**loaded.cfg.trainer.to_plain(), "precision": config.precision}
        loaded = replace(loaded, cfg=loaded.cfg.with_values(trainer=trainer))
        if config.precision == "bf16-mixed":
            laid_out(loaded.task, True)  # faster in half precision, and no bit is promised there
    if config.window is not None:
        if not hasattr(loaded.task, "window"):
            raise UserError("window: this run's task takes whole images; set it to null")
        for task in member_tasks(loaded):
            task.window = config.window  # type: ignore[assignment]
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    return loaded


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder of the answers; UserError if another process predicts into it."""
    lock = RunLock(folder, "output")
    lock.take()
    try:
        yield
    finally:
        lock.release()


def run_all(
    config: PredictConfig, loaded: LoadedRun, source: Named, records: list[Record], todo: Plan
) -> None:
    """Work through the cases with progress on the terminal.

    Args:
        config: Keys of the command.
        loaded: The run.
        source: Where the cases come from.
        records: All cases, in order.
        todo: Which of them are predicted.
    """
    from ganatomy.predict.processes import work_in_processes

    with progress(len(records), len(todo.done)) as report:
        if config.processes > 1 and len(todo.todo) > 1:
            work_in_processes(config, [record.case for record in todo.todo], report)
        else:
            work(job_of(config, loaded, source, records, todo.names), iter(todo.todo), report)


def job_of(
    config: PredictConfig, loaded: LoadedRun, source: Named, records: list[Record], names: dict[str, str]
) -> Job:
    """Return what a process works on.

    Args:
        config: Keys of the command.
        loaded: The run.
        source: Where the cases come from.
        records: All cases, in order; the first ones are drawn.
        names: Path of each case's answer, by case.
    """
    drawn = frozenset(record.case for record in records[: config.pictures])
    kept = loaded.preprocessing.familiarity if config.familiarity else None
    return Job(config, Predictor(loaded, source, records), names, drawn, warner(kept))


def warner(kept: Any) -> Callable[[Loaded], list[str]]:
    """Return the test of a loaded case against what the run kept of its training images."""
    from ganatomy.inference.familiar import reasons

    return lambda ready: [str(reason) for reason in reasons(kept, ready.case)]


def finish(config: PredictConfig, source: Named, records: list[Record], todo: Plan, seconds: float) -> int:
    """Write the tables and the overview, and say what was done; return how many cases failed.

    Args:
        config: Keys of the command.
        source: Where the cases came from.
        records: All cases, in order.
        todo: Which of them were predicted now.
        seconds: Time that took.
    """
    folder = config.folder
    found = journal.read(folder)
    entries = [found[record.case] for record in records if record.case in found]
    earlier = [entry for case, entry in found.items() if case not in {record.case for record in records}]
    journal.write(folder, [*earlier, *entries])
    outputs.write_boxes(folder, [*earlier, *entries])
    if hasattr(source, "keys"):
        write_private(folder / "keys.csv", source.keys())
    names = [todo.names[record.case] for record in records[: config.pictures]]
    if (picture := pictures.overview(folder, names)) is not None:
        write_atomically(folder / pictures.OVERVIEW, picture)
    failed = sum(entry.status == "failed" for entry in entries)
    warned = sum(bool(entry.warnings) for entry in entries)
    now = len(todo.todo) - failed
    words = [f"{now} predicted in {seconds:.0f} s"]
    words += [f"{len(todo.done)} were there already"] if todo.done else []
    words += [f"{warned} unlike the training images (column warnings)"] if warned else []
    words += [f"{failed} failed (column error)"] if failed else []
    sys.stdout.write(f"{', '.join(words)}\npredictions: {folder}/{journal.TABLE}\n")
    return failed
