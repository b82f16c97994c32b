"""Weights of classes: as given, or from how often each occurs in the training labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.segmentation.classes import Labelling


def balanced(counts: Sequence[float]) -> list[float]:
    """Return weights inverse to the counts, with mean 1: N / (K n_k), scaled.

    The weights of scikit-learn's `class_weight="balanced"` but for the scale. A class without voxels gets the
    smallest weight of the others: nothing is known of it.

    Args:
        counts: Voxels of each class, or region.

    Example:
        >>> balanced([900, 100])
        [0.2, 1.8]
    """
    found = np.asarray(counts, float)
    inverse = np.divide(1.0, found, out=np.full(found.shape, np.inf), where=found > 0)
    inverse = np.where(found > 0, inverse, inverse.min())
    if not np.isfinite(inverse).all():
        raise UserError(
            "task.class_weights: auto: the training labels hold no voxel that counts; give a list"
        )
    return [float(f"{weight:.6g}") for weight in inverse / inverse.mean()]


def counted(data: DataModule, labelling: Labelling) -> list[int]:
    """Return the training voxels of each class, or region, that count; of labels that are used.

    Args:
        data: Data of the run.
        labelling: What the channels mean.
    """
    counts = np.zeros(len(labelling.classes), np.int64)
    for record in data.labels.used(data.records["train"]):
        case = data.whole(record)
        batch = {key: torch.from_numpy(np.asarray(case[key])) for key in ("label", "mask") if key in case}
        batch = {key: each if data.sliced else each[None] for key, each in batch.items()}
        label, valid = batch["label"], labelling.valid(batch)
        values = label.reshape(-1) if valid is None else label[valid]
        counts += np.bincount(values.numpy(), minlength=len(counts))
    if labelling.sigmoid:
        return [int(sum(counts[list(numbers)])) for numbers in labelling.groups.values()]
    return counts.tolist()


def names_of(labelling: Labelling) -> list[str]:
    """Return the names of the channels: the background's too, where there is one."""
    return list(labelling.groups if labelling.sigmoid else labelling.classes)


def with_class_weights(given: dict[str, Any], data: DataModule, labelling: Labelling) -> dict[str, Any]:
    """Return a task's settings with `class_weights: auto` replaced by the weights, by name.

    Args:
        given: Task section of the configuration.
        data: Data of the run; the choice is added to its notes.
        labelling: What the channels mean.
    """
    if given.get("class_weights") != "auto":
        return given
    counts, names = counted(data, labelling), names_of(labelling)
    weights = balanced(counts)
    said = ", ".join(f"{name} {weight:.3g}" for name, weight in zip(names, weights, strict=True))
    line = f"class weights: {said}; inverse to their shares of the training voxels, scaled to a mean of 1"
    if absent := [name for name, count in zip(names, counts, strict=True) if not count]:
        line += f"; {', '.join(absent)}: in no training label, so the smallest weight of the others"
    if line not in data.going_on:
        data.going_on.append(line)
    return {**given, "class_weights": dict(zip(names, weights, strict=True))}


def listed(
    given: Sequence[float] | Mapping[str, float] | str | None, labelling: Labelling
) -> list[float] | None:
    """Return `task.class_weights` as a list in the order of the channels; None for equal weights.

    Args:
        given: A list, or weights by name.
        labelling: What the channels mean.

    Raises:
        UserError: It is of other classes, or of another length.
    """
    if given is None:
        return None
    names = names_of(labelling)
    if isinstance(given, str):
        raise UserError(f"task.class_weights: {as_typed(given)}; give null, auto, or {len(names)} numbers")
    if isinstance(given, Mapping):
        if set(given) != set(names):
            named = ", ".join(map(str, given))
            raise UserError(
                f"task.class_weights: names {named}; give a weight for each of the classes {', '.join(names)}"
            )
        given = [given[name] for name in names]
    if len(given) != len(names):
        raise UserError(
            f"task.class_weights: {len(given)} numbers for {len(names)} classes; give one for each of "
            f"{', '.join(names)}, in this order"
        )
    return list(given)
