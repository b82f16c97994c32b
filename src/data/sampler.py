"""Order of training: a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

ItemIndex = tuple[int, int]
"""(epoch, index of the item); for its repetition k within an epoch, k times `AGAIN` is added to the epoch."""
RowIndex = tuple[int, int, int, int]
"""(epoch, index of the image, epoch, index of the target) of a row whose sides are drawn independently."""
AGAIN = 2**32
"""More epochs than a run has."""
STREAMS = 0x7461726765747300
"""Begins the entropy of every stream but the first, and is no seed that anybody gives."""


class Share(NamedTuple):
    """Rows of one micro-batch of a global batch.

    Attributes:
        piece: all rows of the micro-batch.
        rows: rows of one process.
    """

    piece: range
    rows: range


def shares(batch_size: int, pieces: int, rank: int, world_size: int) -> list[Share]:
    """Divide a global batch into micro-batches, and each of these among the processes, as evenly as possible.

    In this order, a micro-batch holds the same rows for any number of processes.

    Args:
        batch_size: rows of the global batch.
        pieces: number of micro-batches.
        rank: number of the process.
        world_size: number of processes.

    Returns:
        For each micro-batch, its rows and those of the process.

    Raises:
        ValueError: a process would get no row of a micro-batch.
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
    """Sampler of endless batches: the permutations of epochs 0, 1, 2, ... one after the other.

    Every batch is full: one that reaches the end of an epoch continues with the next, so nothing is dropped,
    and data sets smaller than a batch work. Batch k begins at item k * batch_size of this sequence, for any
    start and any number of processes.

    Args:
        n: number of items.
        batch_size: rows of a global batch.
        seed: seed of the permutations.
        start: number of batches already done.
        rank: number of the process.
        world_size: number of processes.
        pieces: number of micro-batches, see `shares`.
        stream: see `order`.
        weights: see `weighted_order`; None: every item once an epoch.

    Raises:
        ValueError: there are no items, or too few rows.
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
        stream: int = 0,
        weights: np.ndarray | None = None,
    ) -> None:
        if n < 1 or batch_size < 1:
            raise ValueError(f"{n} items in batches of {batch_size}: at least 1 of each is needed")
        self.n, self.batch_size, self.seed, self.start, self.stream = n, batch_size, seed, start, stream
        self.weights = weights
        self.rows = [row for share in shares(batch_size, pieces, rank, world_size) for row in share.rows]

    def __iter__(self) -> Iterator[list[ItemIndex]]:
        position = self.start * self.batch_size
        orders: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        while True:
            batch = []
            for epoch, step in (divmod(position + row, self.n) for row in self.rows):
                if epoch not in orders:
                    orders = {epoch: self._epoch(epoch)}
                indices, again = orders[epoch]
                batch.append((epoch + AGAIN * int(again[step]), int(indices[step])))
            yield batch
            position += self.batch_size

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the items of an epoch in order, and the number of each repetition."""
        if self.weights is None:
            return order(self.n, self.seed, epoch, self.stream), np.zeros(self.n, np.int64)
        return weighted_order(self.weights, self.seed, epoch, self.stream)


class PairedSampler(Sampler[list[ItemIndex]]):
    """Sampler whose batches join one of each of two samplers; the second's items are numbered on."""

    def __init__(self, first: EndlessSampler, second: EndlessSampler) -> None:
        self.first, self.second = first, second

    def __iter__(self) -> Iterator[list[ItemIndex]]:
        for first, second in zip(self.first, self.second, strict=True):
            yield first + [(epoch, self.first.n + index) for epoch, index in second]


class UnpairedSampler(Sampler[list[RowIndex]]):
    """Sampler whose rows join an item of each of two samplers of equal rows."""

    def __init__(self, images: EndlessSampler, targets: EndlessSampler) -> None:
        self.images, self.targets = images, targets

    def __iter__(self) -> Iterator[list[RowIndex]]:
        for batch in zip(self.images, self.targets, strict=True):
            yield [(*image, *target) for image, target in zip(*batch, strict=True)]


def order(n: int, seed: int, epoch: int, stream: int = 0) -> np.ndarray:
    """Return the permutation of an epoch.

    Args:
        n: number of items.
        seed: seed of the data.
        epoch: number of the epoch.
        stream: orders of different streams are independent.
    """
    return np.random.default_rng(_entropy(stream, seed, epoch)).permutation(n)


def weighted_order(
    weights: np.ndarray, seed: int, epoch: int, stream: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the items of an epoch of as many draws as there are items, in proportion to their weights.

    Systematic sampling (Madow, Ann. Math. Statist. 20 (1949) 333) in a random order: of N items, one with
    weight w is drawn N w / sum(w) times on average, and in each epoch this often, rounded down or up.
    With equal weights each item comes once, in the `order` of this epoch.

    Args:
        weights: [N], 0 or more, not all 0.
        seed: seed of the data.
        epoch: number of the epoch.
        stream: orders of different streams are independent.

    Returns:
        Items [N] in order, and the numbers of their repetitions, 0 for one of those of each item [N].
    """
    n = len(weights)
    if np.all(weights == weights[0]):
        return order(n, seed, epoch, stream), np.zeros(n, np.int64)
    rng = np.random.default_rng(_entropy(stream, seed, epoch))
    turn = rng.permutation(n)
    ends = np.floor(np.cumsum(weights[turn] / weights.sum() * n) + rng.random()).astype(np.int64)
    ends[-1] = n  # rounding would add or lose one
    counts = np.diff(np.minimum(ends, n), prepend=0)
    items = np.repeat(turn, counts)
    repetition = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    mixed = rng.permutation(n)
    return items[mixed], repetition[mixed]


def item_seed(seed: int, epoch: int, index: int, stream: int = 0) -> int:
    """Return the 32-bit seed of one item's augmentation.

    Args:
        seed: seed of the data.
        epoch: number of the epoch.
        index: number of the item.
        stream: seeds of different streams are independent.
    """
    return int(np.random.SeedSequence(_entropy(stream, seed, epoch, index)).generate_state(1)[0])


def _entropy(stream: int, *numbers: int) -> list[int]:
    """Return the numbers, with others before them in a stream but 0: NumPy ignores zeros at the end."""
    return [*numbers] if stream == 0 else [STREAMS, stream, *numbers]
