"""Results of a finished run: its files, and the table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.runs import baselines
from ganatomy.runs.directory import Run
from ganatomy.runs.weights import tensors, weights
from ganatomy.text.tables import csv_text
from ganatomy.training import preprocessing

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.data.records import Record
    from ganatomy.tasks.base import AdversarialTask


def best(trainer: pl.Trainer) -> dict[str, Any]:
    """Return score and step of best.ckpt; under `missing` those of better weights whose file was damaged."""
    from ganatomy.callbacks.checkpoint import Checkpoints

    watchers: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    found = next(callback for callback in watchers if isinstance(callback, Checkpoints))
    missing = {"missing": found.missing_best} if found.missing_best else {}
    return {"score": found.best_score, "step": found.best_step, **missing}


def length(steps: int, cfg: Config) -> tuple[str, list[str]]:
    """Return how long the run was, and the same as a line for the user if the guard ended it early."""
    if steps >= cfg.trainer.max_steps:
        return f"{cfg.trainer.max_steps} steps", []
    text = f"{steps} of {cfg.trainer.max_steps} steps: guard={cfg.guard.name} ended the training"
    return text, [text]


def game(trainer: pl.Trainer) -> dict[str, Any]:
    """Return the name of the failed game, or `healthy`, and all events; empty without a guard."""
    from ganatomy.callbacks.guard import Guard

    watchers: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    found = next((callback for callback in watchers if isinstance(callback, Guard)), None)
    return {} if found is None else found.outcome()


def failed_game(trainer: pl.Trainer, error: BaseException) -> dict[str, Any]:
    """Return what `game` returns, with `not_finite` if that is the error; {} for any other error."""
    from ganatomy.adversarial import NotFinite
    from ganatomy.guard.events import Event

    if not isinstance(error, NotFinite):
        return {}
    step = getattr(trainer.lightning_module, "batches_done", 0)
    event = Event.named("not_finite", step, "", str(error))
    events = [*game(trainer).get("events", []), {**event.to_plain(), "healed": False}]
    return {"game": event.name, "events": events}


def checkpoint_to_test(
    run: Run, task: AdversarialTask, best: dict[str, Any], wanted: str
) -> tuple[Path, str]:
    """Return the checkpoint whose weights are tested, and a note for the user.

    Args:
        run: Run directory with the checkpoints.
        task: Task that names the monitored score.
        best: Score and step of best.ckpt.
        wanted: `trainer.test_checkpoint`, best or last.

    Returns:
        Path of the checkpoint, and why it is not the wanted one: the score was undefined at every
        validation. The note is empty otherwise.
    """
    if wanted != "best":
        return run.last, ""
    if math.isfinite(best["score"]):
        return run.best, ""
    return run.last, f"{task.monitor} was undefined at every validation: the last weights are tested"


def weights_to_test(run: Run, task: AdversarialTask, best: dict[str, Any], wanted: str) -> tuple[Path, str]:
    """Return the checkpoint whose weights are tested, having read it, and a note for the user.

    Args:
        run: Run directory with the checkpoints.
        task: Task that names the monitored score.
        best: What `best` returns.
        wanted: `trainer.test_checkpoint`, best or last.

    Returns:
        Path of the checkpoint, and why it does not hold the wanted weights; empty if it does.
    """
    from ganatomy.runs.checkpoints.resumption import fault_of_best, shapes
    from ganatomy.runs.process_place import from_rank_zero

    path, note = checkpoint_to_test(run, task, best, wanted)
    if path != run.best:
        return path, note
    weights = shapes(task.state_dict())
    if fault := from_rank_zero(lambda: fault_of_best(path, best["step"], weights)):
        return run.last, f"best.ckpt {fault}: the last weights are tested"
    if missing := best.get("missing"):
        note = (
            f"best.ckpt of step {missing['step']} ({task.monitor} {missing['score']:.4g}) was damaged: the "
            f"best weights since then are tested, those of step {best['step']}"
        )
    return path, note


def write(run: Run, task: AdversarialTask, trainer: pl.Trainer) -> None:
    """Write metrics.json, scores.csv (a row for each test case), and what applies the tested generator.

    That is its weights, preprocessing.json, task.safetensors if the task keeps more, and the baselines.

    Args:
        run: Run directory.
        task: Task with its final scores.
        trainer: Trainer with the data.
    """
    scores = {name: float(value) for name, value in sorted(task.final.items())}
    run.write("metrics.json", scores)
    data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
    if task.case_scores:
        rows = with_subjects(task.case_scores, data.records["test"])
        run.write_bytes("scores.csv", csv_text(list(rows[0]), rows).encode())
    run.write_bytes("generator.safetensors", weights(task.evaluator))
    if kept := task.state_to_keep():
        run.write_bytes("task.safetensors", tensors(kept))
    run.write(preprocessing.NAME, preprocessing.preprocessing_of(data, task).to_plain())
    if fitted := task.kept_baselines():
        run.write_bytes(baselines.NAME, baselines.content(fitted))
    run.keep_copy("metrics.csv")  # the test has added its row since the last checkpoint
    if trainer.is_global_zero:
        task.write_test_files(run.path)


def behind(
    run: Run, task: AdversarialTask, trainer: pl.Trainer, steps: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return which baselines the tested run is not ahead of, for status.json, and the last lines of the run.

    A training that was ended early is no reason to propose more steps, so nothing is said of its trend.

    Args:
        run: Run directory, which tells the unit of distances.
        task: Task with the scores of its test; its `batches_done` are those of the tested checkpoint.
        trainer: Trainer with the data and the loggers.
        steps: Steps that were trained.
    """
    from ganatomy.metrics.differences.behind import RUN, standing
    from ganatomy.metrics.differences.trend import trend

    data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
    records = data.records["test"]
    rows = {RUN: task.case_scores, **task.baseline_cases}
    found = standing(
        task.final, task.main_score, {name: with_subjects(own, records) for name, own in rows.items()}
    )
    monitored = task.monitor.removeprefix("val/")
    unit = (run.read("data.json") or {}).get("units", "mm")
    course = trend(monitored, validations(trainer, task.monitor), steps, task.rate_left)
    early = steps < trainer.max_steps
    plain, lines = [], []
    for one in found:
        missing = one.missing if one.score == monitored else 0.0  # else in other units than validations
        lines.append(one.words(unit) if early else f"{one.words(unit)}; {course.words(missing, unit)}")
        plain.append({**one.to_plain(), "line": lines[-1]})
    return plain, lines


def validations(trainer: pl.Trainer, monitor: str) -> list[tuple[int, float]]:
    """Return step and value of a score at each validation, from the history or from what the guard saw."""
    from ganatomy.callbacks.guard import Guard
    from ganatomy.callbacks.history import History

    for logger in trainer.loggers:
        if isinstance(logger, History):
            rows = logger.rows.items()
            return [(step, float(row[monitor])) for step, row in sorted(rows) if row.get(monitor, "") != ""]
    watchers: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    looks = [look for each in watchers if isinstance(each, Guard) for look in each.record.looks]
    return [(look.step, look.score) for look in looks]


def with_subjects(rows: Sequence[dict[str, Any]], records: Sequence[Record]) -> list[dict[str, Any]]:
    """Add to each row the number of its `subject` among the sorted subjects.

    A row's case is a record's, or that of a slice: the record's name, a blank and a number.
    """
    numbers = {name: place for place, name in enumerate(sorted({record.subject for record in records}))}
    owners = {record.case: numbers[record.subject] for record in records}
    return [
        {**row, "subject": owners.get(row["case"], owners.get(row["case"].rpartition(" ")[0], ""))}
        for row in rows
    ]


def show(run: Run, closing_lines: Sequence[str], report: bool) -> None:
    """Print the table of test scores and further lines; write report.html if asked for.

    Args:
        run: Run directory.
        closing_lines: Lines below the table.
        report: Write report.html.
    """
    from ganatomy.pictures.table import score_table
    from ganatomy.runs.terminal import Terminal

    console = Terminal()
    unit = (run.read("data.json") or {}).get("units", "mm")
    console.print(score_table(run.read("metrics.json"), unit=unit), crop=False)
    if failed := failure(run.read("status.json") or {}):
        console.print(failed)
    for line in closing_lines:
        console.print(f"{line}\n")
    if report:
        from ganatomy.pictures.report import write_report

        write_report(run.path)


def failure(status: dict[str, Any]) -> Any:
    """Return a box that names the failed game with cause and advice; None for a healthy one."""
    from rich.panel import Panel
    from rich.text import Text

    from ganatomy.guard.events import HEALTHY, standing

    if status.get("game", HEALTHY) == HEALTHY:
        return None
    text = Text("\n\n").join(
        Text.assemble(
            (event.name, "bold"), f", step {event.step}: {event.cause}.\nWhat to do: {event.advice}."
        )
        for event in standing(status["events"])
    )
    return Panel(text, title="The game failed", title_align="left", border_style="red", expand=False)
