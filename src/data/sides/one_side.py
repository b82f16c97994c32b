"""One side of a case: its arrays, and the part of an augmentation that is about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

from ganatomy.data.pipeline import Reader
from ganatomy.data.records import Case, Record
from ganatomy.data.transforms.augment import leaves

WHOLE = ("affine", "spacing", "input_affine", "input_shape", "seeds", "seed_values")
"""Arrays that a case has once, whatever its sides."""


def of_side(case: Mapping[str, Any], side: Literal["image", "target"]) -> dict[str, Any]:
    """Return what belongs to one side of a case: everything but the target, or the target alone.

    Args:
        case: arrays of a case, prepared or not.
        side: the side to keep.
    """
    if side == "image":
        return {key: value for key, value in case.items() if not _is_target(key)}
    return {key: value for key, value in case.items() if _is_target(key) or key in WHOLE}


def _is_target(key: str) -> bool:
    return key == "target" or key.startswith("target_")


@dataclass(frozen=True)
class SideReader:
    """Reader of one side of prepared cases; small enough to be sent to worker processes.

    Attributes:
        read: returns a prepared case, or one slice of it.
        side: the side to keep.
    """

    read: Reader
    side: Literal["image", "target"]

    def __call__(self, record: Record, z: int | None = None) -> Case:
        return of_side(self.read(record, z), self.side)


def augmentation_of(transforms: Sequence[Any], side: Literal["image", "target"]) -> list[Any]:
    """Return copies of the transforms that act on one side, which do nothing about the other.

    A transform of the target names it in its keys. All others are of the image, with those that name no keys.

    Args:
        transforms: MONAI dictionary transforms.
        side: the side to transform.
    """
    return [_alone(transform) for transform in transforms if _concerns(transform, side)]


def _concerns(transform: Any, side: str) -> bool:
    keys = [str(key) for part in leaves(transform) for key in getattr(part, "keys", ())]
    return "target" in keys if side == "target" else not keys or any(not _is_target(key) for key in keys)


def _alone(transform: Any) -> Any:
    copy = deepcopy(transform)
    for part in leaves(copy):
        if hasattr(part, "allow_missing_keys"):
            part.allow_missing_keys = True
    return copy
