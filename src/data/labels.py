"""Whose labels are used in training, and what becomes of the images of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganatomy.data.records import Record
from ganatomy.data.sampler import EndlessSampler, PairedSampler, Share, shares
from ganatomy.data.splits.split import spread, subjects_in_turn
from ganatomy.errors import UserError


@dataclass
class Labels:
    """Of the training subjects, the share `fraction` keeps its labels: strata alike, at least one subject.

    Who they are is a function of names, strata and `seed`. Of a batch of `batch_size`, the share `unlabelled`
    are images of the others, its last rows; with 0 the others are left out of training.
    """

    fraction: float
    unlabelled: float
    batch_size: int
    seed: int
    kept: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise UserError(f"data.label_fraction={self.fraction}: give a share above 0, at most 1, e.g. 0.1")
        self.mute_rows = round(self.batch_size * self.unlabelled)
        if self.unlabelled and not 0 < self.mute_rows < self.batch_size:
            raise UserError(
                f"data.unlabelled={self.unlabelled}: makes {self.mute_rows} of the {self.batch_size} images "
                "of a batch; give a share that leaves both kinds one, e.g. 0.5"
            )

    @property
    def rows(self) -> int:
        """Images with labels in a batch."""
        return self.batch_size - self.mute_rows

    def deal(self, training: Sequence[Record]) -> None:
        """Choose whose labels are kept."""
        turn = subjects_in_turn(training, self.seed)
        self.kept = spread(turn, min(len(turn), max(1, round(self.fraction * len(turn)))))

    def used(self, training: Sequence[Record]) -> list[Record]:
        """The cases that train with their labels."""
        return [record for record in training if record.subject in self.kept]

    def others(self, training: Sequence[Record]) -> list[Record]:
        """The cases whose labels are not used."""
        return [record for record in training if record.subject not in self.kept]

    def mute(self, training: Sequence[Record]) -> list[Record]:
        """The cases that train without their labels. UserError where they are asked for and none is left."""
        found = self.others(training) if self.mute_rows else []
        if self.mute_rows and not found:
            raise UserError(
                f"data.unlabelled={self.unlabelled}: every training image has its label; keep those of some "
                "with data.label_fraction=0.1, or train on labels alone with model=adversarial_unet"
            )
        return found

    def words(self, training: Sequence[Record]) -> str:
        """How many labels are used, for people."""
        used = self.used(training)
        subjects = len({record.subject for record in training})
        return f"{len(used)} of {len(training)} training cases, {len(self.kept)} of {subjects} subjects"

    def shares(self, pieces: int, rank: int, world_size: int) -> list[Share]:
        """What of each piece of a batch a process gets; of images without labels, as many in each."""
        if self.mute_rows and (self.rows % world_size or self.mute_rows % world_size):
            raise UserError(
                f"data.batch_size={self.batch_size} ({self.rows} with labels, {self.mute_rows} without): "
                f"both must be multiples of the {world_size} processes"
            )
        try:
            return shares(self.batch_size, pieces, rank, world_size)
        except ValueError as error:
            raise UserError(f"data.{error}") from error

    def stream(
        self,
        labelled: int,
        others: int,
        seed: int,
        start: int,
        rank: int = 0,
        world_size: int = 1,
        pieces: int = 1,
    ) -> EndlessSampler | PairedSampler:
        """Batches of so many items of either kind, this process's share of each."""
        self.shares(pieces, rank, world_size)
        first = EndlessSampler(labelled, self.rows, seed, start, rank, world_size, pieces)
        if not self.mute_rows:
            return first
        return PairedSampler(first, EndlessSampler(others, self.mute_rows, seed, start, rank, world_size))
