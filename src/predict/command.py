"""Predict all cases that a user names: load, plan, work in one process or several, and write the tables."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from ganatomy.data.records import Record
from ganatomy.inference.inputs import Named, passed_over
from ganatomy.inference.loaded import LoadedRun
from ganatomy.launch.signals import heard_by
from ganatomy.predict import journal, outputs, pictures
from ganatomy.predict.plan import Plan, plan
from ganatomy.predict.processes import work_in_processes
from ganatomy.predict.progress import progress
from ganatomy.predict.series import source_of
from ganatomy.predict.settings import PredictConfig
from ganatomy.predict.setup import job_of, load
from ganatomy.predict.work import work
from ganatomy.runs.checkpoints.orphans import remove_orphans
from ganatomy.runs.directory import failed_game, write_atomically
from ganatomy.runs.keys import write_private
from ganatomy.runs.lock import RunLock


def predict(config: PredictConfig) -> int:
    """Predict every case of the input that has no answer yet; return how many failed."""
    loaded = load(config)
    say_failed_games(config.runs)
    source, others = source_of(config, loaded)
    config.check_output(source.folder)
    for note in filter(None, (passed_over(source), others)):
        sys.stderr.write(f"note: {note}\n")
    records = source.records()
    folder = config.folder
    folder.mkdir(parents=True, exist_ok=True)
    with heard_by(_stop), locked(folder):
        remove_orphans(folder)
        todo = plan(config, loaded, source, records)
        begun = time.monotonic()
        if todo.todo:
            run_all(config, loaded, source, records, todo)
        return finish(config, source, records, todo, time.monotonic() - begun)


def say_failed_games(runs: Sequence[str]) -> None:
    """Say which of the runs ended with a game that failed: their answers may be poor."""
    for run in runs:
        if game := failed_game(Path(run).expanduser()):
            sys.stderr.write(f"note: run={run}: its game failed ({game}); see its report.html\n")


def _stop(signum: int, frame: object) -> NoReturn:
    name = signal.Signals(signum).name
    sys.stderr.write(f"stopped by {name}; the same command again does the rest\n")
    raise SystemExit(128 + signum)


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
    with progress(len(records), len(todo.done)) as report:
        if config.processes > 1 and len(todo.todo) > 1:
            work_in_processes(config, [record.case for record in todo.todo], report)
        else:
            work(job_of(config, loaded, source, records, todo.names), iter(todo.todo), report)


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
    if (picture := _overview(folder, [*earlier, *entries], records[: config.pictures], todo)) is not None:
        write_atomically(folder / pictures.OVERVIEW, picture)
    failed = sum(entry.status == "failed" for entry in entries)
    warned = sum(bool(entry.warnings) for entry in entries)
    now = len(todo.todo) - failed
    words = [f"{now} predicted in {seconds:.0f} s"]
    words += [f"{len(todo.done)} were there already"] if todo.done else []
    words += [f"{warned} with a warning (column warnings)"] if warned else []
    words += [f"{failed} failed (column error)"] if failed else []
    for why, count in Counter(entry.format for entry in entries if entry.format).items():
        sys.stdout.write(f"note: {why} ({count} {'file' if count == 1 else 'files'})\n")
    sys.stdout.write(f"{', '.join(words)}\npredictions: {folder}/{journal.TABLE}\n")
    return failed


def _overview(
    folder: Path, entries: Sequence[journal.Entry], records: Sequence[Record], todo: Plan
) -> bytes | None:
    """Return the overview, with the row of predictions.csv above each case."""
    rows = {entry.case: (number, entry) for number, entry in enumerate(entries, 1)}
    drawn = [(record.case, *rows[record.case]) for record in records if record.case in rows]
    return pictures.overview(
        folder,
        [todo.names[case] for case, _, _ in drawn],
        [f"row {number}" + (": warning" if entry.warnings else "") for _, number, entry in drawn],
        [bool(entry.warnings) for _, _, entry in drawn],
    )
