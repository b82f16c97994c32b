"""The images of a split, real and synthetic, gathered from batches and processes within bounds."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class ImagePool(Metric):
    """Up to `most` pairs (real, fake) of named images; which ones depends on their names alone.

    So the order of arrival and the number of processes change nothing, and an image that comes twice counts
    once.
    """

    full_state_update = False
    keys: list[Tensor] | Tensor
    real: list[Tensor] | Tensor
    fake: list[Tensor] | Tensor

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.shape: tuple[int, ...] = ()
        # Flat: a process without a single image joins the gathering with an empty one-dimensional tensor.
        for name in ("keys", "real", "fake"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, names: list[str], real: Tensor, fake: Tensor) -> None:
        """Take in images [n, C, H, W], all of one shape, by name."""
        if self.shape and self.shape != tuple(real.shape[1:]):
            raise ValueError(
                f"an image of {tuple(real.shape[1:])} among those of {self.shape}: set data.size"
            )
        self.shape = tuple(real.shape[1:])
        lists: Any = (self.keys, self.real, self.fake)
        keys = torch.tensor([key(name) for name in names], dtype=torch.int64, device=real.device)
        for state, values in zip(lists, (keys, real.float(), fake.float()), strict=True):
            state.append(values.flatten())
        if sum(len(part) for part in lists[0]) > 2 * self.most:
            self.keys, self.real, self.fake = ([part.flatten()] for part in self._chosen())

    def compute(self) -> tuple[Tensor, Tensor]:
        """(real, fake) [n, C, H, W], in the order of the names' digests; of length 0 when nothing came."""
        _, real, fake = self._chosen()
        return real, fake

    def _chosen(self) -> tuple[Tensor, Tensor, Tensor]:
        keys = _joined(self.keys)
        seen: dict[int, int] = {}
        for place, digest in enumerate(keys.tolist()):
            seen.setdefault(digest, place)
        rows = torch.tensor([seen[digest] for digest in sorted(seen)[: self.most]], dtype=torch.long)
        rows = rows.to(keys.device)
        shape = self.shape or (1, 1, 1)
        real, fake = (_joined(state).reshape(-1, *shape)[rows] for state in (self.real, self.fake))
        return keys[rows].long(), real, fake


def key(name: str) -> int:
    """63 bits that stand for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    tensors = [state] if isinstance(state, Tensor) else state
    return torch.cat(tensors) if tensors else torch.empty(0)
