"""Which training subjects keep their labels, and batches with images of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ganatomy.data.records import Record
from ganatomy.data.sampler import EndlessSampler, PairedSampler, Share, shares
from ganatomy.data.splits.split import spread, subjects_in_turn
from ganatomy.errors import UserError


@dataclass
class Labels:
    """Choice of the training subjects whose labels are used.

    The choice depends on names, strata and `seed` only. It takes the same share of every stratum, and at
    least one subject.

    Attributes:
        fraction: fraction of the training subjects that keep their labels.
        unlabelled_fraction: fraction of a batch, its last rows, that holds images of the others; with 0 these
            are left out of training.
        batch_size: rows of a global batch.
        seed: seed of the choice.
        kept: the chosen subjects.
    """

    fraction: float
    unlabelled_fraction: float
    batch_size: int
    seed: int
    kept: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise UserError(f"data.label_fraction={self.fraction}: give a share above 0, at most 1, e.g. 0.1")
        self.unlabelled_rows = round(self.batch_size * self.unlabelled_fraction)
        if self.unlabelled_fraction and not 0 < self.unlabelled_rows < self.batch_size:
            raise UserError(
                f"data.unlabelled_fraction={self.unlabelled_fraction}: makes {self.unlabelled_rows} of the "
                f"{self.batch_size} images of a batch; give a share that leaves both kinds one, e.g. 0.5"
            )

    @property
    def labelled_rows(self) -> int:
        """Return the number of images with labels in a batch."""
        return self.batch_size - self.unlabelled_rows

    def deal(self, training: Sequence[Record]) -> None:
        """Choose the subjects that keep their labels."""
        turn = subjects_in_turn(training, self.seed)
        self.kept = spread(turn, min(len(turn), max(1, round(self.fraction * len(turn)))))

    def used(self, training: Sequence[Record]) -> list[Record]:
        """Return the cases that are trained on with their labels."""
        return [record for record in training if record.subject in self.kept]

    def others(self, training: Sequence[Record]) -> list[Record]:
        """Return the cases whose labels are not used."""
        return [record for record in training if record.subject not in self.kept]

    def unlabelled_records(self, training: Sequence[Record]) -> list[Record]:
        """Return the cases that are trained on without labels.

        Raises UserError if batches need some and every case has its label.
        """
        found = self.others(training) if self.unlabelled_rows else []
        if self.unlabelled_rows and not found:
            raise UserError(
                f"data.unlabelled_fraction={self.unlabelled_fraction}: every training image has its label; "
                "keep those of some with data.label_fraction=0.1, or train on labels alone with "
                "model=adversarial_unet"
            )
        return found

    def words(self, training: Sequence[Record]) -> str:
        """Return how many labels are used, as text."""
        used = self.used(training)
        subjects = len({record.subject for record in training})
        return f"{len(used)} of {len(training)} training cases, {len(self.kept)} of {subjects} subjects"

    def shares(self, pieces: int, rank: int, world_size: int) -> list[Share]:
        """Return the rows of each micro-batch that a process gets.

        Args:
            pieces: number of micro-batches of a batch.
            rank: number of the process.
            world_size: number of processes.

        Raises:
            UserError: there are too few rows, or labelled and unlabelled rows cannot be divided evenly.
        """
        uneven = self.labelled_rows % world_size or self.unlabelled_rows % world_size
        if self.unlabelled_rows and uneven:
            raise UserError(
                f"data.batch_size={self.batch_size} ({self.labelled_rows} with labels, "
                f"{self.unlabelled_rows} without): both must be multiples of the {world_size} processes"
            )
        try:
            return shares(self.batch_size, pieces, rank, world_size)
        except ValueError as error:
            raise UserError(f"data.{error}") from error

    def sampler(
        self,
        items: tuple[int, int],
        seed: int,
        start: int,
        rank: int = 0,
        world_size: int = 1,
        pieces: int = 1,
        weights: np.ndarray | None = None,
    ) -> EndlessSampler | PairedSampler:
        """Return the sampler of a process's share of each batch.

        Args:
            items: numbers of labelled and of unlabelled items.
            seed: seed of the order.
            start: number of batches already done.
            rank: number of the process.
            world_size: number of processes.
            pieces: number of micro-batches of a batch.
            weights: of the labelled items, see `weighted_order`; None: each once an epoch.
        """
        self.shares(pieces, rank, world_size)  # checks the numbers
        labelled, others = items
        place = (rank, world_size, pieces)
        first = EndlessSampler(labelled, self.labelled_rows, seed, start, *place, weights=weights)
        if not self.unlabelled_rows:
            return first
        return PairedSampler(
            first, EndlessSampler(others, self.unlabelled_rows, seed, start, rank, world_size)
        )
