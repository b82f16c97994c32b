"""Rows and batches made from prepared cases."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch.utils.data import Dataset, Sampler

from ganatomy.data.labels import Labels
from ganatomy.data.records import PICTURES, Case, Record, picture
from ganatomy.data.sampler import ItemIndex, item_seed
from ganatomy.data.sampling.synthetic import Synthetic
from ganatomy.data.transforms.augment import Augmentation, Item
from ganatomy.data.transforms.degrade import Degrade, degraded_item
from ganatomy.data.transforms.missing import with_drops
from ganatomy.data.transforms.patches import FACTS, Patches

Reader = Callable[[Record, int | None], Case]
RAGGED = ("boxes", "classes")
OF_BOXES = (*RAGGED, "instances")
"""What only tasks that use boxes are given in training."""


class TrainItems(Dataset[Item]):
    """Training items: slices of volumes (2D), patches, or whole cases, addressed by (epoch, index).

    Augmentation is a function of (seed, epoch, index).

    Args:
        records: the training cases.
        depths: number of slices of each record; None for a record that is not sliced.
        read: returns a prepared case, or one slice of it.
        augment: MONAI dictionary transforms.
        seed: seed of augmentation and patches.
        patches: cuts patches; None for whole images.
        degrade: applied last.
        unlabelled_records: number of records, the last ones, that are served without labels. If it is
            above 0, each item has the flag `labelled`.
        with_boxes: serve boxes and their classes, where cases have them.
        drop: probability that a channel is dropped, see `with_drops`.
        stream: see `sampler.item_seed`.
        synthetic: images that take the place of some labelled ones; None for none.
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
        unlabelled_records: int = 0,
        with_boxes: bool = True,
        drop: float = 0.0,
        stream: int = 0,
        synthetic: Synthetic | None = None,
    ) -> None:
        self.stream, self.synthetic = stream, synthetic
        self.places = [
            (record, z)
            for record, depth in zip(records, depths, strict=True)
            for z in (range(depth) if depth is not None else (None,))
        ]
        self.unlabelled_items = sum(depth or 1 for depth in depths[len(depths) - unlabelled_records :])
        self.read, self.seed, self.patches, self.augment = read, seed, patches, Augmentation(augment)
        self.drop, self.degrade, self.left_out = drop, degrade, FACTS if with_boxes else (*FACTS, *OF_BOXES)
        self.left_out = (*self.left_out, *(synthetic.lacks if synthetic else ()))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def labelled_items(self) -> int:
        """Return the number of items with labels; they come first."""
        return len(self) - self.unlabelled_items

    def sampler(
        self,
        labels: Labels,
        start: int,
        place: tuple[int, int],
        pieces: int,
        weights: np.ndarray | None = None,
    ) -> Sampler[Any]:
        """Return the sampler of a process's share of each batch.

        Args:
            labels: rows of a batch, with and without labels.
            start: number of batches already done.
            place: number of the process, and number of processes.
            pieces: number of micro-batches of a batch.
            weights: of the labelled items, see `weighted_order`; None: each once an epoch.

        Raises:
            UserError: there are too few rows.
        """
        items = self.labelled_items, self.unlabelled_items
        return labels.sampler(items, self.seed, start, *place, pieces, weights)

    def __getitem__(self, address: ItemIndex) -> Item:
        return self.__getitems__([address])[0]

    def __getitems__(self, addresses: Sequence[ItemIndex]) -> list[Item]:
        """Return the items of a batch; torch's loader calls this if it is there."""
        with one_thread():
            return [self._item(*address) for address in addresses]

    def _drawn(self, epoch: int, index: int) -> tuple[Record, int | None, Case]:
        """Return the case of an item, of which it is slice z, or a synthetic one in its place."""
        labelled = index < self.labelled_items
        if self.synthetic and labelled and (found := self.synthetic.instead(self.seed, epoch, index)):
            return found
        record, z = self.places[index]
        return record, z, self.read(record, z)

    def _item(self, epoch: int, index: int) -> Item:
        record, z, case = self._drawn(epoch, index)
        seed = item_seed(self.seed, epoch, index, self.stream)
        if index >= self.labelled_items:
            case = without_labels(case)
        if self.patches:
            case = self.patches(case, z, seed)
        case = {key: value for key, value in case.items() if key not in self.left_out}
        item = plain(self.augment(functools.partial(as_item, record, case, z), seed))
        item = with_drops(item, self.drop, seed)
        if self.unlabelled_items:
            item["labelled"] = index < self.labelled_items
        return degraded_item(self.degrade, item, seed) if self.degrade else item


class EvalBatches(Dataset[Item]):
    """Batches of whole cases: all slices of one volume, or several cases of one shape.

    Args:
        groups: the records of each batch.
        sliced: the cases are stacks of slices.
        read: returns a prepared case.
    """

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


def without_labels(case: Case) -> Case:
    """Return the case with an empty label map, no boxes, and no voxels to centre patches on."""
    maps = {key: case[key] for key in ("label", "instances") if key in case}
    nothing = {key: np.broadcast_to(np.zeros((), old.dtype), old.shape) for key, old in maps.items()}
    return case | nothing | {key: case[key][:0] for key in (*RAGGED, "seeds", "seed_values") if key in case}


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, as in a worker.

    Several threads for one small picture are up to ten times slower on a busy machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def slices(record: Record, case: Case) -> list[Item]:
    """Return the rows of a sliced volume, in order."""
    pictures = {key for key in PICTURES if key in case}
    rest = {key: value for key, value in case.items() if key not in pictures}
    return [
        plain(as_item(record, rest | {key: case[key][z] for key in pictures}, z))
        for z in range(len(picture(case)))
    ]


def as_item(record: Record, case: Case, z: int | None) -> Item:
    """Return one row as tensors that share no memory with the case.

    Args:
        record: the case's record.
        case: arrays of the case, or of slice `z` of it; affine and spacing are those of the volume.
        z: number of the slice; None for a case that is not sliced.
    """
    item: Item = {key: torch.from_numpy(np.array(value)) for key, value in case.items() if key not in FACTS}
    if z is not None:
        item["slice"] = torch.tensor(z)
    return item | {"subject": record.subject, "case": record.case}


def plain(item: Item) -> Item:
    """Return the item with float32 images and int64 labels and classes, contiguous, without MetaTensors."""
    for key, value in item.items():
        if isinstance(value, MetaTensor):
            value = value.as_tensor()
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
        if key in ("label", "classes", "class"):
            value = value.round().long() if value.is_floating_point() else value.long()
        elif key == "instances":
            value = value.round().int() if value.is_floating_point() else value.int()
        elif key == "mask":
            value = value > 0.5
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            value = value.float()
        item[key] = value.contiguous() if isinstance(value, torch.Tensor) else value
    return item


def collate(rows: Sequence[Item]) -> Item:
    """Return a batch: tensors are stacked; `boxes`, `classes` and texts are lists."""
    batch: Item = {}
    for key in rows[0]:
        values = [row[key] for row in rows]
        if key in RAGGED or not isinstance(values[0], torch.Tensor):
            batch[key] = values
        else:  # a single row is not copied: it may be a volume of a gigabyte
            batch[key] = torch.stack(values) if len(values) > 1 else values[0][None]
    return batch
