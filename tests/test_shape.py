"""The house stays small enough to find one's way in, and its names are the field's own."""

from __future__ import annotations

import ast
import csv
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
FILES = sorted(SRC.rglob("*.py"))
MOST_MODULES, MOST_LINES, MOST_IN_FUNCTION, FEWEST_MODULES = 14, 250, 60, 150
OLD_NAMES = list(csv.DictReader((ROOT / "tests/old_names.csv").read_text(encoding="utf-8").splitlines()))


def test_folders_hold_few_modules() -> None:
    counts = Counter(path.parent for path in FILES)
    assert {str(folder.relative_to(ROOT)): n for folder, n in counts.items() if n > MOST_MODULES} == {}
    assert len(FILES) >= FEWEST_MODULES


def test_files_and_functions_are_short() -> None:
    long = {}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        long |= {str(path): lines} if (lines := len(text.splitlines())) > MOST_LINES else {}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                long |= {f"{path}:{node.name}": lines} if lines > MOST_IN_FUNCTION else {}
    assert long == {}


def named(path: Path) -> Iterator[tuple[str, int]]:
    """(name, line) of every definition, parameter and attribute of a file."""
    networks = path.relative_to(SRC).parts[0] == "networks"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not networks:
            yield node.attr, node.lineno  # a network's attributes are keys of weights that were saved
        if isinstance(node, ast.ClassDef | ast.Module):
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    yield item.target.id, item.lineno
                elif isinstance(item, ast.Assign):
                    yield from ((t.id, item.lineno) for t in item.targets if isinstance(t, ast.Name))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_name_of_the_old_words(path: Path) -> None:
    """tests/old_names.csv: a word, the files in which it had a meaning of its own, and what to call it."""
    here = str(path.relative_to(SRC))
    rows = [row for row in OLD_NAMES if row["kind"] == "name" and fnmatch(here, row["where"])]
    instead = {row["old"]: row["new"] for row in rows}
    found = [f"{here}:{line}: {name}: say {instead[name]}" for name, line in named(path) if name in instead]
    assert not found, "\n".join(found)


def test_no_key_of_the_old_words() -> None:
    keys = {row["old"]: row["new"] for row in OLD_NAMES if row["kind"] == "key"}
    assert keys
    for path in sorted((ROOT / "conf").rglob("*.yaml")):
        section = path.relative_to(ROOT / "conf").parts[0]
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        sections = content if "@package _global_" in path.read_text(encoding="utf-8") else {section: content}
        for name, values in sections.items():
            for key in values if isinstance(values, dict) else ():
                assert f"{name}.{key}" not in keys, f"{path}: {name}.{key} is called {keys[f'{name}.{key}']}"
