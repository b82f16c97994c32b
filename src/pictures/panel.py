"""Panel of tiles in columns, with a title, column names and legends."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Rgb = tuple[int, int, int]

PAPER: Rgb = (18, 20, 23)
INK: Rgb = (232, 234, 237)
FAINT: Rgb = (154, 160, 166)
MARGIN, GAP = 16, 4
COMPRESSION = 3
"""Of a PNG: `optimize` takes ten times as long for files that are 4 % smaller."""
LARGEST = 320
"""Height and width of a tile in pixels, at most; larger ones are shrunk."""


class Picture(NamedTuple):
    """Arguments of `panel`.

    Attributes:
        title: Title of the picture.
        columns: Name of each column to its tiles.
        rows: A short text beside each row, or none.

    Example:
        >>> picture = Picture("Test cases", {"image": grey(np.zeros((2, 8, 8)))}, rows=["a", "b"])
        >>> panel(picture.columns, picture.title, rows=picture.rows).shape
        (474, 248, 3)
    """

    title: str
    columns: Mapping[str, np.ndarray]
    rows: Sequence[str] = ()


def panel(
    columns: Mapping[str, np.ndarray],
    title: str = "",
    legends: Mapping[str, Mapping[str, Rgb]] | None = None,
    rows: Sequence[str] = (),
) -> np.ndarray:
    """Draw named columns of tiles as one picture, one row per case.

    Args:
        columns: Name to tiles [n, height, width, 3], uint8 or floats 0 to 1, all of the same n.
        title: Title above the columns.
        legends: Column to {entry: colour}, written under that column.
        rows: A short text for each case, written upright beside it; it must not identify a person.

    Returns:
        RGB picture uint8 [height, width, 3].

    Raises:
        ValueError: If columns differ in their number of tiles or have none.

    Example:
        >>> tiles = np.zeros((2, 192, 192, 3), np.uint8)
        >>> panel({"image": tiles, "prediction": tiles}, title="Test cases").shape
        (474, 420, 3)
    """
    tiles = {name: [_image(tile) for tile in column] for name, column in columns.items()}
    counts = {len(column) for column in tiles.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(
            f"columns of a panel need the same number of tiles, one or more; found {sorted(counts)}"
        )
    cases = list(zip(*tiles.values(), strict=True))
    widths = [max(tile.width for tile in column) for column in tiles.values()]
    heights = [max(tile.height for tile in case) for case in cases]

    small, large = _font(15), _font(17)
    left = MARGIN + (24 if rows else 0)
    top = MARGIN + (30 if title else 0) + 24
    legend_height = max((len(entries) for entries in (legends or {}).values()), default=0) * 21
    width = left + sum(widths) + GAP * (len(widths) - 1) + MARGIN
    height = top + sum(heights) + GAP * (len(heights) - 1) + MARGIN
    height += 10 + legend_height if legend_height else 0
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    if title:
        draw.text((left, MARGIN - 3), title, INK, large)

    x = left
    for name, column, column_width in zip(tiles, tiles.values(), widths, strict=True):
        draw.text((x, top - 22), name, FAINT, small)
        y = _paste_down(canvas, column, heights, (x, top))
        for i, (entry, colour) in enumerate((legends or {}).get(name, {}).items()):
            line = y + 8 + 21 * i
            draw.rounded_rectangle((x, line + 3, x + 11, line + 14), 3, colour)
            draw.text((x + 18, line - 1), entry, FAINT, small)
        x += column_width + GAP

    texts = [_upright(text, row_height, small) for text, row_height in zip(rows, heights, strict=False)]
    _paste_down(canvas, texts, heights, (MARGIN, top))
    return np.asarray(canvas)


def _paste_down(
    canvas: Image.Image, images: Sequence[Image.Image], heights: Sequence[int], place: tuple[int, int]
) -> int:
    """Paste images below one another from `place` (x, y) on, and return the y below the last."""
    x, y = place
    for image, height in zip(images, heights, strict=False):
        canvas.paste(image, (x, y))
        y += height + GAP
    return y


def png(picture: np.ndarray) -> bytes:
    """Encode a picture uint8 [height, width, 3] as a PNG file.

    Example:
        >>> png(np.zeros((8, 8, 3), np.uint8))[1:4]
        b'PNG'
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=COMPRESSION)
    return file.getvalue()


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture to a PNG file atomically.

    Example:
        >>> save_png(Path("pictures/black.png"), np.zeros((8, 8, 3), np.uint8))
        >>> Path("pictures/black.png").exists()
        True
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(png(picture))
    temporary.replace(path)


def _image(tile: np.ndarray) -> Image.Image:
    pixels = np.asarray(tile)
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    return image


def _upright(text: str, length: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    strip = Image.new("RGB", (length, 20), PAPER)
    ImageDraw.Draw(strip).text((length / 2, 8), text, FAINT, font, anchor="mm")
    return strip.rotate(90, expand=True)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the sans-serif font that Pillow ships: the same letters on every machine."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
