"""Words of a command line before Hydra reads them: by today's keys, and with `resume` by those of the run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ganatomy.config.versions import (
    MISSING,
    TARGET,
    class_of_today,
    get,
    is_kept,
    key_of_today,
    line_of,
    put,
    twice,
)

Composing = Callable[[Sequence[str]], Mapping[str, Any]]
TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\$\{[^{}]*\}|[{}\[\](),:]|[^{}\[\](),:'"$]+|\$""")
"""A text in quotes, a reference, a sign or a plain text in a word of Hydra's grammar."""

QUOTES = "'\""

_announced: set[str] = set()


class Given(NamedTuple):
    """A dotted key that a word sets, where its last part stands in the word, and its value if it is text."""

    key: str
    start: int
    end: int
    value: str


def readable(words: Sequence[str], resumes: bool, composing: Composing | None = None) -> list[str]:
    """Return the words as Hydra shall read them; say on stderr which keys were renamed.

    Args:
        words: Words of the command line.
        resumes: `resume` is a key of the command. Keys that the resumed run has, and the composition may lack
            (`data.root` without data=folder), are then added; `resolve_config` decides on them.
        composing: Composes words, for the classes of the chosen files.
    """
    runs = [word.partition("=")[2].strip("'\"") for word in words if key_of(word) == "resume"]
    own: dict[str, Any] = {}
    if resumed := resumes and bool(runs) and runs[-1] not in ("", "null"):
        from ganatomy.config.resolve import load

        own = load(Path(runs[-1]).expanduser())
    known, lines = words_of_today(words, (lambda _: own) if resumed else composing)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    _announced.update(lines)
    return [_added(word, key_of(word), own) for word in known] if resumed else known


def announce(lines: Iterable[str]) -> None:
    """Write each line about an old name to stderr, once a command whatever is read again."""
    for line in lines:
        if line not in _announced and "GANATOMY_LAUNCH" not in os.environ:  # its parent has said it
            sys.stderr.write(f"{line}\n")
        _announced.add(line)


def words_of_today(words: Sequence[str], composing: Composing | None = None) -> tuple[list[str], list[str]]:
    """Return words of a command line by today's names, and a line for each old name.

    Args:
        words: Words of the command line.
        composing: Composes words. It is called for the class of a section only if an old key is given.

    Returns:
        The words, and the lines.

    Raises:
        UserError: A key is given by its old and by its new name.
    """
    given = [list(keys_in(word)) for word in words]
    keys = {one.key for found in given for one in found}
    old = {key: moved for key in keys if (moved := key_of_today(key)) != key}
    around = _around(words, given, composing) if old else {}
    moving = {key: new for key, new in old.items() if not is_kept(around, key, new)}
    done, lines = [], []
    for word, found in zip(words, given, strict=True):
        text = word
        for one in reversed(found):  # from the end, so that the places before stay
            if (new := _name(word, one, moving)) is None:
                continue
            if moving[one.key] in keys:
                raise twice(one.key, moving[one.key])
            text = text[: one.start] + new + text[one.end :]
        names = [(one.key, moving[one.key]) for one in found if _name(word, one, moving)]
        targets = [target for _, target in TARGET.findall(word)] if found else []
        names += [(target, class_of_today(target)) for target in targets]
        lines += [line_of(before, after) for before, after in names if before != after]
        done.append(TARGET.sub(lambda m: m[1] + class_of_today(m[2]), text) if found else word)
    return done, lines


def word_of_today(word: str) -> str:
    """Return one word of a command line by today's names."""
    return words_of_today([word])[0][0]


def key_of(word: str) -> str:
    """Return the key that a word of the command line sets or deletes; empty for an option."""
    if word.startswith("-") or ("=" not in word and not word.startswith("~")):
        return ""
    return word.lstrip("+~").partition("=")[0]


def keys_in(word: str) -> Iterator[Given]:
    """Yield the key of a word, whole, and then those inside its value, each by its last part."""
    if not (key := key_of(word)):
        return
    start = word.index(key)
    value = word[start + len(key) + 1 :]
    yield Given(key, start, start + len(key), value.strip("'\" "))
    if value.lstrip().startswith("{"):
        yield from _inside(key, word, start + len(key) + 1)


def _inside(key: str, word: str, begin: int) -> Iterator[Given]:
    """Yield the keys of a dictionary that begins at a place of a word; those in lists are left out."""
    tokens = [m for m in TOKEN.finditer(word, begin) if m[0].strip()]
    path: list[str | None] = []
    leaf: str | None = key
    for number, token in enumerate(tokens):
        sign, after = token[0], tokens[number + 1 :]
        if sign in ("{", "[", "("):
            path.append(leaf if sign == "{" else None)
            leaf = None
        elif sign in ("}", "]", ")"):
            leaf = path.pop() if path else None
        elif after and after[0][0] == ":" and path and path[-1]:
            name = sign.strip()
            leaf = f"{path[-1]}.{name.strip(QUOTES)}"
            start = token.start() + sign.index(name)
            yield Given(leaf, start, start + len(name), after[1][0].strip(f"{QUOTES} ") if after[1:] else "")


def _name(word: str, one: Given, moving: Mapping[str, str]) -> str | None:
    """Return what stands for a key today: whole at the beginning of a word, its last part in a dictionary.

    None for a key that stays. One in a dictionary that went to another section moves after the composition.
    """
    new = moving.get(one.key)
    if new is None or word[one.start : one.end] == one.key:
        return new
    (section, _, leaf), (before, _, old) = new.rpartition("."), one.key.rpartition(".")
    return leaf if section == before and leaf != old else None


def _around(words: Sequence[str], given: Sequence[Sequence[Given]], composing: Composing | None) -> Any:
    """Return the sections around the keys: of the chosen files, with the classes that the words name."""
    chosen = [w for w in words if (k := key_of(w)) and "." not in k and not re.search(r"=.*[,{\[]", w)]
    plain: dict[str, Any] = _sections(composing(chosen)) if composing and chosen else {}
    for one in (one for found in given for one in found if one.key.endswith("._target_")):
        put(plain, one.key, one.value)
    return plain


def _sections(node: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the sections and their classes."""
    inner = {str(key): _sections(value) for key, value in node.items() if isinstance(value, Mapping)}
    return {**inner, **({"_target_": node["_target_"]} if "_target_" in node else {})}


def _added(word: str, key: str, own: dict[str, object]) -> str:
    """Return the word so that it adds its key; one without a dot may choose a file, such as trainer=ddp."""
    new = "." in key and not word.startswith(("+", "~")) and get(own, key, MISSING) is not MISSING
    return f"++{word}" if new else word
