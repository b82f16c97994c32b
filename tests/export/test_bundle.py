"""A bundle gives what `predict` gives, by MONAI's own commands and without GANatomy."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import nibabel as nib
import numpy as np
import pytest
from monai.bundle import ConfigParser
from PIL import Image

from ganatomy.errors import UserError
from ganatomy.export.bundle.copies import scripts_with
from ganatomy.export.export import one_pass
from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.inference.predictor import Predicted, Predictor

Exported = Callable[[str, str], tuple[Path, list[str]]]
STRANGER = """
import sys
from monai.bundle import run, verify_net_in_out
images, out = sys.argv[1:]
verify_net_in_out("network_def", "configs/metadata.json", "configs/inference.json", device="cpu", n=8, any=32)
run(config_file="configs/inference.json", dataset_dir=images, output_dir=out)
assert "ganatomy" not in sys.modules
"""
"""What `python -m monai.bundle verify_net_in_out` and `run` call, for a user who has no GANatomy."""
NEEDED = {
    "type": "object",
    "required": [
        *("version", "monai_version", "pytorch_version", "numpy_version", "name", "task", "description"),
        *("authors", "copyright", "network_data_format", "schema", "changelog", "intended_use"),
    ],
    "properties": {
        "changelog": {"type": "object"},
        "network_data_format": {"required": ["inputs", "outputs"]},
    },
}
"""Entries that MONAI's bundle specification asks of metadata.json."""


@pytest.fixture
def bundle(tmp_path: Path, exported: Exported, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Export a run's bundle and build what its inference.json names."""

    def of(task: str, **more: Any) -> tuple[Path, Any]:
        folder, _ = exported(task, "bundle")
        monkeypatch.syspath_prepend(str(folder))
        parser = ConfigParser()
        parser.read_config(folder / "configs/inference.json")
        parser["bundle_root"], parser["output_dir"] = str(folder), str(tmp_path / "out")
        for key, value in more.items():
            parser[key] = value
        return folder, parser.get_parsed_content("application")

    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "scripts"}
    for name in kept:
        del sys.modules[name]
    yield of
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]
    sys.modules.update(kept)


def ours(run: Path | LoadedRun, file: Path) -> Predicted:
    """The prediction of one file by GANatomy itself."""
    loaded = load_run(run, device="cpu") if isinstance(run, Path) else run
    predictor = Predictor(loaded, inputs(loaded.preprocessing, file))
    return predictor(predictor.records[0])


def content(path: Path) -> np.ndarray:
    """Numbers of a written file, channel last if it has several."""
    if path.suffix == ".gz":
        return np.asanyarray(nib.load(path).dataobj)  # type: ignore[attr-defined]
    return np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))


def agree(out: Path, file: Path, expected: Predicted) -> None:
    """Compare the file that a bundle wrote with a prediction."""
    assert expected.values is not None and expected.file is not None
    stem = file.name.split(".")[0]
    (path,) = (path for path in out.glob(f"{stem}_pred.*") if path.suffix != ".json")
    found, truth = content(path), expected.values[0]
    assert found.shape == truth.shape[: found.ndim] and found.size == truth.size  # a plane has two axes
    truth = truth.reshape(found.shape)
    assert np.abs(found - truth).max() <= 1e-4 * np.ptp(truth)
    if path.suffix == ".gz":
        assert np.allclose(nib.load(path).affine, expected.file.affine)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_stranger_runs_it(
    finished: Callable[[str], Path], exported: Exported, files: Path, tmp_path: Path
) -> None:
    run, (folder, _) = finished("segmentation"), exported("segmentation", "bundle")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    (tmp_path / "stranger.py").write_text(STRANGER)
    words = [sys.executable, str(tmp_path / "stranger.py"), str(files), str(tmp_path / "out")]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for file in sorted(files.iterdir()):
        agree(tmp_path / "out", file, ours(run, file))
    metadata = json.loads((folder / "configs/metadata.json").read_text())
    jsonschema.validate(metadata, NEEDED)
    assert metadata["network_data_format"]["outputs"]["pred"]["num_channels"] == 4
    text = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(word in text for word in (b"virtual-00", b"site-packages", str(run).encode()))
    assert "CC0-1.0" in (folder / "LICENSE").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["enhancement", "anomaly"])
def test_images_and_maps(
    task: str, bundle: Any, finished: Callable[[str], Path], files: Path, tmp_path: Path
) -> None:
    _, application = bundle(task)
    for file in sorted(files.iterdir()):
        application.one(file)
        expected = ours(finished(task), file)
        agree(tmp_path / "out", file, expected)
        if task == "anomaly":
            (path,) = (tmp_path / "out").glob(f"{file.name.split('.')[0]}_pred.json")
            score = json.loads(path.read_text())["score"]
            assert score == pytest.approx(expected.answer.values["score"], rel=1e-4)


@pytest.mark.slow
def test_boxes(bundle: Any, finished: Callable[[str], Path], files: Path, tmp_path: Path) -> None:
    _, application = bundle("detection")
    for file in sorted(files.glob("*.png")):
        found = application.one(file)["boxes"]
        expected = ours(finished("detection"), file).answer.boxes
        assert expected is not None and len(found) == len(expected.boxes) > 0
        assert np.allclose([box["score"] for box in found], expected.scores, atol=1e-4)
        assert np.allclose([box["box"] for box in found], expected.boxes, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize(("window", "axes"), [(None, ()), ([16, 20], ()), (None, (0, 1)), ([16, 20], (1,))])
def test_boxes_in_windows_and_over_mirror_images(
    window: list[int] | None,
    axes: tuple[int, ...],
    bundle: Any,
    finished: Callable[[str], Path],
    files: Path,
) -> None:
    from ganatomy.export.bundle.inference import inference_of

    loaded = load_run(finished("detection"), device="cpu")
    loaded.task.window, loaded.task.mirror_axes = window, axes  # type: ignore[assignment]
    _, application = bundle("detection", inferer=inference_of(loaded)[0]["inferer"])
    for file in sorted(files.glob("*.png")):
        found, expected = application.one(file)["boxes"], ours(loaded, file).answer.boxes
        assert expected is not None and len(found) == len(expected.boxes) > 0
        assert np.allclose([box["score"] for box in found], expected.scores, atol=1e-4)
        assert np.allclose([box["box"] for box in found], expected.boxes, atol=1e-2)


@pytest.mark.slow
def test_boxes_of_a_volume_are_refused_by_both(
    bundle: Any, finished: Callable[[str], Path], files: Path
) -> None:
    _, application = bundle("detection")
    for name in ("volume0.nii.gz", "plane.nii"):
        application.folder = files / name
        with pytest.raises(ValueError, match=f"{name}: this bundle finds boxes in pictures, and this is"):
            application.run()
        with pytest.raises(UserError, match=rf"^{name[:5]}.*: this run finds boxes in pictures"):
            ours(finished("detection"), files / name)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["uint16", "float32"])
def test_outputs_have_the_type_of_the_targets(
    target: str, bundle: Any, finished: Callable[[str], Path], files: Path, tmp_path: Path
) -> None:
    from ganatomy.export.bundle.inference import inference_of

    loaded = load_run(finished("enhancement"), device="cpu")
    own = {"dtype": target, "slope": 1.0, "inter": 0.0}
    loaded = replace(loaded, preprocessing=replace(loaded.preprocessing, target_file=own))
    _, application = bundle("enhancement", postprocessing=inference_of(loaded)[0]["postprocessing"])
    for file in sorted(files.iterdir()):
        application.one(file)
        expected = ours(loaded, file)
        assert expected.file is not None and expected.file.like.dtype == target
        agree(tmp_path / "out", file, expected)
    (picture,) = (tmp_path / "out").glob("picture1_pred.*")
    assert content(picture).dtype == target


@pytest.mark.slow
def test_images_of_twenty_seeds(bundle: Any, finished: Callable[[str], Path], tmp_path: Path) -> None:
    import torch

    _, application = bundle("synthesis")
    drawer: Any = load_run(finished("synthesis"), device="cpu").task.drawer  # type: ignore[attr-defined]
    noise = [torch.randn(1, 64, generator=torch.Generator().manual_seed(seed)) for seed in range(20)]
    with torch.no_grad():
        expected = [drawer(z)[0] * application.scale + application.offset for z in noise]
    span = max(float(image.max()) for image in expected) - min(float(image.min()) for image in expected)
    assert max(float((application(s) - image).abs().max()) for s, image in enumerate(expected)) <= 1e-4 * span
    application.count = 2
    application.run()
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) == 2 and np.allclose(content(written[1]), expected[1][0], atol=1e-4 * span)


def test_a_broken_image_is_named_and_the_others_go_on(bundle: Any, files: Path, tmp_path: Path) -> None:
    _, application = bundle("enhancement")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "b.png").write_bytes((files / "picture0.png").read_bytes())
    application.folder = folder
    with pytest.raises(ValueError, match=r"1 of 2 images could not be done\na\.png"):
        application.run()
    assert (tmp_path / "out/b_pred.png").is_file()


def test_copies_need_no_ganatomy() -> None:
    copied = scripts_with("apply", "transforms", "inferer", "maps", "answers")
    for name, text in copied.items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("ganatomy"), name
                assert node.level == 0 or f"{node.module}.py" in copied, name
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("ganatomy") for alias in node.names), name


def test_what_a_bundle_cannot_hold_is_refused(finished: Callable[[str], Path]) -> None:
    from ganatomy.export.bundle.inference import inference_of

    loaded = load_run(finished("enhancement"), device="cpu")
    loaded.task.__class__ = type("Other", (loaded.task.__class__,), {})
    assert inference_of(loaded)[1]
    boxes = load_run(finished("detection"), device="cpu")
    boxes.task.mirror_axes = (1,)  # type: ignore[assignment]
    boxes.task.decoder = replace(boxes.task.decoder, fusion="wbf")  # type: ignore[arg-type, type-var]
    with pytest.raises(UserError, match=r"^format=bundle: task\.fusion=wbf of mirror images has no place"):
        inference_of(boxes)
    boxes.task.decoder = replace(boxes.task.decoder, fusion="maps", zooms=(0.5,))  # type: ignore[arg-type, type-var]
    with pytest.raises(UserError, match=r"^format=bundle: task\.zooms has no place in a bundle"):
        inference_of(boxes)
    assert [line.split(":")[0] for line in one_pass(boxes)] == ["one pass", "one size"]
    assert "task.zooms=[0.5]" in one_pass(boxes)[1]
