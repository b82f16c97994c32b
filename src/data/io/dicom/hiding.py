"""Take names out of messages: paths of DICOM files, and values that libraries quote from their headers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

QUOTED = re.compile(r"""('data\.[^']*')|(?<!\w)(['"]).*?\2(?!\w)""")
"""Text in quotes; advice such as 'data.image="**/*"' is matched as a group and stays."""

CASE = "\0"
"""Stands for the case until all names are out."""


def without_names(text: str, paths: Sequence[Path], root: Path, case: str) -> str:
    """Return a message with the case in place of its files, and without quoted values.

    Args:
        text: The message.
        paths: Files of the case.
        root: Folder of the data set; the names of files and folders below it are taken out too.
        case: Name of the case.
    """
    below = [path.relative_to(root) for path in paths if path.is_relative_to(root)]
    places = [place for path in below for place in (path, path.parent) if place != Path()]
    parts = {part for path in below for part in (*path.parts, path.stem) if len(part) > 1}
    for whole in sorted((str(root / place) for place in places), key=len, reverse=True):
        text = text.replace(whole, CASE)
    text = QUOTED.sub(lambda found: found[1] or "…", text)
    text = _replaced(text, {place.as_posix() for place in places} - parts, CASE)
    return _replaced(text, parts, "…").replace(CASE, case)


def _replaced(text: str, words: Collection[str], by: str) -> str:
    """Return the text with other words, where they stand alone; single letters stay."""
    for word in sorted(words, key=len, reverse=True):
        if len(word) > 1:
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", by, text)
    return text
