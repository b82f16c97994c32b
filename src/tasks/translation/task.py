"""Translation: an image of one modality in, the same anatomy in another modality out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.data.transforms.intensity import as_many, ends
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.foreseen import refuse_constant_truths
from ganatomy.tasks.shared.mirrors import MirrorAxes, checked_mirror_axes, mirrored, with_mirrors
from ganatomy.tasks.shared.sliding_window import in_windows, slide
from ganatomy.tasks.shared.volumes import all_finite, in_units, rows_by_case
from ganatomy.tasks.translation import baselines as baselines_of
from ganatomy.tasks.translation.base import Method, Players
from ganatomy.tasks.translation.compared import Compared
from ganatomy.tasks.translation.losses import range_of
from ganatomy.tasks.translation.paired import Paired
from ganatomy.tasks.translation.perceptual import Perceptual, check_perceptual
from ganatomy.tasks.translation.scores.monitor import chosen_monitor
from ganatomy.tasks.translation.scores.panels import Panels
from ganatomy.tasks.translation.scores.reader import TargetReader
from ganatomy.tasks.translation.scores.scoring import Scoring
from ganatomy.tasks.translation.scores.units import known_range, ranges_of
from ganatomy.tasks.translation.structure import structure_of


class TranslationTask(AdversarialTask):
    """Translate images; scores are taken in the target's units, inside the mask where the data have one.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        method: How the translation is learned; see `tasks.translation.base`. None: from pairs, by L1.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        data_range: Range of PSNR and the structural similarities in the target's units: a window [low, high],
            which values are clipped to, or a width, or a list with one of them per channel. Anything else:
            the range of each case's truth.
        scored: "file" or "network", see `AdversarialTask`.
        metrics: Further scores of each case.
        evaluator: Directory of a finished run on images like the targets, which reads the test's images.
        lesion: Class of lesions of that run; None for one of a usual name.
        baselines: Names of the baselines, see `tasks.translation.baselines`; None for those that the data
            allow.
        target_range: Range of the target's intensities in the network's units, for losses.
        perceptual: Directory of a finished segmentation run on images like the target, whose features are
            compared in training (`Perceptual`). Nothing after training needs it.
        perceptual_weight: Weight of that loss.
        perceptual_layers: Modules of that run's network whose outputs are compared; none: all of its parts.
        perceptual_hash: SHA-256 of that run's generator.safetensors; None to take it as it is.
        structure: Weights of losses between image and translation, and the runs they need; see `Structure`.
        mirror_axes: Axes of test-time augmentation: translations are averaged over the flips along them.

    Raises:
        UserError: `data_range`, `mirror_axes` or a setting of the perceptual loss is not usable.
    """

    written_like = "target"
    soft_kind = "values"
    plain_answer, uses_boxes = True, False
    trivial = "identity"

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/mae",
        method: Method | None = None,
        window: int | list[int] | None = None,
        data_range: float | list[Any] | str | None = None,
        scored: str = "file",
        metrics: Sequence[OutsideMetric] = (),
        evaluator: str | None = None,
        lesion: str | None = None,
        baselines: Sequence[str] | str | None = None,
        target_range: float = 1.0,
        perceptual: str | None = None,
        perceptual_weight: float = 1.0,
        perceptual_layers: Sequence[str] = (),
        perceptual_hash: str | None = None,
        structure: dict[str, Any] | None = None,
        mirror_axes: MirrorAxes = (),
    ) -> None:
        super().__init__(recipe, monitor, scored)
        self.mirror_axes = checked_mirror_axes(mirror_axes, recipe.spatial_dims)
        self.method, self.window = method or Paired(), window
        self.method.begin(Players(self.generator, self.discriminator, recipe.spatial_dims, target_range))
        check_perceptual(self.method, perceptual, perceptual_weight)
        self.perceptual: Perceptual | None = None
        self.structure = structure_of(structure)
        self.baseline_names = [baselines] if isinstance(baselines, str) else list(baselines or ())
        self.notes += baselines_of.notes(self.baseline_names) if self.unpaired else []
        self.baselines = baselines_of.Baselines()
        ranges, returns = ranges_of(data_range), self.method.back_translator(self.generator) is not None
        outside = OutsideMetrics(metrics)
        self.scoring = Scoring(monitor, ranges, outside, self.baseline_names, recipe.spatial_dims, returns)
        self.register_tables({**self.scoring.tables})
        self.panels = Panels(ranges)
        self.compared = Compared(ranges)

    @property
    def unpaired(self) -> bool:  # type: ignore[override]
        """Return True if the method learns without pairs."""
        return self.method.unpaired

    @property
    def translator(self) -> nn.Module:
        """Return the evaluated network from image to target."""
        return self.method.translator(self.evaluator)

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with what the data decide: range, monitor, baselines, and window of patches."""
        given = with_mirrors(in_windows(AdversarialTask.resolve_settings(data, given), data), data)
        intensity = data.preparation.target_intensity or data.preparation.intensity
        given = {**given, "data_range": known_range(given.get("data_range"), intensity)}
        if isinstance(given.get("data_range"), list) and not ends(given["data_range"]):
            as_many(given["data_range"], data.target_channels, "task.data_range")
        given |= {"target_range": range_of(intensity), "monitor": chosen_monitor(data, given["monitor"])}
        return {**given, "baselines": baselines_of.settled(data, given.get("baselines"))}

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        return Method.network_arguments(data.channels, data.target_channels)

    def undefined(self, data: DataModule) -> list[str]:
        if not data.unpaired:
            refuse_constant_truths(data, self.scoring.data_range)
        return []

    @property
    def generator_passes(self) -> tuple[int, int]:
        return self.method.generator_passes

    def generate(self, batch: Batch) -> Any:
        return self.method.generate(batch)

    def discriminator_inputs(self, batch: Batch, output: Any) -> Any:
        return self.method.discriminator_inputs(batch, output)

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        losses = self.method.task_losses(batch, output)
        if self.perceptual is not None:
            image = self.method.translated(output)
            losses["perceptual"] = self.perceptual(image, batch["target"], batch.get("mask"))
        return losses | self.structure(self.method, batch, output)

    def soft_prediction(self, batch: Batch) -> Tensor:
        return self._averaged_over_mirrors(self.translator, batch["image"])

    def _averaged_over_mirrors(self, network: nn.Module, image: Tensor) -> Tensor:
        return mirrored(lambda part: slide(network, part, self.window), image, self.mirror_axes)

    def attach_reader(self, reader: TargetReader) -> None:
        """Have the test's images read by a finished run, and score what it finds."""
        self.scoring.read_by(reader)

    def on_validation_epoch_start(self) -> None:
        if self.scoring.sets.data is None:
            self.scoring.know(self.trainer.datamodule, self.window)  # type: ignore[attr-defined]

    def prepare_baselines(self, data: DataModule) -> None:
        """Fit the baselines on training cases."""
        self.scoring.know(data, self.window)
        self.baselines = baselines_of.fit(data, self.baseline_names, self.recipe.seed)
        self.closing_lines += self.baselines.lines

    def kept_baselines(self) -> dict[str, np.ndarray]:
        return self.baselines.kept()

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        self.scoring.know(data, self.window)
        self.baselines = baselines_of.restored(kept, data, self.baseline_names)

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        back, files = self._taken_back(batch, prediction), self.files_of(stage)
        for _, rows in rows_by_case(batch):
            outputs = {stage: prediction[rows]}
            if stage == "test":
                outputs |= self.baselines.predictions(batch, rows)
                self.compared.add(batch, rows, outputs)
            error = float("nan") if back is None else self._cycle_error(batch, rows, back[rows])
            self.scoring.add(outputs, batch, rows, files, error)

    def _taken_back(self, batch: Batch, prediction: Tensor) -> Tensor | None:
        """Return the source images that the translations are taken back to; None without a way back."""
        network = self.method.back_translator(self.evaluator)
        if network is None:
            return None
        return self._averaged_over_mirrors(network, prediction.to(batch["image"].dtype))

    def _cycle_error(self, batch: Batch, rows: list[int], back: Tensor) -> float:
        """Return the mean absolute error there and back, in the source's units."""
        scale = batch["scale"][rows].double().reshape(len(rows), -1, *[1] * self.recipe.spatial_dims)
        return float(((back - batch["image"][rows]).double() * scale).abs().mean())

    def scores(self, stage: str) -> dict[str, float]:
        found, self.case_scores = self.scoring.of_stage(stage, super().scores(stage), self.case_scores)
        self.closing_lines += self.scoring.undefined(self.case_scores) if stage == "test" else []
        return found

    def baseline_scores(self) -> dict[str, float]:
        self.pictures |= self.compared.pictures()
        return self.scoring.of_baselines(super().baseline_scores())

    def floor_scores(self) -> dict[str, float]:
        """Return the scores of true images of the target side."""
        return self.scoring.of_floor()

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return in_units(batch, prediction, rows, "target")

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        """Draw one slice per case, each side in its own window; see `Panels`."""
        back = None if "target" in batch else self._taken_back(batch, prediction)
        columns = self.panels(batch, prediction, self.scoring.sets.data, back)
        self.legends = self.panels.legends
        return columns
