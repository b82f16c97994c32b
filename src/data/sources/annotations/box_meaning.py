"""What the numbers of boxes mean, where neither the user nor a table's columns say it, and their corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganatomy.data.sources.annotations.box_columns import ORDERS, BoxColumns
from ganatomy.data.transforms.box_units import UNITS, WORLD
from ganatomy.errors import UserError, one_of

AUTO = "auto"
SWAPPED = 0.2
"""From this share of lists that are no lower and upper corner on, they may be something else."""
ARRAY = "array"
"""Order of six numbers in a list: lower corner, upper corner, in the order of the array's axes."""


@dataclass(frozen=True)
class BoxSettings:
    """Settings of a table about boxes.

    Attributes:
        table: Name of the table.
        boxes: A column of lists, the columns of the numbers, or `auto`.
        box_class: Column of the classes; None if there is one class.
        order: `data.box_order`.
        units: `data.box_units`.
        classes: `data.box_classes`, empty to take those of the table.
    """

    table: str
    boxes: str | Sequence[str]
    box_class: str | None
    order: str | None
    units: str | None
    classes: Sequence[str]

    def __post_init__(self) -> None:
        one_of("data.box_order", self.order, (None, *ORDERS))
        one_of("data.box_units", self.units, (None, *UNITS))


def order_of(boxes: Sequence[Sequence[float]], form: BoxColumns | None, settings: BoxSettings) -> str:
    """Return the order of the numbers of all boxes: one of `ORDERS`, or `ARRAY`.

    Args:
        boxes: Numbers of each box.
        form: What the columns hold; None for a column of lists, which hold corners unless many contradict.
        settings: Settings of the table.

    Raises:
        UserError: Many lists are no pair of corners.
    """
    if form is not None or settings.order is not None:
        return form.order if form is not None else str(settings.order)
    if any(len(box) == 6 for box in boxes):
        return ARRAY
    swapped = [box for box in boxes if box[2] < box[0] or box[3] < box[1]]
    if len(swapped) >= max(1, SWAPPED * len(boxes)):
        shown = ", ".join(f"{value:g}" for value in swapped[0])
        raise UserError(
            f"{settings.table}: {len(swapped)} of {len(boxes)} boxes, such as {shown}, are no lower and "
            "upper corner; say what they are: data.box_order=xyxy (these are left out), xywh or cxcywh"
        )
    return "xyxy"


def units_of(
    boxes: Sequence[Sequence[float]], order: str, form: BoxColumns | None, settings: BoxSettings
) -> str:
    """Return the unit of all boxes: what the user says, else the columns' names, else the numbers.

    Args:
        boxes: Numbers of each box.
        order: Their order, see `order_of`.
        form: What the columns hold; None for a column of lists.
        settings: Settings of the table.

    Raises:
        UserError: They could be two things, or are not what the user says.
    """
    said = settings.units or (form.units if form else "")
    if order == ARRAY or dims_of(order) == 3:
        return _of_volumes(said, order, settings.table)
    if said in WORLD:
        raise UserError(f"data.box_units={said}: boxes in mm need x, y and z (data.boxes, data.box_order)")
    flat = np.array([value for box in boxes for value in box])
    flat, table = flat[np.isfinite(flat)], settings.table
    within = flat.size > 0 and flat.min() >= 0 and flat.max() <= 1
    if said == "relative" and flat.size and flat.max() > 2:
        raise UserError(f"{table}: {flat.max():g} is no fraction of an image (data.box_units=relative)")
    if not said and within and not (flat % 1).any():
        raise UserError(
            f"{table}: its boxes hold 0 and 1 alone; say what these are: data.box_units=relative or edges"
        )
    units = said or ("relative" if within else "edges")
    if units == "relative" and form and form.corner:
        x, y = form.names[:2]
        raise UserError(
            f"{table}: {x} and {y} are fractions of the image: of the centre (as in YOLO) or of the corner "
            "of a box? Say which: data.box_order=cxcywh or xywh"
        )
    return units


def _of_volumes(said: str, order: str, table: str) -> str:
    if not said and order.startswith("c"):
        raise UserError(
            f"{table}: are these boxes in mm? Say which: data.box_units=LPS (DICOM, ITK) or RAS (NIfTI)"
        )
    if said not in ("", "edges", *WORLD) or (order == ARRAY and said in WORLD):
        possible = "edges" if order == ARRAY else "edges, LPS or RAS"
        raise UserError(f"data.box_units={said}: such boxes of volumes are in {possible}")
    return said or "edges"


def dims_of(order: str) -> int:
    """Return the number of axes of boxes in one of `ORDERS`."""
    return 3 if "z" in order else 2


def corners(numbers: np.ndarray, order: str, units: str) -> np.ndarray:
    """Return boxes as lower corner, upper corner, in the same unit; pixels as edges.

    Boxes of pictures have their rows first (y1, x1, y2, x2), those of volumes x first.

    Args:
        numbers: [N, numbers of a box].
        order: One of `ORDERS`.
        units: One of `UNITS`.

    Returns:
        [N, 2*dims], float64.
    """
    names, dims = ORDERS[order].split(), dims_of(order)
    by_name = dict(zip(names, np.asarray(numbers, float).T, strict=True))
    axes = "xyz"[:dims]
    if "x2" in by_name:
        low, high = ([by_name[f"{axis}{end}"] for axis in axes] for end in (1, 2))
        shifts = {"pixels0": (0.0, 1.0), "pixels1": (-1.0, 0.0)}.get(units, (0.0, 0.0))
    else:
        sides = [by_name[side if side in by_name else "diameter"] for side in "whd"[:dims]]
        centred = "cx" in by_name
        start = [by_name[f"c{axis}" if centred else f"{axis}1"] for axis in axes]
        low = [a - s / 2 if centred else a for a, s in zip(start, sides, strict=True)]
        high = [a + s for a, s in zip(low, sides, strict=True)]
        step = {"pixels0": 0.5, "pixels1": -0.5} if centred else {"pixels1": -1.0}
        shifts = (step.get(units, 0.0), step.get(units, 0.0))
    if dims == 2:
        low, high = low[::-1], high[::-1]
    return np.stack([*(a + shifts[0] for a in low), *(a + shifts[1] for a in high)], 1)
