"""Imports go one way: lower rooms know neither upper ones, nor each other, nor the frameworks above them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
FILES = {str(path.relative_to(SRC).with_suffix("")): path for path in sorted(SRC.rglob("*.py"))}
FRAMEWORKS = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb"}

GROUND = {"adversarial", "networks", "metrics", "data", "degradations", "baselines", "pictures"}
BELOW_TRAINING = GROUND | {"machine", "guard", "optim", "tasks", "callbacks", "config", "runs", "launch"}
BELOW_INFERENCE = BELOW_TRAINING | {"training"}
KNOWS: Mapping[str, set[str]] = {
    **{room: set() for room in sorted(GROUND)},
    "pictures": {"metrics"},
    "optim": {"adversarial"},
    "machine": set(),
    "guard": {"metrics"},
    "config": {"adversarial", "data"},
    "runs": {"data", "machine"},
    "launch": {"config", "runs", "machine"},
    "tasks": GROUND | {"optim"},
    "callbacks": GROUND | {"guard", "tasks", "config", "runs", "launch"},
    "training": BELOW_TRAINING,
    "planning": BELOW_TRAINING | {"training"},
    "sweeps": {"config", "runs", "launch", "pictures", "metrics"},
    "experiments": {"config", "runs", "launch", "sweeps", "pictures", "metrics"},
    "inference": BELOW_INFERENCE,
    **{room: BELOW_INFERENCE | {"inference"} for room in ("predict", "generate", "demo")},
    **{room: BELOW_INFERENCE | {"inference", "experiments"} for room in ("evaluate", "export")},
    **{
        room: {"config", "runs", "launch", "pictures", "metrics", "experiments"}
        for room in ("compare", "index")
    },
}
"""Room -> the rooms it may import from. Commands, the files beside the rooms, may import all."""
ANYWHERE = {"errors", "files", "invocation", "text", "version"}
"""Files, and a room, that every room may import; the files may use that room, the lowest of all."""
MAY_USE = {
    "tasks": {"pytorch_lightning"},
    "callbacks": {"pytorch_lightning", "wandb"},
    "config": {"hydra", "omegaconf"},
    "launch": {"hydra", "omegaconf", "pytorch_lightning"},
    "runs": {"hydra", "omegaconf"},
    "training": FRAMEWORKS,
    "planning": {"hydra", "pytorch_lightning"},
    **{
        verb: {"omegaconf"}
        for verb in ("predict", "evaluate", "generate", "export", "demo", "compare", "index")
    },
    "data/datamodule": {"pytorch_lightning"},
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything a file imports, also inside functions and for types alone."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the import in full"
            yield from ((node.module or "", alias.name) for alias in node.names)


def module_of(dotted: str) -> str | None:
    """The file of src/ that a dotted name lies in, without its suffix."""
    parts = dotted.split(".")[1:]
    for end in range(len(parts), -1, -1):
        for name in ("/".join(parts[:end]), "/".join([*parts[:end], "__init__"])):
            if name in FILES:
                return name
    return None


@cache
def arrows() -> dict[str, set[str]]:
    """File -> the files it imports."""
    found = {}
    for name, path in FILES.items():
        ours = (f"{module}.{what}" for module, what in imported(path) if module.split(".")[0] == "ganatomy")
        found[name] = {other for dotted in ours if (other := module_of(dotted)) and other != name}
    return found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The sets of two or more nodes that reach each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            circle = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


@pytest.mark.parametrize("name", FILES)
def test_no_import_points_up(name: str) -> None:
    room = name.split("/")[0]
    others = {other.split("/")[0] for other in arrows()[name]} - ANYWHERE - {room}
    theirs = {module.split(".")[0] for module, _ in imported(FILES[name])} & FRAMEWORKS
    if room in KNOWS:
        assert others <= KNOWS[room], f"src/{name}.py must know nothing of {others - KNOWS[room]}"
        allowed = MAY_USE.get(name, MAY_USE.get(room, set()))
        assert theirs <= allowed, f"src/{name}.py must know nothing of {theirs - allowed}"
    elif room in ANYWHERE:
        inside = {other for other in arrows()[name] if other.split("/")[0] not in (room, "text")}
        assert not inside, f"src/{name}.py is below all rooms"
    else:
        assert "/" not in name, f"src/{room}: add the room to KNOWS"


def test_no_file_imports_itself_through_others() -> None:
    assert not circles(arrows())


def test_no_rooms_import_each_other() -> None:
    """Neither the rooms nor the folders within one; what lies beside folders belongs to none of them."""
    for depth in (1, 2, 3):
        graph: dict[str, set[str]] = {}
        for name, others in arrows().items():
            for other in others:
                a, b = ("/".join(path.split("/")[:-1][:depth]) for path in (name, other))
                siblings = a.split("/")[:-1] == b.split("/")[:-1] and len(a.split("/")) == depth
                if a != b and a and b and siblings:
                    graph.setdefault(a, set()).add(b)
        assert not circles(graph), f"folders of depth {depth}"


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_no_private_name_leaves_its_file() -> None:
    private = [
        f"{name}: from {module} import {what}"
        for name, path in FILES.items()
        for module, what in imported(path)
        if module.split(".")[0] == "ganatomy" and what.startswith("_") and not what.startswith("__")
    ]
    for name, path in FILES.items():
        modules = {
            what
            for module, what in imported(path)
            if module_of(f"{module}.{what}") not in (None, module_of(module))
        }
        private += [
            f"{name}: {node.value.id}.{node.attr}"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            if node.value.id in modules and node.attr.startswith("_") and not node.attr.startswith("__")
        ]
    assert not private
