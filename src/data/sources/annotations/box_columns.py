"""Columns of a table that hold boxes: which number each holds, told by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganatomy.errors import UserError

ORDERS = {
    "xyxy": "x1 y1 x2 y2",
    "yxyx": "y1 x1 y2 x2",
    "xywh": "x1 y1 w h",
    "cxcywh": "cx cy w h",
    "xyzxyz": "x1 y1 z1 x2 y2 z2",
    "xyzwhd": "x1 y1 z1 w h d",
    "cxcyczd": "cx cy cz diameter",
    "cxcyczwhd": "cx cy cz w h d",
}
"""Orders of the numbers of a box: 1 its lower corner, 2 its upper corner, c its centre, and its sides."""
SPELLINGS = {
    "1": "{0}min min{0} {0}low {0}start {0}tl",
    "2": "{0}max max{0} {0}high {0}end {0}br",
    "c": "c{0} {0}c {0}center center{0} {0}centre centre{0} coord{0}",
}
"""Spellings of a corner and a centre on each axis, without capitals, signs, units and a bbox in front."""
ROLES = {
    **{axis: axis for axis in "xyz"},
    **{
        name.format(axis): f"c{axis}" if end == "c" else f"{axis}{end}"
        for end, names in SPELLINGS.items()
        for name in names.split()
        for axis in "xyz"
    },
    "left": "x1",
    "top": "y1",
    "right": "x2",
    "bottom": "y2",
    **dict.fromkeys(("w", "width", "diameterx"), "w"),
    **dict.fromkeys(("h", "height", "diametery"), "h"),
    **dict.fromkeys(("d", "depth", "diameterz"), "d"),
    **dict.fromkeys(("diameter", "diam"), "diameter"),
}
"""Number of a box that a name tells: one of `ORDERS`, or x, y, z, which are a corner or a centre."""
BEFORE = re.compile(r"^(boundingbox|bndbox|bbox|box|bb|gt)(?=[a-z])")
AFTER = {"mm": "LPS", "norm": "relative", "normalized": "relative", "relative": "relative", "rel": "relative"}
"""Endings that tell the unit."""
IMAGES = (
    "image imageid imagename imagepath imagefile imagefilename imageindex img imgid imgname imgpath "
    "file filename filepath path",
    "seriesuid seriesinstanceuid sopinstanceuid",
    "patientid",
)
CLASSES = (
    "class classname label labelname category categoryname finding findinglabel findingname lesiontype",
    "classid labelid categoryid",
)
PATIENTS = "patientid patient subject subjectid person personid pid"
SIZES = tuple(tuple(f"{of}{side}" for of in ("", "image", "img", "im")) for side in ("height", "width"))


@dataclass(frozen=True)
class BoxColumns:
    """What the columns of a table hold of a box.

    Attributes:
        names: Column of each number, in `order`.
        order: Order of the numbers, one of `ORDERS`.
        units: Unit that the names tell; empty if they tell none.
        corner: x and y are taken as the lower corner, though other programs write the centre so.
    """

    names: tuple[str, ...]
    order: str
    units: str = ""
    corner: bool = False


def box_columns(given: Sequence[str], columns: Sequence[str], order: str | None) -> BoxColumns:
    """Return what the columns hold.

    Args:
        given: Columns that hold boxes; empty to find them by their names.
        columns: All columns of the table.
        order: One of `ORDERS`; None to tell it from the names.

    Raises:
        UserError: The names do not tell it, or several columns could hold a number.
    """
    if order is not None and given:
        numbers = ORDERS[order].split()
        if len(given) != len(numbers):
            raise UserError(
                f"data.boxes=[{','.join(given)}]: {len(given)} columns, but a box has {len(numbers)} numbers "
                f"in data.box_order={order}"
            )
        return BoxColumns(tuple(given), order, _units(given))
    roles: dict[str, list[str]] = defaultdict(list)
    for column in given or columns:
        if role := _role(column, given or columns):
            roles[role].append(column)
    orders = [name for name in ORDERS if name != "yxyx"] if order is None else [order]
    found = [form for name in orders if (form := _form(name, roles, order is not None))]
    if given:
        found = [form for form in found if set(form.names) == set(given)]
    deep = [form for form in found if "z" in form.order] or found
    chosen = [form for form in deep if ORDERS[form.order].endswith("2")] or deep
    if len(chosen) == 1:
        return chosen[0]
    why = "the names do not tell" if not chosen else "several of them could be"
    raise UserError(
        f"data.boxes={'[' + ','.join(given) + ']' if given else 'auto'}: of the columns "
        f"{', '.join(given or columns)} {why} the numbers of a box; name these and say what they are, as in "
        "data.boxes=[a,b,c,d] data.box_order=xyxy (or xywh, cxcywh, ...)"
    )


def holds_boxes(columns: Sequence[str]) -> bool:
    """Return True if the names of columns tell that each row is a box."""
    try:
        return bool(box_columns([], columns, None).names)
    except UserError:
        return False


def _form(order: str, roles: Mapping[str, Sequence[str]], said: bool) -> BoxColumns | None:
    """Return the columns of an order; None if one is missing. Raises UserError if one is there twice."""
    numbers = ORDERS[order].split()
    names: list[str] = []
    sides, bare = {"w", "diameter"} & set(numbers), False
    for number in numbers:
        own = roles.get(number, ())
        if not own and sides and number[-1] != "2" and (said or order in ("xywh", "xyzwhd", "cxcyczd")):
            own, bare = roles.get(number.strip("c1"), ()), True
        if not own:
            return None
        if len(own) > 1:
            raise UserError(
                f"data.boxes: the columns {' and '.join(own)} could both be {number} of a box; name the "
                "columns of the box, as in data.boxes=[xmin,ymin,xmax,ymax]"
            )
        names += own
    return BoxColumns(tuple(names), order, _units(names), bare and not said and "diameter" not in numbers)


def _role(column: str, columns: Sequence[str]) -> str | None:
    """Return the number of a box that a column holds; None if its name tells none."""
    name = _bare(column)
    if re.fullmatch("[xyz][012]", name):
        first = 0 if f"{name[0]}0" in map(_bare, columns) else 1
        place = int(name[1]) - first + 1
        return f"{name[0]}{place}" if place in (1, 2) else None
    return ROLES.get(name)


def _bare(column: str) -> str:
    """Return a column's name without what may stand before and after that of a number."""
    name = BEFORE.sub("", plain(column))
    ending = next((end for end in (*AFTER, "px", "pixels", "pixel") if name.endswith(end)), "")
    return name.removesuffix(ending)


def _units(columns: Sequence[str]) -> str:
    """Return the unit that the names of columns tell."""
    names = [plain(column) for column in columns]
    told = {unit for name in names for end, unit in AFTER.items() if name.endswith(end)}
    told |= {"LPS" for name in names if name.startswith("coordz")}
    return told.pop() if len(told) == 1 else ""


def known_column(choices: Sequence[str], columns: Sequence[str], key: str, what: str) -> str | None:
    """Return the column whose name says that it holds something; None if there is none.

    Args:
        choices: Lines of known names; those of an earlier line go first.
        columns: Columns to choose from.
        key: Key of `data` that names it, for messages.
        what: What it holds, for messages.

    Raises:
        UserError: Several columns have names of one line.
    """
    for names in choices:
        found = [column for column in columns if plain(column) in names.split()]
        if len(found) > 1:
            raise UserError(
                f"data.{key}: the columns {' and '.join(found)} could both hold {what}; choose one, as in "
                f"data.{key}={found[0]}"
            )
        if found:
            return found[0]
    return None


def size_columns(columns: Sequence[str], used: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of height and width of the image; empty if there are none.

    Args:
        columns: All columns.
        used: Those that hold numbers of a box.
    """
    left = {plain(column): column for column in columns if column not in used}
    found = [next((left[name] for name in names if name in left), "") for names in SIZES]
    return tuple(found) if all(found) else ()


def plain(column: str) -> str:
    """Return the name of a column without capitals, spaces and signs."""
    return re.sub(r"[^a-z0-9]", "", column.lower())
