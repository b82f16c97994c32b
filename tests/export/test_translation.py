"""A translation whose generator is several networks: what leaves the run is the one from source to target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle import ConfigParser

from ganatomy.errors import UserError
from ganatomy.export.export import export
from ganatomy.inference.interpolation import interpolated
from ganatomy.inference.loaded import load_run
from ganatomy.networks.image_to_image.resnet import ResidualGenerator
from tests.export.conftest import config
from tests.export.test_bundle import content, ours
from tests.finished import trained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained("cut", tmp_path_factory.mktemp("cut"))


def test_onnx_and_torchscript_hold_the_translator_alone(run: Path, tmp_path: Path) -> None:
    loaded = load_run(run, device="cpu")
    network: Any = loaded.task.evaluator
    assert isinstance(network["translator"], ResidualGenerator)
    image = torch.rand(2, 1, 16, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network["translator"](image).numpy()
    for form, name in (("onnx", "model.onnx"), ("torchscript", "model.ts")):
        export(config(run, tmp_path / name, format=form, overwrite=True), lambda line: None)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["ganatomy.network"].endswith("ResidualGenerator")
    (found,) = session.run(None, {"image": image.numpy()})
    assert np.abs(found - expected).max() < 1e-4 * np.ptp(expected)
    scripted = torch.jit.load(tmp_path / "model.ts")
    assert np.abs(scripted(image).numpy() - expected).max() < 1e-4 * np.ptp(expected)
    assert not any("head" in name for name, _ in scripted.named_parameters())


def test_weights_keep_every_network(run: Path, tmp_path: Path) -> None:
    """The file is the run's own, so that another run may begin with it."""
    export(config(run, tmp_path / "weights.safetensors", format="safetensors"), lambda line: None)
    assert (tmp_path / "weights.safetensors").read_bytes() == (run / "generator.safetensors").read_bytes()
    told = json.loads((tmp_path / "weights.json").read_text())
    assert set(told["network"]) == set(told["generator"]) == {"translator", "head"}


def test_a_bundle_gives_what_predict_gives(
    run: Path, tmp_path: Path, scripts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bundle"
    export(config(run, folder, format="bundle"), lambda line: None)
    monkeypatch.syspath_prepend(str(folder))
    parser = ConfigParser()
    parser.read_config(folder / "configs/inference.json")
    parser["bundle_root"], parser["output_dir"] = str(folder), str(tmp_path / "out")
    application = parser.get_parsed_content("application")
    for file in sorted((run.parent / "files/image").iterdir())[:2]:
        application.one(file)
        (written,) = (tmp_path / "out").glob(f"{file.name.split('.')[0]}_pred.*")
        values = ours(run, file).values
        assert values is not None
        away = np.abs(content(written) - values[0])
        assert away.max() <= 1 and away.mean() < 1e-3  # whole numbers: a half may be rounded either way


def test_there_is_no_twin_to_mix_with(run: Path) -> None:
    with pytest.raises(UserError, match=r"^alpha: .* learned without pairs"):
        interpolated(load_run(run, device="cpu"), 0.5)
