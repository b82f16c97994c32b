"""List of all experiments with their progress and verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ganatomy.experiments.claims.verdicts import verdicts
from ganatomy.experiments.plan import runs
from ganatomy.experiments.results.wording import count
from ganatomy.experiments.spec import names, read
from ganatomy.experiments.store import Result, load, valid


def show(root: Path, console: Console) -> None:
    """Print a row for each experiment: name, title, runs, minutes and verdicts at the scale `cpu`."""
    table = Table(box=box.SIMPLE_HEAD, caption="minutes: of one run after the other; jobs=2 takes about half")
    for head in ("experiment", "title", "runs", "minutes", "claims"):
        table.add_column(head, justify="right" if head in ("runs", "minutes") else "left")
    for name in names(root):
        experiment = read(root, name)
        planned = runs(experiment, Path("runs"))
        kept = valid(load(experiment), planned, experiment)
        outcome = count(verdicts(experiment, kept)) if kept else "not run"
        table.add_row(
            name, experiment.spec.title, f"{len(kept)} of {len(planned)}", minutes(kept.values()), outcome
        )
    console.print(table)


def minutes(kept: Iterable[Result]) -> str:
    """Return the minutes of these runs, each as long as its arm's quickest; empty where none was timed."""
    clocks: dict[str, list[float]] = {}
    for result in kept:
        if result.line["seconds"]:
            clocks.setdefault(result.line["arm"], []).append(float(result.line["seconds"]))
    seconds = sum(min(clock) * len(clock) for clock in clocks.values())
    return f"{seconds / 60:.0f}" if clocks else ""
