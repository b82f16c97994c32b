"""Translation: an image of one modality in, the same anatomy in another modality out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from ganatomy.tasks.translation import baselines as baselines_of
from ganatomy.tasks.translation.base import Method, Players


class TranslationTask(AdversarialTask):
    """Translate images; scores are taken in the target's units.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        method: How the translation is learned; see `tasks.translation.base`.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        data_range: Data range of PSNR and SSIM in the target's units: a number, a window [low, high], or a
            list with one of them per channel. Anything else: the range of each case's truth.
        scored: "file" or "network", see `AdversarialTask`.
        metrics: Further scores of each case.
        baselines: Names of the baselines, see `tasks.translation.baselines`; None for those that the data
            allow.

    Raises:
        UserError: There is no method, or `data_range` is not usable.
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
        baselines: Sequence[str] | None = None,
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if method is None:
            raise UserError(
                "task.method: this model says no way to learn a translation; choose model=pix2pix"
            )
        self.method, self.window, self.data_range = method, window, span_of(data_range)
        method.begin(Players(self.generator, self.discriminator, recipe.spatial_dims))
        self.outside = OutsideMetrics(metrics)
        columns = (*SCORES, *self.outside.single)
        self.baseline_names = list(baselines or ())
        self.notes += baselines_of.notes(self.baseline_names)
        self.baselines = baselines_of.Baselines()
        self.register_tables({name: CaseTable(columns) for name in ("val", "test", *self.baseline_names)})

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
        return {**given, "baselines": baselines_of.settled(data, given.get("baselines"))}

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, Any]]:
        return Method.network_arguments(data.channels, data.target_channels)

    def generate(self, batch: Batch) -> Any:
        return self.method.generate(batch)

    def discriminator_inputs(self, batch: Batch, output: Any) -> Any:
        return self.method.discriminator_inputs(batch, output)

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        return self.method.task_losses(batch, output)

    def soft_prediction(self, batch: Batch) -> Tensor:
        return slide(self.translator, batch["image"], self.window)

    def prepare_baselines(self, data: DataModule) -> None:
        """Fit the baselines on training cases."""
        self.baselines = baselines_of.fit(data, self.baseline_names, self.recipe.seed)
        self.closing_lines += self.baselines.lines

    def kept_baselines(self) -> dict[str, np.ndarray]:
        return self.baselines.kept()

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        self.baselines = baselines_of.restored(kept, data, self.baseline_names)

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        for case, rows in rows_by_case(batch):
            truth, outputs = self._truth(stage, batch, rows), {stage: prediction[rows]}
            if stage == "test":
                outputs |= self.baselines.predictions(batch, rows)
            for name, output in outputs.items():
                values = self._values(stage, batch, rows, output)
                try:
                    scores = score_case(values, truth, self.data_range)
                except ValueError as error:
                    raise UserError(f"{case}: {error} (task.data_range)") from error
                self.tables[name].update(case, scores | self.outside.named(case, values, truth))

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
