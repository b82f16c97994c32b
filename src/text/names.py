"""Characters of names: which are refused, and how a text is shown on a terminal."""

from __future__ import annotations

import unicodedata

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that change the direction of text, so that a name looks like another one."""
LINES = "\u2028\u2029"
"""Separators of lines and paragraphs."""


def hidden(text: str) -> str:
    r"""Return the first character that no name may have, as an escape such as \x1b; empty if there is none.

    These are control characters (line breaks, tabs, terminal escapes, NUL), marks that change the direction
    of text, and bytes that are not UTF-8.

    Example:
        >>> from ganatomy.text.names import hidden
        >>> hidden("case\n1"), hidden("Fall_Ü 1")
        ('\\n', '')
    """
    return next((ascii(sign)[1:-1] for sign in text if _hidden(sign)), "")


def printable(text: str) -> str:
    r"""Return the text with hidden characters as escapes; line feeds stay.

    Example:
        >>> from ganatomy.text.names import printable
        >>> printable("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(ascii(sign)[1:-1] if _hidden(sign) and sign != "\n" else sign for sign in text)


def _hidden(sign: str) -> bool:
    return sign in DIRECTIONS or sign in LINES or unicodedata.category(sign) in ("Cc", "Cs")
