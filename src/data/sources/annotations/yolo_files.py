"""Files of YOLO: a text file of boxes or outlines for each image, and data.yaml with names and splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.records import SPLITS, Split
from ganatomy.data.sources.annotations.box_meaning import corners
from ganatomy.errors import UserError

SLACK = 0.01
"""Fraction of the image by which rounded numbers may leave it."""
ROUNDED = 2e-6
"""Distance from the edge of the image that the usual six digits leave to a box that ends there."""
LISTS = ("classes.txt", "obj.names", "labels.txt")
"""Files with a class name in each line, as LabelImg, Darknet and CVAT write them."""


@dataclass(frozen=True)
class Drawn:
    """One object of an image, in fractions of its sides.

    Attributes:
        number: Number of its class, from 0.
        box: y1, x1, y2, x2.
        outline: Corners x, y, x, y, ... of a polygon; empty for a box.
        scored: The row holds a confidence too.
    """

    number: int
    box: list[float]
    outline: list[float] = field(default_factory=list)
    scored: bool = False


def read_objects(path: Path, keypoints: bool = False) -> list[Drawn]:
    """Return the objects of a text file; none of an empty one.

    A row is `class cx cy width height`, and perhaps a confidence, or `class x y x y x y ...`, a polygon,
    whose bounds are the box; with `keypoints`, what follows the first five numbers is left out.

    Raises UserError if a row is something else, or its numbers are no fractions.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from error
    return [
        _object(line.split(), f"{path}, row {n}", keypoints)
        for n, line in enumerate(lines, 1)
        if line.split()
    ]


def _object(cells: Sequence[str], place: str, keypoints: bool) -> Drawn:
    try:
        number, *numbers = (float(cell) for cell in cells)
    except ValueError as error:
        raise UserError(f"{place}: {' '.join(cells)[:60]} is no row of numbers: class cx cy w h") from error
    if not (number.is_integer() and number >= 0):
        raise UserError(f"{place}: its class is {number:g}; a whole number from 0 is needed")
    numbers = numbers[:4] if keypoints and len(numbers) > 4 else numbers
    polygon = len(numbers) >= 6 and len(numbers) % 2 == 0
    if len(numbers) not in (4, 5) and not polygon:
        raise UserError(
            f"{place}: has {len(cells)} numbers; class cx cy w h are needed, or class and the corners of a "
            "polygon"
        )
    fractions = numbers if polygon else numbers[:4]
    if wrong := [value for value in fractions if not -SLACK <= value <= 1 + SLACK]:
        what = "is no number" if math.isnan(wrong[0]) else "is no fraction of the image's width or height"
        raise UserError(f"{place}: {wrong[0]:g} {what} (0 to 1); divide pixels by these")
    if polygon:
        x, y = np.array(numbers).reshape(-1, 2).T
        box = [float(v) for v in (y.min(), x.min(), y.max(), x.max())]
        return Drawn(int(number), box, numbers)
    box = corners(np.array([fractions]), "cxcywh", "relative")[0]
    box = np.where(np.abs(box - box.round()) < ROUNDED, box.round(), box)
    return Drawn(int(number), box.tolist(), scored=len(numbers) == 5)


@dataclass(frozen=True)
class About:
    """What a data set says of itself in data.yaml or a list of names.

    Attributes:
        path: The file; None without one.
        names: Names of the classes; empty if none are told.
        splits: Paths of images of each split, as written: folders and lists.
        keypoints: Rows of boxes are followed by key points.
    """

    path: Path | None = None
    names: tuple[str, ...] = ()
    splits: Mapping[Split, list[str]] = field(default_factory=dict)
    keypoints: bool = False


def read_about(folder: Path, given: str | None) -> About:
    """Return what a data set says of itself.

    Args:
        folder: The data set.
        given: The file below it; None for the only .yaml with names, else a list of names in a usual place.

    Raises:
        UserError: The file is not there or is something else, or there are several.
    """
    if given is not None:
        path = folder / given
        return _from_yaml(path) if path.suffix.lower() in (".yaml", ".yml") else _from_list(path)
    yamls = [path for path in sorted(folder.glob("*.y*ml")) if _names_classes(path)]
    if len(yamls) > 1:
        raise UserError(f"data.names: {yamls[0].name} and {yamls[1].name} both name classes; choose one")
    if yamls:
        return _from_yaml(yamls[0])
    lists = [
        path for name in LISTS for path in sorted([*folder.glob(name), *folder.glob(f"labels/**/{name}")])
    ]
    if len({path.read_bytes() for path in lists}) > 1:
        raise UserError(
            f"data.names: {lists[0]} and {lists[1]} do not name the same classes; choose one with data.names"
        )
    return _from_list(lists[0]) if lists else About()


def _loaded(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(
            f"data.names={path}: cannot be read ({' '.join(str(error).split())[:200]})"
        ) from error


def _names_classes(path: Path) -> bool:
    try:
        found = _loaded(path)
    except UserError:
        return False
    return isinstance(found, dict) and "names" in found


def _from_list(path: Path) -> About:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"data.names={path}: cannot be read as a list of names ({error})") from error
    return About(path, tuple(line.strip() for line in lines if line.strip()))


def _from_yaml(path: Path) -> About:
    about = _loaded(path)
    names = about.get("names") if isinstance(about, dict) else None
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"{path}: has no names of classes, as a list or as 0: name, 1: name, ...")
    if isinstance(about.get("nc"), int) and about["nc"] != len(names):
        raise UserError(f"{path}: nc is {about['nc']}, but there are {len(names)} names; correct one")
    within = str(about.get("path") or "")
    splits: dict[Split, list[str]] = {}
    for split in SPLITS:
        given = about.get(split) or (about.get("valid") if split == "val" else None)
        if given:
            paths = given if isinstance(given, list) else [given]
            splits[split] = [f"{within}/{one}" if within else str(one) for one in paths]
    return About(path, tuple(map(str, names)), splits, "kpt_shape" in about)
