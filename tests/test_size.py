"""Files and functions are short enough to be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
FILES = sorted(SRC.rglob("*.py"))
LINES, BODY = 250, 60
"""Of a file, and of a function with its docstring, at most."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES
    functions = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert not {name: count for name, count in long.items() if count > BODY}
