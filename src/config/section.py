"""Sections of a configuration: typed keys, their plain values, and one line for a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ganatomy.config.mistakes.requirements import requirement
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError
from ganatomy.text.values import quoted

Plain = dict[str, Any]
"""Values as YAML holds them: dictionaries, lists, texts, numbers, true, false and null."""


KINDS = ("wandb", "mlflow", "trackio", "csv", "tensorboard", "none", "float", "int")
"""Names of alternatives, which stand in the place of an error and are no keys."""
PATTERNS = {
    r"^[\w.=,+-]+$": "hold only letters, digits and _ . = , + - (it is part of a folder's name)",
    r"^[\w.=+-]+$": "hold only letters, digits and _ . = + - (it is the name of a folder)",
    r"^[a-z][a-z0-9_]*$": "begin with a small letter, and hold only small letters, digits and _",
    r"^[0-9a-f]{64}$": "be a SHA-256: 64 digits of 0 to 9 and a to f",
    r"^val/": "be a score of the validation, such as val/dice",
}
"""Patterns of all sections, in words."""


class Section(BaseModel):
    """Keys of one section with their types; every other key is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())
    _plain: Plain | None = PrivateAttr(default=None)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read a section from plain values.

        Args:
            plain: The section as YAML holds it; later changes to it leave the section alone.

        Returns:
            The section with its sections inside.

        Raises:
            UserError: One line for each key that is unknown, missing, of a wrong type or out of range.
        """
        try:
            section = cls.model_validate(plain)
        except ValidationError as error:
            lines = [_line(problem, cls) for problem in error.errors()]
            raise UserError("\n".join(dict.fromkeys(lines))) from error
        section._keep(deepcopy(dict(plain)))
        return section

    def _keep(self, plain: Plain) -> None:
        """Remember the values as they were written, here and in every section inside."""
        self._plain = plain
        for name, field in type(self).model_fields.items():
            part = getattr(self, name)
            if isinstance(part, Section):
                part._keep(plain[field.alias or name])

    def to_plain(self) -> Plain:
        """Return a copy of the plain values, with the keys and in the order that they were given in."""
        return self.model_dump(by_alias=True) if self._plain is None else deepcopy(self._plain)

    def with_values(self, **values: Any) -> Self:
        """Return the section with these keys set to plain values, checked anew."""
        return self.from_plain({**self.to_plain(), **values})


class TargetSection(Section):
    """A section with a `_target_` class, which checks the further keys: they stay plain, in `extra`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    target: Annotated[str, Field(alias="_target_")]

    @property
    def extra(self) -> Plain:
        """Keys that belong to the class alone."""
        return self.model_extra or {}


def _line(problem: Any, schema: type[Section]) -> str:
    location = [part for part in problem["loc"] if part not in KINDS]
    path = ".".join(str(part) for part in location if not str(part).startswith("dict["))
    if problem["type"] == "extra_forbidden":
        return f"{path}: no such key{nearest(str(location[-1]), _keys(schema, location[:-1]))}"
    if problem["type"] == "missing":
        return f"{path}: is missing"
    if problem["type"] == "none_required":
        return f"{path}: must be null or a section"
    if problem["type"] == "value_error":  # a check between keys, which names them itself
        return str(problem["ctx"]["error"])
    if problem["type"] == "string_pattern_mismatch":
        return f"{path}: must {PATTERNS[problem['ctx']['pattern']]}, got {quoted(problem['input'])}"
    return f"{path}: {requirement(problem)}, got {quoted(problem['input'])}"


def _keys(schema: type[Section], path: list[Any]) -> list[str]:
    """Return the names of the fields of the section at `path`."""
    for part in path:
        field = schema.model_fields.get(str(part))
        sections = list(_flatten(field.annotation)) if field else []
        schema = next(
            (kind for kind in sections if isinstance(kind, type) and issubclass(kind, Section)), Section
        )
    return [field.alias or name for name, field in schema.model_fields.items()]


def _flatten(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, Annotated) or get_args(annotation):
        return [kind for part in get_args(annotation) for kind in _flatten(part)]
    return [annotation]
