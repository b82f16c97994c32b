"""Names of files made of words in braces and wildcards: masks/{stem}_*.png."""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from src.errors import UserError

WILD = "*?["
TOKENS = re.compile(r"(\*\*/|\*|\?|\[!?\]?[^\]]*\])")
CONTINUES = r"[^\W_]"
"""A letter or a digit: what would go on with a name that it stands beside."""


@dataclass(frozen=True)
class Template:
    """`text` with the words of an image in braces. Each word stands whole: beside a wildcard, a letter or
    a digit does not go on with it, so that {stem}* of case_1 is not case_10. key: the setting, for
    messages."""

    text: str
    key: str

    @property
    def wild(self) -> bool:
        """Whether it may name several files."""
        try:
            return any(letter in literal for literal, *_ in Formatter().parse(self.text) for letter in WILD)
        except ValueError:
            return False  # told by `filled`

    def filled(self, words: Mapping[str, str]) -> str:
        """The text with the words. Raises UserError for a word that there is not."""
        try:
            return self.text.format(**words)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            wrong = f"no such word {error.args[0]}" if type(error) is KeyError else "its braces hold no word"
            raise UserError(
                f"data.{self.key}={self.text}: {wrong}; there are {{{'}, {'.join(words)}}}"
            ) from error

    def parts(self, words: Mapping[str, str]) -> list[tuple[str, str]]:
        """(literal, the word after it), to the end, where there is no word."""
        found = []
        for literal, name, spec, how in Formatter().parse(self.text):
            field = (
                "" if name is None else f"{{{name}{'!' + how if how else ''}{':' + spec if spec else ''}}}"
            )
            found.append((literal, Template(field, self.key).filled(words)))
        return found

    def words(self, words: Mapping[str, str]) -> tuple[str, ...]:
        """The words that stand in it."""
        return tuple(word for _, word in self.parts(words))

    def found(self, folder: Path, words: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """Files below `folder`, in order: those of the image, and those that only begin (or end) as they
        would.

        Without a wildcard it is one file, kept even when missing, to be named as such.
        """
        whole = self.filled(words)
        if not self.wild:
            return [whole], []
        parts = self.parts(words)
        pattern = "".join(literal + glob.escape(word) for literal, word in parts)
        files = [path.relative_to(folder).as_posix() for path in visible(folder, pattern)]
        ours = re.compile(_expression(parts))
        return [f for f in files if ours.fullmatch(f)], [f for f in files if not ours.fullmatch(f)]

    def everything(self, words: Mapping[str, str]) -> str:
        """A pattern of the files of all images."""
        text = ""
        for literal, word in self.parts(words):
            text += literal.lstrip("*") if text.endswith("*") else literal
            text += "*" if word and not text.endswith("*") else ""
        return text


def _expression(parts: Sequence[tuple[str, str]]) -> str:
    """A regular expression of the whole path."""
    parts = _below(parts)
    following = [literal for literal, _ in parts[1:]] + [""]
    pieces: list[str] = []
    for (literal, word), after in zip(parts, following, strict=True):
        pieces += map(_token, filter(None, TOKENS.split(literal)))
        if word:
            before = f"(?<!{CONTINUES})" if literal.endswith(("*", "?", "]")) else ""
            behind = f"(?!{CONTINUES})" if after.startswith(tuple(WILD)) else ""
            pieces.append(before + re.escape(word) + behind)
    return "".join(pieces)


def _below(parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parts without the ./ of what lies in the root itself."""
    (literal, word), *rest = parts
    if not literal and word == "." and rest:
        return [(rest[0][0].removeprefix("/"), rest[0][1]), *rest[1:]]
    return [(literal.removeprefix("./"), word), *rest]


def _token(text: str) -> str:
    if text == "**/":
        return "(?:.*/)?"
    if text == "*":
        return "[^/]*"
    if text == "?":
        return "[^/]"
    if TOKENS.fullmatch(text):
        return "[" + text[1:-1].replace("!", "^", 1 if text[1] == "!" else 0).replace("\\", r"\\") + "]"
    return re.escape(text)


def visible(folder: Path, pattern: str) -> list[Path]:
    """What matches, in order; the ._ files that a Mac leaves beside each of its files are passed over."""
    return sorted(path for path in globbed(folder, pattern) if not path.name.startswith("._"))


def globbed(folder: Path, pattern: str) -> list[Path]:
    """What lies below a folder and matches. Raises UserError for what is no pattern of such."""
    try:
        return list(folder.glob(pattern))
    except (ValueError, NotImplementedError, IndexError) as error:
        raise UserError(
            f"{pattern or '(empty)'}: is no pattern of files below data.root={folder}; write it without a "
            "leading /, and ** only between slashes, such as images/*.png or **/*.png"
        ) from error


def owned(files: Sequence[Sequence[str]], words: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """The files of each image, without those that are told by more of another's words: a_b_mask.png is a_b's,
    not a's."""
    claims: dict[str, list[int]] = defaultdict(list)
    for place, mine in enumerate(files):
        for file in mine:
            claims[file].append(place)
    lost: set[tuple[int, str]] = set()
    for file, places in claims.items():
        best = max((words[place] for place in places), key=lambda each: sum(map(len, each)))
        lost |= {(place, file) for place in places if words[place] != best and _within(words[place], best)}
    return [[file for file in mine if (place, file) not in lost] for place, mine in enumerate(files)]


def _within(words: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return all(word in other for word, other in zip(words, others, strict=True))
