"""Anomaly detection as one feed-forward graph: reconstruction, map and score."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from ganatomy.adversarial import read_output
from ganatomy.errors import UserError
from ganatomy.tasks.anomaly.anomaly_map import highest
from ganatomy.tasks.anomaly.methods import Denoising, FAnoGanTraining, GanomalyTraining


def scoring(task: Any, sides: tuple[int, ...]) -> nn.Module:
    """Return the graph of an anomaly task: image to (reconstruction, map, score).

    Args:
        task: The task, an `AnomalyTask`.
        sides: Sides of its images, which have one size.

    Raises:
        UserError: The method's answer is not known as one pass through networks.
    """
    method = task.method
    smooth = Smooth(sides, task.smooth)
    if isinstance(method, GanomalyTraining):
        return CodeDistance(task.evaluator, smooth)
    if isinstance(method, FAnoGanTraining):
        return FeatureDistance(task.evaluator, task.discriminator, smooth, method.kappa)
    if isinstance(method, Denoising):
        return MapScore(task.evaluator, smooth)
    raise UserError(
        f"run: its method, {type(method).__name__}, is not one of GANatomy's, so that its score is not known "
        "as a graph; format=safetensors exports the weights alone"
    )


class Smooth(nn.Module):
    """Mean over channels, then a Gaussian along each axis, as a product with the matrix of scipy's filter.

    Args:
        sides: Sides of the images; the matrices are of these.
        sigma: Deviation in pixels; 0 for none.
    """

    def __init__(self, sides: tuple[int, ...], sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        self.names = [f"along_{axis}" for axis in range(len(sides))]
        for name, side in zip(self.names, sides, strict=True):
            matrix = gaussian_filter1d(np.eye(side), sigma, axis=0) if sigma else np.eye(side)
            self.register_buffer(name, torch.from_numpy(matrix.T.copy()).float())

    def forward(self, difference: Tensor) -> Tensor:
        values = difference.mean(1)
        if self.sigma == 0:
            return values
        for axis, name in enumerate(self.names, start=1):
            values = (values.movedim(axis, -1) @ getattr(self, name)).movedim(-1, axis)
        return values


class MapScore(nn.Module):
    """Reconstruction by one network; the score is that of the map."""

    def __init__(self, network: nn.Module, smooth: Smooth) -> None:
        super().__init__()
        self.network, self.smooth = network, smooth

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        made = self.network(image)
        drawn = self.smooth((image - made).abs())
        return made, drawn, highest(drawn)


class CodeDistance(MapScore):
    """GANomaly: the score is the distance between the codes of the image and of its reconstruction."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        made, code, again = self.network(image)
        return made, self.smooth((image - made).abs()), (code - again).abs().mean(1)


class FeatureDistance(MapScore):
    """f-AnoGAN: the score is the squared difference of the pixels, and of D's last features.

    Args:
        network: Generator with its encoder.
        discriminator: Discriminator whose last features are compared.
        smooth: Smoothing of the map.
        kappa: Weight of the features.
    """

    def __init__(self, network: nn.Module, discriminator: nn.Module, smooth: Smooth, kappa: float) -> None:
        super().__init__(network, smooth)
        self.discriminator, self.kappa = discriminator, kappa

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        made = self.network(image)
        real, fake = (read_output(self.discriminator(x)).features[-1][-1] for x in (image, made))
        pixels = (image - made).square().flatten(1).mean(1)
        features = (real - fake).square().flatten(1).mean(1)
        return made, self.smooth((image - made).abs()), pixels + self.kappa * features
