"""What stands in a run directory when the run is over, and what is said of it."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.core.run import Run, write_atomically


def best(trainer: Any) -> dict[str, Any]:
    """Score and step of best.ckpt."""
    from src.callbacks.checkpoint import Checkpoints

    found = next(callback for callback in trainer.callbacks if isinstance(callback, Checkpoints))
    return {"score": found.best_score, "step": found.best_step}


def judged(run: Run, task: Any, best: dict[str, Any], wanted: str) -> tuple[Path, str]:
    """The checkpoint whose weights are tested, and what is to be said of it: the last one where no validation
    could tell the best.
    """
    if wanted != "best":
        return run.last, ""
    if math.isfinite(best["score"]):
        return run.best, ""
    return run.last, f"{task.monitor} was undefined at every validation: the last weights are tested"


def write(run: Run, task: Any, trainer: Any) -> None:
    """metrics.json, scores.csv (a row a test case) and the weights of the generator that was tested."""
    scores = {name: float(value) for name, value in sorted(task.final.items())}
    run.write("metrics.json", scores)
    if task.case_scores:
        rows = with_subjects(task.case_scores, trainer.datamodule.records["test"])
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(run.path / "scores.csv", text.getvalue().encode())
    write_atomically(run.path / "generator.safetensors", weights(task))
    if trainer.is_global_zero:
        task.finish_test(run.path)


def with_subjects(rows: Sequence[dict[str, Any]], records: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows, each with the number of its `subject` among the sorted ones: whose cases belong together.

    A row's case is a record's, or that of a slice: the record's name, a blank and a number.
    """
    numbers = {name: place for place, name in enumerate(sorted({record.subject for record in records}))}
    owners = {record.case: numbers[record.subject] for record in records}
    return [
        {**row, "subject": owners.get(row["case"], owners.get(row["case"].rpartition(" ")[0], ""))}
        for row in rows
    ]


def weights(task: Any) -> bytes:
    """What generator.safetensors holds: the weights of the generator that is judged."""
    import safetensors.torch

    state = task.evaluator.state_dict()
    content: bytes = safetensors.torch.save(
        {name: v.detach().cpu().contiguous() for name, v in state.items()}
    )
    return content


def show(run: Run, cfg: dict[str, Any], verdicts: Sequence[str]) -> None:
    """The table of test scores on the terminal, what follows from them in words, and report.html."""
    from rich.console import Console

    from src.pictures.table import score_table

    console = Console()
    unit = (run.read("data.json") or {}).get("units", "mm")
    console.print(score_table(run.read("metrics.json"), unit=unit), crop=False)
    for line in verdicts:
        console.print(f"{line}\n", markup=False, highlight=False)
    if cfg["callbacks"]["report"]:
        from src.pictures.report import write_report

        write_report(run.path)


def close_wandb(exit_code: int) -> None:
    """End the W&B run of this process, if it began one."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.finish(exit_code=exit_code)
