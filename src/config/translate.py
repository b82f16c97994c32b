"""Words of a command line before Hydra reads them: by today's keys, and with `resume` by those of the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ganatomy.config.versions import MISSING, get, key_of, words_of_today

_announced: set[str] = set()


def readable(words: Sequence[str], resumes: bool) -> list[str]:
    """Return the words as Hydra shall read them; say on stderr which keys were renamed.

    `resumes`: `resume` is a key of the command. Keys that the resumed run has, and the composition may lack
    (`data.root` without data=folder), are then added; `resolve_config` decides on them.
    """
    known, lines = words_of_today(words)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    _announced.update(lines)
    runs = [word.partition("=")[2].strip("'\"") for word in known if key_of(word) == "resume"]
    if not resumes or not runs or runs[-1] in ("", "null"):
        return known
    from ganatomy.config.resolve import load

    own = load(Path(runs[-1]).expanduser())
    return [_added(word, key_of(word), own) for word in known]


def announce(lines: Iterable[str]) -> None:
    """Write each line about an old name to stderr, once a command whatever is read again."""
    for line in lines:
        if line not in _announced and "GANATOMY_LAUNCH" not in os.environ:  # its parent has said it
            sys.stderr.write(f"{line}\n")
        _announced.add(line)


def _added(word: str, key: str, own: dict[str, object]) -> str:
    """Return the word so that it adds its key; one without a dot may choose a file, such as trainer=ddp."""
    new = "." in key and not word.startswith(("+", "~")) and get(own, key, MISSING) is not MISSING
    return f"++{word}" if new else word
