"""Griffe extension: docstrings as the site reads them.

The section `Example:` is shown as code, as griffe shows `Examples:`.
The star of a shape, as in [B, C, *spatial], is no emphasis.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

STAR = re.compile(r"(`[^`\n]*`|^ *(?:>>>|\.\.\.) .*)|\*(?=\w+[\],])", re.M)
"""Code, which stays as it is, or the star of a shape."""


class Examples(Extension):
    """Writes a docstring anew for the site."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change it where it is read."""
        if obj.docstring:
            text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.M)
            obj.docstring.value = STAR.sub(lambda found: found[1] or r"\*", text)
