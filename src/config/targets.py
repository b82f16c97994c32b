"""Classes named by `_target_`: the allow-list, the check of their arguments, and how they are built."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

from ganatomy.config.argument_types import check_types
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.security.allowed import is_listed, package_of, prefixes, why
from ganatomy.config.security.arguments import check_values
from ganatomy.errors import UserError
from ganatomy.invocation import own_prefixes
from ganatomy.text.values import quoted

SECTIONS = "data|degradation|model|task|trainer|update"
"""Sections whose keys a class may name in a message."""
SHORT = ("torch.nn",)
"""Modules that offer classes of the list by a shorter name."""


def resolve(node: Mapping[str, Any], path: str) -> type:
    """Return the class that `node["_target_"]` names; `path` is the key of the node, for messages.

    UserError for a class that is neither on the list (`security.allowed`) nor of GANATOMY_TARGETS. The module
    that defines the class decides, so a detour through an allowed module is refused too. Nothing is imported
    outside the packages of the list and those of the prefixes.
    """
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise UserError(f"{path}._target_: needs the dotted name of a class, got {quoted(target)}")
    own = own_prefixes()
    module, _, name = target.rpartition(".")
    is_own = any(f"{module}.".startswith(prefix) or prefix.startswith(f"{module}.") for prefix in own)
    if not (is_own or package_of(module) or module in SHORT):
        modules = ", ".join([*prefixes(), *(prefix.rstrip(".") for prefix in own)])
        raise UserError(
            f"{path}._target_: {target} is refused; allowed are classes of {modules}{_own(target)}"
        )
    owner: Any = _import(module, target, path)
    found = getattr(owner, name, None)
    if found is None:
        close = nearest(name, [n for n in dir(owner) if inspect.isclass(getattr(owner, n))])
        raise UserError(f"{path}._target_: {module} has no {name}{close}")
    if inspect.isclass(found) and (is_listed(found) or f"{found.__module__}.".startswith(own)):
        return found
    package = package_of(found.__module__) if inspect.isclass(found) else ""
    reason = why(found.__name__, package) if package else f"no class of {module} itself"
    raise UserError(f"{path}._target_: {target} is refused: {reason}{_derive(package)}")


def _own(target: str) -> str:
    """Return how to allow a class of the user's own; empty for Python's and those of the listed packages."""
    root = target.split(".")[0]
    if root in sys.stdlib_module_names or root in {package.split(".")[0] for package in prefixes()}:
        return ""
    before = ",".join(own_prefixes())
    return f"; for a class of your own set GANATOMY_TARGETS={f'{before},' if before else ''}{root}."


def _derive(package: str) -> str:
    return "; or derive a class of your own from it, and allow that by GANATOMY_TARGETS" if package else ""


def _import(module: str, target: str, path: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        where = f"no module {error.name} is found, which {module} needs; install it, or set PYTHONPATH"
        if error.name and f"{module}.".startswith(f"{error.name}."):
            where = f"no module {error.name} is found; correct the name, or put its folder on PYTHONPATH"
        raise UserError(f"{path}._target_: cannot import {target}: {where}") from error
    except Exception as error:  # the user's own code, which may fail in any way
        reason = f"{type(error).__name__}: {_one_line(error)}"
        raise UserError(f"{path}._target_: {module} fails when it is imported ({reason})") from error


def parameters_of(cls: type) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a class's constructor by name."""
    return inspect.signature(cls).parameters


def check_arguments(cls: type, node: Mapping[str, Any], path: str) -> None:
    """Check that every key of a section is a parameter of its class and has the right type.

    Args:
        cls: The class.
        node: The section.
        path: Key of the section, for messages.

    Raises:
        UserError: A key that the class does not take, or a value of a wrong type.
    """
    check_values(cls, node, path)
    parameters = parameters_of(cls)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    given = {key: value for key, value in node.items() if not key.startswith("_")}
    for key in given:
        if key not in parameters:
            raise UserError(f"{path}.{key}: {cls.__name__} takes no such argument{nearest(key, parameters)}")
    check_types(cls, given, path)


def check_targets(node: Any, path: str = "") -> None:
    """Check each `_target_` in a configuration: it is allowed and takes the keys beside it."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            check_arguments(resolve(node, path), node, path)
        for key, value in node.items():
            check_targets(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            check_targets(value, f"{path}[{index}]")


def fill(node: Mapping[str, Any], path: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Add what the data decide to a section where its class takes it.

    Args:
        node: The section.
        path: Key of the section, for messages.
        known: Values by parameter, such as channels and dimensions. Networks inside the section get only the
            dimensions, as the outer network decides on their channels.

    Returns:
        The section, completed; its own keys win.
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
    """Build the object that a `_target_` section describes, nested sections first.

    Args:
        node: The section; other values are returned as they are.
        path: Key of the section, for messages.
        args: Positional arguments before those of the section.

    Raises:
        UserError: The class is not allowed, or refuses its arguments.
    """
    if isinstance(node, Mapping):
        cls = resolve(node, path) if "_target_" in node else None
        if cls is not None:
            check_values(cls, node, path)
        arguments = {key: build(value, f"{path}.{key}") for key, value in node.items() if key != "_target_"}
        if cls is None:
            return arguments
        try:
            return cls(*args, **arguments)
        except UserError as error:
            raise UserError(_placed(str(error), path, cls)) from error
        except (TypeError, ValueError, AssertionError, LookupError, AttributeError, ImportError) as error:
            raise UserError(
                f"{path}: {cls.__name__} cannot be built ({_reason(error, arguments)})"
            ) from error
    if isinstance(node, list):
        return [build(value, f"{path}[{index}]") for index, value in enumerate(node)]
    return node


def _placed(words: str, path: str, cls: type) -> str:
    """Return the message of a class with the whole key that it is about, `path.parameter` of its own."""
    if words.startswith((f"{path}.", f"{path}:")) or re.match(rf"({SECTIONS})\.\w", words):
        return words
    key = re.match(r"(\w+)(\.[\w.]+)?(\[\d+\])?[:=]", words)
    return f"{path}.{words}" if key and key[1] in parameters_of(cls) else f"{path}: {words}"


def _reason(error: BaseException, given: Mapping[str, Any]) -> str:
    """Return why a class refuses its arguments, without the names of Python's types."""
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
        values = ", ".join(f"{key}={str(value)[:40]}" for key, value in given.items()) or "its defaults"
        return f"one of these arguments has the wrong type, is null or is too short: {values}"
    return words


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
