"""Arguments of the classes on the list: names of options and numbers, never names of code or of files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ganatomy.config.security.allowed import FOREIGN, package_of
from ganatomy.errors import UserError

PLAIN = re.compile(r"[\w ,:+*()=-]*")
"""Texts that MONAI and torch take: names of options, keys and axes. None has a dot or a slash."""


def check_values(cls: type, node: Mapping[str, Any], path: str) -> None:
    """Refuse arguments that could name code or a file, and those that download weights.

    Args:
        cls: The class, which may be named.
        node: Its section.
        path: Key of the section, for messages.

    Raises:
        UserError: One line for the first such argument.
    """
    parameters = inspect.signature(cls).parameters
    for key in node:
        if str(key).startswith("_") and key != "_target_" and key not in parameters:
            raise UserError(f"{path}.{key}: {cls.__name__} takes no such argument; take it out")
    if package_of(cls.__module__) not in FOREIGN:
        return
    for key, text in _texts({k: v for k, v in node.items() if k != "_target_"}, path):
        if not PLAIN.fullmatch(text):
            raise UserError(
                f"{key}: {text!r} is refused; {cls.__name__} takes names of its own options here, no name of "
                "a module, function or file"
            )
    for name, parameter in parameters.items():
        given = node.get(name, None if parameter.default is parameter.empty else parameter.default)
        if name.startswith("pretrained") and given:
            raise UserError(
                f"{path}.{name}: {cls.__name__} would download or read weights, which no configuration may; "
                f"set {path}.{name}={'false' if isinstance(given, bool) else 'null'}"
            )
    if any(key.startswith("pretrained") and node[key] and key not in parameters for key in node):
        raise UserError(f"{path}: {cls.__name__} would download or read weights; take pretrained out")


def _texts(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each text in a section with its key, but not those of sections with a class of their own."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping) and "_target_" not in node:
        for key, value in node.items():
            yield f"{path}.{key}", str(key)
            yield from _texts(value, f"{path}.{key}")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _texts(value, f"{path}[{index}]")
