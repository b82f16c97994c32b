"""What the doubt of a finished run, or of an ensemble, is worth: calibration, and risk against coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.data.regrid import Grid, regrid
from ganatomy.errors import UserError
from ganatomy.inference.ensembles.doubt import case_doubt
from ganatomy.inference.ensembles.members import Members, scales
from ganatomy.inference.loaded import LoadedRun
from ganatomy.metrics.calibration.boxes import box_reliability
from ganatomy.metrics.calibration.label_maps import CLASS, EVERYWHERE, IN_QUESTION, LabelCalibration
from ganatomy.metrics.calibration.reliability import Reliability
from ganatomy.metrics.calibration.risk_coverage import RiskCoverage, risk_coverage
from ganatomy.pictures.figures import reliability_diagram, risk_coverage_figure
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.scored import scored_labels, split_truth
from ganatomy.tasks.shared.volumes import rows_by_case, stack_slices

LOSSES = {"dice": ("1 - Dice", 1.0, -1.0), "mae": ("MAE", 0.0, 1.0)}
"""Score of a case to the loss of its answer: what it is called, and a + b * score."""


class Judged:
    """Calibration and doubt of a run over the cases of a test.

    The run is one of `ganatomy.inference.ensembles.ensemble.load_runs(..., doubt=True)`:

        judged = Judged(loaded, Originals(data))
        for number, batch in enumerate(data.test_dataloader()):
            loaded.task.test_step(batch, number)
            judged.add(batch)
        rows = judged.with_doubt(rows)  # columns of doubt in the rows of scores.csv
        metrics |= {f"test/{name}": value for name, value in judged.metrics(rows).items()}
        pictures = judged.pictures(rows)

    Args:
        loaded: The run or ensemble.
        files: Files of the cases, with which probabilities are compared; None compares on the network's grid.

    Raises:
        UserError: The run was not loaded with its members.
    """

    def __init__(self, loaded: LoadedRun, files: Originals | None) -> None:
        if not isinstance(loaded.task.members, Members):
            raise UserError(f"run={loaded.path}: was loaded without doubt; load it with doubt=true")
        self.task, self.members, self.files = loaded.task, loaded.task.members, files
        self.calibration = LabelCalibration(loaded.preprocessing.label_classes or ("background", "1"))
        self.doubts: dict[str, dict[str, float]] = {}

    def add(self, batch: Batch) -> None:
        """Add the cases of a batch that the task has answered just now; it holds their truth."""
        averaging = self.members.averaging
        assert averaging is not None
        maps = averaging.maps(scales(batch, self.members.dims, self.task.written_like))
        counted = averaging.in_question()
        for case, rows in rows_by_case(batch):
            own = {name: each[rows] for name, each in maps.items()}
            self.doubts.setdefault(case, case_doubt(own, counted[rows]))
            if averaging.kind == "classes":
                truth, valid = split_truth(scored_labels(batch, rows, self.files)[1])
                soft = stack_slices(batch, averaging.mean(), rows)
                there = on_file(self.files, batch, rows[0], soft) if self.files else soft.cpu().numpy()
                known = None if valid is None else valid.cpu().numpy()
                self.calibration.update(case, there, truth.cpu().numpy(), known)

    def with_doubt(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return rows of cases with their doubt and, of segmentation, their calibration beside it."""
        own = {str(row["case"]): row for row in self.calibration.per_case()}
        return [
            {**row, **self.doubts.get(str(row["case"]), {}), **own.get(str(row["case"]), {})} for row in rows
        ]

    def metrics(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return the scores by flat name; those of cases from rows with their scores and doubts."""
        found = self.calibration.compute()
        if boxes := self.boxes():
            found |= {"ece": boxes.ece, "overconfidence": boxes.overconfidence}
        for name, curve in self.curves(rows).items():
            found |= {f"aurc/{name}": curve.aurc, f"excess_aurc/{name}": curve.excess}
        return found

    def boxes(self) -> Reliability | None:
        """Return the reliability of the scores of boxes; None for a task without boxes."""
        images = getattr(self.task, "test_images", None)
        return box_reliability(images, self.task.match_iou) if images else None  # type: ignore[arg-type]

    def curves(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, RiskCoverage]:
        """Return the risk-coverage curve of cases by the doubt that ranks them; none without a loss."""
        loss = losses(rows)
        names = dict.fromkeys(name for doubt in self.doubts.values() for name in doubt)
        doubt = {name: [self.doubts[str(row["case"])][name] for row in rows] for name in names}
        return {name: risk_coverage(values, loss[1]) for name, values in doubt.items()} if loss else {}

    def pictures(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """Return figures as PNG by file name: reliability.png and risk_coverage.png, as far as defined."""
        all_curves = self.calibration.curves()
        curves = {
            {EVERYWHERE: "all pixels", IN_QUESTION: "pixels in question"}.get(
                name, name.removeprefix(CLASS)
            ): each
            for name, each in all_curves.items()
        }
        if boxes := self.boxes():
            curves = {"boxes": boxes}
        loss = losses(rows)
        drawn = {
            "reliability.png": reliability_diagram(curves),
            "risk_coverage.png": risk_coverage_figure(self.curves(rows), loss[0]) if loss else None,
        }
        return {name: content for name, content in drawn.items() if content is not None}


def losses(rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[float]] | None:
    """Return what the loss of a case is called, and that of each row; None if the task has none.

    NaN for a case whose score is undefined, such as the Dice of an image without a lesion.
    """
    for score, (label, start, factor) in LOSSES.items():
        if any(score in row for row in rows):
            return label, [start + factor * float(row.get(score, float("nan"))) for row in rows]
    return None


def on_file(files: Originals, batch: Batch, row: int, soft: Tensor) -> np.ndarray:
    """Resample the probabilities of a case to the grid of its file; what was not seen is background.

    Args:
        files: Files of the cases.
        batch: Evaluation batch.
        row: A row of the case.
        soft: Probabilities [K, *spatial] of the case on the network's grid.

    Returns:
        Probabilities [K, *spatial]; [K, height, width] of a picture.
    """
    values = soft.detach().float().cpu().numpy()
    affine, file_affine, shape = (
        batch[key][row].double().cpu().numpy() for key in ("affine", "input_affine", "input_shape")
    )
    file = Grid(file_affine, tuple(int(side) for side in shape))
    found = regrid(values, Grid(affine, values.shape[1:]), file)
    whole: np.ndarray = np.concatenate([1 - found[1:].sum(0, keepdims=True).clip(0, 1), found[1:]])
    return whole[..., 0] if files.is_plane(batch["case"][row]) else whole
