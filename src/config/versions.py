"""Configurations of other versions, read by the tables in `renamed`: to the first names, and to today's.

The first names keep hashes (`experiments.fingerprint`); today's open the runs, files and words of earlier
versions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ganatomy.config import renamed
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.config.section import Plain

TARGET = re.compile(r"(\b_target_[\"']?\s*[:=]\s*[\"']?)([\w.]+)")
"""A class in a word of the command line or in the text of a file."""
MISSING = object()
PLAYERS = ("model.generator", "model.discriminator")


def as_first(plain: Plain) -> Plain:
    """Return the configuration as 062eb33 would have written it: old names, no key at its first default."""
    first: Plain = _copied(plain, class_of_first)
    for key, default in renamed.added(*(get(plain, f"{s}._target_") for s in ("task", "data"))).items():
        if get(first, key, default) == default:
            _take(first, key)
    for section in renamed.ADDED_SECTIONS:
        if first.get(section) == {}:
            del first[section]
    for new, old in renamed.MOVED_KEYS.items():
        if not is_kept(plain, new, old):
            _move(first, new, old)
    return first


def as_today(plain: Plain, takes: Callable[[Plain, str], bool] | None = None) -> Plain:
    """Return a configuration of an earlier version by today's names.

    `takes(section, key)` tells if a section's class has such a parameter. Where it is given, keys that were
    added since get their first default in the sections that take them.
    """
    today: Plain = _copied(plain, class_of_today)
    for new, old in renamed.MOVED_KEYS.items():
        there = get(today, old, MISSING) is not MISSING
        already = _below(new, old) and get(today, new, MISSING) is not MISSING
        if there and not already and not is_kept(today, old, new):
            _move(today, old, new)
    for section in renamed.ADDED_SECTIONS if takes else ():
        today.setdefault(section, {})
    later = renamed.added(*(get(today, f"{section}._target_") for section in ("task", "data")))
    for key, default in later.items() if takes else ():
        section, _, leaf = key.rpartition(".")
        node = get(today, section)
        if not isinstance(node, dict) or (section in PLAYERS and "_target_" not in node):
            continue  # or a player of several networks, whose classes have the first default
        if leaf not in node and takes and takes(node, leaf):
            node[leaf] = default
    return today


def file_of_today(plain: Plain, package: str, classes: Callable[[], Plain] = dict) -> tuple[Plain, list[str]]:
    """Rename the old names in a YAML file of the user's own.

    Args:
        plain: Content of the file.
        package: Dotted key below which Hydra puts the content; empty for the top.
        classes: Gives the sections of the files that the file builds on, with their classes; called only if
            an old key is given.

    Returns:
        The content by today's names, and a line for each old name in it. A key that left the package stays as
        it is; `as_today` moves it after the composition.

    Raises:
        UserError: A key is given by its old and by its new name.
    """
    lines: list[str] = []

    def rename(target: str) -> str:
        today = class_of_today(target)
        lines.extend([line_of(target, today)] if today != target else [])
        return today

    whole: Plain = {}
    put(whole, package, _copied(plain, rename))
    for new, old in renamed.MOVED_KEYS.items():
        inside = not package or (_below(new, package) and _below(old, package))
        given, both = (get(whole, key, MISSING) is not MISSING for key in (old, new))
        kept = not inside or not given or is_kept(whole, old, new) or is_kept(classes(), old, new)
        if kept or (both and _below(new, old)):
            continue
        if both:
            raise twice(old, new)
        _move(whole, old, new)
        lines.append(line_of(old, new))
    return get(whole, package, {}), lines


def values_of_today(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return values by dotted key with today's keys, and a line for each old one.

    Raises UserError for a key that is given by its old and by its new name.
    """
    today: dict[str, Any] = {}
    lines = []
    for key, value in values.items():
        if (moved := key_of_today(key)) != key:
            if moved in values:
                raise twice(key, moved)
            lines.append(line_of(key, moved))
        today[moved] = value
    return today, lines


def text_of_first(text: str) -> str:
    """Return the text of a file by the first names, for a hash that a renaming leaves alone."""
    for new in sorted(renamed.MOVED_KEYS, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.]){re.escape(new)}(?=[=:.])", renamed.MOVED_KEYS[new], text)
    return TARGET.sub(lambda m: m[1] + class_of_first(m[2]), text)


def key_of_today(key: str) -> str:
    """Return today's name of a dotted key."""
    return _today(key, renamed.MOVED_KEYS)


def class_of_today(target: str) -> str:
    """Return today's dotted name of a class."""
    return _today(target, renamed.MOVED_CLASSES)


def class_of_first(target: str) -> str:
    """Return the dotted name that a class had in 062eb33."""
    return _renamed(target, renamed.MOVED_CLASSES.items())


def get(plain: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return the value of a dotted key; the whole for an empty key."""
    node: Any = plain
    for part in key.split(".") if key else ():
        if not isinstance(node, Mapping) or part not in node:
            return default
        node = node[part]
    return node


def line_of(old: str, new: str) -> str:
    """Return the line that announces a new name."""
    return f"{old}: renamed to {new}"


def twice(old: str, new: str) -> UserError:
    """Return the error for a key that is given by both names."""
    return UserError(f"{old}: is called {new} now, which is given too; leave {old} out")


def keeps(section: Mapping[str, Any], key: str, old: str, new: str) -> bool:
    """Return True if a section keeps an old name: its class is the user's own and has such a parameter.

    Args:
        section: The section with the class, if it has one.
        key: Dotted key of the section, for messages.
        old: The old name of a parameter.
        new: Today's name of it.
    """
    target = section.get("_target_")
    if not isinstance(target, str) or _below(target, "ganatomy") or _below(target, "src"):
        return False
    from ganatomy.config.targets import parameters_of, resolve
    from ganatomy.data.datamodule import DataModule

    try:
        taken = parameters_of(resolve(section, key))
    except UserError:  # refused or broken: said where the class is used
        return True
    ours = key == "data" and new in parameters_of(DataModule)  # beside the keys of the source
    passes_on = any(one.kind is one.VAR_KEYWORD for one in taken.values())
    return old in taken or not (new in taken or passes_on or ours)


def is_kept(plain: Mapping[str, Any], old: str, new: str) -> bool:
    """Return True if the class of the innermost section around an old key keeps its name."""
    key, below = old, ""
    while key:
        key, _, part = key.rpartition(".")
        below = f"{part}.{below}" if below else part
        section = get(plain, key)
        if isinstance(section, Mapping) and "_target_" in section:
            inside = new.removeprefix(f"{key}.")
            return keeps(section, key, below.partition(".")[0], inside.partition(".")[0])
    return False


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _today(name: str, moved: Mapping[str, str]) -> str:
    """Return today's name of one that is of 062eb33, or of today already."""
    known = max((len(new) for new in moved if _below(name, new)), default=-1)
    return _renamed(name, ((old, new) for new, old in moved.items() if len(old) > known))


def _renamed(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Replace the longest of the first prefixes that `name` begins with by the second one."""
    fitting = [pair for pair in pairs if _below(name, pair[0])]
    before, after = max(fitting, key=lambda pair: len(pair[0]), default=("", ""))
    return after + name[len(before) :]


def _copied(node: Any, rename: Callable[[str], str]) -> Any:
    """Copy plain values and rename the classes in them."""
    if isinstance(node, Mapping):
        return {
            key: rename(value) if key == "_target_" and isinstance(value, str) else _copied(value, rename)
            for key, value in node.items()
        }
    return [_copied(item, rename) for item in node] if isinstance(node, list) else node


def put(plain: Plain, key: str, value: Any) -> None:
    """Set a dotted key; an empty one stands for the whole."""
    if not key:
        plain.update(value)
        return
    *parents, leaf = key.split(".")
    node = plain
    for part in parents:
        node = node.setdefault(part, {})
    node[leaf] = value


def _take(plain: Plain, key: str) -> list[Any]:
    """Remove a dotted key; return its value in a list, or an empty list where there is no such key."""
    section, _, leaf = key.rpartition(".")
    node = get(plain, section)
    return [node.pop(leaf)] if isinstance(node, dict) and leaf in node else []


def _move(plain: Plain, key: str, other: str) -> None:
    """Give a value its other dotted key; a section that is empty then goes."""
    for value in _take(plain, key):
        while (key := key.rpartition(".")[0]) and get(plain, key) == {}:
            _take(plain, key)
        put(plain, other, value)
