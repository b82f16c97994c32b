"""Scores of a translation and its baselines: of cases with targets, of sets, and by a run that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch, Split
from ganatomy.errors import UserError
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.outside import OutsideMetrics
from ganatomy.metrics.translation.case import AT_VALIDATION, SCORES, score_case
from ganatomy.metrics.translation.region import Range
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.translation.scores.reader import FLOOR, TargetReader
from ganatomy.tasks.translation.scores.sets import TargetSets
from ganatomy.tasks.translation.scores.units import region_of, truth_of, values_of

STAGES = ("val", "test")
Scores = dict[str, float]


class Scoring(nn.Module):
    """Tables of a translation, one for each stage and baseline, and what is computed beside them.

    Args:
        monitor: Monitored score, which a validation computes whatever it costs.
        data_range: Range of the target's values; see `ranges_of`.
        outside: The user's own metrics.
        baselines: Names of the baselines.
        dims: Number of spatial axes.
        returns: The method can take a translation back, so that its stages have `cycle_error`.

    Attributes:
        tables: Tables by name.
        reader: The finished run that reads translated images; None without one.
        paired: Cases of the last stage had targets of their own.
    """

    def __init__(
        self,
        monitor: str,
        data_range: Range | list[Range],
        outside: OutsideMetrics,
        baselines: Sequence[str],
        dims: int,
        returns: bool,
    ) -> None:
        super().__init__()
        self.monitored, self.data_range, self.dims = monitor.removeprefix("val/"), data_range, dims
        self.outside, self.returns = outside, returns
        self.baselines = tuple(baselines)
        names = (*STAGES, *self.baselines)
        self.tables: dict[str, CaseTable] = {name: CaseTable(self.columns(name)) for name in names}
        self.sets = TargetSets(names)
        self.reader: TargetReader | None = None
        self.paired = True

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the scores of a case in the table of a stage or baseline."""
        own = [score for score in SCORES if name != "val" or score in (*AT_VALIDATION, self.monitored)]
        cycle = ("cycle_error",) if self.returns and name in STAGES else ()
        return (*own, *self.outside.single, *cycle)

    def know(self, data: DataModule, window: int | list[int] | None) -> None:
        """Take over the data, with the sides of the images that are compared as sets.

        Args:
            data: Data of the run, or cases to be scored.
            window: Sides of the sliding window, for data without training images.
        """
        sides = data.shape if data.records.get("train") else window
        self.sets.know(data, [sides] * self.dims if isinstance(sides, int) else sides)

    def read_by(self, reader: TargetReader) -> None:
        """Have a finished run read the images of the test and of its baselines."""
        self.reader = reader
        reader.begin(("test", *self.baselines))

    def add(
        self,
        outputs: Mapping[str, Tensor],
        batch: Batch,
        rows: list[int],
        files: Originals | None,
        cycle_error: float = float("nan"),
    ) -> None:
        """Add one case.

        Args:
            outputs: Translated images of its rows by stage or baseline, [n, K, *spatial].
            batch: Evaluation batch.
            rows: Rows of the case.
            files: Files of the test cases; None to score the network's output.
            cycle_error: Error there and back, in the source's units.

        Raises:
            UserError: The case cannot be scored with this data range.
        """
        case = batch["case"][rows[0]]
        for name, output in outputs.items():
            found = self._against_target(case, name, batch, rows, output, files)
            self.tables[name].update(case, {"cycle_error": cycle_error} | found)
            self.sets.update(name, batch, rows, output)
        if self.reader is not None and "test" in outputs:
            self.reader.update(dict(outputs), batch, rows)

    def _against_target(
        self,
        case: str,
        name: str,
        batch: Batch,
        rows: list[int],
        output: Tensor,
        files: Originals | None,
    ) -> Scores:
        """Return the scores of an image against the case's own target; NaN without one."""
        wanted = [score for score in self.columns(name) if score in SCORES]
        if "target" not in batch:
            return dict.fromkeys((*wanted, *self.outside.single), float("nan"))
        values = values_of(files, batch, rows, output, self.dims)
        truth, mask = truth_of(files, batch, rows, self.dims), region_of(files, batch, rows)
        try:
            scores = score_case(values, truth, mask, self.data_range, wanted)
        except ValueError as error:
            mend = "; give task.data_range" if str(error).startswith("data_range") else ""
            raise UserError(f"{case}: {error}{mend}") from error
        return scores | self.outside.named(case, values, truth)

    def of_stage(
        self, stage: str, found: Scores, rows: list[dict[str, Any]]
    ) -> tuple[Scores, list[dict[str, Any]]]:
        """Complete the scores of a stage; every process must call it.

        Args:
            stage: "val" or "test".
            found: Means of its table.
            rows: Its rows by case.

        Returns:
            Scores and rows, with those of sets and of the reader; without those against targets if no case
            had one.
        """
        self.paired = not np.isnan(found["mae"])
        split: Split = "val" if stage == "val" else "test"
        found = found | self.sets.scores(stage, split, self.paired)
        if stage == "test" and self.reader is not None:
            found |= self.reader.scores(stage)
            rows = self.reader.with_scores(rows, stage)
        if rows and not self.paired:
            return self._without_targets(found), [self._without_targets(row) for row in rows]
        return found, rows

    def undefined(self, rows: list[dict[str, Any]]) -> list[str]:
        """Return a line for each similarity that is undefined in some of the scored cases, and in no mean.

        Args:
            rows: Rows of the test by case.
        """
        scored = [row for row in rows if not np.isnan(row.get("mae", np.nan))]
        lines = []
        for name in ("ssim", "multiscale_ssim"):
            if missing := sum(bool(np.isnan(row[name])) for row in scored):
                rest = "the mean is of the others" if missing < len(scored) else "no mean"
                what = f"note: {name}: undefined in {missing} of {len(scored)} cases, {rest}"
                lines.append(f"{what}; no window has its middle in the mask")
        return lines

    def of_baselines(self, found: Scores) -> Scores:
        """Complete `<baseline>/<score>`; every process must call it."""
        found = dict(found)
        for name in self.baselines:
            more = self.sets.scores(name, "test", self.paired)
            more |= self.reader.scores(name) if self.reader is not None else {}
            found |= {f"{name}/{score}": value for score, value in more.items()}
        unmade = {name for name in self.baselines if np.isnan(found.get(f"{name}/swd", np.nan))}
        unmade = {name for name in unmade if np.isnan(found.get(f"{name}/mae", np.nan))}
        found = {name: value for name, value in found.items() if name.split("/")[0] not in unmade}
        return found if self.paired else self._without_targets(found)

    def of_floor(self) -> Scores:
        """Return the scores of true images of the target side; every process must call it."""
        read = self.reader.scores(FLOOR) if self.reader is not None else {}
        return self.sets.floor("test", self.paired) | read

    def _without_targets(self, scores: dict[str, Any]) -> dict[str, Any]:
        need = {*SCORES, *self.outside.single}
        return {name: value for name, value in scores.items() if not need & set(name.split("/"))}
