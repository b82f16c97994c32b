"""A task whose label maps are post-processed, as the user says or as the validation chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.files import write_whole
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.segmentation.gate import GatedTask
from ganatomy.tasks.segmentation.postprocessing.choice import Chosen, ValidationParts, from_row, to_row
from ganatomy.tasks.segmentation.postprocessing.settings import AUTO, steps_of
from ganatomy.tasks.segmentation.postprocessing.steps import Steps, postprocessed
from ganatomy.tasks.shared.scored import scored_labels, split_truth
from ganatomy.tasks.shared.volumes import rows_by_case, stack_slices

FILE = "postprocessing.json"


class PostprocessedTask(GatedTask):
    """A task whose label maps are put in order, class by class, before the gate.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint; it is of label maps as the network gives
            them.
        scored: "file" or "network", see `AdversarialTask`.
        gate: See `GatedTask`; what is suspicious is not changed by post-processing.
        postprocess: None; steps by class, see `steps_of`; or "auto": after each validation, each class gets
            the steps that raise its mean Dice most (`choice.chosen`), and a checkpoint keeps those of its
            validation.

    Raises:
        UserError: `postprocess` names no steps, or no class.
    """

    def __init__(
        self,
        recipe: Recipe,
        monitor: str,
        scored: str = "network",
        gate: float | None = None,
        postprocess: str | Sequence[Any] | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(recipe, monitor, scored, gate)
        self.postprocess, self.measure = None if postprocess is None else str(postprocess), "mm³"
        self.parts: ValidationParts | None = None
        if postprocess is None:
            return
        count = max(len(recipe.classes), 2)
        rows = torch.zeros(count - 1, 5, dtype=torch.float64)
        if postprocess == AUTO:
            self.parts = ValidationParts(count)
        else:
            for number, steps in steps_of(postprocess, recipe.classes).items():
                rows[number - 1] = to_row(Chosen(steps, float("nan"), float("nan")))
        self.register_buffer("postprocessing", rows)

    @property
    def chosen(self) -> dict[int, Chosen]:
        """Return what is done to each class number."""
        rows = self.get_buffer("postprocessing")
        return {number: from_row(row) for number, row in enumerate(rows, 1)}

    @property
    def own_steps(self) -> dict[int, Steps]:
        """Return the steps of each class number that is changed."""
        chosen = {} if self.postprocess is None else self.chosen
        return {number: steps for number, (steps, *_) in chosen.items() if steps.any}

    @property
    def further_tables(self) -> list[str]:
        """Return the tables of the test beside its own: without the gate, and as the network gives it."""
        return ["ungated"] * (self.gate is not None) + ["raw"] * (self.postprocess is not None)

    def processed(self, batch: Batch, labels: Tensor) -> Tensor:
        """Return label maps [B, 1, *spatial] with the steps done; a sliced volume is treated as a volume."""
        if not (steps := self.own_steps):
            return labels
        labels = labels.clone()
        for _, rows in rows_by_case(batch):
            found = postprocessed(_volume(batch, labels, rows), _spacing(batch, rows), steps)
            self.measure = "mm³" if found.ndim == 3 else "mm² (or px)"
            volume = torch.from_numpy(found).to(labels)
            if "slice" in batch:
                order = torch.argsort(batch["slice"][rows]).tolist()
                for place, row in enumerate(order):
                    labels[rows[row], 0] = volume[..., place]
            else:
                labels[rows[0], 0] = volume
        return labels * batch["mask"].bool() if "mask" in batch else labels

    def finished(self, stage: str, batch: Batch, labels: Tensor) -> Tensor:
        """Return label maps as they are scored in a stage, and score those in between.

        A validation scores them as the network gives them, and keeps their components for a choice.

        Args:
            stage: "val" or "test".
            batch: Whole cases with `peak`.
            labels: Label maps [B, 1, *spatial] as the network gives them.
        """
        if stage == "val":
            self._observe(batch, labels)
            return labels
        processed = self.processed(batch, labels)
        if self.postprocess is not None:
            self.score("raw", batch, labels)
        if self.gate is not None:
            self.score("ungated", batch, processed)
        return self.gated(batch, processed)

    def _observe(self, batch: Batch, labels: Tensor) -> None:
        if self.parts is None:
            return
        for case, rows in rows_by_case(batch):
            _, known, spacing = scored_labels(batch, rows, None)
            truth, valid = split_truth(known)
            counted = None if valid is None else valid.cpu().numpy()
            self.parts.update(case, _volume(batch, labels, rows), truth.cpu().numpy(), spacing, counted)

    def scores(self, stage: str) -> dict[str, float]:
        """Return the scores of a stage; a validation chooses the steps, and the test says them."""
        if stage == "val" and self.parts is not None:
            rows = list(self.parts.compute().values())
            self.parts.reset()
            self.get_buffer("postprocessing").copy_(torch.stack(rows))
        elif stage == "test" and self.postprocess is not None:
            self.closing_lines.append(self.words())
        return super().scores(stage)

    def words(self) -> str:
        """Return what is done to each class, in one line."""
        found = []
        for number, (steps, before, after) in self.chosen.items():
            gain = f" (validation Dice {before:.4f} to {after:.4f})" if steps.any and after == after else ""
            found.append(f"{self.recipe.classes[number]}: {steps.words(self.measure)}{gain}")
        by = "chosen on the validation" if self.parts is not None else "as task.postprocess says"
        return f"post-processing, {by}: {'; '.join(found)}"

    def write_test_files(self, directory: Path) -> None:
        """Write `postprocessing.json`, for people: what is done to each class, and its Dice in validation."""
        super().write_test_files(directory)
        if self.postprocess is None:
            return
        found = {}
        for number, (steps, before, after) in self.chosen.items():
            entry: dict[str, Any] = dict(vars(steps))
            if before == before:
                entry |= {"validation_dice": {"without": before, "with": after}}
            found[self.recipe.classes[number]] = entry
        write_whole(directory / FILE, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())

    def join(self, others: Sequence[Any]) -> None:
        """Answer for several runs: flags of more than half of them, the median of the smallest sizes."""
        super().join(others)
        if self.postprocess is None:
            return
        rows = torch.stack([task.get_buffer("postprocessing").cpu() for task in (self, *others)])
        together = torch.full_like(rows[0], float("nan"))
        together[:, :2] = (rows[:, :, :2].mean(0) > 0.5).double()
        together[:, 2] = torch.from_numpy(np.median(rows[:, :, 2].numpy(), axis=0))
        self.get_buffer("postprocessing").copy_(together)


def _volume(batch: Batch, labels: Tensor, rows: list[int]) -> np.ndarray:
    """Return the label map of a case [*spatial]; slices are stacked."""
    found: np.ndarray = stack_slices(batch, labels, rows)[0].cpu().numpy()
    return found


def _spacing(batch: Batch, rows: list[int]) -> list[float]:
    found: list[float] = batch["spacing"][rows[0]].tolist()
    return found
