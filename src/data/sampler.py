"""The order of training, a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

ItemIndex = tuple[int, int]
"""(epoch, index): which item, and which of its appearances."""


class Share(NamedTuple):
    """Of one piece of a global batch: all its rows, and those of one process."""

    piece: range
    rows: range


def shares(batch_size: int, pieces: int, rank: int, world_size: int) -> list[Share]:
    """A global batch is cut into pieces, and each of them, as evenly as it goes, among the processes.

    In this order, so that a piece holds the same rows however many processes there are. A ValueError where
    one of them would have nothing of a piece.
    """
    if batch_size // pieces < world_size:
        raise ValueError(
            f"batch_size={batch_size}: too few for {world_size} processes"
            + (f" in {pieces} pieces" if pieces > 1 else "")
            + f"; give at least {world_size * pieces}"
        )
    found = []
    for start, end in pairwise(batch_size * i // pieces for i in range(pieces + 1)):
        ends = [start + (end - start) * i // world_size for i in (rank, rank + 1)]
        found.append(Share(range(start, end), range(*ends)))
    return found


class EndlessSampler(Sampler[list[ItemIndex]]):
    """Endless batches of places, cut from the permutations of epochs 0, 1, 2, ... laid end to end.

    Every batch is full: one that reaches the end of an epoch goes on into the next, so nothing is
    dropped, and sets smaller than a batch work. Batch k begins at item k * batch_size of the stream,
    wherever and by however many processes it is read.

    batch_size: the global one; process `rank` of `world_size` gets its share of each, as `shares` says.
    start: batches already done; set before iteration begins.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        pieces: int = 1,
    ) -> None:
        if n < 1 or batch_size < 1:
            raise ValueError(f"{n} items in batches of {batch_size}: at least 1 of each is needed")
        self.n, self.batch_size, self.seed, self.start = n, batch_size, seed, start
        self.rows = [row for share in shares(batch_size, pieces, rank, world_size) for row in share.rows]

    def __iter__(self) -> Iterator[list[ItemIndex]]:
        position = self.start * self.batch_size
        known: dict[int, np.ndarray] = {}
        while True:
            batch = []
            for epoch, place in (divmod(position + row, self.n) for row in self.rows):
                if epoch not in known:
                    known = {epoch: order(self.n, self.seed, epoch)}
                batch.append((epoch, int(known[epoch][place])))
            yield batch
            position += self.batch_size


class PairedSampler(Sampler[list[ItemIndex]]):
    """Every batch is one of the first stream, then one of the second, whose items are numbered on."""

    def __init__(self, first: EndlessSampler, second: EndlessSampler) -> None:
        self.first, self.second = first, second

    def __iter__(self) -> Iterator[list[ItemIndex]]:
        for mine, other in zip(self.first, self.second, strict=True):
            yield mine + [(epoch, self.first.n + index) for epoch, index in other]


def order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The permutation of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def item_seed(seed: int, epoch: int, index: int) -> int:
    """32-bit seed of one item's augmentation."""
    return int(np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0])
