"""Words of a command line before Hydra reads them: by today's keys, and with `resume` by those of the run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ganatomy.config.renamed import get, key_of, words_of_today

MISSING = object()


def readable(words: Sequence[str], resumes: bool) -> list[str]:
    """The words as Hydra shall read them; says on stderr which keys were renamed.

    resumes: whether `resume` is a key of the command. Keys that the resumed run has, and the composition may
    lack, are added to that (`data.root` to `data=brain`): `config.settle` says what becomes of them.
    """
    known, lines = words_of_today(words)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    runs = [word.partition("=")[2].strip("'\"") for word in known if key_of(word) == "resume"]
    if not resumes or not runs or runs[-1] in ("", "null"):
        return known
    from ganatomy.config.resolve import load

    own = load(Path(runs[-1]).expanduser())
    return [_added(word, key_of(word), own) for word in known]


def _added(word: str, key: str, own: dict[str, object]) -> str:
    """The word, so that it adds its key; a word without a dot may choose a file, such as trainer=ddp."""
    new = "." in key and not word.startswith(("+", "~")) and get(own, key, MISSING) is not MISSING
    return f"++{word}" if new else word
