"""Which cases give images and which give targets."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ganatomy.data.records import SPLITS, Fault, Record, Source, Split
from ganatomy.data.splits.split import spread, subjects_in_turn
from ganatomy.errors import UserError, one_of

Unpaired = bool | Literal["disjoint"]
DISJOINT = "disjoint"
Cases = dict[Split, list[Record]]


def set_sides(source: Source, unpaired: Unpaired) -> None:
    """Tell a source that its two sides need not match, so that it lists cases of one side alone too.

    Args:
        source: the data set; one without the attribute `two_sided` has whole cases only.
        unpaired: the setting `data.unpaired`.
    """
    if unpaired and hasattr(source, "two_sided"):
        source.two_sided = True


@dataclass(frozen=True)
class Sides:
    """Rule that shares cases out to two sides.

    Attributes:
        unpaired: True draws images and targets of training independently. "disjoint" also gives each
            training subject that has both to one side alone, half of them to each. False: cases are pairs.
        seed: seed of that choice, which takes the same share of every stratum.
    """

    unpaired: Unpaired
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.unpaired, bool):
            one_of("data.unpaired", self.unpaired, ("false", "true", DISJOINT))

    def refuse(self, label_fraction: float, unlabelled_fraction: float, degraded: bool) -> None:
        """Raise UserError for settings that make no sense beside unpaired sides.

        Args:
            label_fraction: the setting `data.label_fraction`.
            unlabelled_fraction: the setting `data.unlabelled_fraction`.
            degraded: the run makes images from clean ones.
        """
        if not self.unpaired:
            return
        if label_fraction != 1 or unlabelled_fraction:
            raise UserError(
                f"data.unpaired={self._text}: no label is learned, so data.label_fraction={label_fraction:g} "
                f"and data.unlabelled_fraction={unlabelled_fraction:g} mean nothing; leave both out"
            )
        if degraded:
            raise UserError(
                f"data.unpaired={self._text}: a degradation makes pairs; choose degradation=none and data "
                "with images and targets of their own"
            )

    @property
    def _text(self) -> str:
        return str(self.unpaired).lower()

    def divide(self, cases: Cases, has_target: Callable[[Record], bool]) -> tuple[Cases, Cases]:
        """Return the cases with images and the cases with targets, by split; each in the given order.

        Args:
            cases: All cases by split.
            has_target: Tells if a case has a target.

        Raises:
            UserError: A side is empty in a split that has cases.
        """
        images = {split: [r for r in cases[split] if r.side != "target"] for split in SPLITS}
        targets = {split: [r for r in cases[split] if has_target(r)] for split in SPLITS}
        if not self.unpaired:
            return images, targets
        self._check(cases, images, targets)
        if self.unpaired == DISJOINT:
            for_targets = self._halved(images["train"], targets["train"])
            both = {r.subject for r in images["train"]} & {r.subject for r in targets["train"]}
            images["train"] = [r for r in images["train"] if r.subject not in for_targets]
            targets["train"] = [
                r for r in targets["train"] if r.subject not in both or r.subject in for_targets
            ]
            if not images["train"] or not targets["train"]:
                side = "image" if targets["train"] else "target"
                raise UserError(
                    f"data.unpaired=disjoint: {len(both)} training subject{'s' * (len(both) > 1)} with both "
                    f"sides leave no {side}; give more subjects, or set data.unpaired=true"
                )
        return images, targets

    def findings(self, records: Sequence[Record], targets: Container[str]) -> list[Fault]:
        """Return what a run would say of its two sides: notes that count them, or the fault that ends it.

        Args:
            records: All usable cases.
            targets: Names of those with a target.
        """
        cases: Cases = {split: [r for r in records if r.split == split] for split in SPLITS}
        if not self.unpaired:
            return []
        try:
            lines = counted(*self.divide(cases, lambda record: record.case in targets))
        except UserError as error:
            return [Fault("", "sides", str(error))]
        return [
            Fault("", f"sides of {split}", line, grave=False)
            for split, line in zip(SPLITS, lines, strict=True)
        ]

    def _halved(self, images: Sequence[Record], targets: Sequence[Record]) -> set[str]:
        """Return the subjects with both sides that give their targets only."""
        both = {r.subject for r in images} & {r.subject for r in targets}
        turn = subjects_in_turn([r for r in images if r.subject in both], self.seed)
        return spread(turn, len(turn) // 2)

    def _check(self, cases: Cases, images: Cases, targets: Cases) -> None:
        if not any(targets.values()):
            raise UserError(
                f"data.unpaired={self._text}: no case has a target; name its files (data.target=...)"
            )
        if not any(images.values()):
            raise UserError(f"data.unpaired={self._text}: no case has an image; see data.image")
        for side, found in (("image", images), ("target", targets)):
            if empty := [split for split in SPLITS if cases[split] and not found[split]]:
                counts = ", ".join(f"{len(found[split])} in {split}" for split in SPLITS)
                raise UserError(
                    f"data.unpaired={self._text}: {empty[0]} has no {side} ({side}s: {counts}); give more "
                    f"subjects with one, or another split (data.split, data.split_seed, data.split_file)"
                )


def subjects(records: Sequence[Record]) -> set[str]:
    """Return the names of the subjects of these records."""
    return {record.subject for record in records}


def counted(images: Mapping[Split, Sequence[Record]], targets: Mapping[Split, Sequence[Record]]) -> list[str]:
    """Return a line about the two sides of training, and one about each of the other splits.

    Args:
        images: Cases with images by split.
        targets: Cases with targets by split.
    """
    lines = []
    for split in SPLITS:
        pictures, others = images[split], targets[split]
        words = f"{_number(len(pictures), 'image')} and {_number(len(others), 'target')}"
        if split == "train":
            shared = len(subjects(pictures) & subjects(others))
            lines.append(f"unpaired: {words}, {_number(shared, 'subject')} on both sides")
            continue
        pairs = len({r.case for r in pictures} & {r.case for r in others})
        among = f"{_number(pairs, 'pair')} among them"
        lines.append(f"unpaired, {split}: {words}, {'all pairs' if pairs == len(pictures) else among}")
    return lines


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def sides_of(
    source: Source, sides: Sides, label_fraction: float, unlabelled_fraction: float, degraded: bool
) -> Sides:
    """Return the rule, once it suits the other settings (`Sides.refuse`), and tell the source of it.

    Args:
        source: the data set.
        sides: the rule.
        label_fraction: the setting `data.label_fraction`.
        unlabelled_fraction: the setting `data.unlabelled_fraction`.
        degraded: the run makes images from clean ones.
    """
    sides.refuse(label_fraction, unlabelled_fraction, degraded)
    set_sides(source, sides.unpaired)
    return sides
