"""Enhancement: image in, better image out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.baselines.enhancement import FILTERS, bicubic, chosen
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
from ganatomy.tasks.enhancement.losses import weighted_losses
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.sliding_window import aligned, in_windows, slide
from ganatomy.tasks.shared.volumes import all_finite, in_units, rows_by_case, scale_and_offset, stacked

CHOSEN_ON = {2: 16, 3: 2}
"""On how many validation images, or volumes, the classical filters are chosen."""
Z_SCORES = 5.0
"""About the range of normalised intensities where `data.intensity` is no window onto 0 to 1."""
MAGNIFIED = 5
"""Differences are drawn so many times as strong as the images beside them."""


class EnhancementTask(AdversarialTask):
    """The discriminator tells (input, target) from (input, output), or target from output if it judges alone.

    losses: weights of l1, mse, ssim and gradient, in the network's units; a loss of one's own as {weight,
    loss} under another name (see `weighted_losses`).
    window: side, or sides, of the windows of evaluation; None for whole images.
    data_range: what PSNR and SSIM relate errors to, in the target's units: a number, or a window [low, high];
    anything else, the range of each case's own truth. own_target: the target has units or channels that are
    not the image's, so that neither the image nor a filtered one can be held against it.
    factor: of super-resolution; None when the input has the target's resolution. metrics: further scores of
    each case.
    """

    written_like = "target"
    plain_answer = True

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
    ) -> None:
        super().__init__(recipe, monitor, scored)
        parts = data_range if isinstance(data_range, list) and not ends(data_range) else [data_range]
        seen_range = 1.0 if all(map(ends, parts)) else Z_SCORES
        given = losses or {"l1": 1.0}
        self.losses = weighted_losses(given, recipe.spatial_dims, seen_range)
        own = {name: each["loss"] for name, each in given.items() if isinstance(each, dict)}
        self.own_losses = nn.ModuleDict({k: loss for k, loss in own.items() if isinstance(loss, nn.Module)})
        self.window, self.factor, self.data_range = window, factor, width(data_range)
        self.alone = bool(getattr(self.discriminator, "alone", False))
        self.own_target = own_target
        baselines = [] if own_target else ["input", *(FILTERS if factor is None else ["bicubic"])]
        if own_target and getattr(self.generator, "residual", False):
            self.notes.append(
                f"model.generator: {type(self.generator).__name__} adds its answer to the image, whose units "
                "are not the target's; model.generator.residual=false, or model=pix2pix, does not"
            )
        self.outside = OutsideMetrics(metrics)
        columns = (*SCORES, *self.outside.single)
        self.register_tables({name: CaseTable(columns) for name in ("val", "test", *baselines)})
        self.baselines: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
        self.shift: Callable[[Number, Number], Number] = no_shift

    @staticmethod
    def resolve_settings(data: DataModule, given: dict[str, Any]) -> dict[str, Any]:
        """`data_range` is the target's; windows are those of training where it saw parts of images alone."""
        given = in_windows(AdversarialTask.resolve_settings(data, given), data)
        preparation = data.preparation
        if preparation.target_intensity is not None and given.get("data_range") == preparation.intensity:
            given = {**given, "data_range": preparation.target_intensity}
        if isinstance(given.get("data_range"), list):
            as_many(given["data_range"], data.target_channels, "task.data_range")
        return {**given, "own_target": True} if data.own_target else given

    @staticmethod
    def network_arguments(data: DataModule) -> dict[str, dict[str, int]]:
        """What the data decide about each player; UserError for images without targets."""
        if data.own_target and "target" not in data.cache.get(data.records["train"][0]):
            raise UserError(
                "data.target_intensity, data.target_channels: these images have no target of their own; give "
                "one (data.target=...), or set both to null"
            )
        if data.degrade is None and "target" not in data.train_items()[0, 0]:
            raise UserError(
                "degradation: these images have no target; choose one, such as degradation=rician or "
                "degradation=downsample4, or data with pairs (data=folder data.target=...)"
            )
        own, made = data.channels, data.target_channels
        return {
            "generator": {"in_channels": own, "out_channels": made},
            "discriminator": {"in_channels": own + made, "image_channels": made, "out_channels": 1},
        }

    def generate(self, batch: Batch) -> Tensor:
        output: Tensor = self.generator(batch["image"])
        return output

    def discriminator_inputs(self, batch: Batch, output: Tensor) -> tuple[Tensor, Tensor]:
        if self.alone:
            return batch["target"], output
        real, fake = (torch.cat([batch["image"], shown], 1) for shown in (batch["target"], output))
        return real, fake

    def task_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        target = batch["target"]
        return {name: loss(output.to(target.dtype), target) for name, loss in self.losses.items()}

    def predict(self, batch: Batch) -> Tensor:
        image = batch["image"]
        window = aligned(self.window, image.shape[2:], self.factor) if self.factor else self.window
        return slide(self.evaluator, image, window)

    def prepare_baselines(self, data: DataModule) -> None:
        """Filters chosen on validation images, the same in every process; enlarging needs no choice.

        Where the noise is known, what it adds to the mean is taken out of the filtered images.
        """
        if self.own_target:
            return
        if self.factor is not None:
            self.baselines = {"bicubic": partial(bicubic, factor=self.factor)}
            return
        records = data.records["val"]
        noise = None if "target" in data.cache.get(records[0]) else data.degrade
        self.shift = noise.shift if noise else no_shift
        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        for case in map(data.evaluated, records):
            shift = self.shift(*numbers(case, data.spatial_dims))
            image, target = case["image"] + shift, case["target"] + shift
            pairs += zip(image, target, strict=True) if data.sliced else [(image, target)]
        count = min(len(pairs), CHOSEN_ON[data.spatial_dims])
        places = np.linspace(0, len(pairs) - 1, count).round().astype(int)
        some = [pairs[place] for place in places]
        self.baselines = dict(chosen(some, noise.unbias) if noise else chosen(some))

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        all_finite(batch, prediction)
        for case, rows in rows_by_case(batch):
            images = {stage: prediction[rows]}
            if stage == "test" and not self.own_target:
                given, first = batch["image"][rows], {k: batch[k][rows[0]].cpu() for k in ("offset", "scale")}
                shift = self.shift(*numbers(first, given.ndim - 2))
                images |= {"input": given} | self._filtered(given, shift)
            truth = self._truth(stage, batch, rows)
            for name, image in images.items():
                try:
                    ours = self._shown(stage, batch, rows, image)
                    scores = score_case(ours, truth, self.data_range)
                except ValueError as error:
                    raise UserError(f"{case}: {error} (task.data_range)") from error
                self.tables[name].update(case, scores | self.outside.named(case, ours, truth))

    def _truth(self, stage: str, batch: Batch, rows: list[int]) -> Tensor:
        """What the images of a case are held against, in its own units [n, C, *spatial]."""
        files = self.files_of(stage)
        if files is None:
            scale, offset = scale_and_offset(batch, rows[0], self.recipe.spatial_dims, "target")
            truth: Tensor = batch["target"][rows].double() * scale + offset
            return truth
        case = batch["case"][rows[0]]
        target = files.truth(case)[files.role(case, "target")].astype(np.float64)
        return torch.from_numpy(np.ascontiguousarray(files.planes(batch, rows[0], target)))

    def _shown(self, stage: str, batch: Batch, rows: list[int], image: Tensor) -> Tensor:
        """Rows of one case in the same units; where files are scored, as a file of them holds them."""
        files, dims = self.files_of(stage), self.recipe.spatial_dims
        scale, offset = scale_and_offset(batch, rows[0], dims, "target")
        values = image.double() * scale + offset
        if files is None:
            return values
        written = files.as_written(batch, rows, stacked(batch, values, rows), self.written_like)
        return torch.from_numpy(np.ascontiguousarray(files.planes(batch, rows[0], written.values)))

    def _filtered(self, images: Tensor, shift: Number) -> dict[str, Tensor]:
        """What the classical filters make of the images, as signals above the scanner's zero."""
        signals = images.double().cpu().numpy() + shift
        return {
            name: torch.from_numpy(np.stack([improve(signal) for signal in signals]) - shift).to(
                images.device
            )
            for name, improve in self.baselines.items()
        }

    def saved_prediction(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return in_units(batch, prediction, rows, "target")

    def sample_panels(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        """One slice a case, drawn in the window of its truth; an image in other units, in its own."""
        rows = [group[len(group) // 2] for _, group in rows_by_case(batch)]
        image, truth, ours = (
            t[rows].float().cpu().numpy() for t in (batch["image"], batch["target"], prediction)
        )
        drawn: dict[str, list[np.ndarray]] = {}
        for seen, true, made in zip(image, truth, ours, strict=True):
            window_of = true if len(true) == 3 else true[:1]
            low, high = (float(value) for value in np.percentile(window_of, (0.5, 99.5)))
            drawn.setdefault("input", []).append(shown(seen[None], None if self.own_target else (low, high)))
            for name, picture in {"ours": made, "truth": true}.items():
                drawn.setdefault(name, []).append(shown(picture[None], (low, high)))
            error = shown(np.abs(made - true)[None], (0.0, (high - low) / MAGNIFIED))
            drawn.setdefault(f"difference x{MAGNIFIED}", []).append(error)
        return {name: np.concatenate(tiles) for name, tiles in drawn.items()}


def no_shift(offset: Number, scale: Number) -> Number:
    return 0.0


def width(data_range: float | list[Any] | str | None) -> float | list[float | None] | None:
    """A data range as one number; None for one that each case has to give; of a list, one a channel."""
    if isinstance(data_range, list):
        pair = ends(data_range)
        return pair[1] - pair[0] if pair else [_number(part) for part in data_range]
    return _number(data_range)


def _number(data_range: Any) -> float | None:
    if pair := ends(data_range):
        return pair[1] - pair[0]
    if isinstance(data_range, int | float):
        if data_range <= 0:
            raise UserError(f"task.data_range: {data_range} must be above 0")
        return float(data_range)
    return None
