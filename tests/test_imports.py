"""Imports go one way: lower rooms know neither upper ones, nor each other, nor the frameworks above them."""

from __future__ import annotations

import ast
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
    ours = {name.split(".")[1] for name in names if name.startswith("src.")} - {room, "errors", "__version__"}
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
