"""Translation: an image of one modality in, the same anatomy in another modality out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch, Split
from ganatomy.data.transforms.intensity import as_many, ends
from ganatomy.errors import UserError
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.metrics.translation.case import AT_VALIDATION, SCORES, score_case
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.sliding_window import in_windows, slide
from ganatomy.tasks.shared.volumes import all_finite, in_units, rows_by_case
from ganatomy.tasks.translation.base import Method, Players
from ganatomy.tasks.translation.scores.monitor import chosen_monitor
from ganatomy.tasks.translation.scores.panels import Panels
from ganatomy.tasks.translation.scores.reader import FLOOR, TargetReader
from ganatomy.tasks.translation.scores.sets import TargetSets
from ganatomy.tasks.translation.scores.units import ranges_of, region_of, truth_of, values_of

NAN = float("nan")


class TranslationTask(AdversarialTask):
    """Translate images; scores are taken in the target's units, inside the mask where the data have one.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        method: How the translation is learned; see `tasks.translation.base`.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        data_range: Range of PSNR and the structural similarities in the target's units: a window [low, high],
            which values are clipped to, or a width, or a list with one of them per channel. Anything else:
            the range of each case's truth.
        scored: "file" or "network", see `AdversarialTask`.
        metrics: Further scores of each case.
        evaluator: Directory of a finished run on images like the targets, which reads the test's images.
        lesion: Class of lesions of that run; None for one of a usual name.

    Raises:
        UserError: There is no method, or `data_range` is not usable.
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
    ) -> None:
        super().__init__(recipe, monitor, scored)
        if method is None:
            raise UserError(
                "task.method: this model says no way to learn a translation; choose model=pix2pix"
            )
        self.method, self.window, self.data_range = method, window, ranges_of(data_range)
        method.begin(Players(self.generator, self.discriminator, recipe.spatial_dims))
        self.outside = OutsideMetrics(metrics)
        back = method.back_translator(self.generator) is not None
        self.further = ("cycle_error",) if back else ()
        names = ("val", "test")
        self.register_tables({name: CaseTable(self._columns(name)) for name in names})
        self.sets, self.panels = TargetSets(names), Panels(self.data_range)
        self.reader: TargetReader | None = None
        self.paired = True

    def _columns(self, stage: str) -> tuple[str, ...]:
        """Return the scores of a case against its target, and those that need none."""
        monitored = self.monitor.removeprefix("val/")
        own = [name for name in SCORES if stage != "val" or name in (*AT_VALIDATION, monitored)]
        return (*own, *self.outside.single, *(self.further if stage in ("val", "test") else ()))

    @property
    def translator(self) -> nn.Module:
        """Return the evaluated network from image to target."""
        return self.method.translator(self.evaluator)

    @property
    def needs_pairs(self) -> bool:
        """Return True if cases without a target of their own cannot be scored."""
        return not self.method.unpaired

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with the target's `data_range`, a `monitor` and, for patches, `window`."""
        given = in_windows(AdversarialTask.resolve_settings(data, given), data)
        preparation = data.preparation
        if preparation.target_intensity is not None and given.get("data_range") == preparation.intensity:
            given = {**given, "data_range": preparation.target_intensity}
        if isinstance(given.get("data_range"), list) and not ends(given["data_range"]):
            as_many(given["data_range"], data.target_channels, "task.data_range")
        return {**given, "monitor": chosen_monitor(data, given["monitor"])}

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

    def attach_reader(self, reader: TargetReader) -> None:
        """Have the test's images read by a finished run, and score what it finds."""
        self.reader = reader
        reader.begin([name for name in self.tables if name != "val"])

    def on_validation_epoch_start(self) -> None:
        if self.sets.data is None:
            self._know(self.trainer.datamodule)  # type: ignore[attr-defined]

    def prepare_baselines(self, data: DataModule) -> None:
        self._know(data)

    def _know(self, data: DataModule) -> None:
        sides = data.shape if data.records.get("train") else self.window
        self.sets.know(data, [sides] * data.spatial_dims if isinstance(sides, int) else sides)

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        back = self._back(batch, prediction)
        for case, rows in rows_by_case(batch):
            outputs = {stage: prediction[rows]}
            returned = {stage: {} if back is None else {"cycle_error": back[1][rows].mean().item()}}
            for name, output in outputs.items():
                found = self._against_target(case, stage, name, batch, rows, output)
                self.tables[name].update(case, found | returned.get(name, {}))
                self.sets.update(name, batch, rows, output)
            if stage == "test" and self.reader is not None:
                self.reader.update(outputs, batch, rows)

    def _against_target(
        self, case: str, stage: str, name: str, batch: Batch, rows: list[int], output: Tensor
    ) -> dict[str, float]:
        """Return the scores of a source's image against the case's own target; NaN without one."""
        columns = self._columns(name)
        if "target" not in batch:
            return dict.fromkeys(columns, NAN)
        files, dims = self.files_of(stage), self.recipe.spatial_dims
        values = values_of(files, batch, rows, output, dims)
        truth, mask = truth_of(files, batch, rows, dims), region_of(files, batch, rows)
        wanted = [score for score in columns if score in SCORES]
        try:
            scores = score_case(values, truth, mask, self.data_range, wanted)
        except ValueError as error:
            raise UserError(f"{case}: {error} (task.data_range)") from error
        return scores | self.outside.named(case, values, truth)

    def _back(self, batch: Batch, prediction: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the translation taken back, and the error of each row in the source's units."""
        network = self.method.back_translator(self.evaluator)
        if network is None:
            return None
        back = slide(network, prediction.to(batch["image"].dtype), self.window)
        scale = batch["scale"].double().reshape(len(back), -1, *[1] * self.recipe.spatial_dims)
        error = ((back - batch["image"]).double() * scale).abs()
        return back, error.flatten(1).mean(1)

    def scores(self, stage: str) -> dict[str, float]:
        """Return the scores of a stage: of cases with targets, of sets, and of the run that reads them."""
        found = super().scores(stage)
        split: Split = "val" if stage == "val" else "test"
        paired = not np.isnan(found["mae"])
        found |= self.sets.scores(stage, split, paired)
        if stage == "test" and self.reader is not None:
            found |= self.reader.scores(stage)
            self.case_scores = self.reader.with_scores(self.case_scores, stage)
        if self.case_scores and not paired:
            found, self.case_scores = _without_targets(found), [*map(_without_targets, self.case_scores)]
        self.paired = paired
        return found

    def baseline_scores(self) -> dict[str, float]:
        """Return the scores of the baselines, of sets and of the run that reads them too."""
        found = super().baseline_scores()
        for name in self.tables:
            if name not in ("val", "test"):
                more = self.sets.scores(name, "test", self.paired)
                more |= self.reader.scores(name) if self.reader is not None else {}
                found |= {f"{name}/{score}": value for score, value in more.items()}
        return found if self.paired else _without_targets(found)

    def floor_scores(self) -> dict[str, float]:
        """Return the scores of true target images, which no translation can be expected to beat."""
        read = self.reader.scores(FLOOR) if self.reader is not None else {}
        return self.sets.floor("test", self.paired) | read

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return in_units(batch, prediction, rows, "target")

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        """Draw one slice per case, each side in its own window; see `Panels`."""
        back = None if "target" in batch else self._back(batch, prediction)
        columns = self.panels(batch, prediction, self.sets.data, None if back is None else back[0])
        self.legends = self.panels.legends
        return columns


def _without_targets(scores: dict[str, Any]) -> dict[str, Any]:
    """Return scores without those against a target, which these cases do not have."""
    return {name: value for name, value in scores.items() if not set(name.split("/")) & set(SCORES)}
