"""From prepared cases to the rows of a batch; augmentation is a function of (seed, epoch, index)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch.utils.data import Dataset

from ganatomy.data.records import Case, Record
from ganatomy.data.sampler import ItemIndex, item_seed
from ganatomy.data.transforms.augment import Augmentation, Item
from ganatomy.data.transforms.degrade import Degrade, degraded_item
from ganatomy.data.transforms.patches import Patches

Reader = Callable[[Record, int | None], Case]
RAGGED = ("boxes", "classes")
ROOM = 2**25
"""Voxels in a batch of evaluation, at most, unless a single case has more."""


class TrainItems(Dataset[Item]):
    """Slices of volumes (2D), patches, or whole cases, each augmented anew every epoch. Index: (epoch,
    index).

    depths: how many slices each record gives; None for a record that is not sliced. read: a record, and
    one slice of it. degrade: applied last. mute: how many of the records, the last ones, come without their
    labels; where there are any, each item says whether it is `labelled`.
    """

    def __init__(
        self,
        records: Sequence[Record],
        depths: Sequence[int | None],
        read: Reader,
        augment: Sequence[Any],
        seed: int,
        patches: Patches | None = None,
        degrade: Degrade | None = None,
        mute: int = 0,
    ) -> None:
        self.places = [
            (record, z)
            for record, depth in zip(records, depths, strict=True)
            for z in (range(depth) if depth is not None else (None,))
        ]
        self.unlabelled = sum(depth or 1 for depth in depths[len(depths) - mute :])
        self.read, self.seed, self.patches, self.augment = read, seed, patches, Augmentation(augment)
        self.degrade = degrade

    def __len__(self) -> int:
        return len(self.places)

    @property
    def labelled(self) -> int:
        """How many items have labels; they come first."""
        return len(self) - self.unlabelled

    def __getitem__(self, place: ItemIndex) -> Item:
        epoch, index = place
        record, z = self.places[index]
        seed = item_seed(self.seed, epoch, index)
        case = self.read(record, z)
        if index >= self.labelled:
            case = without_labels(case)
        if self.patches:
            case = self.patches(case, z, seed)
        with one_thread():
            item = plain(self.augment(functools.partial(as_item, record, case, z), seed))
        if self.unlabelled:
            item["labelled"] = index < self.labelled
        return degraded_item(self.degrade, item, seed) if self.degrade else item


class EvalBatches(Dataset[Item]):
    """Ready batches of whole cases: all the slices of one volume, or several cases of one shape."""

    def __init__(self, groups: Sequence[Sequence[Record]], sliced: bool, read: Reader) -> None:
        self.groups, self.sliced, self.read = groups, sliced, read

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> Item:
        rows: list[Item] = []
        for record in self.groups[index]:
            case = self.read(record, None)
            rows += slices(record, case) if self.sliced else [plain(as_item(record, case, None))]
        return collate(rows)


def alike(
    records: Sequence[Record], shapes: Mapping[str, tuple[int, ...]], most: int
) -> Iterator[list[Record]]:
    """Neighbours of one shape, up to `most` of them and `ROOM` voxels together."""
    for shape, same in groupby(records, lambda record: shapes[record.case]):
        run, step = list(same), max(1, min(most, ROOM // math.prod(shape)))
        yield from (run[first : first + step] for first in range(0, len(run), step))


def without_labels(case: Case) -> Case:
    """The case with nothing marked in it: background, no boxes, no voxel to centre a patch on."""
    nothing = {"label": np.zeros_like(case["label"])} if "label" in case else {}
    return case | nothing | {key: case[key][:0] for key in (*RAGGED, "seeds") if key in case}


@contextmanager
def one_thread() -> Iterator[None]:
    """As in a worker: several threads for one small picture are up to ten times slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def slices(record: Record, case: Case) -> list[Item]:
    """The rows of a sliced volume, in order."""
    pictures = {key for key in ("image", "target", "label") if key in case}
    rest = {key: value for key, value in case.items() if key not in pictures}
    return [
        plain(as_item(record, rest | {key: case[key][z] for key in pictures}, z))
        for z in range(len(case["image"]))
    ]


def as_item(record: Record, case: Case, z: int | None) -> Item:
    """One row as tensors of its own; with `z`, slice z of a volume whose affine and spacing it carries."""
    item: Item = {key: torch.from_numpy(np.array(value)) for key, value in case.items() if key != "seeds"}
    if z is not None:
        item["slice"] = torch.tensor(z)
    return item | {"subject": record.subject, "case": record.case}


def plain(item: Item) -> Item:
    """Float32 pictures, int64 labels and classes, contiguous, no MetaTensor."""
    for key, value in item.items():
        if isinstance(value, MetaTensor):
            value = value.as_tensor()
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
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
        if key in RAGGED or not isinstance(values[0], torch.Tensor):
            batch[key] = values
        else:  # a single row is not copied: it may be a volume of a gigabyte
            batch[key] = torch.stack(values) if len(values) > 1 else values[0][None]
    return batch
