"""The page on deploying: its lines of code run as they stand, on a file that the command has written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganatomy.inference.loaded import load_run
from tests.conftest import ROOT
from tests.export.conftest import blobs


@pytest.mark.slow
def test_lines_of_the_page(
    finished: Callable[[str], Path],
    exported: Callable[[str, str], tuple[Path, list[str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    text = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    inference, triton = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shutil.copy(exported("segmentation", "onnx")[0], tmp_path / "model.onnx")
    image = blobs(3, 40, 48) * 700
    np.save(tmp_path / "image.npy", image)
    monkeypatch.chdir(tmp_path)
    names: dict[str, np.ndarray] = {}
    exec(inference, names)
    given = torch.from_numpy((image - image.mean()) / image.std())[None, None].float()
    with torch.no_grad():
        expected = load_run(finished("segmentation"), device="cpu").task.evaluator(given)[0]
    assert np.abs(names["logits"][0] - expected.numpy()).max() < 1e-4
    assert np.mean(names["labels"] == expected.argmax(0).numpy()) > 0.999
    exec(triton, {})
    written = (tmp_path / "config.pbtxt").read_text()
    assert 'input [ { name: "image", data_type: TYPE_FP32, dims: [1, -1, -1] } ]' in written
    assert 'output [ { name: "logits", data_type: TYPE_FP32, dims: [4, -1, -1] } ]' in written
