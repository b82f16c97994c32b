"""What the channels of a segmentation mean: classes of which a voxel has one, or regions that overlap."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganatomy.data.records import IGNORED
from ganatomy.tasks.shared.volumes import likeliest, one_hot

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule

INSIDE = 0.5
"""Probability above which a voxel is of a region, as in nnU-Net."""


class Labelling(ABC):
    """The channels of logits [B, K, *spatial]: how they are read, and what the truth of each is.

    Args:
        classes: Names of the values of a label map, background first.
        ignores: Label maps may hold `IGNORED`, at voxels that nothing is learned from.

    Attributes:
        sigmoid: True if each channel has a probability of its own, False if they add up to 1.
        outputs: Number of channels.
        groups: What is scored: the class numbers of each class or region, by name.
    """

    sigmoid = False

    def __init__(self, classes: Sequence[str], ignores: bool = False) -> None:
        self.classes, self.ignores = tuple(classes), ignores
        self.groups: dict[str, tuple[int, ...]] = {}

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Return the number of channels."""

    @abstractmethod
    def truth(self, label: Tensor) -> Tensor:
        """Return the truth of each channel, 0 or 1, float [B, K, *spatial].

        Args:
            label: Class numbers [B, 1, *spatial]; `IGNORED` counts as background.
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities [B, K, *spatial] of logits alike."""

    @abstractmethod
    def labels(self, probabilities: Tensor) -> Tensor:
        """Return the label map [B, 1, *spatial] of probabilities [B, K, *spatial]."""

    @abstractmethod
    def findings(self, probabilities: Tensor) -> Tensor:
        """Return the probabilities [B, K or K - 1, *spatial] of all but the background."""

    def valid(self, batch: Mapping[Any, Any]) -> Tensor | None:
        """Return where a batch is learned from, bool [B, 1, *spatial]; None where that is everywhere.

        A voxel with the ignore label does not count, nor one outside of the region of interest (`mask`).
        Which of the two there are depends on the data set alone, so that all batches go one way.
        """
        region: Tensor | None = batch["mask"].bool() if "mask" in batch else None
        if not self.ignores or "label" not in batch:
            return region
        known: Tensor = batch["label"] != IGNORED
        return known if region is None else known & region


class Classes(Labelling):
    """Classes of which each voxel has one; the first is the background. Softmax.

    Args:
        classes: Names of the values of a label map, background first.
        ignores: See `Labelling`.

    Example:
        >>> classes = Classes(("background", "liver"))
        >>> classes.groups, classes.outputs
        ({'liver': (1,)}, 2)
        >>> classes.truth(torch.tensor([[[0, 1]]])).tolist()
        [[[1.0, 0.0], [0.0, 1.0]]]
    """

    def __init__(self, classes: Sequence[str], ignores: bool = False) -> None:
        super().__init__(classes, ignores)
        self.groups = {name: (number,) for number, name in enumerate(self.classes) if number}

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def truth(self, label: Tensor) -> Tensor:
        return one_hot(label.clamp_min(0), self.outputs)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def labels(self, probabilities: Tensor) -> Tensor:
        return likeliest(probabilities)

    def findings(self, probabilities: Tensor) -> Tensor:
        return probabilities[:, 1:]


class Regions(Labelling):
    """Regions of one or more classes, which may overlap. Sigmoid; without a channel for the background.

    A label map is written region after region, a later one over an earlier one: nnU-Net's rule for
    `regions_class_order` (Isensee et al., LabelManager.convert_probabilities_to_segmentation).

    Args:
        classes: Names of the values of a label map, background first.
        regions: Class numbers of each region, by name.
        order: (number of the region, class number that is written for it), the first written first.
        ignores: See `Labelling`.

    Example:
        >>> both = {"whole": [1, 2], "core": [2]}
        >>> regions = Regions(("background", "edema", "core"), both, [(0, 1), (1, 2)])
        >>> regions.truth(torch.tensor([[[0, 1, 2]]])).tolist()
        [[[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]]
        >>> regions.labels(torch.tensor([[[0.4, 0.6, 0.9], [0.1, 0.2, 0.7]]])).tolist()
        [[[0, 1, 2]]]
    """

    sigmoid = True

    def __init__(
        self,
        classes: Sequence[str],
        regions: Mapping[str, Sequence[int]],
        order: Sequence[Sequence[int]],
        ignores: bool = False,
    ) -> None:
        super().__init__(classes, ignores)
        self.groups = {str(name): tuple(numbers) for name, numbers in regions.items()}
        self.order = [(int(region), int(number)) for region, number in order]

    @property
    def outputs(self) -> int:
        return len(self.groups)

    def within(self, number: int) -> tuple[str, ...]:
        """Return the names of the regions that a class is part of."""
        return tuple(name for name, numbers in self.groups.items() if number in numbers)

    @property
    def words(self) -> str:
        """Return the regions and how they are written, as text."""
        written = {place: self.classes[number] for place, number in self.order}
        parts = (
            f"{name} ({', '.join(self.classes[number] for number in numbers)}; written as {written[place]})"
            for place, (name, numbers) in enumerate(self.groups.items())
        )
        return ", ".join(parts)

    def truth(self, label: Tensor) -> Tensor:
        table = torch.zeros(len(self.classes), self.outputs, device=label.device)
        for place, numbers in enumerate(self.groups.values()):
            table[list(numbers), place] = 1
        return table[label.squeeze(1).clamp_min(0).long()].movedim(-1, 1)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def labels(self, probabilities: Tensor) -> Tensor:
        kind = torch.uint8 if len(self.classes) <= 256 else torch.int64
        found = torch.zeros(probabilities[:, 0].shape, dtype=kind, device=probabilities.device)
        for place, number in self.order:
            found.masked_fill_(probabilities[:, place] > INSIDE, number)
        return found[:, None]

    def findings(self, probabilities: Tensor) -> Tensor:
        return probabilities


def labelling_of(classes: Sequence[str], label_map: Mapping[str, Any] | None) -> Labelling:
    """Return what the channels of a run mean.

    Args:
        classes: Names of the values of a label map, background first.
        label_map: `task.label_map` of the run: `regions`, `order` and `ignores`, as far as they are not the
            default; None for plain classes.
    """
    given = dict(label_map or {})
    ignores = bool(given.get("ignores", False))
    if not given.get("regions"):
        return Classes(classes, ignores)
    return Regions(classes, given["regions"], given["order"], ignores)


def label_map_of(data: DataModule) -> dict[str, Any] | None:
    """Return `task.label_map`: what differs from one class for every voxel; None for nothing.

    Plain values: `regions` by name and the `order` in which they are written, as class numbers; `ignores` if
    label maps may hold the ignore label; `masked` if cases have a region of interest.
    """
    found: dict[str, Any] = {}
    if (regions := data.regions) is not None:
        found["regions"] = {name: list(numbers) for name, numbers in regions.regions.items()}
        found["order"] = [list(pair) for pair in regions.order]
    if data.ignores:
        found["ignores"] = True
    if data.preparation.mask == "auto" or not data.first_without("mask"):
        found["masked"] = True
    return found or None
