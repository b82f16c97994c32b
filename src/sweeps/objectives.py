"""The second objective of a sweep: what is read of a finished run beside its best validation score."""

from __future__ import annotations

import math
from pathlib import Path

from ganatomy.metrics.registry import describe
from ganatomy.runs.directory import Run

COPIES = "test/copied"
"""Share of synthetic images nearer to training images than held-out images are; see docs/sweeps.md."""
OBJECTIVES = ("seconds", "copies")
"""Second objectives beside the validation scores; less is better."""


def second_value(directory: Path, second: str) -> float | None:
    """Return the second objective of a finished run; None if the run does not have it as a number.

    Args:
        directory: Run directory.
        second: "seconds" (all of the run's), "copies", or a validation score, taken at the best step.
    """
    run = Run(directory)
    status = run.known_status()
    if second == "seconds":
        value = status.get("seconds")
    elif second == "copies":
        value = (run.read("metrics.json") or {}).get(COPIES)
    else:
        best = str((status.get("best") or {}).get("step"))
        rows = [row for row in run.read("metrics.csv") or [] if row.get("step") == best and row.get(second)]
        value = rows[-1][second] if rows else None
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None


def heading(second: str) -> str:
    """Return the second objective as it heads a column."""
    return second if second in OBJECTIVES else describe(second.split("/")[1]).heading
