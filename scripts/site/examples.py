"""Griffe extension: a docstring's section `Example:` is shown as code, as griffe shows `Examples:`."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Gives the section the name that griffe reads."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rename it in a docstring."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.M)
