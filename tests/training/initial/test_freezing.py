"""Frozen parameters: which ones, and that the game is the same for all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from ganatomy.adversarial import UPDATES
from ganatomy.data.pipeline import collate
from ganatomy.errors import UserError
from ganatomy.tasks.base import AdversarialTask
from ganatomy.training.initial.freezing import freeze, of_learning

Built = Callable[..., Any]


def frozen(task: AdversarialTask) -> set[str]:
    return {
        f"{player}.{name}"
        for player in ("generator", "discriminator")
        for name, p in getattr(task, player).named_parameters()
        if not p.requires_grad
    }


def example(data: Any) -> Any:
    items = data.train_items()
    return collate([items[0, 0], items[0, len(items) - 1]])


def held(built: Built, *words: str, patterns: Sequence[str] = (), lowest: int = 0) -> set[str]:
    _, task, data = built(*words)
    freeze(task, patterns, lowest, lambda: example(data))
    return frozen(task)


def test_a_pattern_and_the_name_of_a_module(built: Built) -> None:
    by_pattern = held(built, patterns=["generator.model.0.conv.unit0.*"])
    assert by_pattern == held(built, patterns=["generator.model.0.conv.unit0"])
    assert by_pattern == {
        f"generator.model.0.conv.unit0.{name}" for name in ("conv.weight", "conv.bias", "adn.A.weight")
    }
    biases = held(built, patterns=["*.bias"])
    assert biases and all(name.endswith(".bias") for name in biases)
    spectral = "model.adversarial.penalties=[{name: spectral_norm}]"
    assert held(built, spectral, patterns=["discriminator.0.conv.weight"]) == {
        "discriminator.0.conv.parametrizations.weight.original"
    }


@pytest.mark.parametrize(
    ("patterns", "lowest", "line"),
    [
        (["generator.modle.0"], 0, "freeze: generator.modle.0 .* did you mean 'generator.model.0'"),
        (["model.0"], 0, "did you mean 'generator.model.0'"),
        (["discriminator.*"], 0, "freeze: nothing of the discriminator is left to learn"),
        (["generator"], 0, "freeze: nothing of the generator is left to learn"),
        ([], 4, "freeze_discriminator: 4, but the discriminator has 3 convolutions"),
        ([], 3, "nothing of the discriminator is left to learn"),
    ],
)
def test_a_mistake_is_one_line(built: Built, patterns: list[str], lowest: int, line: str) -> None:
    with pytest.raises(UserError, match=line):
        held(built, patterns=patterns, lowest=lowest)


def test_the_twin_takes_the_words_of_its_game(built: Built) -> None:
    """Words about a discriminator say nothing where there is none."""
    _, task, data = built("model.discriminator=null")
    assert freeze(task, ["discriminator.0"], 2, lambda: example(data)) == []


def test_the_lowest_layers_are_those_that_run_first(built: Built) -> None:
    """FreezeD: with the norm that runs before the next convolution, and in each of several scales."""
    assert held(built, lowest=1) == {f"discriminator.initial_conv.conv.{name}" for name in ("weight", "bias")}
    affine = "model.discriminator.norm=[INSTANCE,{affine: true}]"
    two = held(built, affine, lowest=2)
    assert {
        "discriminator.0.conv.weight",
        "discriminator.0.adn.N.weight",
        "discriminator.0.adn.N.bias",
    } <= two
    scales = (
        "model.discriminator={_target_: monai.networks.nets.MultiScalePatchDiscriminator, num_d: 2, "
        "channels: 4, num_layers_d: 2, minimum_size_im: 32}"
    )
    found = held(built, scales, lowest=1)
    assert {name.split(".")[1] for name in found} == {"discriminator_0", "discriminator_1"}
    assert all("initial_conv" in name for name in found)


def gradients(task: AdversarialTask, batch: Any, update: str, n: int) -> dict[str, torch.Tensor]:
    """Gradients at each step of each player in a batch, and G's and D's answers."""
    found: dict[str, torch.Tensor] = {}

    def step(player: str) -> None:
        network: nn.Module = getattr(task, player)
        for name, p in network.named_parameters():
            if p.grad is not None:
                found[f"{player}.{name}"] = p.grad.clone()
            p.grad = None

    torch.manual_seed(0)
    UPDATES[update](1, n)(task.game, batch, 0, step)
    return found


@pytest.mark.parametrize(
    ("update", "n"), [("textbook", 1), ("shared", 2), ("g_first", 1), ("one_backward", 1)]
)
@pytest.mark.parametrize("penalty", ["r1", "gradient_penalty"])
def test_what_learns_gets_the_gradient_it_gets_without_frozen_parts(
    built: Built, update: str, n: int, penalty: str
) -> None:
    """The adversarial step is exact: G's gradient and D's penalties pass through frozen layers of D."""
    words = (f"model.adversarial.penalties=[{{name: {penalty}}}]", "model.adversarial.weight=1.0")
    _, free, data = built(*words)
    _, task, _ = built(*words)
    batch = example(data)
    assert freeze(task, ["generator.model.0", "discriminator.final_conv.conv.bias"], 1, lambda: batch)
    whole, part = gradients(free, batch, update, n), gradients(task, batch, update, n)
    assert part.keys() == whole.keys() - frozen(task) and frozen(task)
    for name, gradient in part.items():
        assert torch.equal(gradient, whole[name]), name


def test_a_frozen_parameter_has_no_optimiser(built: Built) -> None:
    """No step and no weight decay, also of an optimiser that would move a parameter without a gradient."""

    class Decays(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.mul_(0.5)

    _, task, _ = built()
    freeze(task, ["generator.model.0"], 0, dict)
    before = {name: p.clone() for name, p in task.generator.named_parameters()}
    of_learning(lambda ps: Decays(ps, 0.1), task.generator.parameters()).step()
    for name, p in task.generator.named_parameters():
        assert torch.equal(p, before[name]) == (f"generator.{name}" in frozen(task)), name
    made = task.recipe.optimizers["generator"](task.generator.parameters())
    names = sum(len(group["params"]) for group in made.param_groups)
    assert names == len(before) - len(frozen(task))


def test_norms_whose_statistics_go_on_are_counted(built: Built) -> None:
    _, task, data = built("model.discriminator.norm=BATCH")
    lines = freeze(task, ["discriminator.0"], 0, lambda: example(data))
    assert "running statistics of 1 frozen norms go on following the data" in lines[0]
    norm = next(m for m in task.discriminator.modules() if getattr(m, "running_mean", None) is not None)
    before = norm.running_mean.clone()
    task.game.discriminator.train()
    gradients(task, example(data), "shared", 1)
    assert not torch.equal(norm.running_mean, before)
    assert math.isfinite(float(norm.running_mean.sum()))
