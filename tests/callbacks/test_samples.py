"""The picture of several batches."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ganatomy.callbacks import samples
from ganatomy.runs.directory import Run


def pictures(rows: int, *names: str) -> dict[str, np.ndarray]:
    return {name: np.full((rows, 4, 4, 3), number, np.uint8) for number, name in enumerate(names)}


def test_a_small_batch_with_fewer_columns_leaves_those_that_all_have(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """As the last batch of a split, of one image, where the others show two beside the real one."""
    drawn: list[dict[str, np.ndarray]] = []
    panel = samples.panel
    monkeypatch.setattr(
        samples, "panel", lambda columns, **more: drawn.append(columns) or panel(columns, **more)
    )
    callback = samples.Samples(Run(tmp_path), 9)
    callback.kept = [pictures(2, "real", "fake 1", "fake 2"), {}, pictures(1, "real", "fake 1")]
    task: Any = SimpleNamespace(batches_done=3, legends={})
    callback._draw(SimpleNamespace(is_global_zero=True, loggers=[]), task, "name", "test")  # type: ignore[arg-type]
    assert {name: len(column) for name, column in drawn[0].items()} == {"real": 3, "fake 1": 3}
    assert (tmp_path / "samples/name.png").is_file() and callback.kept == []


def test_smaller_pictures_end_in_black() -> None:
    small, large = np.full((1, 3, 5, 3), 7, np.uint8), np.full((2, 4, 2, 3), 9, np.uint8)
    both = samples.on_one_size([small, large])
    assert both.shape == (3, 4, 5, 3) and both.dtype == np.uint8
    assert np.array_equal(both[:1, :3], small) and np.array_equal(both[1:, :, :2], large)
    assert not both[0, 3].any() and not both[1:, :, 2:].any()
