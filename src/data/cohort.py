"""The cases of a run as a task sees them, when they are read and checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ganatomy.data.cache import Cache
from ganatomy.data.known import doubts
from ganatomy.data.problems import told_once
from ganatomy.data.quality.faults import leaks
from ganatomy.data.quality.survey import Facts
from ganatomy.data.records import Case, Fault, Record, Source, Split
from ganatomy.data.splits.split import Splitting
from ganatomy.data.transforms.cut import words
from ganatomy.data.transforms.degrade import Degrade, Evaluated
from ganatomy.data.transforms.intensity import Intensity
from ganatomy.data.transforms.prepare import Preparation, Prepared


class Cohort:
    """What is known of the cases: channels and classes, who is in which split, what is to be said of them.

    dealt: every record with its split, also those with grave faults; records: those of each split that are
    used. facts: by case. sliced: whether rows are slices of volumes. left_out: how many training cases the
    task does without. going_on: what is told of the split of a run that goes on. one_size: whether the task
    judges images of one size alone.
    """

    source: Source
    splitting: Splitting
    intensity: Intensity
    preparation: Preparation
    prepared: Prepared
    cache: Cache
    degrade: Degrade | None
    one_size: bool
    records: dict[Split, list[Record]]
    dealt: list[Record]
    facts: dict[str, Facts]
    sliced: bool
    left_out: int
    going_on: list[str]

    @property
    def channels(self) -> int:
        return self.source.channels

    @property
    def target_channels(self) -> int:
        return getattr(self.source, "target_channels", None) or self.channels

    @property
    def own_target(self) -> bool:
        """Whether a target has units or channels that are not its image's."""
        return self.preparation.target_intensity is not None or self.target_channels != self.channels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the values of `label`, background first."""
        return tuple(self.source.classes)

    @property
    def box_classes(self) -> tuple[str, ...]:
        return tuple(self.source.box_classes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the values of `class`."""
        return tuple(self.source.kinds)

    @property
    def spatial_dims(self) -> int:
        return self.source.spatial_dims

    @property
    def notes(self) -> list[str]:
        """What is told at the start: of the set, and of the cases that stay, each kind once."""
        kept = [record for records in self.records.values() for record in records]
        faults = [*leaks(self.dealt), *(f for record in kept for f in self.facts[record.case].faults)]
        mild = told_once(fault for fault in self.untold(faults) if not fault.grave)
        told = [*doubts(self.source, self.intensity), *mild]
        return [*self.going_on, *(f"note: {line}" for line in told)]

    def untold(self, faults: Sequence[Fault]) -> list[Fault]:
        """Without what a setting has answered already: units of a target that has an intensity of its own."""
        answered = "units" if self.preparation.target_intensity is not None else None
        return [fault for fault in faults if fault.kind != answered]

    @property
    def cut(self) -> str:
        """What `size` cuts off the images in training, for people; "" where that is nothing."""
        kept = [fact.kept for fact in self.facts.values() if fact.shape]
        return words(self.source.size, kept, self.one_size)

    @property
    def evaluated(self) -> Evaluated:
        """Reads a whole case as validation and test serve it."""
        return Evaluated(self.cache.get, self.degrade, self.sliced, self.splitting.seed)

    def whole(self, record: Record) -> Case:
        """A prepared case of which nothing is cut off, of training too."""
        cut = self.facts[record.case].kept < 1 and record.split == "train"
        return self.prepared.make(record, whole=True) if cut else self.cache.get(record)

    def leave_out(self, cases: Collection[str]) -> None:
        """Train without these cases."""
        self.left_out = len(cases)
        self.records["train"] = [record for record in self.records["train"] if record.case not in cases]
