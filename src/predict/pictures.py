"""One picture of the cases that were drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ganatomy.pictures.panel import FAINT, PAPER

FOLDER, OVERVIEW = "pictures", "overview.png"
WIDTH, COLUMNS = 420, 3
"""Width in pixels of a case in the overview, and cases side by side."""
STRIP = 22
"""Height in pixels of the line above a case."""
WARNING = (240, 178, 66)


def overview(
    folder: Path, names: Sequence[str], lines: Sequence[str], warned: Sequence[bool]
) -> bytes | None:
    """Return one picture of the cases that were drawn, a few side by side; None if none was.

    Args:
        folder: Folder of the answers.
        names: Paths of the answers, without extensions, in order.
        lines: What stands above each case; it must not identify a person.
        warned: True for each case with a warning, whose line stands out.
    """
    tiles = [
        _tile(path, line, WARNING if stands_out else FAINT)
        for name, line, stands_out in zip(names, lines, warned, strict=True)
        if (path := folder / FOLDER / f"{name}.png").is_file()
    ]
    if not tiles:
        return None
    columns = min(COLUMNS, len(tiles))
    rows = [tiles[n : n + columns] for n in range(0, len(tiles), columns)]
    height = sum(max(tile.height for tile in row) for row in rows)
    sheet = Image.new("RGB", (WIDTH * columns, height), PAPER)
    top = 0
    for row in rows:
        for n, tile in enumerate(row):
            sheet.paste(tile, (WIDTH * n, top))
        top += max(tile.height for tile in row)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def _tile(path: Path, line: str, colour: tuple[int, int, int]) -> Image.Image:
    with Image.open(path) as picture:
        height = max(1, round(picture.height * WIDTH / picture.width))
        tile = Image.new("RGB", (WIDTH, height + STRIP), PAPER)
        tile.paste(picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS), (0, STRIP))
    ImageDraw.Draw(tile).text((12, STRIP - 16), line, colour, ImageFont.load_default(13))
    return tile
