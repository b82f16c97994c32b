"""Overrides that Hydra cannot read: what is wrong with them, and what to type instead."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from ganatomy.config.locations import CONF
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError

BASES = {"data": ("common",)}
"""Files of a group that others build on; they cannot be chosen themselves."""
INLINE = re.compile(r"[\w.]+=\{.*\b_target_\b.*\}", re.DOTALL)


def trouble(words: Sequence[str]) -> str:
    """Name what is wrong with the first word that is not `key=value` or no choice of a group; else empty."""
    return next((line for word in _without_flags(words) if (line := _wrong(word))), "")


def _without_flags(words: Sequence[str]) -> list[str]:
    """Drop flags, and the values that follow them: `--config-dir mine`, not `--config-dir=mine`."""
    from hydra._internal.utils import get_args_parser

    takers = {
        flag
        for action in get_args_parser()._actions
        if action.nargs is None and action.option_strings
        for flag in action.option_strings
    }
    pairs = zip(["", *words], words, strict=False)
    return [word for before, word in pairs if not word.startswith("-") and before not in takers]


def _wrong(word: str) -> str:
    key, equals, value = word.partition("=")
    name = key.lstrip("+~")
    if not equals and key.startswith("~"):
        return ""
    if not equals:
        return _no_value(word)
    if not name.strip() or name != name.strip():
        return f"{shlex.quote(word)}: write key=value, without blanks around the ="
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException as error:
        return _unreadable(key, value, str(error))
    if override.is_sweep_override():
        return ""
    choice = override.value()
    if not (CONF / name).is_dir() or key.startswith("~") or "." in name:
        return ""
    if not isinstance(choice, str) or choice in BASES.get(name, ()):
        return no_choice(name, value)
    return ""


def no_choice(group: str, choice: str, options: Sequence[str] = ()) -> str:
    """Return the line for a choice that a group does not have.

    Args:
        group: Group of conf/.
        choice: The unknown choice.
        options: Choices of the group; empty takes those of conf/.
    """
    known = [name for name in options or choices(group) if name not in BASES.get(group, ())]
    if choice in BASES.get(group, ()):
        return f"{group}={choice}: is a part of others and no choice; choose from {', '.join(known)}"
    close = "; did you mean 'none'?" if choice == "null" and "none" in known else nearest(choice, known)
    return f"{group}={choice}: no such choice{close or '; choose from ' + ', '.join(known)}"


def refuse_bases() -> None:
    """Raise UserError for the choice of a file that others build on."""
    from hydra.core.hydra_config import HydraConfig

    for group, names in BASES.items():
        if (choice := HydraConfig.get().runtime.choices.get(group)) in names:
            raise UserError(no_choice(group, str(choice)))


def choices(group: str, folder: str = "") -> list[str]:
    """Return the choices of a group in conf/ and, where `--config-dir` names one, in that folder."""
    roots = [CONF, Path(folder)] if folder else [CONF]
    files = {file.stem for root in roots for file in (root / group).glob("*.yaml")}
    return sorted(files - set(BASES.get(group, ())))


def _no_value(word: str) -> str:
    name, colon, value = word.partition(":")
    if colon and re.fullmatch(r"[\w./]+", name):
        return f"{word}: is missing its =; type {shlex.quote(f'{name}={value.strip()}')}"
    if (CONF / word).is_dir():
        return f"{word}: is missing its value; type {word}=..., one of {', '.join(choices(word))}"
    return f"{shlex.quote(word)}: is not of the form key=value; type it without blanks around the ="


def _unreadable(key: str, value: str, why: str) -> str:
    """Return the line for a value that Hydra cannot read, with the word to type instead."""
    if not re.fullmatch(r"[+~]{0,2}[\w./@:$-]+", key):
        return f"{shlex.quote(key)}: is no key; keys are names with dots, such as data.root"
    if value[:1] in ("[", "{") and (inner := _listed(value)) and reads(f"{key}={inner}"):
        return f"{key}: quote the texts in the brackets; type {shlex.quote(f'{key}={inner}')}"
    if value[:1] in ("[", "{") and (value.count('"') % 2 or value.count("'") % 2):
        return f"{key}: in {value} a quote is never closed"
    if (value[:1] == "[" and "]" not in value) or re.match(r"\{\s*\w+\s*:(?!.*\})", value):
        return f"{key}: the {value[0]} is never closed; type it whole, in quotes: '{key}={value}...'"
    if value.startswith(('"', "'")):  # opened, and not closed where it should be
        value = value.strip("\"'")
    if re.match(r"\{\s*\w+\s*:", value):
        return f"{key}: cannot be read ({_short(why)}); in braces quote every text that is no plain word"
    quoted = f'{key}="{_escaped(value)}"'
    if reads(quoted, value):
        return f"{key}: {value} contains characters that must be quoted; type {shlex.quote(quoted)}"
    return f"{key}: {value} cannot be read ({_short(why)})"


def _listed(value: str) -> str:
    """Return a list of plain texts with each in quotes; empty for anything else."""
    if not (value.startswith("[") and value.endswith("]")) or any(letter in value for letter in "\"'{"):
        return ""
    texts = [text.strip() for text in value[1:-1].split(",")]
    plain = [text if re.fullmatch(r"[\w.+-]+", text) else f'"{_escaped(text)}"' for text in texts]
    return f"[{','.join(plain)}]"


def reads(word: str, value: str | None = None) -> bool:
    """Return True if Hydra reads this word and, where one is given, as this value."""
    try:
        found = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return False
    return value is None or found == value


def _escaped(text: str) -> str:
    """Escape a text for double quotes; backslashes are escaped only before a quote."""
    return re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), text)


def _short(why: str) -> str:
    return " ".join(why.split()).partition(" See https")[0][:120]


def replacing(words: Sequence[str], standing: Callable[[Sequence[str]], Mapping[str, Any]]) -> list[str]:
    """Have `key={_target_: other, ...}` replace a section of another class instead of joining its keys.

    Args:
        words: Overrides.
        standing: Gives the configuration that the other words compose to; called only if it is needed.

    Returns:
        The overrides, with `key=null` before each that replaces.
    """
    inline = [word for word in words if INLINE.fullmatch(word)]
    if not inline:
        return list(words)
    others = [word for word in words if word not in inline and "=" in word and not word.startswith("-")]
    plain = standing(others) or standing([])
    return [part for word in words for part in (_cleared(word, plain) if word in inline else [word])]


def _cleared(word: str, plain: Mapping[str, Any]) -> list[str]:
    key = word.partition("=")[0]
    node: Any = plain
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    value = OverridesParser.create().parse_override(word).value() if reads(word) else None
    given = value.list if isinstance(value, ChoiceSweep) else [value]
    targets = {str(one.get("_target_")) if isinstance(one, Mapping) else "" for one in given}
    if not isinstance(node, Mapping) or targets <= {"", str(node.get("_target_"))}:
        return [word]
    return [f"{key}=null", f"+{word}"]
