"""Classes named by `_target_`: which may be named, whether their arguments fit, and how they are built."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, get_type_hints

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError

ALLOWED = (
    "ganatomy.data.sources.",
    "ganatomy.degradations.",
    "ganatomy.networks.",
    "ganatomy.optim.",
    "ganatomy.tasks.",
    "monai.networks.nets.",
    "monai.networks.blocks.",
    "monai.transforms.",
    "torch.nn.modules.",
    "torch.optim.",
)
"""Modules whose classes a configuration may name; GANATOMY_TARGETS="mylab.,other." adds others."""

TEXTS = (str, str | None)
"""What a text is annotated with."""


def resolve(node: Mapping[str, Any], path: str) -> type:
    """The class that `node["_target_"]` names.

    The check is on the module that defines the class, so a detour through an allowed module is refused too.
    """
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise UserError(f"{path}._target_: needs the dotted name of a class, got {target!r}")
    allowed = ALLOWED + tuple(filter(None, os.environ.get("GANATOMY_TARGETS", "").split(",")))
    roots = sorted({prefix.split(".")[0] for prefix in allowed})
    modules = ", ".join(prefix.rstrip(".") for prefix in allowed)
    refusal = f"{path}._target_: {target} is refused; allowed are classes of {modules}{_own(target)}"
    if target.split(".")[0] not in roots:
        raise UserError(refusal)
    module, _, name = target.rpartition(".")
    owner: Any = _import(module, target, path)
    found = getattr(owner, name, None)
    if found is None:
        close = nearest(name, [n for n in dir(owner) if inspect.isclass(getattr(owner, n))])
        raise UserError(f"{path}._target_: {module} has no {name}{close}")
    if not inspect.isclass(found) or not f"{found.__module__}.".startswith(allowed):
        raise UserError(refusal)
    return found


def _own(target: str) -> str:
    """How to allow a class of the user's own; nothing for what Python and the allowed packages bring."""
    root = target.split(".")[0]
    if root in sys.stdlib_module_names or root in {prefix.split(".")[0] for prefix in ALLOWED}:
        return ""
    before = os.environ.get("GANATOMY_TARGETS", "").rstrip(",")
    return f"; for a class of your own set GANATOMY_TARGETS={f'{before},' if before else ''}{root}."


def _import(module: str, target: str, path: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        where = f"no module {error.name} is found, which {module} needs; install it, or set PYTHONPATH"
        if error.name and f"{module}.".startswith(f"{error.name}."):
            where = f"no module {error.name} is found; correct the name, or put its folder on PYTHONPATH"
        raise UserError(f"{path}._target_: cannot import {target}: {where}") from error
    except Exception as error:  # the user's own code, which may fail in any way
        told = f"{type(error).__name__}: {_one_line(error)}"
        raise UserError(f"{path}._target_: {module} fails when it is imported ({told})") from error


def parameters_of(cls: type) -> Mapping[str, inspect.Parameter]:
    """The arguments of a class's constructor, by name."""
    return inspect.signature(cls).parameters


def check_arguments(cls: type, node: Mapping[str, Any], path: str) -> None:
    """Every key of `node` is an argument of `cls`, of the right type, and none that is needed is missing."""
    parameters = parameters_of(cls)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    given = {key: value for key, value in node.items() if not key.startswith("_")}
    for key in given:
        if key not in parameters:
            raise UserError(f"{path}.{key}: {cls.__name__} takes no such argument{nearest(key, parameters)}")
    _check_types(cls, given, path)


def _check_types(cls: type, given: Mapping[str, Any], path: str) -> None:
    """Values against the annotations of the constructor, where these can be read."""
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
        try:
            fits = TypeAdapter(hints[key], config=ConfigDict(arbitrary_types_allowed=True)).validate_python
            _validate(fits, value, _one_a_key(cls, key, value))
        except (PydanticSchemaGenerationError, PydanticUserError):
            continue
        except ValidationError as error:
            problem = error.errors()[0]
            text = problem["type"] == "string_type" and isinstance(value, int | float)
            if hints[key] in TEXTS and isinstance(value, list | Mapping):
                raise UserError(
                    f"{path}.{key}: takes one text, got {len(value)}: {', '.join(map(str, value))}"
                ) from error
            quoted = f"; as a text it is typed in quotes, '{path}.{key}=\"{value}\"'" if text else ""
            raise UserError(f"{path}.{key}: {problem['msg'].lower()}, got {value!r}{quoted}") from error


def _validate(fits: Callable[[Any], Any], value: Any, each: bool) -> None:
    """Raises pydantic's ValidationError where the value does not fit, nor, if so asked, each of its items."""
    from pydantic import ValidationError

    try:
        fits(value)
    except ValidationError:
        if not each:
            raise
        for item in value:
            fits(item)


def _one_a_key(cls: type, key: str, value: Any) -> bool:
    """Whether a list may be a value for each of the keys of one of MONAI's dictionary transforms.

    Some that take one are annotated with the single value alone, as `mode` of RandGridDistortiond is.
    """
    several = cls.__module__.startswith("monai.transforms.") and "keys" in parameters_of(cls)
    return several and key != "keys" and isinstance(value, list) and len(value) > 1


def _holds_target(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(_holds_target(item) for item in value.values())
    return isinstance(value, list) and any(_holds_target(item) for item in value)


def check_targets(node: Any, path: str = "") -> None:
    """Walk the whole configuration: each `_target_` is allowed and takes the arguments beside it."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            check_arguments(resolve(node, path), node, path)
        for key, value in node.items():
            check_targets(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            check_targets(value, f"{path}[{index}]")


def fill(node: Mapping[str, Any], path: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """`node` with what the data decide (channels, dimensions) added where the class takes it.

    Networks inside it are told the dimensions; their channels are its own affair.
    """
    parameters = parameters_of(resolve(node, path))
    inner = {key: known[key] for key in ("spatial_dims",) if key in known}
    parts = {
        key: fill(value, f"{path}.{key}", inner)
        for key, value in node.items()
        if isinstance(value, Mapping) and "_target_" in value
    }
    return {**{key: value for key, value in known.items() if key in parameters}, **node, **parts}


def build(node: Any, path: str, *args: Any) -> Any:
    """The object that a `_target_` node describes, its nested nodes built first; plain values as they are."""
    if isinstance(node, Mapping):
        arguments = {key: build(value, f"{path}.{key}") for key, value in node.items() if key != "_target_"}
        if "_target_" not in node:
            return arguments
        cls = resolve(node, path)
        try:
            return cls(*args, **arguments)
        except UserError as error:
            named = str(error).startswith((f"{path}.", f"{path}:"))
            raise error if named else UserError(f"{path}: {error}") from error
        except (TypeError, ValueError, AssertionError, LookupError, AttributeError, ImportError) as error:
            raise UserError(
                f"{path}: {cls.__name__} cannot be built ({_reason(error, arguments)})"
            ) from error
    if isinstance(node, list):
        return [build(value, f"{path}[{index}]") for index, value in enumerate(node)]
    return node


def _reason(error: BaseException, given: Mapping[str, Any]) -> str:
    """Why a class refuses its arguments, without Python's words for its own types."""
    words = _one_line(error)
    if isinstance(error, ImportError):  # MONAI adds pages to it
        return str(error).partition("\n")[0]
    if found := re.search(r"missing \d+ required .*arguments?: (.*)", words):
        return f"it needs {found[1]}"
    if found := re.search(r"unexpected keyword argument ('\w+')", words):
        return f"it takes no {found[1]}"
    if isinstance(error, KeyError):
        return f"{words} is none of the names that it knows"
    if isinstance(error, TypeError | AttributeError | IndexError):
        told = ", ".join(f"{key}={str(value)[:40]}" for key, value in given.items())
        return f"a value is of the wrong kind, null or too short among {told or 'its defaults'}"
    return words


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
