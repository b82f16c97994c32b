"""Error for bad user input, a check of choices, and the characters that names and messages may hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that change the direction of text, so that a name looks like another one."""
LINES = "\u2028\u2029"
"""Separators of lines and paragraphs."""


class UserError(ValueError):
    """Bad input; the message is one line: the key, file or case, what is wrong, how to mend it.

    Commands print it without a traceback and exit with code 2.

    Example:
        >>> from ganatomy.errors import one_of
        >>> one_of("data.cache", "ram", ("memory", "disk", "none"))
        Traceback (most recent call last):
        ganatomy.errors.UserError: data.cache=ram: choose memory, disk, none
    """


def one_of(key: str, value: object, choices: Iterable[object]) -> None:
    """Raise UserError unless `value` is one of `choices`.

    Args:
        key: Configuration key to name in the message.
        value: Value given for the key.
        choices: Allowed values.

    Raises:
        UserError: If the value is not allowed.
    """
    allowed = list(choices)
    if value not in allowed:
        names = ", ".join("null" if choice is None else str(choice) for choice in allowed)
        raise UserError(f"{key}={value}: choose {names}")


def hidden(text: str) -> str:
    r"""Return the first character that no name may have, as an escape such as \x1b; empty if there is none.

    These are control characters (line breaks, tabs, terminal escapes, NUL), marks that change the direction
    of text, and bytes that are not UTF-8.

    Example:
        >>> from ganatomy.errors import hidden
        >>> hidden("case\n1"), hidden("Fall_Ü 1")
        ('\\n', '')
    """
    return next((ascii(sign)[1:-1] for sign in text if _hidden(sign)), "")


def printable(text: str) -> str:
    r"""Return the text with hidden characters as escapes; line feeds stay.

    Example:
        >>> from ganatomy.errors import printable
        >>> printable("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(ascii(sign)[1:-1] if _hidden(sign) and sign != "\n" else sign for sign in text)


def _hidden(sign: str) -> bool:
    return sign in DIRECTIONS or sign in LINES or unicodedata.category(sign) in ("Cc", "Cs")
