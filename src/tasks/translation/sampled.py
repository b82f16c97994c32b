"""Voxels of training cases that the baselines of translation are fitted on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

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
    """One image of a case with its target.

    Attributes:
        view: The image with its mask.
        target: [K, *spatial]; None if the case has none.
    """

    view: View
    target: np.ndarray | None


def has_pairs(data: DataModule) -> bool:
    """Return True if every training image is learned with its own target."""
    if getattr(data, "unpaired", False):
        return False
    return "target" in data.evaluated(data.records["train"][0])


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
    parts: list[Sequence[np.ndarray]] = [[np.empty((0, width), np.float32) for width in widths]]
    for rng, rows, places in _chosen(data, data.records[split], seed):
        for row, some in zip(rows, places, strict=True):
            if row.target is None or not len(some):
                continue
            few = some[rng.random(len(some)) < FOREST] if forest else some[:0]
            parts.append(
                [
                    at(row.view.image, some),
                    at(row.target, some),
                    at(patch_maps(row.view), some),
                    at(context_maps(row.view), few) if len(few) else parts[0][3],
                    at(row.target, few),
                ]
            )
    return Sampled(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def sample_sides(data: DataModule, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return up to `VOXELS` values of the training images [n, C] and of the training targets [m, K].

    The cases of the two sides need not match.

    Args:
        data: Data of the run.
        seed: Seed of the choice of voxels.
    """
    images = [np.empty((0, data.channels), np.float32)]
    for _, rows, places in _chosen(data, data.records["train"], seed):
        images += [at(row.view.image, some) for row, some in zip(rows, places, strict=True)]
    targets = [np.empty((0, data.target_channels), np.float32)]
    for _, rows, places in _chosen(data, data.target_cases("train"), seed, data.evaluated_target):
        targets += [at(row.view.image, some) for row, some in zip(rows, places, strict=True)]
    return np.concatenate(images), np.concatenate(targets)


def _chosen(
    data: DataModule, records: Sequence[Record], seed: int, read: Callable[[Record], Case] | None = None
) -> Iterator[tuple[np.random.Generator, list[Row], list[np.ndarray]]]:
    """Yield a generator of random numbers, the rows of a case, and for each row the voxels chosen of it."""
    some = _evenly(records, [math.prod(data.facts[record.case].shape) for record in records])
    console, first = Console(stderr=True), data.trainer is None or data.trainer.is_global_zero
    quiet = not (first and console.is_terminal)
    for number, record in enumerate(track(some, "baselines", console=console, transient=True, disable=quiet)):
        rng = np.random.default_rng([seed % 2**32, number])
        rows = list(_rows((read or data.evaluated)(record), data.sliced, data.spatial_dims))
        yield rng, rows, _places(rows, VOXELS // len(some) + 1, rng)


def _evenly(records: Sequence[Record], voxels: Sequence[int]) -> list[Record]:
    """Return records, evenly spread, that hold about `READ` voxels together; two at least."""
    count = min(len(records), max(2, int(READ / max(1, np.mean(voxels)))), VOXELS)
    return [records[n] for n in np.linspace(0, len(records) - 1, count).round().astype(int)]


def _rows(case: Case, sliced: bool, dims: int) -> Iterator[Row]:
    """Yield the images of a case; of a target alone, the target in the image's place."""
    image = case.get("image", case.get("target"))
    target, mask = case.get("target"), case.get("mask")
    spacing = [float(side) for side in case["spacing"][:dims]] if "spacing" in case else []
    stacks = [each if sliced or each is None else each[None] for each in (image, target, mask)]
    for z in range(len(stacks[0])):
        one, other, region = (None if each is None else np.asarray(each[z]) for each in stacks)
        yield Row(View(one, None if region is None else region[0].astype(bool), spacing), other)


def _places(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return `count` voxels of all rows together, in their masks: indices into each row's flat image."""
    inside = [
        np.arange(row.view.image[0].size) if row.view.mask is None else np.flatnonzero(row.view.mask)
        for row in rows
    ]
    ends = np.cumsum([len(each) for each in inside])
    total = int(ends[-1])
    chosen = np.sort(rng.choice(total, min(count, total), replace=False, shuffle=False))
    return [
        each[part - first]
        for each, first, part in zip(
            inside, [0, *ends[:-1]], np.split(chosen, np.searchsorted(chosen, ends[:-1])), strict=True
        )
    ]
