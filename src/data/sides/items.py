"""Training rows that join an image with an independently drawn target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganatomy.data.labels import Labels
from ganatomy.data.pipeline import Reader, TrainItems, one_thread
from ganatomy.data.records import Record
from ganatomy.data.sampler import EndlessSampler, UnpairedSampler, item_seed
from ganatomy.data.sides.one_side import SideReader, augmentation_of
from ganatomy.data.transforms.augment import Item
from ganatomy.data.transforms.patches import Patches

TARGETS, DRAWN = 1, 2
"""Streams of the target side (see `sampler.order`): order and augmentation; targets of rows without one."""


class UnpairedItems(TrainItems):
    """Items of two sides, addressed by (epoch, index) of the image, then (epoch, index) of the target.

    Slices, patches and augmentation of a side are a function of (seed, epoch, index) and of the side. An
    address without a target gets one that is a function of (seed, epoch, index).

    Args:
        images: records of the images, and number of slices of each (None: not sliced).
        targets: the same of the targets.
        read: returns a prepared case, or one slice of it.
        augment: MONAI dictionary transforms.
        seed: seed of augmentation and patches.
        patches: cuts patches; None for whole images.
        with_boxes: serve boxes and their classes, where images have them.
        drop: probability that a channel of an image is dropped.
    """

    def __init__(
        self,
        images: tuple[Sequence[Record], Sequence[int | None]],
        targets: tuple[Sequence[Record], Sequence[int | None]],
        read: Reader,
        augment: Sequence[Any],
        seed: int,
        patches: Patches | None = None,
        with_boxes: bool = True,
        drop: float = 0.0,
    ) -> None:
        own = augmentation_of(augment, "image")
        super().__init__(
            *images, SideReader(read, "image"), own, seed, patches, with_boxes=with_boxes, drop=drop
        )
        own = augmentation_of(augment, "target")
        self.targets = TrainItems(
            *targets, SideReader(read, "target"), own, seed, patches, with_boxes=False, stream=TARGETS
        )

    def __getitem__(self, address: tuple[int, ...]) -> Item:
        return self.__getitems__([address])[0]

    def __getitems__(self, addresses: Sequence[tuple[int, ...]]) -> list[Item]:
        with one_thread():
            return [self._row(*address) for address in addresses]

    def _row(self, epoch: int, index: int, *drawn: int) -> Item:
        image = self._item(epoch, index)
        place = drawn or (epoch, item_seed(self.seed, epoch, index, DRAWN) % len(self.targets))
        target = self.targets[place[0], place[1]]
        own = {key: value for key, value in target.items() if key.startswith("target")}
        return image | own | {"target_case": target["case"]}

    def sampler(
        self,
        labels: Labels,
        start: int,
        place: tuple[int, int],
        pieces: int,
        weights: np.ndarray | None = None,
    ) -> UnpairedSampler:
        """Return the sampler of a process's share of each batch, see `TrainItems.sampler`.

        The order of a side is endless, a function of (seed, epoch) and of the side. Sides of different length
        have epochs of different length. There are no weights (`check_sampling`).
        """
        labels.shares(pieces, *place)
        settings = (labels.batch_size, self.seed, start, *place, pieces)
        targets = EndlessSampler(len(self.targets), *settings, stream=TARGETS)
        return UnpairedSampler(EndlessSampler(len(self), *settings), targets)
