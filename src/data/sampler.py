"""The order of training, a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

Place = tuple[int, int]
"""(epoch, index): which item, and which of its appearances."""


class Stream(Sampler[list[Place]]):
    """Endless batches of places, cut from the permutations of epochs 0, 1, 2, ... laid end to end.

    Every batch is full: one that reaches the end of an epoch goes on into the next, so nothing is
    dropped, and sets smaller than a batch work. Batch k begins at item k * batch_size of the stream,
    wherever and by however many processes it is read.

    batch_size: the global one; process `rank` of `world_size` gets its contiguous share of each batch.
    start: batches already done; set before iteration begins.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if n < 1 or batch_size < 1 or batch_size % world_size:
            raise ValueError(
                f"{n} items in batches of {batch_size} cannot be shared out among {world_size} processes"
            )
        self.n, self.batch_size, self.seed, self.start = n, batch_size, seed, start
        self.share = batch_size // world_size
        self.offset = rank * self.share

    def __iter__(self) -> Iterator[list[Place]]:
        position = self.start * self.batch_size + self.offset
        known: dict[int, np.ndarray] = {}
        while True:
            batch = []
            for epoch, place in (divmod(position + i, self.n) for i in range(self.share)):
                if epoch not in known:
                    known = {epoch: order(self.n, self.seed, epoch)}
                batch.append((epoch, int(known[epoch][place])))
            yield batch
            position += self.batch_size


class SideBySide(Sampler[list[Place]]):
    """Every batch is one of the first stream, then one of the second, whose items are numbered on."""

    def __init__(self, first: Stream, second: Stream) -> None:
        self.first, self.second = first, second

    def __iter__(self) -> Iterator[list[Place]]:
        for mine, other in zip(self.first, self.second, strict=True):
            yield mine + [(epoch, self.first.n + index) for epoch, index in other]


def order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The permutation of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def item_seed(seed: int, epoch: int, index: int) -> int:
    """32-bit seed of one item's augmentation."""
    return int(np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0])
