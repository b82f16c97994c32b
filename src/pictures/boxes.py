"""Boxes and heat maps over images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganatomy.pictures.draw import OKABE_ITO, Pixels, Rgb, shown

TRUTH: Rgb = (240, 240, 240)
"""Colour of true boxes; predicted ones have their class's colour."""
HEAT: Rgb = (213, 94, 0)
WORD = 28
"""Width of a label above a box in pixels, with some margin."""


def class_colours(classes: Sequence[str]) -> dict[str, Rgb]:
    """Return the colour of each class of boxes."""
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(classes)}


def with_boxes(
    tile: Pixels,
    sides: Sequence[int],
    boxes: np.ndarray,
    colours: Sequence[Rgb],
    words: Sequence[str] = (),
) -> Pixels:
    """Outline boxes on a tile, each with a label above.

    Where labels would overlap only the first is written.

    Args:
        tile: Picture uint8 [height, width, 3].
        sides: Sides of the image in voxels.
        boxes: Boxes [N, 4], rows first, in voxels of the image.
        colours: Colour of each box.
        words: Label of each box; may be shorter than the boxes.

    Returns:
        Picture of the same shape.
    """
    taken: list[tuple[float, float]] = []
    picture = Image.fromarray(tile)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    scale = np.tile(np.array(tile.shape[:2]) / np.array(sides), 2)
    for number, (box, colour) in enumerate(zip(boxes * scale, colours, strict=True)):
        top, left, bottom, right = (float(v) for v in box)
        pen.rectangle([left, top, max(left, right - 1), max(top, bottom - 1)], outline=colour, width=1)
        place = (left, max(0.0, top - 12))
        if number < len(words) and all(abs(place[0] - x) > WORD or abs(place[1] - y) > 11 for x, y in taken):
            pen.text(place, words[number], colour, font)
            taken.append(place)
    return np.asarray(picture)


def heated(tile: Pixels, heat: np.ndarray) -> Pixels:
    """Lay a heat map [h, w], 0 to 1, over a tile of the same field of view."""
    size = (tile.shape[1], tile.shape[0])
    wide = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    share = np.clip(np.asarray(wide), 0, 1)[..., None]
    mixed: Pixels = np.rint(tile * (1 - share) + np.array(HEAT) * share).astype(np.uint8)
    return mixed


def case_columns(
    image: np.ndarray,
    heat: np.ndarray,
    classes: Sequence[str],
    truth: tuple[np.ndarray, ...],
    found: tuple[np.ndarray, ...],
) -> dict[str, Pixels]:
    """Draw the tiles of one case: image, true boxes, predicted boxes with scores, heat map.

    For a volume the slice through the middle of the first true box is drawn, else the first predicted one,
    and the boxes that it intersects.

    Args:
        image: Image [C, *spatial].
        heat: Heat map [*cells], 0 to 1.
        classes: Names of the boxes' classes.
        truth: Boxes [N, 2*dims] in voxels, and classes [N].
        found: Boxes, scores and classes.

    Returns:
        Name of each column to its tile.
    """
    index = None
    if image.ndim == 4:
        index = through([*truth[0], *found[0]], image.shape[-1])
        heat = heat[..., min(index * heat.shape[-1] // image.shape[-1], heat.shape[-1] - 1)]
        image = image[..., index]
    tile, sides = shown(image[None])[0], image.shape[1:]
    colours = list(class_colours(classes).values())
    (true_boxes, true_kinds), (boxes, scores, kinds) = (_cut(part, index) for part in (truth, found))
    outlined = with_boxes(tile, sides, true_boxes, [colours[int(k)] for k in true_kinds])
    both = with_boxes(tile, sides, true_boxes, [TRUTH] * len(true_boxes))
    words = [f"{score:.2f}" for score in scores]
    both = with_boxes(both, sides, boxes, [colours[int(k)] for k in kinds], words)
    return {"image": tile, "truth": outlined, "found": both, "centre map": heated(tile, heat)}


def through(boxes: Sequence[np.ndarray], depth: int) -> int:
    """Return the index of the slice through the middle of the first box, else of the middle one."""
    middle = (boxes[0][2] + boxes[0][5]) / 2 if boxes else depth / 2
    return int(np.clip(middle, 0, depth - 1))


def _cut(part: tuple[np.ndarray, ...], index: int | None) -> tuple[np.ndarray, ...]:
    """Return the boxes that a slice intersects, without its axis, and their values; all boxes in 2D."""
    boxes, *rest = part
    if index is None:
        return part
    inside = (boxes[:, 2] < index + 1) & (boxes[:, 5] > index)
    return boxes[inside][:, [0, 1, 3, 4]], *(values[inside] for values in rest)
