"""No patient of validation or test may come into training by way of a generator."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganatomy.data.records import Record
from ganatomy.data.sampling.synthetic import Synthetic
from ganatomy.data.splits.held import digest
from ganatomy.errors import UserError
from ganatomy.training.synthetic.origin import KEY, SPLIT, Origin

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule


def check_patients(origin: Origin, data: DataModule, ours: dict[str, Any]) -> None:
    """Raise UserError unless all patients that the generator was trained on train here, with their labels.

    Args:
        origin: Where the images come from.
        data: Data of the run that trains on them.
        ours: Its section `data`, plain.
    """
    mend = "give both runs the same " + ", ".join(f"data.{key}" for key in SPLIT)
    if origin.summary is None:
        if not origin.same_split(data, ours):
            raise UserError(
                f"{KEY}: {origin.typed} does not show that its generator knows this run's training patients "
                f"alone (its data or split are others); {mend}, or name the run itself"
            )
        return
    here = {digest(data.facts[record.case].content): record for record in data.dealt}
    theirs: dict[str, str] = origin.summary["contents"]["train"]
    unused = set(origin.summary.get("without_labels", ()))
    found = [here.get(known) for known in theirs.values() if known]
    used = [one for one in found if one is None or one.subject not in unused]
    strange = [one for one in used if not _trains(one, data)]
    if strange:
        held = sum(one is not None and one.split in ("val", "test") for one in strange)
        raise UserError(
            f"{KEY}: {origin.typed} was trained on {len(strange)} images that do not train here ({held} of "
            f"them are of this run's validation or test); {mend}"
        )


def _trains(record: Record | None, data: DataModule) -> bool:
    return record is not None and record.split == "train" and record.subject in data.labels.kept


def check_masks(mixed: Synthetic, origin: Origin, data: DataModule) -> None:
    """Raise UserError if an image that `generate` drew has the label map of a held-out case alone."""
    if "label" in mixed.lacks or not origin.drawn_later:
        return
    held = _maps(data, [*data.records["val"], *data.records["test"]])
    held -= _maps(data, data.labels.used(data.records["train"])) | {""}
    shared = sum(_digest(mixed.read(*place)["label"]) in held for place in mixed.places)
    if shared:
        raise UserError(
            f"{KEY}: {shared} images of {origin.typed} were drawn from label maps of this run's validation "
            "or test; draw from those of the training alone"
        )


def _maps(data: DataModule, records: Sequence[Record]) -> set[str]:
    labels = (data.evaluated(record)["label"] for record in records)
    return {_digest(one) for label in labels for one in (label if data.sliced else [label])}


def _digest(label: np.ndarray) -> str:
    """Return a digest of a label map; empty for background alone, which many share."""
    plain = np.ascontiguousarray(label, np.int32)
    return hashlib.sha256(repr(plain.shape).encode() + plain.tobytes()).hexdigest() if plain.any() else ""
