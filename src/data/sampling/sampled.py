"""What a cohort knows of how often its training items are drawn, and of what patches are centred on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ganatomy.data.labels import Labels
from ganatomy.data.records import Record
from ganatomy.data.sampling.centres import check_class_sampling, weights_of_classes, words
from ganatomy.data.sampling.synthetic import Synthetic
from ganatomy.data.sampling.weights import Sampling, classes_of_items, repeat_factors
from ganatomy.data.sampling.weights import words as words_of_items
from ganatomy.data.sides.two_sided import TwoSided
from ganatomy.data.transforms.patches import Patches
from ganatomy.errors import UserError


class Sampled(TwoSided):
    """Cases that training draws by their classes or weights.

    Attributes:
        labels: which training subjects keep their labels.
        dealt: every record with its split.
        patches: cuts patches in training; None trains on whole images.
        sampling: how often an item is drawn.
        class_sampling: weight by class of the centres of patches; None: all alike.
        synthetic: synthetic images that take the place of some training items; None for none.
    """

    labels: Labels
    dealt: list[Record]
    patches: Patches | None
    sampling: Sampling
    class_sampling: Mapping[str, float] | None
    synthetic: Synthetic | None = None

    def set_sampling(
        self, patches: Patches | None, sampling: Sampling, class_sampling: Mapping[str, float] | None
    ) -> None:
        """Take over what training draws.

        Args:
            patches: cuts patches; None for whole images.
            sampling: how often an item is drawn.
            class_sampling: weight by class of the centres of patches; None: all alike.

        Raises:
            UserError: they do not suit the patches, or the two sides of an unpaired run.
        """
        self.patches, self.sampling, self.class_sampling = patches, sampling, class_sampling
        self._held: tuple[list[str], list[frozenset[int]]] = ([], [])
        check_class_sampling(class_sampling, patches is not None, patches.foreground if patches else 0)
        if self.unpaired and sampling.setting is not None:
            raise UserError(
                f"data.sampling={sampling.setting}: the two sides of data.unpaired are drawn independently; "
                "set it to null"
            )

    def weigh_classes(self) -> None:
        """Have patches centred by the weights of the classes, whose names are known now.

        Raises:
            UserError: a name is no class of the data set.
        """
        if self.patches is not None:
            of_label, of_boxes = weights_of_classes(self.class_sampling, *self._names())
            self.patches = replace(self.patches, label_weights=of_label, box_weights=of_boxes)

    def _names(self) -> tuple[Sequence[str], Sequence[str]]:
        return tuple(self.source.classes), tuple(self.source.box_classes)

    def depths_of(self, records: Sequence[Record]) -> list[int | None]:
        """Return the number of slices of each record; None for those that are not sliced."""
        shapes = [self.facts[record.case].shape for record in records]
        return [shape[0] if self.source.spatial_dims == 2 and len(shape) == 4 else None for shape in shapes]

    def item_weights(self) -> np.ndarray | None:
        """Return how often each labelled training item is drawn relative to others; None: once an epoch.

        Raises:
            UserError: the training cases have no classes, or the table does not suit them.
        """
        self.setup()
        records = self.labels.used(self.records["train"])
        if self.sampling.setting is None:
            return None
        if self.sampling.is_table:
            depths = [depth or 1 for depth in self.depths_of(records)]
            return np.repeat(self.sampling.cases(records, self.dealt), depths)
        return repeat_factors(self._classes(records), self.sampling.threshold)[0]

    def _classes(self, records: Sequence[Record]) -> list[frozenset[int]]:
        """Return the classes of each item of these records; the labels of slices are read once."""
        names = [record.case for record in records]
        if self._held[0] != names:
            role = self._role(records)
            self._held = (
                names,
                classes_of_items(
                    records,
                    self.depths_of(records),
                    lambda record: self.facts[record.case].holds[role],
                    (lambda record: self.cache.get(record)["label"]) if role == "label" else None,
                ),
            )
        return self._held[1]

    def _role(self, records: Sequence[Record]) -> str:
        return self.sampling.role_of([self.facts[record.case].holds for record in records])

    @property
    def sampling_notes(self) -> list[str]:
        """Return what is drawn more often than the rest, for the start of a run."""
        if not self.records:
            return []
        label, boxes = self._names()
        cut = self.patches
        of_label = words(cut.label_weights[1:], label[1:]) if cut and cut.label_weights else ""
        of_boxes = words(cut.box_weights, boxes) if cut and cut.box_weights else ""
        return [line for line in (self._words(), of_label or of_boxes) if line]

    def _words(self) -> str:
        weights, setting = self.item_weights(), str(self.sampling.setting)
        if weights is None:
            return ""
        if self.sampling.is_table:
            times = weights / weights.mean()
            return (
                f"sampling: by the weights of {setting} (data.sampling); an item comes {times.min():.2g} to "
                f"{times.max():.2g} times an epoch"
            )
        records = self.labels.used(self.records["train"])
        role = self._role(records)
        names = {"label": self.source.classes, "boxes": self.source.box_classes}.get(role)
        names = self.source.image_classes if names is None else names
        held = self._classes(records)
        return words_of_items(setting, role, names, held, repeat_factors(held, self.sampling.threshold))

    @property
    def sampling_content(self) -> list[str]:
        """Return what the hash of the data holds of a table of weights; empty without one."""
        if not self.sampling.is_table:
            return []
        return sorted(f"{case} {weight!r}" for case, weight in self.sampling.table(self.dealt).items())
