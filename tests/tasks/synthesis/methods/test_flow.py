"""Rectified flow as a task: its loss against closed forms, and whole runs without an opponent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.schedulers import RFlowScheduler
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.networks.noise_to_image.flow import RectifiedFlow
from ganatomy.tasks.shared.fixed_noise import fixed_noise
from ganatomy.tasks.synthesis.conditioning import Condition
from ganatomy.tasks.synthesis.methods.base import Players
from ganatomy.tasks.synthesis.methods.flow import FlowMatching
from ganatomy.tasks.synthesis.normalisation import Normalisation
from tests.test_processes import BRIEF, assert_alike, ddp, plain_sgd
from tests.test_resume import assert_same_end, run_until

FLOW = ["model=rectified_flow", "model.generator.channels=[4,8]", "model.generator.steps=3"]
COHORT = ["data.size=24", "data.subjects=6", "data.split=[4,1,1]", "data.slices=8"]
MEAN, DEVIATION = 3.0, 0.5
Train = Callable[..., Path]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    own = ["task=synthesis", "task.imagenet=false"]
    return lambda *words: [*own, *([] if "data=folder" in words else COHORT), *FLOW, *words]


def best(x: Tensor, t: Tensor) -> Tensor:
    """The velocity E[x_1 - z | x_t] of images whose pixels are independent N(MEAN, DEVIATION²)."""
    t = t.reshape(-1, *[1] * (x.dim() - 1))
    covariance, variance = t * DEVIATION**2 - (1 - t), t**2 * DEVIATION**2 + (1 - t) ** 2
    return MEAN + covariance / variance * (x - t * MEAN)


def begun(velocity: Any) -> FlowMatching:
    method = FlowMatching()
    generator = SimpleNamespace(velocity=velocity)
    method.begin(Players(generator, None, Condition(), Normalisation()))
    return method


def test_ways_are_those_of_monai_s_scheduler() -> None:
    """Its time is 1000 (1 - t); its target is images minus noise."""
    seen: list[Tensor] = []
    method = begun(lambda x, t: seen.extend([x, t]) or torch.zeros_like(x))
    images = torch.randn(6, 1, 4, 5)
    output = method.generate({"image": images})
    noise, (x, t) = images - output["target"], seen
    scheduler = RFlowScheduler(use_discrete_timesteps=False)
    torch.testing.assert_close(x, scheduler.add_noise(images, noise, 1000 * (1 - t)))
    assert t.shape == (6,) and 0 <= float(t.min()) < float(t.max()) < 1
    expected = (images - noise).square().mean()
    assert method.task_losses({"image": images}, output)["flow"] == pytest.approx(float(expected))


def test_the_least_loss_is_the_variance_that_remains() -> None:
    """∫ s² + 1 - cov²/var dt for normal pixels, at the best velocity; any other has more."""
    t = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    covariance, variance = t * DEVIATION**2 - (1 - t), t**2 * DEVIATION**2 + (1 - t) ** 2
    least = float(torch.trapezoid(DEVIATION**2 + 1 - covariance**2 / variance, t))
    torch.manual_seed(0)
    batch = {"image": MEAN + DEVIATION * torch.randn(20_000, 1, 4, 4)}

    def loss(velocity: Any) -> float:
        method = begun(velocity)
        return float(method.task_losses(batch, method.generate(batch))["flow"])

    assert loss(best) == pytest.approx(least, rel=0.01)
    assert loss(lambda x, t: best(x, t) + 0.1) == pytest.approx(least + 0.01, rel=0.01)


def test_the_best_velocity_makes_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise z ends in MEAN + DEVIATION z: the flow of a normal distribution keeps every quantile."""
    made, z = RectifiedFlow(2, 1, (8, 8), steps=2000, channels=[8]), torch.randn(4, 64)
    monkeypatch.setattr(made, "velocity", best)
    torch.testing.assert_close(made(z).flatten(1), MEAN + DEVIATION * z, atol=0.01, rtol=0)


@pytest.mark.parametrize("kind", ["2D", "3D", "class"])
def test_it_trains_under_the_task_of_the_gans(
    train_small: Train, gradients: Any, request: pytest.FixtureRequest, kind: str
) -> None:
    solid = ["data.spatial_dims=3", "data.size=16", "data.subjects=8", "data.split=[4,2,2]"]
    of_class = request.getfixturevalue("two_kinds") if kind == "class" else []
    more = {
        "2D": [],
        "3D": solid,
        "class": ["model=rectified_flow_class", *FLOW[1:], *of_class, "data.size=32"],
    }[kind]
    run = train_small("run", *more, "trainer.max_steps=4", "callbacks.samples=2", "save_samples=2")
    scores = json.loads((run / "metrics.json").read_text())
    names = [f"test/{name}" for name in ("swd", "kid/random", "nearest", "copied")]
    assert np.isfinite([scores[name] for name in [*names, "floor/swd", "floor/copied"]]).all()
    assert not any(name.startswith("val/logits") for name in scores)
    assert {player for player, _ in gradients} == {"generator"}
    for name, found in gradients.items():
        assert all(gradient is not None and gradient.isfinite().all() for gradient in found), name
        assert any(gradient.any() for gradient in found), name
    assert (run / "samples/test.png").stat().st_size > 0 and (run / "samples/nearest.png").exists()


def test_resumed_equals_uninterrupted(train_small: Train) -> None:
    more = ["trainer.max_steps=7", "logger=csv"]
    whole = train_small("whole", *more)
    run_until(3, train_small, "cut", *more)
    assert_same_end(whole, train_small("cut", resume=True))


def test_noise_goes_on_from_the_latents_of_a_gan(prepared: Any) -> None:
    """Image and GAN's latents of one name begin with the same numbers of one stream."""
    _, task = prepared()
    assert task.latent == 24 * 24
    assert torch.equal(task.drawer.noise("case 7")[:64], fixed_noise(task.recipe.seed, "case 7", 64))


def test_images_depend_on_their_names_alone(prepared: Any) -> None:
    data, task = prepared("trainer.max_steps=4")
    for weight in task.evaluator.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.1)
    batch = next(iter(data.test_dataloader()))
    whole, rows = task.predict(batch), [3, 0, 2]
    some = {
        name: column[rows] if isinstance(column, Tensor) else [column[row] for row in rows]
        for name, column in batch.items()
    }
    assert torch.equal(task.predict(batch), whole)
    torch.testing.assert_close(task.predict(some), whole[rows], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_several_processes_train_as_one(command: Any, tmp_path: Path) -> None:
    """Times and noise are those of the global batch of five."""
    brief = [word for word in BRIEF if word.split("=")[0] not in ("trainer.max_steps", "trainer.val_every")]
    words = [*brief, "task=synthesis", "task.imagenet=false", *FLOW, "data.batch_size=5"]
    rate = plain_sgd("generator", 0.02)
    words += [*rate, "trainer.max_steps=4", "trainer.val_every=4", "update.accumulate=2"]
    for name, more in {"one": [], "several": ddp(2)}.items():
        done = command(*words, f"run_dir={name}", *more)
        assert done.returncode == 0, done.stderr
    assert_alike(tmp_path / "one", tmp_path / "several")


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["model.discriminator={_target_: monai.networks.nets.PatchDiscriminator, channels: 4}"],
            "model.discriminator: a rectified flow learns without one; set it to null",
        ),
        (["model.generator.steps=0"], "steps: 0"),
        (
            ["model=rectified_flow_class"],
            "data.image_classes: there are 0, and this model draws",
        ),
    ],
)
def test_refused_in_one_line(prepared: Any, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        prepared(*words)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_another_generator_has_no_velocity(prepared: Any) -> None:
    dcgan = "model.generator={_target_: ganatomy.networks.noise_to_image.dcgan.DcganGenerator, channels: 4}"
    with pytest.raises(UserError, match="DcganGenerator has no velocity; take that of model=rectified_flow"):
        prepared("~model.generator", f"+{dcgan}")
