"""Console of the commands: text is shown as it is, without Rich markup, emoji codes or control characters."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from ganatomy.errors import printable


class Terminal(Console):
    """Rich console that takes every text literally, in lines and in tables.

    Args:
        stderr: Write to stderr; stdout is for results.
    """

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return the text for display; control characters, such as terminal escapes, are spelt out."""
        return super().render_str(printable(text), **settings)
