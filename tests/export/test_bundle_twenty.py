"""A bundle, run by MONAI alone, agrees with `predict` on twenty inputs of three sizes for each task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from ganatomy.data.sources.brain import Brain
from ganatomy.export.agreement import LIMIT
from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import load_run
from ganatomy.inference.predictor import Predicted, Predictor
from tests.export.conftest import OBLIQUE
from tests.export.test_bundle import content

pytestmark = pytest.mark.long
Exported = Callable[[str, str], tuple[Path, list[str]]]
Finished = Callable[[str], Path]
SIZES = [(64, 64)] * 7 + [(96, 128)] * 7 + [(157, 190)] * 6
"""Sides of the twenty inputs."""
ULTRASOUND = Path(os.environ.get("GANATOMY_DATA", "data")) / "busi_256/images"
STRANGER = """
import json, sys
import torch
from monai.bundle import run
torch.set_num_threads(1)
run(config_file="configs/inference.json", **json.loads(sys.argv[1]))
assert "ganatomy" not in sys.modules
"""
"""What `python -m monai.bundle run` calls, for a user who has no GANatomy."""


def run_bundle(folder: Path, **more: Any) -> None:
    """Run the bundle's own workflow, with these entries of its configuration."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [sys.executable, "-c", STRANGER, json.dumps(more)]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def write_brains(folder: Path, flat: bool) -> None:
    """Write slices of virtual brains as 8-bit PNG, and each second brain as int16 or float32 NIfTI.

    Args:
        folder: Where to.
        flat: Write no NIfTI, but slices alone.
    """
    for number, (height, width) in enumerate(SIZES):
        source = Brain(subjects=3, size=max(height, width), slices=3, cohort_seed=number)
        image = source.load(source.records()[0])["image"][0, :height, :width]
        if number % 2 and not flat:
            numbers = image if number % 4 == 1 else np.rint(image).astype(np.int16)
            nib.save(nib.Nifti1Image(numbers, OBLIQUE), folder / f"input{number:02}.nii.gz")
        else:
            picture = (image[..., 1] * (255 / image.max())).astype(np.uint8)
            Image.fromarray(picture).save(folder / f"input{number:02}.png")


def write_ultrasound(folder: Path, flat: bool) -> None:
    """Write the middle of real ultrasound images, as NIfTI of one slice unless flat: pictures are resized."""
    if not ULTRASOUND.is_dir():
        pytest.skip("GANATOMY_DATA has no busi_256")
    names = sorted(ULTRASOUND.glob("*.png"))[::30]
    for number, ((height, width), name) in enumerate(zip(SIZES, names, strict=False)):
        image = Image.open(name)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
        if flat:
            image.save(folder / f"input{number:02}.png")
        else:
            numbers = np.asarray(image).T[..., None]
            nib.save(nib.Nifti1Image(numbers, np.eye(4)), folder / f"input{number:02}.nii.gz")


def largest_difference(out: Path, file: Path, expected: Predicted) -> float:
    """Return how far a bundle's answers are from a prediction, as a fraction of its range."""
    stem, found, wanted = file.name.split(".")[0], [], []
    beside = out / f"{stem}_pred.json"
    written = json.loads(beside.read_text()) if beside.is_file() else {}
    if expected.file is not None:
        (path,) = (path for path in out.glob(f"{stem}_pred.*") if path != beside)
        array = content(path)
        found, wanted = [array], [expected.file.values[0].reshape(array.shape)]
    if "score" in written:
        score = expected.answer.values["score"]
        assert written["score"] == pytest.approx(score, rel=LIMIT)
    if "boxes" in written:
        boxes = expected.answer.boxes
        assert boxes is not None and len(written["boxes"]) == len(boxes.boxes) > 0
        found += [np.array([each[key] for each in written["boxes"]]) for key in ("score", "box")]
        wanted += [boxes.scores, boxes.boxes]
    assert found
    for values in wanted:
        assert np.ptp(values) > 0  # a flat answer would prove nothing
    return max(float(np.abs(f - w).max() / np.ptp(w)) for f, w in zip(found, wanted, strict=True))


@pytest.mark.parametrize("images", ["brains", "ultrasound"])
@pytest.mark.parametrize("task", ["segmentation", "enhancement", "detection", "anomaly"])
def test_answers(
    task: str,
    images: str,
    finished: Finished,
    exported: Exported,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    write = write_brains if images == "brains" else write_ultrasound
    write(folder, flat=task == "detection")
    run_bundle(exported(task, "bundle")[0], dataset_dir=str(folder), output_dir=str(out))
    loaded = load_run(finished(task), device="cpu")
    predictor = Predictor(loaded, inputs(loaded.preprocessing, folder))
    files = sorted(folder.iterdir())
    assert len(files) == len(predictor.records) == 20
    found = [
        largest_difference(out, file, predictor(record))
        for file, record in zip(files, predictor.records, strict=True)
    ]
    record_property("largest_difference", max(found))
    assert max(found) <= (0 if task == "segmentation" else LIMIT)


def test_images_of_twenty_seeds(
    finished: Finished,
    exported: Exported,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    run_bundle(exported("synthesis", "bundle")[0], count=20, seed=0, output_dir=str(tmp_path))
    loaded = load_run(finished("synthesis"), device="cpu")
    task: Any = loaded.task
    kept = loaded.preprocessing.synthesis
    assert kept is not None
    scale, offset = (float(np.squeeze(kept[key])) for key in ("scale", "offset"))
    noise = [torch.randn(1, task.latent, generator=torch.Generator().manual_seed(s)) for s in range(20)]
    with torch.no_grad():
        wanted = np.stack([task.drawer(z)[0, 0].double().numpy() * scale + offset for z in noise])
    found = np.stack([content(path) for path in sorted(tmp_path.iterdir())])
    worst = float(np.abs(found - wanted).max() / np.ptp(wanted))
    record_property("largest_difference", worst)
    assert worst <= LIMIT
