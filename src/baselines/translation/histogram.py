"""Histogram matching: the map of intensities that turns the images' histogram into the targets'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ganatomy.baselines.translation.arrays import checked, damaged
from ganatomy.baselines.translation.view import View

LEVELS = 1025
"""Quantiles that determine the map."""


@dataclass(frozen=True)
class Histogram:
    """Non-decreasing map from the quantiles of the training images to those of the training targets.

    Gonzalez and Woods, Digital Image Processing, section 3.3. One map for all cases, so a case needs no
    target, and images and targets need not match. Channel k of the target is made from channel k of the image
    if both have as many channels, otherwise from the first.

    Attributes:
        source: Quantiles of the images at `LEVELS` even levels, [K, LEVELS].
        target: Quantiles of the targets, [K, LEVELS].
        channel: Channel of the image for each channel of the target, [K].
    """

    source: np.ndarray
    target: np.ndarray
    channel: np.ndarray

    @classmethod
    def fitted(cls, images: np.ndarray, targets: np.ndarray) -> Histogram:
        """Fit on values of images [n, C] and of targets [m, K], which need not match."""
        same = images.shape[1] == targets.shape[1]
        channel = np.arange(targets.shape[1]) if same else np.zeros(targets.shape[1], np.int64)
        levels = np.linspace(0, 1, LEVELS)
        source, target = (np.quantile(v.astype(np.float64), levels, axis=0).T for v in (images, targets))
        return cls(source[channel], target, channel)

    def __call__(self, view: View) -> np.ndarray:
        """Return the translation, float64 [K, *spatial]; beyond the training images' range it is constant."""
        return np.stack(
            [
                np.interp(view.image[c], *_knots(source, target))
                for c, source, target in zip(self.channel, self.source, self.target, strict=True)
            ]
        )

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays from which `from_state` makes the same map."""
        return {"source": self.source, "target": self.target, "channel": self.channel}

    @classmethod
    def from_state(cls, kept: Mapping[str, np.ndarray], channels: int, outputs: int) -> Histogram:
        """Return the map that gave these arrays.

        Args:
            kept: Arrays of `state`.
            channels: Channels of an image.
            outputs: Channels of a target.

        Raises:
            UserError: The arrays do not fit.
        """
        shapes = {"source": (outputs, LEVELS), "target": (outputs, LEVELS), "channel": (outputs,)}
        found = checked("histogram", kept, shapes, whole=("channel",))
        if min(np.diff(found[name]).min() for name in ("source", "target")) < 0:
            raise damaged("histogram", "has quantiles that fall")
        if found["channel"].min() < 0 or found["channel"].max() >= channels:
            raise damaged("histogram", f"takes a channel that images of {channels} do not have")
        return cls(**found)


def _knots(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the map's pieces; a value of several levels gets the mean of their targets."""
    values, level = np.unique(source, return_inverse=True)
    return values, np.bincount(level, target) / np.bincount(level)
