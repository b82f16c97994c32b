"""Any source, prepared as the training data of a run were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ganatomy.data.cache import Cache
from ganatomy.data.datamodule import DataModule
from ganatomy.data.pipeline import as_item, collate, plain, slices
from ganatomy.data.records import Batch, Case, Record, Source
from ganatomy.data.transforms.prepare import Prepared
from ganatomy.inference.loaded import LoadedRun
from ganatomy.training.preprocessing import Preprocessing


class AppliedData(DataModule):
    """Cases of a source on their way through a finished run; nothing is cached, split or surveyed.

    `records["test"]` are the cases. A case without a target of its own gets the units of the training
    targets, where outputs have units of their own.

    Args:
        kept: Preprocessing of the run.
        source: Where the cases come from; its channels and dimensions are those of the run.
        records: The cases.
    """

    def __init__(self, kept: Preprocessing, source: Source, records: Sequence[Record]) -> None:
        super().__init__(
            source,
            batch_size=1,
            cache="none",
            intensity=kept.intensity,
            target_intensity=kept.target_intensity,
            orientation=kept.orientation,
            spacing=kept.spacing,
            resize=kept.resize,
            one_size=kept.one_size,
        )
        self.kept = kept
        self.preparation = kept.preparation  # the size of the run, whatever the source has
        self.prepared = Prepared(source, self.preparation, cut=kept.one_size)
        self.cache = Cache(self.make, self.prepared.key, "none", self.folder)
        self.records = {"train": [], "val": [], "test": list(records)}

    def make(self, record: Record) -> Case:
        """Load and prepare a case."""
        return self.prepare(record, self.source.load(record))

    def prepare(self, record: Record, case: Case) -> Case:
        """Prepare a case that is loaded already."""
        ready = self.prepared.prepare(record, case, whole=not self.kept.one_size)
        if self.kept.target is not None and "target" not in ready:
            ready |= {f"target_{key}": np.array(self.kept.target[key]) for key in ("offset", "scale")}
        return ready

    def target_form(self) -> Mapping[str, Any] | None:
        """Return type and scaling of the files of the run's targets, for cases without one."""
        return self.kept.target or self.kept.target_file

    @property
    def mask_classes(self) -> tuple[str, ...]:
        """Return the classes of the run, whatever the source has."""
        return self.kept.label_classes

    @property
    def label_values(self) -> tuple[int, ...]:
        """Return the values of masks of the run, whatever the source has."""
        return self.kept.label_values or super().label_values

    def batch(self, record: Record, case: Case) -> Batch:
        """Return a prepared case as a batch: one row, or one for each slice of a volume."""
        return batch_of(record, case, self.kept.spatial_dims)


def batch_of(record: Record, case: Case, spatial_dims: int) -> Batch:
    """Return a prepared case as a batch: one row, or one for each slice of a volume."""
    is_stack = case["image"].ndim == spatial_dims + 2
    return collate(slices(record, case) if is_stack else [plain(as_item(record, case, None))])


def applied(loaded: LoadedRun, source: Source, records: Sequence[Record] | None = None) -> AppliedData:
    """Return the cases of a source as the run's network gets them.

    Args:
        loaded: The finished run.
        source: Any source with the run's channels and dimensions.
        records: The cases; None for all that the source lists.
    """
    kept = loaded.preprocessing
    if not loaded.task.answers_in_mask:  # only scores need it
        kept = replace(kept, mask=None)
    return AppliedData(kept, source, source.records() if records is None else records)


def to_device(batch: Mapping[str, Any], device: Any) -> Batch:
    """Return a batch with its tensors on a device."""
    return {key: value.to(device) if hasattr(value, "to") else value for key, value in batch.items()}
