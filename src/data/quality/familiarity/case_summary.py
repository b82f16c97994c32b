"""Summary of one image in raw units: a few numbers that need neither the image nor a name.

Large images are sampled on a fixed lattice, so the same file always gives the same numbers.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ganatomy.data.regrid import orientations

Summary = dict[str, list[float]]
"""Name of a measurement to its numbers: one for the image, or one for each channel or axis."""

OUTER = (0.5, 99.5)
"""Percentiles that are taken as the ends of an image's values."""
FIFTHS = tuple(f"fifth{number}" for number in range(1, 6))
"""Means of the darkest fifth of all values, of the next, and so on to the brightest.

A mean moves little where a percentile jumps: between two tissues.
"""
SAMPLE = 2**14
"""Voxels of a channel that are looked at, about; extremes are those of all voxels."""
CHANNELS = 8
"""Channels that are looked at; further ones are not."""
BLOCK = 8
"""Voxels in a row whose mean is compared with their spread."""
DISTANCES = (1, 2, 4)
"""Distances in voxels whose differences tell how sharp and how noisy an image is."""
LEVELS = 256


def summarise(image: np.ndarray, affine: np.ndarray | None, spacing: np.ndarray) -> Summary:
    """Return the summary of an image.

    Axes of volumes are taken in the order right, anterior, superior, however the file stores them.

    Args:
        image: [C, *spatial] in raw units, two or three spatial axes.
        affine: [4, 4], voxel index to mm; None for the axes as they are.
        spacing: [dims] in mm, or 1 for pictures.
    """
    image, spacing = _upright(image[:CHANNELS], affine, np.asarray(spacing, float))
    finite = bool(np.isfinite(image).all()) if image.dtype.kind == "f" else True
    found: Summary = {
        "channels": [float(len(image))],
        "shape": [float(n) for n in image.shape[1:]],
        "spacing": spacing.tolist(),
        "finite": [float(finite)],
    }
    image = image if finite else np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
    sample = image[(slice(None), *_lattice(image.shape[1:]))].astype(np.float64)
    flat = sample.reshape(len(sample), -1).copy()
    flat.sort(axis=1)
    ends = np.percentile(flat, OUTER, axis=1)
    found |= _values(image, flat) | {"low": ends[0].tolist(), "high": ends[1].tolist()}
    scale = [_scale(values, low, high) for values, low, high in zip(flat, *ends, strict=True)]
    if any(spread > 0 for *_, spread in scale):
        grey = _grey(sample, scale)
        found |= _relations(sample) | _histogram(np.sort(grey, axis=None))
        found |= _places(grey)
        found |= _texture(image, scale)
    return {name: [float(f"{number:.6g}") for number in numbers] for name, numbers in found.items()}


def _upright(
    image: np.ndarray, affine: np.ndarray | None, spacing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a view of a volume with its axes to right, anterior and superior; pictures stay as they are."""
    if affine is None or image.ndim != 4:
        return image, spacing
    way = orientations.io_orientation(affine)
    if np.isnan(way).any():
        return image, spacing
    order = np.argsort(way[:, 0])
    flips = tuple(slice(None, None, int(way[axis, 1])) for axis in order)
    return image.transpose(0, *(order + 1))[(slice(None), *flips)], spacing[order]


def _lattice(shape: tuple[int, ...], whole: int | None = None, sample: int = SAMPLE) -> tuple[slice, ...]:
    """Return slices that keep about `sample` voxels, and every voxel along the axis `whole`."""
    free = [axis for axis in range(len(shape)) if axis != whole]
    step = max(1, math.ceil((math.prod(shape) / sample) ** (1 / max(1, len(free)))))
    steps = [step if axis in free else 1 for axis in range(len(shape))]
    return tuple(slice(min(s // 2, n - 1), None, s) for s, n in zip(steps, shape, strict=True))


def _values(image: np.ndarray, flat: np.ndarray) -> Summary:
    """Measure the values [C, N], sorted: extremes of the image [C, *spatial], moments, grey levels."""
    axes = tuple(range(1, image.ndim))
    low, high = image.min(axes).astype(np.float64), image.max(axes).astype(np.float64)
    found = {name: part.mean(1).tolist() for name, part in zip(FIFTHS, _fifths(flat), strict=True)}
    found |= {"lowest": low.tolist(), "highest": high.tolist()}
    found |= {"mean": flat.mean(1).tolist(), "std": flat.std(1).tolist()}
    found["negative"] = [(flat < 0).mean()]
    found["fractions"] = [(flat != np.rint(flat)).mean()]
    found["at_lowest"] = (flat == low[:, None]).mean(1).tolist()
    found["at_highest"] = (flat == high[:, None]).mean(1).tolist()
    levels = [values[np.append(True, values[1:] != values[:-1])] for values in flat]
    found["levels"] = [float(max(map(len, levels)))]
    coarse = [len(np.unique(np.rint((v - v[0]) / ((v[-1] - v[0]) or 1.0) * (LEVELS - 1)))) for v in levels]
    found["levels_of_8_bits"] = [float(max(coarse))]
    return found


def _fifths(values: np.ndarray) -> list[np.ndarray]:
    """Split sorted values [..., N] into five parts, each of one value at least."""
    count = values.shape[-1]
    cuts = [
        (number * count // 5, max(number * count // 5 + 1, (number + 1) * count // 5)) for number in range(5)
    ]
    return [values[..., start:stop] for start, stop in cuts]


def _scale(values: np.ndarray, low: float, high: float) -> tuple[float, float, float, float]:
    """Return two ends, the mean and the standard deviation of values that are cut at these ends."""
    if low == high:
        low, high = float(values.min()), float(values.max())
    cut = np.clip(values, low, high)
    return low, high, float(cut.mean()), float(cut.std())


def _grey(part: np.ndarray, scale: list[tuple[float, float, float, float]]) -> np.ndarray:
    """Return [C, ...] as one channel: the mean of the channels, each cut and standardised."""
    channels = [
        (np.clip(values, low, high) - mean) / (std or 1.0)
        for values, (low, high, mean, std) in zip(part, scale, strict=True)
    ]
    grey: np.ndarray = np.mean(channels, axis=0)
    return grey


def _relations(sample: np.ndarray) -> Summary:
    """Correlate each channel with the next; nothing if there is none, or one is constant."""
    flat = sample.reshape(len(sample), -1)
    if len(flat) < 2 or not (flat.std(1) > 0).all():
        return {}
    return {"correlation": [np.corrcoef(a, b)[0, 1] for a, b in pairwise(flat)]}


def _histogram(grey: np.ndarray) -> Summary:
    """Measure sorted values [N] of the whole image, standardised."""
    grey = (grey - grey.mean()) / (grey.std() or 1.0)
    square = grey * grey
    counts = np.histogram(grey, bins=32)[0] / grey.size
    low, high = grey[0], grey[-1]
    near = 0.1 * (high - low)
    return {
        "standardised_fifths": [part.mean() for part in _fifths(grey)],
        "skewness": [(square * grey).mean()],
        "kurtosis": [(square * square).mean()],
        "entropy": [-(counts[counts > 0] * np.log2(counts[counts > 0])).sum()],
        "dark": [(grey < low + near).mean()],
        "bright": [(grey > high - near).mean()],
    }


def _places(grey: np.ndarray) -> Summary:
    """Compare the middle with the border, and the two ends of each axis, in standard deviations."""
    inner = tuple(slice(n // 4, max(n // 4 + 1, n - n // 4)) for n in grey.shape)
    edge = np.ones(grey.shape, bool)
    edge[tuple(slice(max(1, n // 10), n - max(1, n // 10)) if n > 2 else slice(None) for n in grey.shape)] = 0
    rim = grey[edge].mean() if edge.any() else grey.mean()
    middles, ends = [], []
    for axis in range(grey.ndim):
        profile = grey.mean(tuple(other for other in range(grey.ndim) if other != axis))
        first, middle, last = (part.mean() if part.size else 0.0 for part in np.array_split(profile, 3))
        middles.append(middle - (first + last) / 2)
        ends.append(last - first)
    return {"centre": [grey[inner].mean() - rim], "middles": middles, "ends": ends}


def _texture(image: np.ndarray, scale: list[tuple[float, float, float, float]]) -> Summary:
    """Measure differences between neighbours along each axis, averaged over axes of 16 voxels and more."""
    rows: list[list[float]] = []
    for axis in range(image.ndim - 1):
        if image.shape[axis + 1] < 2 * BLOCK:
            continue
        part = image[(slice(None), *_lattice(image.shape[1:], axis))].astype(np.float64)
        rows.append(_along(np.moveaxis(_grey(part, scale), axis, -1)))
    if not rows:
        return {}
    means = np.mean(rows, axis=0)
    several = len(DISTANCES)
    return {
        "differences": means[:several].tolist(),
        "curvature": means[several : several + 1].tolist(),
        "bumps": means[several + 1 : several + 3].tolist(),
        "grain": means[-2:-1].tolist(),
        "spread_with_mean": means[-1:].tolist(),
    }


def _along(lines: np.ndarray) -> list[float]:
    """Return the texture of lines [..., N] along their last axis.

    Differences are mean squares in units of twice the variance (1 for white noise); curvature is the mean
    square of second differences in units of those of first ones (3 for white noise). Grain is the median size
    of second differences in standard deviations: edges are few, noise is everywhere.
    """
    variance = lines.var() or 1.0
    squares = [((lines[..., d:] - lines[..., :-d]) ** 2).mean() / (2 * variance) for d in DISTANCES]
    seconds = [2 * lines[..., d:-d] - lines[..., 2 * d :] - lines[..., : -2 * d] for d in (1, 3)]
    power = [(second * second).mean() for second in seconds]
    bumps = [
        (second * second * second).mean() / p**1.5 if p > 0 else 0.0
        for second, p in zip(seconds, power, strict=True)
    ]
    count = lines.shape[-1] // BLOCK
    blocks = lines[..., : count * BLOCK].reshape(-1, BLOCK)
    mean, spread = blocks.mean(1), blocks.std(1)
    steady = mean.std() * spread.std()
    relation = ((mean - mean.mean()) * (spread - spread.mean())).mean() / steady if steady > 0 else 0.0
    grain = float(np.median(np.abs(seconds[0]))) / math.sqrt(variance)
    curvature = power[0] / (squares[0] * 2 * variance) if squares[0] > 0 else 0.0
    return [*squares, curvature, *bumps, grain, relation]
