"""Picture of test cases: the translation beside those of the baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.metrics.translation.region import Range
from ganatomy.pictures import Picture, shown
from ganatomy.tasks.translation.scores.figures import percentiles
from ganatomy.tasks.translation.scores.panels import coloured
from ganatomy.tasks.translation.scores.units import in_target_units

ROWS = 4
"""Cases that are drawn."""
NAME = "baselines"
"""Name of the picture's file."""


class Compared:
    """Columns of the first test cases of one size, all of the target's side in one window.

    Args:
        data_range: Range of the target's values, see `ranges_of`. Without a window the percentiles of each
            truth are black and white, or those of our translation where there is no truth.
    """

    def __init__(self, data_range: Range | list[Range]) -> None:
        first = data_range[0] if isinstance(data_range, list) else data_range
        self.window = first if isinstance(first, tuple) else None
        self.columns: dict[str, list[np.ndarray]] = {}

    def add(self, batch: Batch, rows: list[int], outputs: Mapping[str, Tensor]) -> None:
        """Draw the middle slice of one case, unless `ROWS` cases are drawn.

        Args:
            batch: Evaluation batch.
            rows: Rows of the case.
            outputs: Translations of these rows [n, K, *spatial] by name, in network units; `test` is ours.
        """
        if len(outputs) < 2 or len(self.columns.get("input", ())) == ROWS:
            return
        row, middle, dims = rows[len(rows) // 2], len(rows) // 2, batch["image"].dim() - 2
        images = {name: image[middle : middle + 1] for name, image in outputs.items()}
        images["ours"] = images.pop("test")
        if "target" in batch:
            images["truth"] = batch["target"][row : row + 1]
        scale = batch["target_scale" if "target_scale" in batch else "scale"][row]
        drawn = {
            name: coloured(in_target_units(batch, [row], image, dims)[0], scale)[0]
            for name, image in images.items()
        }
        own = percentiles(drawn.get("truth", drawn["ours"]))
        ends = self.window if self.window and "truth" in drawn else own
        tiles = {"input": shown(coloured(batch["image"][row], batch["scale"][row])[0][None])}
        tiles |= {name: shown(image[None], ends) for name, image in drawn.items()}
        if all(tile.shape == self.columns.get(name, [tile])[0].shape for name, tile in tiles.items()):
            for name, tile in tiles.items():
                self.columns.setdefault(name, []).append(tile)

    def pictures(self) -> dict[str, Picture]:
        """Return the picture by the name of its file, and forget the cases; {} if none was drawn."""
        columns, self.columns = {name: np.concatenate(tiles) for name, tiles in self.columns.items()}, {}
        return {NAME: Picture("Test cases: ours beside the baselines", columns)} if columns else {}
