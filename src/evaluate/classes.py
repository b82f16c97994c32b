"""Classes of a data set in the order of a run's, matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.data.io.regions import named_regions, values_of
from ganatomy.data.records import IGNORED, Case, Record, Source
from ganatomy.data.transforms.instances import renumbered
from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.classes import Regions

KINDS = {"label": "classes", "boxes": "box_classes", "class": "image_classes"}
"""Attribute of a source with the class names of each kind."""


@dataclass(frozen=True)
class Matched:
    """How the classes of a data set are numbered in a run.

    Attributes:
        names: Class names of the run, by kind ("label", "boxes", "class"), then those that it does not know.
        numbers: By kind, the run's number of each class of the data; -1 if it is left out.
        notes: Lines about classes that are missing, left out or unknown.
    """

    names: dict[str, tuple[str, ...]]
    numbers: dict[str, list[int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def matched(
    source: Source, names: Mapping[str, tuple[str, ...]], ignored: Sequence[str], open_end: bool = False
) -> Matched:
    """Match the classes of a source with those of a run, by name; the background is the first of each.

    Args:
        source: Data set.
        names: Class names of the run by kind, of the kinds that its scores depend on.
        ignored: Classes of the data that count as background (label), or are left out (boxes, images).
        open_end: Image classes that the run does not know are taken, as more of the anomalous ones.

    Raises:
        UserError: The data have a class that the run does not know, or none at all, or `ignored` names none
            of theirs.
    """
    theirs = {kind: [str(name) for name in getattr(source, KINDS[kind])] for kind in names}
    every = [name for given in theirs.values() for name in given]
    if wrong := [name for name in ignored if name not in every]:
        raise UserError(f"ignore_classes: the data have no class {wrong[0]}{nearest(wrong[0], every)}")
    found = Matched(dict(names))
    for kind, own in names.items():
        given = theirs[kind]
        first = 1 if kind == "label" else 0
        if not given:
            raise UserError(
                f"data.{KINDS[kind]}: these data name no classes, and the scores need {', '.join(own)}; name "
                "them, with the files that hold them"
            )
        unknown = [name for name in given[first:] if name not in own and name not in ignored]
        if unknown and not (kind == "class" and open_end):
            raise UserError(
                f"data.{KINDS[kind]}: the run knows no class {', '.join(unknown)} (it has "
                f"{', '.join(own[first:])}); call them as the run does, or leave them out: "
                f"ignore_classes=[{','.join(unknown)}]"
            )
        lost = 0 if kind == "label" else -1
        found.names[kind] = (*own, *unknown)
        numbers = dict.fromkeys(ignored, lost) | {name: n for n, name in enumerate(found.names[kind])}
        found.numbers[kind] = [0] * first + [numbers[name] for name in given[first:]]
        found.notes.extend(_notes(kind, own[first:], given[first:], unknown))
    if ignored:
        found.notes.append(f"ignore_classes: {', '.join(ignored)} left out")
    return found


def matched_regions(source: Source, regions: Any, own: Regions) -> Matched:
    """Match the classes of a source with those of a run by the regions that they are part of, by name.

    Args:
        source: Data set.
        regions: Its regions, as `data.regions` or nnU-Net's dataset.json name them.
        own: What the channels of the run mean.

    Raises:
        UserError: The data lack a region of the run, or a class of theirs is part of regions that no class
            of the run is part of together.
    """
    classes = tuple(source.classes)
    theirs = named_regions(regions, classes, values_of(source, classes))
    if lost := [name for name in own.groups if name not in theirs]:
        raise UserError(
            f"data.regions: these data have no region {', '.join(lost)}, which the run answers (they have "
            f"{', '.join(theirs)}); name it as the run does"
        )
    members = {own.within(number): number for number in reversed(range(len(own.classes)))}
    numbers = []
    for number, name in enumerate(classes):
        within = tuple(region for region in own.groups if number in theirs[region])
        if within not in members:
            raise UserError(
                f"data.regions: {name} is part of {', '.join(within)} together, and no class of the run is; "
                f"the run has {own.words}"
            )
        numbers.append(members[within])
    found = Matched({"label": own.classes}, {"label": numbers})
    if more := [name for name in theirs if name not in own.groups]:
        found.notes.append(f"data.regions: {', '.join(more)} unknown to the run; no score of theirs")
    return found


def _notes(kind: str, own: Sequence[str], given: Sequence[str], unknown: Sequence[str]) -> list[str]:
    """Return lines about what is in one of the two alone."""
    lines = []
    if missing := [name for name in own if name not in given]:
        lines.append(f"data.{KINDS[kind]}: {', '.join(missing)} missing in these data; no score of theirs")
    if unknown:
        lines.append(f"data.{KINDS[kind]}: {', '.join(unknown)} unknown to the run: count as anomalous")
    return lines


class ByName:
    """A source whose cases have the class numbers of a run; everything else is the wrapped source's own.

    Args:
        source: The data set.
        found: What `matched` returned.
    """

    def __init__(self, source: Source, found: Matched) -> None:
        self.source, self.numbers = source, {kind: np.array(n) for kind, n in found.numbers.items()}
        for kind, names in found.names.items():
            setattr(self, KINDS[kind], names)

    def __getattr__(self, name: str) -> Any:
        if name in ("source", "numbers"):  # not there yet, as in a process that unpacks it
            raise AttributeError(name)
        return getattr(self.source, name)

    def records(self) -> list[Record]:
        """Return the cases without those of an image class that is left out."""
        numbers = self.numbers.get("class")
        records = self.source.records()
        if numbers is None:
            return records
        return [r for r in records if "class" not in r.content or numbers[int(r.content["class"])] >= 0]

    def load(self, record: Record) -> Case:
        """Return the arrays of a case with the class numbers of the run."""
        case = dict(self.source.load(record))
        for kind in self.numbers.keys() & case.keys() - {"boxes"}:
            self._refuse_unnamed(record, kind, case[kind])
            given, numbers = case[kind], self.numbers[kind]
            kept = np.int8 if len(numbers) <= 128 else np.int32
            known = numbers[np.maximum(given, 0)].astype(kept if (given < 0).any() else given.dtype)
            case[kind] = np.where(given < 0, known.dtype.type(IGNORED), known) if (given < 0).any() else known
        if "boxes" in self.numbers and "boxes" in case:
            classes = self.numbers["boxes"][case["classes"]]
            scored = classes >= 0
            case["boxes"], case["classes"] = case["boxes"][scored], classes[scored]
            if "instances" in case:
                case["instances"] = renumbered(case["instances"], scored)
        return case

    def _refuse_unnamed(self, record: Record, kind: str, values: np.ndarray) -> None:
        """Raise UserError if a case holds values that none of the data's classes has."""
        low, high, last = int(values.min()), int(values.max()), len(self.numbers[kind]) - 1
        if kind == "label" and low == IGNORED and getattr(self.source, "ignore_label", None) is not None:
            low = max(high, 0)
        if low < 0 or high > last:
            remedy = "; data.label_values=[...] lists the values of the masks, in the order of data.classes"
            raise UserError(
                f"{record.case}: {kind} value {low if low < 0 else high}, but data.{KINDS[kind]} names "
                f"0 to {last}" + remedy * (kind == "label")
            )
