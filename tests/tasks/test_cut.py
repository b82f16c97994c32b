"""`data.size` smaller than the images: every task answers for the whole of them, in windows, or stops."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import CenterNet, Maps
from ganatomy.tasks.detection.task import DetectionTask
from ganatomy.tasks.detection.views import maps_in_windows

SHAPE = (40, 44, 6)


def disc(shape: tuple[int, ...], centre: list[int], radius: int) -> np.ndarray:
    places = np.indices(shape)
    return sum((p - c) ** 2 for p, c in zip(places, centre, strict=True)) <= radius**2


@pytest.fixture
def train(compose: Any, tmp_path: Path, monkeypatch: Any) -> Callable[..., Path]:
    from ganatomy.train import train

    monkeypatch.setenv("GANATOMY_TARGETS", "tests.callbacks.planted.")

    def of(*words: str, network: str = "") -> Path:
        common = f"data=folder data.root={tmp_path / 'data'} data.split=[2,1,2] data.batch_size=2"
        common += " trainer.max_steps=1 trainer.val_every=1 trainer.threads=1 trainer.accelerator=cpu"
        common += " callbacks.progress=none callbacks.report=false callbacks.samples=1 logger=none"
        if network:
            common += f" model.generator._target_=tests.callbacks.planted.{network} model.discriminator=null"
        cfg = compose(*common.split(), *words, tiny=False)
        train(validate(cfg), tmp_path / "run")
        return tmp_path / "run"

    return of


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Noise from one end of 16 bits to the other, brightest where a mask says so, far from the middle."""
    for n in range(5):
        rng = np.random.default_rng(n)
        mask = disc(SHAPE, [4, 5, 2], 3).astype(np.uint8)
        image = np.where(mask, 30000, rng.integers(-32768, 0, SHAPE)).astype(np.int16)
        for role, array in (("images", image), ("masks", mask), ("targets", image // 2)):
            (tmp_path / "data" / role).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / f"data/{role}/v{n}.nii.gz")
    return tmp_path / "data"


def predicted(run: Path) -> dict[str, np.ndarray]:
    with (run / "predictions.csv").open() as file:
        named = {row["prediction"]: row["case"].removeprefix("images_") for row in csv.DictReader(file)}
    return {case: nib.load(run / f"predictions/{name}.nii.gz").get_fdata() for name, case in named.items()}


VOLUMES = "data.image=images/*.nii.gz"
SIZES = [("2", "16"), ("2", "[16,60]"), ("3", "16"), ("3", "[64,16,8]")]


@pytest.mark.parametrize(("dims", "size"), SIZES)
def test_every_voxel_of_a_file_was_made_by_the_network(
    train: Any, volumes: Path, dims: str, size: str
) -> None:
    """The identity gives every voxel back; blending in float32 may miss one of 65536 levels by one."""
    words = ["task=enhancement", VOLUMES, "data.target='targets/{name}'", "degradation=none"]
    run = train(
        *words,
        f"data.spatial_dims={dims}",
        f"data.size={size}",
        "data.resize=pad",
        "save_predictions=all",
        network="Identity",
    )
    errors = []
    for case, ours in predicted(run).items():
        assert np.abs(ours - nib.load(volumes / f"images/{case}.nii.gz").get_fdata()).max() <= 1
        errors.append(np.abs(ours - nib.load(volumes / f"targets/{case}.nii.gz").get_fdata()).mean())
    scores = json.loads((run / "metrics.json").read_text())
    if (dims, size) == ("2", "16"):  # elsewhere padding, which no file holds, is scored too
        scores = json.loads((run / "metrics.json").read_text())
        assert len(errors) == 2 and scores["test/mae"] == pytest.approx(np.mean(errors), rel=1e-4)


@pytest.mark.parametrize(("dims", "size"), SIZES)
def test_objects_outside_the_middle_are_found(train: Any, volumes: Path, dims: str, size: str) -> None:
    words = ["task=segmentation", VOLUMES, "data.label='masks/{name}'", "data.classes=[background,spot]"]
    run = train(
        *words,
        f"data.spatial_dims={dims}",
        f"data.size={size}",
        "save_predictions=all",
        "data.resize=pad",
        network="Bright",
    )
    for case, ours in predicted(run).items():
        np.testing.assert_array_equal(ours, nib.load(volumes / f"masks/{case}.nii.gz").get_fdata())
    assert json.loads((run / "metrics.json").read_text())["test/dice"] == 1


@pytest.mark.parametrize("task", ["synthesis", "anomaly"])
def test_a_task_of_one_size_stops(train: Any, volumes: Path, task: str) -> None:
    words = [f"task={task}", VOLUMES, "data.spatial_dims=2", "data.size=16"]
    words += ["task.imagenet=false"] if task == "synthesis" else ["data.label='masks/{name}'"]
    words += ["data.classes=[background,spot]"] if task == "anomaly" else []
    with pytest.raises(
        UserError, match=r"^data\.size=16 cuts 5 of 5 images.*14.5 % .*data\.resize=letterbox"
    ):
        train(*words)
    if task == "synthesis":
        with pytest.raises(
            UserError, match=r"^save_predictions: data\.size=16 cuts 5 of 5 images.*made-up voxels"
        ):
            train(*words, "data.resize=crop", "save_predictions=1", "task.max_images=4", "task.nearest=2")


def test_boxes_outside_the_middle_are_looked_for(train: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Pictures of 64x48, an object in a corner and one in the middle, windows of 32."""
    for n in range(6):
        mask = disc((64, 48), [8, 40], 5).astype(np.uint8) | disc((64, 48), [32, 22 + n % 3], 4).astype(
            np.uint8
        )
        for role, array in (("images", 60 + 120 * mask), ("masks", mask)):
            (tmp_path / "data" / role).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.astype(np.uint8)).save(tmp_path / f"data/{role}/p{n}.png")
    seen: list[tuple[int, ...]] = []
    forward, score = CenterNet.forward, DetectionTask.score
    judged: list[tuple[tuple[int, ...], list[int]]] = []

    def watched(self: Any, x: Tensor) -> Maps:
        seen.append(tuple(x.shape[2:]))
        return forward(self, x)

    def scored(self: Any, stage: str, batch: Any, prediction: Any) -> None:
        judged.append((tuple(batch["image"].shape[2:]), [len(boxes) for boxes in batch["boxes"]]))
        score(self, stage, batch, prediction)

    monkeypatch.setattr(CenterNet, "forward", watched)
    monkeypatch.setattr(DetectionTask, "score", scored)
    words = [
        "task=detection",
        "data.label='masks/{name}'",
        "data.classes=[background,cell]",
        "data.resize=crop",
    ]
    words += ["data.boxes_from_label=true", "data.size=32", "model.generator.body.channels=[8,16]"]
    run = train(*words, "model.generator.body.strides=[2]")
    assert {size for size, _ in judged} == {(64, 48)} and {n for _, ns in judged for n in ns} == {2}
    assert set(seen) == {(32, 32)}
    assert "test/map50" in json.loads((run / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("sides", "stride"), [((41, 64), 2), ((64, 70), 4), ((20, 33, 48), 2), ((40, 40), 1)]
)
def test_maps_in_windows_are_those_of_the_whole(sides: tuple[int, ...], stride: int) -> None:
    """Of a network that looks at one cell alone nothing depends on the window."""
    dims = len(sides)
    pool = torch.nn.functional.avg_pool2d if dims == 2 else torch.nn.functional.avg_pool3d

    def cells(images: Tensor) -> Maps:
        small = pool(images, stride, ceil_mode=True)
        sides = small.repeat(1, dims, *[1] * dims)
        return Maps(torch.cat([small, -small], 1), sides, sides + 1)

    images = torch.randn(2, 1, *sides, generator=torch.Generator().manual_seed(0))
    pad = [n for side in reversed(sides) for n in (0, -side % stride)]
    filled = torch.nn.functional.pad(images, pad, mode="replicate")
    whole, ours = cells(filled), maps_in_windows(cells, images, stride, [16] * dims)
    for one, other in zip(whole, ours, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    same = maps_in_windows(cells, images, stride, [max(sides)] * dims)
    assert all(torch.equal(a, b) for a, b in zip(same, cells(images), strict=True))
