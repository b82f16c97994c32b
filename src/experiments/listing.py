"""List of all experiments with their progress, their verdicts, and what deciding the rest would take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ganatomy.experiments.claims.verdicts import verdicts
from ganatomy.experiments.deciding.forecast import Bill, Forecast, clocks, forecasts
from ganatomy.experiments.deciding.power import MOST
from ganatomy.experiments.plan import PlannedRun, runs
from ganatomy.experiments.results.wording import count
from ganatomy.experiments.spec import Experiment, names, read
from ganatomy.experiments.store import Key, Result, load, valid

CAPTION = (
    "minutes: of one run after the other; jobs=2 takes about half. to decide: seeds for each undecided "
    "claim, and the time for all of them, if the differences are as observed (NAME plan=true says more)"
)


def show(root: Path, console: Console) -> None:
    """Print a row for each experiment at the scale `cpu`: runs, minutes, verdicts, and what is left to do."""
    table = Table(box=box.SIMPLE_HEAD, caption=CAPTION)
    for head in ("experiment", "title", "runs", "minutes", "claims", "to decide"):
        table.add_column(head, justify="right" if head in ("runs", "minutes") else "left")
    for name in names(root):
        experiment = read(root, name)
        planned = runs(experiment, Path("runs"))
        kept = valid(load(experiment), planned, experiment)
        table.add_row(name, experiment.spec.title, *_cells(experiment, planned, kept))
    console.print(table)


def _cells(experiment: Experiment, planned: Sequence[PlannedRun], kept: Mapping[Key, Result]) -> list[str]:
    looks = experiment.looks
    done = str(len(kept)) if looks else f"{len(kept)} of {len(planned)}"
    if not kept:
        return [done, "", "not run", ""]
    outcome = count(verdicts(experiment, kept))
    if looks:
        outcome += f" ({looks.made[-1]} seeds of at most {looks.max_seeds})"
    left = to_decide(forecasts(experiment, planned, kept), Bill.of(experiment, kept))
    return [done, minutes(kept.values()), outcome, left]


def to_decide(found: Sequence[Forecast], bill: Bill) -> str:
    """Return the seeds of each undecided claim, and the time for all; and how many no seeds decide."""
    undecided = [each for each in found if not each.decided]
    counted = [each for each in undecided if each.countable]
    parts = []
    if counted:
        total = bill.total([(each, each.seeds) for each in counted])
        time = "" if math.isnan(total) else f": {total:.0f} min" if total < 120 else f": {total / 60:.0f} h"
        seeds = ", ".join(f"{number:.0f}" for number in sorted(each.seeds for each in counted))
        parts.append(f"{seeds} seeds{time}")
    if len(undecided) > len(counted):
        parts.append(f"{len(undecided) - len(counted)} by none up to {MOST}")
    return "; ".join(parts)


def minutes(kept: Iterable[Result]) -> str:
    """Return the minutes of these runs, each as long as its arm's quickest; empty where none was timed."""
    timed = [result for result in kept if result.line["seconds"]]
    clock = clocks(timed)
    return f"{sum(clock[result.line['arm']] for result in timed):.0f}" if timed else ""
