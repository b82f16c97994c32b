"""Bounded pool of real and synthetic images of a split, gathered from batches and processes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

DIGITS = 4
"""Numbers that a digest is stored as."""


class ImagePool(Metric):
    """Up to `max_images` pairs (real, fake) of named images, chosen by their names alone.

    So neither the order of arrival nor the number of processes matters, and an image that comes twice counts
    once.
    """

    full_state_update = False

    def __init__(self, max_images: int) -> None:
        super().__init__()
        self.max_images = max_images
        # Flat and float32: a process without an image joins the gathering with an empty tensor of that kind.
        for name in ("keys", "shapes", "real", "fake"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, names: Sequence[str], real: Tensor, fake: Tensor) -> None:
        """Add images by name.

        Args:
            names: Name of each image.
            real: Real images [n, C, H, W], all of one shape.
            fake: Synthetic images of the same shape.

        Raises:
            ValueError: If the shape differs from earlier images.
        """
        shape = torch.tensor(real.shape[1:], dtype=torch.float32, device=real.device)
        states: dict[str, Any] = {name: getattr(self, name) for name in ("keys", "shapes", "real", "fake")}
        if states["shapes"] and not torch.equal(states["shapes"][0], shape):
            here, there = (tuple(sides.int().tolist()) for sides in (shape, states["shapes"][0]))
            raise ValueError(f"an image of {here} among those of {there}: set data.size")
        keys = torch.tensor([digits(name) for name in names], dtype=torch.float32, device=real.device)
        for name, values in {"keys": keys, "shapes": shape, "real": real, "fake": fake}.items():
            states[name].append(values.float().flatten())
        if sum(len(part) for part in states["keys"]) > 1.25 * DIGITS * self.max_images:
            keys, real, fake = self._chosen()
            self.keys, self.real, self.fake = [keys.flatten()], [real.flatten()], [fake.flatten()]
            self.shapes = [shape]

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return (real, fake) [n, C, H, W] in the order of the names' digests; n is 0 if there are none."""
        _, real, fake = self._chosen()
        return real, fake

    def _chosen(self) -> tuple[Tensor, Tensor, Tensor]:
        keys = _joined(self.keys).reshape(-1, DIGITS)
        places: dict[tuple[float, ...], int] = {}
        for place, key in enumerate(keys.tolist()):
            places.setdefault(tuple(key), place)
        rows = [places[key] for key in sorted(places)[: self.max_images]]
        shape = [int(side) for side in _joined(self.shapes)[:3].tolist()] or [1, 1, 1]
        real, fake = (_joined(state).reshape(-1, *shape)[rows] for state in (self.real, self.fake))
        return keys[rows], real, fake


def digits(name: str) -> list[int]:
    """Return a name's digest as four numbers below 2¹⁶, which a float32 holds exactly."""
    digest = hashlib.sha256(name.encode()).digest()
    return [int.from_bytes(digest[2 * i : 2 * i + 2], "big") for i in range(DIGITS)]


def _joined(state: Any) -> Tensor:
    tensors = [state] if isinstance(state, Tensor) else state
    return torch.cat(tensors) if tensors else torch.empty(0)
