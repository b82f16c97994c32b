"""Boxes and heat maps over images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from src.pictures.draw import OKABE_ITO, Pixels, Rgb, shown

TRUTH: Rgb = (240, 240, 240)
"""Colour of true boxes; found ones have their class's."""
HEAT: Rgb = (213, 94, 0)
WORD = 28
"""Pixels that a word above a box is wide, with some room."""


def class_colours(classes: Sequence[str]) -> dict[str, Rgb]:
    """The colour of each class of boxes."""
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(classes)}


def with_boxes(
    tile: Pixels,
    sides: Sequence[int],
    boxes: np.ndarray,
    colours: Sequence[Rgb],
    words: Sequence[str] = (),
) -> Pixels:
    """Outline boxes [N,4] (rows first, in voxels of an image with these sides), each with a word above.

    Of words that would lie over each other the first is written.
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
    """A heat map [h,w], 0 to 1, laid over a tile of the same field of view."""
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
    """Tiles of one case: the image [C,*spatial], its true boxes, the found ones with scores, the heat map.

    truth: boxes [N, 2*dims] and classes; found: boxes, scores, classes. Of a volume the slice through the
    middle of the first true box is drawn, or the first found one, and the boxes that it cuts.
    """
    place = None
    if image.ndim == 4:
        place = _through([*truth[0], *found[0]], image.shape[-1])
        heat = heat[..., min(place * heat.shape[-1] // image.shape[-1], heat.shape[-1] - 1)]
        image = image[..., place]
    tile, sides = shown(image[None])[0], image.shape[1:]
    colours = list(class_colours(classes).values())
    (true_boxes, true_kinds), (boxes, scores, kinds) = (_cut(part, place) for part in (truth, found))
    outlined = with_boxes(tile, sides, true_boxes, [colours[int(k)] for k in true_kinds])
    both = with_boxes(tile, sides, true_boxes, [TRUTH] * len(true_boxes))
    words = [f"{score:.2f}" for score in scores]
    both = with_boxes(both, sides, boxes, [colours[int(k)] for k in kinds], words)
    return {"image": tile, "truth": outlined, "found": both, "centre map": heated(tile, heat)}


def _through(boxes: Sequence[np.ndarray], depth: int) -> int:
    """The slice through the middle of the first box, else the middle one."""
    middle = (boxes[0][2] + boxes[0][5]) / 2 if boxes else depth / 2
    return int(np.clip(middle, 0, depth - 1))


def _cut(part: tuple[np.ndarray, ...], place: int | None) -> tuple[np.ndarray, ...]:
    """Boxes, and what goes with each, of a picture; of a volume those that a slice cuts, without its axis."""
    boxes, *rest = part
    if place is None:
        return part
    inside = (boxes[:, 2] < place + 1) & (boxes[:, 5] > place)
    return boxes[inside][:, [0, 1, 3, 4]], *(values[inside] for values in rest)
