"""Paths that stand on a command line without a key, as in `ganatomy index runs/`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def keyed(words: Sequence[str], key: str, several: bool = False) -> list[str]:
    """Return the words of a command line in which the paths at its beginning are the value of a key.

    Args:
        words: Words after the command.
        key: Key that takes the paths.
        several: Paths make a list; otherwise one path is taken.

    Example:
        >>> keyed(["my runs", "top=3"], "runs")
        ['runs="my runs"', 'top=3']
        >>> keyed(["a", "b"], "runs", several=True)
        ['runs=["a","b"]']
    """
    count = 0
    while count < len(words) and _is_path(words[count]):
        count += 1
    count = count if several else min(count, 1)
    if not count:
        return list(words)
    paths = [quoted(word) for word in words[:count]]
    return [f"{key}=[{','.join(paths)}]" if several else f"{key}={paths[0]}", *words[count:]]


def _is_path(word: str) -> bool:
    if word.startswith(("-", "+")) or (word.startswith("~") and not word.startswith("~/")):
        return False
    return "=" not in word or Path(word).exists()  # names of runs may have an =


def quoted(text: str) -> str:
    r"""Return a text as Hydra reads it back, whatever its characters.

    Example:
        >>> quoted('a "b"')
        '"a \\"b\\""'
    """
    escaped = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), text)
    return f'"{escaped.replace("${", chr(92) + "${")}"'
