"""Values as they are typed in a configuration, for messages: null, true, [a,b], not those of Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath


def as_typed(value: object) -> str:
    """Return a value as it is typed.

    Example:
        >>> from ganatomy.text.values import as_typed
        >>> as_typed(None), as_typed(("lesion", 2)), as_typed({"a": True})
        ('null', '[lesion,2]', '{a: true}')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_typed(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | PurePath):
        return f"[{','.join(map(as_typed, value))}]"
    return str(value)


def quoted(value: object) -> str:
    """Return a value as it is typed, a text in quotes: where does it begin and end?

    Example:
        >>> from ganatomy.text.values import quoted
        >>> quoted("soon"), quoted(None)
        ("'soon'", 'null')
    """
    return repr(value) if isinstance(value, str) else as_typed(value)
