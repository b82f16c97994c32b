"""Which images are healthy: by their class, by their lesion mask, or by both."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch, Record
from ganatomy.errors import UserError
from ganatomy.tasks.hooks import all_labelled
from ganatomy.tasks.shared.foreseen import SPLITS

HEALTHY_NAMES = ("healthy", "normal", "no finding", "no findings")
"""Image classes that count as healthy if `task.healthy` is null."""


@dataclass(frozen=True)
class Healthy:
    """Definition of healthy images.

    Attributes:
        kind: Number of the healthy image class; None without image classes.
        lesion: Label of lesions; None without lesion masks.
    """

    kind: int | None
    lesion: int | None

    def truth(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return (True for anomalous rows [B], lesion masks [B, *spatial] or None without outlines)."""
        masks = batch["label"][:, 0] == self.lesion if self.lesion is not None else None
        ill = torch.zeros(len(batch["image"]), dtype=torch.bool, device=batch["image"].device)
        if masks is not None:
            ill = ill | masks.flatten(1).any(1)
        if self.kind is not None:
            ill = ill | (batch["class"] != self.kind)
        return ill, masks

    def ill(self, data: DataModule, record: Record) -> bool:
        """Return True if anything in a case is anomalous; reads the case only if its record is not enough."""
        if self.kind is not None and "class" in record.content:
            other: bool = record.content["class"] != self.kind
            if other or self.lesion is None:
                return other
        case = data.cache.get(record)
        marked = self.lesion is not None and bool((case["label"] == self.lesion).any())
        return marked or (self.kind is not None and bool(np.any(case["class"] != self.kind)))

    def undefined(self, data: DataModule) -> list[str]:
        """Return a line for each split whose images are all healthy, or all anomalous, by their facts."""
        lines = []
        for split, word in SPLITS.items():
            ill = [self._holds_illness(data.facts[record.case].holds) for record in data.records[split]]
            if not any(ill) or (all(ill) and not data.sliced):
                what = "anomalous" if not any(ill) else "healthy"
                lines.append(f"data: no {word} image is {what}: {split}/auroc will be undefined")
        return lines

    def _holds_illness(self, held: dict[str, list[int]]) -> bool:
        """Return True if these facts of a case say that it is anomalous."""
        other = self.kind is not None and held.get("class", [self.kind]) != [self.kind]
        return other or self.lesion in held.get("label", ())


def chosen(given: dict[str, Any], kinds: Sequence[str], classes: Sequence[str]) -> dict[str, str | None]:
    """Choose `healthy` and `lesion` by name: as given, else from the names that the data have.

    Args:
        given: Settings of the task.
        kinds: Names of the image classes.
        classes: Names of the labels, background first.

    Raises:
        UserError: A name is unknown, or none can be chosen.
    """
    healthy, lesion = given.get("healthy"), given.get("lesion")
    if healthy is not None and healthy not in kinds:
        raise UserError(f"task.healthy: no image class is named {healthy}{_nearest(healthy, kinds)}")
    if lesion is not None and lesion not in classes[1:]:
        raise UserError(f"task.lesion: no label is named {lesion}{_nearest(lesion, classes[1:])}")
    if healthy is None:
        healthy = next((kind for kind in kinds if kind.lower().replace("_", " ") in HEALTHY_NAMES), None)
    if lesion is None and len(classes) == 2:
        lesion = classes[1]
    if healthy is None and lesion is None:
        if kinds:
            raise UserError(f"task.healthy: name the healthy class of these data{_nearest('', kinds)}")
        if classes:
            raise UserError(f"task.lesion: name the label of lesions{_nearest('', classes[1:])}")
        raise UserError(
            "data: neither image classes nor lesion masks say which images are healthy; choose data with one"
        )
    return {"healthy": healthy, "lesion": lesion}


def numbered(found: dict[str, str | None], kinds: Sequence[str], classes: Sequence[str]) -> Healthy:
    """Turn the names that `chosen` gives into numbers.

    Args:
        found: `healthy` and `lesion` by name, or None.
        kinds: Names of the image classes.
        classes: Names of the labels, background first.
    """
    healthy, lesion = found["healthy"], found["lesion"]
    return Healthy(
        None if healthy is None else list(kinds).index(healthy),
        None if lesion is None else list(classes).index(lesion),
    )


def healthy_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
    """Choose the healthy class and the lesion label; training keeps healthy subjects only.

    It is `TaskHooks.resolve_settings` of anomaly detection.
    """
    all_labelled(data)
    found = chosen(given, data.image_classes, data.mask_classes)
    keep_healthy_subjects(data, numbered(found, data.image_classes, data.mask_classes))
    return {**given, **found, "kinds": list(data.image_classes)}


def keep_healthy_subjects(data: DataModule, healthy: Healthy) -> None:
    """Keep only subjects whose training cases are all healthy; UserError if none remain."""
    train = data.records["train"]
    others = {record.subject for record in train if healthy.ill(data, record)}
    out = {record.case for record in train if record.subject in others}
    if len(out) == len(train):
        raise UserError("data: no healthy subject is left to train on; change task.healthy or data.split")
    if not data.labels.used([record for record in train if record.case not in out]):
        raise UserError(
            f"data.label_fraction: {data.labels.fraction} keeps no healthy subject to train on; give 1.0, or "
            "another data.split_seed"
        )
    if all(healthy.ill(data, record) for record in data.records["val"]):
        raise UserError("data: validation has no healthy image to choose a checkpoint by; change data.split")
    data.leave_out(out)


def _nearest(name: str, valid: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, valid, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; choose from {', '.join(valid) or 'none'}"
