"""f-AnoGAN's two phases: what the first hands on, what stands still in the second, and a stop anywhere."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import GradientMonitor
from ganatomy.baselines.latent_search import search
from ganatomy.errors import UserError
from ganatomy.tasks.anomaly.methods import FAnoGanTraining, NoisePhase
from ganatomy.tasks.phases import Best, Phased
from tests.test_resume import assert_same, assert_same_end, checkpoint, run_until

WORDS = [
    "task=anomaly", "model=fanogan", "model.generator.channels=4", "model.discriminator.channels=4",
    "model.generator.latent=6", "data.subjects=6", "data.split=[2,2,2]", "data.slices=4", "data.size=16",
    "task.denoising_steps=1", "task.search_images=0", "task.components=3", "logger=csv",
    "trainer.max_steps=9", "trainer.val_every=2", "task.method.share=0.667",
]  # fmt: skip
Train = Callable[..., Path]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """Six steps of the first phase, with validations after 2, 4 and 6, and three of the second."""
    return lambda *words: [*WORDS, *words]


def part(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    found = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    assert found
    return found


@pytest.mark.parametrize("stop", [3, 6, 7], ids=["in the first", "between", "in the second"])
def test_resumed_equals_uninterrupted(train_small: Train, stop: int) -> None:
    whole = train_small("whole")
    run_until(stop, train_small, "cut")
    assert_same_end(whole, train_small("cut", resume=True))


def test_killed_between_the_phases(train_small: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last checkpoint is of step 5; what was validated since is validated again."""
    whole = train_small("whole")
    begin = FAnoGanTraining._begin

    def killed(self: FAnoGanTraining) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(BaseException):  # noqa: B017 - as a kill does
        patch.setattr(FAnoGanTraining, "_begin", killed)
        train_small("cut", "callbacks.checkpoint_every=5")
    assert FAnoGanTraining._begin is begin
    state = checkpoint(whole)
    assert_same_end(whole, train_small("cut", resume=True))
    assert state["global_step"] == state["batches_done"] == 9


@pytest.mark.parametrize("best", [2, 4, 6])
def test_the_second_phase_begins_with_the_best_of_the_first(
    train_small: Train, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    """Planted distances: whichever validation has the least, its players are those of the second phase."""
    import ganatomy.tasks.anomaly.task as module

    seen: dict[int, dict[str, Any]] = {}
    offer = Best.offer

    def noted(self: Best, score: float, step: int, **modules: nn.Module) -> None:
        seen[step] = {n: {k: v.clone() for k, v in m.state_dict().items()} for n, m in modules.items()}
        offer(self, abs(step - best) + 0.5, step, **modules)

    monkeypatch.setattr(Best, "offer", noted)
    monkeypatch.setattr(module, "sliced_wasserstein", lambda fake, real: {16: 1.0})
    run = train_small("run")
    state = checkpoint(run)["state_dict"]
    assert sorted(seen) == [2, 4, 6]
    for name in ("generator.decoder.", "average.module.decoder.", "best.kept.decoder."):
        assert_same(part(state, name), seen[best]["decoder"], name)
    assert_same(part(state, "discriminator."), seen[best]["discriminator"])
    others = [step for step in seen if step != best]
    assert all(not torch.equal(seen[step]["decoder"]["enter.weight"], seen[best]["decoder"]["enter.weight"])
               for step in others)  # fmt: skip
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(float(row["phase/best_step"])) for row in rows if row.get("phase/best_step")] == [best]


def test_each_phase_moves_its_own(train_small: Train) -> None:
    first, end = (
        checkpoint(train_small(name, f"trainer.max_steps={steps}", f"task.method.share={share}"))
        for name, steps, share in (("a", 7, 0.86), ("b", 9, 0.667))
    )
    states = [part(run["state_dict"], "generator.encoder.") for run in (first, end)]
    assert not torch.equal(states[0]["leave.weight"], states[1]["leave.weight"])
    optimizers = end["optimizer_states"]
    counts = [{int(s["step"]) for s in one["state"].values()} for one in optimizers]
    assert counts == [{3}, {6}, {3}]  # G of every second batch, D of every batch, the encoder


def test_scores_belong_to_the_last_phase(train_small: Train) -> None:
    run = train_small("run")
    with (run / "metrics.csv").open(newline="") as file:
        rows = {int(row["step"]): row for row in csv.DictReader(file)}
    for step in (2, 4, 6):
        assert rows[step]["val/reconstruction"] == "nan" and float(rows[step]["val/swd"]) > 0
    assert float(rows[8]["val/reconstruction"]) > 0 and rows[8]["val/swd"] == ""
    best = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    assert best["batches_done"] in (8, 9)


def test_a_gradient_that_is_not_finite_is_told_of_the_phase_it_falls_in(
    train_small: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted in the last steps of the first phase; nothing is logged or saved before the second."""

    def planted(self: NoisePhase, batch: dict[str, Any], output: Tensor) -> dict[str, Tensor]:
        return {
            "planted": output.mean() * (float("nan") if self.players.game.rules.batches_done >= 4 else 1.0)
        }

    init = GradientMonitor.__init__
    monkeypatch.setattr(
        GradientMonitor, "__init__", lambda self, game: init(self, game, at_once=False)
    )  # as on a GPU
    monkeypatch.setattr(NoisePhase, "task_losses", planted)
    never = ["trainer.log_every=100", "trainer.val_every=100", "callbacks.checkpoint_every=100"]
    with pytest.raises(UserError, match=r"step [45]: the gradient of the generator is not finite"):
        train_small("run", *never)


class Toy(nn.Module):
    """Three numbers to a picture, without loss, and a linear encoder that has to find the way back."""

    latent = 3

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Sequential(nn.Linear(3, 64), nn.Unflatten(1, (1, 8, 8)))
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.decoder(self.encoder(x))
        return made


class Eye(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [torch.tanh(x), x.mean((1, 2, 3))[:, None]]


def toy() -> tuple[FAnoGanTraining, Any]:
    torch.manual_seed(0)
    method, network = FAnoGanTraining(10), Toy()
    method.players = SimpleNamespace(generator=network, evaluator=network, discriminator=Eye())  # type: ignore[assignment]
    return method, network


def test_the_encoder_inverts_planted_latents() -> None:
    """Trained by izi_f alone, which never sees a latent."""
    method, network = toy()
    before = {k: v.clone() for k, v in network.decoder.state_dict().items()}
    optimizer = torch.optim.Adam(network.encoder.parameters(), 2e-2)
    for _ in range(400):
        batch = {"image": network.decoder(torch.randn(32, 3)).detach()}
        optimizer.zero_grad()
        sum(method.task_losses(batch, method.generate(batch)).values()).backward()
        optimizer.step()
    planted = torch.randn(100, 3)
    found = network.encoder(network.decoder(planted))
    assert (found - planted).abs().max() < 0.05
    assert all(torch.equal(before[k], v) for k, v in network.decoder.state_dict().items())


def test_the_score_is_the_papers() -> None:
    method, network = toy()
    x = torch.randn(5, 1, 8, 8)
    made, score = method.score_images(x, None)
    features = ((torch.tanh(x) - torch.tanh(made)) ** 2).mean((1, 2, 3))
    torch.testing.assert_close(score, ((x - network(x)) ** 2).mean((1, 2, 3)) + features)
    loss = sum(method.task_losses({"image": x}, network(x)).values())
    torch.testing.assert_close(loss, score.mean())


def test_the_search_finds_planted_latents_and_each_image_for_itself() -> None:
    _, network = toy()
    eye = lambda x: torch.tanh(x)  # noqa: E731
    images = network.decoder(torch.randn(4, 3)).detach()
    images[3] += torch.randn(1, 8, 8)
    start, end = (search(network.decoder, eye, 3, images, steps) for steps in (0, 300))
    assert (end[:3] < 0.05 * start[:3]).all() and end[3] > 0.3
    alone = search(network.decoder, eye, 3, images[:1], 300)
    torch.testing.assert_close(alone, end[:1], atol=1e-3, rtol=0.1)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_run_that_ends_before_its_last_phase_is_refused() -> None:
    phases = [SimpleNamespace(until=6), SimpleNamespace(until=None)]
    task: Any = SimpleNamespace(phases=phases, trainer=SimpleNamespace(max_steps=6))
    with pytest.raises(UserError, match=r"^trainer\.max_steps: 6; must be above 6, the steps of the phases"):
        Phased.on_fit_start(task)


def test_the_best_is_the_least_and_survives_a_checkpoint() -> None:
    layer = nn.Linear(1, 1)
    best = Best(layer=layer)
    for score, value in ((3.0, 1.0), (1.0, 2.0), (float("nan"), 3.0), (2.0, 4.0), (1.0, 5.0)):
        nn.init.constant_(layer.weight, value)
        best.offer(score, int(value), layer=layer)
    again = Best(layer=nn.Linear(1, 1))
    again.load_state_dict(best.state_dict())
    other = nn.Linear(1, 1)
    again.hand_on(layer=other)
    assert other.weight.item() == 2 and (again.score, again.step, again.phase) == (1.0, 2, 0)
    assert np.isnan(Best(layer=layer).score)
