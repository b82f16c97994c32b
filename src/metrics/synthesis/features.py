"""Image features from fixed random convolutions; nothing to download."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.metrics.synthesis.pyramid import halved

WIDTHS = (16, 32, 64)
GRID = 4
"""Features are averaged over a grid of this many by this many cells."""
IMAGES = 16
SEED = 20_170_910


class RandomConvolutions(nn.Module):
    """Map from images [n, C, H, W] to features [n, d], d = 16 (16 + 32 + 64), in units of the real set.

    Three times: 5x5 filters with fixed random weights of mean 0, modulus, mean over 2x2 pixels; the features
    of a layer are the means over a 4x4 grid. After Bruna and Mallat's scattering, arXiv 1203.1513, with
    random filters in place of wavelets. Images are normalised by the real set's mean and deviation, features
    of each layer by their mean and their root mean variance over the real set.

    They respond to anatomy, contrast and sharpness, not to the presence of a lesion.

    Attributes:
        of_real: Features of the real set [m, d].
    """

    filters: list[Tensor]

    def __init__(self, real: Tensor) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(SEED)
        self.filters, inside = [], real.shape[1]
        for outside in WIDTHS:
            weight = torch.randn(outside, inside, 5, 5, generator=draw)
            weight = weight - weight.mean((1, 2, 3), keepdim=True)
            self.filters.append((weight / weight.flatten(1).norm(dim=1)[:, None, None, None]).to(real.device))
            inside = outside
        axes = (0, 2, 3)
        self.mean, self.deviation = (
            real.mean(axes, keepdim=True),
            real.std(axes, keepdim=True).clamp_min(1e-8),
        )
        self.centres: list[Tensor] = [torch.zeros(())] * len(WIDTHS)
        self.scales: list[Tensor] = [torch.ones(())] * len(WIDTHS)
        layers = [
            torch.cat(parts) for parts in zip(*map(self._layers, torch.split(real, IMAGES)), strict=True)
        ]
        self.centres = [layer.mean(0) for layer in layers]
        self.scales = [layer.var(0, correction=0).mean().sqrt().clamp_min(1e-8) for layer in layers]
        self.num_features = GRID**2 * sum(WIDTHS)
        self.of_real = self._joined(layers)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self._joined(self._layers(part)) for part in torch.split(images, IMAGES)])

    def _joined(self, layers: list[Tensor]) -> Tensor:
        parts = zip(layers, self.centres, self.scales, strict=True)
        return torch.cat([(layer - centre) / scale for layer, centre, scale in parts], 1)

    def _layers(self, images: Tensor) -> list[Tensor]:
        x, found = (images.float() - self.mean) / self.deviation, []
        for number, weight in enumerate(self.filters):
            x = halved(x) if number else x
            x = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), weight).abs_()
            found.append(F.adaptive_avg_pool2d(x, GRID).flatten(1))
        return found
