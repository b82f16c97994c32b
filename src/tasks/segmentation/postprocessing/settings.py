"""The setting task.postprocess: nothing, what is to be done, or `auto`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.postprocessing.steps import Steps
from ganatomy.text.values import as_typed, quoted

KEY, AUTO = "task.postprocess", "auto"
NAMES = ("largest", "fill_holes", "minimum")
EXAMPLE = "[{largest: {liver: true}}, fill_holes, {minimum: {lesion: 20}}]"


def steps_of(given: Any, classes: Sequence[str]) -> dict[int, Steps]:
    """Return what is done to each class number, as the setting says it.

    Args:
        given: a step, or a list of steps: `largest`, `fill_holes`, or one of these or `minimum` with a value
            for all classes or by class; or a mapping of steps to such values. Their order does not matter.
        classes: names of the values of a label map, background first.

    Raises:
        UserError: it is something else, or names a class that there is none of.

    Example:
        >>> steps_of(["fill_holes", {"minimum": {"lesion": 20}}], ("background", "liver", "lesion"))[2]
        Steps(fill_holes=True, largest=False, minimum=20.0)
    """
    whole = bool(given) and (isinstance(given, Mapping) or given in NAMES[:2])
    entries: Any = [given] if whole else given
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise UserError(f"{KEY}={as_typed(given)}: choose null, auto or a list of steps such as {EXAMPLE}")
    values: dict[str, dict[int, Any]] = {}
    for entry in entries:
        pairs = {entry: True} if isinstance(entry, str) else entry
        if not isinstance(pairs, Mapping) or not pairs:
            raise UserError(f"{KEY}: {quoted(entry)} is no step; give a list such as {EXAMPLE}")
        for name, value in pairs.items():
            if name not in NAMES:
                raise UserError(f"{KEY}: {name} is no step; choose {', '.join(NAMES)}")
            if name in values:
                raise UserError(f"{KEY}: {name} is given twice; give it once, by class")
            values[str(name)] = _by_class(str(name), value, classes)
    return {
        number: Steps(
            bool(values.get("fill_holes", {}).get(number, False)),
            bool(values.get("largest", {}).get(number, False)),
            float(values.get("minimum", {}).get(number, 0.0)),
        )
        for number in range(1, len(classes))
    }


def _by_class(name: str, value: Any, classes: Sequence[str]) -> dict[int, Any]:
    """Return the value of a step by class number."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(range(1, len(classes)), _checked(name, value, ""))
    found = {}
    if not value:
        raise UserError(f"{KEY}.{name}={{}}: names no class; give true, a value, or either by class")
    for word, own in value.items():
        if word not in classes[1:]:
            raise UserError(f"{KEY}.{name}: {word} is no class; choose of {', '.join(classes[1:])}")
        found[list(classes).index(str(word))] = _checked(name, own, f" of {word}")
    return found


def _checked(name: str, value: Any, whose: str) -> Any:
    if name != "minimum":
        if not isinstance(value, bool):
            raise UserError(f"{KEY}.{name}{whose}: {quoted(value)}; give true or false")
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise UserError(
            f"{KEY}.{name}{whose}: {quoted(value)}; give the size of the smallest component to keep, in mm³ "
            "(volumes), or mm² or px (images)"
        )
    return value
