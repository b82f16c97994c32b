"""The notebook runs from its first cell to its last, with a smaller run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT, TINY, environment

NOTEBOOK = ROOT / "examples/after_training.ipynb"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    words = ", ".join(f'"{word}"' for word in TINY)
    first = next(cell for cell in notebook.cells if "WORDS = [" in cell.source)
    assert '"trainer.max_steps=300", ' in first.source
    first.source = first.source.replace('"trainer.max_steps=300", "data.subjects=12", "data.size=64"', words)
    for cell in notebook.cells:
        cell.source = cell.source.replace("size=64", "size=32")
    done = NotebookClient(notebook, timeout=280, resources={"metadata": {"path": tmp_path}}).execute()
    shapes = [
        output["data"]["text/plain"]
        for cell in done.cells
        for output in cell.get("outputs", [])
        if output.get("output_type") == "execute_result"
    ]
    assert "((32, 32, 8), ('background', 'csf', 'gm', 'wm'))" in shapes
    assert any("entropy" in text for text in shapes)
    assert any("image/png" in out.get("data", {}) for cell in done.cells for out in cell.get("outputs", []))


def test_the_notebook_is_kept_without_its_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
