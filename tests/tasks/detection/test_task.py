"""Detection through the training function: every model, every update, 2D and 3D; what a run leaves."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks import nets
from PIL import Image as Picture

from ganatomy.baselines.detection import mean_box
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import CenterNet, Maps, lengths
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.tasks.detection.centernet_decoding import Found
from ganatomy.tasks.detection.drawing import FAINT, SURE, drawn
from ganatomy.tasks.detection.task import DetectionTask
from ganatomy.tasks.detection.typical import typical_sides
from ganatomy.training import preflight
from tests.test_resume import assert_same_end, run_until

SMALL = ["task=detection", "data.size=32", "data.subjects=6", "data.split=[4,1,1]", "data.slices=6"]
MODELS = {
    "centernet_gan": [
        "generator.stem=4",
        "generator.head=4",
        "generator.body.channels=[4,8]",
        "generator.body.strides=[2]",
        "generator.body.out_channels=4",
        "discriminator.channels=4",
        "discriminator.num_layers_d=1",
    ],
    "article": [
        "generator.stem=4",
        "generator.body.down=[4,8]",
        "generator.body.up=[8,4]",
        "generator.body.out_channels=4",
        "discriminator.channels=[4,8]",
    ],
}
UNET = "ganatomy.networks.image_to_image.unet.UNet"
VOLUMES = ["data.spatial_dims=3", "data.size=16", "data.radius=[10,20]"]


def words_of(model: str) -> list[str]:
    return [f"model={model}", *(f"model.{word}" for word in MODELS[model])]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """The words of a small run of this task; the cohort's own only where no other data are chosen."""

    def of(*words: str) -> list[str]:
        own = SMALL[:1] if any(word.startswith("data=") for word in words) else SMALL
        model = [] if any(word.startswith("model=") for word in words) else words_of("centernet_gan")
        return [*own, *model, *words]

    return of


@pytest.mark.parametrize("update", ["shared", "textbook"])
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("model", MODELS)
def test_two_steps_move_every_weight(train_small, gradients, model, dims, update):
    words = VOLUMES if dims == 3 else []
    directory = train_small("run", *words_of(model), f"update={update}", *words)
    assert json.loads((directory / "status.json").read_text())["status"] == "done"
    assert {player for player, _ in gradients} == {"generator", "discriminator"}
    for (player, name), seen in gradients.items():
        assert len(seen) == 2, (player, name)
        assert all(g is not None and torch.isfinite(g).all() for g in seen), (player, name)
        assert any(g.abs().max() > 0 for g in seen), (player, name)


def test_a_run_leaves_scores_and_boxes_beside_its_rivals(train_small):
    directory = train_small("run", "callbacks.samples=2")
    metrics = json.loads((directory / "metrics.json").read_text())
    for name in ("map50", "map75", "froc", "sensitivity_1fp", "fp_healthy", "map50/lesion"):
        assert {f"test/{name}", f"baseline/threshold/{name}", f"baseline/mean_box/{name}"} <= set(metrics)
    folder = directory / "predictions"
    truth = json.loads((folder / "truth.json").read_text())
    assert len(truth["images"]) == 6 and truth["categories"] == [{"id": 1, "name": "lesion"}]
    assert all(
        set(row) >= {"image_id", "category_id", "bbox", "score"}
        for row in json.loads((folder / "boxes.json").read_text())
    )
    assert (folder / "boxes.csv").read_text().startswith("case,class,score,x1,y1,x2,y2\n")
    assert (directory / "samples/test.png").is_file()
    rows = list(csv.DictReader((directory / "scores.csv").read_text().splitlines()))
    assert set(rows[0]) == {"case", "objects", "found", "false_positives", "subject"} and len(rows) == 6


def test_saved_boxes_score_the_same_with_pycocotools(train_small):
    """Written in the files' coordinates, read by others: mAP50 of `metrics.json`."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval

    words = ["trainer.max_steps=30", "trainer.val_every=30", "data.radius=[20,30]", "data.healthy=0"]
    directory = train_small("run", *words)
    truth = coco.COCO(str(directory / "predictions/truth.json"))
    judge = COCOeval(truth, truth.loadRes(str(directory / "predictions/boxes.json")), "bbox")
    judge.params.iouThrs = np.array([0.1, 0.5])
    judge.evaluate()
    judge.accumulate()
    found = judge.eval["precision"][:, :, 0, 0, 2].mean(1)
    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics["test/map50"] == pytest.approx(found[1], abs=0.02)
    assert found[0] > 0


def pictures(root: Path, sizes: list[tuple[int, int]]) -> list[str]:
    """Words for pictures of these sides, each with a bright square at a place of its own."""
    root.mkdir()
    rows = ["image,boxes,part"]
    draw = np.random.default_rng(0)
    for number, (height, width) in enumerate(sizes):
        pixels = draw.integers(0, 60, (height, width)).astype(np.uint8)
        top, left = height // 4 + number, width // 2
        pixels[top : top + 12, left : left + 8] = 250
        Picture.fromarray(pixels).save(root / f"{number}.png")
        split = ["train", "train", "train", "train", "val", "test"][number % 6]
        rows.append(f'{number}.png,"[[{left},{top},{left + 8},{top + 12}]]",{split}')
    (root / "index.csv").write_text("\n".join(rows))
    return [
        "data=table",
        f"data.root={root}",
        "data.boxes=boxes",
        "data.given_split=part",
        "data.spatial_dims=2",
    ]


def test_boxes_are_saved_in_the_coordinates_of_the_file(train_small, tmp_path, monkeypatch):
    """A reader of the drawn truth, behind a letterbox: what is written is what the table says."""
    words = pictures(tmp_path / "set", [(64, 48), (48, 64), (64, 64), (80, 60), (60, 48), (50, 90)])
    honest = DetectionTask.predict

    def knows(self: DetectionTask, batch: dict[str, Any]) -> dict[str, Any]:
        sure = [
            Found(b, torch.ones(len(b)), k) for b, k in zip(batch["boxes"], batch["classes"], strict=True)
        ]
        return honest(self, batch) | {"found": sure}

    monkeypatch.setattr(DetectionTask, "predict", knows)
    directory = train_small("run", *words, "data.size=32")
    truth = json.loads((directory / "predictions/truth.json").read_text())
    wanted = [45, 50 // 4 + 5, 8, 12]
    assert np.allclose(truth["annotations"][0]["bbox"], wanted, atol=0.01)
    (found,) = json.loads((directory / "predictions/boxes.json").read_text())
    assert np.allclose(found["bbox"], wanted, atol=0.01)
    (row,) = csv.DictReader((directory / "predictions/boxes.csv").read_text().splitlines())
    assert [float(row[key]) for key in ("x1", "y1", "x2", "y2")] == pytest.approx([45, 17, 53, 29], abs=0.01)
    assert (truth["images"][0]["height"], truth["images"][0]["width"]) == (50, 90)
    assert json.loads((directory / "metrics.json").read_text())["test/map"] == 1


def test_the_threshold_of_validation_goes_with_the_weights(prepared, train_small):
    from safetensors.torch import load_file

    directory = train_small("run", "trainer.max_steps=6", "trainer.val_every=2")
    kept = float(load_file(directory / "generator.safetensors")["threshold"])
    best = torch.load(directory / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert kept == float(best["generator.threshold"]) == float(best["average.module.threshold"])


def test_discriminator_sees_truth_and_maps_drawn_alike(prepared):
    data, task = prepared()
    batch = next(batch for batch in data.train_dataloader() if sum(map(len, batch["boxes"])))
    truth = task._truth(batch["boxes"], batch["classes"], task.generate(batch).centre)
    sure = Maps(torch.logit(truth.centre.clamp(1e-6, 1 - 1e-6)), truth.spread, torch.zeros_like(truth.spread))
    real, fake = task.discriminator_inputs(batch, sure)
    assert torch.allclose(real, fake, atol=1e-4)
    empty = Maps(torch.full_like(truth.centre, -30), truth.spread, sure.offset)
    assert not torch.allclose(real, task.discriminator_inputs(batch, empty)[1], atol=0.5)
    seen = real[:, data.channels : data.channels + 1]
    assert float(seen.min()) == pytest.approx(FAINT) and float(seen.max()) == pytest.approx(SURE)


def test_sides_are_judged_where_centres_are():
    image, centre = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    centre[0, 0, 1, 1] = 1
    sides = torch.full((1, 2, 4, 4), 3.0, requires_grad=True)
    drawn(image, centre, sides)[:, 2:].sum().backward()
    assert (sides.grad[0, 0] != 0).nonzero().tolist() == [[1, 1]]


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("dims", [2, 3])
def test_maps_have_a_cell_for_each_stride_whatever_the_sides(dims, stride):
    sides = (37, 50, 21)[:dims]
    network = CenterNet(dims, 2, ["a", "b", "c"], UNet(dims, 4, 5, (4, 8)), stride, 4, 4, 4)
    maps = network(torch.randn(2, 2, *sides))
    cells = tuple(-(-side // stride) for side in sides)
    assert maps.centre.shape == (2, 3, *cells) and maps.size.shape == maps.offset.shape == (2, dims, *cells)
    assert (maps.size > 0).all() and float(maps.centre.detach().sigmoid().mean()) == pytest.approx(
        0.01, abs=0.005
    )
    (maps.centre.sum() + maps.size.sum() + maps.offset.sum()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def small_network(dims: int, **settings: Any) -> CenterNet:
    torch.manual_seed(0)
    return CenterNet(dims, 1, ["a"], UNet(dims, 4, 5, (4, 8)), 2, 4, 4, 4, **settings)


@pytest.mark.parametrize("dims", [2, 3])
def test_an_untrained_network_finds_boxes_of_the_typical_sides(dims: int) -> None:
    sides = [30.0, 3.0, 11.0][:dims]
    network = small_network(dims, sides="log", typical_sides=sides)
    size = network(torch.randn(2, 1, *[16] * dims)).size.detach()
    assert torch.allclose(size.flatten(2).mean((0, 2)) * 2, torch.tensor(sides), rtol=0.1)
    nn_output = torch.tensor([-900.0, 0.0, 900.0]).reshape(1, 1, 3).expand(1, dims, 3)
    shape = [1, dims, 3, *[1] * (dims - 1)]
    extreme = lengths(nn_output.reshape(shape).bfloat16(), network.typical)
    assert torch.isfinite(extreme).all() and (extreme > 0).all() and extreme.dtype == torch.float32


def test_scales_share_their_weights_and_typical_sides_are_no_weight() -> None:
    linear, log = small_network(2), small_network(2, sides="log", typical_sides=[3.0, 4.0])
    assert set(linear.state_dict()) == set(log.state_dict())
    same = {name: torch.equal(value, log.state_dict()[name]) for name, value in linear.state_dict().items()}
    assert [name for name, equal in same.items() if not equal] == ["heads.1.2.bias"]


@pytest.mark.parametrize(
    ("sides", "log"), [([19.0, 4.0], True), ([4.0, 20.0], False), ([0.0, 9.0], False), (None, False)]
)
def test_sides_of_few_cells_are_learned_in_logarithms(sides: list[float] | None, log: bool) -> None:
    network = small_network(2, sides="auto", typical_sides=sides)  # cells of 2 voxels
    assert (network.typical is not None) == log


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sides": "log", "typical_sides": [3.0]}, r"typical_sides: \[3.0\]; give 2 sides"),
        ({"sides": "log", "typical_sides": [3.0, 0.0]}, "typical_sides"),
        ({"sides": "log", "typical_sides": [3.0, float("nan")]}, "typical_sides"),
    ],
)
def test_impossible_sides_are_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        small_network(2, **settings)


def test_typical_sides_are_the_median_of_the_training_boxes_that_are_used(prepared) -> None:
    data, task = prepared("data.label_fraction=0.5", "model.generator.sides=log")
    used = data.labels.used(data.records["train"])
    assert 0 < len(used) < len(data.records["train"])
    boxes = np.concatenate([data.cache.get(record)["boxes"] for record in used])
    median = np.median(boxes[:, 2:] - boxes[:, :2], axis=0)
    np.testing.assert_allclose(typical_sides(data), median, atol=1e-3)
    np.testing.assert_allclose(task.generator.typical.flatten() * task.stride, median, atol=1e-3)
    for record in used:
        data.facts[record.case].holds.pop("boxes", None)
    assert typical_sides(data) is None


BODIES = {
    "BasicUNet": {"features": [4, 4, 8, 8, 8, 4]},
    "AttentionUnet": {"channels": [4, 8], "strides": [2]},
    "SegResNet": {"init_filters": 8},
    "UNet": {"channels": [4, 8], "strides": [2]},
}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", BODIES)
def test_monai_s_unets_serve_as_body(name, dims):
    body = getattr(nets, name)(spatial_dims=dims, in_channels=4, out_channels=4, **BODIES[name])
    network = CenterNet(dims, 1, ["a"], body, 2, 4, 4, 16)
    assert network(torch.randn(1, 1, *[60] * dims)).centre.shape[2:] == (30,) * dims


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=brain"], "have no boxes"),
        (
            ["~model.generator", f"+model.generator={{_target_: {UNET}, channels: [4, 8], out_channels: 4}}"],
            "model.generator: UNet returns no boxes; choose model=centernet_gan",
        ),
        (["task.match_iou=1.5"], "task.match_iou"),
        (["+task.losses.dice=1"], "task.losses"),
        (["task.losses={centre: fast}"], "task.losses.centre: .*got 'fast'"),
        (["+task.losses.vote=1"], "task.losses: vote is a loss of task.instances=true"),
        (["task.max_detections=0"], "task.max_detections"),
        (["task.max_detections=true"], "task.max_detections: give a number, got true"),
        (["task.max_detections=many"], "task.max_detections: .*got 'many'"),
        (["task.max_detections=2.5"], "task.max_detections: .*got 2.5"),
        (["task.vote=perhaps"], "task.vote: .*got 'perhaps'"),
        (["task.refine=corners"], "task.refine: must be edges, got"),
        (["task.instances=perhaps"], "task.instances: .*got 'perhaps'"),
        (["task.nms_iou=half"], "task.nms_iou: .*got 'half'"),
        (["task.mirror_axes=null"], "task.mirror_axes: .*got null"),
        (
            ["task.fusion=nms", "task.mirror_axes=[0]"],
            "task.fusion: must be maps or wbf, got 'nms'",
        ),
        (["task.fusion=wbf", "task.mirror_axes=[]"], "task.fusion: wbf fuses the boxes of mirror images"),
        (["task.zooms=[1.0]"], r"task.zooms: 1.0; give sizes from 0.25 to 4 beside 1, such as \[0.85,1.15\]"),
        (["task.zooms=[0.8,9]"], "task.zooms: 9"),
        (["task.zooms=[half]"], "task.zooms"),
        (["task.zooms=2"], "task.zooms"),
        (["task.gaussian=square"], "task.gaussian: must be circle or ellipse"),
        (["task.box_cells=all"], "task.box_cells: must be near or gaussian"),
        (["model.generator.sides=cubic"], "model.generator.sides: must be linear, log or auto"),
        (["model.generator.stride=3"], "stride: 3"),
        (["model.generator.stem=0"], "stem: 0; must be at least 1"),
        (["model.generator.multiple=0"], "multiple: 0; must be at least 1"),
        (["model.generator.head=many"], "model.generator.head: .*got 'many'"),
        (["task.monitor=val/map51"], "no score is named val/map51"),
        (["data.unlabelled_fraction=0.5", "data.label_fraction=0.5"], "only model=semi learns of them"),
    ],
)
def test_impossible_settings_are_one_line(prepared, words, message):
    with pytest.raises(UserError, match=message):
        _, task = prepared(*words)
        preflight.check_monitor(task)


def test_boxes_in_slices_of_volumes_are_refused() -> None:
    data: Any = SimpleNamespace(train_items=lambda: {(0, 0): {"boxes": []}}, box_classes=["a"], sliced=True)
    with pytest.raises(UserError, match=r"^data\.spatial_dims: boxes of volumes need data\.spatial_dims=3$"):
        DetectionTask.network_arguments(data)


def test_a_resumed_run_ends_like_an_uninterrupted_one(train_small):
    more = ["trainer.max_steps=6", "trainer.val_every=2", "logger=csv", "callbacks.checkpoint_every=2"]
    whole = train_small("whole", *more)
    run_until(3, train_small, "cut", *more)
    assert_same_end(whole, train_small("cut", resume=True))


BOXES = ["model.generator.sides=log", "task.losses.giou=1", "+task.losses.log_size=0.1"]
BOXES += ["task.gaussian=ellipse", "task.box_cells=gaussian", "task.vote=true"]


@pytest.mark.parametrize(
    ("dims", "update"), [(2, "textbook"), (2, "g_first"), (2, "shared"), (2, "one_backward"), (3, "shared")]
)
def test_losses_of_overlap_train_under_every_update(train_small, gradients, dims, update):
    words = [*(VOLUMES if dims == 3 else []), "trainer.precision=bf16-mixed", "data.healthy=0"]
    directory = train_small("run", *BOXES, f"update.name={update}", *words)
    for (player, name), seen in gradients.items():
        assert all(g is not None and torch.isfinite(g).all() for g in seen), (player, name)
        assert any(g.abs().max() > 0 for g in seen), (player, name)
    assert "test/map75" in json.loads((directory / "metrics.json").read_text())


def test_a_resumed_run_with_fused_views_ends_like_an_uninterrupted_one(train_small):
    more = [*BOXES, "task.fusion=wbf", "task.mirror_axes=[0,1]", "trainer.max_steps=4", "logger=csv"]
    more += ["task.zooms=[0.7,1.2]"]
    more += ["callbacks.checkpoint_every=2", "trainer.val_every=2"]
    whole = train_small("whole", *more)
    run_until(2, train_small, "cut", *more)
    assert_same_end(whole, train_small("cut", resume=True))


def test_boxes_that_are_not_used_do_not_reach_the_baselines(prepared, monkeypatch):
    data, task = prepared("data.label_fraction=0.25", "data.healthy=0")
    seen = []

    def noted(boxes, classes):
        seen.extend(boxes)
        return mean_box(boxes, classes)

    monkeypatch.setattr("ganatomy.tasks.detection.baselines.mean_box", noted)
    task.prepare_baselines(data)
    used = data.labels.used(data.records["train"])
    assert 0 < len(seen) == len(used) < len(data.records["train"])
    for boxes, record in zip(seen, used, strict=True):
        np.testing.assert_array_equal(boxes, data.cache.get(record)["boxes"])


def test_a_validation_that_finds_nothing_forgets_the_threshold_before(prepared, monkeypatch):
    _, task = prepared()
    first, chosen = task.threshold, iter([0.7, None])
    monkeypatch.setattr(type(task.tables["val"]), "choose", lambda self: next(chosen))
    task.scores("val")
    assert task.threshold == pytest.approx(0.7) and first == pytest.approx(0.3)
    task.scores("val")
    assert task.threshold == first == float(task.generator.threshold)


def test_save_predictions_says_where_boxes_are(train_small, capfd):
    train_small("run", "save_predictions=3")
    assert capfd.readouterr().err.count("save_predictions: this task writes no file for each case") == 1


@pytest.mark.parametrize("task", ["detection", "segmentation", "enhancement", "translation"])
def test_networks_of_patches_see_windows_of_their_size(compose: Any, task: str) -> None:
    """Their norms depend on what is around: on whole volumes sides came out a quarter too short."""
    cfg = compose(f"task={task}", "data.patch=[16,16]", tiny=False)
    assert cfg["task"]["window"] == [16, 16]
    assert compose(f"task={task}", tiny=False)["task"]["window"] is None
