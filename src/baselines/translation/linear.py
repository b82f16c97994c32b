"""Linear regression of the target on the patch around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

from ganatomy.baselines.translation.arrays import checked
from ganatomy.baselines.translation.view import View, patch_count, patch_maps

PENALTIES = (1e-9, 1e-6, 1e-4, 1e-2)
"""Candidates of the ridge penalty, over the number of voxels, for features of deviation 1."""


@dataclass(frozen=True)
class Linear:
    """Ridge regression (Hoerl and Kennard, Technometrics 12 (1970) 55) on the features of `patch_maps`.

    Attributes:
        weights: [features, K].
        bias: [K].
    """

    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fitted(
        cls,
        features: np.ndarray,
        targets: np.ndarray,
        held_out: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Linear:
        """Fit by the normal equations in float64.

        Args:
            features: Features of some voxels, [n, features].
            targets: Their targets, [n, K].
            held_out: Features and targets of others, on which the penalty is chosen; None takes the smallest.
        """
        x, y = features.astype(np.float64), targets.astype(np.float64)
        mean, level = x.mean(0), y.mean(0)
        spread = x.std(0)
        spread[spread <= 1e-12 * np.maximum(np.abs(mean), 1)] = 1
        x = (x - mean) / spread
        gram, moment = x.T @ x / len(x), x.T @ (y - level) / len(x)
        found = []
        for penalty in PENALTIES if held_out is not None else PENALTIES[:1]:
            slopes = solve(gram + penalty * np.eye(len(gram)), moment, assume_a="pos") / spread[:, None]
            found.append(cls(slopes, level - mean @ slopes))
        if held_out is None:
            return found[0]
        others, truth = (each.astype(np.float64) for each in held_out)
        return min(found, key=lambda one: float(np.mean((others @ one.weights + one.bias - truth) ** 2)))

    def __call__(self, view: View) -> np.ndarray:
        """Return the translation, float64 [K, *spatial]."""
        shape = view.image.shape[1:]
        output = np.empty((len(self.bias), *shape))
        output[:] = self.bias.reshape(-1, *[1] * len(shape))
        for weights, feature in zip(self.weights, patch_maps(view), strict=True):
            for plane, weight in zip(output, weights, strict=True):
                plane += weight * feature
        return output

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays from which `from_state` makes the same regression."""
        return {"weights": self.weights, "bias": self.bias}

    @classmethod
    def from_state(cls, kept: Mapping[str, np.ndarray], channels: int, outputs: int, dims: int) -> Linear:
        """Return the regression that gave these arrays.

        Args:
            kept: Arrays of `state`.
            channels: Channels of an image.
            outputs: Channels of a target.
            dims: Spatial axes.

        Raises:
            UserError: The arrays do not fit.
        """
        shapes = {"weights": (patch_count(channels, dims), outputs), "bias": (outputs,)}
        return cls(**checked("linear", kept, shapes))
