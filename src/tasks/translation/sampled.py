"""Voxels of training cases that the baselines of translation are fitted on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from ganatomy.baselines.translation.view import View, at, context_count, context_maps, patch_count, patch_maps
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Case, Record, Split

VOXELS = 100_000
"""Voxels of all cases that baselines are fitted on, at most."""
FOREST = 0.4
"""Fraction of these that the forest is fitted on."""
READ = 2**26
"""Voxels of the cases that are read, at most, unless two cases have more."""


class Sampled(NamedTuple):
    """Values at some voxels of pairs, all in network units.

    Attributes:
        images: [n, C].
        targets: [n, K].
        patches: Features of `Linear`, [n, features].
        contexts: Features of `Forest` at some of these voxels, [m, features].
        context_targets: Their targets, [m, K].
    """

    images: np.ndarray
    targets: np.ndarray
    patches: np.ndarray
    contexts: np.ndarray
    context_targets: np.ndarray


class Row(NamedTuple):
    """One image of a case with its target; one of them may be missing.

    Attributes:
        image: [C, *spatial].
        target: [K, *spatial].
        mask: [*spatial]; None for everywhere.
        spacing: Size of a voxel along each axis, mm.
    """

    image: Any
    target: Any
    mask: np.ndarray | None
    spacing: list[float]

    @property
    def size(self) -> int:
        """Return the number of voxels."""
        found = self.target if self.image is None else self.image
        return int(found[0].size)

    @property
    def view(self) -> View:
        """Return the image as the baselines see it."""
        return View(self.image, self.mask, self.spacing)


def has_pairs(data: DataModule) -> bool:
    """Return True if every training image is learned with its own target."""
    return not data.unpaired and data.has_pairs("train")


def sample_pairs(data: DataModule, split: Split, seed: int, forest: bool = True) -> Sampled:
    """Return up to `VOXELS` voxels of the pairs of a split, in the mask, as many of each case.

    Args:
        data: Data of the run.
        split: Split to read.
        seed: Seed of the choice of voxels.
        forest: Compute the features of the forest too.
    """
    inputs, outputs, dims = data.channels, data.target_channels, data.spatial_dims
    widths = inputs, outputs, patch_count(inputs, dims), context_count(inputs, dims), outputs
    nothing = [np.empty((0, width), np.float32) for width in widths]
    parts: list[Sequence[np.ndarray]] = [nothing]
    records = [record for record in data.records[split] if data.has_target(record)]
    for rng, rows, places in _chosen(data, data.labels.used(records) if split == "train" else records, seed):
        for row, some in zip(rows, places, strict=True):
            if not len(some):
                continue
            few = some[rng.random(len(some)) < FOREST] if forest else some[:0]
            target, patches = at(row.target, some), at(patch_maps(row.view), some)
            contexts = at(context_maps(row.view), few) if len(few) else nothing[3]
            parts.append([at(row.image, some), target, patches, contexts, at(row.target, few)])
    return Sampled(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def sample_sides(data: DataModule, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return up to `VOXELS` values of the training images [n, C] and of the training targets [m, K].

    The cases of the two sides need not match. Masks count if both sides have them.

    Args:
        data: Data of the run.
        seed: Seed of the choice of voxels.
    """
    sides = {"image": data.records["train"], "target": data.target_cases("train")}
    masked = all("mask" in data.evaluated(records[0]) for records in sides.values())
    found = []
    for role, records in sides.items():
        parts = [np.empty((0, data.channels if role == "image" else data.target_channels), np.float32)]
        for _, rows, places in _chosen(data, records, seed, masked):
            parts += [at(getattr(row, role), some) for row, some in zip(rows, places, strict=True)]
        found.append(np.concatenate(parts))
    return found[0], found[1]


def _chosen(
    data: DataModule, records: Sequence[Record], seed: int, masked: bool = True
) -> Iterator[tuple[np.random.Generator, list[Row], list[np.ndarray]]]:
    """Yield a generator of random numbers, the rows of a case, and for each row the voxels chosen of it.

    Cases that lack some of their channels are left out.
    """
    some = _evenly(records, [math.prod(data.facts[record.case].shape) for record in records])
    console, first = Console(stderr=True), data.trainer is None or data.trainer.is_global_zero
    quiet = not (first and console.is_terminal)
    for number, record in enumerate(track(some, "baselines", console=console, transient=True, disable=quiet)):
        rng, case = np.random.default_rng([seed % 2**32, number]), data.evaluated(record)
        if np.all(case.get("present", True)):
            rows = list(_rows(case, data.spatial_dims, masked))
            yield rng, rows, _places(rows, VOXELS // len(some) + 1, rng)


def _evenly(records: Sequence[Record], voxels: Sequence[int]) -> list[Record]:
    """Return records, evenly spread, that hold about `READ` voxels together; two at least."""
    if not records:
        return []
    count = min(len(records), max(2, READ * len(voxels) // max(1, sum(voxels))), VOXELS)
    return [records[n] for n in np.linspace(0, len(records) - 1, count).round().astype(int)]


def _rows(case: Case, dims: int, masked: bool) -> Iterator[Row]:
    """Yield the images of a case, one after the other."""
    stacks = [case.get(key) for key in ("image", "target", "mask" if masked else "")]
    spacing = [float(side) for side in case["spacing"][:dims]]
    one = next(each for each in stacks if each is not None)
    if one.ndim == dims + 1:
        stacks = [None if each is None else each[None] for each in stacks]
    for z in range(len(one) if one.ndim > dims + 1 else 1):
        image, target, mask = (None if each is None else np.asarray(each[z]) for each in stacks)
        yield Row(image, target, None if mask is None else mask[0].astype(bool), spacing)


def _places(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return `count` voxels of all rows together, in their masks: indices into each row's flat image."""
    inside = [np.arange(row.size) if row.mask is None else np.flatnonzero(row.mask) for row in rows]
    ends = np.cumsum([len(each) for each in inside])
    total = int(ends[-1])
    chosen = np.sort(rng.choice(total, min(count, total), replace=False, shuffle=False))
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    firsts = [0, *ends[:-1]]
    return [each[part - first] for each, first, part in zip(inside, firsts, parts, strict=True)]
