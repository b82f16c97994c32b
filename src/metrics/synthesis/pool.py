"""The images of a split, real and synthetic, gathered from batches and processes within bounds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

DIGITS = 4


class ImagePool(Metric):
    """Up to `most` pairs (real, fake) of named images; which ones depends on their names alone.

    So the order of arrival and the number of processes change nothing, and an image that comes twice counts
    once.
    """

    full_state_update = False

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        # Flat and float32: a process without an image joins the gathering with an empty tensor of that kind.
        for name in ("keys", "shapes", "real", "fake"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, names: Sequence[str], real: Tensor, fake: Tensor) -> None:
        """Take in images [n, C, H, W], all of one shape, by name; ValueError for another shape."""
        shape = torch.tensor(real.shape[1:], dtype=torch.float32, device=real.device)
        states: dict[str, Any] = {name: getattr(self, name) for name in ("keys", "shapes", "real", "fake")}
        if states["shapes"] and not torch.equal(states["shapes"][0], shape):
            here, there = (tuple(sides.int().tolist()) for sides in (shape, states["shapes"][0]))
            raise ValueError(f"an image of {here} among those of {there}: set data.size")
        keys = torch.tensor([digits(name) for name in names], dtype=torch.float32, device=real.device)
        for name, values in {"keys": keys, "shapes": shape, "real": real, "fake": fake}.items():
            states[name].append(values.float().flatten())
        if sum(len(part) for part in states["keys"]) > 1.25 * DIGITS * self.most:
            keys, real, fake = self._chosen()
            self.keys, self.real, self.fake = [keys.flatten()], [real.flatten()], [fake.flatten()]
            self.shapes = [shape]

    def compute(self) -> tuple[Tensor, Tensor]:
        """(real, fake) [n, C, H, W], in the order of the names' digests; of length 0 when nothing came."""
        _, real, fake = self._chosen()
        return real, fake

    def _chosen(self) -> tuple[Tensor, Tensor, Tensor]:
        keys = _joined(self.keys).reshape(-1, DIGITS)
        places: dict[tuple[float, ...], int] = {}
        for place, key in enumerate(keys.tolist()):
            places.setdefault(tuple(key), place)
        rows = [places[key] for key in sorted(places)[: self.most]]
        shape = [int(side) for side in _joined(self.shapes)[:3].tolist()] or [1, 1, 1]
        real, fake = (_joined(state).reshape(-1, *shape)[rows] for state in (self.real, self.fake))
        return keys[rows], real, fake


def digits(name: str) -> list[int]:
    """A name's digest as four numbers below 2¹⁶, which a float32 holds exactly."""
    digest = hashlib.sha256(name.encode()).digest()
    return [int.from_bytes(digest[2 * i : 2 * i + 2], "big") for i in range(DIGITS)]


def _joined(state: Any) -> Tensor:
    tensors = [state] if isinstance(state, Tensor) else state
    return torch.cat(tensors) if tensors else torch.empty(0)
