"""metrics.csv: every logged value, one row per step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from ganatomy.runs.directory import Run
from ganatomy.runs.integrity.checked import read_file
from ganatomy.text.tables import csv_text

FINAL = ("test/", "baseline/", "floor/")
"""Final scores, which a resumed run computes again."""


class History(Logger):
    """Logger to one CSV file, written whole at `save`.

    A resumed run drops rows beyond `resume_at`, the step of its checkpoint. UserError for a damaged file
    without a sound copy.
    """

    def __init__(self, path: Path, resume_at: int | None = None) -> None:
        super().__init__()
        self.path = path
        self.rows: dict[int, dict[str, Any]] = {}
        if resume_at is not None:
            for row in read_file(path.parent, path.name) or ():
                step = int(row.pop("step"))
                if step <= resume_at:
                    self.rows[step] = {n: v for n, v in row.items() if v != "" and not n.startswith(FINAL)}

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration has its own file."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.setdefault(int(step or 0), {}).update(metrics)

    @rank_zero_only
    def save(self) -> None:
        columns = dict.fromkeys(name for row in self.rows.values() for name in row)
        rows = [{"step": step, **self.rows[step]} for step in sorted(self.rows)]
        Run(self.path.parent).write_bytes(self.path.name, csv_text(["step", *columns], rows).encode())

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()
