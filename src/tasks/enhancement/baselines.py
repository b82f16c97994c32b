"""Baselines of enhancement: the classical filters of a run, and the noise model that they know of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ganatomy.baselines.enhancement import bicubic, chosen, from_state, state
from ganatomy.data.datamodule import DataModule
from ganatomy.data.transforms.degrade import Number, numbers

CHOSEN_ON = {2: 16, 3: 2}
"""Validation images, or volumes in 3D, on which the classical filters are chosen."""
NOISE = "noise"
"""Name of the array that says that the noise was known, beside the strengths of the filters."""


def no_shift(offset: Number, scale: Number) -> Number:
    """Return 0, the shift of images whose noise is unknown."""
    return 0.0


@dataclass(frozen=True)
class Filters:
    """Classical filters, applied to the signal above the scanner's zero.

    Attributes:
        filters: Filters by name; from and to images [C, *spatial].
        shift: Function from offset and scale of a case to what makes its image a signal.
        kept: Arrays that `restored` makes the same filters from.
    """

    filters: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
    shift: Callable[[Number, Number], Number] = no_shift
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)


def enlarging(factor: int) -> Filters:
    """Return the baseline of super-resolution, which needs no choice."""
    return Filters({"bicubic": partial(bicubic, factor=factor)})


def fit_filters(data: DataModule) -> Filters:
    """Choose the filters on validation images; every process chooses the same.

    If the noise model is known, its bias is removed from filtered images. Only the images that are chosen on
    are read and kept.
    """
    records = data.records["val"]
    noise = None if "target" in data.cache.get(records[0]) else data.degrade
    shift = noise.shift if noise else no_shift
    depths = data.depths_of(records) if data.sliced else [None] * len(records)
    places = [
        (one, z) for one, n in zip(records, depths, strict=True) for z in ([None] if n is None else range(n))
    ]
    count = min(len(places), CHOSEN_ON[data.spatial_dims])
    some: list[tuple[np.ndarray, np.ndarray]] = []
    for number in np.linspace(0, len(places) - 1, count).round().astype(int):
        record, z = places[number]
        case = data.evaluated(record)
        added = shift(*numbers(case, data.spatial_dims))
        image, target = case["image"] + added, case["target"] + added
        some.append((image, target) if z is None else (image[z].copy(), target[z].copy()))
    filters = chosen(some, noise.unbias) if noise else chosen(some)
    return Filters(filters, shift, state(filters) | {NOISE: np.array(noise is not None)})


def restored(kept: Mapping[str, np.ndarray], data: DataModule) -> Filters:
    """Return the filters that gave these arrays; the noise model is the run's degradation."""
    noise = data.degrade if bool(kept.get(NOISE)) else None
    filters = from_state(kept, noise.unbias) if noise else from_state(kept)
    return Filters(filters, noise.shift if noise else no_shift, kept)
