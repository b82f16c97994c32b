"""A finished run on target images reads translated ones: is anatomy kept, are lesions kept or invented?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.metrics.translation import lesions as lesions_of
from ganatomy.metrics.translation.lesions import Counts, boxes_of, count_boxes, count_masks
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.shared.volumes import stack_slices

Row = dict[str, Any]
RENAMED = {"dice": "evaluator_dice", "hd95": "evaluator_hd95"}
"""Scores of a label map that are given, and their names."""
SUFFIX = {"target": "", "label": "_label"}
"""What the segmentation of a translation is compared with, and the ending of the scores' names."""
FLOOR = "floor"
"""Name of the true target images among the sources."""


class TargetReader:
    """Segment or detect in translated images by the task of a finished run on images like the targets.

    On the network's grid, cases as a whole: the segmentation of the translation against that of the true
    target, and against the label map where the data have one of the same classes; lesions against those that
    are known.

    Args:
        task: The finished task, a segmentation or a detection.
        classes: Names of its classes; of label maps background first.
        lesion: Name of its class of lesions; None if it has none.
        known: Names of the classes of this run's label maps.
        boxes: Names of the classes of this run's boxes.
    """

    def __init__(
        self,
        task: AdversarialTask,
        classes: Sequence[str],
        lesion: str | None = None,
        known: Sequence[str] = (),
        boxes: Sequence[str] = (),
    ) -> None:
        self.task, self.classes = task.eval().requires_grad_(False), tuple(classes)
        self.masks, self.lesion = bool(task.makes_label_maps), lesion
        self.labelled = self.masks and tuple(known) == self.classes
        self.true_label = None if lesion is None or lesion not in known[1:] else list(known).index(lesion)
        self.true_box = None if lesion is None or lesion not in boxes else list(boxes).index(lesion)
        self.knows_lesions = lesion is not None and (self.true_label, self.true_box) != (None, None)
        self.volumes: dict[tuple[str, str], VolumeScores] = {}
        self.lesions: dict[str, CaseTable] = {}

    def begin(self, sources: Sequence[str]) -> None:
        """Make empty tables: every process has the same, whatever cases it gets.

        Args:
            sources: Stage and baselines; the true targets are added.
        """
        every = (*sources, FLOOR)
        tables = {source: CaseTable(lesions_of.SCORES) for source in every}
        self.lesions = tables if self.knows_lesions else {}
        kinds = [kind for kind in SUFFIX if kind == "target" or self.labelled] if self.masks else []
        self.volumes = {
            (kind, source): VolumeScores(self.classes)
            for kind in kinds
            for source in every
            if (kind, source) != ("target", FLOOR)
        }

    @torch.no_grad()
    def update(self, outputs: dict[str, Tensor], batch: Batch, rows: Sequence[int]) -> None:
        """Add one case.

        Args:
            outputs: Translated images of these rows by source, [n, K, *spatial].
            batch: Evaluation batch.
            rows: Rows of the case.
        """
        part = of_rows(batch, rows)
        for module in (self.task, *self.volumes.values(), *self.lesions.values()):
            module.to(part["image"].device)
        images = ({FLOOR: part["target"]} if "target" in part else {}) | outputs
        maps: dict[str, Tensor] = {}
        for source, image in images.items():
            found = self.task.predict({**part, "image": image.float()})
            if self.masks:
                maps[source] = volume_of(part, found)
                self._compare(part, source, maps)
            if self.knows_lesions and (counts := self._counts(part, maps.get(source), found)) is not None:
                self.lesions[source].update(part["case"][0], counts.scores())

    def _compare(self, part: Batch, source: str, maps: dict[str, Tensor]) -> None:
        """Add the segmentation of a source to its tables."""
        truths = {
            "target": maps.get(FLOOR),
            "label": volume_of(part, part["label"]) if "label" in part else None,
        }
        spacing = part["spacing"][0].tolist()
        for kind, truth in truths.items():
            table = self.volumes.get((kind, source))
            if table is not None and truth is not None:
                table.update(part["case"][0], maps[source], truth, spacing)

    def scores(self, source: str) -> dict[str, float]:
        """Return the scores of a source, of the true targets for `FLOOR`; every process must call it."""
        found: dict[str, float] = {}
        for (kind, own), table in self.volumes.items():
            values = table.compute() if own == source else {"volumes": torch.zeros(())}
            for name, value in values.items() if values["volumes"] else ():
                score, _, row = name.partition("/")
                if score in RENAMED:
                    found[f"{RENAMED[score]}{SUFFIX[kind]}{'/' if row else ''}{row}"] = float(value)
        lesions = self.lesions[source].compute() if source in self.lesions else {}
        if any(not bool(value.isnan()) for value in lesions.values()):
            found |= {name: float(value) for name, value in lesions.items()}
        return found

    def with_scores(self, rows: Sequence[Row], source: str) -> list[Row]:
        """Return the rows of cases with a source's scores of each; every process must call it.

        Args:
            rows: Rows with `case`.
            source: Stage.
        """
        more: dict[str, Row] = {}
        for (kind, own), table in self.volumes.items():
            for row in table.per_case() if own == source else ():
                scores = {f"{new}{SUFFIX[kind]}": row[old] for old, new in RENAMED.items()}
                more.setdefault(str(row["case"]), {}).update(scores)
        for row in self.lesions[source].per_case() if source in self.lesions else ():
            more.setdefault(str(row["case"]), {}).update({k: v for k, v in row.items() if k != "case"})
        keys = {key: math.nan for own in more.values() for key in own}
        return [row | keys | more.get(str(row["case"]), {}) for row in rows]

    def _counts(self, part: Batch, label: Tensor | None, found: Any) -> Counts | None:
        """Return the lesions of a case, and those that are found; None where the truth does not say."""
        number, truth = self.classes.index(str(self.lesion)), None
        if self.true_label is not None and "label" in part:
            truth = (volume_of(part, part["label"]) == self.true_label).cpu().numpy()
        marked = None if label is None else (label == number).cpu().numpy()
        if truth is not None and marked is not None:
            return count_masks(marked, truth)
        if truth is None and (self.true_box is None or "boxes" not in part):
            return None
        theirs = boxes_of(truth) if truth is not None else self._true_boxes(part)
        ours = boxes_of(marked) if marked is not None else self._found_boxes(found["found"][0], number)
        return count_boxes(ours, theirs)

    def _true_boxes(self, part: Batch) -> np.ndarray:
        kept = part["classes"][0] == self.true_box
        return np.asarray(part["boxes"][0][kept].float().cpu().numpy())

    def _found_boxes(self, found: Any, number: int) -> np.ndarray:
        threshold = float(self.task.threshold)  # type: ignore[arg-type]
        kept = (found.scores >= threshold) & (found.classes == number)
        return np.asarray(found.boxes[kept].float().cpu().numpy())


def of_rows(batch: Batch, rows: Sequence[int]) -> Batch:
    """Return some rows of a batch."""
    chosen = list(rows)
    return {
        key: value[chosen] if isinstance(value, Tensor) else [value[row] for row in chosen]
        for key, value in batch.items()
    }


def volume_of(part: Batch, label: Tensor) -> Tensor:
    """Return the label map [*spatial] of a batch that is one case, from the maps of its rows."""
    return stack_slices(part, label, list(range(len(part["case"]))))[0]
