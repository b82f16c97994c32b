"""The loaders of a run."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from src.data.cache import Cache, Kind
from src.data.degrade import Degrade, Evaluated
from src.data.faults import Fault
from src.data.intensity import Intensity
from src.data.labels import Labels
from src.data.loader import Loader
from src.data.patches import Patches
from src.data.pipeline import EvalBatches, TrainItems, collate
from src.data.prepare import Preparation, Prepared
from src.data.records import SPLITS, Record, Source, Split
from src.data.sampler import Share
from src.data.splits import Splitting
from src.data.survey import Facts, OnError, judge, survey
from src.errors import UserError

log = logging.getLogger(__name__)


class DataModule(pl.LightningDataModule):
    """Cases of a source, split, checked, prepared, cached, and served in an order that depends on (seed,
    epoch) alone.

    Training batches are endless (`batches_per_epoch` says how many make an epoch) and hold slices,
    patches or cases. Those of validation and test hold whole cases: all the slices of one volume, in
    order, or up to `batch_size` cases of one shape.

    batch_size: the global one, shared out among the processes. augment: MONAI dictionary transforms,
    applied in training. intensity: see `mapping`; orientation, spacing, fit: see `Preparation`; patch,
    foreground: see `Patches`; split, split_seed, fold, folds, split_file: see `Splitting`. on_error:
    stop, or skip cases with grave faults. batches_done: see `start_at`. degrade: makes the image of a
    clean one, which becomes the target where a case has none. label_fraction: share of the training subjects
    whose labels are used. unlabelled: share of each training batch, its last rows, that holds images of the
    others. pieces: in how many a batch is worked through; each is shared out among the processes.
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
        orientation: str | None = "PLS",
        spacing: Sequence[float | None] | None = None,
        fit: str | None = None,
        patch: int | Sequence[int] | None = None,
        foreground: float = 0.5,
        split: Sequence[float] = (4, 1, 1),
        split_seed: int = 0,
        fold: int | None = None,
        folds: int | None = None,
        split_file: str | None = None,
        on_error: OnError = "stop",
        batches_done: int = 0,
        degrade: Degrade | None = None,
        label_fraction: float = 1.0,
        unlabelled: float = 0.0,
        pieces: int = 1,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size={batch_size}: at least 1 is needed")
        if workers < 0:
            raise UserError(f"data.workers={workers}: 0 or more processes")
        for key, value, choices in (
            ("cache", cache, ("memory", "disk", "none")),
            ("on_error", on_error, ("stop", "skip")),
        ):
            if value not in choices:
                raise UserError(f"data.{key}={value}: choose {' or '.join(choices)}")
        self.source, self.augment, self.on_error, self.degrade = source, augment, on_error, degrade
        self.batch_size, self.batches_done, self.pieces = batch_size, batches_done, pieces
        self.seed, self.workers = seed, workers
        size = source.size if isinstance(source.size, int) or source.size is None else tuple(source.size)
        self.preparation = Preparation(
            source.spatial_dims,
            intensity,
            orientation,
            tuple(spacing) if spacing else None,
            size,
            fit,
            patch is not None,
        )
        self.patches = Patches(patch, foreground) if patch is not None else None
        self.splitting = Splitting(tuple(split), split_seed, folds, fold, split_file)
        self.labels = Labels(label_fraction, unlabelled, batch_size, split_seed)
        self.folder = Path(cache_dir).expanduser() if cache_dir else Path.home() / ".cache/ganatomy"
        prepared = Prepared(source, self.preparation)
        self.cache = Cache(prepared.make, prepared.key, cache, self.folder, cache_gb)
        self.records: dict[Split, list[Record]] = {}
        self.facts: dict[str, Facts] = {}
        self.sliced = False  # whether rows are slices of volumes
        self.left_out = 0

    @property
    def channels(self) -> int:
        return self.source.channels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the values of `label`, background first."""
        return tuple(self.source.classes)

    @property
    def box_classes(self) -> tuple[str, ...]:
        return tuple(self.source.box_classes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the values of `class`."""
        return tuple(self.source.kinds)

    @property
    def spatial_dims(self) -> int:
        return self.source.spatial_dims

    def setup(self, stage: str | None = None) -> None:
        """Read every case once, unless it is cached: fill the cache, find faults. Raises `UserError`."""
        if self.records:
            return
        records = self.splitting(self.source.records())
        self.facts = survey(records, self.source, self.cache, self.preparation, self.folder)
        self.sliced = self.spatial_dims == 2 and any(len(fact.shape) == 4 for fact in self.facts.values())
        sound = judge(records, self.facts, self.on_error)
        for split in SPLITS:
            self.records[split] = [record for record in sound if record.split == split]
        if empty := [split for split in SPLITS if not self.records[split]]:
            self.records = {}
            raise UserError(f"data: no case is in the split {empty[0]}; change data.split or data.split_file")
        self.labels.deal(self.records["train"])
        log.info("data: %d cases, cache: %s", len(sound), self.cache.room)

    @property
    def notes(self) -> list[str]:
        """What is told of the cases that stay, a line a kind: its first, and how many more there are."""
        kinds: dict[str, list[Fault]] = {}
        for records in self.records.values():
            for fault in (fault for record in records for fault in self.facts[record.case].faults):
                kinds.setdefault(fault.kind, []).append(fault)
        more = {
            kind: f" (and {len(found) - 1} more)" if len(found) > 1 else "" for kind, found in kinds.items()
        }
        return [f"note: {found[0].words}{more[kind]}" for kind, found in kinds.items()]

    def leave_out(self, cases: Collection[str]) -> None:
        """Train without these cases."""
        self.left_out = len(cases)
        self.records["train"] = [record for record in self.records["train"] if record.case not in cases]

    def start_at(self, batches_done: int) -> None:
        """The next training loader begins after this many global batches."""
        self.batches_done = batches_done

    @property
    def batches_per_epoch(self) -> int:
        """Batches until every training item with labels was seen once, rounded up."""
        return -(-self.train_items().labelled // self.labels.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the images that the networks train on, without channels."""
        return tuple(self.train_items()[0, 0]["image"].shape[1:])

    def train_items(self) -> TrainItems:
        """The training items, each addressed by (epoch, index); those without labels, if asked for, last."""
        self.setup()
        mute = self.labels.mute(self.records["train"])
        records = [*self.labels.used(self.records["train"]), *mute]
        depths = [self.facts[record.case].shape[0] if self.sliced else None for record in records]
        if not self.sliced and not self.patches and len({self.facts[r.case].shape for r in records}) > 1:
            raise UserError("data.size: the images differ in shape; set data.size, or data.patch")
        read, augment = self.cache.get, self.augment
        return TrainItems(records, depths, read, augment, self.seed, self.patches, self.degrade, len(mute))

    def train_dataloader(self) -> Loader:
        items = self.train_items()
        stream = self.labels.stream(
            items.labelled, items.unlabelled, self.seed, self.batches_done, *self._place(), self.pieces
        )
        return self._loader(items, batch_sampler=stream, collate_fn=collate)

    @property
    def shares(self) -> list[Share]:
        """Which rows of each piece of a global batch this process trains on."""
        return self.labels.shares(self.pieces, *self._place())

    def val_dataloader(self) -> Loader:
        return self._eval_loader("val")

    def test_dataloader(self) -> Loader:
        return self._eval_loader("test")

    @property
    def evaluated(self) -> Evaluated:
        """Reads a whole case as validation and test serve it."""
        return Evaluated(self.cache.get, self.degrade, self.sliced, self.splitting.seed)

    def _eval_loader(self, split: Split) -> Loader:
        self.setup()
        rank, world_size = self._place()
        records = self.records[split]
        records = records[rank::world_size] or records[:1]  # nobody may miss the end; a case counts once
        step = 1 if self.sliced else self.batch_size
        alike = [list(same) for _, same in groupby(records, lambda record: self.facts[record.case].shape)]
        groups = [same[first : first + step] for same in alike for first in range(0, len(same), step)]
        return self._loader(EvalBatches(groups, self.sliced, self.evaluated), batch_size=None)

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
