"""The command: files that are in the way, words that contradict each other, and what is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from ganatomy.errors import UserError
from ganatomy.export.export import export
from ganatomy.export.settings import ExportConfig
from ganatomy.export.writing import write_files, write_folder
from tests.export.conftest import config


def silent(line: str) -> None:
    """Say nothing."""


@pytest.mark.parametrize(
    ("run", "output", "more", "words"),
    [
        (None, "a.onnx", {}, "^run: name the directory"),
        ("nowhere", "a.onnx", {}, "nowhere.*is no run directory"),
        ("run", "run/a.onnx", {}, "is inside the run"),
        ("run", "there.onnx", {}, "is there already; name another, or set overwrite=true"),
        ("run", "there.onnx/model.onnx", {}, "is a file where a folder is needed"),
        (
            "run",
            "a.onnx",
            {"format": "torchscript"},
            "its ending is of format=onnx, not of format=torchscript",
        ),
    ],
)
def test_one_line_and_nothing_written(
    tmp_path: Path, run: str | None, output: str, more: dict[str, Any], words: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "there.onnx").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=words):
        export(config(run and tmp_path / run, tmp_path / output, **more), silent)
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "there.onnx").read_text() == "mine"


def test_unknown_words_are_refused() -> None:
    keys = dict.fromkeys(("run", "output", "input", "licence", "format"))
    switches = dict.fromkeys(("force", "overwrite", "debug"), False)
    with pytest.raises(UserError, match=r"licens.*no such key.*licence"):
        ExportConfig.from_plain({**keys, **switches, "licens": "MIT"})
    with pytest.raises(UserError, match=r"^format: .*onnx.*"):
        ExportConfig.from_plain({**keys, **switches, "format": "tflite"})


@pytest.mark.parametrize(
    ("output", "form", "name"),
    [
        (None, None, "exported/RUN/model.onnx"),
        ("m.ts", None, "m.ts"),
        ("folder", "safetensors", "folder/model.safetensors"),
        ("folder", "bundle", "folder"),
        (None, "card", "exported/RUN/MODEL_CARD.md"),
    ],
)
def test_where_the_file_goes(output: str | None, form: str | None, name: str, tmp_path: Path) -> None:
    run = tmp_path / "RUN"
    run.mkdir()
    assert config(run, output and Path(output), format=form).target(run) == Path(name)


def test_weights_are_the_runs_own_bytes(finished: Callable[[str], Path], tmp_path: Path) -> None:
    run = finished("enhancement")
    export(config(run, tmp_path / "w.safetensors"), silent)
    assert (tmp_path / "w.safetensors").read_bytes() == (run / "generator.safetensors").read_bytes()
    text = (tmp_path / "w.json").read_text()
    assert '"channels": [' in text and '"weights_sha256"' in text and "virtual-00" not in text
    assert (tmp_path / "MODEL_CARD.md").is_file()
    export(config(run, tmp_path / "again.safetensors"), silent)  # the same card is no obstacle
    (tmp_path / "MODEL_CARD.md").write_text("mine")
    with pytest.raises(UserError, match=r"MODEL_CARD\.md is there already"):
        export(config(run, tmp_path / "third.safetensors"), silent)
    assert not (tmp_path / "third.safetensors").exists()


def test_torchscript_holds_facts_and_no_path(finished: Callable[[str], Path], tmp_path: Path) -> None:
    run = finished("enhancement")
    export(config(run, tmp_path / "m.ts"), silent)
    more = {"ganatomy.json": ""}
    network = torch.jit.load(tmp_path / "m.ts", _extra_files=more)
    content = (tmp_path / "m.ts").read_bytes()
    assert b"weights_sha256" in more["ganatomy.json"]  # type: ignore[operator]
    assert not any(word in content for word in (b"site-packages", b"/src/", b"debug_pkl", str(run).encode()))
    weights = safetensors.torch.load_file(run / "generator.safetensors")
    assert {k: v.shape for k, v in network.state_dict().items()} == {k: v.shape for k, v in weights.items()}


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganatomy.export import writing

    def full(path: Path, content: bytes) -> Path:
        if content == b"second":
            raise OSError(28, "No space left on device", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    monkeypatch.setattr(writing, "write_whole", full)
    for write in (
        lambda: write_files({tmp_path / "a": b"first", tmp_path / "b": b"second"}, False),
        lambda: write_folder(tmp_path / "f", {Path("a"): b"first", Path("b"): b"second"}, False),
    ):
        with pytest.raises(OSError, match="No space left"):
            write()
        assert not list(tmp_path.iterdir())


def test_only_a_bundle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no bundle"):
        write_folder(tmp_path / "mine", {Path("a"): b""}, True)
    new = {Path("configs/metadata.json"): b"{}"}
    write_folder(tmp_path / "bundle", new, False)
    write_folder(tmp_path / "bundle", {**new, Path("b"): b"2"}, True)
    assert (tmp_path / "bundle/b").read_bytes() == b"2"
