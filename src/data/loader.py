"""A loader that knows how long its reader had to wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from ganatomy.errors import UserError


class Loader(DataLoader[Any]):
    """A DataLoader that measures waiting: `waited` seconds of `elapsed` ones.

    The clock starts with the first batch, which pays for starting the workers.
    """

    waited: float = 0.0
    elapsed: float = 0.0

    @property
    def wait_share(self) -> float:
        """Share of the time between batches that went into waiting for data, 0 to 1."""
        return self.waited / self.elapsed if self.elapsed else 0.0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = _in_one_line(super().__iter__())
        begun: float | None = None
        asked = time.perf_counter()
        for batch in batches:
            given = time.perf_counter()
            if begun is not None:
                self.waited += given - asked
                self.elapsed += given - begun
            begun = given
            yield batch
            asked = time.perf_counter()


def _in_one_line(batches: Iterator[Any]) -> Iterator[Any]:
    """What a worker refuses comes with its traceback, as torch passes it on; the last line is ours."""
    try:
        yield from batches
    except UserError as error:
        raise UserError(str(error).rpartition("UserError: ")[2].strip()) from error
