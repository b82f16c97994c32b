"""Copies of GANatomy's own modules for a bundle: those that its scripts import, and what these import."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
ROOT = "ganatomy."
SCRIPTS = "ganatomy.export.bundle.scripts."
HEAD = "# A copy out of GANatomy (Apache-2.0), with its imports changed.\n"


def scripts_with(*names: str) -> dict[str, bytes]:
    """Return the files of the folder `scripts` by name: these modules, and all that they import.

    Args:
        names: Modules of `ganatomy.export.bundle.scripts`.
    """
    files = {"__init__.py": b'"""Preparation, inference and way back of this bundle."""\n'}
    waiting = [f"{SCRIPTS}{name}" for name in names]
    done: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in done:
            continue
        done.add(module)
        text, needed = _copied(module)
        files[f"{_short(module)}.py"] = (HEAD + text).encode()
        waiting += needed
    return dict(sorted(files.items()))


def _short(module: str) -> str:
    """Return the name of a module in the bundle: its last two parts, which no two share, or its last."""
    parts = module.removeprefix(SCRIPTS if module.startswith(SCRIPTS) else ROOT).split(".")
    return "_".join(parts[-2:])


@cache
def _copied(module: str) -> tuple[str, tuple[str, ...]]:
    """Return the text of a module with its imports made relative, and the modules that it imports.

    What is imported for type checkers alone stays as it is: nothing reads it.
    """
    path = SRC / f"{module.removeprefix(ROOT).replace('.', '/')}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    needed = []
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ROOT):
            assert node.module is not None and node.end_lineno is not None
            needed.append(node.module)
            names = ", ".join(alias.name for alias in node.names)
            lines[node.lineno - 1] = f"from .{_short(node.module)} import {names}"
            lines[node.lineno : node.end_lineno] = [""] * (node.end_lineno - node.lineno)
    return "\n".join(lines) + "\n", tuple(needed)
