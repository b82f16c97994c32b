"""Names of cases after their files, and which files are channels of one case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ganatomy.data.io.readers import suffix

CHANNEL = re.compile(r"(.+)_(\d{4})")
"""Stem of a file with one channel of a case, numbered from 0000 (nnU-Net's layout)."""


def channel_groups(found: Sequence[str], channels: int) -> list[list[str]]:
    """Return the files of each case: one, or CASE_0000, CASE_0001, ... where each holds one channel."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in found:
        if not (match := CHANNEL.fullmatch(without_suffix(name))):
            return [[one] for one in found]
        groups.setdefault((match[1], suffix(name)), []).append(name)
    numbered = all(len(files) == channels for files in groups.values())
    return list(groups.values()) if channels > 1 and numbered else [[one] for one in found]


def without_suffix(name: str, numbered: bool = False) -> str:
    """Return a path without its extension, and without the number of its channel if it has one."""
    plain = name[: len(name) - len(suffix(name))]
    match = CHANNEL.fullmatch(plain) if numbered else None
    return match[1] if match else plain


def unique(paths: Sequence[str]) -> list[str]:
    """Return a name for each path without its extension; equal ones are numbered from the second on."""
    flat = [path.replace("/", "_") for path in paths]
    taken, names = Counter(flat), []
    for place, name in enumerate(flat):
        count = flat[: place + 1].count(name) if taken[name] > 1 else 1
        while count > 1 and taken[f"{name}-{count}"]:
            count += 1
        names.append(name if count == 1 else f"{name}-{count}")
        taken[names[-1]] += 1
    return names
