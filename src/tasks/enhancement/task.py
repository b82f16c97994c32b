"""Enhancement: image in, better image out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.baselines.enhancement import FILTERS
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.data.transforms.degrade import Number, numbers
from ganatomy.data.transforms.intensity import as_many, ends
from ganatomy.errors import UserError
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.enhancement import SCORES, score_case
from ganatomy.metrics.outside import OutsideMetric, OutsideMetrics
from ganatomy.pictures import shown
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.enhancement.baselines import Filters, enlarging, fit_filters, restored
from ganatomy.tasks.enhancement.data_range import span_of
from ganatomy.tasks.enhancement.losses import weighted_losses
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.foreseen import refuse_constant_truths
from ganatomy.tasks.shared.mirrors import MirrorAxes, checked_mirror_axes, mirrored, with_mirrors
from ganatomy.tasks.shared.sliding_window import aligned, in_windows, slide
from ganatomy.tasks.shared.volumes import all_finite, in_units, rows_by_case, scale_and_offset, stacked

Z_SCORES = 5.0
"""Assumed range of normalised intensities if `data.intensity` is not a window mapped to 0 to 1."""
MAGNIFIED = 5
"""Contrast factor of the difference pictures."""


class EnhancementTask(AdversarialTask):
    """Enhance images; the discriminator compares (input, target) with (input, output).

    A discriminator with the attribute `alone` sees target or output without the input.

    Args:
        recipe: Players, objective and optimisers.
        monitor: Validation score that chooses the best checkpoint.
        losses: Weights of l1, mse, ssim, gradient and sobel, on intensities in the network's units; a loss of
            your own as {weight, loss} under another name (see `weighted_losses`). Default: {"l1": 1.0}.
        window: Side or sides of the sliding window in evaluation; None for whole images.
        data_range: Data range of PSNR and SSIM in the target's units: a number, a window [low, high], or a
            list with one of them per channel. Anything else: the range of each case's truth.
        factor: Enlargement of super-resolution; None if input and target have one resolution.
        scored: "file" or "network", see `AdversarialTask`.
        own_target: True if the target has units or channels other than the image's; the input and the
            classical filters then cannot serve as baselines.
        metrics: Further scores of each case.
        mirror_axes: Axes of test-time augmentation: outputs are averaged over the flips along them.

    Raises:
        UserError: If `losses`, `data_range` or `mirror_axes` is not usable.
    """

    written_like = "target"
    soft_kind = "values"
    plain_answer, uses_boxes = True, False
    trivial = "input"

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/psnr",
        losses: dict[str, float | dict[str, Any]] | None = None,
        window: int | list[int] | None = None,
        data_range: float | list[Any] | str | None = None,
        factor: int | None = None,
        scored: str = "network",
        own_target: bool = False,
        metrics: Sequence[OutsideMetric] = (),
        mirror_axes: MirrorAxes = (),
    ) -> None:
        super().__init__(recipe, monitor, scored)
        self.mirror_axes = checked_mirror_axes(mirror_axes, recipe.spatial_dims)
        parts = data_range if isinstance(data_range, list) and not ends(data_range) else [data_range]
        network_range = 1.0 if all(map(ends, parts)) else Z_SCORES
        given = losses or {"l1": 1.0}
        self.losses = weighted_losses(given, recipe.spatial_dims, network_range)
        own = {name: each["loss"] for name, each in given.items() if isinstance(each, dict)}
        self.own_losses = nn.ModuleDict({k: loss for k, loss in own.items() if isinstance(loss, nn.Module)})
        self.window, self.factor, self.data_range = window, factor, span_of(data_range)
        self.alone = bool(getattr(self.discriminator, "alone", False))
        self.own_target = own_target
        baselines = [] if own_target else ["input", *(FILTERS if factor is None else ["bicubic"])]
        if own_target and getattr(self.generator, "residual", False):
            self.notes.append(
                f"model.generator: {type(self.generator).__name__} adds its output to the image, whose units "
                "are not the target's; model.generator.residual=false, or model=pix2pix, does not"
            )
        self.outside = OutsideMetrics(metrics)
        columns = (*SCORES, *self.outside.single)
        self.register_tables({name: CaseTable(columns) for name in ("val", "test", *baselines)})
        self.baselines = Filters()

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with the target's `data_range` and, if training saw only patches, `window`."""
        given = with_mirrors(in_windows(AdversarialTask.resolve_settings(data, given), data), data)
        preparation = data.preparation
        if preparation.target_intensity is not None and given.get("data_range") == preparation.intensity:
            given = {**given, "data_range": preparation.target_intensity}
        if isinstance(given.get("data_range"), list):
            as_many(given["data_range"], data.target_channels, "task.data_range")
        return {**given, "own_target": True} if data.own_target else given

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, int]]:
        """Return the channels in and out of each player; raise UserError for images without targets."""
        if data.own_target and "target" not in data.cache.get(data.records["train"][0]):
            raise UserError(
                "data.target_intensity, data.target_channels: these images have no target of their own; "
                "give one (data.target=...), or set both to null"
            )
        if data.degrade is None and "target" not in data.train_items()[0, 0]:
            raise UserError(
                "degradation: these images have no target; choose one, such as degradation=rician or "
                "degradation=downsample4, or data with pairs (data=folder data.target=...)"
            )
        inputs, outputs = data.channels, data.target_channels
        return {
            "generator": {"in_channels": inputs, "out_channels": outputs},
            "discriminator": {"in_channels": inputs + outputs, "image_channels": outputs, "out_channels": 1},
        }

    def generate(self, batch: Batch) -> Tensor:
        output: Tensor = self.generator(batch["image"])
        return output

    def discriminator_inputs(self, batch: Batch, output: Tensor) -> tuple[Tensor, Tensor]:
        if self.alone:
            return batch["target"], output
        real, fake = (torch.cat([batch["image"], image], 1) for image in (batch["target"], output))
        return real, fake

    def task_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        target = batch["target"]
        return {name: loss(output.to(target.dtype), target) for name, loss in self.losses.items()}

    def soft_prediction(self, batch: Batch) -> Tensor:
        image = batch["image"]
        window = aligned(self.window, image.shape[2:], self.factor) if self.factor else self.window
        return mirrored(lambda part: slide(self.evaluator, part, window), image, self.mirror_axes)

    def prepare_baselines(self, data: DataModule) -> None:
        """Choose the classical filters on validation images; super-resolution needs no choice."""
        if not self.own_target:
            self.baselines = enlarging(self.factor) if self.factor is not None else fit_filters(data)

    def kept_baselines(self) -> dict[str, np.ndarray]:
        return dict(self.baselines.kept)

    def restore_baselines(self, kept: Mapping[str, np.ndarray], data: DataModule) -> None:
        if not self.own_target:
            self.baselines = enlarging(self.factor) if self.factor is not None else restored(kept, data)

    def undefined(self, data: DataModule) -> list[str]:
        refuse_constant_truths(data, self.data_range)
        return []

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        for case, rows in rows_by_case(batch):
            outputs = {stage: prediction[rows]}
            if stage == "test" and not self.own_target:
                image, first = batch["image"][rows], {k: batch[k][rows[0]].cpu() for k in ("offset", "scale")}
                shift = self.baselines.shift(*numbers(first, image.ndim - 2))
                outputs |= {"input": image} | self._filtered(image, shift)
            truth = self._truth(stage, batch, rows)
            for name, output in outputs.items():
                try:
                    values = self._values(stage, batch, rows, output)
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

    def _filtered(self, images: Tensor, shift: Number) -> dict[str, Tensor]:
        """Return the images through each classical filter, applied to the signal above the scanner's zero."""
        signals = images.double().cpu().numpy() + shift
        return {
            name: torch.from_numpy(np.stack([improve(signal) for signal in signals]) - shift).to(
                images.device
            )
            for name, improve in self.baselines.filters.items()
        }

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return in_units(batch, prediction, rows, "target")

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        """Draw one slice per case in the window of its truth; an input in other units in its own window."""
        rows = [group[len(group) // 2] for _, group in rows_by_case(batch)]
        images, truths, outputs = (
            t[rows].float().cpu().numpy() for t in (batch["image"], batch["target"], prediction)
        )
        drawn: dict[str, list[np.ndarray]] = {}
        for image, truth, output in zip(images, truths, outputs, strict=True):
            window_of = truth if len(truth) == 3 else truth[:1]
            low, high = (float(value) for value in np.percentile(window_of, (0.5, 99.5)))
            drawn.setdefault("input", []).append(shown(image[None], None if self.own_target else (low, high)))
            for name, picture in {"ours": output, "truth": truth}.items():
                drawn.setdefault(name, []).append(shown(picture[None], (low, high)))
            error = shown(np.abs(output - truth)[None], (0.0, (high - low) / MAGNIFIED))
            drawn.setdefault(f"difference x{MAGNIFIED}", []).append(error)
        return {name: np.concatenate(tiles) for name, tiles in drawn.items()}
