"""Truncation: images nearer to the mean, of less variety and often of better quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeGuard

import torch
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.tasks.synthesis.drawer import Drawer

DRAWS, ROWS = 4096, 64
"""Noises whose styles are averaged, and rows of a batch of them."""
UNCHANGED = 1e-6
"""Largest difference, as a share of the range of an image, that counts as none."""


class Styled(Protocol):
    """A generator with a mapping network, such as StyleGAN2's."""

    latent: int

    def styles(self, z: Tensor, *kind: Tensor) -> Tensor:
        """Return styles [B, style] of noise [B, latent]."""
        ...

    def paint(self, style: Tensor, z: Tensor) -> Tensor:
        """Return images of styles; what of the noise is no style is taken from `z`."""
        ...


class Truncated:
    """A generator whose noise is drawn nearer to the mean.

    With a mapping network: w' = mean(w) + ψ (w - mean(w)), with the mean over noises of the same class
    (Karras et al., arXiv 1812.04948, appendix B). Without one: the normal distribution of the noise is
    truncated at ±t (Brock et al., arXiv 1809.11096, section 3.1), with the t that makes its standard
    deviation ψ. The noise is not drawn anew but mapped by its rank, so image n changes steadily with ψ.

    Args:
        draw: Generator.
        psi: ψ, above 0 and below 1.
        shape: Spatial shape of an image.

    Raises:
        UserError: The generator takes no notice of the length of its noise, and has no styles.
    """

    def __init__(self, draw: Drawer, psi: float, shape: Sequence[int]) -> None:
        self.draw, self.psi = draw, psi
        self.means: dict[int, Tensor] = {}
        self.threshold = threshold_of(psi)
        if not styled(draw.network):
            _check_length_matters(draw, shape)

    @property
    def words(self) -> str:
        """Return which truncation this is, for the provenance."""
        if styled(self.draw.network):
            return f"styles drawn towards their mean: mean + {self.psi:g} * (style - mean)"
        return f"noise truncated at ±{self.threshold:.4g}, of standard deviation {self.psi:g}"

    def __call__(self, z: Tensor, *conditioning: Tensor) -> Tensor:
        """Return images [B, C, *spatial], in the units of `Drawer`, for noise [B, latent]."""
        network = self.draw.network
        if not styled(network):
            return self.draw(truncated_normal(z, self.threshold), *conditioning)
        kind = int(conditioning[0][0]) if conditioning else 0
        mean = self._mean(network, kind, conditioning)
        style = mean + self.psi * (network.styles(z, *conditioning) - mean)
        return self.draw.normalisation.denormalise(network.paint(style, z).float())

    def _mean(self, network: Styled, kind: int, conditioning: tuple[Tensor, ...]) -> Tensor:
        """Return the mean style [1, style] of a class."""
        if kind not in self.means:
            total: Tensor | float = 0.0
            repeated = tuple(part[:1].expand(ROWS, *part.shape[1:]) for part in conditioning)
            for start in range(0, DRAWS, ROWS):
                noises = [self.draw.noise(f"mean style {n}") for n in range(start, start + ROWS)]
                styles = network.styles(torch.stack(noises).to(self.draw.device), *repeated)
                total = total + styles.double().sum(0, keepdim=True)
            self.means[kind] = (torch.as_tensor(total) / DRAWS).float()
        return self.means[kind]


def styled(network: object) -> TypeGuard[Styled]:
    """Return True if a generator has a mapping network."""
    return hasattr(network, "styles") and hasattr(network, "paint")


def truncated_normal(z: Tensor, threshold: float) -> Tensor:
    """Map standard normal numbers by their rank to a normal distribution truncated at ±threshold."""
    edge = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64, device=z.device))
    share = edge + torch.special.ndtr(z.double()) * (1 - 2 * edge)
    truncated: Tensor = torch.special.ndtri(share).clamp(-threshold, threshold)
    return truncated.to(z.dtype)


def deviation_of(threshold: float) -> float:
    """Return the standard deviation of a standard normal distribution truncated at ±threshold.

    σ² = 1 - 2 t φ(t) / (2 Φ(t) - 1) (Johnson, Kotz, Balakrishnan 1994, section 13.10.1).
    """
    density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * threshold * density / math.erf(threshold / math.sqrt(2)))


def threshold_of(deviation: float) -> float:
    """Return the threshold that gives a truncated normal distribution this standard deviation."""
    low, high = 1e-3, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if deviation_of(middle) < deviation else (low, middle)
    return (low + high) / 2


@torch.no_grad()
def _check_length_matters(draw: Drawer, shape: Sequence[int]) -> None:
    """Raise UserError for a generator that scales its noise to one length."""
    empty = {"class": torch.zeros(1, dtype=torch.long), "label": torch.zeros(1, 1, *shape)}
    conditioning = draw.condition.conditioning({key: part.to(draw.device) for key, part in empty.items()})
    z = draw.noise("truncation")[None].to(draw.device)
    image, shorter = draw.network(z, *conditioning), draw.network(z / 2, *conditioning)
    if float((image - shorter).abs().max()) <= UNCHANGED * float(image.max() - image.min()):
        raise UserError(
            "truncation: this generator scales its noise to one length and has no styles, so that "
            "truncated noise gives the same kind of images; leave truncation out"
        )
