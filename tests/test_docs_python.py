"""docs/python.md does what it says: every block runs, and prints what stands beside its prints."""

from __future__ import annotations

import ast
import contextlib
import io
from pathlib import Path

import pytest

from tests.pages import blocks

BLOCKS = blocks("python.md", "python")
SHORT = [
    *("data.size=32", "data.slices=4", "trainer.accelerator=cpu", "trainer.threads=1", "logger=csv"),
    *("callbacks.samples=0", "callbacks.report=false", "callbacks.progress=none"),
]


def printed(block: str) -> list[str]:
    """What the block says that it prints: the comment behind each print, in order."""
    lines = block.splitlines()
    calls = [
        node
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    ends = sorted(call.end_lineno or 0 for call in calls)
    return [lines[end - 1].rpartition("  # ")[2] for end in ends]


def run(block: str) -> list[str]:
    """Run a block as a program of its own; the lines that it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "<docs/python.md>", "exec"), {"__name__": "__main__"})
    return out.getvalue().splitlines()


@pytest.mark.parametrize("block", BLOCKS[:3], ids=["game", "data", "scores"])
def test_a_block_prints_what_it_says(block: str) -> None:
    assert run(block) == printed(block) != []


def test_a_run_and_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is made small; what the page says of its directory is asked of that."""
    whole, applied, network = BLOCKS[3:]
    monkeypatch.chdir(tmp_path)
    lines = run(whole.replace('"data.subjects=6"', ", ".join(map(repr, ["data.subjects=6", *SHORT]))))
    assert [line for line in lines if line in printed(whole)] == printed(whole)
    assert run(applied) == printed(applied)
    assert run(network.replace("96", "32")) == [line.replace("96", "32") for line in printed(network)]
