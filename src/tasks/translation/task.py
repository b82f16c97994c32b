"""Translation: an image of one modality in, the same anatomy in another modality out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.enhancement import SCORES, score_case
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.pictures import shown
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.enhancement.data_range import span_of
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.sliding_window import in_windows, slide
from ganatomy.tasks.shared.volumes import all_finite, in_units, rows_by_case, scale_and_offset, stacked
from ganatomy.tasks.translation.base import Method, Players
from ganatomy.tasks.translation.losses import range_of
from ganatomy.tasks.translation.paired import Paired
from ganatomy.tasks.translation.perceptual import Perceptual, check_perceptual
from ganatomy.tasks.translation.structure import structure_of


class TranslationTask(AdversarialTask):
    """Translate images; scores are taken in the target's units.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        method: How the translation is learned; see `tasks.translation.base`. None: from pairs, by L1.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        data_range: Data range of PSNR and SSIM in the target's units: a number, a window [low, high], or a
            list with one of them per channel. Anything else: the range of each case's truth.
        scored: "file" or "network", see `AdversarialTask`.
        metrics: Further scores of each case.
        target_range: Range of the target's intensities in the network's units, for losses.
        perceptual: Directory of a finished segmentation run on images like the target, whose features are
            compared in training (`Perceptual`). Nothing after training needs it.
        perceptual_weight: Weight of that loss.
        perceptual_layers: Modules of that run's network whose outputs are compared; none: all of its parts.
        perceptual_hash: SHA-256 of that run's generator.safetensors; None to take it as it is.
        structure: Weights of losses between image and translation, and the runs they need; see `Structure`.

    Raises:
        UserError: `data_range` or a setting of the perceptual loss is not usable.
    """

    written_like = "target"
    soft_kind = "values"
    plain_answer, uses_boxes = True, False

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/mae",
        method: Method | None = None,
        window: int | list[int] | None = None,
        data_range: float | list[Any] | str | None = None,
        scored: str = "file",
        metrics: Sequence[OutsideMetric] = (),
        target_range: float = 1.0,
        perceptual: str | None = None,
        perceptual_weight: float = 1.0,
        perceptual_layers: Sequence[str] = (),
        perceptual_hash: str | None = None,
        structure: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(recipe, monitor, scored)
        self.method, self.window, self.data_range = method or Paired(), window, span_of(data_range)
        self.method.begin(Players(self.generator, self.discriminator, recipe.spatial_dims, target_range))
        check_perceptual(self.method, perceptual, perceptual_weight)
        self.perceptual: Perceptual | None = None
        self.structure = structure_of(structure)
        self.outside = OutsideMetrics(metrics)
        columns = (*SCORES, *self.outside.single)
        self.register_tables({name: CaseTable(columns) for name in ("val", "test")})

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
        """Return the settings with the target's `data_range` and, if training saw only patches, `window`."""
        given = in_windows(AdversarialTask.resolve_settings(data, given), data)
        preparation = data.preparation
        if preparation.target_intensity is not None and given.get("data_range") == preparation.intensity:
            given = {**given, "data_range": preparation.target_intensity}
        return {**given, "target_range": range_of(preparation.target_intensity or preparation.intensity)}

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        return Method.network_arguments(data.channels, data.target_channels)

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
        return slide(self.translator, batch["image"], self.window)

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        for case, rows in rows_by_case(batch):
            truth, values = (
                self._truth(stage, batch, rows),
                self._values(stage, batch, rows, prediction[rows]),
            )
            try:
                scores = score_case(values, truth, self.data_range)
            except ValueError as error:
                raise UserError(f"{case}: {error} (task.data_range)") from error
            self.tables[stage].update(case, scores | self.outside.named(case, values, truth))

    def _truth(self, stage: str, batch: Batch, rows: list[int]) -> Tensor:
        """Return the truth of a case in the units of its file, float64 [n, C, *spatial]."""
        files = self.files_of(stage)
        if files is None:
            scale, offset = scale_and_offset(batch, rows[0], self.recipe.spatial_dims, "target")
            truth: Tensor = batch["target"][rows].double() * scale + offset
            return truth
        case = batch["case"][rows[0]]
        target = files.truth(case)[files.role(case, "target")].astype(np.float64)
        return torch.from_numpy(np.ascontiguousarray(files.planes(batch, rows[0], target)))

    def _values(self, stage: str, batch: Batch, rows: list[int], image: Tensor) -> Tensor:
        """Return the rows of one case in the units of its file, rounded as there if files are scored."""
        files, dims = self.files_of(stage), self.recipe.spatial_dims
        scale, offset = scale_and_offset(batch, rows[0], dims, "target")
        values = image.double() * scale + offset
        if files is None:
            return values
        written = files.as_written(batch, rows, stacked(batch, values, rows), self.written_like)
        return torch.from_numpy(np.ascontiguousarray(files.planes(batch, rows[0], written.values)))

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return in_units(batch, prediction, rows, "target")

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        """Draw one slice per case, each side in its own window."""
        rows = [group[len(group) // 2] for _, group in rows_by_case(batch)]
        drawn: dict[str, list[np.ndarray]] = {}
        for row in rows:
            image, truth, output = (
                t[row].float().cpu().numpy() for t in (batch["image"], batch["target"], prediction)
            )
            low, high = (float(value) for value in np.percentile(truth, (0.5, 99.5)))
            drawn.setdefault("input", []).append(shown(image[None, :1]))
            for name, picture in {"ours": output, "truth": truth}.items():
                drawn.setdefault(name, []).append(shown(picture[None, :1], (low, high)))
        return {name: np.concatenate(tiles) for name, tiles in drawn.items()}
