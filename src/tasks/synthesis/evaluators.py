"""Whoever learned from real images, shown synthetic ones: are these what they were asked to be?"""

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
from ganatomy.tasks.shared.cohort import some_classified
from ganatomy.tasks.shared.sliding_window import slide
from ganatomy.tasks.shared.volumes import rows_by_case, stack_slices

Scores = dict[str, float]


class MaskEvaluator:
    """A segmentation network of real images finds, or does not, the label maps that images were drawn over.

    `judge_dice` is the Dice of its label maps of synthetic images with these; beside it stands that of its
    label maps of the real images. window: see `slide`. Cases are scored whole, as in segmentation.
    """

    def __init__(
        self, network: nn.Module, classes: Sequence[str], window: int | Sequence[int] | None
    ) -> None:
        self.network, self.window = network.eval().requires_grad_(False), window
        self.tables = {name: VolumeScores(classes) for name in ("fake", "real")}

    def look(self, names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Take in the cases of a test batch, and what was drawn over their label maps."""
        self.network.to(fake.device)
        for name, images in (("fake", fake), ("real", batch["image"])):
            table = self.tables[name].to(fake.device)
            found = slide(self.network, images, self.window).argmax(1, keepdim=True)
            for case, rows in rows_by_case(batch):
                truth = stack_slices(batch, batch["label"], rows)[0]
                spacing = batch["spacing"][rows[0]].tolist()
                table.update(case, stack_slices(batch, found, rows)[0], truth, spacing)

    def scores(self) -> tuple[Scores, Scores]:
        """Of synthetic and of real images."""
        fake, real = (
            {f"judge_{k}": float(v) for k, v in table.compute().items() if k.split("/")[0] == "dice"}
            for table in self.tables.values()
        )
        for table in self.tables.values():
            table.reset()
        return fake, real


class ClassEvaluator:
    """A classifier fitted on real training images names the class that a synthetic image was asked to show.

    `judge_accuracy` is the share that it names rightly, `judge_accuracy/<class>` that of a class; beside them
    stand those of real images of the same split. Up to `most` training images are learned from.
    """

    def __init__(self, data: DataModule, most: int, device: torch.device) -> None:
        self.kinds = tuple(data.image_classes)
        volumes, kinds = some_classified(data, most)
        images = central_planes(volumes)
        self.classify = RealClassifier(images.to(device), kinds.to(device), len(self.kinds))
        self.columns = ["judge_accuracy", *(f"judge_accuracy/{kind}" for kind in self.kinds)]
        self.tables = {name: CaseTable(self.columns).to(device) for name in ("fake", "real")}

    def look(self, names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Take in the images of a test batch, by name."""
        for table, images in zip(self.tables.values(), (fake, batch["image"]), strict=True):
            right = self.classify(central_planes(images).float()) == batch["class"]
            for name, kind, hit in zip(names, batch["class"].tolist(), right.tolist(), strict=True):
                row = dict.fromkeys(self.columns, float("nan"))
                row["judge_accuracy"] = row[f"judge_accuracy/{self.kinds[kind]}"] = float(hit)
                table.update(hashlib.sha256(name.encode()).hexdigest(), row)

    def scores(self) -> tuple[Scores, Scores]:
        """Of synthetic and of real images."""
        fake, real = (
            {name: float(value) for name, value in table.compute().items()} for table in self.tables.values()
        )
        for table in self.tables.values():
            table.reset()
        return fake, real
