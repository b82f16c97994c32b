"""The hooks of a task: what is generated, what the discriminator compares, how a prediction is scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.soft import SoftHooks


class TaskHooks(SoftHooks):
    """The methods that a task overrides, in the order in which they are called.

    Required: `network_arguments`, `generate`, `discriminator_inputs`, `score`, and `predict` or
    `soft_prediction`. All others have a default. A batch is a dict of rows
    (`ganatomy.data.records.Batch`): `image` [B, C, *spatial]; `label`, `target`, `class` and `boxes` where
    the data set has them; `case`, the name of each row's case.

    Attributes:
        one_size: True if only images of the training size can be evaluated (no sliding window).
        written_like: Which file of the case a saved prediction imitates in units and type: "image", "target"
            (the image where a case has no target), or "map" for float-valued maps; never cast to an integer
            dtype.
        animated: True if the pictures of successive validations show one thing as it grows; they are then
            also written as an animation.
        plain_answer: True if the generator maps [B, in_channels, *spatial] to one tensor
            [B, out_channels, *spatial]; this is then checked before the first step.
        deep_supervision: True if in training it may return several such tensors, one of each head: a list
            with the finest first, of any sides, or all stacked, [B, heads, out_channels, *spatial].
        makes_label_maps: True if that tensor holds class logits, so that a finished run can serve as the
            evaluator of images drawn from label maps.
        uses_boxes: False if training uses no boxes; batches of training then hold none.
        from_noise: True while the generator makes images from noise, so that they have to differ.
        trivial: Baseline that every trained game beats, as in `baseline/<trivial>/<score>`; "" for none.
        learned: Where the classes that are learned stand: "label", "boxes" or "class"; "" if none are.
        answers_in_mask: True if answers are background outside of the `mask` that a batch has.
        unpaired: True if training rows join images and targets of different cases (`data.unpaired`), False if
            they are pairs, None if either will do.
        synthetic: What synthetic images must have to be trained on: "label" (a label map), "class" (the class
            of healthy images), or "" if the task does not train on them.
        judged_by: Test score that is compared with the trivial baseline's; "" for the monitored one.

    Example:
        >>> class Restoration(TaskHooks):
        ...     def discriminator_inputs(self, batch, output):
        ...         return batch["target"], output
        ...     def task_losses(self, batch, output):
        ...         return {"l1": (output - batch["target"]).abs().mean()}
        >>> Restoration().task_losses({"target": torch.ones(2, 1, 8, 8)}, torch.zeros(2, 1, 8, 8))
        {'l1': tensor(1.)}
    """

    one_size = False
    written_like = "image"
    animated = False
    plain_answer = False
    deep_supervision = False
    makes_label_maps = False
    uses_boxes = True
    from_noise = False
    trivial = ""
    judged_by = ""
    learned = ""
    answers_in_mask = False
    unpaired: bool | None = False
    synthetic: Literal["", "label", "class"] = ""

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        """Return the configuration's task section, completed with what the data decide.

        Called once, before any network is built; the result is written to config.yaml. This is also the place
        to refuse data that do not suit the task, and to take cases out of training. The default refuses
        batches with hidden labels; a task that learns from unlabelled images overrides it.

        Args:
            data: The prepared data module.
            given: The task section of the configuration; do not change it in place.

        Raises:
            UserError: If the data do not suit the task.
        """
        all_labelled(data)
        return given

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        """Return the constructor arguments that the data decide, by player.

        Called before any network is built. A network gets those of the arguments that its `__init__` takes
        and the configuration leaves out: {"generator": {"in_channels": 1, "out_channels": 3},
        "discriminator": {"in_channels": 4}}. "generator.ab" addresses one of several networks of a player.
        """
        raise NotImplementedError

    def generate(self, batch: Batch) -> Any:
        """Return the generator's output for a training batch: a tensor, or tensors in a dict, tuple or list.

        Called for each batch, or each micro-batch; without gradients in a step that trains the discriminator
        alone. Use `self.generator`, never `self.evaluator`. The two hooks below get a detached copy of the
        same structure, which collects their gradients.
        """
        raise NotImplementedError

    def discriminator_inputs(self, batch: Batch, output: Any) -> Any:
        """Return (real, fake), the two inputs of the discriminator.

        Called after `generate`, at least once per step, if there is a discriminator. Must be differentiable
        in `output`. Both are tensors [B, C, *spatial], or both are tuples of tensors, which become the
        arguments of the discriminator, image first. With several discriminators return {name: (real, fake)}.
        """
        raise NotImplementedError

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        """Return the losses that need no discriminator: weighted 0-dim tensors by name.

        Called in every step that trains the generator. Each loss is logged as `loss/generator/<name>` and
        added to the adversarial loss. Take means over the batch, so that several processes agree with one.
        """
        return {}

    def predict(self, batch: Batch) -> Any:
        """Return the prediction for a validation or test batch; gradients are off.

        Use `self.evaluator`: the averaged generator if the run averages weights. The result goes unchanged to
        `score`, `sample_panels` and `saved_prediction`. The default decides on the soft prediction.
        """
        return self.decide(batch, self.averaged(batch))

    def score(self, stage: str, batch: Batch, prediction: Any) -> None:
        """Add a batch to `self.tables[stage]`, and in the test to the tables of the baselines too.

        A table keeps a case once, although two processes may be given the same one.

        Args:
            stage: "val" or "test".
            batch: Whole cases: all slices of a sliced volume are in one batch.
            prediction: The value of `predict`.
        """
        raise NotImplementedError

    def prepare_baselines(self, data: DataModule) -> None:
        """Fit the baselines on training and validation cases; every process calls it when the test begins."""

    def kept_baselines(self) -> dict[str, np.ndarray]:
        """Return what the fitted baselines need to be applied again, for baselines.safetensors.

        Arrays named `<baseline>` or `<baseline>/<array>`; empty where nothing is fitted.
        """
        return {}

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        """Make the baselines again, in the place of `prepare_baselines` where training cases are not at hand.

        Args:
            kept: Arrays of `kept_baselines`; those of a baseline may be missing, which is then left out.
            data: Cases to be scored, under `test`.
        """

    def undefined(self, data: DataModule) -> list[str]:
        """Return a line, printed at the start, per score that validation or test cases leave undefined."""
        return []

    def worthless(self, why: str) -> None:
        """Take back what the test says about outputs that are worth nothing.

        Called after the test of a failed game, before its results are shown; `why` names the event.
        """

    def sample_panels(self, batch: Batch, prediction: Any) -> dict[str, np.ndarray]:
        """Return pictures of a validation or test batch: {column: RGB [n, height, width, 3]}, a row per case.

        uint8, or floats from 0 to 1; all columns of one n. Called until `callbacks.samples` rows are there.
        """
        return {}

    def saved_prediction(self, batch: Batch, prediction: Any, rows: list[int]) -> Tensor | None:
        """Return what `save_predictions` writes for one test case, on the network's grid; None for no file.

        Args:
            batch: The test batch.
            prediction: The value of `predict` for that batch.
            rows: Rows of the case: one, or the slices of a volume.

        Returns:
            [C, *spatial]. Integers are class numbers and written as a label map. Floats are an image in the
            units of the case's file and written in the type of the file that `written_like` names.
        """
        return None

    def answer(self, batch: Batch, prediction: Any, rows: list[int]) -> Answer:
        """Return what `predict` of the command line writes for one case; no truth is in the batch.

        Args:
            batch: Batch with the case.
            prediction: The value of `predict` for that batch.
            rows: Rows of the case: one, or the slices of a volume.
        """
        return Answer(self.saved_prediction(batch, prediction, rows), self.written_like)

    def sections_to_keep(self, data: DataModule) -> dict[str, Any]:
        """Return further entries of `Preprocessing` that this task needs without its training data."""
        return {}

    def write_test_files(self, directory: Path) -> None:
        """Write files about the test as a whole, such as a table of boxes, into the run's directory.

        Called once, by the first process, after the scores of the test are known.
        """

    def floor_scores(self) -> dict[str, float]:
        """Return the test scores of perfect images, where the best possible value depends on the data."""
        return {}


def all_labelled(data: DataModule) -> None:
    """Raise UserError if batches hold images with hidden labels, which would count as empty label maps.

    Example:
        >>> from ganatomy.data.datamodule import DataModule
        >>> from ganatomy.data.sources.brain import Brain
        >>> source = Brain(subjects=6, size=16, slices=2)
        >>> all_labelled(DataModule(source, batch_size=4, unlabelled_fraction=0.5))
        Traceback (most recent call last):
        ganatomy.errors.UserError: data.unlabelled_fraction: 0.5, but only model=semi learns of them; ...
    """
    if share := data.labels.unlabelled_fraction:
        raise UserError(f"data.unlabelled_fraction: {share}, but only model=semi learns of them; set it to 0")
