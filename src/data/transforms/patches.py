"""Random patches of cases, about foreground as often as asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganatomy.data.records import Case
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.boxes import remaining_boxes
from ganatomy.errors import UserError


@dataclass(frozen=True)
class Patches:
    """Patches of `size` (a side, or one number per axis), centred on a foreground voxel, or
    where nothing is labelled on a box, with the probability `foreground`.

    Foreground classes are equally likely, and so are boxes, which are left out when less than half of them
    lies in the patch. Cases smaller than a patch are padded with their minimum,
    labels with 0.
    """

    size: int | Sequence[int]
    foreground: float = 0.5

    def __post_init__(self) -> None:
        sides = [self.size] if isinstance(self.size, int) else list(self.size)
        if min(sides) < 1:
            raise UserError(f"data.patch={self.size}: must be 1 or more")
        if not 0 <= self.foreground <= 1:
            raise UserError(f"data.foreground={self.foreground}: is a probability, 0 to 1")

    def __call__(self, case: Case, z: int | None, seed: int) -> Case:
        """One patch, a function of the case, its slice and the seed."""
        shape = case["image"].shape[1:]
        size = (self.size,) * len(shape) if isinstance(self.size, int) else tuple(self.size)
        if len(size) != len(shape):
            raise UserError(f"data.patch={list(size)}: the network has {len(shape)} dimensions")
        rng = np.random.default_rng(seed)
        start = self._start(case, z, np.array(shape), np.array(size), rng)
        return cropped(case, start, size)

    def _start(
        self, case: Case, z: int | None, shape: np.ndarray, size: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        room = np.maximum(shape - size, 0)
        anywhere = rng.integers(0, room + 1)
        centre = self._centre(case, z, len(shape), rng) if rng.random() < self.foreground else None
        chosen = anywhere if centre is None else np.clip(centre - size // 2, 0, room)
        return np.asarray(np.where(shape < size, (shape - size) // 2, chosen))

    @staticmethod
    def _centre(case: Case, z: int | None, dims: int, rng: np.random.Generator) -> np.ndarray | None:
        seeds = case.get("seeds", np.zeros((0, dims), np.int64))
        if z is not None:
            seeds = seeds[seeds[:, -1] == z][:, :-1]
        if not len(seeds) and len(boxes := case.get("boxes", ())):
            low, high = np.split(boxes[rng.integers(len(boxes))], 2)
            return np.asarray((low + high) // 2, np.int64)
        if not len(seeds):
            return None
        values = case["label"][0][tuple(seeds.T)]
        wanted = rng.choice(np.unique(values))
        return np.asarray(rng.choice(seeds[values == wanted]))


def cropped(case: Case, start: np.ndarray, size: Sequence[int]) -> Case:
    """The part of a case from `start` on, padded where it reaches out."""
    out = dict(case)
    shape = case["image"].shape[1:]
    low, high = np.maximum(-start, 0), np.maximum(start + size - shape, 0)
    window = (slice(None), *(slice(max(0, s), max(0, s + n)) for s, n in zip(start, size, strict=True)))
    for key in ("image", "target", "label"):
        if key in case:
            fill = 0 if key == "label" else case[key].min()
            around = [(0, 0), *zip(low, high, strict=True)]
            out[key] = np.pad(case[key][window], around, constant_values=fill)
    if "boxes" in case:
        boxes, kept = remaining_boxes(case["boxes"] - np.tile(start, 2).astype(np.float32), size)
        out["boxes"], out["classes"] = boxes[kept], case["classes"][kept]
    first = [*start, *[0] * (3 - len(start))]
    out["affine"] = Grid(case["affine"], (1, 1, 1)).moved(np.ones(3), np.array(first), (1, 1, 1)).affine
    return out
