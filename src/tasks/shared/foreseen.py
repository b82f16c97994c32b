"""Before the first step: nothing to learn, or scores that validation or test cases leave undefined."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Split
from ganatomy.errors import UserError

SPLITS: dict[Split, str] = {"val": "validation", "test": "test"}


def refuse_unmarked(data: DataModule, role: str, what: str) -> None:
    """Raise UserError if no training image shows anything to learn.

    Args:
        data: Data of the run; before its `setup` nothing is known of them.
        role: Where classes are looked for: `label` or `boxes`.
        what: What an image lacks, for the line.
    """
    train = data.records.get("train", [])
    if train and not any(data.facts[record.case].holds.get(role) for record in train):
        raise UserError(
            f"data: none of the {len(train)} training images has {what}, so there is nothing to learn; "
            f"correct data.{role} and its values or units, or the split: `ganatomy check` with these words "
            "shows them"
        )


def missing_classes(
    data: DataModule,
    role: str,
    class_names: Sequence[str],
    what: str,
    score: str,
    first: int = 0,
    groups: Sequence[Collection[int]] = (),
) -> list[str]:
    """Return a line for each split in which a class is in no case, or of validation and test every class.

    Args:
        data: Data of the run.
        role: Where classes are looked for: `label` or `boxes`.
        class_names: Names of the classes, from number `first` on.
        what: Common name of the classes, for the line.
        score: Score that is undefined without them, such as dice.
        first: Number of the first class.
        groups: Numbers of the classes that each name stands for, where these are several.
    """
    numbers = list(groups) or [{number} for number in range(first, first + len(class_names))]

    def missing_in(split: Split) -> list[str]:
        present = {n for record in data.records[split] for n in data.facts[record.case].holds.get(role, ())}
        return [name for name, own in zip(class_names, numbers, strict=True) if present.isdisjoint(own)]

    lines = []
    if 0 < len(never := missing_in("train")) < len(class_names):
        named = " or ".join(never)
        lines.append(f"data: no training image holds any {named}: it cannot be learned; choose another split")
    for split, word in SPLITS.items():
        missing = missing_in(split)
        if missing and len(missing) == len(class_names):
            lines.append(f"data: no {word} image holds any {what}: {split}/{score} will be undefined")
        elif missing:
            named = " or ".join(missing)
            lines.append(f"data: no {word} image holds any {named}: {split}/{score} tells nothing of it")
    return lines


def unscored_cases(data: DataModule) -> list[str]:
    """Return a line for each split with cases whose label map holds no voxel that counts."""
    lines = []
    for split, word in SPLITS.items():
        some = [r.case for r in data.records[split] if "unscored" in data.facts[r.case].holds]
        if some:
            lines.append(
                f"data: {len(some)} of {len(data.records[split])} {word} images, e.g. {some[0]}, hold no "
                f"voxel that counts (ignore label, region of interest): they have no score"
            )
    return lines


def refuse_constant_truths(data: DataModule, data_range: object) -> None:
    """Raise UserError if a validation or test truth is constant and its own range, 0, is that of the scores.

    Args:
        data: Data of the run; a degraded image without a target is its own truth.
        data_range: Range that scores refer to, or one for each channel; None: each case's own.
    """
    if data_range is not None and not (isinstance(data_range, list) and None in data_range):
        return
    for split, word in SPLITS.items():
        for record in data.records[split]:
            of_image = data.degrade is not None and not record.content.get("target")
            kind = "constant image" if of_image else "constant target"
            if any(fault.kind == kind for fault in data.facts[record.case].faults):
                raise UserError(
                    f"task.data_range: {record.case}, a {word} case, has a constant truth, whose own "
                    "range is 0, so PSNR and SSIM have none; give the range of the values, such as "
                    "task.data_range=[0,255], or leave the case out"
                )
