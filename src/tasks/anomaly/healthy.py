"""Who is healthy: told by the kind of an image, by its lesion mask, or by both."""

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
from ganatomy.tasks.shared.foreseen import SPLITS

KNOWN = ("healthy", "normal", "no finding", "no findings")
"""Kinds that are taken for the healthy one where `task.healthy` names none."""


@dataclass(frozen=True)
class Healthy:
    """kind: the number of the healthy kind; lesion: the label of lesions. None: the data have no such."""

    kind: int | None
    lesion: int | None

    def truth(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """(whether rows are anomalous [B], their lesion masks [B, *spatial] where lesions are outlined)."""
        masks = batch["label"][:, 0] == self.lesion if self.lesion is not None else None
        ill = torch.zeros(len(batch["image"]), dtype=torch.bool, device=batch["image"].device)
        if masks is not None:
            ill = ill | masks.flatten(1).any(1)
        if self.kind is not None:
            ill = ill | (batch["class"] != self.kind)
        return ill, masks

    def ill(self, data: DataModule, record: Record) -> bool:
        """Whether anything in a case is anomalous; read only where its record does not tell."""
        if self.kind is not None and "class" in record.content:
            told: bool = record.content["class"] != self.kind
            if told or self.lesion is None:
                return told
        case = data.cache.get(record)
        marked = self.lesion is not None and bool((case["label"] == self.lesion).any())
        return marked or (self.kind is not None and bool(np.any(case["class"] != self.kind)))

    def undefined(self, data: DataModule) -> list[str]:
        """A line for each split whose images are all healthy, or none of them, by what is known of them."""
        lines = []
        for split, word in SPLITS.items():
            ill = [self._holds_illness(data.facts[record.case].holds) for record in data.records[split]]
            if not any(ill) or (all(ill) and not data.sliced):
                what = "anomalous" if not any(ill) else "healthy"
                lines.append(f"data: no {word} image is {what}: {split}/auroc will be undefined")
        return lines

    def _holds_illness(self, held: dict[str, list[int]]) -> bool:
        """Of a case of which this much is known."""
        other = self.kind is not None and held.get("class", [self.kind]) != [self.kind]
        return other or self.lesion in held.get("label", ())


def chosen(given: dict[str, Any], kinds: Sequence[str], classes: Sequence[str]) -> dict[str, str | None]:
    """`healthy` and `lesion` by name: as given, else by the names and the number of what the data have."""
    healthy, lesion = given.get("healthy"), given.get("lesion")
    if healthy is not None and healthy not in kinds:
        raise UserError(f"task.healthy: no kind of image is named {healthy}{_nearest(healthy, kinds)}")
    if lesion is not None and lesion not in classes[1:]:
        raise UserError(f"task.lesion: no label is named {lesion}{_nearest(lesion, classes[1:])}")
    if healthy is None:
        healthy = next((kind for kind in kinds if kind.lower().replace("_", " ") in KNOWN), None)
    if lesion is None and len(classes) == 2:
        lesion = classes[1]
    if healthy is None and lesion is None:
        if kinds:
            raise UserError(f"task.healthy: name the healthy kind of these data{_nearest('', kinds)}")
        if classes:
            raise UserError(f"task.lesion: name the label of lesions{_nearest('', classes[1:])}")
        raise UserError("data: neither kinds of images nor lesion masks tell the healthy from the others")
    return {"healthy": healthy, "lesion": lesion}


def numbered(found: dict[str, str | None], kinds: Sequence[str], classes: Sequence[str]) -> Healthy:
    """What is known by name, as the data count it."""
    healthy, lesion = found["healthy"], found["lesion"]
    return Healthy(
        None if healthy is None else list(kinds).index(healthy),
        None if lesion is None else list(classes).index(lesion),
    )


def leave_out_the_others(data: DataModule, healthy: Healthy) -> None:
    """Train on subjects of whom every training case is healthy; UserError where nobody is left."""
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
