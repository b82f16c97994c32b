"""Overlapping regions of classes, such as the whole tumour, its core and its enhancing part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

KEY, ORDER = "data.regions", "data.regions_class_order"


@dataclass(frozen=True)
class Overlapping:
    """Regions of classes, and how they become one label map.

    Attributes:
        regions: Class numbers of each region, by name.
        order: (number of the region, class number that is written for it), the first written first; each is
            written over those before it.
    """

    regions: dict[str, tuple[int, ...]]
    order: tuple[tuple[int, int], ...]

    @property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """Return the class numbers of each region by the head of its column in a table."""
        return {f"in {name}": numbers for name, numbers in self.regions.items()}

    def words(self, values: Sequence[int]) -> str:
        """Return the regions as a line; `values` are the values in the files, by class number."""
        written = dict(self.order)
        return "; ".join(
            f"{name} = {', '.join(str(values[number]) for number in numbers)} "
            f"(written as {values[written[place]]})"
            for place, (name, numbers) in enumerate(self.regions.items())
        )


def values_of(source: Any, classes: Sequence[str]) -> tuple[int, ...]:
    """Return the values that a source's masks have in files, in the order of these classes."""
    known = getattr(source, "label_values", None) or range(max(len(classes), 2))
    return tuple(int(value) for value in known)


def regions_of(source: Any, regions: Any = None, order: Any = None) -> Overlapping | None:
    """Return the regions of a source; see `overlapping`.

    Args:
        source: The data set, which may name regions itself.
        regions: data.regions; None for the source's own, if it has some.
        order: data.regions_class_order; None for the source's own, if the regions are too.
    """
    if regions is None:
        regions = getattr(source, "regions", None)
        order = getattr(source, "regions_class_order", None) if order is None else order
    classes = tuple(source.classes)
    return overlapping(regions, order, classes, values_of(source, classes))


def overlapping(
    regions: Any, order: Any, classes: Sequence[str], values: Sequence[int]
) -> Overlapping | None:
    """Return the regions of a data set; None if it has none.

    Args:
        regions: Values of the masks, or names of classes, of each region by name.
        order: Value that is written for each region, in the order in which they are written, which is that of
            `regions`; None where it follows from the regions.
        classes: Names of the classes, background first.
        values: Values of the masks, in the order of `classes`.

    Raises:
        UserError: A value is unknown, two regions are the same, or the order is missing or contradicts them.
    """
    if not regions:
        if order:
            raise UserError(f"{ORDER}={as_typed(order)}: there are no regions to write; name them in {KEY}")
        return None
    found = named_regions(regions, classes, values)
    return Overlapping(
        found, _derived(found, values) if order is None else _given(found, order, classes, values)
    )


def named_regions(regions: Any, classes: Sequence[str], values: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the class numbers of each region by name; see `overlapping`.

    Args:
        regions: data.regions.
        classes: Names of the classes, background first.
        values: Values of the masks, in the order of `classes`.

    Raises:
        UserError: A value is unknown, or two regions are the same.
    """
    if not isinstance(regions, Mapping):
        raise UserError(
            f"{KEY}={as_typed(regions)}: give names with the values of the masks, {{whole: [1,2,3]}}"
        )
    found: dict[str, tuple[int, ...]] = {}
    for name, given in regions.items():
        each = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        numbers = sorted({_number(f"{KEY}.{name}", one, classes, values) for one in each})
        if not numbers:
            raise UserError(f"{KEY}.{name}: holds no value of the masks; give some, or take the region out")
        same = next((other for other, theirs in found.items() if theirs == tuple(numbers)), None)
        if same is not None:
            raise UserError(f"{KEY}.{name}: has the values of {same}; take one of the two out")
        if str(name) == str(classes[0]):
            raise UserError(f"{KEY}.{name}: is the name of the background; rename the region")
        found[str(name)] = tuple(numbers)
    return found


def _number(key: str, given: Any, classes: Sequence[str], values: Sequence[int]) -> int:
    """Return the class number of a value of the masks or of the name of a class."""
    if isinstance(given, str) and given in classes:
        number = list(classes).index(given)
    elif isinstance(given, int) and not isinstance(given, bool) and given in values:
        number = list(values).index(given)
    else:
        known = ", ".join(f"{value} ({name})" for value, name in zip(values, classes, strict=False))
        raise UserError(f"{key}: {given} is no value of the masks; they have {known}")
    if not number:
        raise UserError(f"{key}: {given} is the background, which is part of no region; take it out")
    return number


def _given(
    found: Mapping[str, Sequence[int]], order: Any, classes: Sequence[str], values: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Return the order that was given, in nnU-Net's words: a value for each region, one after another."""
    wanted, names = list(order) if isinstance(order, Sequence) else [order], list(found)
    if len(wanted) != len(found):
        raise UserError(
            f"{ORDER}={as_typed(wanted)}: {len(wanted)} values for {len(found)} regions "
            f"({', '.join(names)}); give one for each, in this order"
        )
    numbers = [_number(ORDER, one, classes, values) for one in wanted]
    for place, (name, number) in enumerate(zip(names, numbers, strict=True)):
        if number not in found[name]:
            held = ", ".join(str(values[one]) for one in found[name])
            raise UserError(
                f"{ORDER}: {name} would be written as {wanted[place]}, which is none of its values ({held})"
            )
        for later in names[place + 1 :]:
            if set(found[name]) <= set(found[later]):
                raise UserError(
                    f"{KEY}: {later} is written over all of {name}, which is a part of it; name the larger "
                    f"region first, and its value in {ORDER} too"
                )
    return tuple(enumerate(numbers))


def _derived(found: Mapping[str, Sequence[int]], values: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the order that follows from the regions: the larger first, each as the one value of its own."""
    names = list(found)
    order = []
    for place in sorted(range(len(names)), key=lambda number: -len(found[names[number]])):
        name, own = names[place], set(found[names[place]])
        for other, theirs in found.items():
            if own & set(theirs) and not (own <= set(theirs) or own >= set(theirs)):
                raise UserError(
                    f"{ORDER}: is needed, since {name} and {other} overlap and neither holds the other; give "
                    f"a value for each of {', '.join(names)}, the first written first"
                )
        inner = {number for theirs in found.values() if set(theirs) < own for number in theirs}
        if len(left := sorted(own - inner)) != 1:
            which = " or ".join(str(values[number]) for number in left or sorted(own))
            raise UserError(
                f"{ORDER}: is needed, since {name} could be written as {which}; give a value for each of "
                f"{', '.join(names)}, the first written first"
            )
        order.append((place, left[0]))
    return tuple(order)
