"""Random patches of cases, centred on foreground with a given probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganatomy.data.records import PICTURES, Case, picture
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.boxes import remaining_boxes
from ganatomy.data.transforms.instances import renumbered, tightened
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

Weights = tuple[float, ...]
"""Of classes by their number; empty: all alike."""
SEEDS = 256
"""Number of voxels of each foreground class that are kept as centres of patches."""
FACTS = ("seeds", "seed_values", "image_lowest", "target_lowest")
"""Arrays of a prepared case that only patches use."""


@dataclass(frozen=True)
class Patches:
    """Cutter of random patches.

    Patches that are not centred on foreground lie anywhere. Foreground classes are equally likely unless they
    have weights, and so are boxes; a box with less than half of its area in the patch is dropped. Cases
    smaller than a patch are padded with their minimum, labels with 0.

    Attributes:
        size: a side, or one number per axis, in voxels.
        foreground: probability that a patch is centred on a labelled voxel, or, without labels, on a box or a
            voxel of the mask.
        label_weights: weight of each value of the label; empty: those of a case are equally likely. A case
            whose classes all have weight 0 gets a patch anywhere.
        box_weights: the same of each class of boxes; the boxes of a class share its weight. Empty: boxes are
            equally likely.
    """

    size: int | Sequence[int]
    foreground: float = 0.5
    label_weights: Weights = ()
    box_weights: Weights = ()

    def __post_init__(self) -> None:
        sides = [self.size] if isinstance(self.size, int) else list(self.size)
        if min(sides) < 1:
            raise UserError(f"data.patch={as_typed(self.size)}: must be 1 or more")
        if not 0 <= self.foreground <= 1:
            raise UserError(f"data.foreground={self.foreground}: is a probability, 0 to 1")

    def __call__(self, case: Case, z: int | None, seed: int) -> Case:
        """Return one patch.

        Args:
            case: the prepared case, or one slice of it.
            z: number of the slice; None for a case that is not sliced.
            seed: seed of the patch.
        """
        shape = picture(case).shape[1:]
        size = (self.size,) * len(shape) if isinstance(self.size, int) else tuple(self.size)
        if len(size) != len(shape):
            raise UserError(f"data.patch={list(size)}: the network has {len(shape)} dimensions; give as many")
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

    def _centre(self, case: Case, z: int | None, dims: int, rng: np.random.Generator) -> np.ndarray | None:
        seeds = case.get("seeds", np.zeros((0, dims), np.int64))
        values = case.get("seed_values")
        if z is not None:
            here = seeds[:, -1] == z
            seeds, values = seeds[here][:, :-1], values if values is None else values[here]
        if not len(seeds) and len(boxes := case.get("boxes", ())):
            number = self._box(case["classes"], rng) if self.box_weights else rng.integers(len(boxes))
            if number is None:
                return None
            low, high = np.split(boxes[number], 2)
            return np.asarray((low + high) // 2, np.int64)
        if not len(seeds):
            return None
        if values is None:
            values = case["label"][0][tuple(seeds.T)]
        present = np.unique(values)
        chances = chances_of(present, self.label_weights) if "label" in case else None
        if chances is not None and not chances.any():
            return None
        wanted = rng.choice(present, p=chances)
        return np.asarray(rng.choice(seeds[values == wanted]))

    def _box(self, classes: np.ndarray, rng: np.random.Generator) -> int | None:
        """Return the number of a box: a class by its weight, then one of its boxes; None if none has any."""
        present = np.unique(classes)
        chances = chances_of(present, self.box_weights)
        if chances is None or not chances.any():
            return None
        wanted = rng.choice(present, p=chances)
        return int(rng.choice(np.flatnonzero(classes == wanted)))


def chances_of(present: np.ndarray, weights: Weights) -> np.ndarray | None:
    """Return the probability of each class that is present, all 0 if none has a weight.

    Args:
        present: numbers of classes, each once.
        weights: weight of each class number; empty gives None, all alike.

    Example:
        >>> chances_of(np.array([1, 3]), (0.0, 1.0, 5.0, 3.0))
        array([0.25, 0.75])
    """
    if not weights:
        return None
    own = np.array([weights[int(number)] if number < len(weights) else 0.0 for number in present])
    return own / own.sum() if own.any() else own


def cropped(case: Case, start: np.ndarray, size: Sequence[int]) -> Case:
    """Return a part of a case, padded where it extends beyond the image.

    Pictures are views of the case's where they are not padded.

    Args:
        case: the prepared case.
        start: first voxel of the part.
        size: shape of the part.
    """
    out = dict(case)
    shape = picture(case).shape[1:]
    low, high = np.maximum(-start, 0), np.maximum(start + size - shape, 0)
    window = (slice(None), *(slice(max(0, s), max(0, s + n)) for s, n in zip(start, size, strict=True)))
    pads = bool(low.any() or high.any())
    for key in PICTURES:
        if key in case:
            out[key] = case[key][window]
        if key in case and pads:
            around = [(0, 0), *zip(low, high, strict=True)]
            empty = key in ("label", "mask", "instances")
            out[key] = np.pad(out[key], around, constant_values=0 if empty else _lowest(case, key))
    if "boxes" in case:
        boxes, kept = remaining_boxes(case["boxes"] - np.tile(start, 2).astype(np.float32), size)
        out["boxes"], out["classes"] = boxes[kept], case["classes"][kept]
        if "instances" in case:
            out["instances"] = renumbered(out["instances"], kept)
            tightened(out)
    first = [*start, *[0] * (3 - len(start))]
    out["affine"] = Grid(case["affine"], (1, 1, 1)).moved(np.ones(3), np.array(first), (1, 1, 1)).affine
    return out


def facts_of_patches(case: Case, stacked: bool = False) -> Case:
    """Return what `Patches` asks of a case, so that it need not read all of it for each patch.

    Args:
        case: the prepared case, not yet sliced.
        stacked: it will be sliced; the lowest value of a slice is found quickly.

    Returns:
        `seeds` [N, dims] with the label at each, `seed_values` [N], of a case with a label map, or with a
        mask if it has neither labels nor boxes; and `image_lowest` and `target_lowest`, the lowest value of
        each.
    """
    facts: Case = {}
    marked = next((case[key][0] for key in ("label", "mask") if key in case), None)
    if "label" in case and "mask" in case:
        marked = case["label"][0] * case["mask"][0]  # nothing is learned outside of the region of interest
    if "label" not in case and "boxes" in case:
        marked = None  # which are better centres than the body
    if marked is not None:
        facts["seeds"] = foreground_voxels(marked)
        facts["seed_values"] = marked[tuple(facts["seeds"].T)]
    lowest = {f"{key}_lowest": case[key].min() for key in ("image", "target") if key in case and not stacked}
    return facts | lowest


def _lowest(case: Case, key: str) -> np.ndarray:
    """Return the lowest value of a picture, kept with the case or found now."""
    return case[f"{key}_lowest"] if f"{key}_lowest" in case else case[key].min()


def foreground_voxels(label: np.ndarray) -> np.ndarray:
    """Return up to `SEEDS` voxels of each class above 0, [N, dims]; equal for equal label maps."""
    rng = np.random.default_rng(0)
    found = []
    for value in range(1, int(label.max(initial=0)) + 1):
        inside = np.flatnonzero(label == value)
        chosen = inside if len(inside) <= SEEDS else rng.choice(inside, SEEDS, replace=False)
        found.append(np.stack(np.unravel_index(chosen, label.shape), 1))
    return np.concatenate(found) if found else np.zeros((0, label.ndim), np.int64)
