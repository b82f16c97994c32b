"""Channels and classes from dataset.json, as written by the Medical Segmentation Decathlon and nnU-Net."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed


def read_about(folder: Path, root: str) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    """Return the file's content, its channels (by number, or a list) and its labels. Raises UserError."""
    path = folder / "dataset.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(about, dict):
            raise ValueError("is a list")
        names, labels = about.get("channel_names") or about.get("modality"), about.get("labels")
        if isinstance(names, str):
            names = [names]
        if not isinstance(names, dict | list) or not names:
            raise ValueError("has no channel_names, and no modality")
        if not isinstance(labels, dict) or not labels:
            raise ValueError("has no labels")
    except FileNotFoundError as error:
        raise UserError(f"data.root={root}: has no dataset.json; use the source folder") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not a dataset.json of the Decathlon or nnU-Net ({error})") from error
    return about, list(names), labels


def channel_names(about: dict[str, Any]) -> list[str]:
    """Return the names of the channels, in their order; their numbers from 0 where it names none."""
    named = about.get("channel_names") or about.get("modality")
    if isinstance(named, dict):
        numbered = all(str(key).isdigit() for key in named)
        keys = sorted(named, key=int) if numbered else list(named)
        return [str(named[key]) if numbered else str(key) for key in keys]
    return [str(name) for name in ([named] if isinstance(named, str) else named or [])]


def channel_numbers(key: str, wanted: Any, names: Sequence[str]) -> list[int]:
    """Return the channels that a setting names, from 0.

    Args:
        key: The setting, for messages.
        wanted: One channel or several, each by its name, whatever its case, or its number from 0.
        names: Names of all channels.

    Raises:
        UserError: There is no such channel, or several have the name.
    """
    found = []
    for one in [wanted] if isinstance(wanted, str | int) else list(wanted):
        places = [n for n, name in enumerate(names) if name.lower() == str(one).lower()]
        if not places and str(one).isdigit() and int(one) < len(names):
            places = [int(one)]
        if len(places) != 1:
            listed = ", ".join(f"{n} {name}" for n, name in enumerate(names))
            why = "several channels have this name" if places else "no such channel"
            raise UserError(f"data.{key}={one}: {why}; dataset.json has {listed}")
        found += places
    return found


@dataclass(frozen=True)
class Labelled:
    """What the label maps of a dataset.json hold.

    Attributes:
        classes: Names of the values 0, 1, 2, ...
        ignored: Value of the label `ignore`; None without one.
        regions: Values of each region by name; None where labels do not overlap.
        order: `regions_class_order`; None without one.
    """

    classes: tuple[str, ...]
    ignored: int | None = None
    regions: dict[str, list[int]] | None = None
    order: list[int] | None = None


def labels_of(about: dict[str, Any], labels: dict[str, Any], path: Path) -> Labelled:
    """Return the classes, the ignore label and the regions of a dataset.json.

    nnU-Net writes name: value, or name: [values] for a region, the Decathlon value: name. With regions all
    names but the background are regions; a value that is a region by itself is a class of its name.

    Args:
        about: Content of the file.
        labels: Its labels.
        path: The file, for messages.

    Raises:
        UserError: A value is no whole number, is named twice, or is missing between others; or the ignore
            label is not the highest.
    """
    swapped = all(str(key).strip().isdigit() for key in labels)
    pairs = [(str(value), key) if swapped else (str(key), value) for key, value in labels.items()]
    found = {name: _values(name, value, path) for name, value in pairs}
    named = [name for name in found if name.strip().lower() == "ignore"]
    ignored = _ignored(named, found, path)
    for name in named:
        del found[name]
    if not any(isinstance(value, list) for _, value in pairs if not swapped):
        return Labelled(_classes({name: values[0] for name, values in found.items()}, path, ignored), ignored)
    regions = {name: values for name, values in found.items() if values != [0]}
    single = {values[0]: name for name, values in found.items() if len(values) == 1}
    every = sorted({0, *(value for values in found.values() for value in values)})
    classes = _classes({single.get(v, f"label {v}" if v else "background"): v for v in every}, path, ignored)
    order = about.get("regions_class_order")
    if order is not None and not isinstance(order, list):
        raise UserError(
            f"{path}: regions_class_order is {as_typed(order)}; give a list with a value for each region"
        )
    return Labelled(classes, ignored, regions, order)


def _values(name: str, value: Any, path: Path) -> list[int]:
    numbers = []
    for one in value if isinstance(value, list) else [value]:
        try:
            numbers.append(int(one))
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{path}: label {name} has the value {one}, which is not a whole number"
            ) from error
    if not numbers:
        raise UserError(f"{path}: label {name} has no value; give it one, or remove it")
    return sorted(set(numbers))


def _ignored(named: Sequence[str], found: dict[str, list[int]], path: Path) -> int | None:
    """Return the value of the ignore label; None without one. Raises UserError unless it is the highest."""
    if not named:
        return None
    others = [value for name, values in found.items() if name not in named for value in values]
    if len(named) > 1 or len(found[named[0]]) > 1:
        raise UserError(f"{path}: label {named[0]} has several values; nnU-Net allows one ignore label")
    value = found[named[0]][0]
    if value <= max(others, default=0):
        raise UserError(
            f"{path}: label {named[0]} is {value}, and others go up to {max(others)}; nnU-Net wants it to be "
            "the highest; number the labels anew, in the masks too"
        )
    return value


def _classes(values: dict[str, int], path: Path, ignored: int | None) -> tuple[str, ...]:
    """Return the names of the values 0, 1, 2, ...; UserError for gaps, and for two names of one value."""
    names: dict[int, str] = {}
    for name, number in values.items():
        if number in names:
            raise UserError(f"{path}: labels {names[number]} and {name} have the same value, {number}")
        names[number] = name
    if sorted(names) != list(range(len(names))):
        more = "" if ignored is None else f" data.ignore_label={ignored}"
        raise UserError(
            f"{path}: label values {sorted(names)} are not 0, 1, 2, ...; with data=folder, "
            f"data.label_values={sorted(names)}{more} defines them"
        )
    return tuple(names[value] for value in sorted(names))
