"""Imports go one way: lower rooms know neither upper ones, nor each other, nor the frameworks above them."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
ROOMS = {
    "adversarial",
    "networks",
    "losses",
    "metrics",
    "data",
    "degradations",
    "baselines",
    "pictures",
}
REGISTRY = "src.metrics.registry"
"""What a score is called and which way is better: whoever shows or chooses one asks there."""
FRAMEWORKS = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb"}
FILES = sorted(SRC.rglob("*.py"))
GROUND = {"errors", "files", "__version__"}
"""What everybody may import."""
ROUND = {"tasks", "data", "metrics", "networks", "baselines", "degradations", "pictures", "losses"}
"""Folders whose modules import each other in no circle."""
OWN = {"tasks", "data", "metrics", "networks", "baselines", "degradations", "pictures", "losses"}
"""Folders whose modules import nothing private from another module."""


def imports(path: Path) -> set[str]:
    """Dotted names of everything a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the import in full"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_import_points_up(path: Path) -> None:
    room = path.relative_to(SRC).parts[0]
    names = {name for name in imports(path) if not name.startswith(REGISTRY)}
    ours = {name.split(".")[1] for name in names if name.startswith("src.")} - GROUND - {room}
    theirs = {name.split(".")[0] for name in names} & FRAMEWORKS
    if room in ROOMS:
        assert not ours, f"src/{room} must know nothing of {ours}"
        assert not theirs or path.name == "datamodule.py", f"src/{room} must know nothing of {theirs}"
    elif room == "tasks":
        assert ours <= ROOMS and not theirs & {"hydra", "omegaconf", "wandb"}
    elif room == "sweeps":
        assert ours <= {"core", "pictures"} and not theirs, "a sweep knows runs by their files alone"
    elif room == "experiments":
        assert ours <= {"core", "pictures", "sweeps"} and not theirs, (
            "an experiment knows runs by their files"
        )
    elif room in {"callbacks", "core"}:
        assert ours <= ROOMS | {"callbacks", "core", "tasks"}, "a command is imported by nobody"
        assert room == "core" or not theirs & {"hydra", "omegaconf"}, "Hydra lives in core and the commands"


def module_of(path: Path) -> str:
    """The dotted name of a file below the repository."""
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def used(path: Path, modules: Collection[str]) -> set[str]:
    """The modules that a file imports, or imports something from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in modules else str(node.module) for name in names}
    return found & set(modules)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan, 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    found = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        open_.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in open_:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            start = open_.index(name)
            if len(open_) - start > 1:
                found.append(sorted(open_[start:]))
            del open_[start:]

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"f", "a"}, "f": {"e"}}
    assert circles(graph) == [["a", "b", "c"], ["e", "f"]]


def test_no_imports_go_in_a_circle() -> None:
    """Imports inside functions and for type checkers count too: they only hide a circle."""
    modules = {module_of(path): path for path in FILES}
    graph = {name: used(path, modules.keys()) - {name} for name, path in modules.items()}
    assert not [circle for circle in circles(graph) if {name.split(".")[1] for name in circle} & ROUND]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_nothing_private_is_imported(path: Path) -> None:
    if path.relative_to(SRC).parts[0] not in OWN:
        return
    tree = ast.parse(path.read_text())
    ours = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in ours if (node.module or "").startswith("src")]
    modules = {alias.asname or alias.name for node in ours for alias in node.names}
    private = [f"{node.module}.{a.name}" for node in ours for a in node.names if a.name.startswith("_")]
    private += [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        if node.attr.startswith("_") and not node.attr.startswith("__")
    ]
    assert not private
