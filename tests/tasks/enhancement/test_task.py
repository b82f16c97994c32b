"""Enhancement through the training function: every model, every update, pictures and volumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

from ganatomy.errors import UserError
from ganatomy.pictures import grey
from ganatomy.tasks.shared.sliding_window import aligned, slide
from tests.test_resume import assert_same_end, run_until

SMALL = [
    "task=enhancement",
    "data.subjects=6",
    "data.size=16",
    "data.slices=2",
    "data.augment=[]",
]
MODELS = {
    "residual_unet": ["generator.channels=[4,8]", "discriminator.channels=[4,8]"],
    "pix2pix": ["generator.channels=[4,8]", "discriminator.channels=4", "discriminator.num_layers_d=1"],
    "srgan": ["generator.channels=4", "generator.blocks=1", "discriminator.channels=[4,4]"],
    "wgan_denoise": ["generator.channels=4", "discriminator.channels=[4,4]"],
    "article": ["generator.down=[4,8]", "generator.up=[8,4]", "discriminator.channels=[4,8]"],
    "dugan": ["generator.channels=4", "discriminator.channels=[4,8]"],
}
Train = Callable[..., Path]


def words_of(model: str) -> list[str]:
    critic = ["update.n_critic=2"] if model == "wgan_denoise" else []
    return [f"model={model}", *(f"model.{word}" for word in MODELS[model]), *critic]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """The words of a small run of this task, beside those that all tasks share."""
    return lambda *words: [*SMALL, *words]


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("update", ["shared", "textbook"])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_trains(train_small: Train, gradients: Any, model: str, update: str, dims: int) -> None:
    degradation = "downsample2" if model == "srgan" else "rician"
    words = [*words_of(model), f"update={update}", f"data.spatial_dims={dims}", f"degradation={degradation}"]
    scores = json.loads((train_small("run", *words) / "metrics.json").read_text())
    assert np.isfinite([scores[f"test/{name}"] for name in ("psnr", "ssim", "mae")]).all()
    assert {player for player, _ in gradients} == {"generator", "discriminator"}
    for (player, name), found in gradients.items():
        assert all(gradient is not None and gradient.isfinite().all() for gradient in found), (player, name)
        if not name.endswith("bias"):  # where only differences of logits count nobody moves their zero
            assert any(gradient.any() for gradient in found), (player, name)


@pytest.mark.parametrize("model", MODELS)
def test_without_discriminator(train_small: Train, gradients: Any, model: str) -> None:
    words = [word for word in words_of(model) if "discriminator" not in word and "n_critic" not in word]
    run = train_small("run", *words, "model.discriminator=null")
    assert np.isfinite(json.loads((run / "metrics.json").read_text())["test/psnr"])
    assert {player for player, _ in gradients} == {"generator"}
    assert all(gradient.any() for found in gradients.values() for gradient in found)


def test_scores_stand_beside_the_classical_filters(train_small: Train) -> None:
    run = train_small("run", *words_of("residual_unet"), "callbacks.samples=2")
    scores = json.loads((run / "metrics.json").read_text())
    names = ("psnr", "ssim", "mae", "nps_distance", "high_frequency", "flat_deviation", "edge_gradient")
    for source in ("test", "baseline/input", "baseline/gaussian", "baseline/nlm", "baseline/tv"):
        assert all(f"{source}/{name}" in scores for name in names)
    assert (run / "samples" / "test.png").stat().st_size > 0
    assert (run / "scores.csv").read_text().startswith("case,psnr,ssim,mae")


def test_a_run_that_is_behind_a_filter_says_so_last(train_small: Train, capsys: Any) -> None:
    """On the terminal, in status.json and on the page, with all its steps, not those of the best weights."""
    words = ["model.discriminator=null", "model.optimizer.generator.lr=1.0", "callbacks.report=true"]
    words += ["trainer.max_steps=4", "trainer.val_every=1"]
    run = train_small("run", *words_of("residual_unet")[:2], *words)
    said = "".join(capsys.readouterr().out.rpartition("run: ")[0].split())
    scores, status = (json.loads((run / f"{name}.json").read_text()) for name in ("metrics", "status"))
    (one,) = status["behind"]
    best = max(
        (name for name in scores if name.startswith("baseline/") and name.endswith("/psnr")), key=scores.get
    )
    assert one["than"] == best.split("/")[1] and one["theirs"] == scores[best] and not one["level"]
    assert one["ours"] == scores["test/psnr"] and one["subjects"] == 1
    assert said.endswith("".join(one["line"].split())) and one["line"].startswith("behind ")
    assert status["best"]["step"] < 4 and "; 4 steps: the validation score was no longer " in one["line"]
    assert one["line"].split("; ")[0] in (run / "report.html").read_text()


def test_super_resolution_stands_beside_bicubic(train_small: Train) -> None:
    run = train_small("run", *words_of("srgan"), "degradation=downsample4")
    scores = json.loads((run / "metrics.json").read_text())
    assert scores["baseline/bicubic/psnr"] > scores["baseline/input/psnr"]
    assert "baseline/nlm/psnr" not in scores


@pytest.mark.parametrize("stop", [3, 4])
def test_resumed_equals_uninterrupted(train_small: Train, stop: int) -> None:
    """Four batches of noise that is new each time, cut in the middle and at an epoch's end."""
    more = [*words_of("residual_unet"), "trainer.max_steps=6", "data.workers=1", "logger=csv"]
    whole = train_small("whole", *more)
    run_until(stop, train_small, "cut", *more)
    assert_same_end(whole, train_small("cut", resume=True))


def test_the_discriminator_sees_the_input_too_or_judges_alone(prepared: Any) -> None:
    for model, channels in (("pix2pix", 2), ("dugan", 1)):
        data, task = prepared(*words_of(model))
        batch = next(iter(data.train_dataloader()))
        output = task.generate(batch)
        real, fake = task.discriminator_inputs(batch, output)
        assert real.shape == fake.shape and real.shape[1] == channels
        assert torch.equal(real[:, -1:], batch["target"]) and torch.equal(fake[:, -1:], output)
        assert channels == 1 or torch.equal(real[:, :1], batch["image"])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("data_range", ["zscore", 2000.0, [0.0, 2000.0]])
def test_a_volume_is_scored_as_one_in_its_own_units(prepared: Any, dims: int, data_range: Any) -> None:
    data, task = prepared(
        *words_of("residual_unet"),
        f"data.spatial_dims={dims}",
        "data.size=24",
        f"task.data_range={data_range}",
    )
    batch = next(iter(data.test_dataloader()))
    prediction = batch["target"] + 0.3 * torch.randn(batch["target"].shape)
    task.score("test", batch, prediction)
    rows = [row for row, case in enumerate(batch["case"]) if case == batch["case"][0]]
    scale, offset = batch["scale"][0].item(), batch["offset"][0].item()
    ours, truth = ((x[rows].double() * scale + offset).numpy() for x in (prediction, batch["target"]))
    width = float(np.ptp(truth)) if data_range == "zscore" else 2000.0
    found = next(row for row in task.tables["test"].per_case() if row["case"] == batch["case"][0])
    assert found["psnr"] == pytest.approx(peak_signal_noise_ratio(truth, ours, data_range=width), rel=1e-5)
    assert found["mae"] == pytest.approx(np.abs(truth - ours).mean(), rel=1e-5)
    each = [
        structural_similarity(
            t[0], o[0], data_range=width, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for t, o in zip(truth, ours, strict=True)
    ]
    assert found["ssim"] == pytest.approx(np.mean(each), rel=1e-5)


def test_baselines_are_chosen_on_validation_images_alone(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, task = prepared(*words_of("residual_unet"))
    given = []
    monkeypatch.setattr(
        "ganatomy.tasks.enhancement.baselines.chosen", lambda pairs, after: given.extend(pairs) or {}
    )
    task.prepare_baselines(data)
    served = next(iter(data.val_dataloader()))
    shift = float(served["offset"][0] / served["scale"][0])  # the signal is above the scanner's own zero
    assert len(given) == 2 and given[0][1].min() == pytest.approx(0, abs=1e-6)
    for row, (image, target) in enumerate(given):
        np.testing.assert_allclose(image, served["image"][row] + shift, atol=1e-5)
        np.testing.assert_allclose(target, served["target"][row] + shift, atol=1e-5)


def test_filters_do_not_pay_for_the_bias_of_magnitudes(prepared: Any) -> None:
    """In the air a Rician image is 1.25 sigma too bright, smoothed or not; that is known and taken out."""
    data, task = prepared(*words_of("residual_unet"), "data.size=32")
    task.prepare_baselines(data)
    batch = next(iter(data.test_dataloader()))
    air = batch["target"] < batch["target"].min() + 1e-6
    shift = float(batch["offset"][0] / batch["scale"][0])
    bias = {n: (x - batch["target"])[air].mean() for n, x in task._filtered(batch["image"], shift).items()}
    assert float((batch["image"] - batch["target"])[air].mean()) == pytest.approx(0.25, abs=0.03)
    assert all(abs(value) < 0.14 for value in bias.values()), bias


def test_samples_share_the_window_of_their_truth(prepared: Any) -> None:
    data, task = prepared(*words_of("residual_unet"))
    batch = next(iter(data.test_dataloader()))
    drawn = task.sample_panels(batch, batch["target"])
    assert list(drawn) == ["input", "ours", "truth", "difference x5"]
    np.testing.assert_array_equal(drawn["ours"], drawn["truth"])
    assert not drawn["difference x5"].any() and len(drawn["input"]) == len(set(batch["case"]))
    middle = batch["target"][1, 0].numpy()
    window = tuple(np.percentile(middle, (0.5, 99.5)))
    np.testing.assert_array_equal(drawn["input"], grey(batch["image"][1].numpy(), window))


def test_large_images_go_through_windows() -> None:
    """Where a pixel depends on itself alone the seams cannot be seen."""
    sizes = []

    class Square(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            sizes.append(tuple(x.shape[2:]))
            return x**2

    image = torch.rand(2, 1, 50, 70)
    torch.testing.assert_close(slide(Square(), image, 32), image**2)
    assert set(sizes) == {(32, 32)}
    sizes.clear()
    for window in (None, [50, 70]):
        torch.testing.assert_close(slide(Square(), image, window), image**2)
    assert set(sizes) == {(50, 70)}
    sizes.clear()
    for small in (torch.rand(1, 1, 20, 70), torch.rand(1, 1, 20, 30)):
        torch.testing.assert_close(slide(Square(), small, 32), small**2)
    assert set(sizes) == {(32, 32)}  # a network that halves the sides of a patch need not halve those of 20


def test_mirrored_outputs_are_a_mean_on_the_images_own_grid(prepared: Any) -> None:
    data, task = prepared(*words_of("residual_unet"), "task.mirror_axes=[0,1]")
    batch = next(iter(data.test_dataloader()))
    with torch.no_grad():
        flips = [(), (2,), (3,), (2, 3)]
        each = [task.average.module(batch["image"].flip(axes)).flip(axes) for axes in flips]
        found = task.predict(batch)
    torch.testing.assert_close(found, torch.stack(each).mean(0))
    assert not torch.allclose(found, each[0])


@pytest.mark.parametrize("window", [10, 32, [16, 50]])
def test_windows_do_not_cut_the_blocks_of_a_small_image(window: Any) -> None:
    class Blocks(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert torch.equal(x, x[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3))
            return x

    image = torch.rand(1, 1, 13, 25).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(slide(Blocks(), image, aligned(window, image.shape[2:], 4)), image)
    assert aligned(None, (8, 8), 4) is None
    with pytest.raises(AssertionError):
        slide(Blocks(), image, 22)


@pytest.mark.parametrize(
    "words, message",
    [
        (["degradation=none"], "these images have no target"),
        (["task.data_range=-1"], "task.data_range: -1"),
        (["task.mirror_axes=[2]"], "task.mirror_axes: [2]; choose among [0, 1], each once"),
        (["+task.losses.l7=1"], "losses.l7: no such loss"),
        (["degradation.sigma=0"], "degradation.sigma: 0"),
        (["degradation=downsample4", "data.size=18"], "4 does not divide images of 18x18"),
        (["degradation=blur", "+degradation.photons=3"], "degradation.photons: Blur takes no such argument"),
    ],
)
def test_refused_in_one_line(prepared: Any, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        prepared(*words_of("residual_unet"), *words)[0].train_items()[0, 0]
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_constant_truth_has_no_range(prepared: Any) -> None:
    data, task = prepared(*words_of("residual_unet"), "task.data_range=null")
    batch = next(iter(data.val_dataloader()))
    batch["target"] = torch.ones_like(batch["target"])
    with pytest.raises(UserError, match=r": data_range: 0\.0 must be above 0; .* \(task\.data_range\)$"):
        task.score("val", batch, batch["image"])


def test_sixteen_bits_keep_their_range(prepared: Any) -> None:
    """The whole range of int16 and uint16 through the network's units and back, to less than one unit."""
    data, _ = prepared(*words_of("residual_unet"))
    for low, high in ((-32768, 32767), (0, 65535)):
        own = np.linspace(low, high, 16 * 16 * 2).round().reshape(1, 16, 16, 2)
        case = data.source.load(data.splitting(data.source.records())[0]) | {"image": own}
        ready = data.preparation(case)
        back = ready["image"].astype(np.float64) * np.float32(ready["scale"]) + np.float32(ready["offset"])
        np.testing.assert_allclose(np.moveaxis(back[:, 0], 0, -1), own[0], atol=0.5)


def test_a_loss_of_one_s_own(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves with the task, and leaves no key in a task that has none."""
    monkeypatch.setenv("GANATOMY_TARGETS", "tests.config.planted_objectives.")
    lab = "{_target_: tests.config.planted_objectives.Blur, power: 1}"
    own = f"+task.losses={{l1: 1.0, blur: {{weight: 0.5, loss: {lab}}}}}"
    data, task = prepared(*words_of("pix2pix"), own)
    batch = next(iter(data.train_dataloader()))
    losses = task.task_losses(batch, batch["target"] + 0.5)
    assert list(losses) == ["l1", "blur"]
    assert float(losses["blur"]) == pytest.approx(0.25, rel=1e-4)
    assert list(task.own_losses) == ["blur"]
    with pytest.raises(UserError, match=r"losses\.blur: a loss of your own is"):
        prepared(*words_of("pix2pix"), own.replace("weight", "wieght"))
