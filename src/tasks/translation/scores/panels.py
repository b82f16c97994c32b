"""Pictures of validation and test cases of a translation."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch, Split
from ganatomy.metrics.translation.region import Range
from ganatomy.pictures import shown
from ganatomy.tasks.shared.volumes import rows_by_case
from ganatomy.tasks.translation.scores import figures
from ganatomy.tasks.translation.scores.sets import target_images
from ganatomy.tasks.translation.scores.units import in_target_units

MOST_CHANNELS = 3
"""Channels of a target that have columns of their own."""


class Panels:
    """Columns of a batch's pictures: with targets the difference, without an example of the target side.

    Three channels of one unit are drawn in colour. Of channels with units of their own, such as contrasts,
    the input's first is drawn, and of the target up to three. The difference of full colour is the same in
    all pictures of a run: a share of the data range, or of the range of the first truth drawn.

    Args:
        data_range: Range of the target's values, see `ranges_of`.

    Attributes:
        legends: Legends below the columns, known once a picture is drawn.
    """

    def __init__(self, data_range: Range | list[Range]) -> None:
        self.ranges = data_range
        self.limits: dict[int, float] = {}
        self.legends: dict[str, Any] = {}
        self.example: np.ndarray | None = None

    def __call__(
        self, batch: Batch, prediction: Tensor, data: DataModule | None, back: Tensor | None
    ) -> dict[str, np.ndarray]:
        """Draw the middle slice of each case.

        Args:
            batch: Evaluation batch.
            prediction: Translations [B, K, *spatial].
            data: Data of the run, for an example of the target side.
            back: Translations taken back, [B, C, *spatial].

        Returns:
            Column to tiles, one for each case.
        """
        drawn: dict[str, list[np.ndarray]] = {}
        units = "target_scale" if "target_scale" in batch else "scale"
        for _, group in rows_by_case(batch):
            row = group[len(group) // 2]
            image = coloured(batch["image"][row], batch["scale"][row])[0]
            columns = {"input": shown(image[None])}
            if "target" in batch:
                columns |= self._paired(batch, row, prediction, batch[units][row])
            else:
                ours = coloured(prediction[row], batch[units][row])[0]
                taken_back = None if back is None else coloured(back[row], batch["scale"][row])[0]
                columns |= figures.unpaired_columns(image, ours, self._example(data, len(ours)), taken_back)
            for name, tile in columns.items():
                drawn.setdefault(name, []).append(tile)
        return {name: np.concatenate(tiles) for name, tiles in drawn.items()}

    def _paired(self, batch: Batch, row: int, prediction: Tensor, scale: Tensor) -> dict[str, np.ndarray]:
        dims = prediction.dim() - 2
        both = (
            in_target_units(batch, [row], values[row : row + 1], dims)[0]
            for values in (prediction, batch["target"])
        )
        parts = zip(*(coloured(values, scale) for values in both), strict=True)
        inside = batch["mask"][row, 0].cpu().numpy() if "mask" in batch else None
        columns: dict[str, np.ndarray] = {}
        for number, (ours, truth) in enumerate(list(parts)[:MOST_CHANNELS]):
            of = f", {number + 1}" if prediction.shape[1] > len(ours) else ""
            given = self.ranges[number] if isinstance(self.ranges, list) else self.ranges
            window = given if isinstance(given, tuple) else None
            if number not in self.limits:
                width = (
                    given if isinstance(given, float) else float(np.ptp(window or figures.percentiles(truth)))
                )
                self.limits[number] = figures.full_colour(width)
            columns |= figures.paired_columns(ours, truth, self.limits[number], window, of, inside)
            self.legends[f"{figures.DIFFERENCE}{of}"] = figures.legend(self.limits[number])
        return columns

    def _example(self, data: DataModule | None, count: int) -> np.ndarray | None:
        """Return the first channels of a validation case of the target side: the same in all pictures."""
        if self.example is None and data is not None:
            split: Split = "val" if data.records.get("val") else "test"
            found = next(target_images(data, split), None)
            self.example = None if found is None else found[len(found) // 2].numpy()
        return None if self.example is None else self.example[:count]


def coloured(image: Tensor, scale: Tensor) -> list[np.ndarray]:
    """Return what is drawn of an image [C, *spatial]: all three channels of one unit, else each by itself.

    Args:
        image: Image.
        scale: Scale of its units, [1], or [C] where each channel has its own.
    """
    values = image.detach().float().cpu().numpy()
    if len(values) == 3 and scale.numel() == 1:
        return [values]
    return [values[channel : channel + 1] for channel in range(len(values))]
