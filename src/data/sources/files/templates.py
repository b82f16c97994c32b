"""File name templates of words in braces and wildcards: masks/{stem}_*.png."""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter

from ganatomy.data.io.readers import sifted, stem
from ganatomy.errors import UserError

WILD = "*?["
TOKENS = re.compile(r"(\*\*/|\*|\?|\[!?\]?[^\]]*\])")
CONTINUES = r"[^\W_]"
"""A letter or a digit, which would continue the word next to it."""


@dataclass(frozen=True)
class Template:
    """A path template with the words of an image in braces.

    A word matches as a whole: next to a wildcard, no letter or digit may continue it, so that {stem}* of
    case_1 does not match case_10.

    Attributes:
        text: the template.
        key: the setting it comes from, for messages.
    """

    text: str
    key: str

    @property
    def wild(self) -> bool:
        """Return True if it may match several files."""
        try:
            return any(letter in literal for literal, *_ in Formatter().parse(self.text) for letter in WILD)
        except ValueError:
            return False  # `filled` raises the error

    def filled(self, words: Mapping[str, str]) -> str:
        """Return the text with the words filled in. Raises UserError for an unknown word."""
        try:
            return self.text.format(**words)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            wrong = f"no such word {error.args[0]}" if type(error) is KeyError else "its braces hold no word"
            raise UserError(
                f"data.{self.key}={self.text}: {wrong}; there are {{{'}, {'.join(words)}}}"
            ) from error

    def parts(self, words: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return pairs of a literal and the word after it; the last word may be empty."""
        found = []
        for literal, name, spec, how in Formatter().parse(self.text):
            field = (
                "" if name is None else f"{{{name}{'!' + how if how else ''}{':' + spec if spec else ''}}}"
            )
            found.append((literal, Template(field, self.key).filled(words)))
        return found

    def words(self, words: Mapping[str, str]) -> tuple[str, ...]:
        """Return the words that it contains."""
        return tuple(word for _, word in self.parts(words))

    def found(self, folder: Path, words: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """Return files below `folder`, sorted: those of the image, and those that only begin or end like it.

        Without a wildcard it is one file, also if it does not exist, so that messages can name it.
        """
        whole = self.filled(words)
        if not self.wild:
            return [whole], []
        parts = self.parts(words)
        pattern = "".join(literal + glob.escape(word) for literal, word in parts)
        files = [path.relative_to(folder).as_posix() for path in visible(folder, pattern)]
        exact = re.compile(_expression(parts))
        return [f for f in files if exact.fullmatch(f)], [f for f in files if not exact.fullmatch(f)]

    def groups(self, folder: Path, words: Sequence[Mapping[str, str]]) -> list[list[str]]:
        """Return all files below `folder` that it may mean, whatever the words; those of one case together.

        Args:
            folder: the folder that the paths are relative to.
            words: words of images, which say how many folders a word may stand for.
        """
        shapes: dict[str, re.Pattern[str]] = {}
        for each in words:
            parts = _below(self.parts(each))
            pattern, expression = "", ""
            for literal, word in parts:
                stars = "/".join("*" for _ in word.split("/")) if word else ""
                for piece in (literal, stars):
                    pattern += piece.lstrip("*") if pattern.endswith("*") and piece != "**/" else piece
                expression += "".join(map(_token, filter(None, TOKENS.split(literal))))
                expression += "(" + stars.replace("*", "[^/]+?") + ")" if word else ""
            shapes.setdefault(pattern, re.compile(expression))
        found: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for pattern, expression_of in shapes.items():
            if ".." in pattern.split("/"):
                continue
            for path in sifted(visible(folder, pattern))[0]:
                file = path.relative_to(folder).as_posix()
                match = expression_of.fullmatch(file)
                if match is not None and self.wild and match.groups():
                    found[match.groups()].append(file)
                elif match is not None:
                    found[file,].append(file)
        return list(found.values())

    def everything(self, words: Mapping[str, str]) -> str:
        """Return a pattern that matches the files of all images."""
        text = ""
        for literal, word in self.parts(words):
            text += literal.lstrip("*") if text.endswith("*") else literal
            text += "*" if word and not text.endswith("*") else ""
        return text


def words_of(path: str, match: str | None = None, others: str = "") -> dict[str, str]:
    """Return the words of a file below the root, by its path, and the named groups of `match`.

    Args:
        path: the file, with slashes.
        match: a regular expression that is searched in the path; None for no groups.
        others: keys that would leave a file out, for the message.

    Raises:
        UserError: `match` is no regular expression, or does not match.
    """
    file = PurePosixPath(path)
    words = {"path": path, "stem": stem(path), "name": file.name}
    words |= {"folder": file.parent.as_posix(), "parent": file.parent.name, "top": file.parts[0]}
    if match is None:
        return words
    try:
        found = re.search(match, path)
    except re.error as error:
        raise UserError(f"data.match={match}: is not a regular expression ({error})") from error
    if found is None:
        raise UserError(f"data.match={match}: does not match {path}; correct it{others}")
    return words | {key: value or "" for key, value in found.groupdict().items()}


def subject_of(words: Mapping[str, str], template: str | None, otherwise: str) -> str:
    """Return the subject that a template names.

    Args:
        words: What the words in braces stand for, of one image.
        template: `data.subject`; None: not given.
        otherwise: The subject without a template.
    """
    return Template(template, "subject").filled(words).lstrip("./") if template else otherwise


def _expression(parts: Sequence[tuple[str, str]]) -> str:
    """Return a regular expression for the whole path."""
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
    """Return the parts without the ./ of files in the root itself."""
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
    """Return the matching paths, sorted, without macOS companion files (._name)."""
    return sorted(path for path in globbed(folder, pattern) if not path.name.startswith("._"))


def globbed(folder: Path, pattern: str) -> list[Path]:
    """Return the matching paths below a folder. Raises UserError for an invalid pattern."""
    try:
        return list(folder.glob(pattern))
    except (ValueError, NotImplementedError, IndexError) as error:
        raise UserError(
            f"{pattern or '(empty)'}: is not a pattern of files below data.root={folder}; write it without a "
            "leading /, and ** only between slashes, such as images/*.png or **/*.png"
        ) from error


def owned(files: Sequence[Sequence[str]], words: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Return the files of each image, without those that match more words of another image.

    a_b_mask.png belongs to a_b, not to a.
    """
    claims: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(files):
        for file in each:
            claims[file].append(place)
    released: set[tuple[int, str]] = set()
    for file, places in claims.items():
        best = max((words[place] for place in places), key=lambda texts: sum(map(len, texts)))
        released |= {
            (place, file) for place in places if words[place] != best and _within(words[place], best)
        }
    return [[file for file in each if (place, file) not in released] for place, each in enumerate(files)]


def _within(words: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return all(word in other for word, other in zip(words, others, strict=True))
