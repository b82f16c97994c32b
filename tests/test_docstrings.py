"""Docstrings name every parameter of what has three or more; ruff's rules D see to the rest."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
ROOMS = ("adversarial", "tasks", "data", "metrics")
FILES = sorted(path for room in ROOMS for path in (SRC / room).rglob("*.py"))
FEWEST = 3
"""With fewer parameters than these one good line is enough."""


def module_of(path: Path) -> ModuleType:
    parts = path.relative_to(SRC).with_suffix("").parts
    return importlib.import_module(".".join(("ganatomy", *parts)).removesuffix(".__init__"))


def documented(module: ModuleType) -> Iterator[tuple[str, str, str, list[str]]]:
    """(name, docstring, section, names that it must hold) of each public function, class and method."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield from of_class(value)
        elif inspect.isfunction(inspect.unwrap(value)) if callable(value) else False:
            yield name, inspect.getdoc(value) or "", "Args", parameters(value)


def of_class(cls: type) -> Iterator[tuple[str, str, str, list[str]]]:
    own = cls.__doc__ or ""
    if dataclasses.is_dataclass(cls):
        inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__dataclass_fields__", ())}
        fields = [field.name for field in dataclasses.fields(cls) if field.init]
        yield cls.__name__, own, "Attributes", [name for name in fields if name not in inherited]
    elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
        yield cls.__name__, own, "Attributes", list(cls._fields)
    elif "__init__" in vars(cls) and not getattr(cls, "_is_protocol", False):
        yield cls.__name__, own + (vars(cls)["__init__"].__doc__ or ""), "Args", parameters(cls.__init__)
    for name, value in vars(cls).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        overrides = any(hasattr(base, name) for base in cls.__mro__[1:])
        if inspect.isfunction(function) and not name.startswith("_") and not overrides:
            yield f"{cls.__name__}.{name}", function.__doc__ or "", "Args", parameters(function)


def parameters(function: Any) -> list[str]:
    names = list(inspect.signature(inspect.unwrap(function)).parameters)
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def missing(docstring: str, section: str, names: list[str]) -> list[str]:
    """Names that a google section does not describe in a line that begins with them."""
    text = inspect.cleandoc(docstring)
    found = re.search(rf"^{section}:\n((?:[ \t]+.*\n|\n)*)", text + "\n", re.MULTILINE)
    lines = found.group(1) if found else ""
    return [name for name in names if not re.search(rf"^    \*{{0,2}}{name}( \(.*\))?:", lines, re.MULTILINE)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_every_parameter_is_described(path: Path) -> None:
    wrong = [
        f"{name}: no {', '.join(absent)} under {section}:"
        for name, docstring, section, names in documented(module_of(path))
        if len([n for n in names if not n.startswith("_")]) >= FEWEST
        if (absent := missing(docstring, section, [n for n in names if not n.startswith("_")]))
    ]
    assert not wrong, f"{path.relative_to(SRC)}\n" + "\n".join(wrong)


def test_a_parameter_that_is_not_described_is_found() -> None:
    docstring = """Add.

    Args:
        a: First.
        *rest: Others.
            b: No parameter, a line further in.
    """
    assert missing(docstring, "Args", ["a", "b", "rest"]) == ["b"]
    assert missing("Add.", "Args", ["a"]) == ["a"]


def test_all_rooms_are_walked() -> None:
    walked = [name for path in FILES for name, *_ in documented(module_of(path))]
    assert len(walked) > 300 and {"survey", "Game", "SegmentationTask"} <= set(walked)
