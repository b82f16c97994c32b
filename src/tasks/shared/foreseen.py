"""Warnings before the first step: scores that the validation or test cases leave undefined."""

from __future__ import annotations

from collections.abc import Sequence

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Split

SPLITS: dict[Split, str] = {"val": "validation", "test": "test"}


def missing_classes(
    data: DataModule, role: str, class_names: Sequence[str], what: str, score: str, first: int = 0
) -> list[str]:
    """Return a line for each split in which a class, or every class, is in no case.

    Args:
        data: Data of the run.
        role: Where classes are looked for: `label` or `boxes`.
        class_names: Names of the classes, from number `first` on.
        what: Common name of the classes, for the line.
        score: Score that is undefined without them, such as dice.
        first: Number of the first class.
    """
    lines = []
    for split, word in SPLITS.items():
        present = {n for record in data.records[split] for n in data.facts[record.case].holds.get(role, ())}
        missing = [name for number, name in enumerate(class_names, first) if number not in present]
        if missing and len(missing) == len(class_names):
            lines.append(f"data: no {word} image holds any {what}: {split}/{score} will be undefined")
        elif missing:
            named = " or ".join(missing)
            lines.append(f"data: no {word} image holds any {named}: {split}/{score} tells nothing of it")
    return lines
