"""The GIF of a run's pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ganatomy.pictures import animation as module
from ganatomy.pictures.animation import animation
from ganatomy.pictures.panel import save_png


def files(folder: Path, count: int, width: int = 60) -> list[Path]:
    paths = [folder / f"step_{n:06d}.png" for n in range(count)]
    for n, path in enumerate(paths):
        save_png(path, np.full((40, width, 3), 5 * n, np.uint8))
    return paths


def frames(content: bytes) -> list[tuple[int, int]]:
    """(grey, milliseconds) of each."""
    film = Image.open(io.BytesIO(content))
    found = []
    for n in range(film.n_frames):
        film.seek(n)
        found.append((film.convert("L").getpixel((3, 3)), film.info["duration"]))
    return found


def test_frames_come_in_order_and_the_last_one_stays(tmp_path: Path) -> None:
    content = animation(files(tmp_path, 4))
    assert frames(content) == [(0, 400), (5, 400), (10, 400), (15, 2400)]
    assert Image.open(io.BytesIO(content)).info["loop"] == 0


def test_many_large_frames_become_few_and_small(tmp_path: Path) -> None:
    paths = files(tmp_path, 50, width=1440)
    film = Image.open(io.BytesIO(animation(paths)))
    assert film.size == (720, 20) and film.n_frames == module.FRAMES
    shown = [grey for grey, _ in frames(animation(paths))]
    assert shown[0] == 0 and shown[-1] == 245 and shown == sorted(shown)
