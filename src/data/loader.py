"""Data loader that measures how long training waits for data, and the batches of evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from torch.utils.data import DataLoader

from ganatomy.data.records import Record
from ganatomy.errors import UserError

ROOM = 2**25
"""Maximum number of voxels in a batch of evaluation, unless a single case has more."""


class Loader(DataLoader[Any]):
    """DataLoader that measures waiting.

    The clock starts with the first batch, as that includes the start of the workers.

    Attributes:
        waited: seconds of waiting for batches.
        elapsed: seconds in all.
    """

    waited: float = 0.0
    elapsed: float = 0.0

    @property
    def wait_share(self) -> float:
        """Return the share of the time between batches spent waiting for data, 0 to 1."""
        return self.waited / self.elapsed if self.elapsed else 0.0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = _in_one_line(super().__iter__())
        last: float | None = None
        requested = time.perf_counter()
        for batch in batches:
            received = time.perf_counter()
            if last is not None:
                self.waited += received - requested
                self.elapsed += received - last
            last = received
            yield batch
            requested = time.perf_counter()


def _in_one_line(batches: Iterator[Any]) -> Iterator[Any]:
    """Reduce the UserError of a worker to its own line; torch puts the worker's traceback before it."""
    try:
        yield from batches
    except UserError as error:
        raise UserError(str(error).rpartition("UserError: ")[2].strip()) from error


def alike(
    records: Sequence[Record],
    shapes: Mapping[str, tuple[int, ...]],
    batch_size: int,
    kind: Callable[[Record], Any] = lambda record: None,
) -> Iterator[list[Record]]:
    """Yield neighbouring records of one shape, up to `batch_size` cases and `ROOM` voxels together.

    Args:
        records: the cases in order.
        shapes: shape of every case by name.
        batch_size: maximum number of cases.
        kind: what else records of one batch have in common.
    """
    for (shape, _), same in groupby(records, lambda record: (shapes[record.case], kind(record))):
        run, step = list(same), max(1, min(batch_size, ROOM // math.prod(shape)))
        yield from (run[first : first + step] for first in range(0, len(run), step))
