"""Panels: tiles where they belong, pixel by pixel."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganatomy.pictures.panel import GAP, LARGEST, MARGIN, panel, png, save_png


def noise(n: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def test_every_tile_stands_in_its_row_and_column() -> None:
    first, second = noise(2, 30, 40), noise(2, 30, 40, seed=1)
    picture = panel({"image": first, "truth": second})
    top = MARGIN + 24
    for row in range(2):
        for column, tiles in enumerate((first, second)):
            y, x = top + row * (30 + GAP), MARGIN + column * (40 + GAP)
            assert (picture[y : y + 30, x : x + 40] == tiles[row]).all()
    assert picture.shape == (top + 2 * 30 + GAP + MARGIN, MARGIN + 2 * 40 + GAP + MARGIN, 3)


def test_floats_are_drawn_as_bytes_are() -> None:
    tiles = noise(1, 20, 20)
    assert (panel({"a": tiles}) == panel({"a": tiles / 255})).all()


def test_title_rows_and_legends_find_room_and_are_written() -> None:
    tiles = np.zeros((2, 60, 60, 3), np.uint8)
    plain = panel({"a": tiles})
    rich = panel({"a": tiles}, title="validation", legends={"a": {"gm": (230, 159, 0)}}, rows=["one", "two"])
    assert rich.shape[0] > plain.shape[0] and rich.shape[1] > plain.shape[1]
    assert (rich == (230, 159, 0)).all(-1).sum() > 80
    assert (rich[: MARGIN + 24] > 180).any() and (rich[:, : MARGIN + 20].max() > 100)


def test_huge_tiles_are_shrunk() -> None:
    assert max(panel({"a": noise(1, 900, 600)}).shape) < LARGEST + 100


@pytest.mark.parametrize("columns", [{}, {"a": noise(0, 5, 5)}, {"a": noise(1, 5, 5), "b": noise(2, 5, 5)}])
def test_columns_that_do_not_match_are_refused(columns: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="same number of tiles"):
        panel(columns)


def test_a_saved_picture_reads_back_whole_and_alone(tmp_path: Path) -> None:
    picture = noise(1, 13, 17)[0]
    save_png(tmp_path / "samples" / "step_000100.png", picture)
    assert (np.asarray(Image.open(io.BytesIO(png(picture)))) == picture).all()
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["step_000100.png"]
    assert (np.asarray(Image.open(tmp_path / "samples" / "step_000100.png")) == picture).all()
