"""Synthetic images in the place of some training items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ganatomy.data.records import Case, Record
from ganatomy.data.sampler import item_seed
from ganatomy.errors import UserError

STREAM = 0x73796E7468
"""Stream of the draws, see `sampler.item_seed`."""


@dataclass(frozen=True)
class Synthetic:
    """Synthetic images, each as likely as the others, that take the place of training items.

    Attributes:
        places: a case and the number of its slice (None where cases are not sliced) of each image.
        read: returns a prepared case, or one slice of it.
        share: probability that an item is a synthetic image, 0 to 1.
        lacks: what these cases or the real ones do not have, and a batch of both cannot.
    """

    places: Sequence[tuple[Record, int | None]]
    read: Callable[[Record, int | None], Case]
    share: float
    lacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse images that their table names twice, or in the place of others.

        Raises:
            UserError: The source found such a fault.
        """
        faults = [fault for record, _ in self.places for fault in record.problems if fault.grave]
        if faults:
            raise UserError(f"synthetic: {faults[0].words.partition(';')[0]}; draw the images again")

    def instead(self, seed: int, epoch: int, index: int) -> tuple[Record, int | None, Case] | None:
        """Return the image in the place of an item, a function of the three numbers; None keeps the item.

        Args:
            seed: seed of the data.
            epoch: number of the epoch.
            index: number of the item.
        """
        draw = np.random.default_rng(item_seed(seed, epoch, index, STREAM))
        if draw.random() >= self.share:
            return None
        record, z = self.places[int(draw.integers(len(self.places)))]
        return record, z, self.read(record, z)
