"""Boxes whose sides move towards the nearest edge of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.data.records import Batch
from ganatomy.metrics.detection import DetectionTable
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.detection.centernet_decoding import Found

STRENGTHS = (0.0, 0.25, 0.5, 0.75)
"""Shares of the way to the edge that a validation tries."""
REACH, LEAST_REACH = 0.15, 1.5
"""How far from a side its edge is looked for: a share of the box's length across it, and at least voxels."""
FACE = 0.4
"""Middle share of a side, along each axis, over which intensities are averaged."""
STEPS, ACROSS = 8, 7
"""Places tried on either side of a side, and points across it along each axis."""


class RefinedBoxes(AdversarialTask):
    """Part of a task of boxes that moves their sides, as far as each validation finds best.

    The share of the way is the one with the highest mAP75 on the validation images; of equal ones the
    smallest, which is none. It is kept with the weights. Tables of all shares are filled in a validation, and
    that of the chosen one has the scores.
    """

    def begin_refinement(self, refine: str | None, make_table: Callable[[], DetectionTable]) -> None:
        """Make the tables of the shares, if boxes are refined; once, in `__init__`.

        Args:
            refine: "edges", or None.
            make_table: Returns an empty score table.
        """
        self.refine, self.trials = refine, nn.ModuleList()
        if refine:
            self.register_buffer("refinement", torch.tensor(STRENGTHS[0]))
            self.trials.extend(make_table() for _ in STRENGTHS)

    @property
    def strength(self) -> float:
        """Return the share of the way to the edges that sides are moved."""
        return float(self.refinement) if self.refine else 0.0  # type: ignore[arg-type]

    def with_refined(self, batch: Batch, prediction: dict[str, Any]) -> dict[str, Any]:
        """Return the prediction with its boxes refined, and as they were: `found`, `unrefined`."""
        if not self.refine:
            return prediction
        found = prediction["found"]
        return {**prediction, "found": all_refined(batch, found, self.strength), "unrefined": found}

    def tried(
        self, stage: str, batch: Batch, prediction: dict[str, Any]
    ) -> list[tuple[DetectionTable, Sequence[Found]]]:
        """Return the tables that a batch is added to, with the boxes of each image for each.

        Args:
            stage: "val", "test", or another table.
            batch: Evaluation batch.
            prediction: What `with_refined` returned.
        """
        if stage != "val" or not self.refine:
            return [(self.tables[stage], prediction["found"])]
        found = [all_refined(batch, prediction["unrefined"], strength) for strength in STRENGTHS]
        return list(zip(self.trials, found, strict=True))  # type: ignore[arg-type]

    def choose_refinement(self) -> None:
        """Choose the share of the way; the table with its boxes is that of the validation."""
        best, highest = 0, -1.0
        for number, table in enumerate(self.trials):
            score = float(table.compute()["map75"])  # type: ignore[operator]
            if score > highest:
                best, highest = number, score
        for number, table in enumerate(self.trials):
            if number != best:
                table.reset()  # type: ignore[operator]
        if self.refine:
            self.refinement.fill_(STRENGTHS[best])  # type: ignore[operator]
            self.tables["val"] = self.trials[best]

    def join_refinement(self, others: Sequence[RefinedBoxes]) -> None:
        """Take over the mean share of this task and others, to answer for all of them."""
        if self.refine:
            mean = sum(task.strength for task in (self, *others)) / (1 + len(others))
            self.refinement.fill_(mean)  # type: ignore[operator]


def all_refined(batch: Batch, found: Sequence[Found], strength: float) -> list[Found]:
    """Return the refined boxes of each image of a batch, see `refined`."""
    return [refined(image, each, strength) for image, each in zip(batch["image"], found, strict=True)]


def refined(image: Tensor, found: Found, strength: float) -> Found:
    """Return the boxes with each side moved towards the strongest edge near it.

    Args:
        image: Image that they were found in [C, *spatial].
        found: Boxes of the image.
        strength: Share of the way to the edge; 0 returns the boxes as they are.
    """
    if not strength or not len(found.boxes):
        return found
    dims = image.dim() - 1
    moved = found.boxes + strength * edge_shifts(image.float(), found.boxes)
    limit = torch.tensor(list(image.shape[1:]) * 2, device=moved.device)
    moved = moved.clamp_min(0).minimum(limit)
    sound = (moved[:, dims:] > moved[:, :dims]).all(1, keepdim=True)
    return Found(torch.where(sound, moved, found.boxes), found.scores, found.classes)


def edge_shifts(image: Tensor, boxes: Tensor) -> Tensor:
    """Return how far each side of the boxes is from the strongest edge near it, in voxels [N, 2*dims].

    An edge is the difference of the intensities on either side, averaged over the middle of the box's side,
    its absolute value summed over channels; one farther away counts less, and none beyond the reach.

    Args:
        image: Image [C, *spatial], float32.
        boxes: Boxes [N, 2*dims] in voxels.
    """
    dims = image.dim() - 1
    low, high = boxes[:, :dims], boxes[:, dims:]
    middle, length = (low + high) / 2, high - low
    share = torch.linspace(-1, 1, 2 * STEPS + 1, device=boxes.device)
    across = torch.linspace(-1, 1, ACROSS, device=boxes.device) * FACE / 2
    shifts = torch.zeros_like(boxes)
    for axis in range(dims):
        reach = (REACH * length[:, axis]).clamp_min(LEAST_REACH)
        away = reach[:, None] * share
        apart = (reach / STEPS).clamp_min(1.0)[:, None]
        others = [other for other in range(dims) if other != axis]
        face = torch.cartesian_prod(*[across] * len(others)).reshape(-1, len(others))
        for end in (axis, axis + dims):
            place = boxes[:, end, None] + away
            sides = []
            for step in (-apart, apart):
                points = torch.empty(*place.shape, len(face), dims, device=boxes.device)
                points[..., axis] = (place + step)[..., None]
                for column, other in enumerate(others):
                    offset = length[:, other, None] * face[:, column]
                    points[..., other] = (middle[:, other, None] + offset)[:, None]
                sides.append(sampled(image, points).mean(-1))
            edge = (sides[1] - sides[0]).abs().sum(0) * torch.exp(-(share**2) / 2)
            best = edge.max(1)
            shift = away.gather(1, best.indices[:, None])[:, 0]
            shifts[:, end] = torch.where(best.values > 0, shift, 0)
    return shifts


def sampled(image: Tensor, points: Tensor) -> Tensor:
    """Return an image [C, *spatial] at points [N, T, P, dims], in voxels: linear, [C, N, T, P].

    Voxel i covers i to i + 1; outside, the image continues with its last voxel.
    """
    dims = image.dim() - 1
    sides = torch.tensor(image.shape[1:], device=points.device)
    grid = (2 * points / sides - 1).flip(-1)
    shape: Sequence[int] = points.shape[:3]
    grid = grid.reshape(1, shape[0], shape[1] * shape[2], dims) if dims == 2 else grid[None]
    values = F.grid_sample(image[None], grid, "bilinear", "border", align_corners=False)
    return values[0].reshape(len(image), *shape)
