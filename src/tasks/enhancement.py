"""Enhancement: image in, better image out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.baselines.enhancement import FILTERS, bicubic, chosen
from src.errors import UserError
from src.losses.images import weighted_losses
from src.metrics.cases import CaseTable
from src.metrics.enhancement import SCORES, score_case
from src.pictures import shown
from src.tasks.base import AdversarialTask, Batch
from src.tasks.cases import cases, in_units
from src.tasks.recipe import Recipe
from src.tasks.windows import aligned, slide

CHOSEN_ON = {2: 16, 3: 2}
"""On how many validation images, or volumes, the classical filters are chosen."""
Z_SCORES = 5.0
"""About the range of normalised intensities where `data.intensity` is no window onto 0 to 1."""
MAGNIFIED = 5
"""Differences are drawn so many times as strong as the images beside them."""


class EnhancementTask(AdversarialTask):
    """The discriminator tells (input, target) from (input, output), or target from output if it judges alone.

    losses: weights of l1, mse, ssim and gradient (see `weighted_losses`), in the network's units.
    window: side, or sides, of the windows of evaluation; None for whole images.
    data_range: what PSNR and SSIM relate errors to, in the images' units: a number, or a window [low, high];
    anything else, the range of each case's own truth.
    factor: of super-resolution; None when the input has the target's resolution.
    """

    plain_answer = True

    def __init__(
        self,
        recipe: Recipe,
        monitor: str = "val/psnr",
        losses: dict[str, float] | None = None,
        window: int | list[int] | None = None,
        data_range: float | list[float] | str | None = None,
        factor: int | None = None,
    ) -> None:
        super().__init__(recipe, monitor)
        seen_range = 1.0 if isinstance(data_range, list) else Z_SCORES
        self.losses = weighted_losses(losses or {"l1": 1.0}, recipe.spatial_dims, seen_range)
        self.window, self.factor, self.data_range = window, factor, width(data_range)
        self.alone = bool(getattr(self.discriminator, "alone", False))
        baselines = ["input", *(FILTERS if factor is None else ["bicubic"])]
        self.keep_tables({name: CaseTable(SCORES) for name in ("val", "test", *baselines)})
        self.baselines: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
        self.shift: Callable[[float, float], float] = no_shift

    @staticmethod
    def channels(data: Any) -> dict[str, dict[str, int]]:
        """What the data decide about each player; UserError for images without targets."""
        if data.degrade is None and "target" not in data.train_items()[0, 0]:
            raise UserError(
                "degradation: these images have no target; choose one, such as degradation=rician or "
                "degradation=downsample4, or data with pairs (data=folder data.target=...)"
            )
        own = data.channels
        return {
            "generator": {"in_channels": own, "out_channels": own},
            "discriminator": {"in_channels": 2 * own, "image_channels": own, "out_channels": 1},
        }

    def generate(self, batch: Batch) -> Tensor:
        output: Tensor = self.generator(batch["image"])
        return output

    def pairs(self, batch: Batch, output: Tensor) -> tuple[Tensor, Tensor]:
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

    def prepare_baselines(self, data: Any) -> None:
        """Filters chosen on validation images, the same in every process; enlarging needs no choice.

        Where the noise is known, what it adds to the mean is taken out of the filtered images.
        """
        if self.factor is not None:
            self.baselines = {"bicubic": partial(bicubic, factor=self.factor)}
            return
        records = data.records["val"]
        noise = None if "target" in data.cache.get(records[0]) else data.degrade
        self.shift = noise.shift if noise else no_shift
        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        for case in map(data.evaluated, records):
            shift = self.shift(float(case["offset"][0]), float(case["scale"][0]))
            image, target = case["image"] + shift, case["target"] + shift
            pairs += zip(image, target, strict=True) if data.sliced else [(image, target)]
        count = min(len(pairs), CHOSEN_ON[data.spatial_dims])
        places = np.linspace(0, len(pairs) - 1, count).round().astype(int)
        some = [pairs[place] for place in places]
        self.baselines = dict(chosen(some, noise.unbias) if noise else chosen(some))

    def score(self, stage: str, batch: Batch, prediction: Tensor) -> None:
        for case, rows in cases(batch):
            images = {stage: prediction[rows]}
            scale, offset = (batch[key][rows[0]].double() for key in ("scale", "offset"))
            if stage == "test":
                given = batch["image"][rows]
                images |= {"input": given} | self._filtered(given, self.shift(float(offset), float(scale)))
            truth = batch["target"][rows].double() * scale + offset
            for name, image in images.items():
                try:
                    scores = score_case(image.double() * scale + offset, truth, self.data_range)
                except ValueError as error:
                    raise ValueError(f"{case}: {error}") from error
                self.tables[name].update(case, scores)

    def _filtered(self, images: Tensor, shift: float) -> dict[str, Tensor]:
        """What the classical filters make of the images, as signals above the scanner's zero."""
        signals = images.double().cpu().numpy() + shift
        return {
            name: torch.from_numpy(np.stack([improve(signal) for signal in signals]) - shift).to(
                images.device
            )
            for name, improve in self.baselines.items()
        }

    def written(self, batch: Batch, prediction: Tensor, rows: list[int]) -> Tensor:
        return in_units(batch, prediction, rows)

    def samples(self, batch: Batch, prediction: Tensor) -> dict[str, np.ndarray]:
        """One slice a case, drawn in the window of its truth."""
        rows = [group[len(group) // 2] for _, group in cases(batch)]
        image, truth, ours = (
            t[rows].float().cpu().numpy() for t in (batch["image"], batch["target"], prediction)
        )
        drawn: dict[str, list[np.ndarray]] = {}
        for seen, true, made in zip(image, truth, ours, strict=True):
            window_of = true if len(true) == 3 else true[:1]
            low, high = (float(value) for value in np.percentile(window_of, (0.5, 99.5)))
            for name, picture in {"input": seen, "ours": made, "truth": true}.items():
                drawn.setdefault(name, []).append(shown(picture[None], (low, high)))
            error = shown(np.abs(made - true)[None], (0.0, (high - low) / MAGNIFIED))
            drawn.setdefault(f"difference x{MAGNIFIED}", []).append(error)
        return {name: np.concatenate(tiles) for name, tiles in drawn.items()}


def no_shift(offset: float, scale: float) -> float:
    return 0.0


def width(data_range: float | list[float] | str | None) -> float | None:
    """A data range as one number; None for one that each case has to give."""
    if isinstance(data_range, list):
        return data_range[1] - data_range[0]
    if isinstance(data_range, int | float):
        if data_range <= 0:
            raise UserError(f"task.data_range: {data_range} must be above 0")
        return float(data_range)
    return None
