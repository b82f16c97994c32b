"""Two generators and two discriminators: each discriminator has all that a single one would have."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import AUGMENTS, LOSSES, PENALTIES, UPDATES, WEIGHTS, Game, plan
from ganatomy.adversarial.stability.gradient_monitor import GradientMonitor, NotFinite
from ganatomy.errors import UserError
from tests.adversarial import players
from tests.adversarial.count import count_forwards

KINDS: dict[str, Callable[[], list[Any]]] = {
    "none": list,
    "r1, r2": lambda: [PENALTIES["r1"](gamma=3.0), PENALTIES["r2"](gamma=2.0)],
    "lecam": lambda: [PENALTIES["lecam"]()],
    "weight_clip": lambda: [PENALTIES["weight_clip"](limit=0.1)],
}
DOMAINS = {"a": ("image", "target"), "b": ("target", "image")}


class Both:
    """Each domain is made from the other; `names` of those that are shown to a discriminator."""

    def __init__(self, generator: nn.ModuleDict, names: str = "ab", cycle: float = 1.0) -> None:
        self.generator, self.names, self.cycle = generator, names, cycle

    def generate(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: self.generator[name](batch[source]) for name, (_, source) in DOMAINS.items()}

    def discriminator_inputs(self, batch: dict[str, Tensor], output: dict[str, Tensor]) -> Any:
        found = {name: (batch[DOMAINS[name][0]], output[name]) for name in self.names}
        return found if len(found) > 1 else found[self.names]

    def task_losses(self, batch: dict[str, Tensor], output: dict[str, Tensor]) -> dict[str, Tensor]:
        back = self.generator["b"](output["a"])
        return {"cycle": self.cycle * (back - batch["target"]).square().mean()}


def critic(kind: str = "scalar") -> nn.Module:
    d = players.DISCRIMINATORS[kind]()
    first = d[0] if kind == "scalar" else d.layers[0]
    first.weight = nn.Parameter(first.weight[:, :1].detach().clone())
    first.in_channels = 1
    return d


def networks(kind: str = "scalar") -> tuple[nn.ModuleDict, nn.ModuleDict]:
    torch.manual_seed(0)
    return (
        nn.ModuleDict({name: players.generator() for name in "ab"}),
        nn.ModuleDict({name: critic(kind) for name in "ab"}),
    )


def play(game: Game, update: str = "shared", steps: int = 1, seed: int = 0, **how: Any) -> dict[str, Tensor]:
    """Gradients add up over `steps` batches."""
    torch.manual_seed(seed)
    log: dict[str, Tensor] = {}
    for step in range(steps):
        log = UPDATES[update](**how)(game, players.batch(seed=step), step, lambda player: None)
    return log


def grads(network: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in network.parameters()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["hinge", "wasserstein", "relativistic_paired"])
@pytest.mark.parametrize("update", ["shared", "g_first", "textbook", "one_backward"])
def test_each_is_taught_as_if_it_were_alone(update: str, loss: str, kind: str) -> None:
    """And the generator's gradient is that of the task plus that of either game."""
    g, d = networks()
    before = copy.deepcopy(g), {name: copy.deepcopy(d[name]) for name in "ab"}
    log = play(Game(Both(g), g, d, LOSSES[loss](), penalties=KINDS[kind]()), update, steps=2)
    total = [torch.zeros_like(p) for p in g.parameters()]
    for name in "ab":
        alone, opponent = copy.deepcopy(before[0]), before[1][name]
        rules = Both(alone, name, cycle=0.5)  # half the cycle in each game
        single = play(Game(rules, alone, opponent, LOSSES[loss](), penalties=KINDS[kind]()), update, steps=2)
        for gradient, other in zip(grads(d[name]), grads(opponent), strict=True):
            torch.testing.assert_close(gradient, other, rtol=1e-10, atol=1e-13)
        total = [a + b for a, b in zip(total, grads(alone), strict=True)]
        for key, value in single.items():
            head, _, leaf = key.rpartition("/")
            if leaf not in ("total", "cycle"):
                torch.testing.assert_close(log[f"{head}/{name}/{leaf}"], value, rtol=1e-10, atol=1e-13)
    for gradient, other in zip(grads(g), total, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-10, atol=1e-13)
    parts = [
        value for key, value in log.items() if key.startswith("loss/discriminator/") and "total" not in key
    ]
    torch.testing.assert_close(log["loss/discriminator/total"], sum(parts))


@pytest.mark.parametrize("name", ["r1", "r2", "gradient_penalty"])
def test_a_penalty_on_the_input_reaches_every_one(name: str) -> None:
    key = "weight" if name == "gradient_penalty" else "gamma"
    found = []
    for value in (0.0, 100.0):
        g, d = networks()
        play(Game(Both(g), g, d, LOSSES["hinge"](), penalties=[PENALTIES[name](**{key: value})]))
        found.append([torch.cat([grad.flatten() for grad in grads(d[each])]) for each in "ab"])
    for without, with_it in zip(*found, strict=True):
        assert (with_it - without).abs().max() > 1e-3 * without.abs().max()


@pytest.mark.parametrize("name", AUGMENTS)
def test_colours_of_every_domain_change_by_draws_of_their_own(name: str) -> None:
    g, d = networks()
    start = {"start": 1.0} if name == "ada" else {}
    augment = AUGMENTS[name](["brightness"], image_channels=1, **start)
    inputs: dict[str, list[Tensor]] = {"a": [], "b": []}
    for each in "ab":
        d[each].register_forward_pre_hook(lambda module, x, each=each: inputs[each].append(x[0]))
    play(Game(Both(g), g, d, LOSSES["hinge"](), augment=augment))
    data = players.batch()
    shifts = []
    for each in "ab":
        shift = (inputs[each][0].detach() - data[DOMAINS[each][0]]).flatten(1)
        assert (shift.abs().amax(1) > 1e-3).all()
        shifts.append(shift[:, 0])
    assert (shifts[0] - shifts[1]).abs().min() > 1e-6


def test_what_they_remember_is_their_own_and_in_the_state() -> None:
    g, d = networks()
    augment = AUGMENTS["ada"](["flip"], interval=1, images=20)
    game = Game(Both(g), g, d, LOSSES["hinge"](), penalties=[PENALTIES["lecam"]()], augment=augment)
    log = play(game, steps=2)
    penalties, augments = game.state()
    assert augments is not None
    state = nn.ModuleDict({"penalties": penalties, "augment": augments}).state_dict()
    assert {"penalties.a.0.real_mean", "penalties.b.0.real_mean", "augment.a.p", "augment.b.p"} <= set(state)
    assert state["penalties.a.0.real_mean"] != state["penalties.b.0.real_mean"]
    assert {"augment/a/p", "augment/b/p", "logits/a/real", "logits/b/fake"} <= set(log)


def test_a_single_one_keeps_its_names() -> None:
    g, d = networks()
    penalty, augment = PENALTIES["lecam"](), AUGMENTS["ada"](["flip"])
    game = Game(Both(g, "a"), g, d["a"], LOSSES["hinge"](), penalties=[penalty], augment=augment)
    penalties, augments = game.state()
    assert list(penalties) == [penalty] and augments is augment
    log = play(game)
    assert {"logits/real", "loss/discriminator/lecam", "augment/p", "loss/generator/adversarial"} <= set(log)


@pytest.mark.parametrize("update", UPDATES)
def test_the_adaptive_weight_is_each_one_s_own(update: str) -> None:
    g, d = networks()
    weight = WEIGHTS["adaptive"](share=0.5)
    log = play(Game(Both(g), g, d, LOSSES["hinge"](), weight), update)
    assert log["weight/a/adversarial"] != log["weight/b/adversarial"]
    terms = [log[f"weight/{name}/adversarial"] * log[f"loss/generator/{name}/adversarial"] for name in "ab"]
    torch.testing.assert_close(log["loss/generator/total"], log["loss/generator/cycle"] + sum(terms))


@pytest.mark.parametrize("update", ["shared", "textbook", "one_backward"])
def test_pieces_add_up_to_the_whole_batch(update: str) -> None:
    found = []
    for count in (1, 2):
        g, d = networks()
        penalties = [PENALTIES["r1"]()]
        play(Game(Both(g), g, d, LOSSES["wasserstein"](), penalties=penalties), update, accumulate=count)
        found.append([*grads(g), *grads(d)])
    for whole, added in zip(*found, strict=True):
        torch.testing.assert_close(added, whole, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("update", ["shared", "g_first", "one_backward"])
def test_the_plan_counts_each_and_tells_their_names(update: str) -> None:
    g, d = networks()
    game = Game(Both(g), g, d, LOSSES["wasserstein"]())
    chosen = plan(game, update, batch=players.batch())
    single = plan(Game(Both(g, "a"), g, d["a"], LOSSES["wasserstein"]()), update, batch=players.batch())
    assert chosen.name == single.name == update
    assert chosen.cost.discriminator_forwards == 2 * single.cost.discriminator_forwards
    assert str(chosen).endswith("; counted for the discriminators a, b") and "counted" not in str(single)
    for name in "ab":
        with count_forwards(g["a"], d[name]) as passes:
            chosen.update(game, players.batch(), 0, lambda player: None)
        assert passes["discriminator"] == (3 if update == "g_first" else 2)


def test_one_that_couples_samples_decides_for_all() -> None:
    g, d = networks()
    d["b"] = nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 4)).double()
    game = Game(Both(g), g, d, LOSSES["hinge"]())
    chosen = plan(game, batch=players.batch())
    assert chosen.name == "shared" and "BatchNorm in b" in chosen.reason
    with pytest.raises(UserError, match="a discriminator with BatchNorm in b needs the whole batch"):
        plan(game, accumulate=2, batch=players.batch())


def test_a_bad_gradient_is_found_in_the_one_that_has_it() -> None:
    g, d = networks()
    game = Game(Both(g), g, d, LOSSES["hinge"]())
    d["b"].register_forward_hook(lambda module, x, logits: logits / 0 * 0)
    play(game)
    with pytest.raises(NotFinite, match=r"b/adversarial|discriminator\.b"):
        GradientMonitor(game).observe("discriminator", 0, players.batch())


@pytest.mark.parametrize(
    ("names", "found", "words"),
    [
        ("ab", {"a": 1}, "discriminator_inputs: a, but the discriminators are a, b"),
        ("ab", {"a": 1, "c": 1}, "discriminator_inputs: a, c, but"),
        ("ab", (1, 1), "one pair for the discriminators a, b"),
        ("", {"a": 1}, "the discriminators are one without a name"),
    ],
)
def test_rules_that_leave_one_out_are_refused(names: str, found: Any, words: str) -> None:
    g, d = networks()
    rules = Both(g)
    rules.discriminator_inputs = lambda batch, output: found  # type: ignore[method-assign]
    with pytest.raises(UserError, match=words):
        play(Game(rules, g, d if names else d["a"], LOSSES["hinge"]()))


class Composite(nn.Module):
    """Two discriminators in one: a further argument is an image, or a condition."""

    def __init__(self, parts: nn.ModuleDict) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.parts["a"](a) + self.parts["b"](b)


class AsArguments(Both):
    """condition: the second argument is the same in real and fake."""

    condition = False

    def discriminator_inputs(self, batch: dict[str, Tensor], output: dict[str, Tensor]) -> Any:
        second = batch["target"] if self.condition else output["b"]
        return (batch["image"], batch["target"]), (output["a"], second)


@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("penalties.r1", {"penalties": [PENALTIES["r1"]()]}),
        ("penalties.r2", {"penalties": [PENALTIES["r2"]()]}),
        ("penalties.gradient_penalty", {"penalties": [PENALTIES["gradient_penalty"]()]}),
        ("augment", {"augment": AUGMENTS["diffaugment"](["brightness"], image_channels=1)}),
        ("augment", {"augment": AUGMENTS["ada"](["contrast"], image_channels=1)}),
    ],
)
def test_what_would_miss_an_image_among_d_s_arguments_is_refused(
    key: str, more: dict[str, Any], planned: bool
) -> None:
    g, d = networks()
    game = Game(AsArguments(g), g, Composite(d), LOSSES["hinge"](), **more)
    with pytest.raises(UserError, match=f"{key}: acts on the first of D's arguments alone, and argument 2"):
        plan(game, batch=players.batch()) if planned else play(game)
    game.rules.condition = True
    plan(game, batch=players.batch())
    play(game)


def test_what_misses_nothing_is_let_through() -> None:
    g, d = networks()
    augment = AUGMENTS["diffaugment"](["translation"], image_channels=1)
    penalties = [PENALTIES["lecam"](), PENALTIES["weight_clip"]()]
    game = Game(AsArguments(g), g, Composite(d), LOSSES["hinge"](), penalties=penalties, augment=augment)
    plan(game, batch=players.batch())
    play(game)


def test_names_that_the_log_cannot_hold_are_refused() -> None:
    g, d = networks()
    for found in (nn.ModuleDict({"a/b": d["a"]}), nn.ModuleDict()):
        with pytest.raises(UserError, match=r"^discriminator"):
            Game(Both(g), g, found, LOSSES["hinge"]())
