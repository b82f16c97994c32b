"""One picture of the cases that were drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

FOLDER, OVERVIEW = "pictures", "overview.png"
WIDTH, COLUMNS = 420, 3
"""Width in pixels of a case in the overview, and cases side by side."""


def overview(folder: Path, names: Sequence[str]) -> bytes | None:
    """Return one picture of the cases that were drawn, a few side by side; None if none was.

    Args:
        folder: Folder of the answers.
        names: Paths of the answers, without extensions, in order.
    """
    paths = [path for name in names if (path := folder / FOLDER / f"{name}.png").is_file()]
    if not paths:
        return None
    tiles = []
    for path in paths:
        with Image.open(path) as picture:
            height = max(1, round(picture.height * WIDTH / picture.width))
            tiles.append(picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS))
    columns = min(COLUMNS, len(tiles))
    rows = [tiles[n : n + columns] for n in range(0, len(tiles), columns)]
    height = sum(max(tile.height for tile in row) for row in rows)
    sheet = Image.new("RGB", (WIDTH * columns, height), tiles[0].getpixel((0, 0)))
    top = 0
    for row in rows:
        for n, tile in enumerate(row):
            sheet.paste(tile, (WIDTH * n, top))
        top += max(tile.height for tile in row)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()
