"""Instance detection through the training function: what a run learns, leaves, answers and refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from ganatomy.data.transforms.instances import NO_BOX
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import InstanceMaps
from ganatomy.tasks.detection import InstanceDetectionTask
from ganatomy.tasks.detection.centernet_decoding import Found
from ganatomy.tasks.detection.instances.chosen import with_room
from ganatomy.tasks.detection.instances.written import kept_numbers
from tests.tasks.detection.test_task import words_of
from tests.test_resume import assert_same_end, run_until

CELLS = [
    "data=cells",
    "data.subjects=6",
    "data.size=48",
    "data.objects=[4,9]",
    "data.split=[4,1,1]",
    "data.cache=none",
]
NODULES = ["data=nodules", "data.subjects=8", "data.size=16", "data.split=[4,2,2]", "data.cache=none"]
FEW = ["data.subjects=6", "data.size=32", "data.slices=2", "data.split=[4,1,1]"]
ON = ["task=detection", "task.instances=true"]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    def of(*words: str) -> list[str]:
        own = [] if any(word.startswith("data=") for word in words) else CELLS
        return [*ON, *own, *words_of("centernet_gan"), *words]

    return of


HISTORY = ["update=auto", "model.adversarial.history=4"]  # the update is then g_first


@pytest.mark.parametrize(
    "words",
    [CELLS, [*CELLS, "update=textbook"], [*CELLS, "update=one_backward"], [*CELLS, *HISTORY], NODULES],
    ids=["shared", "textbook", "one_backward", "g_first", "3D"],
)
def test_two_steps_move_every_weight(train_small, gradients, words):
    directory = train_small("run", *words)
    metrics = json.loads((directory / "metrics.json").read_text())
    assert {"test/aji", "test/pq", "baseline/watershed/pq", "baseline/threshold/aji"} <= set(metrics)
    assert {player for player, _ in gradients} == {"generator", "discriminator"}
    assert any(name.startswith("instance_heads") for _, name in gradients)
    for (player, name), seen in gradients.items():
        assert any(g is not None and g.abs().max() > 0 for g in seen), (player, name)


def test_without_a_discriminator_and_with_micro_batches(train_small):
    twin = train_small("twin", "model.discriminator=null")
    small = train_small("small", "model.discriminator=null", "update.accumulate=2")
    first, second = (
        torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (twin, small)
    )
    for name, value in first.items():
        assert torch.allclose(value, second[name], atol=2e-3), name


def test_resumed_equals_uninterrupted(train_small):
    words = ["trainer.max_steps=4", "trainer.val_every=2", "logger=csv", "callbacks.checkpoint_every=2"]
    whole = train_small("whole", *words)
    run_until(3, train_small, "cut", *words)
    assert_same_end(whole, train_small("cut", resume=True))


def instance_files(root: Path, count: int = 6) -> list[str]:
    """Words for pictures of several sizes with instance maps of large numbers; two objects touch in each."""
    for folder in ("images", "cells"):
        (root / folder).mkdir(parents=True)
    for n in range(count):
        rng, numbers = np.random.default_rng(n), np.zeros((40 + 8 * (n % 2), 50), np.uint16)
        numbers[5 + n : 15 + n, 8:16], numbers[5 + n : 15 + n, 16:26], numbers[30:38, 40:47] = 700, 9, 40000
        image = rng.integers(0, 60, numbers.shape) + np.where(numbers == 9, 180, (numbers > 0) * 120)
        Picture.fromarray(image.astype(np.uint8)).save(root / f"images/p{n}.png")
        Picture.fromarray(numbers).save(root / f"cells/p{n}.png")
    return [
        "data=folder",
        f"data.root={root}",
        'data.instances="cells/{name}"',
        "data.split=[4,1,1]",
        "data.cache=none",
    ]


def test_the_true_maps_score_one_and_are_written_in_the_file_s_own_grid(train_small, tmp_path, monkeypatch):
    """A reader of the truth, behind a letterbox: the file of an answer holds its objects."""
    words = instance_files(tmp_path / "set")

    def knows(self: InstanceDetectionTask, batch: dict[str, Any]) -> dict[str, Any]:
        sure = [
            Found(b, torch.ones(len(b)), k) for b, k in zip(batch["boxes"], batch["classes"], strict=True)
        ]
        numbers = [each[0].clamp_min(0) for each in batch["instances"]]
        return {"found": sure, "heat": batch["image"][:, 0] * 0, "numbers": numbers}

    monkeypatch.setattr(InstanceDetectionTask, "predict", knows)
    # twice the sides of the largest image: letterboxing then repeats voxels, and the way back is exact
    directory = train_small("run", *words, "data.size=[96,100]", "save_predictions=-1", "callbacks.samples=1")
    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics["test/pq"] > 0.9 and metrics["test/aji"] > 0.9
    (row,) = csv.DictReader((directory / "predictions.csv").read_text().splitlines())
    written = np.asarray(Picture.open(directory / f"predictions/{row['prediction']}.png"))
    truth = np.asarray(Picture.open(tmp_path / f"set/cells/{row['case'].removeprefix('images_')}.png"))
    assert written.shape == truth.shape and written.dtype == np.uint16
    assert len(np.unique(written)) == 4 and ((written > 0) == (truth > 0)).mean() > 0.97
    assert (directory / "samples/test.png").is_file()
    boxes = list(csv.DictReader((directory / "predictions/boxes.csv").read_text().splitlines()))
    for number, box in enumerate(boxes, 1):
        rows, columns = np.nonzero(written == number)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.allclose(found, [float(box[key]) for key in ("x1", "y1", "x2", "y2")], atol=1.01)


def test_predict_writes_a_map_beside_the_boxes(train_small, tmp_path):
    from ganatomy.inference.model import load

    directory = train_small("run", *instance_files(tmp_path / "set"), "data.size=48", "trainer.max_steps=4")
    answer = load(str(directory))(str(tmp_path / "set/images/p1.png"))
    assert answer.array.shape == (48, 50) and answer.array.dtype == np.uint16
    counted = sum(score >= answer.boxes.threshold for score in answer.boxes.scores)
    assert 0 <= answer.array.max() <= counted == answer.values["boxes"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=brain_lesions", *FEW], "has no instance map"),
        (["task.fusion=wbf", "task.mirror_axes=[0]"], "task.fusion: instance maps need"),
        (["task.zooms=[0.5]"], "task.zooms: instance maps are of one size"),
        (
            ["+model.generator.instances=false"],
            "model.generator: CenterNet returns no foreground and votes; set",
        ),
        (["+task.losses.shape=1"], "task.losses: shape is no loss; choose among .* foreground, vote"),
        (["+task.losses.vote=-1"], "task.losses.vote: -1; give a weight of 0"),
        (["+task.losses.vote=far"], "task.losses.vote: .*got 'far'"),
        (["+task.losses.foreground=true"], "task.losses.foreground: true"),
        (["task.monitor=val/pqq"], "no score is named val/pqq"),
    ],
)
def test_impossible_settings_are_one_line(prepared, words, message):
    from ganatomy.training import preflight

    with pytest.raises(UserError, match=message):
        preflight.check_monitor(prepared(*words)[1])


def test_room_for_the_most_objects_of_a_training_image(prepared, monkeypatch):
    data, task = prepared()
    assert task.decoder.max_detections == 300
    case = data.whole(data.records["train"][0])
    monkeypatch.setattr(type(data), "whole", lambda *_: case | {"boxes": np.zeros((400, 4))})
    assert with_room({"max_detections": None}, data)["max_detections"] == 800
    assert prepared("task.max_detections=7")[1].decoder.max_detections == 7


def test_the_discriminator_sees_no_difference_where_nothing_is_known(prepared):
    data, task = prepared()
    batch = next(iter(data.train_dataloader()))
    batch["instances"] = torch.where(batch["instances"] == 1, NO_BOX, batch["instances"])
    maps = InstanceMaps(*(part.detach().requires_grad_() for part in task.generate(batch)))
    real, fake = task.discriminator_inputs(batch, maps)
    unknown = torch.nn.functional.avg_pool2d((batch["instances"] == NO_BOX).float(), task.stride) > 0
    assert unknown.any() and torch.equal(real[:, -1:][unknown], fake[:, -1:][unknown])
    assert not torch.equal(real[:, -1:][~unknown], fake[:, -1:][~unknown])
    assert not real.requires_grad and fake.requires_grad


def test_numbers_follow_the_boxes_that_are_kept():
    numbers = np.array([[1, 2, 3, 0]])
    assert kept_numbers(numbers, np.array([True, False, True])).tolist() == [[1, 0, 2, 0]]
