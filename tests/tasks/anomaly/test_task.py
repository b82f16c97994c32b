"""Anomaly detection through the training function: every model, who is trained on, what stands beside it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from ganatomy.data.regrid import Grid
from ganatomy.data.summary import content_hash, summary
from ganatomy.data.transforms.boxes import move_boxes
from ganatomy.errors import UserError
from ganatomy.experiments.fingerprint import data_hash
from ganatomy.tasks.anomaly import baselines
from ganatomy.tasks.anomaly.anomaly_map import boxes_of, highest, smoothed
from ganatomy.tasks.anomaly.files import box_rows
from ganatomy.tasks.anomaly.healthy import Healthy, chosen, keep_healthy_subjects
from ganatomy.tasks.anomaly.methods import features

MODELS = {
    "fanogan": ["generator.channels=4", "discriminator.channels=4", "generator.latent=6"],
    "ganomaly": ["generator.channels=4", "discriminator.channels=4", "generator.latent=6"],
    "autoencoder": ["generator.channels=[4,8]"],
}
QUICK = ["task.denoising_steps=1", "task.search_images=0", "task.components=3"]
ONE_KEPT = ["data.label_fraction=0.01", "data.train_healthy=false", "data.healthy=0.5", "data.split=[4,1,1]"]
UNET, METHODS = "ganatomy.networks.image_to_image.unet.UNet", "ganatomy.tasks.anomaly.methods"
Train = Callable[..., Path]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    cohort = ["data.subjects=8", "data.split=[2,1,1]", "data.slices=4", "data.size=16"]
    cohort += ["data.healthy=0.5", "data.radius=[20,30]"]

    def of(*words: str) -> list[str]:
        own = cohort if not any(word.startswith("data=") for word in words) else []
        return ["task=anomaly", *own, *QUICK, *words]

    return of


def words_of(model: str) -> list[str]:
    return [f"model={model}", *(f"model.{word}" for word in MODELS[model])]


@pytest.fixture
def chests(tmp_path: Path) -> list[str]:
    """Words for pictures of ten people, some with two: dark normal ones, ill ones with a bright square."""
    draw = np.random.default_rng(0)
    rows = []
    for kind, people in (("normal", range(8)), ("ill", range(6, 12))):
        (tmp_path / "images" / kind).mkdir(parents=True)
        for person in people:
            pixels = draw.integers(0, 60, (16, 16))
            pixels[4:9, 4:9] += 120 if kind == "ill" else 0
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / kind / f"{person}.png")
            split = "train" if person in (0, 1, 2, 6, 8) else "val" if person in (3, 7, 9) else "test"
            rows.append(f"{kind}/{person}.png,{person},{split}")
    (tmp_path / "images/splits.csv").write_text("\n".join(["file,group,split", *rows]))
    names = [
        "data.image='*/*.png'",
        "data.kind='{parent}'",
        "data.subject='{stem}'",
        "data.splits=splits.csv",
    ]
    return ["data=folder", f"data.root={tmp_path / 'images'}", *names, "data.intensity=[0,255]"]


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("update", ["shared", "textbook"])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_trains(train_small: Train, gradients: Any, model: str, update: str, dims: int) -> None:
    """Two steps, for f-AnoGAN one of each phase; critics of two steps for one of G move G in none of them."""
    words = [*words_of(model), f"update={update}", f"data.spatial_dims={dims}", "update.n_critic=1"]
    run = train_small("run", *words)
    scores = json.loads((run / "metrics.json").read_text())
    for source in (
        "test",
        *(f"baseline/{name}" for name in ("intensity", "blur", "pca", "denoising", "chance")),
    ):
        assert np.isfinite([scores[f"{source}/{n}"] for n in ("auroc", "ap", "pixel_ap", "aupro")]).all()
    moved = {name: found for (_, name), found in gradients.items()}
    steps = {"fanogan": 1}.get(model, 2)
    for (player, name), found in gradients.items():
        real = [gradient for gradient in found if gradient is not None]
        assert len(real) == steps or (player, name.split(".")[0]) == ("discriminator", "judge"), (
            player,
            name,
        )
        assert all(gradient.isfinite().all() for gradient in real), (player, name)
        if not name.endswith("bias"):
            assert any(gradient.any() for gradient in real), (player, name)
    assert len(moved) > 4 and ("discriminator" in {player for player, _ in gradients}) == (
        model != "autoencoder"
    )


def test_ganomaly_without_its_adversary(train_small: Train, gradients: Any) -> None:
    run = train_small("run", "model=ganomaly", "model.generator.channels=4", "model.discriminator=null")
    assert np.isfinite(json.loads((run / "metrics.json").read_text())["test/auroc"])
    assert {player for player, _ in gradients} == {"generator"}


def test_training_sees_people_of_whom_all_is_healthy(prepared: Any, chests: list[str]) -> None:
    """Person 6 has a normal and an ill image, so neither is trained on; 8 is ill."""
    data, task = prepared(*words_of("ganomaly"), *chests)
    assert {record.subject for record in data.records["train"]} == {"0", "1", "2"}
    assert len(data.left_out) == 3 and summary(data)["left_out"] == 3
    assert task.healthy == Healthy(1, None) and "pixel_ap" not in task.scores("val")
    assert len(data.records["val"]) == 4
    about = summary(data)
    data.records["train"] += data.left_out  # as for a task that trains on all
    assert about["hash"] != content_hash(data) == about["whole_hash"] == data_hash(about)


def test_healthy_by_name_and_by_mask(prepared: Any) -> None:
    assert chosen({}, ("No_findings", "Pneumonia"), ()) == {"healthy": "No_findings", "lesion": None}
    assert chosen({}, (), ("background", "tumour")) == {"healthy": None, "lesion": "tumour"}
    assert chosen({"healthy": "b", "lesion": "y"}, "ab", "xyz") == {"healthy": "b", "lesion": "y"}
    data, task = prepared(*words_of("ganomaly"))
    assert task.healthy == Healthy(0, 1) and not data.left_out
    data, _ = prepared(
        *words_of("ganomaly"), "data.train_healthy=false", "data.healthy=0.5", "data.split=[4,1,1]"
    )
    train = data.records["train"]
    assert data.left_out and not any(data.cache.get(record)["label"].any() for record in train)
    assert len(train) > 0 == len(train) % 4, "whole subjects"


@pytest.mark.parametrize(
    "words, message",
    [
        (["task.healthy=helthy"], "task.healthy: no image class is named helthy; did you mean 'healthy'?"),
        (["task.lesion=lesions"], "task.lesion: no label is named lesions; did you mean 'lesion'?"),
        (["data=brain", "data.subjects=4", "data.size=16"], "task.lesion: name the label of lesions; choose"),
        (["task.method=null"], "task.method: this model defines no anomaly score; choose model=fanogan"),
        (["data.patch=8"], "data.patch: this task scores whole images"),
        (["task.quantile=1.0"], "task.quantile: 1.0 is outside (0, 1)"),
        (["task.smooth=-1.0"], "task.smooth: -1.0 must not be negative"),
        (["task.components=0"], "task.components: 0 must be 1 or more"),
        (["task.search_images=-2"], "task.search_images: -2; give 0 for no search"),
        (["task.search_steps=0"], "task.search_steps: 0 must be 1 or more"),
        (["data.unlabelled_fraction=0.5", "data.label_fraction=0.5"], "only model=semi learns of them"),
        ([*ONE_KEPT, "data.split_seed=2"], "data.label_fraction: 0.01 keeps no healthy subject"),
        (["model=fanogan", "model.discriminator=null"], "model.discriminator: null, but fanogan"),
        (["model=fanogan", "task.method.share=1.0"], "share: 1.0 is outside (0, 1)"),
        (["model=fanogan", "task.method.kappa=-1"], "kappa: -1 must not be negative"),
        (["model=fanogan", "~model.optimizer.encoder"], "model.optimizer.encoder: missing; fanogan trains"),
        (
            ["model=fanogan", "~model.generator", f"+model.generator={{_target_: {UNET}, channels: [4, 8]}}"],
            "model.generator: UNet has no encoder, which fanogan needs; choose another",
        ),
        (
            ["~task.method", f"+task.method={{_target_: {METHODS}.Denoising, sigma: 0}}"],
            "task.method.sigma: 0 must be above 0",
        ),
        (
            ["~task.method", f"+task.method={{_target_: {METHODS}.Denoising, cells: 1}}"],
            "task.method.cells: 1 must be 2 or more",
        ),
        (["model=fanogan", "trainer.max_steps=1"], "trainer.max_steps: 1; two phases"),
        (["data.healthy=0.0", "data.train_healthy=false"], "no healthy subject is left to train on"),
        (["data.healthy=1.0"], ""),
    ],
)
def test_refused_in_one_line(prepared: Any, words: list[str], message: str) -> None:
    if not message:
        prepared(*words_of("ganomaly"), *words)
        return
    own = [] if "model=fanogan" in words else words_of("ganomaly")
    with pytest.raises(UserError) as refusal:
        prepared(*own, *words)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_data_that_do_not_say_who_is_healthy() -> None:
    with pytest.raises(
        UserError, match=r"^task\.healthy: name the healthy class of these data; choose from a, b"
    ):
        chosen({}, ("a", "b"), ())
    with pytest.raises(UserError, match=r"^data: neither image classes nor lesion masks say which images"):
        chosen({}, (), ())


def test_validation_without_a_healthy_image_is_refused() -> None:
    cases = {name: SimpleNamespace(subject=name, case=name) for name in ("well", "ill")}
    records = {"train": [cases["well"]], "val": [cases["ill"]]}
    data: Any = SimpleNamespace(records=records, labels=SimpleNamespace(used=lambda records: records))
    healthy: Any = SimpleNamespace(ill=lambda data, record: record.case == "ill")
    with pytest.raises(UserError, match=r"^data: validation has no healthy image to choose a checkpoint by"):
        keep_healthy_subjects(data, healthy)


def test_a_discriminator_without_features_is_refused() -> None:
    bare = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1))
    with pytest.raises(
        UserError, match=r"^model\.discriminator: returns no features, which fanogan compares"
    ):
        features(bare, torch.zeros(1, 1, 4, 4))


def test_files_pictures_and_the_search(train_small: Train) -> None:
    more = ["callbacks.samples=2", "task.search_images=4", "task.search_steps=2", "task.quantile=0.5"]
    run = train_small("run", *words_of("fanogan"), *more, "save_predictions=1")
    scores = json.loads((run / "metrics.json").read_text())
    for name in ("subset_auroc", "images_per_second"):
        assert scores[f"test/{name}"] >= 0 and scores[f"baseline/search/{name}"] >= 0
    with (run / "anomalies.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(len(row["lower"].split()) == 2 for row in rows)
    assert (run / "scores.csv").read_text().startswith("case,score,anomalous")
    assert (run / "samples/test.png").stat().st_size > 0
    assert len(list((run / "predictions").iterdir())) == 1


def test_boxes_surround_what_lies_above_the_threshold() -> None:
    values = np.zeros((10, 12))
    values[2:4, 3:7], values[4, 7], values[8, 0] = 2, 5, 3  # the second touches the first by a corner
    found, peaks = boxes_of(values, 1.0)
    assert found.tolist() == [[2, 3, 5, 8], [8, 0, 9, 1]] and peaks.tolist() == [5, 3]
    assert [part.shape for part in boxes_of(values, 9.0)] == [(0, 4), (0,)]
    solid, _ = boxes_of(np.pad(np.ones((2, 3, 4)), 1), 0.5)
    assert solid.tolist() == [[1, 1, 1, 3, 4, 5]]


def test_boxes_are_given_in_the_files_own_voxels() -> None:
    """An image of half the file's resolution whose middle lies in the file's; slices know their place."""
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = 0.5
    batch = {
        "affine": torch.from_numpy(affine)[None],
        "input_affine": torch.eye(4, dtype=torch.float64)[None],
        "input_shape": torch.tensor([[20, 20, 20]]),
        "slice": torch.tensor([3]),
    }
    values = torch.zeros(1, 10, 10)
    values[0, 2:4, 5:9] = 1
    (row,) = box_rows(batch, ["a"], values, 0.5)
    assert (row["lower"], row["upper"], row["case"]) == ("4 10 6", "8 18 8", "a")
    moved = move_boxes(
        np.array([[2.0, 5, 3, 4, 9, 4]]), Grid(affine, (10, 10, 10)), Grid(np.eye(4), (20,) * 3)
    )
    assert moved.tolist() == [[4, 10, 6, 8, 18, 8]]


def test_boxes_in_the_padding_are_cut_to_the_file() -> None:
    """A picture of 20x40 in an image of 40x40: one box reaches over its edge, one lies beside it."""
    affine = np.eye(4)
    affine[0, 3] = -10
    batch = {
        "affine": torch.from_numpy(affine)[None],
        "input_affine": torch.eye(4, dtype=torch.float64)[None],
        "input_shape": torch.tensor([[20, 40]]),
    }
    values = torch.zeros(1, 40, 40)
    values[0, 5:15, 3:6], values[0, 0:4, 20:30] = 1, 2
    (row,) = box_rows(batch, ["a"], values, 0.5)
    assert (row["lower"], row["upper"], row["score"]) == ("0 3", "5 6", 1)


def test_a_maps_score_is_the_mean_of_its_highest_hundredth() -> None:
    values = torch.arange(400.0).reshape(1, 20, 20).flip(0)
    assert highest(values).item() == pytest.approx((399 + 398 + 397 + 396) / 4)
    assert highest(torch.ones(2, 3, 3, 3)).tolist() == [1, 1]
    peak = torch.zeros(1, 1, 21, 21)
    peak[0, 0, 10, 10] = 1
    blurred = smoothed(peak, 1.0)
    assert blurred.sum().item() == pytest.approx(1, rel=1e-4)
    assert blurred[0, 10, 10].item() == pytest.approx(1 / (2 * np.pi), rel=0.01)
    assert torch.equal(smoothed(peak, 0.0), peak[:, 0])


def test_no_anomaly_chooses_a_checkpoint_or_a_threshold(prepared: Any, monkeypatch: Any) -> None:
    """Validation with its lesions made ten times as strong: the monitored score and the threshold stay."""
    data, task = prepared(*words_of("ganomaly"))
    task.eval()
    read, kinds, found, thresholds = baselines.evaluation_batches, set(), [], []
    with torch.no_grad():
        for strength in (1.0, 10.0):

            def louder(*given: Any, by: float = strength) -> Any:
                for batch in read(*given):
                    ill, _ = task.healthy.truth(batch)
                    kinds.update(ill.tolist())
                    batch["image"][ill] *= by
                    yield batch

            monkeypatch.setattr(baselines, "evaluation_batches", louder)
            for batch in louder(data, "val", task.device):
                task.score("val", batch, task.predict(batch))
            found.append(task.scores("val"))
            images = baselines.with_truth(data, task.healthy, task.device, "val")
            thresholds.append(baselines.threshold(images, task.score_images, 0.9))
    assert found[0]["reconstruction"] == found[1]["reconstruction"] and found[0] != found[1]
    assert kinds == {True, False} and thresholds[0] == thresholds[1] and np.isfinite(thresholds[0])
    assert task.monitor == "val/reconstruction" and task.direction == -1


def test_maps_are_kept_as_they_are(train_small: Train, chests: list[str]) -> None:
    """In the units of files of eight bits, whose type would leave whole numbers of them."""
    run = train_small("run", *words_of("ganomaly"), *chests, "save_predictions=1")
    (path,) = (run / "predictions").iterdir()
    values = tifffile.imread(path)
    assert values.dtype == np.float32 and values.shape == (16, 16)
    assert (values != values.round()).mean() > 0.5 and values.min() >= 0


def test_a_method_without_a_search_reads_nothing_for_it(prepared: Any, monkeypatch: Any) -> None:
    data, task = prepared(*words_of("ganomaly"))
    monkeypatch.setattr(baselines, "compare_with_search", lambda *given: pytest.fail("searched"))
    task.prepare_baselines(data)
    assert task.search == {}
