"""Picture of test cases: the translation beside those of the baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.pictures import Picture
from ganatomy.tasks.translation.scores.figures import first
from ganatomy.tasks.translation.scores.units import in_target_units

ROWS = 4
"""Cases that are drawn."""
NAME = "baselines"
"""Name of the picture's file."""


class Compared:
    """Columns of the first test cases of one size, all of the target's side in one window.

    Args:
        window: Black and white in the target's units; None for the 0.5th and 99.5th percentile of each truth,
            or of each translation where there is no truth.
    """

    def __init__(self, window: tuple[float, float] | None) -> None:
        self.window = window
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
        middle, dims = len(rows) // 2, batch["image"].dim() - 2
        images = {name: image[middle : middle + 1] for name, image in outputs.items()}
        images["ours"] = images.pop("test")
        if "target" in batch:
            images["truth"] = batch["target"][rows[middle]][None]
        drawn = {
            name: in_target_units(batch, [rows[middle]], image, dims)[0].cpu().numpy()
            for name, image in images.items()
        }
        low, high = np.percentile(drawn.get("truth", drawn["ours"]), (0.5, 99.5))
        ends = self.window if self.window and "truth" in drawn else (float(low), float(high))
        tiles = {"input": first(batch["image"][rows[middle]].float().cpu().numpy())}
        order = [name for name in drawn if name not in ("ours", "truth")] + ["ours", "truth"]
        tiles |= {name: first(drawn[name], ends) for name in order if name in drawn}
        if all(tile.shape == self.columns.get(name, [tile])[0].shape for name, tile in tiles.items()):
            for name, tile in tiles.items():
                self.columns.setdefault(name, []).append(tile)

    def pictures(self) -> dict[str, Picture]:
        """Return the picture by the name of its file, and forget the cases; {} if none was drawn."""
        columns, self.columns = {name: np.concatenate(tiles) for name, tiles in self.columns.items()}, {}
        return {NAME: Picture("Test cases: ours beside the baselines", columns)} if columns else {}
