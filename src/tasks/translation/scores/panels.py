"""Pictures of validation and test cases of a translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.metrics.translation.region import Range
from ganatomy.tasks.shared.volumes import rows_by_case
from ganatomy.tasks.translation.scores import figures
from ganatomy.tasks.translation.scores.sets import target_images
from ganatomy.tasks.translation.scores.units import in_target_units


class Panels:
    """Columns of a batch's pictures: with targets the difference, without an example of the target side.

    The difference of full colour is the same in all pictures of a run: a share of the data range, or of the
    range of the first truth drawn.

    Args:
        data_range: Range of the target's values, see `ranges_of`.

    Attributes:
        legends: Legends below the columns, known once a picture is drawn.
    """

    def __init__(self, data_range: Range | Sequence[Range]) -> None:
        self.window = data_range if isinstance(data_range, tuple) else None
        width = self.window[1] - self.window[0] if self.window else data_range
        self.most = figures.full_colour(width) if isinstance(width, float) else None
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
        for _, group in rows_by_case(batch):
            row = group[len(group) // 2]
            image = batch["image"][row].float().cpu().numpy()
            if "target" in batch:
                columns = self._paired(batch, row, image, prediction)
            else:
                taken_back = None if back is None else back[row].float().cpu().numpy()
                ours = prediction[row].float().cpu().numpy()
                columns = figures.unpaired_columns(image, ours, self._example(data), taken_back)
            for name, tile in columns.items():
                drawn.setdefault(name, []).append(tile)
        return {name: np.concatenate(tiles) for name, tiles in drawn.items()}

    def _paired(self, batch: Batch, row: int, image: np.ndarray, prediction: Tensor) -> dict[str, np.ndarray]:
        dims = image.ndim - 1
        ours, truth = (
            in_target_units(batch, [row], values[row : row + 1], dims)[0].cpu().numpy()
            for values in (prediction, batch["target"])
        )
        if self.most is None:
            self.most = figures.full_colour(float(np.ptp(np.percentile(truth, (0.5, 99.5)))))
        self.legends = figures.legend(self.most)
        return figures.paired_columns(image, ours, truth, self.most, self.window)

    def _example(self, data: DataModule | None) -> np.ndarray | None:
        """Return an image of the target side, of a validation case: the same in all pictures."""
        if self.example is None and data is not None:
            split = "val" if data.records.get("val") else "test"
            found = next(target_images(data, split), None)
            self.example = None if found is None else found[len(found) // 2].numpy()
        return self.example
