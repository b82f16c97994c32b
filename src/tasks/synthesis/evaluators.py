"""Evaluators trained on real images: does a synthetic image match its class or label map?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.metrics.synthesis.classifier import RealClassifier
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.tasks.shared.cohort import sample_classified_images
from ganatomy.tasks.shared.sliding_window import slide
from ganatomy.tasks.shared.volumes import rows_by_case, stack_slices

Scores = dict[str, float]


class MaskEvaluator:
    """Segment synthetic images by a network trained on real ones, and compare with their label maps.

    `judge_dice` is the Dice between the segmentation and the label map that an image was made from. The same
    is computed for the real images. Cases are scored whole, as in segmentation.

    Args:
        network: Segmentation network.
        classes: Names of its classes, background first.
        window: Side of its sliding window; see `slide`.
    """

    def __init__(
        self, network: nn.Module, classes: Sequence[str], window: int | Sequence[int] | None
    ) -> None:
        self.network, self.window = network.eval().requires_grad_(False), window
        self.tables = {name: VolumeScores(classes) for name in ("fake", "real")}

    def update(self, row_names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Add the cases of a test batch.

        Args:
            row_names: Name of each row; unused, as cases are scored whole.
            batch: Real images and label maps.
            fake: Images made from these label maps, [B, C, *spatial].
        """
        self.network.to(fake.device)
        for name, images in (("fake", fake), ("real", batch["image"])):
            table = self.tables[name].to(fake.device)
            found = slide(self.network, images, self.window).argmax(1, keepdim=True)
            for case, rows in rows_by_case(batch):
                truth = stack_slices(batch, batch["label"], rows)[0]
                spacing = batch["spacing"][rows[0]].tolist()
                table.update(case, stack_slices(batch, found, rows)[0], truth, spacing)

    def scores(self) -> tuple[Scores, Scores]:
        """Return the scores of the synthetic and of the real images, and start anew."""
        fake, real = (
            {f"judge_{k}": float(v) for k, v in table.compute().items() if k.split("/")[0] == "dice"}
            for table in self.tables.values()
        )
        for table in self.tables.values():
            table.reset()
        return fake, real


class ClassEvaluator:
    """Classify synthetic images by a classifier fitted on real training images.

    `judge_accuracy` is the fraction whose class it finds, `judge_accuracy/<class>` that of one class. The
    same is computed for the real images of the split.

    Args:
        data: Data of the run.
        max_images: Training images to fit the classifier on, at most.
        device: Device of the classifier.
    """

    def __init__(self, data: DataModule, max_images: int, device: torch.device) -> None:
        self.kinds = tuple(data.image_classes)
        volumes, kinds = sample_classified_images(data, max_images)
        images = central_planes(volumes)
        self.classify = RealClassifier(images.to(device), kinds.to(device), len(self.kinds))
        self.columns = ["judge_accuracy", *(f"judge_accuracy/{kind}" for kind in self.kinds)]
        self.tables = {name: CaseTable(self.columns).to(device) for name in ("fake", "real")}

    def update(self, row_names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Add the images of a test batch.

        Args:
            row_names: Name of each row.
            batch: Real images and their classes.
            fake: Synthetic images of these classes, [B, C, *spatial].
        """
        for table, images in zip(self.tables.values(), (fake, batch["image"]), strict=True):
            correct = self.classify(central_planes(images).float()) == batch["class"]
            rows = zip(row_names, batch["class"].tolist(), correct.tolist(), strict=True)
            for name, kind, is_correct in rows:
                row = dict.fromkeys(self.columns, float("nan"))
                row["judge_accuracy"] = row[f"judge_accuracy/{self.kinds[kind]}"] = float(is_correct)
                table.update(hashlib.sha256(name.encode()).hexdigest(), row)

    def scores(self) -> tuple[Scores, Scores]:
        """Return the scores of the synthetic and of the real images, and start anew."""
        fake, real = (
            {name: float(value) for name, value in table.compute().items()} for table in self.tables.values()
        )
        for table in self.tables.values():
            table.reset()
        return fake, real
