"""Channels and classes from dataset.json, as written by the Medical Segmentation Decathlon and nnU-Net."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganatomy.errors import UserError


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


def classes_of(labels: dict[str, Any], path: Path) -> tuple[str, ...]:
    """Return the names of the values 0, 1, 2, ... nnU-Net writes name: value, the Decathlon value: name.

    Raises UserError for regions, the ignore label, and gaps between the values.
    """
    swapped = all(str(key).strip().isdigit() for key in labels)
    pairs = [(value, key) if swapped else (key, value) for key, value in labels.items()]
    names: dict[int, str] = {}
    for name, value in pairs:
        if isinstance(value, list):
            raise UserError(
                f"{path}: label {name} is a region, the values {value}: regions are not supported; give "
                "each value its own name"
            )
        if str(name).strip().lower() == "ignore":
            raise UserError(
                f"{path}: label {name} ({value}) marks voxels to leave out of loss and scores, which is not "
                "supported; remove the label from dataset.json and the value from the masks"
            )
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{path}: label {name} has the value {value}, which is not a whole number"
            ) from error
        if number in names:
            raise UserError(f"{path}: labels {names[number]} and {name} have the same value, {number}")
        names[number] = str(name)
    if sorted(names) != list(range(len(names))):
        raise UserError(
            f"{path}: label values {sorted(names)} are not 0, 1, 2, ...; with data=folder, "
            f"data.label_values={sorted(names)} defines them"
        )
    return tuple(names[value] for value in sorted(names))
