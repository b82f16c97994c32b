"""Pictures of a data set's cases for check.html: which cases are drawn, and both sides of each."""

from __future__ import annotations

from collections.abc import Sequence

from ganatomy.data.quality.page import picture
from ganatomy.data.records import SPLITS, Case, Record, Side
from ganatomy.data.transforms.prepare import Preparation

SIDES: tuple[Side, ...] = ("image", "target")
Drawn = dict[tuple[Side, str], bytes]
"""PNG by side and name of the case."""


def sample(records: Sequence[Record], pictures: int) -> set[str]:
    """Return at most `pictures` names of cases of each split and side, evenly spread."""
    chosen: set[str] = set()
    for split in SPLITS if pictures else ():
        members = [record for record in records if record.split == split]
        for alone in (False, True):
            cases = [record.case for record in members if (record.side == "target") is alone]
            chosen |= set(cases[:: max(1, -(-len(cases) // pictures))])
    return chosen


def drawn(preparation: Preparation, case: Case) -> dict[Side, bytes]:
    """Return a PNG of each side that a case has, prepared as for the network.

    Args:
        preparation: Preparation of the data set.
        case: Arrays of the case as read.
    """
    ready = preparation(case)
    found: dict[Side, bytes] = {}
    for side in SIDES:
        if side in ready:
            region = {"mask": ready["mask"]} if "mask" in ready else {}
            own = ready if side == "image" else {"image": ready["target"]} | region
            found[side] = picture(own, case[side].ndim == 4 and preparation.spatial_dims == 2)
    return found


def shown_side(record: Record) -> Side:
    """Return the side of a case that stands for it in a picture."""
    return "target" if record.side == "target" else "image"
