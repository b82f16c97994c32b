"""The loaders of a run."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from src.data.cache import Cache, Kind
from src.data.intensity import Intensity
from src.data.loader import Loader
from src.data.pipeline import EvalBatches, TrainItems, collate
from src.data.prepare import Preparation
from src.data.records import SPLITS, Case, Record, Source, Split
from src.data.sampler import Stream
from src.errors import UserError

log = logging.getLogger(__name__)


class DataModule(pl.LightningDataModule):
    """Cases of a source, prepared, cached, and served in an order that depends on (seed, epoch) alone.

    Training batches are endless (`batches_per_epoch` says how many make an epoch) and hold slices or
    cases. Those of validation and test hold whole cases: all the slices of one volume, in order, or up to
    `batch_size` cases.

    batch_size: the global one, shared out among the processes. augment: MONAI dictionary transforms,
    applied in training.
    batches_done: where training goes on, see `start_at`.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int = 0,
        workers: int = 0,
        cache: Kind = "memory",
        cache_dir: str | None = None,
        cache_gb: float = 8.0,
        augment: Sequence[Any] = (),
        intensity: Intensity = "zscore",
        batches_done: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size={batch_size}: at least 1 is needed")
        if workers < 0:
            raise UserError(f"data.workers={workers}: 0 or more processes")
        if cache not in ("memory", "disk", "none"):
            raise UserError(f"data.cache={cache}: choose memory, disk or none")
        self.source, self.augment = source, augment
        self.batch_size, self.batches_done = batch_size, batches_done
        self.seed, self.workers = seed, workers
        self.preparation = Preparation(intensity)
        self.cache = Cache(self._prepare, self._key, cache, Path(cache_dir) if cache_dir else None, cache_gb)
        self.records: dict[Split, list[Record]] = {}
        self.depths: dict[str, int] = {}

    @property
    def channels(self) -> int:
        return self.source.channels

    @property
    def classes(self) -> tuple[str, ...]:
        return self.source.classes

    @property
    def spatial_dims(self) -> int:
        return self.source.spatial_dims

    def setup(self, stage: str | None = None) -> None:
        """Read every case once: fill the cache, check what would spoil the run. Raises `UserError`."""
        if self.records:
            return
        records = self.source.records()
        self.records = {split: [record for record in records if record.split == split] for split in SPLITS}
        for split in SPLITS:
            if not self.records[split]:
                raise UserError(f"data: no case is in the split {split}; change data.split")
        for record in records:
            self._check(record, self.cache.get(record))
        log.info("data: %d cases, %.2f GB kept in memory", len(records), self.cache.size / 2**30)

    def start_at(self, batches_done: int) -> None:
        """The next training loader begins after this many global batches."""
        self.batches_done = batches_done

    @property
    def batches_per_epoch(self) -> int:
        """Batches until every training item was seen once, rounded up."""
        return -(-len(self._train_items()) // self.batch_size)

    def train_dataloader(self) -> Loader:
        rank, world_size = self._place()
        if self.batch_size % world_size:
            raise UserError(
                f"data.batch_size={self.batch_size}: must be a multiple of the {world_size} processes"
            )
        items = self._train_items()
        stream = Stream(len(items), self.batch_size, self.seed, self.batches_done, rank, world_size)
        return self._loader(items, batch_sampler=stream, collate_fn=collate)

    def val_dataloader(self) -> Loader:
        return self._eval_loader("val")

    def test_dataloader(self) -> Loader:
        return self._eval_loader("test")

    def summary(self) -> dict[str, Any]:
        """Plain values for `data.json`: counts, subjects per split, a hash of content and preparation."""
        self.setup()
        everything = sorted(self._key(record) for records in self.records.values() for record in records)
        return {
            "cases": {split: len(records) for split, records in self.records.items()},
            "subjects": {
                split: sorted({r.subject for r in records}) for split, records in self.records.items()
            },
            "channels": self.channels,
            "classes": list(self.classes),
            "spatial_dims": self.spatial_dims,
            "hash": hashlib.sha256("\n".join(everything).encode()).hexdigest(),
        }

    def _prepare(self, record: Record) -> Case:
        return self.preparation(self.source.load(record), self.spatial_dims)

    def _key(self, record: Record) -> str:
        return f"{self.source.fingerprint(record)} {self.preparation} {self.spatial_dims}"

    def _sliced(self, case: Case) -> bool:
        return self.spatial_dims == 2 and case["image"].ndim == 4

    def _check(self, record: Record, case: Case) -> None:
        if self._sliced(case):
            self.depths[record.case] = len(case["image"])
        if "label" in case and self.classes and (highest := int(case["label"].max())) >= len(self.classes):
            raise UserError(
                f"{record.case}: label value {highest}, but the {len(self.classes)} data.classes end at "
                f"{len(self.classes) - 1}; correct the label map or data.classes"
            )
        if not np.isfinite(case["image"]).all():
            raise UserError(f"{record.case}: the image holds values that are not finite")

    def _train_items(self) -> TrainItems:
        self.setup()
        records = self.records["train"]
        depths = [self.depths.get(record.case) for record in records]
        return TrainItems(records, depths, self.cache.get, self.augment, self.seed)

    def _eval_loader(self, split: Split) -> Loader:
        self.setup()
        rank, world_size = self._place()
        records = self.records[split][rank::world_size]
        step = 1 if self.depths else self.batch_size
        groups = [records[first : first + step] for first in range(0, len(records), step)]
        return self._loader(EvalBatches(groups, bool(self.depths), self.cache.get), batch_size=None)

    def _loader(self, items: Any, **how: Any) -> Loader:
        return Loader(
            items,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.workers > 0,
            generator=torch.Generator().manual_seed(self.seed),  # else the loader draws from the global one
            **how,
        )

    def _place(self) -> tuple[int, int]:
        """(rank, world size) of this process."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
