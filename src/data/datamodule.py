"""The Lightning data module: loaders of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset

from ganatomy.data.cache import Kind
from ganatomy.data.cohort import Cohort
from ganatomy.data.known import preparation_of, suited
from ganatomy.data.labels import Labels
from ganatomy.data.loader import Loader, alike
from ganatomy.data.pipeline import EvalBatches, collate
from ganatomy.data.quality.contract import check_choices, check_counts, check_source
from ganatomy.data.quality.survey import OnError, survey, usable_records
from ganatomy.data.records import SPLITS, Source, Split
from ganatomy.data.sampler import Share
from ganatomy.data.sampling.weights import Sampling
from ganatomy.data.sides.sides import Sides, Unpaired, sides_of
from ganatomy.data.sources.files.base import Files
from ganatomy.data.splits.held import Changed, Held, dealt
from ganatomy.data.splits.split import Splitting
from ganatomy.data.transforms.augment import Item
from ganatomy.data.transforms.cut import refuse
from ganatomy.data.transforms.degrade import Degrade
from ganatomy.data.transforms.intensity import Intensity
from ganatomy.data.transforms.missing import Missing
from ganatomy.data.transforms.patches import Patches
from ganatomy.data.transforms.prepare import Prepared
from ganatomy.errors import UserError

log = logging.getLogger(__name__)


class DataModule(Cohort, pl.LightningDataModule):
    """Loaders of a data set: its cases are split, checked, prepared and cached.

    The order of training depends on (seed, epoch) alone. Training batches are endless (`batches_per_epoch` of
    them make an epoch) and hold slices, patches or whole cases; an image larger than `size` is trained on by
    its middle. Batches of validation and test hold whole cases: all slices of one volume in order, or up to
    `batch_size` cases of one shape.

    Args:
        source: the data set.
        batch_size: rows of a global batch, divided among the processes.
        seed: seed of the order of training, of augmentation and of patches.
        workers: number of processes that prepare batches.
        cache: `memory`, `disk` or `none`, see `Cache`.
        cache_dir: folder of the cache; null: ~/.cache/ganatomy.
        cache_gb: size limit of the cache in GiB.
        augment: MONAI dictionary transforms, applied in training.
        intensity: see `Intensity`; `auto`: as the source suggests.
        target_intensity: see `Preparation`; `auto`: as the source suggests.
        orientation: see `Preparation`.
        spacing: see `Preparation`, in mm.
        resize: see `fitted`.
        patch: see `Patches`; null trains on whole images.
        foreground: see `Patches`.
        sampling: see `Sampling.setting`.
        class_sampling: see `weights_of_classes`.
        mask: `auto` finds the body in the images, the region of losses and scores; files are the source's.
        regions: overlapping regions by name, see `overlapping`; null: the source's own, {}: none.
        regions_class_order: see `overlapping`.
        missing: see `transforms.missing`.
        drop: share of the channels that training drops, see `with_drops`.
        split: see `Splitting.shares`.
        split_seed: see `Splitting.seed`; also the seed of noise in validation and test.
        fold: see `Splitting`.
        folds: see `Splitting`.
        split_file: see `Splitting.file`.
        on_error: at cases with grave faults, `stop`, or `skip` them.
        batches_done: see `start_at`.
        degrade: makes the image from a clean one, which becomes the target where a case has none.
        label_fraction: fraction of the training subjects whose labels are used.
        unlabelled_fraction: fraction of each training batch, its last rows, that holds images of the
            other subjects.
        pieces: number of micro-batches of a batch; each is divided among the processes.
        changed: in a resumed run, `stop` at new cases, or `keep` the run's own.
        held: split of the resumed run.
        one_size: the task needs all images of one size: validation and test are cropped like training.
        with_boxes: the task learns from boxes; without, training batches hold none.
        learned: see `Sampling.role`.
        unpaired: see `Sides`.

    Raises:
        UserError: a setting is invalid.

    Example:
        >>> from ganatomy.data.datamodule import DataModule
        >>> from ganatomy.data.sources.brain import Brain
        >>> data = DataModule(Brain(subjects=6, size=16, slices=2), batch_size=4)
        >>> batch = next(iter(data.train_dataloader()))
        >>> batch["image"].shape, batch["label"].shape
        (torch.Size([4, 1, 16, 16]), torch.Size([4, 1, 16, 16]))
        >>> data.mask_classes
        ('background', 'csf', 'gm', 'wm')
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
        resize: str | None = None,
        patch: int | Sequence[int] | None = None,
        foreground: float = 0.5,
        sampling: str | None = None,
        class_sampling: Mapping[str, float] | None = None,
        mask: str | None = None,
        regions: Mapping[str, Any] | None = None,
        regions_class_order: Sequence[Any] | None = None,
        missing: Missing = None,
        drop: float = 0.0,
        split: Sequence[float] = (4, 1, 1),
        split_seed: int = 0,
        fold: int | None = None,
        folds: int | None = None,
        split_file: str | None = None,
        on_error: OnError = "stop",
        batches_done: int = 0,
        degrade: Degrade | None = None,
        label_fraction: float = 1.0,
        unlabelled_fraction: float = 0.0,
        pieces: int = 1,
        changed: Changed = "stop",
        held: Held | None = None,
        one_size: bool = False,
        with_boxes: bool = True,
        learned: str = "",
        unpaired: Unpaired = False,
    ) -> None:
        super().__init__()
        check_source(source)
        shares = label_fraction, unlabelled_fraction
        self.sides = sides_of(source, Sides(unpaired, split_seed), *shares, degrade is not None)
        check_counts(batch_size=(batch_size, 1), workers=(workers, 0))
        check_choices(cache=(cache, Kind), on_error=(on_error, OnError), changed=(changed, Changed))
        self.source, self.augment, self.on_error, self.degrade = source, augment, on_error, degrade
        self.batch_size, self.batches_done, self.pieces, self.drop = batch_size, batches_done, pieces, drop
        self.seed, self.workers, self.one_size, self.with_boxes = seed, workers, one_size, with_boxes
        self.held, self.changed, self.intensity = held, changed, suited(source, intensity)
        grid, self.given_regions = (orientation, spacing, resize), (regions, regions_class_order)
        grid_and_units = *grid, patch is not None, target_intensity, mask, missing, drop
        self.preparation = preparation_of(source, self.intensity, *grid_and_units)
        patches = Patches(patch, foreground) if patch is not None else None
        self.set_sampling(patches, Sampling(sampling, learned), class_sampling)
        self.splitting = Splitting(tuple(split), split_seed, folds, fold, split_file)
        self.labels = Labels(*shares, batch_size, split_seed)
        self.open_cache(Prepared(source, self.preparation, cut=one_size), cache, cache_dir, cache_gb)

    def setup(self, stage: str | None = None) -> None:
        """Split and survey the cases: read those that are not cached and find faults.

        Args:
            stage: not used; part of Lightning's interface.

        Raises:
            UserError: faults stop the run, a split is empty, or the data of a resumed run changed.
        """
        if self.records:
            return
        records, self.going_on = dealt(self.source, self.splitting, self.held, self.changed)
        self.dealt = records
        self.facts = survey(records, self.source, self.cache, self.prepared, self.folder)
        if isinstance(self.source, Files):
            self.source.digests.save()
        if self.held:
            self.held.compare({case: fact.content for case, fact in self.facts.items()}, self.changed)
        shapes = [self.facts[record.case].shape for record in records if record.side != "target"]
        self.sliced = self.spatial_dims == 2 and any(len(shape) == 4 for shape in shapes)
        sound = usable_records(records, self.facts, self.on_error)
        if self.one_size:
            refuse(self.cut, self.preparation.resize)
        chosen = {split: [record for record in sound if record.split == split] for split in SPLITS}
        if self.held:
            chosen = {split: self.held.in_order(split, cases) for split, cases in chosen.items()}
        self.records, self.targets = self.sides.divide(chosen, self.has_target)
        if empty := [split for split in SPLITS if not self.records[split]]:
            self.records = {}
            raise UserError(f"data: no case is in the split {empty[0]}; change data.split or data.split_file")
        self.labels.deal(self.records["train"])
        self.weigh_classes()
        log.info("data: %d cases, cache: %s", len(sound), self.cache.room)

    def start_at(self, batches_done: int, seed: int | None = None) -> None:
        """Have the next training loader start after this many global batches, with another seed if given."""
        self.batches_done = batches_done
        self.seed = self.seed if seed is None else seed

    def train_dataloader(self) -> Loader:
        items = self.train_items()
        settings = self.batches_done, self._rank_and_world_size(), self.pieces, self.item_weights()
        return self._loader(items, batch_sampler=items.sampler(self.labels, *settings), collate_fn=collate)

    @property
    def shares(self) -> list[Share]:
        """Return the rows of each micro-batch of a global batch that this process trains on."""
        return self.labels.shares(self.pieces, *self._rank_and_world_size())

    def val_dataloader(self) -> Loader:
        return self._eval_loader("val")

    def test_dataloader(self) -> Loader:
        return self._eval_loader("test")

    def _eval_loader(self, split: Split) -> Loader:
        self.setup()
        rank, world_size = self._rank_and_world_size()
        records = self.records[split]
        # Every process needs a batch (collectives at the end of an epoch); scores count a case once.
        records = records[rank::world_size] or records[:1]
        shapes = {case: fact.shape for case, fact in self.facts.items()}
        groups = list(alike(records, shapes, 1 if self.sliced else self.batch_size, self.has_target))
        return self._loader(EvalBatches(groups, self.sliced, self.evaluated), batch_size=None)

    def _loader(self, items: Dataset[Item], **settings: Any) -> Loader:
        return Loader(
            items,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.workers > 0,
            generator=torch.Generator().manual_seed(self.seed),  # else the loader draws from the global one
            **settings,
        )

    def _rank_and_world_size(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
