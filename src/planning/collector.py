"""Gather the facts of a fingerprint from cases, one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganatomy.data.label_values import counts
from ganatomy.data.records import IGNORED, Case, Record, Source, picture
from ganatomy.data.transforms.boxes import usable_boxes
from ganatomy.data.transforms.prepare import Preparation, grid_of
from ganatomy.planning.fingerprint import Fingerprint, Sides
from ganatomy.planning.intensities import Intensities


class Collector:
    """Gathers the facts of cases as they are read.

    Args:
        source: The data set.
        preparation: Says how volumes are turned; its spacing and size do not count.
    """

    def __init__(self, source: Source, preparation: Preparation) -> None:
        self.source = source
        self.turning = Preparation(source.spatial_dims, orientation=preparation.orientation)
        self.shapes: list[Sides] = []
        self.spacings: list[Sides] = []
        told = (getattr(source, "modalities", ()), getattr(source, "target_modality", None))
        self.intensities = Intensities(told[0], told[1] if isinstance(told[1], str) else "")
        self.found: dict[str, list[Any]] = defaultdict(list)
        self.voxels: dict[int, int] = defaultdict(int)
        self.holding: dict[int, int] = defaultdict(int)
        self.thickness: dict[int, list[float]] = defaultdict(list)
        self.sides: dict[int, list[float]] = defaultdict(list)
        self.sliced, self.read = False, 0
        self.has: set[str] = set()

    def add(self, record: Record, case: Case) -> None:
        """Add a case; only training cases count, whatever else is read."""
        if record.split != "train":
            return
        self.read += 1
        self.has |= {key for key in ("label", "boxes", "target", "class", "mask") if key in case}
        grid = self.turning.grid(grid_of(case), whole=True)
        kept = self.source.spatial_dims
        self.sliced |= len(grid.shape) > kept
        self.shapes.append(tuple(float(n) for n in grid.shape[:kept]))
        self.spacings.append(tuple(float(s) for s in np.asarray(grid.spacing)[:kept]))
        boxes = np.zeros((0, 2 * len(grid.shape)))
        if "boxes" in case:
            boxes, usable = usable_boxes(case["boxes"], picture(case).shape[1:])
            boxes = boxes[usable]
            self._boxes(boxes, case["classes"][usable])
        self.intensities.add(case, boxes, self.read)
        if "label" in case:
            way = np.abs(np.linalg.inv(case["affine"]) @ grid.affine)
            axes = [int(way[: len(grid.shape), axis].argmax()) for axis in range(kept)]
            self._label(case["label"][0], case.get("mask"), axes)

    def _label(self, label: np.ndarray, mask: np.ndarray | None, axes: Sequence[int]) -> None:
        """Count the voxels that losses count: none with the ignore label or outside of the mask.

        Args:
            label: Label map.
            mask: Region of losses.
            axes: Its axes that the network sees.
        """
        for value, number in counts(label if mask is None else label[mask[0]]).items():
            if value == IGNORED:
                continue
            self.voxels[value] += number
            self.holding[value] += 1
            if value > 0:
                self.thickness[value].append(thickness(label == value, axes))

    def _boxes(self, boxes: np.ndarray, classes: np.ndarray) -> None:
        self.found["numbers"].append(len(boxes))
        if not len(boxes):
            return
        dims = boxes.shape[1] // 2
        sides = np.prod(np.maximum(boxes[:, dims:] - boxes[:, :dims], 1e-3), 1) ** (1 / dims)
        self.found["sides"] += sides.tolist()
        for value in np.unique(classes):
            self.found["overlaps"] += overlaps(boxes[classes == value]).tolist()
            self.sides[int(value)] += sides[classes == value].tolist()

    def fingerprint(self, records: Sequence[Record], content: str) -> Fingerprint:
        """Return the fingerprint of what was added.

        Args:
            records: Records of all cases with their splits, also of those that were not read.
            content: Hash of the content of all cases.
        """
        shapes, spacings = np.array(self.shapes), np.array(self.spacings)
        names = tuple(self.source.classes)
        total = max(sum(self.voxels.values()), 1)
        of_class = list(enumerate(names))
        aspects = np.percentile(shapes[:, 0] / shapes[:, -1], [5, 95])
        numbers, sides = self.found["numbers"] or [0], self.found["sides"]
        splits = [str(record.split) for record in records]
        return Fingerprint(
            dims=self.source.spatial_dims,
            channels=self.source.channels,
            cases={split: splits.count(split) for split in ("train", "val", "test")},
            shape=_rounded(np.median(shapes, 0)),
            largest=_rounded(np.percentile(shapes, 95, axis=0)),
            spacing=_rounded(np.median(spacings, 0)),
            finest=_rounded(np.percentile(spacings, 10, axis=0)),
            aspects=round(float(aspects[1] / aspects[0]), 3),
            uneven=round(float((spacings.max(0) / spacings.min(0)).max()), 3),
            **self.intensities.facts(),
            sliced=self.sliced,
            classes=names,
            voxels={name: self.voxels[value] / total for value, name in of_class if self.voxels},
            holds={name: self.holding[value] / self.read for value, name in of_class if self.voxels},
            thickness={
                n: round(float(np.median(self.thickness[v])), 2) for v, n in of_class if v in self.thickness
            },
            box_classes=tuple(self.source.box_classes),
            boxes=(int(np.median(numbers)), int(max(numbers))),
            box_side=_rounded(np.percentile(sides, [10, 50, 90])) if sides else (),
            smallest=round(min((float(np.median(each)) for each in self.sides.values()), default=0.0), 2),
            greatest=round(max((float(np.percentile(e, 90)) for e in self.sides.values()), default=0.0), 2),
            crowding=round(float(np.percentile(self.found["overlaps"] or [0.0], 99)), 3),
            image_classes=tuple(self.source.image_classes),
            has=tuple(sorted(self.has)),
            content=content,
        )


def thickness(marked: np.ndarray, axes: Sequence[int] | None = None) -> float:
    """Return the mean thickness of the marked structures in voxels, 2 V / S; 0 for none.

    A plate or a line of width w has w; a disc of diameter d about 0.39 d.

    Args:
        marked: Which voxels are marked.
        axes: Axes whose faces count: those of a slice; None: all.

    Example:
        >>> line = np.zeros((100, 40), bool)
        >>> line[:, 10:13] = True
        >>> round(thickness(line), 1)
        2.9
    """
    volume = int(marked.sum())
    if not volume:
        return 0.0
    padded = np.pad(marked, 1)
    axes = range(marked.ndim) if axes is None else axes
    faces = sum(int(np.count_nonzero(np.diff(padded.astype(np.int8), axis=a))) for a in axes)
    return 2.0 * volume / faces


def overlaps(boxes: np.ndarray) -> np.ndarray:
    """Return the largest IoU of each box with another one.

    Args:
        boxes: [N,2*dims], lower corner, then upper corner.
    """
    if len(boxes) < 2:
        return np.zeros(len(boxes))
    dims = boxes.shape[1] // 2
    low = np.maximum(boxes[:, None, :dims], boxes[None, :, :dims])
    high = np.minimum(boxes[:, None, dims:], boxes[None, :, dims:])
    common = np.prod(np.clip(high - low, 0, None), -1)
    size = np.prod(boxes[:, dims:] - boxes[:, :dims], 1)
    iou = common / np.maximum(size[:, None] + size[None] - common, 1e-9)
    np.fill_diagonal(iou, 0.0)
    return np.asarray(iou.max(1))


def _rounded(values: np.ndarray) -> Sides:
    return tuple(float(f"{value:.5g}") for value in np.asarray(values).reshape(-1))
