"""Values in experiments/<name>/configuration.yaml: all that the runs rely on, over the defaults of conf/.

A default that changes, or a key that comes later, then changes no run of the experiment and no hash of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ganatomy.config.compose import as_written, is_group, parsed
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.plans.grammar import text_of
from ganatomy.config.renamed import added
from ganatomy.config.section import Section
from ganatomy.config.security.elsewhere import check_references, check_words, checked
from ganatomy.config.translate import announce
from ganatomy.config.versions import get, values_of_today
from ganatomy.errors import UserError
from ganatomy.experiments.spec import RUN

PINNED = "configuration.yaml"
Values = dict[str, Any]
FIXED: Values = {"trainer.precision": "32-true", "trainer.channels_last": False}
"""In place of `auto`, with which the numbers of an experiment would depend on the machine."""


class Block(Section):
    """Values of these arms by dotted key, or group of conf/; a mapping stands in place of what is there."""

    arms: Literal["all"] | list[str]
    values: dict[str, Any]


class Blocks(Section):
    """Content of configuration.yaml."""

    blocks: list[Block] = Field(min_length=1)


class Pinned:
    """Pinned values of each arm; none where there is no such file."""

    def __init__(self, folder: Path, arms: Sequence[str]) -> None:
        self.path = folder / PINNED
        self.known: dict[tuple[str, ...], Values] = {}
        try:
            self.blocks = _read(self.path, arms) if self.path.is_file() else []
        except UserError as error:
            lines = str(error).splitlines()
            raise UserError("\n".join(f"{self.path}: {line}" for line in lines)) from error

    def words(self, arm: str, own: Sequence[str]) -> list[str]:
        """Return the pinned values of an arm as words of `train`, to stand before its `own` words."""
        if not self.blocks:
            return []
        parts = [block.values for block in self.blocks if block.arms == "all" or arm in block.arms]
        values = {key: value for part in parts for key, value in part.items()}
        files = [f"{key}={value}" for key, value in values.items() if is_group(key)]
        there = self._composed([*files, *choices([RUN.sub("RUN", word) for word in own])])
        classes = [values.get(key, get(there, key)) for key in ("task._target_", "data._target_")]
        for key, first in added(*classes).items():
            if get(there, key, there) is not there:
                values.setdefault(key, first)
            elif values.get(key, there) == first:
                del values[key]  # no such key in conf/: that is what the first default stands for
        return [word for key, value in values.items() for word in words_of(key, value)]

    def _composed(self, words: Sequence[str]) -> Values:
        key = tuple(words)
        if key not in self.known:
            self.known[key], _ = as_written(words)
        return self.known[key]


def choices(words: Sequence[str]) -> list[str]:
    """Return the words that choose a file of conf/."""
    return [
        word for word, override in zip(words, parsed(words), strict=True) if is_group(override.key_or_group)
    ]


def words_of(key: str, value: Any) -> list[str]:
    """Return words that set a key to this value, whatever its value was."""
    if isinstance(value, Mapping):
        return [f"{key}=null", f"+{key}={text_of(value)}"]
    return [f"{key}={value}"] if is_group(key) else [f"{key}={text_of(value)}"]


def _of_today(block: Block, path: Path) -> Block:
    """Rename old keys of a block, each with a line for the user."""
    values, lines = values_of_today(block.values)
    announce(f"{line} (in {path})" for line in lines)
    return block.with_values(values=values) if lines else block


def _read(path: Path, arms: Sequence[str]) -> list[Block]:
    content = {"blocks": checked(path).content}
    check_references(content)
    blocks = [_of_today(block, path) for block in Blocks.from_plain(content).blocks]
    for block in blocks:
        check_words(block.values)
        for arm in block.arms if block.arms != "all" else ():
            if arm not in arms:
                raise UserError(f"no arm is called {arm}{nearest(arm, arms)}")
    return blocks
