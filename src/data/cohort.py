"""Facts about the cases of a run, known once they are read and checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ganatomy.data.cache import Cache, Kind
from ganatomy.data.io.digests import Digests
from ganatomy.data.io.regions import Overlapping, regions_of, values_of
from ganatomy.data.known import doubts
from ganatomy.data.labels import Labels
from ganatomy.data.pipeline import TrainItems
from ganatomy.data.problems import told_once
from ganatomy.data.quality.familiarity.fit import fitted
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.quality.survey import Facts
from ganatomy.data.records import Case, Fault, Record, Source, Split
from ganatomy.data.sampling.sampled import Sampled
from ganatomy.data.sides.items import UnpairedItems
from ganatomy.data.sources.files.base import Files
from ganatomy.data.splits.split import Splitting
from ganatomy.data.transforms.cut import words
from ganatomy.data.transforms.degrade import Degrade, Evaluated
from ganatomy.data.transforms.intensity import Intensity
from ganatomy.data.transforms.patches import Patches
from ganatomy.data.transforms.prepare import Preparation, Prepared


class Cohort(Sampled):
    """The cases of a run: channels, classes, splits, and notes for the user.

    Attributes:
        source: the data set.
        splitting: the rule that gives cases a split.
        intensity: how images are normalised; a source's own choice in place of `auto`.
        preparation: what is done to every case.
        prepared: the source with its preparation.
        cache: the prepared cases.
        folder: folder of the cache.
        degrade: makes images from clean ones; None if images are used as they are.
        labels: which training subjects keep their labels.
        patches: cuts patches in training; None trains on whole images.
        augment: MONAI dictionary transforms, applied in training.
        seed: seed of training.
        drop: probability that a channel of a training item is dropped.
        one_size: the task needs all images of one size.
        with_boxes: training batches hold the boxes of the data set.
        records: the cases that are used, by split.
        dealt: every record with its split, including those with grave faults.
        facts: what the survey found, by case.
        sliced: rows are slices of volumes.
        left_out: training cases that the task leaves out.
        going_on: notes about the split of a resumed run, and about what a task found in the data.
        given_regions: data.regions and data.regions_class_order; None where the source decides.
    """

    source: Source
    splitting: Splitting
    intensity: Intensity
    preparation: Preparation
    prepared: Prepared
    cache: Cache
    folder: Path
    degrade: Degrade | None
    labels: Labels
    patches: Patches | None
    augment: Sequence[Any]
    seed: int
    drop: float
    one_size: bool
    with_boxes: bool
    records: dict[Split, list[Record]]
    dealt: list[Record]
    facts: dict[str, Facts]
    sliced: bool
    left_out: list[Record]
    going_on: list[str]
    given_regions: tuple[Any, Any]

    def setup(self, stage: str | None = None) -> None:
        """Read the cases, once."""
        raise NotImplementedError

    def open_cache(self, prepared: Prepared, kind: Kind, folder: str | None, limit_gb: float) -> None:
        """Open the cache of prepared cases, before any is read; a source of files keeps digests there too.

        Args:
            prepared: the source with its preparation.
            kind: `memory`, `disk` or `none`.
            folder: folder of the cache; None: ~/.cache/ganatomy.
            limit_gb: size limit in GiB.
        """
        self.records, self.targets, self.dealt, self.facts = {}, {}, [], {}
        self.sliced, self.left_out, self.going_on = False, [], []
        self.folder = Path(folder).expanduser() if folder else Path.home() / ".cache/ganatomy"
        if isinstance(self.source, Files):
            self.source.digests = Digests(self.folder, self.source.folder, self.source.private)
        self.prepared = prepared
        self.cache = Cache(prepared.make, prepared.key, kind, self.folder, limit_gb)

    @property
    def channels(self) -> int:
        """Return the number of channels of the image."""
        return self.source.channels

    @property
    def target_channels(self) -> int:
        """Return the number of channels of the target."""
        return getattr(self.source, "target_channels", None) or self.channels

    @property
    def own_target(self) -> bool:
        """Return True if targets have other units or channels than their images."""
        return self.preparation.target_intensity is not None or self.target_channels != self.channels

    @property
    def mask_classes(self) -> tuple[str, ...]:
        """Return the names of the values of `label`, background first."""
        return tuple(self.source.classes)

    @property
    def label_values(self) -> tuple[int, ...]:
        """Return the values that masks have in files, in the order of `mask_classes`."""
        return values_of(self.source, self.mask_classes)

    @property
    def regions(self) -> Overlapping | None:
        """Return the overlapping regions that the settings or the source name; None without any."""
        return regions_of(self.source, *self.given_regions)

    @property
    def ignores(self) -> bool:
        """Return True if label maps may hold the ignore label."""
        return getattr(self.source, "ignore_label", None) is not None

    @property
    def box_classes(self) -> tuple[str, ...]:
        """Return the names of the values of `classes`, the classes of boxes."""
        return tuple(self.source.box_classes)

    @property
    def image_classes(self) -> tuple[str, ...]:
        """Return the names of the values of `class`."""
        return tuple(self.source.image_classes)

    @property
    def spatial_dims(self) -> int:
        """Return the number of spatial axes of the networks, 2 or 3."""
        return self.source.spatial_dims

    @property
    def notes(self) -> list[str]:
        """Return notes for the start of a run: about the data set, and about mild faults, each kind once."""
        kept = [record for split in self.records for record in (*self.records[split], *self.alone(split))]
        faults = [*leaks(self.dealt), *(f for record in kept for f in self.facts[record.case].faults)]
        mild = told_once(fault for fault in self.unanswered(faults) if not fault.grave)
        lines = [*doubts(self.source, self.intensity), *mild]
        return [*self.going_on, *self.side_notes, *self.sampling_notes, *(f"note: {line}" for line in lines)]

    def unanswered(self, faults: Sequence[Fault]) -> list[Fault]:
        """Return the faults that no setting has answered.

        With `target_intensity`, a target may have other units than its image.
        """
        answered = "units" if self.preparation.target_intensity is not None else None
        return [fault for fault in faults if fault.kind != answered]

    def first_without(self, role: str) -> str:
        """Return the name of the first case that holds no "label", "boxes" or "class"; empty if all do."""
        kept = (record.case for records in self.records.values() for record in records)
        return next((case for case in kept if role not in self.facts[case].holds), "")

    @property
    def cut(self) -> str:
        """Return a line about what `size` crops off the training images; empty if nothing."""
        kept = [fact.kept for fact in self.facts.values() if fact.shape]
        return words(self.source.size, kept, self.one_size)

    def familiarity(self) -> dict[str, Any] | None:
        """Return what is familiar after training on these cases, see `fitted`; plain values.

        The cases that a task leaves out of training count too: they are of the same set. Where the run makes
        its images from clean ones, sharpness and grey levels are those of images that it never sees.
        """
        self.setup()
        dealt = [r for r in self.dealt if r.split == "train" and r.side != "target"]
        sound = [r for r in dealt if not self.facts[r.case].grave]
        degraded = self.degrade is not None and not all("target" in record.content for record in sound)
        without = ("sharpness", "levels") if degraded else ()
        return fitted([self.facts[r.case].summary for r in sound], [r.subject for r in sound], without)

    @property
    def evaluated(self) -> Evaluated:
        """Return the reader of whole cases as validation and test serve them."""
        units = self.target_units if self.unpaired and self.own_target else None
        return Evaluated(self.cache.get, self.degrade, self.sliced, self.splitting.seed, units)

    def whole(self, record: Record) -> Case:
        """Return a prepared case without cropping, even if it is a training case."""
        cut = self.facts[record.case].kept < 1 and record.split == "train"
        return self.prepared.make(record, whole=True) if cut else self.cache.get(record)

    @property
    def window(self) -> list[int] | None:
        """Return the sides of the sliding window for images that `size` crops in training; else None."""
        return list(self.shape) if self.cut and not self.one_size else None

    @property
    def batches_per_epoch(self) -> int:
        """Return the number of batches that contain every labelled training item once, rounded up."""
        return -(-self.train_items().labelled_items // self.labels.labelled_rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the spatial shape of the images that the networks train on."""
        return tuple(self.train_items()[0, 0]["image"].shape[1:])

    def train_items(self) -> TrainItems:
        """Return the training items, addressed by (epoch, index); unlabelled ones come last."""
        self.setup()
        unlabelled = self.labels.unlabelled_records(self.records["train"])
        records = [*self.labels.used(self.records["train"]), *unlabelled]
        targets = self.target_cases("train") if self.unpaired else []
        if not self.patches:
            self.check_shapes(records, targets)
        if self.unpaired:
            images, others = ((side, self.depths_of(side)) for side in (records, targets))
            settings = self.cache.view, self.augment, self.seed, self.patches, self.with_boxes, self.drop
            return UnpairedItems(images, others, *settings)
        return TrainItems(
            records,
            self.depths_of(records),
            self.cache.view,
            self.augment,
            self.seed,
            self.patches,
            self.degrade,
            unlabelled_records=len(unlabelled),
            with_boxes=self.with_boxes,
            drop=self.drop,
            synthetic=self.synthetic,
        )

    def leave_out(self, cases: Collection[str]) -> None:
        """Train without these cases."""
        self.left_out = [record for record in self.records["train"] if record.case in cases]
        self.records["train"] = [record for record in self.records["train"] if record.case not in cases]
