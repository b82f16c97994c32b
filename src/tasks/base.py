"""What all tasks share beside the game: how they are judged, and the questions they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from torchmetrics import Metric

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError, one_of
from ganatomy.metrics.registry import describe
from ganatomy.pictures import Picture
from ganatomy.tasks.gan_module import GanModule
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.as_written import Originals

__all__ = ["AdversarialTask", "Batch", "all_labelled"]

SCORED = ("file", "network")


class AdversarialTask(GanModule):
    """A task answers `channels`, `generate`, `pairs`, `task_losses`, `predict`, `score` and `samples`.

    monitor: the validation score that chooses the best checkpoint. scored: whether the test scores are of
    what the `file` of an answer holds, on its grid, or of what the `network` gives; those of validation are
    always of the latter. one_size: whether nothing but images of the size that it trains on can be judged.
    written_like: the role of the file that what is `written` is like: "image", "target" where there is one,
    or "map" for a measure of every pixel, which whole numbers would spoil. animated: whether the pictures of
    validations show one thing as it grows, so that they are worth seeing one after another. plain_answer:
    whether the generator answers an image with one tensor of its sides. makes_label_maps: whether that is a
    label map, so that a finished run can score images drawn over label maps. `tables` hold the scores of
    "val" and "test" and of each baseline by name; a table gives `compute()`, flat names to numbers, and
    `per_case()`, a row a case. `pictures` of the test as a whole, by name; `notes` are lines that
    the run begins with saying, `verdicts` those that it ends with.
    """

    one_size = False
    written_like = "image"
    animated = False
    plain_answer = False
    makes_label_maps = False

    def __init__(self, recipe: Recipe, monitor: str, scored: str = "network") -> None:
        super().__init__(recipe)
        one_of("task.scored", scored, SCORED)
        self.monitor, self.scored = monitor, scored
        self.originals: Originals | None = None
        self.tables: dict[str, Any] = {}
        self.case_scores: list[dict[str, Any]] = []
        self.final: dict[str, float] = {}
        self.legends: dict[str, Any] = {}
        self.pictures: dict[str, Picture] = {}
        self.notes: list[str] = []
        self.verdicts: list[str] = []

    @property
    def direction(self) -> int:
        """1 where a higher monitored score is better, -1 where a lower one is, 0 where neither is."""
        return describe(self.monitor.split("/")[1]).sign

    def register_tables(self, tables: dict[str, Metric]) -> None:
        """The scores of this task; registered, so that they live on its device, where processes gather."""
        self.tables = dict(tables)
        self.metrics = nn.ModuleDict(tables)

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        """The task's section of the configuration with what the data decide; before any player is built.

        A task that must not train on some cases takes them out of the data here. One that learns of images
        without labels says so by not calling `all_labelled`.
        """
        all_labelled(data)
        return given

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """What the data decide about each player: arguments of its network, channels in and out above all."""
        raise NotImplementedError

    def generate(self, batch: Batch) -> Any:
        """What the generator makes of a batch, with its graph: a tensor or a structure of tensors."""
        raise NotImplementedError

    def discriminator_inputs(self, batch: Batch, output: Any) -> Any:
        """(real, fake) as the discriminator sees them; of each by name where there are several."""
        raise NotImplementedError

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        """Named, weighted losses that need no discriminator."""
        return {}

    def predict(self, batch: Batch) -> Any:
        """The task's answer for an evaluation batch, from the generator that is judged."""
        raise NotImplementedError

    def score(self, stage: str, batch: Batch, prediction: Any) -> None:
        """Take one evaluation batch into the table of `stage`, at the test into the baselines' tables too."""
        raise NotImplementedError

    def prepare_baselines(self, data: DataModule) -> None:
        """Fit what the test scores are to be compared with, on training and validation cases alone."""

    def undefined(self, data: DataModule) -> list[str]:
        """Lines that the run begins with: scores that the cases of validation and test cannot tell."""
        return []

    def sample_panels(self, batch: Batch, prediction: Any) -> dict[str, np.ndarray]:
        """Named pictures of an evaluation batch: RGB [n, height, width, 3], one row a case."""
        return {}

    def saved_prediction(self, batch: Batch, prediction: Any, rows: list[int]) -> Tensor | None:
        """What `save_predictions` writes of the test case that these rows hold, on its grid: [C, *spatial].

        Whole numbers are a label map, others an image in the units of the case's file, and kept as numbers of
        the type of the file that it is `written_like`. None: nothing.
        """
        return None

    def write_test_files(self, directory: Path) -> None:
        """Write what the test as a whole leaves in the run's directory, such as a table of boxes.

        Once, in the first process, when the scores of the test are known.
        """

    def scores(self, stage: str) -> dict[str, float]:
        """Final flat scores of a stage; its table is empty again."""
        self.case_scores = self.tables[stage].per_case()
        return self._empty(stage)

    def baseline_scores(self) -> dict[str, float]:
        """`<baseline>/<score>` on the test split."""
        baselines = [name for name in self.tables if name not in ("val", "test")]
        scores = {name: self._empty(name) for name in baselines}
        flat = {f"{name}/{key}": value for name, found in scores.items() for key, value in found.items()}
        return {name: value for name, value in flat.items() if not describe(name.split("/")[1]).counts}

    def floor_scores(self) -> dict[str, float]:
        """What perfect images would score on the test split, where that is not known beforehand."""
        return {}

    def _empty(self, name: str) -> dict[str, float]:
        scores = {key: float(value) for key, value in self.tables[name].compute().items()}
        self.tables[name].reset()
        return scores

    def validation_step(self, batch: Batch, index: int) -> Any:
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, index: int) -> Any:
        return self._evaluate("test", batch)

    def _evaluate(self, stage: str, batch: Batch) -> Any:
        prediction = self.predict(batch)
        self.score(stage, batch, prediction)
        return {"prediction": prediction}

    def on_test_start(self) -> None:
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        self.originals = Originals(data)
        self.prepare_baselines(data)

    def files_of(self, stage: str) -> Originals | None:
        """Where what is scored at a stage is what its file holds: the files of the cases."""
        return self.originals if self.scored == "file" and stage != "val" else None

    def on_validation_epoch_end(self) -> None:
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        self._finish("test")

    def _finish(self, stage: str) -> None:
        scores = {f"{stage}/{name}": value for name, value in self.scores(stage).items()}
        if stage == "test":
            scores |= {f"baseline/{name}": value for name, value in self.baseline_scores().items()}
            scores |= {f"floor/{name}": value for name, value in self.floor_scores().items()}
        self.log_dict(scores, logger=False, rank_zero_only=True)
        self.record(scores)
        self.final = scores


def all_labelled(data: DataModule) -> None:
    """UserError where batches hold images whose labels are hidden: they would be taken for empty ones."""
    if share := data.labels.unlabelled_fraction:
        raise UserError(f"data.unlabelled_fraction: {share}, but only model=semi learns of them; set it to 0")
