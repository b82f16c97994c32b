"""Baselines of enhancement: classical filters, their strengths chosen on validation images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from torch.nn.functional import interpolate

Filter = Callable[[np.ndarray], np.ndarray]
Pair = tuple[np.ndarray, np.ndarray]

STRENGTHS: dict[str, Sequence[float]] = {
    "gaussian": (0.5, 0.75, 1.0, 1.5, 2.0, 3.0),
    "nlm": (0.4, 0.7, 1.0, 1.4),
    "tv": (0.5, 1.0, 2.0, 4.0),
}
"""Candidates: sigma in pixels for gaussian; for nlm and tv, h and weight over the RMS error of the images."""


def gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth [C, *spatial] by `sigma` pixels."""
    smooth: np.ndarray = gaussian_filter(image, sigma, axes=tuple(range(1, image.ndim)))
    return smooth


def nlm(image: np.ndarray, h: float) -> np.ndarray:
    """Denoise [C, *spatial] by non-local means with the cut-off distance `h`. Buades et al., CVPR 2005."""
    near, patch = (6, 5) if image.ndim == 3 else (3, 3)
    return denoised(denoise_nl_means, image, h=h, patch_size=patch, patch_distance=near, fast_mode=True)


def tv(image: np.ndarray, weight: float) -> np.ndarray:
    """Denoise [C, *spatial] by total variation. Chambolle, J. Math. Imaging Vis. 20 (2004) 89."""
    return denoised(denoise_tv_chambolle, image, weight=weight)


def denoised(function: Callable[..., np.ndarray], image: np.ndarray, **options: float | bool) -> np.ndarray:
    """Apply a filter of scikit-image to each channel of [C, *spatial] in float64.

    Args:
        function: Filter of one channel.
        image: Image [C, *spatial].
        **options: Keyword arguments of the filter.
    """
    return np.stack([function(channel.astype(np.float64), **options) for channel in image]).astype(
        image.dtype
    )


def bicubic(image: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge [C, *spatial] of blocks of `factor` from one value of each block.

    Cubic convolution along every axis, Keys, IEEE TASSP 29 (1981) 1153, with a = -0.75 as in torch.
    """
    every = [slice(None, None, factor)] * (image.ndim - 1)
    enlarged = torch.from_numpy(np.ascontiguousarray(image[(slice(None), *every)])).double()
    for axis in range(1, image.ndim):
        lines = enlarged.movedim(axis, -1)
        longer = interpolate(
            lines.reshape(1, 1, -1, lines.shape[-1]),
            size=(lines[..., 0].numel(), lines.shape[-1] * factor),
            mode="bicubic",
        )
        enlarged = longer.reshape(*lines.shape[:-1], -1).movedim(-1, axis)
    return enlarged.numpy().astype(image.dtype)


FILTERS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {"gaussian": gaussian, "nlm": nlm, "tv": tv}


def unchanged(image: np.ndarray) -> np.ndarray:
    """Return the image as it is."""
    return image


@dataclass(frozen=True)
class Chosen:
    """A classical filter with its strength.

    Attributes:
        name: Name of the filter, as in `FILTERS`.
        strength: Its strength.
        after: Applied to every filtered image.
    """

    name: str
    strength: float
    after: Filter = unchanged

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self.after(FILTERS[self.name](image, self.strength))


def state(filters: Mapping[str, Chosen]) -> dict[str, np.ndarray]:
    """Return the strength of each filter, from which `from_state` makes the same filters."""
    return {name: np.array(each.strength, np.float64) for name, each in filters.items()}


def from_state(strengths: Mapping[str, np.ndarray], after: Filter = unchanged) -> dict[str, Chosen]:
    """Return the filters of these strengths; `after` is applied to every filtered image."""
    return {name: Chosen(name, float(strengths[name]), after) for name in FILTERS if name in strengths}


def chosen(pairs: Iterable[Pair], after: Filter = unchanged) -> dict[str, Chosen]:
    """Choose the strength of each filter by the least squared error over (image, truth) pairs [C, *spatial].

    `after` is applied to every filtered image, for example to remove the bias of its noise. Raises ValueError
    without a pair.
    """
    images = list(pairs)
    if not images:
        raise ValueError("the classical filters need validation images to be chosen on: none was given")
    noise = np.sqrt(np.mean([((image - truth) ** 2).mean() for image, truth in images]))
    units = {"gaussian": 1.0, "nlm": float(noise), "tv": float(noise)}
    return {name: _best(name, images, after, unit) for name, unit in units.items()}


def _best(name: str, images: Sequence[Pair], after: Filter, unit: float) -> Chosen:
    def error(candidate: Chosen) -> float:
        return float(np.mean([((candidate(image) - truth) ** 2).mean() for image, truth in images]))

    return min((Chosen(name, strength * unit, after) for strength in STRENGTHS[name]), key=error)
