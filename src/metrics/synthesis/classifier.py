"""Classifier of real images, fitted in closed form: the same result on every machine and in every run."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.metrics.synthesis.features import RandomConvolutions

RIDGES = tuple(10.0**power for power in range(-4, 3))
"""Candidates, in units of the mean eigenvalue of the kernel."""
GRID = 8
"""Side of the reduced images that are further features: the convolutions do not respond to mean intensity."""


class RealClassifier:
    """Classifier from images [n, C, H, W] to classes [n], fitted on real images and their classes.

    Ridge regression of the one-hot classes on `RandomConvolutions` of these images and on the images reduced
    to 8x8, each in units of its root mean variance; the ridge minimises the leave-one-out squared error,
    where an error is c_i / ((K + ridge)⁻¹)_ii for dual coefficients c (Rifkin and Lippert,
    MIT-CSAIL-TR-2007-025, section 4). float64.

    Args:
        images: Real images [n, C, H, W].
        kinds: Their classes [n].
        classes: Number of classes.
    """

    def __init__(self, images: Tensor, kinds: Tensor, classes: int) -> None:
        self.describe = RandomConvolutions(images)
        small = self._small(images)
        self.scale = small.var(0, correction=0).mean().sqrt().clamp_min(1e-8)
        features = torch.cat([self.describe.of_real.double(), small / self.scale], 1)
        self.centre = features.mean(0)
        features = features - self.centre
        truth = F.one_hot(kinds, classes).double().to(features)
        self.shares = truth.mean(0)
        lengths, axes = torch.linalg.eigh(features @ features.T)
        lengths = lengths.clamp_min(0)
        turned = axes.T @ (truth - self.shares)
        self.weights = torch.zeros(features.shape[1], classes).to(features)
        least = float("inf")
        for ridge in RIDGES:
            inverse = 1 / (lengths + ridge * lengths.mean().clamp_min(1e-12))
            dual = axes @ (inverse[:, None] * turned)
            left_out = dual / (axes.square() @ inverse)[:, None]
            error = float(left_out.square().sum())
            if error < least:
                least, self.weights = error, features.T @ dual

    def features(self, images: Tensor) -> Tensor:
        """Return the features [n, d], float64."""
        return torch.cat([self.describe(images).double(), self._small(images) / self.scale], 1)

    @staticmethod
    def _small(images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images.double(), GRID).flatten(1)

    def __call__(self, images: Tensor) -> Tensor:
        kinds: Tensor = ((self.features(images) - self.centre) @ self.weights + self.shares).argmax(1)
        return kinds
