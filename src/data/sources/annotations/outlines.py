"""Instance maps of COCO segmentations, rasterised by pycocotools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ganatomy.data.io.readers import ReadError
from ganatomy.data.records import Case
from ganatomy.data.sources.files.instances import layered
from ganatomy.data.transforms.instances import NO_BOX
from ganatomy.errors import UserError

Runs = dict[str, Any]
"""Packed runs of a mask: `size`, (height, width), and `counts`."""


def outlined_objects(
    outlines: Sequence[Any], classes: Sequence[int], crowds: Sequence[Any], shape: Sequence[int], name: str
) -> Case:
    """Return `instances`, `boxes` and `classes` of segmentations, each the mask of pycocotools' `annToMask`.

    Where objects overlap, a pixel belongs to the smallest; boxes surround what is then left of each. Objects
    without a pixel are left out. A pixel of a crowd that is in no object is `NO_BOX`.

    Args:
        outlines: the segmentation of each object, as `rle.corners_of` accepts them.
        classes: the class of each object.
        crowds: segmentations of groups whose members are not told apart.
        shape: height and width of the image.
        name: the case, for messages.

    Raises:
        ReadError: a segmentation lies on other pixels than the image.
    """
    runs = [_packed(outline, shape, name) for outline in outlines]
    areas = [int(_mask_tools().area(each)) for each in runs]
    order = sorted(range(len(runs)), key=lambda place: -areas[place])

    def parts() -> Iterator[tuple[np.ndarray, int]]:
        for place in order:
            yield _mask_tools().decode(runs[place]).astype(bool), classes[place]

    case = layered(shape, parts())
    for crowd in crowds:
        there = _mask_tools().decode(_packed(crowd, shape, name)).astype(bool)
        case["instances"][0][there & (case["instances"][0] == 0)] = NO_BOX
    return case


def _packed(segmentation: Any, shape: Sequence[int], name: str) -> Runs:
    """Return a segmentation as packed runs; the parts of one of several polygons are united."""
    height, width = shape
    if not isinstance(segmentation, dict):
        polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
        far = max(abs(float(value)) for polygon in polygons for value in polygon)
        if far > 2 * (height + width):  # pycocotools walks along every edge, and counts in 32 bits
            raise ReadError(f"{name}: a polygon has the corner {far:g}, and the image is {width}x{height}")
        united: Runs = _mask_tools().merge(_mask_tools().frPyObjects(polygons, height, width))
        return united
    if tuple(int(side) for side in segmentation["size"]) != (height, width):
        own = "x".join(str(side) for side in reversed(segmentation["size"]))
        raise ReadError(f"{name}: a segmentation is {own}, and the image {width}x{height}; redraw it")
    runs: Runs = {"size": [height, width], "counts": segmentation["counts"]}
    if not isinstance(runs["counts"], str):
        runs = _mask_tools().frPyObjects(runs, height, width)
    return runs


def _mask_tools() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise UserError('COCO segmentations need pycocotools: pip install "ganatomy[data]"') from error
    return mask
