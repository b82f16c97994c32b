"""VAE/GAN as a task: its losses against other implementations, who learns from what, and whole runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from ganatomy.adversarial import UPDATES
from ganatomy.errors import UserError
from ganatomy.tasks.synthesis.conditioning import Condition
from ganatomy.tasks.synthesis.methods.base import Players
from ganatomy.tasks.synthesis.methods.vaegan import VaeGanTraining
from ganatomy.tasks.synthesis.normalisation import Normalisation
from tests.test_processes import BRIEF, checkpoint, ddp, plain_sgd
from tests.test_resume import assert_same_end, run_until

SMALL = [
    *("model=vaegan", "model.generator.channels=4", "model.generator.latent=6", "model.generator.refine=0"),
    *("model.discriminator.channels=4", "model.discriminator.refine=0"),
]
COHORT = ["data.size=24", "data.subjects=6", "data.split=[4,1,1]", "data.slices=8"]
SOLID = ["data.spatial_dims=3", "data.size=16", "data.subjects=8", "data.split=[4,2,2]"]
R3 = "ganatomy.networks.noise_to_image.r3gan.R3Generator"
Train = Callable[..., Path]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    return lambda *words: ["task=synthesis", "task.imagenet=false", *COHORT, *SMALL, *words]


def test_losses_are_those_of_the_paper() -> None:
    """The divergence of torch.distributions; Gaussian log-likelihood of D's features, up to its constant."""
    torch.manual_seed(0)
    first, last = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 5, 3)

    def discriminator(x: Tensor) -> list[Tensor]:
        features = [first(x), last(first(x))]
        return [*features, features[-1].mean((1, 2, 3))]

    method = VaeGanTraining(reconstruction=2.0, kl=3.0)
    generator = SimpleNamespace(encode=lambda x: None)
    method.begin(Players(generator, discriminator, Condition(), Normalisation(0.5, 2.0)))  # type: ignore[arg-type]
    images, rebuilt = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8)
    mean, log_variance = torch.randn(4, 6), torch.randn(4, 6)
    output = {"rebuilt": rebuilt, "mean": mean, "log_variance": log_variance}
    found = method.task_losses({"image": images}, output)
    ours, theirs = (last(first(x)).flatten(1) for x in (rebuilt, (images - 0.5) / 2.0))
    size = theirs.shape[1]
    likelihood = Normal(ours, 1.0).log_prob(theirs).sum(1) - Normal(theirs, 1.0).log_prob(theirs).sum(1)
    torch.testing.assert_close(found["reconstruction"], 2.0 * -likelihood.mean() / size)
    code = Normal(mean, (0.5 * log_variance).exp())
    divergence = kl_divergence(code, Normal(torch.zeros(6), torch.ones(6))).sum(1).mean()
    torch.testing.assert_close(found["kl"], 2.0 * 3.0 * divergence / size)


def test_a_code_is_drawn_from_its_distribution(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data, task = prepared()
    batch, seen = next(iter(data.train_dataloader())), []
    deviation, shift = torch.tensor([0.5, 1.0, 2.0, 0.1, 3.0, 1.0]), torch.arange(6.0)
    fixed = (shift.expand(4, 6), (2 * deviation.log()).expand(4, 6))
    monkeypatch.setattr(task.generator, "encode", lambda x: fixed)
    monkeypatch.setattr(task.generator, "forward", lambda z: seen.append(z) or batch["image"])
    for seed in range(400):
        torch.manual_seed(seed)
        task.generate(batch)
    noise, codes = torch.cat(seen[::2]), torch.cat(seen[1::2])
    assert abs(float(noise.mean())) < 0.05 and float(noise.std()) == pytest.approx(1, rel=0.05)
    torch.testing.assert_close(codes.mean(0), shift, atol=0.25, rtol=0)
    torch.testing.assert_close(codes.std(0), deviation, atol=0.01, rtol=0.06)
    assert abs(float(torch.corrcoef(torch.stack([noise[:, 1], codes[:, 1]]))[0, 1])) < 0.1


def gradients(prepared: Any, update: str, *words: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The gradient of each weight in one step, and the log."""
    data, task = prepared(*words)
    batch = next(iter(data.train_dataloader()))
    torch.manual_seed(5)
    log = UPDATES[update]()(task.game, batch, 0, lambda player: None)
    named = dict(task.generator.named_parameters(prefix="generator"))
    named |= dict(task.discriminator.named_parameters(prefix="discriminator"))
    return {name: p.grad for name, p in named.items() if p.grad is not None}, log


def test_who_learns_from_what(prepared: Any) -> None:
    """The adversary reaches the decoder alone, the divergence the encoder; D learns nothing of either."""
    off = "model.adversarial.weight=0.0"
    game, _ = gradients(prepared, "shared", "task.method.reconstruction=0.0")
    assert not any(float(g.abs().max()) for name, g in game.items() if ".encoder." in name)
    assert any(float(g.abs().max()) for name, g in game.items() if ".decoder." in name)
    alone, _ = gradients(prepared, "shared", off, "task.method.kl=1000.0")
    apart, _ = gradients(prepared, "shared", off, "task.method.kl=0.0")
    for name in game:
        assert torch.equal(alone[name], apart[name]) == (".encoder." not in name), name
        if name.startswith("discriminator"):
            assert torch.equal(game[name], alone[name]), name


def test_the_shared_step_is_exact(prepared: Any) -> None:
    plain = "model.adversarial.augment=null"  # g_first would draw another augmentation for each player
    (one, log), (other, _) = (gradients(prepared, update, plain) for update in ("shared", "g_first"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert {"loss/generator/reconstruction", "loss/generator/kl", "loss/generator/adversarial"} <= set(log)


@pytest.mark.parametrize("update", ["shared", "textbook", "one_backward"])
@pytest.mark.parametrize("more", [[], SOLID], ids=["2D", "3D"])
def test_it_trains(train_small: Train, more: list[str], update: str) -> None:
    run = train_small("run", *more, f"update={update}", "update.n_critic=2", "trainer.max_steps=4")
    scores = json.loads((run / "metrics.json").read_text())
    names = [f"test/{name}" for name in ("swd", "kid/random", "nearest", "copied")]
    assert np.isfinite([scores[name] for name in names]).all()
    ended = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in ended.values())


def test_resumed_equals_uninterrupted(train_small: Train) -> None:
    more = ["trainer.max_steps=7", "logger=csv"]
    whole = train_small("whole", *more)
    run_until(3, train_small, "cut", *more)
    assert_same_end(whole, train_small("cut", resume=True))


@pytest.mark.slow
def test_several_processes_train_as_one(command: Any, tmp_path: Path) -> None:
    brief = [word for word in BRIEF if word.split("=")[0] not in ("trainer.max_steps", "trainer.val_every")]
    words = [*brief, "task=synthesis", "task.imagenet=false", *SMALL, "data.batch_size=5"]
    words += [*plain_sgd("generator", 0.02), *plain_sgd("discriminator", 0.001)]
    words += ["trainer.max_steps=4", "trainer.val_every=4"]
    for name, more in {"one": [], "several": ddp(2)}.items():
        done = command(*words, f"run_dir={name}", *more)
        assert done.returncode == 0, done.stderr
    one, several = (checkpoint(tmp_path / name)["state_dict"] for name in ("one", "several"))
    for name, value in one.items():
        scale = max(1.0, float(value.abs().max()))
        torch.testing.assert_close(several[name], value, rtol=0, atol=1e-6 * scale, msg=name)


@pytest.mark.parametrize(
    "words, message",
    [
        (["model.discriminator=null"], "model.discriminator: null, but synthesis needs a discriminator"),
        (["task.method.kl=-1"], "kl: -1"),
        (
            [
                "~model.generator",
                f"+model.generator={{_target_: {R3}}}",
            ],
            "model.generator: R3Generator does not encode images; take that of model=vaegan",
        ),
    ],
)
def test_refused_in_one_line(prepared: Any, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        prepared(*words)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_discriminator_without_features_is_refused() -> None:
    method = VaeGanTraining()
    bare = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    generator = SimpleNamespace(encode=lambda x: None)
    method.begin(Players(generator, bare, Condition(), Normalisation()))
    with pytest.raises(UserError, match="returns no features, which vaegan compares"):
        method.task_losses({"image": torch.randn(2, 1, 4, 4)}, {"rebuilt": torch.randn(2, 1, 4, 4)})
