"""From prepared cases to the rows of a batch; augmentation is a function of (seed, epoch, index)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from monai.data.meta_obj import get_track_meta, set_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from torch.utils.data import Dataset

from src.data.records import Case, Record
from src.data.sampler import Place, item_seed

Item = dict[str, Any]
SPATIAL = ("image", "target", "label")
Reader = Callable[[Record], Case]


class TrainItems(Dataset[Item]):
    """Slices of volumes (2D) or whole cases, each augmented anew every epoch. Index: (epoch, index).

    slices: how many items each record gives; None for a record taken whole.
    """

    def __init__(
        self,
        records: Sequence[Record],
        slices: Sequence[int | None],
        read: Reader,
        augment: Sequence[Any],
        seed: int,
    ) -> None:
        self.places = [
            (record, z)
            for record, n in zip(records, slices, strict=True)
            for z in (range(n) if n is not None else (None,))
        ]
        self.read, self.seed, self.augment = read, seed, Compose(list(augment))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: Place) -> Item:
        epoch, index = place
        record, z = self.places[index]
        item = as_item(record, self.read(record), z)
        self.augment.set_random_state(seed=item_seed(self.seed, epoch, index))
        return plain(apply(self.augment, item))


class EvalBatches(Dataset[Item]):
    """Ready batches of whole cases: all the slices of one volume, or `batch_size` cases of one shape."""

    def __init__(self, groups: Sequence[Sequence[Record]], sliced: bool, read: Reader) -> None:
        self.groups, self.sliced, self.read = groups, sliced, read

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> Item:
        rows: list[Item] = []
        for record in self.groups[index]:
            case = self.read(record)
            places: Sequence[int | None] = range(len(case["image"])) if self.sliced else (None,)
            rows += [plain(as_item(record, case, z)) for z in places]
        return collate(rows)


def as_item(record: Record, case: Case, z: int | None) -> Item:
    """One row: the whole case, or its slice `z` with the volume's affine and spacing."""
    item: Item = {
        key: torch.from_numpy(np.array(value if z is None or key not in SPATIAL else value[z]))
        for key, value in case.items()
    }
    if z is not None:
        item["slice"] = torch.tensor(z)
    return item | {"subject": record.subject, "case": record.case}


def apply(transform: Compose, item: Item) -> Item:
    """The item, transformed without MONAI's bookkeeping of affines."""
    tracking = get_track_meta()
    set_track_meta(False)
    try:
        transformed: Item = transform(item)
    finally:
        set_track_meta(tracking)
    return transformed


def plain(item: Item) -> Item:
    """Float32 pictures, int64 labels and classes, contiguous, no MetaTensor."""
    for key, value in item.items():
        if isinstance(value, MetaTensor):
            value = value.as_tensor()
        if key in ("label", "classes", "class"):
            value = value.round().long() if value.is_floating_point() else value.long()
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            value = value.float()
        item[key] = value.contiguous() if isinstance(value, torch.Tensor) else value
    return item


def collate(rows: Sequence[Item]) -> Item:
    """A batch: tensors stacked, `boxes` and `classes` and words listed."""
    batch: Item = {}
    for key in rows[0]:
        values = [row[key] for row in rows]
        ragged = key in ("boxes", "classes") or not isinstance(values[0], torch.Tensor)
        batch[key] = values if ragged else torch.stack(values)
    return batch
