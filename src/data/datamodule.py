"""The loaders of a run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset

from ganatomy.data.cache import Cache, Kind
from ganatomy.data.cohort import Cohort
from ganatomy.data.io.digests import Digests
from ganatomy.data.known import suited
from ganatomy.data.labels import Labels
from ganatomy.data.loader import Loader
from ganatomy.data.pipeline import EvalBatches, TrainItems, alike, collate
from ganatomy.data.quality.contract import check_source
from ganatomy.data.quality.survey import OnError, survey, usable_records
from ganatomy.data.records import SPLITS, Source, Split
from ganatomy.data.sampler import Share
from ganatomy.data.sources.files.base import Files
from ganatomy.data.splits.held import Changed, Held, dealt
from ganatomy.data.splits.split import Splitting
from ganatomy.data.transforms.augment import Item
from ganatomy.data.transforms.cut import refuse
from ganatomy.data.transforms.degrade import Degrade
from ganatomy.data.transforms.intensity import Intensity, as_many
from ganatomy.data.transforms.patches import Patches
from ganatomy.data.transforms.prepare import Preparation, Prepared
from ganatomy.errors import UserError, one_of

log = logging.getLogger(__name__)


class DataModule(Cohort, pl.LightningDataModule):
    """Cases of a source, split, checked, prepared, cached, and served in an order that depends on (seed,
    epoch) alone.

    Training batches are endless (`batches_per_epoch` says how many make an epoch) and hold slices,
    patches or cases. Those of validation and test hold whole cases: all the slices of one volume, in
    order, or up to `batch_size` cases of one shape. Of what is larger than `size` training has the middle.

    batch_size: the global one, shared out among the processes. augment: MONAI dictionary transforms, applied
    in training. intensity: see `units` and `suited`; target_intensity, orientation, spacing, fit: see
    `Preparation`; one_size: the task judges images of one size alone; patch, foreground: see `Patches`;
    split, split_seed, fold, folds, split_file: see `Splitting`. on_error: stop, or skip cases with grave
    faults. batches_done: see `start_at`. degrade: makes the image of a clean one, which becomes the target
    where a case has none. label_fraction: share of the training subjects whose labels are used. unlabelled:
    share of each training batch, its last rows, that holds images of the others. pieces: in how many a batch
    is worked through; each is shared out among the processes. held: the split of the run that goes on;
    changed: where other cases came since, stop, or keep to those of the run.
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
        target_intensity: Intensity = None,
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
        changed: Changed = "stop",
        held: Held | None = None,
        one_size: bool = False,
    ) -> None:
        super().__init__()
        check_source(source)
        _check_counts(batch_size=(batch_size, 1), workers=(workers, 0))
        one_of("data.cache", cache, get_args(Kind))
        one_of("data.on_error", on_error, get_args(OnError))
        one_of("data.changed", changed, get_args(Changed))
        self.source, self.augment, self.on_error, self.degrade = source, augment, on_error, degrade
        self.batch_size, self.batches_done, self.pieces = batch_size, batches_done, pieces
        self.seed, self.workers, self.one_size = seed, workers, one_size
        self.intensity = intensity = suited(source, intensity)
        self.held, self.changed = held, changed
        size = source.size if isinstance(source.size, int) or source.size is None else tuple(source.size)
        apart = tuple(spacing) if spacing else None
        self.preparation = Preparation(
            self.spatial_dims, intensity, orientation, apart, size, fit, patch is not None, target_intensity
        )
        as_many(intensity, self.channels, "data.intensity")
        as_many(target_intensity, self.target_channels, "data.target_intensity")
        self.patches = Patches(patch, foreground) if patch is not None else None
        self.splitting = Splitting(tuple(split), split_seed, folds, fold, split_file)
        self.labels = Labels(label_fraction, unlabelled, batch_size, split_seed)
        self.folder = Path(cache_dir).expanduser() if cache_dir else Path.home() / ".cache/ganatomy"
        if isinstance(source, Files):
            source.digests = Digests(self.folder, source.folder)
        self.prepared = Prepared(source, self.preparation, cut=one_size)
        self.cache = Cache(self.prepared.make, self.prepared.key, cache, self.folder, cache_gb)
        self.records, self.dealt, self.facts = {}, [], {}
        self.sliced, self.left_out, self.going_on = False, 0, []

    def setup(self, stage: str | None = None) -> None:
        """Read every case once, unless it is cached: fill the cache, find faults. Raises `UserError`."""
        if self.records:
            return
        records, self.going_on = dealt(self.source, self.splitting, self.held, self.changed)
        self.dealt = records
        self.facts = survey(records, self.source, self.cache, self.prepared, self.folder)
        if isinstance(self.source, Files):
            self.source.digests.save()
        if self.held:
            self.held.compare({case: fact.content for case, fact in self.facts.items()}, self.changed)
        self.sliced = self.spatial_dims == 2 and any(len(fact.shape) == 4 for fact in self.facts.values())
        sound = usable_records(records, self.facts, self.on_error)
        if self.one_size:
            refuse(self.cut, fit=self.preparation.fit)
        for split in SPLITS:
            chosen = [record for record in sound if record.split == split]
            self.records[split] = self.held.in_order(split, chosen) if self.held else chosen
        if empty := [split for split in SPLITS if not self.records[split]]:
            self.records = {}
            raise UserError(f"data: no case is in the split {empty[0]}; change data.split or data.split_file")
        self.labels.deal(self.records["train"])
        log.info("data: %d cases, cache: %s", len(sound), self.cache.room)

    @property
    def window(self) -> list[int] | None:
        """Sides of the windows in which a network sees whole images, where `size` cuts them in training."""
        return list(self.shape) if self.cut and not self.one_size else None

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
        sides = {self.facts[record.case].shape[-self.spatial_dims :] for record in records}
        if not self.patches and len(sides) > 1:
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

    def _eval_loader(self, split: Split) -> Loader:
        self.setup()
        rank, world_size = self._place()
        records = self.records[split]
        records = records[rank::world_size] or records[:1]  # nobody may miss the end; a case counts once
        shapes = {case: fact.shape for case, fact in self.facts.items()}
        groups = list(alike(records, shapes, 1 if self.sliced else self.batch_size))
        return self._loader(EvalBatches(groups, self.sliced, self.evaluated), batch_size=None)

    def _loader(self, items: Dataset[Item], **how: Any) -> Loader:
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


def _check_counts(**counts: tuple[int, int]) -> None:
    """Raise UserError for a number below its least; by key: (number, least)."""
    for key, (number, least) in counts.items():
        if number < least:
            raise UserError(f"data.{key}={number}: give {least} or more")
