"""A run that cannot be applied says so in one line; nothing outside its directory is needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.inference.loaded import load_run
from ganatomy.runs.weights import tensors
from ganatomy.training.preprocessing import Preprocessing


@pytest.fixture
def copied(finished: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a finished run that a test may harm."""
    return Path(shutil.copytree(finished("segmentation"), tmp_path / "run"))


def harmed(run: Path, name: str, content: bytes | None) -> Path:
    (run / "checksums.txt").unlink()
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    return run


def test_the_global_random_state_is_left_alone(finished: Callable[[str], Path]) -> None:
    run = finished("segmentation")
    before = torch.get_rng_state()
    load_run(run)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("preprocessing.json", None, "has no preprocessing.json: an earlier version trained it; resume="),
        ("preprocessing.json", b"{}", r"preprocessing.json: cannot be read \('version'\)"),
        ("generator.safetensors", None, r"has not finished \(status: done\)"),
        ("generator.safetensors", b"12345678", "generator.safetensors: is damaged"),
        ("config.yaml", None, r"is no run directory"),
    ],
)
def test_what_is_missing_is_named(copied: Path, name: str, content: bytes | None, words: str) -> None:
    with pytest.raises(UserError, match=rf"^run=.*{words}"):
        load_run(harmed(copied, name, content))


def test_damage_is_found_by_checksums(copied: Path) -> None:
    path = copied / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"generator.safetensors: is damaged .*; resume=.* mends its files"):
        load_run(copied)


def test_weights_of_another_network_are_refused(copied: Path) -> None:
    config = copied / "config.yaml"
    text = config.read_text().replace("- 8\n", "- 12\n", 1)
    harmed(copied, "config.yaml", text.encode())
    with pytest.raises(UserError, match=r"its weights are of another network than its config\.yaml names"):
        load_run(copied)


def test_an_unfinished_run_is_refused(copied: Path) -> None:
    status = json.loads((copied / "status.json").read_text()) | {"status": "running"}
    harmed(copied, "status.json", json.dumps(status).encode())
    (copied / "preprocessing.json").unlink()
    with pytest.raises(UserError, match=r"has not finished \(status: running\); finish it with resume="):
        load_run(copied)


def test_preprocessing_survives_json() -> None:
    kept = Preprocessing(3, 2, spacing=(1.0, None, 2.5), size=(32, 32, None), label_values=(0, 255))
    assert Preprocessing.from_plain(json.loads(json.dumps(kept.to_plain()))) == kept


def test_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="newer than this GANatomy can read"):
        Preprocessing.from_plain({"version": 99, "spatial_dims": 2, "channels": 1})


def test_the_threshold_of_a_gate_is_that_of_the_run(copied: Path) -> None:
    """Without it a gated run would answer as if it had none."""
    config = (copied / "config.yaml").read_text()
    assert "gate: null" in config
    harmed(copied, "config.yaml", config.replace("gate: null", "gate: 0.9").encode())
    (copied / "task.safetensors").write_bytes(tensors({"threshold": torch.tensor(0.37)}))
    assert float(load_run(copied).task.get_buffer("threshold")) == pytest.approx(0.37)
