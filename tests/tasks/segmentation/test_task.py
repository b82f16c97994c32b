"""Segmentation through the training function: every model, every update, pictures and volumes; the gate."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss
from PIL import Image

from ganatomy.adversarial import plan
from ganatomy.callbacks.checkpoint import Checkpoints
from ganatomy.errors import UserError
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.training import preflight
from tests.test_resume import assert_same_end, run_until

SMALL = ["task=segmentation", "data.augment=[]"]
BRAIN = ["data.subjects=6", "data.size=16", "data.slices=2"]
PATCH = ["discriminator.channels=4", "discriminator.num_layers_d=1"]
MODELS = {
    "adversarial_unet": ["generator.channels=[4,8]", "generator.strides=[2]", *PATCH],
    "pix2pix": ["generator.channels=[4,8]", *PATCH],
    "segan": ["generator.channels=[4,8]", "discriminator.channels=[4,8]"],
    "semi": ["generator.channels=[4,8]", "generator.strides=[2]", "discriminator.channels=[4,8]"],
}
SEMI = ["data.label_fraction=0.5", "task.semi.start=0"]
Train = Callable[..., Path]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """The words of a small run of this task; the cohort's own only where no other data are chosen."""
    return lambda *words: [*SMALL, *([] if "data=folder" in words else BRAIN), *words]


def words_of(model: str) -> list[str]:
    return [f"model={model}", *(f"model.{word}" for word in MODELS[model]), *(SEMI * (model == "semi"))]


@pytest.fixture
def lesions(tmp_path: Path) -> list[str]:
    """Words for twenty pictures, of which every fourth is normal: bright squares on noise."""
    draw = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(20):
        mask, name = np.zeros((16, 16), np.uint8), f"normal_{number}.png"
        if number % 4:
            row, column = draw.integers(1, 9, 2)
            mask[row : row + 6, column : column + 6] = 255
            name = f"lesion_{number}.png"
        image = (draw.integers(0, 60, mask.shape) + mask * 0.7).astype(np.uint8)
        for folder, pixels in (("images", image), ("masks", mask)):
            Image.fromarray(pixels).save(tmp_path / folder / name)
    own = ["data.classes=[background,lesion]", "data.label_values=[0,255]", "data.label='masks/{name}'"]
    kind = ["data.match='(?P<kind>normal|lesion)'", "data.kind='{kind}'", "data.split=[3,1,1]"]
    return ["data=folder", f"data.root={tmp_path}", *own, *kind]


def finite(gradients: dict[tuple[str, str], list[torch.Tensor | None]]) -> None:
    for (player, name), found in gradients.items():
        assert len(found) == 2, (player, name)
        assert all(gradient is not None and gradient.isfinite().all() for gradient in found), (player, name)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("update", ["shared", "textbook"])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_trains(train_small: Train, gradients: Any, model: str, update: str, dims: int) -> None:
    run = train_small("run", *words_of(model), f"update={update}", f"data.spatial_dims={dims}")
    scores = json.loads((run / "metrics.json").read_text())
    assert np.isfinite([scores[f"test/{name}"] for name in ("dice", "iou", "hd95", "asd", "nsd")]).all()
    assert {player for player, _ in gradients} == {"generator", "discriminator"}
    finite(gradients)
    for (player, name), found in gradients.items():
        if not name.endswith("bias"):  # one that normalisation follows moves nothing
            assert any(gradient.any() for gradient in found), (player, name)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    "generator",
    [
        ["unet", "channels=[4,8]", "strides=[2]"],
        ["plain_unet", "channels=[4,8]"],
        ["segresnet", "init_filters=8"],
        ["dynunet", "width=4", "strides=[1,2,2]"],
        ["swin_unetr", "feature_size=12", "depths=[1,1,1,1]"],
    ],
    ids=lambda words: words[0],
)
def test_every_generator_by_one_word(
    train_small: Train, gradients: Any, generator: list[str], dims: int
) -> None:
    name, *own = generator
    words = [f"model/generator={name}", *(f"model.{word}" for word in PATCH)]
    words += [f"model.generator.{word}" for word in own]
    if name == "swin_unetr":  # it halves five times, and wants more than one pixel at the end
        words += [
            "data.size=64",
            f"data.patch={[32, 32, 64][-dims:]}",
            "data.batch_size=2",
            "data.subjects=3",
        ]
    train_small("run", *words, f"data.spatial_dims={dims}")
    finite(gradients)


@pytest.mark.parametrize("model", MODELS)
def test_without_discriminator(train_small: Train, gradients: Any, model: str) -> None:
    words = [word for word in words_of(model) if "discriminator" not in word]
    taught = ["task.dice_ce=0"] if model == "segan" else []  # by nobody, were it not for Dice + cross entropy
    train_small("run", *words, *taught, "model.discriminator=null")
    assert {player for player, _ in gradients} == {"generator"}
    finite(gradients)
    assert any(gradient.any() for found in gradients.values() for gradient in found)


def test_a_size_that_does_not_fit_is_refused_with_those_that_do(prepared: Any) -> None:
    own = ["model/generator=swin_unetr", "model.generator.feature_size=12"]
    for size, near in ((24, "64x64"), (100, "96x96, 128x128")):
        data, task = prepared(*own, f"data.size={size}")
        with pytest.raises(UserError, match=f"SwinUNETR .* images of {size}x{size}; nearest .*: {near}"):
            preflight.check_size(task, data)


def test_a_semi_supervised_run_goes_on_bit_for_bit(train_small: Train) -> None:
    """Cut before the images without labels join."""
    more = [*words_of("semi"), "task.semi.start=4", "trainer.max_steps=7", "logger=csv", "task.gate=0.9"]
    whole = train_small("whole", *more)
    run_until(3, train_small, "cut", *more)
    assert_same_end(whole, train_small("cut", resume=True))


def test_images_without_labels_change_the_generators_gradient(prepared: Any) -> None:
    """Once they have joined; the discriminator's they never do."""
    data, task = prepared(*words_of("semi"), "task.semi.start=3")
    update = plan(task.game, "shared").update
    batch = next(iter(data.train_dataloader()))
    assert batch["labelled"] == [True, True, False, False]
    others = batch["image"][2:]

    def gradients_after(done: int, shift: float) -> list[torch.Tensor]:
        task.batches_done = done
        shown = {**batch, "image": torch.cat([batch["image"][:2], others + shift])}
        update(task.game, shown, done, lambda player: None)
        found = []
        for player in (task.generator, task.discriminator):
            found.append(torch.cat([p.grad.flatten() for p in player.parameters()]))
            player.zero_grad()
        return found

    before, before_shifted = gradients_after(2, 0.0), gradients_after(2, 1.0)
    after, after_shifted = gradients_after(3, 0.0), gradients_after(3, 1.0)
    assert torch.equal(before[0], before_shifted[0]) and not torch.equal(after[0], after_shifted[0])
    assert not torch.equal(before[0], after[0])
    for one in (before_shifted, after, after_shifted):
        torch.testing.assert_close(one[1], before[1])


def test_the_discriminator_learns_from_labelled_images_alone(prepared: Any) -> None:
    data, task = prepared(*words_of("semi"))
    batch = next(iter(data.train_dataloader()))
    logits = task.generate(batch)
    real, fake = task.discriminator_inputs(batch, logits)
    assert len(logits) == 4 and len(real) == len(fake) == 2 and real.shape[1] == 4
    torch.testing.assert_close(fake, logits[:2].softmax(1))
    expected = DiceCELoss(to_onehot_y=True, softmax=True)(logits[:2], batch["label"][:2])
    losses = task.task_losses(batch, logits)
    assert torch.equal(losses["dice_ce"], expected) and losses.keys() == {
        "dice_ce",
        "self_training",
        "unlabelled",
    }


def test_the_supervised_twin_does_not_pay_for_images_it_does_not_use(prepared: Any) -> None:
    words = [word for word in words_of("semi") if "discriminator" not in word]
    data, task = prepared(*words, "model.discriminator=null")
    batch = next(iter(data.train_dataloader()))
    assert len(task.generate(batch)) == 2 and task.task_losses(batch, task.generate(batch)).keys() == {
        "dice_ce"
    }


def test_the_critic_stays_within_its_clip(train_small: Train) -> None:
    run = train_small("run", *words_of("segan"), "model.optimizer.discriminator.lr=0.1")
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    weights = torch.cat([v.flatten() for k, v in state.items() if k.startswith("discriminator.")])
    assert weights.abs().max() == pytest.approx(0.05) and weights.abs().min() < 0.05


def test_segan_may_be_taught_by_its_critic_alone(prepared: Any) -> None:
    data, task = prepared(*words_of("segan"), "task.dice_ce=0")
    batch = next(iter(data.train_dataloader()))
    logits = task.generate(batch)
    assert task.task_losses(batch, logits) == {}
    real, fake = task.discriminator_inputs(batch, logits)
    label, shares = batch["label"], logits.softmax(1)
    for number in (1, 2, 3):
        torch.testing.assert_close(real[:, number - 1 : number], batch["image"] * (label == number))
        torch.testing.assert_close(fake[:, number - 1 : number], batch["image"] * shares[:, number, None])
    assert real.shape[1] == 3


def test_scores_stand_beside_baselines_and_a_row_a_case(train_small: Train) -> None:
    run = train_small("run", *words_of("adversarial_unet"), "callbacks.samples=2")
    scores = json.loads((run / "metrics.json").read_text())
    for name in ("dice", "iou", "hd95", "asd", "nsd"):
        for source in ("test", "baseline/mean_label", "baseline/otsu"):
            assert {f"{source}/{name}", f"{source}/{name}/gm"} <= scores.keys()
    header = (run / "scores.csv").read_text().splitlines()[0].split(",")
    assert {"case", "dice", "iou/gm", "hd95/wm", "asd/csf"} <= set(header)
    assert not {"false_positive_rate", "threshold"} & {name.split("/")[1] for name in scores}
    assert "peak" not in header and (run / "samples" / "test.png").stat().st_size > 0


def test_the_gate_is_kept_with_the_weights(train_small: Train, lesions: list[str]) -> None:
    """Chosen in validation, applied in the test, with the scores without it beside it."""
    words = [*words_of("adversarial_unet"), *lesions, "task.gate=0.9", "trainer.max_steps=4"]
    run = train_small("run", *words)
    scores = json.loads((run / "metrics.json").read_text())
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert scores["test/threshold"] == pytest.approx(float(best["threshold"])) and best["threshold"] > 0.5
    for source in ("test", "baseline/ungated", "baseline/otsu", "baseline/mean_label"):
        assert 0 <= scores[f"{source}/false_positive_rate"] <= 1 and f"{source}/dice/lesion" in scores
    assert scores["test/empty"] > 0 and scores["baseline/otsu/true_positive_rate"] == 1
    rows = [line.split(",") for line in (run / "scores.csv").read_text().splitlines()]
    found, peak = (rows[0].index(name) for name in ("found", "peak"))
    for row in rows[1:]:
        assert float(row[found]) == 0 or float(row[peak]) >= scores["test/threshold"]


def test_nothing_is_found_below_the_gate(prepared: Any, lesions: list[str]) -> None:
    data, task = prepared(*words_of("adversarial_unet"), *lesions, "task.gate=0.5")
    batch = next(iter(data.test_dataloader()))
    batch, free = task._find(batch)
    assert torch.equal(task.gated(batch, free), free), "open before the first validation"
    task.threshold.fill_(batch["peak"].sort().values[1])
    gated = task.gated(batch, free)
    for row, peak in enumerate(batch["peak"]):
        assert torch.equal(gated[row], free[row] if peak >= task.threshold else torch.zeros_like(free[row]))
    assert (batch["peak"] < task.threshold).sum() == 1
    for case, rows in zip(batch["case"], range(len(free)), strict=True):
        own = task.evaluator(batch["image"][rows : rows + 1]).softmax(1)[0, 1].flatten().detach().numpy()
        most = np.sort(own)[-max(1, round(0.003 * own.size)) :].mean()
        assert batch["peak"][rows] == pytest.approx(most), case


def test_the_gate_looks_at_more_than_one_pixel(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 32 x 32 pixels at the three most probable: a lone bright one is less suspicious than a spot."""
    _, task = prepared(*words_of("adversarial_unet"), "data.size=32", "task.gate=0.5")
    shares = torch.full((2, 4, 32, 32), 0.03)
    shares[0, 2, 5, 5], shares[1, 3, 5, 5:8] = 0.9, 0.6
    monkeypatch.setattr("ganatomy.tasks.segmentation.task.slide", lambda *_: shares.log())
    shares[:, 0] = 1 - shares[:, 1:].sum(1)
    batch, _ = task._find({"image": torch.zeros(2, 1, 32, 32)})
    torch.testing.assert_close(batch["peak"], torch.tensor([(0.9 + 0.03 + 0.03) / 3, 0.6]))


def test_the_gate_opens_for_a_volume_as_a_whole(prepared: Any) -> None:
    """Slices are gated together, by the most suspicious of them."""
    data, task = prepared(*words_of("adversarial_unet"), "task.gate=0.5")
    batch = next(iter(data.val_dataloader()))
    batch["peak"] = torch.tensor([0.2, 0.8])
    labels = torch.ones(2, 1, 16, 16, dtype=torch.long)
    task.threshold.fill_(0.8)
    assert task.gated(batch, labels).all()
    task.threshold.fill_(0.81)
    assert not task.gated(batch, labels).any()


def test_labels_that_are_not_used_do_not_reach_the_baselines(prepared: Any, monkeypatch: Any) -> None:
    data, task = prepared(*words_of("adversarial_unet"), "data.label_fraction=0.25")
    seen = []
    rivals = lambda cohort, classes: seen.extend(cohort())  # noqa: E731
    monkeypatch.setattr("ganatomy.tasks.segmentation.baselines.Baselines.fitted", rivals)
    task.prepare_baselines(data)
    (record,) = data.labels.used(data.records["train"])
    case = data.cache.get(record)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0][1], np.moveaxis(case["label"][:, 0], 0, -1))
    np.testing.assert_array_equal(seen[0][0], np.moveaxis(case["image"][:, 0], 0, -1))


@pytest.mark.parametrize(
    "words, message",
    [
        (["model=semi"], "every training image has its label"),
        (["data.unlabelled_fraction=0.5", "data.label_fraction=0.5"], "but only model=semi learns"),
        (["model=semi", "data.unlabelled_fraction=0"], "task.semi: no batch holds an image without a label"),
        (
            ["model=semi", *SEMI, "model.adversarial.loss=relativistic_paired"],
            "reads logits of the discriminator as probabilities",
        ),
        (
            ["model=semi", *SEMI, "model.adversarial.loss=hinge"],
            "reads logits of the discriminator as probabilities",
        ),
        (["model=semi", *SEMI, "task.semi.threshold=2"], "task.semi.threshold: 2 must be from 0 to 1"),
        (["task.gate=0"], "task.gate: 0; must be in (0, 1]"),
        (["task.mirror_axes=[2]"], "task.mirror_axes: [2]; choose among [0, 1], each once"),
        (["task.mirror_axes=[1,1]"], "task.mirror_axes: [1,1]; choose among [0, 1], each once"),
        (["task.masks=hard"], "task.masks"),
        (["+task.label_map={ignore: 1}"], "task.label_map: is what the data decide; set data.regions"),
        (["data.label_fraction=0"], "data.label_fraction=0: give a share above 0"),
    ],
)
def test_refused_in_one_line(prepared: Any, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        prepared(*words)[0].train_items()
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_data_without_label_maps_are_refused(prepared: Any, lesions: list[str]) -> None:
    images = [word for word in lesions if not word.startswith(("data.label", "data.classes"))]
    with pytest.raises(
        UserError, match=r"^data\.label: these data have no label maps, which segmentation needs; name"
    ):
        prepared(*images)
    classes = [word for word in lesions if not word.startswith("data.label=")]
    with pytest.raises(UserError, match=r"^data\.label: \w+ has no label map; give it one, or leave"):
        prepared(*classes)


def test_pieces_of_a_semi_supervised_batch_are_refused(train_small: Train) -> None:
    with pytest.raises(UserError, match=r"update\.accumulate: must be 1 with task\.semi"):
        train_small("run", *words_of("semi"), "update.accumulate=2")


def test_images_without_labels_that_never_join_are_refused(train_small: Train) -> None:
    with pytest.raises(UserError, match=r"task\.semi\.start: 2 of 2 batches"):
        train_small("run", *words_of("semi"), "task.semi.start=2")


def test_the_gate_of_the_last_validation_is_that_of_the_last_weights(
    train_small: Train, lesions: list[str], monkeypatch: Any
) -> None:
    """Planted: every validation finds another threshold, and none is better; steps do not end with one."""
    found = iter(range(1, 99))
    monkeypatch.setattr(VolumeScores, "gate", lambda self, keep: next(found) / 100)
    start = Checkpoints.on_train_start

    def unbeaten(self: Checkpoints, *given: Any) -> None:
        self.best_score = 2.0
        start(self, *given)

    monkeypatch.setattr(Checkpoints, "on_train_start", unbeaten)
    words = [*words_of("adversarial_unet"), *lesions, "task.gate=0.9", "trainer.max_steps=3"]
    run = train_small("run", *words, "trainer.test_checkpoint=last", "logger=csv")
    with (run / "metrics.csv").open(newline="") as file:
        thresholds = [float(row["val/threshold"]) for row in csv.DictReader(file) if row["val/threshold"]]
    assert len(set(thresholds)) == 2
    assert json.loads((run / "metrics.json").read_text())["test/threshold"] == pytest.approx(thresholds[-1])
