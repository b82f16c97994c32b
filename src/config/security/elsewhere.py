"""YAML files that may come from elsewhere: their form, their references, and the keys of Hydra in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ganatomy.errors import UserError
from ganatomy.invocation import secret_in

MOST_BYTES = 5_000_000
MOST_VALUES = 500_000
"""Most values of a file, each alias counted as what it stands for."""
REFERENCE = re.compile(r"\$\{(oc\.select:[\w.]+(,\s*[\w.-]*)?|now:[%\w:. -]*|[\w.\[\]]+)\}")
"""A reference to another key, or the date: nothing of the environment."""
FREE = ("run.dir", "sweep.dir", "sweep.subdir", "sweeper.params", "job.name", "mode")
"""Keys below `hydra` that a file may set: none names a class, a program or a variable of the environment."""


class Checked(NamedTuple):
    """A YAML file of plain values: its text, and its content."""

    text: str
    content: Any


def checked(path: Path) -> Checked:
    """Read a YAML file of plain values.

    UserError, without the file's name, for one that is too large or too deep, expands to too much, gives a
    key twice, or holds tags.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"is larger than {MOST_BYTES // 1_000_000} MB, so it is no configuration")
        text = path.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        node: Any = loader.get_single_node()
        if node is None:
            return Checked(text, None)
        _count(node, {})
        return Checked(text, loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise UserError(f"{line}is no plain YAML ({_short(reason)}); correct it") from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"is no plain YAML ({_short(error)}); correct it") from error
    except RecursionError as error:
        raise UserError("is no plain YAML (nested too deeply); correct it") from error


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node stands for; refuse too many, a node in itself, and a key given twice."""
    if id(node) in known:
        if not known[id(node)]:
            raise UserError(f"line {node.start_mark.line + 1}: a section holds itself; correct it")
        return known[id(node)]
    known[id(node)] = 0
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        inner = [part for pair in node.value for part in pair]
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise UserError(f"line {line}: {key.value} is given twice; take one out")
            seen.add(key.value)
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    total = 1 + sum(_count(part, known) for part in inner)
    if total > MOST_VALUES:
        raise UserError(f"stands for more than {MOST_VALUES} values, so it is no configuration")
    known[id(node)] = total
    return total


def check_references(node: Any, above: str = "") -> None:
    """Refuse `${...}` that reads anything but keys of the configuration.

    UserError names the key; `above` is the key of `node` itself.
    """
    for key, text in texts(node, above):
        if "${" in REFERENCE.sub("", text):
            raise UserError(
                f"{key}: {_short(text)} may read the environment, which a file from elsewhere must not; "
                "write the value itself, or type it on the command line"
            )


def refuse_references(node: Any) -> None:
    """Refuse `${` that is still there when all references are resolved; it would be resolved later."""
    for key, text in texts(node):
        if "${" in text:
            raise UserError(f"{key}: {_short(text)} becomes a reference; write the value itself")


def check_hydra(words: Iterable[str]) -> None:
    """Refuse overrides of a file that set a key of Hydra."""
    for word in words:
        if re.match(r"[+~\s]*hydra\b", word):
            raise UserError(f"{_short(word)}: keys of hydra are typed, no file holds any; take it out")


def check_words(words: Iterable[str]) -> None:
    """Refuse overrides of a file that set a key of Hydra or read the environment."""
    for word in words:
        check_hydra([word])
        check_references(word, word.partition("=")[0])


def check_secrets(plain: Mapping[str, Any]) -> None:
    """Refuse a configuration that holds the value of a secret variable, as it is written to a file."""
    for key, text in texts(plain):
        if name := secret_in(text):
            raise UserError(
                f"{key}: holds the value of {name}, which would be written into config.yaml; "
                f"let the program that needs {name} read it"
            )


def check_file(content: Mapping[Any, Any], package: str, config_path: str) -> None:
    """Check a file of a folder of the user's own (`--config-dir`), which may come from elsewhere.

    Args:
        content: Content of the file.
        package: Dotted key below which Hydra puts it; empty for the top.
        config_path: Its place in the folder.

    Raises:
        UserError: It sets a key of Hydra that can run code, or the program that a sweep starts, or it is an
            experiment or a sweep that reads the environment.
    """
    group, _, name = config_path.removesuffix(".yaml").rpartition("/")
    place = package.replace("_name_", name).replace("_group_", group.replace("/", ".")).split(".")
    keys = {str(key): value for key, value in content.items() if key != "defaults"}
    inside = "hydra" in place
    below = ".".join(place[place.index("hydra") + 1 :]) if inside else ""
    ours = _dotted(keys if inside else keys.get("hydra"), below)
    for key in (*ours, *_defaults(content.get("defaults"))):
        if not key.startswith(FREE) or "hydra" in key:
            raise UserError(f"hydra.{key}: is typed on the command line, no file gives it; take it out")
    if isinstance(keys.get("launch"), str):
        raise UserError("launch: starts a program, so it is typed on the command line; take it out")
    if re.search(r"^(?!sqlite).*:|\$", str(keys.get("storage", ""))):
        raise UserError(
            "storage: connects to another machine, so it is typed on the command line; take it out"
        )
    for key in ("resume", "resume_force"):
        if not place[-1] and keys.get(key):
            raise UserError(f"{key}: is typed on the command line, no file gives it; take it out")
    if config_path.startswith(("experiment/", "sweep/")):
        check_references(content)


def texts(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text in plain values, names of keys too, with its dotted key."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            inner = f"{key}.{name}" if key else str(name)
            yield inner, str(name)
            yield from texts(value, inner)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from texts(value, f"{key}[{index}]")


def _dotted(node: Any, key: str) -> Iterator[str]:
    """Yield the dotted key of each value; a key with dots is one of several parts."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _dotted(value, f"{key}.{name}" if key else str(name))
    elif node is not None:
        yield key


def _defaults(entries: Any) -> Iterator[str]:
    """Yield the entries of a list of defaults that choose or place something below `hydra`."""
    for entry in entries if isinstance(entries, list) else ():
        for name in [*entry, *entry.values()] if isinstance(entry, Mapping) else [entry]:
            if re.search(r"(^|[\s/@.])hydra\b", str(name)):
                yield re.split(r"hydra[/.]?", str(name), maxsplit=1)[1].replace("/", ".")


def _short(value: object) -> str:
    return " ".join(str(value).split())[:120]
