"""Pictures of what was drawn, read back from the files: overview.png, and way.gif for a way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import from_numpy

from ganatomy.data.io.synthetic import SyntheticFolder
from ganatomy.files import write_whole
from ganatomy.generate.request import Request
from ganatomy.pictures import Picture, colours, overlay, panel, png, shown
from ganatomy.pictures.animation import back_and_forth
from ganatomy.pictures.panel import PAPER
from ganatomy.tasks.synthesis.figures import grey_window

COLUMNS, ROWS = 8, 6
"""Images side by side on the sheet, and rows of them; classes have a row each, up to twice as many."""
PAIRS = 6
"""Label maps on the sheet, each with the image that was drawn from it."""
FRAMES = 120
"""Frames of the animation, at most."""


def write_pictures(request: Request, folder: SyntheticFolder) -> None:
    """Write overview.png and, for a way, way.gif."""
    if request.masks is not None and request.way is None:
        write_whole(folder.path / "overview.png", png(_with_masks(request, folder)))
        return
    numbers = chosen(request)
    tiles = _tiles(folder, numbers)
    picture = _sheet(request, dict(zip(numbers, tiles, strict=True)))
    drawn = panel(picture.columns, title=picture.title, rows=picture.rows)
    write_whole(folder.path / "overview.png", png(drawn))
    if request.way is not None:
        places = np.linspace(1, request.count, min(FRAMES, request.count)).round().astype(int).tolist()
        frames = tiles if places == numbers else _tiles(folder, places)
        write_whole(folder.path / "way.gif", back_and_forth(frames))


def chosen(request: Request) -> list[int]:
    """Return the numbers of the images on the sheet: the first ones, or even steps of a way."""
    room = min(COLUMNS * ROWS, request.count)
    if request.way is not None:
        return sorted(set(np.linspace(1, request.count, room).round().astype(int).tolist()))
    kinds = request.kinds or ()
    shown_kinds = list(dict.fromkeys(kinds))[: 2 * ROWS]
    if len(shown_kinds) < 2:
        return list(range(1, room + 1))
    found: list[int] = []
    for kind in shown_kinds:
        turns = range(0, request.count, len(kinds))
        of_kind = [turn + n + 1 for turn in turns for n, other in enumerate(kinds) if other == kind]
        found += [number for number in of_kind[:COLUMNS] if number <= request.count]
    return sorted(found)


def _tiles(folder: SyntheticFolder, numbers: Sequence[int]) -> list[np.ndarray]:
    """Return the tile of each image, all with one black and one white."""
    images = [folder.read(number).astype(np.float32) for number in numbers]
    planes = [image if image.ndim == 3 else image[..., image.shape[-1] // 2] for image in images]
    flat = np.concatenate([plane.reshape(len(plane), -1) for plane in planes], 1)
    window = grey_window(from_numpy(flat)[None])
    return [shown(plane[None], window)[0] for plane in planes]


def _sheet(request: Request, tiles: dict[int, np.ndarray]) -> Picture:
    """Lay tiles out in rows: one for each class, or as many images as have room."""
    rest = f"of {request.count}, seed {request.seed}; they show no patient"
    names = request.facts.image_classes
    order = list(dict.fromkeys(request.kinds or ()))
    if request.way is None and len(order) > 1:
        assert request.kinds is not None
        kinds = {number: request.kinds[(number - 1) % len(request.kinds)] for number in tiles}
        rows = [[number for number in tiles if kinds[number] == kind] for kind in order]
        rows = [row for row in rows if row]
        texts = [names[kinds[row[0]]] for row in rows]
        title = f"synthetic images by class, {len(tiles)} {rest}"
    else:
        numbers = list(tiles)
        rows = [numbers[first : first + COLUMNS] for first in range(0, len(numbers), COLUMNS)]
        texts = [f"{row[0]} to {row[-1]}" if len(row) > 1 else str(row[0]) for row in rows]
        title = f"synthetic images, {len(tiles)} {rest}"
        if request.kinds:
            title = f"{names[request.kinds[0]]}: {title}"
        if request.way is not None:
            title = f"from image {request.way.start} to image {request.way.end}: {title}"
    blank = np.zeros_like(next(iter(tiles.values()))) + np.array(PAPER, np.uint8)
    width = max(map(len, rows))
    columns = {
        " " * place: np.stack([tiles[row[place]] if place < len(row) else blank for row in rows])
        for place in range(width)
    }
    return Picture(title, columns, texts)


def _with_masks(request: Request, folder: SyntheticFolder) -> np.ndarray:
    """Draw label maps, the images drawn from them, and these with the outlines of the map."""
    numbers = list(range(1, min(PAIRS, request.count) + 1))
    assert folder.values is not None
    columns: dict[str, list[np.ndarray]] = {"label map": [], "synthetic": [], "synthetic, outlined": []}
    for number, tile in zip(numbers, _tiles(folder, numbers), strict=True):
        image, stored = folder.read(number).astype(np.float32), folder.read(number, "labels")[0]
        label = np.zeros(stored.shape, np.int64)
        for place, value in enumerate(folder.values):
            label[stored == value] = place
        if label.ndim == 3:
            middle = label.shape[-1] // 2
            image, label = image[..., middle], label[..., middle]
        window = grey_window(from_numpy(image.reshape(len(image), -1))[None])
        classes = len(folder.values)
        flat = np.zeros(label.shape, np.float32)
        columns["label map"].append(overlay(flat[None], label[None], classes, (0.0, 1.0))[0])
        columns["synthetic"].append(tile)
        columns["synthetic, outlined"].append(overlay(image[None], label[None], classes, window)[0])
    title = f"synthetic images and their label maps, {len(numbers)} of {request.count}; they show no patient"
    legends = {"label map": colours(request.facts.mask_classes)}
    return panel(
        {name: _alike(tiles) for name, tiles in columns.items()},
        title=title,
        legends=legends,
        rows=list(map(str, numbers)),
    )


def _alike(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Pad tiles of different sizes with black and stack them."""
    sides = np.max([tile.shape[:2] for tile in tiles], 0)
    return np.stack(
        [
            np.pad(tile, [*((0, side - n) for side, n in zip(sides, tile.shape[:2], strict=True)), (0, 0)])
            for tile in tiles
        ]
    )
