"""Instance maps over images: every object in a colour of its own."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ganatomy.pictures.boxes import through
from ganatomy.pictures.draw import Pixels, shown

STEP = 0.618034
"""Turn of the hue from one number to the next: the golden section, so that near numbers differ."""
STRENGTH = 0.55
"""Share of the colour in an object; its rim has the colour alone."""


def instance_colours(count: int) -> np.ndarray:
    """Return the colours of objects 0 to `count`, uint8 [count + 1, 3]; 0, the background, is black."""
    made = [colorsys.hsv_to_rgb(number * STEP % 1, 0.75, 1.0) for number in range(1, count + 1)]
    found: np.ndarray = np.rint(255 * np.array([(0.0, 0.0, 0.0), *made])).astype(np.uint8)
    return found


def with_instances(tile: Pixels, numbers: np.ndarray) -> Pixels:
    """Colour the objects of an instance map on a tile of the same field of view.

    Args:
        tile: Picture uint8 [height, width, 3].
        numbers: [h, w], 0 for the background; numbers below 0 are left as they are.
    """
    size = (tile.shape[1], tile.shape[0])
    wide = np.asarray(
        Image.fromarray(np.maximum(numbers, 0).astype(np.int32)).resize(size, Image.Resampling.NEAREST)
    )
    colour = instance_colours(int(wide.max(initial=0)))[wide].astype(float)
    rim = np.zeros(wide.shape, bool)
    for axis in (0, 1):
        differs = np.diff(wide, axis=axis) != 0
        first, last = ([slice(None)] * 2 for _ in range(2))
        first[axis], last[axis] = slice(None, -1), slice(1, None)
        rim[tuple(first)] |= differs
        rim[tuple(last)] |= differs
    share = np.where(rim, 1.0, STRENGTH)[..., None] * (wide > 0)[..., None]
    mixed: Pixels = np.rint(tile * (1 - share) + colour * share).astype(np.uint8)
    return mixed


def instance_columns(
    image: np.ndarray, truth: np.ndarray, found: np.ndarray, boxes: Sequence[np.ndarray]
) -> dict[str, Pixels]:
    """Draw true and found objects of one image, `objects` and `found objects`, each [1, height, width, 3].

    Args:
        image: Image [C, *spatial].
        truth: True instance map [*spatial].
        found: Found instance map [*spatial].
        boxes: Boxes [2*dims]; a volume is drawn through the middle of the first one.
    """
    if image.ndim == 4:
        place = through(boxes, image.shape[-1])
        image, truth, found = (each[..., place] for each in (image, truth, found))
    tile = shown(image[None])[0]
    maps = {"objects": truth, "found objects": found}
    return {name: with_instances(tile, numbers)[None] for name, numbers in maps.items()}
