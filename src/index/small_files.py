"""Reading of a run's small files, which may be damaged, half-written or of another program."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ganatomy.runs.integrity.checksums import Damaged, Known, read_checksums, sha256
from ganatomy.runs.integrity.restore import COPIED, COPIES

LARGEST = 8_000_000
"""Bytes from which on a file is not read: those of a run are far smaller."""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reader in C where PyYAML has it, eight times as fast: an index reads thousands of files."""
DEEPEST = 100
"""Levels of a YAML file at most. PyYAML 6.0.3 in C ends the process at some thousands (no RecursionError)."""


@dataclass
class SmallFiles:
    """Files of one run.

    Attributes:
        run: Run directory.
        faults: A line for each file that is not as it was written.
    """

    run: Path
    faults: list[str] = field(default_factory=list)
    _known: Known | None = None

    def __post_init__(self) -> None:
        with contextlib.suppress(Damaged, OSError):
            self._known = read_checksums(self.run)

    @property
    def has_checksums(self) -> bool:
        """True if the run is of a version that writes checksums, and holds a lock as long as it lives."""
        return self._known is not None

    def read(self, name: str) -> dict[str, Any]:
        """Return the keys of a JSON or YAML file; none, and a fault, if it cannot be used.

        A damaged file of those that have a copy is read from it; the fault is told all the same.
        """
        content, fault = self._checked(name)
        if fault and name in COPIED:
            copy, damaged = self._checked(f"{COPIES}/{name}")
            if not damaged:
                self.faults.append(f"{name} {fault}; read from its copy")
                return copy
        if fault:
            self.faults.append(f"{name} {fault}")
        return content

    def _checked(self, name: str) -> tuple[dict[str, Any], str]:
        """Return the content of a file, and why it is not as it was written; empty if it is."""
        path = self.run / name
        try:
            if not path.is_file():
                return {}, "is missing" if not path.exists() else "is no file"
            if path.stat().st_size > LARGEST:
                return {}, f"is larger than {LARGEST // 1_000_000} MB"
            data = path.read_bytes()
        except OSError as error:
            return {}, f"cannot be read ({error.strerror})"
        content, fault = parsed(name, data)
        accepted = (self._known or {}).get(name, ())
        changed = bool(accepted) and sha256(data) not in accepted
        return content, fault or ("was changed since the run wrote it" if changed else "")


def parsed(name: str, data: bytes) -> tuple[dict[str, Any], str]:
    """Return the keys of a file's content, and why there are none; empty if there are.

    Args:
        name: Name of the file, whose ending says what it holds.
        data: Its content.
    """
    if not data.strip():
        return {}, "is empty"
    try:
        text = data.decode("utf-8")
        value = _yaml(text) if name.endswith(".yaml") else json.loads(text)
    except (ValueError, TypeError, AttributeError, RecursionError, MemoryError, yaml.YAMLError):
        return {}, f"is no {'YAML' if name.endswith('.yaml') else 'JSON'}"
    if not isinstance(value, dict):
        return {}, "holds no keys"
    return {str(key): item for key, item in value.items()}, ""


def _yaml(text: str) -> Any:
    lines = text.splitlines()
    columns = max(len(line) - len(line.lstrip()) + line.count("-") + line.count("?") for line in lines)
    if text.count("[") + text.count("{") + 2 * columns > DEEPEST:  # else no level can be deeper than that
        level = 0
        for event in yaml.parse(text, LOADER):
            level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if level > DEEPEST:
                raise ValueError("too deep")
    return yaml.load(text, LOADER)


def section(node: Any, *path: str) -> dict[str, Any]:
    """Return a section by its path; an empty one where something else stands."""
    for part in path:
        node = node.get(part) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def text_of(value: Any) -> str:
    """Return a short value as text; empty for a section, a list or nothing."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def number_of(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if abs(float(value)) < float("inf") else None
    except OverflowError:
        return None
