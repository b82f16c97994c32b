"""Before the first step: which scores the cases of validation and test cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Split

SPLITS: dict[Split, str] = {"val": "validation", "test": "test"}


def without(
    data: DataModule, role: str, names: Sequence[str], what: str, score: str, first: int = 0
) -> list[str]:
    """A line for each split in which no case holds a class, or none at all, of its `label` or `boxes`.

    names: of the classes, counted from `first`. what: their common name. score: the one by which they are
    judged, such as dice.
    """
    lines = []
    for split, word in SPLITS.items():
        seen = {n for record in data.records[split] for n in data.facts[record.case].holds.get(role, ())}
        missing = [name for number, name in enumerate(names, first) if number not in seen]
        if missing and len(missing) == len(names):
            lines.append(f"data: no {word} image holds any {what}: {split}/{score} will be undefined")
        elif missing:
            named = " or ".join(missing)
            lines.append(f"data: no {word} image holds any {named}: {split}/{score} tells nothing of it")
    return lines
