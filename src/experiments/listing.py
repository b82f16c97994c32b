"""All experiments, how far each has come, and their verdicts."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from src.experiments.findings import verdicts
from src.experiments.plan import runs
from src.experiments.sheet import names, read
from src.experiments.store import load, valid
from src.experiments.words import count


def show(root: Path, console: Console) -> None:
    """A row an experiment: name, title, runs of those planned, verdicts at the scale `cpu`."""
    table = Table(box=box.SIMPLE_HEAD)
    for head in ("experiment", "title", "runs", "claims"):
        table.add_column(head, justify="right" if head == "runs" else "left")
    for name in names(root):
        experiment = read(root, name)
        planned = runs(experiment, Path("runs"))
        kept = valid(load(experiment), planned, experiment)
        told = count(verdicts(experiment, kept)) if kept else "not run"
        table.add_row(name, experiment.sheet.title, f"{len(kept)} of {len(planned)}", told)
    console.print(table)
