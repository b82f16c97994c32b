"""Weights of training items: repeat factors of the classes that they hold, or numbers from a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.text_tables import rows_of, word
from ganatomy.data.records import Record
from ganatomy.errors import UserError

CLASSES = "classes"
THRESHOLD = 0.5
"""Share of the items below which a class is rare, unless `classes:SHARE` says another."""
TABLES = (".csv", ".tsv", ".json")
SHOWN = 4
"""Rare classes that are named."""
ROLES = ("label", "boxes", "class")


@dataclass(frozen=True)
class Sampling:
    """How often an item is drawn, relative to others: the setting data.sampling.

    Attributes:
        setting: None, each item once an epoch; `classes` or `classes:SHARE`, items with rare classes more
            often (`repeat_factors`); or a table with the columns `case` (or `subject`) and `weight`.
        role: where the classes stand: "label", "boxes" or "class"; "" takes the first of these that the cases
            have.

    Raises:
        UserError: the setting is none of these.
    """

    setting: str | None = None
    role: str = ""

    def __post_init__(self) -> None:
        kind = (self.setting or "").partition(":")[0]
        if self.setting is None or self.is_table or (kind == CLASSES and 0 < self.threshold <= 1):
            return
        raise UserError(
            f"data.sampling={self.setting}: choose null, classes, classes:SHARE with a share of the items "
            "above 0 and up to 1, or a table of weights by case (weights.csv)"
        )

    @property
    def is_table(self) -> bool:
        """Return True if weights come from a file."""
        return self.setting is not None and Path(self.setting).suffix.lower() in TABLES

    @property
    def threshold(self) -> float:
        """Return the share of the items below which a class is rare; NaN for a text that is no number."""
        _, sign, share = (self.setting or "").partition(":")
        try:
            return float(share) if sign else THRESHOLD
        except ValueError:
            return float("nan")

    def role_of(self, holds: Sequence[Mapping[str, Any]]) -> str:
        """Return where the classes stand, given what each training case holds (see `survey.classes_in`).

        Raises:
            UserError: the cases have no classes there.
        """
        roles = [self.role] if self.role else ROLES
        found = next((role for role in roles if holds and all(role in each for each in holds)), "")
        if not found:
            raise UserError(
                f"data.sampling={self.setting}: the training cases have no {' or '.join(roles)} to sample "
                "by; set it to null, or give a table of weights by case (weights.csv)"
            )
        return found

    def table(self, known: Collection[Record]) -> dict[str, float]:
        """Read the table of weights: the weight of each case that it gives one.

        Args:
            known: all cases of the data set.

        Raises:
            UserError: the table cannot be read, names no case of the data set, or gives no weight.
        """
        what = f"data.sampling={self.setting}"
        rows = rows_of(Path(str(self.setting)).expanduser(), what)
        column = next((name for name in ("case", "subject") if rows and name in rows[0][1]), "")
        if not column or "weight" not in rows[0][1]:
            raise UserError(f"{what}: needs the columns case (or subject) and weight")
        names: dict[str, list[str]] = {}
        private = any(record.private for record in known)
        for record in known:
            names.setdefault(record.case if column == "case" else record.subject, []).append(record.case)
        found: dict[str, float] = {}
        for line, cells in rows:
            name, weight = word(cells[column]), _number(cells["weight"])
            shown = "its name" if private else name or "an empty cell"
            if name not in names:
                raise UserError(f"{what}, row {line}: {shown} is no {column} of the data set")
            if names[name][0] in found:
                raise UserError(f"{what}, row {line}: {shown} has a weight already; remove one")
            if not 0 <= weight < math.inf:
                raise UserError(f"{what}, row {line}: weight {cells['weight']!r}; give a number of 0 or more")
            found |= dict.fromkeys(names[name], weight)
        return found

    def cases(self, training: Sequence[Record], known: Collection[Record]) -> list[float]:
        """Return the weight that the table gives each training case.

        Args:
            training: cases that are trained on with their labels.
            known: all cases of the data set.

        Raises:
            UserError: a training case has no weight, or all have 0.
        """
        table = self.table(known)
        if lost := [record.case for record in training if record.case not in table]:
            raise UserError(
                f"data.sampling={self.setting}: {lost[0]} has no weight ({len(lost)} of {len(training)} "
                "training cases); give each one"
            )
        weights = [table[record.case] for record in training]
        if not any(weights):
            raise UserError(f"data.sampling={self.setting}: all weights of training cases are 0; raise one")
        return weights


def _number(cell: Any) -> float:
    try:
        return float(word(cell))
    except ValueError:
        return float("nan")


def repeat_factors(held: Sequence[Collection[int]], threshold: float) -> tuple[np.ndarray, dict[int, float]]:
    """Return how often each item is drawn relative to one without a rare class.

    r(c) = max(1, sqrt(threshold / f(c))) with f(c) the share of the items that hold class c, and
    r(item) = the largest r(c) of its classes; 1 for an item without one. Gupta et al. (LVIS), CVPR 2019,
    arXiv 1908.03195, section 4.1.

    Args:
        held: classes of each item.
        threshold: share below which a class is rare, 0 to 1.

    Returns:
        Factors of the items [N], and of the classes.

    Example:
        >>> repeat_factors([{1}, {1}, {1}, {1, 2}], 1.0)
        (array([1., 1., 1., 2.]), {1: 1.0, 2: 2.0})
    """
    counts = Counter(number for classes in held for number in set(classes))
    by_class = {
        number: max(1.0, math.sqrt(threshold * len(held) / count)) for number, count in sorted(counts.items())
    }
    factors = [max((by_class[number] for number in classes), default=1.0) for classes in held]
    return np.array(factors), by_class


def classes_of_items(
    records: Sequence[Record],
    depths: Sequence[int | None],
    held: Callable[[Record], Collection[int]],
    label: Callable[[Record], np.ndarray] | None,
) -> list[frozenset[int]]:
    """Return the classes of each training item: of a slice its own, of any other item its case's.

    Args:
        records: the training cases.
        depths: number of slices of each record; None for a record that is not sliced.
        held: returns the classes of a case.
        label: returns the label map of a sliced case, [S, 1, H, W]; None if classes do not stand there.
    """
    found: list[frozenset[int]] = []
    for record, depth in zip(records, depths, strict=True):
        if depth is None or label is None:
            found += [frozenset(held(record))] * (depth or 1)
        else:
            found += [frozenset(np.unique(plane[plane > 0]).tolist()) for plane in label(record)]
    return found


def words(
    setting: str, role: str, names: Sequence[str], held: Sequence[Collection[int]], factors: Any
) -> str:
    """Return how items are drawn, in one line.

    Args:
        setting: data.sampling.
        role: where the classes stand.
        names: names of the classes.
        held: classes of each item.
        factors: see `repeat_factors`.
    """
    rare = sorted(((r, c) for c, r in factors[1].items() if r > 1), key=lambda each: -each[0])
    if not rare:
        return (
            f"sampling: no class of {role} is rare (data.sampling={setting}); each item comes once an epoch"
        )
    share = len(held) / float(np.sum(factors[0]))
    each = [
        f"{names[c] if c < len(names) else c} (in {sum(c in classes for classes in held)} of {len(held)}) "
        f"{r * share:.2f}"
        for r, c in rare[:SHOWN]
    ]
    more = f", {len(rare) - SHOWN} further classes" if len(rare) > SHOWN else ""
    return (
        f"sampling: by the rarest class of each item's {role} (data.sampling={setting}); times an epoch: "
        f"{', '.join(each)}{more}, without a rare class {share:.2f}"
    )
