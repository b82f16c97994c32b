"""Connections to other machines: the command line asks for them, no file from elsewhere does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ganatomy.config.locations import CONF
from ganatomy.config.security.elsewhere import texts
from ganatomy.errors import UserError

OPENING = (("logger", "mode", "online"), ("data", "download", True))
"""Section, key and value that connect to another machine."""


def check_connections(plain: Mapping[str, Any], typed: Sequence[str] = ()) -> None:
    """Refuse a configuration that connects to another machine, unless the command line says so.

    Args:
        plain: Configuration of a run, resolved.
        typed: Words of the command line.

    Raises:
        UserError: One line for the first such key.
    """
    for section, key, value in OPENING:
        asked = any(_asks(word, section, key) for word in typed)
        if plain[section].get(key) == value and not asked:
            raise UserError(
                f"{section}.{key}: {str(value).lower()} connects to another machine, so it is typed on the "
                f"command line of train; type {section}.{key}={str(value).lower()}, or take it out"
            )


def _asks(word: str, section: str, key: str) -> bool:
    """Return True for a word that sets the key, or chooses a file that is not of conf/ for its section."""
    name, _, value = word.lstrip("+").partition("=")
    if name == section:
        return key in value or not (value.startswith("{") or (CONF / section / f"{value}.yaml").is_file())
    return name == f"{section}.{key}"


def check_space(space: Mapping[str, Any]) -> None:
    """Refuse a sweep over keys or values that connect to another machine."""
    for key, text in texts(space):
        if re.search(r"\b(online|download)\b", text):
            raise UserError(f"space.{key}: a sweep varies no connection to another machine; take it out")
