"""Values of a section against the annotations of its class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ganatomy.config.mistakes.requirements import requirement
from ganatomy.errors import UserError
from ganatomy.text.values import quoted

TEXTS = (str, str | None)
"""Annotations of a parameter that takes a text."""


def check_types(cls: type, given: Mapping[str, Any], path: str) -> None:
    """Check values against the annotations of the constructor, where these can be read.

    Args:
        cls: The class.
        given: Values by parameter.
        path: Key of the section, for messages.

    Raises:
        UserError: A value of a wrong type.
    """
    from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    try:
        hints = get_type_hints(inspect.getattr_static(cls, "__init__"), include_extras=True)
    except (NameError, TypeError):
        if not is_dataclass(cls):
            return
        hints = get_type_hints(cls, include_extras=True)  # each part of it knows its own module's names
        given = {k: v for k, v in given.items() if not isinstance(v, list | Mapping) or hints.get(k) in TEXTS}
    for key, value in given.items():
        if key not in hints or _holds_target(value):
            continue
        if isinstance(value, bool) and (kinds := _kinds(hints[key])) & {int, float} and bool not in kinds:
            raise UserError(f"{path}.{key}: give a number, got {quoted(value)}")
        try:
            fits = TypeAdapter(hints[key], config=ConfigDict(arbitrary_types_allowed=True)).validate_python
            _validate(fits, value, _one_a_key(cls, key, value))
        except (PydanticSchemaGenerationError, PydanticUserError):
            continue
        except ValidationError as error:
            problem = error.errors()[0]
            if problem["type"] == "sequence_str" or "instance of Sequence" in problem["msg"]:
                words = [part for part in get_args(hints[key]) if get_origin(part) is Literal]
                other = "".join(f" or {word}" for part in words for word in get_args(part))
                raise UserError(f"{path}.{key}: give a list{other}, got {quoted(value)}") from error
            text = problem["type"] == "string_type" and isinstance(value, int | float)
            if hints[key] in TEXTS and isinstance(value, list | Mapping):
                raise UserError(
                    f"{path}.{key}: takes one text, got {len(value)}: {', '.join(map(str, value))}"
                ) from error
            remedy = f"; as a text it is typed in quotes, '{path}.{key}=\"{value}\"'" if text else ""
            place, wrong = _inside(value, problem["loc"])
            raise UserError(
                f"{path}.{key}{place}: {requirement(problem)}, got {quoted(wrong)}{remedy}"
            ) from error


def _inside(value: Any, place: Sequence[int | str]) -> tuple[str, Any]:
    """Return the key, below that of `value`, of the part that is wrong, and the part.

    Args:
        value: Value of a key.
        place: Keys and indices that lead to the part; names of alternatives of a type are passed over.
    """
    words = ""
    for step in place:
        if isinstance(value, Mapping) and step in value:
            words, value = f"{words}.{step}", value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            words, value = f"{words}[{step}]", value[step]
    return words, value


def _validate(fits: Callable[[Any], Any], value: Any, each: bool) -> None:
    """Raise pydantic's ValidationError unless the value fits or, with `each`, all of its items do."""
    from pydantic import ValidationError

    try:
        fits(value)
    except ValidationError:
        if not each:
            raise
        for item in value:
            fits(item)


def _one_a_key(cls: type, key: str, value: Any) -> bool:
    """Return True if a list may hold a value for each key of one of MONAI's dictionary transforms.

    Some are annotated with a single value although they take a list, as `mode` of RandGridDistortiond.
    """
    several = cls.__module__.startswith("monai.transforms.") and "keys" in inspect.signature(cls).parameters
    return several and key != "keys" and isinstance(value, list) and len(value) > 1


def _kinds(hint: Any) -> set[Any]:
    """Return the types that an annotation admits for a whole value: int and float of `int | float`."""
    if get_origin(hint) in (Union, UnionType, Annotated):
        return set().union(*(_kinds(part) for part in get_args(hint)))
    return {hint} if isinstance(hint, type) else set()


def _holds_target(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(_holds_target(item) for item in value.values())
    return isinstance(value, list) and any(_holds_target(item) for item in value)
