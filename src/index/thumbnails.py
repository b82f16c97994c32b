"""Small pictures of runs: the first row of their newest sample picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from ganatomy.index.folders import pictures_of
from ganatomy.index.rows import Row
from ganatomy.pictures.panel import PAPER

HEIGHT, WIDTH = 44, 176
"""Size in pixels, at most."""
LARGEST_FILE, LARGEST_AREA = 20_000_000, 60_000_000
"""Bytes and pixels of a picture from which on it is not opened."""
ABOVE = 70
"""Pixels of the head of a panel: its title and the names of its columns."""
LOWEST = 8
"""Height in pixels of a row of tiles, at least."""


def thumbnails(
    rows: Sequence[Row], most: int, room: int, step: Callable[[], object]
) -> tuple[list[str], int]:
    """Return for each row the source of its picture, empty where there is none or it was left out.

    Args:
        rows: Runs; the first ones get theirs first.
        most: Number of pictures at most.
        room: Characters for all of them together.
        step: Called after each row.

    Returns:
        The sources, and how many runs that have a picture go without.
    """
    sources, left_out, taken = [], 0, 0
    for row in rows:
        source = ""
        if "samples" in row.names:
            full = taken >= most or room < 0
            source = "" if full else _source(row)
            left_out += full or len(source) > room
            source = source if len(source) <= room else ""
        taken += bool(source)
        room -= len(source)
        sources.append(source)
        step()
    return sources, left_out


def _source(row: Row) -> str:
    for path in pictures_of(row.path):
        try:
            if path.is_file() and path.stat().st_size <= LARGEST_FILE:
                return f"data:image/webp;base64,{base64.b64encode(small(path.read_bytes())).decode()}"
        except (OSError, ValueError, SyntaxError):  # damaged, or no picture
            continue
    return ""


def small(png: bytes) -> bytes:
    """Return the first row of a panel as a small WebP file; any other picture as a whole.

    Raises:
        ValueError: It is too large, or no PNG.
    """
    with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
        if picture.width * picture.height > LARGEST_AREA:
            raise ValueError("too large")
        whole = picture.convert("RGB")
    first = whole.crop(_first_row(np.asarray(whole)))
    first.thumbnail((WIDTH, HEIGHT), Image.Resampling.BOX, reducing_gap=2.0)
    file = io.BytesIO()
    first.save(file, "WEBP", quality=60)
    return file.getvalue()


def _first_row(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the first row of tiles, between bands of the panel's paper."""
    height, width = pixels.shape[:2]
    if height <= ABOVE or not _is_paper(pixels[0]).all():
        return 0, 0, width, height
    near = np.flatnonzero(_is_paper(pixels[ABOVE:, :: width // 50 or 1]).all(1))  # some columns, then all
    blank = next((int(row) for row in near if _is_paper(pixels[ABOVE + row]).all()), 0)
    bottom = ABOVE + blank if blank > LOWEST else height
    inside = np.flatnonzero(~_is_paper(pixels[ABOVE:bottom:4]).all(0))
    return (int(inside[0]), ABOVE, int(inside[-1]) + 1, bottom) if inside.size else (0, 0, width, height)


def _is_paper(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = PAPER
    found: np.ndarray = (pixels[..., 0] == red) & (pixels[..., 1] == green) & (pixels[..., 2] == blue)
    return found
