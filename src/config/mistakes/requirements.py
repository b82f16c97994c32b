"""What pydantic found wrong with a value, in the words of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a section of keys",
    "mapping": "a section of keys",
    "model": "a section of keys",
}
"""What a value must be, by the first word of an error's type."""
BOUNDS = {
    "greater_than": "above {}",
    "greater_than_equal": "{} or more",
    "less_than": "below {}",
    "less_than_equal": "{} or less",
}


def requirement(problem: Mapping[str, Any]) -> str:
    """Return what a value must be.

    Args:
        problem: One of the errors of a pydantic.ValidationError.

    Example:
        >>> from ganatomy.config.mistakes.requirements import requirement
        >>> requirement({"type": "greater_than_equal", "ctx": {"ge": 1}, "msg": ""})
        'must be 1 or more'
        >>> requirement({"type": "int_parsing", "msg": "Input should be a valid integer, ..."})
        'must be a whole number'
    """
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in BOUNDS:
        (bound,) = context.values()
        return f"must be {BOUNDS[kind].format(str(bound).removesuffix('.0'))}"
    if kind == "literal_error":
        return f"must be {context['expected'].replace(chr(39), '')}"
    if named := KINDS.get(kind.partition("_")[0]):
        return f"must be {named}"
    message = problem["msg"].removeprefix("Assertion failed, ")
    message = f"{message[:1].lower()}{message[1:]}"
    return f"must {message.removeprefix('input should ')}" if message.startswith("input should ") else message
