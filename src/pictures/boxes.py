"""Boxes and heat maps over images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from src.pictures.draw import OKABE_ITO, Pixels, Rgb, grey

TRUTH: Rgb = (240, 240, 240)
"""Colour of true boxes; found ones have their class's."""
HEAT: Rgb = (213, 94, 0)


def class_colours(classes: Sequence[str]) -> dict[str, Rgb]:
    """The colour of each class of boxes."""
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(classes)}


def shown(image: np.ndarray) -> Pixels:
    """One image [C,H,W] as a tile [height, width, 3]: three channels in colour, else the first in grey."""
    if len(image) != 3:
        tile: Pixels = grey(image[:1])[0]
        return tile
    low, high = (float(v) for v in np.percentile(image, (0.5, 99.5)))
    return np.stack([grey(channel[None], (low, high))[0, ..., 0] for channel in image], -1)


def with_boxes(
    tile: Pixels,
    sides: Sequence[int],
    boxes: np.ndarray,
    colours: Sequence[Rgb],
    words: Sequence[str] = (),
) -> Pixels:
    """Outline boxes [N,4] (rows first, in voxels of an image with these sides), each with a word above."""
    picture = Image.fromarray(tile)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    scale = np.tile(np.array(tile.shape[:2]) / np.array(sides), 2)
    for number, (box, colour) in enumerate(zip(boxes * scale, colours, strict=True)):
        top, left, bottom, right = (float(v) for v in box)
        pen.rectangle([left, top, max(left, right - 1), max(top, bottom - 1)], outline=colour, width=1)
        if number < len(words):
            pen.text((left, max(0, top - 12)), words[number], colour, font)
    return np.asarray(picture)


def heated(tile: Pixels, heat: np.ndarray) -> Pixels:
    """A heat map [h,w], 0 to 1, laid over a tile of the same field of view."""
    size = (tile.shape[1], tile.shape[0])
    wide = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    share = np.clip(np.asarray(wide), 0, 1)[..., None]
    mixed: Pixels = np.rint(tile * (1 - share) + np.array(HEAT) * share).astype(np.uint8)
    return mixed
