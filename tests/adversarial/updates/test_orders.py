"""What every update promises: passes, untouched opponents, order, pieces, precision, weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganatomy.adversarial import (
    AUGMENTS,
    LOSSES,
    PENALTIES,
    UPDATES,
    WEIGHTS,
    Ema,
    Game,
    GradientMonitor,
    plan,
)
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.errors import UserError
from tests.adversarial import players
from tests.adversarial.count import count_forwards


def setting(shape: str = "patch", loss: str = "hinge", **more: Any) -> tuple[Game, nn.Module, nn.Module]:
    torch.manual_seed(1)
    g, d = players.generator(), players.DISCRIMINATORS[shape]()
    return Game(players.Rules(g), g, d, LOSSES[loss](), **{"weight": Fixed(0.3), **more}), g, d


def nothing(player: str) -> None:
    pass


@pytest.mark.parametrize(
    ("update", "passes"),
    [
        ("shared", {"generator": 1, "discriminator": 2, "backward": 3}),
        ("textbook", {"generator": 1, "discriminator": 3, "backward": 3}),
        ("g_first", {"generator": 1, "discriminator": 3, "backward": 3}),
    ],
)
def test_passes(update: str, passes: dict[str, int]) -> None:
    game, g, d = setting()
    with count_forwards(g, d) as counted:
        UPDATES[update]()(game, players.batch(), 0, nothing)
    assert counted == passes


@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_an_input_gradient_needs_no_pass_of_its_own_in_full_precision(penalty: str) -> None:
    game, g, d = setting(penalties=[PENALTIES[penalty]()])
    with count_forwards(g, d) as counted:
        UPDATES["shared"]()(game, players.batch(), 0, nothing)
    assert (counted["generator"], counted["discriminator"]) == (1, 2)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("n_critic", [1, 2])
def test_each_phase_leaves_the_other_player_s_gradients_alone(update: str, n_critic: int) -> None:
    game, g, d = setting("scalar", "wasserstein", penalties=[PENALTIES["r1"]()])
    touched: list[str] = []

    def stepper(player: str) -> None:
        stepping, other = (g, d) if player == "generator" else (d, g)
        assert all(p.grad is not None for p in stepping.parameters())
        if not touched and update == "textbook":
            assert all(p.grad is None for p in other.parameters())
        touched.append(player)

    UPDATES[update](n_critic=n_critic)(game, players.batch(), 0, stepper)
    if n_critic == 2:
        assert touched == ["discriminator"]
        assert all(p.grad is None for p in g.parameters())
    else:
        assert sorted(touched) == ["discriminator", "generator"]


def test_a_frozen_player_stays_without_gradients() -> None:
    for frozen in ("generator", "discriminator"):
        game, g, d = setting()
        network, other = (g, d) if frozen == "generator" else (d, g)
        network.requires_grad_(False)
        UPDATES["shared"]()(game, players.batch(), 0, nothing)
        assert all(p.grad is None for p in network.parameters())
        assert all(p.grad is not None for p in other.parameters())


def test_gradients_add_to_what_is_there() -> None:
    game, g, d = setting()
    UPDATES["shared"]()(game, players.batch(), 0, nothing)
    once = players.gradients(g, d)
    UPDATES["shared"]()(game, players.batch(), 0, nothing)
    assert players.furthest(players.gradients(g, d), [2 * gradient for gradient in once]) < 1e-12


def test_textbook_plays_d_first_and_g_against_the_new_d() -> None:
    game, g, d = setting("scalar", "non_saturating")
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    order: list[str] = []
    networks = {"generator": g, "discriminator": d}
    optimisers = {player: torch.optim.SGD(net.parameters(), 0.1) for player, net in networks.items()}

    def stepper(player: str) -> None:
        order.append(player)
        optimisers[player].step()

    UPDATES["textbook"]()(game, data, 0, stepper)
    assert order == ["discriminator", "generator"]
    rules = players.Rules(twin_g)
    real, fake = rules.discriminator_inputs(data, twin_g(data["image"]).detach())
    d_loss, g_loss = players.REFERENCE["non_saturating"]
    d_loss(twin_d(real), twin_d(fake)).backward()
    torch.optim.SGD(twin_d.parameters(), 0.1).step()
    output = twin_g(data["image"])
    total = (
        0.3 * g_loss(None, twin_d(rules.discriminator_inputs(data, output)[1]))
        + rules.task_losses(data, output)["l2"]
    )
    total.backward(inputs=list(twin_g.parameters()))
    assert players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)) < 1e-12


def test_textbook_does_not_judge_by_weights_cast_before_d_s_step() -> None:
    def gradient(split: bool) -> list[Tensor]:
        game, g, d = setting("scalar", "non_saturating")
        g.float(), d.float()
        data = {key: value.float() for key, value in players.batch().items()}

        def stepper(player: str) -> None:
            if player == "discriminator":
                for p in d.parameters():
                    p.data.neg_()
            if split:
                torch.clear_autocast_cache()

        with torch.autocast("cpu", torch.bfloat16, cache_enabled=not split):
            UPDATES["textbook"]()(game, data, 0, stepper)
        return players.gradients(g)

    assert players.furthest(gradient(False), gradient(True)) == 0.0


@pytest.mark.parametrize("update", ["g_first", "textbook"])
def test_under_autocast_a_look_for_g_s_sake_costs_d_no_gradient(update: str) -> None:
    game, g, d = setting("patch", "relativistic_paired")
    g.float(), d.float()
    data = {key: value.float() for key, value in players.batch().items()}
    with torch.autocast("cpu", torch.bfloat16):
        UPDATES[update]()(game, data, 0, nothing)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in d.parameters())


def test_n_critic_moves_g_every_kth_batch() -> None:
    game, _, _ = setting()
    moves: list[list[str]] = []
    for step in range(6):
        moves.append([])
        UPDATES["shared"](n_critic=3)(game, players.batch(), step, moves[-1].append)
    assert ["generator" in move for move in moves] == [False, False, True] * 2
    assert all("discriminator" in move for move in moves)


def test_the_critic_s_turn_equals_d_s_half_of_a_shared_step() -> None:
    gradients = []
    for n_critic in (1, 2):
        game, _, d = setting(penalties=[PENALTIES["r1"](), PENALTIES["r2"]()])
        UPDATES["shared"](n_critic=n_critic)(game, players.batch(), 0, nothing)
        gradients.append(players.gradients(d))
    assert players.furthest(*gradients) < 1e-12


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("micro_batches", [2, 3, 5])
def test_pieces_add_up_to_the_whole_batch(update: str, micro_batches: int) -> None:
    both, logs = [], []
    for count in (1, micro_batches):
        game, g, d = setting("scalar", "relativistic_paired", penalties=[PENALTIES["r1"]()])
        steps: list[str] = []
        logs.append(UPDATES[update](accumulate=count)(game, players.batch(5), 0, steps.append))
        both.append(players.gradients(g, d))
        assert sorted(steps) == ["discriminator", "generator"]
    assert players.furthest(*both) < 1e-12
    assert logs[0].keys() == logs[1].keys()
    for name, value in logs[0].items():
        torch.testing.assert_close(logs[1][name], value, rtol=1e-12, atol=1e-15)


def test_pieces_split_lists_and_leave_the_rest_whole() -> None:
    from ganatomy.adversarial.updates.microbatches import split_batch

    five = torch.arange(5)
    batch = {"image": five, "subject": list("abcde"), "spacing": torch.ones(3), "k": 7, "pair": (five,)}
    parts = list(split_batch(batch, 2))
    assert [weight for _, weight in parts] == [0.4, 0.6]
    assert [part["subject"] for part, _ in parts] == [["a", "b"], ["c", "d", "e"]]
    assert all(len(part["spacing"]) == 3 and part["k"] == 7 for part, _ in parts)
    assert parts[1][0]["pair"][0].tolist() == [2, 3, 4]
    with pytest.raises(UserError, match="accumulate"):
        split_batch(batch, 6)


@pytest.mark.parametrize("update", UPDATES)
def test_without_a_discriminator_it_is_plain_supervision(update: str) -> None:
    torch.manual_seed(1)
    g = players.generator()
    twin = copy.deepcopy(g)
    data = players.batch()
    steps: list[str] = []
    game = Game(players.Rules(g), g, None, None)
    log = UPDATES[update](n_critic=3, accumulate=2)(game, data, 0, steps.append)
    loss = players.Rules(twin).task_losses(data, twin(data["image"]))["l2"]
    loss.backward()
    assert steps == ["generator"]
    assert players.furthest(players.gradients(g), players.gradients(twin)) < 1e-12
    torch.testing.assert_close(log["loss/generator/total"], loss.detach())


def test_a_scaled_loss_scales_both_players_gradients() -> None:
    gradients = []
    for factor in (1.0, 8.0):
        game, g, d = setting(penalties=[PENALTIES["r1"]()], weight=WEIGHTS["adaptive"](share=0.5))
        UPDATES["shared"]()(game, players.batch(), 0, nothing, lambda loss, factor=factor: loss * factor)
        gradients.append(players.gradients(g, d))
    assert players.furthest(gradients[1], [8 * gradient for gradient in gradients[0]]) < 1e-12


@pytest.mark.parametrize("update", UPDATES)
def test_adaptive_weight_holds_d_s_share_of_the_force_at_g_s_output(update: str) -> None:
    game, g, _ = setting("scalar", "non_saturating", weight=WEIGHTS["adaptive"](share=0.25))
    game.rules = rules = Recorder(g)
    log = UPDATES[update]()(game, players.batch(), 0, nothing)
    total = rules.output.grad
    weight = log["weight/adversarial"]
    data = players.batch()
    output = g(data["image"]).detach().requires_grad_()
    task = torch.autograd.grad(rules.task_losses(data, output)["l2"], output)[0]
    torch.testing.assert_close((total - task).norm() / task.norm(), torch.tensor(0.25).double())
    assert float(weight) > 0


class Recorder(players.Rules):
    """Keeps the gradient that arrives at G's output."""

    def generate(self, batch: dict[str, Tensor]) -> Tensor:
        self.output = super().generate(batch)
        self.output.retain_grad()
        return self.output


def test_adaptive_weight_needs_a_task_and_stops_at_its_ceiling() -> None:
    game, g, _ = setting(weight=WEIGHTS["adaptive"]())
    game.rules = players.Rules(g, task=0.0)
    with pytest.raises(UserError, match="adaptive"):
        UPDATES["shared"]()(game, players.batch(), 0, nothing)
    weight = WEIGHTS["adaptive"](share=1.0, ceiling=50.0)
    assert float(weight(0, [torch.ones(3)], [torch.zeros(3)])) == 50.0


def test_warm_up_is_linear_and_logged() -> None:
    game, _, _ = setting(weight=WEIGHTS["warmup"](value=0.4, steps=10))
    logs = [UPDATES["shared"]()(game, players.batch(), step, nothing) for step in (0, 5, 10, 99)]
    assert [float(log["weight/adversarial"]) for log in logs] == pytest.approx([0.0, 0.2, 0.4, 0.4])


def test_totals_are_the_sums_of_their_terms() -> None:
    penalties = [PENALTIES["r1"](gamma=9.0, every=2), PENALTIES["r2"](gamma=5.0)]
    game, _, _ = setting(penalties=penalties, feature_matching=2.0)
    log = UPDATES["shared"]()(game, players.batch(), 0, nothing)
    g, d = "loss/generator/", "loss/discriminator/"
    terms = log[g + "l2"] + 0.3 * log[g + "adversarial"] + log[g + "feature_matching"]
    torch.testing.assert_close(log[g + "total"], terms)
    torch.testing.assert_close(log[d + "total"], log[d + "adversarial"] + log[d + "r1"] + log[d + "r2"])
    assert all(value.dim() == 0 and not value.requires_grad for value in log.values())


class Branches(nn.Module):
    """An output of several tensors, one of them unused by every loss."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.idle = players.generator(), players.generator(), nn.Linear(2, 2).double()

    def forward(self, x: Tensor) -> dict[str, Any]:
        y = self.body(x)
        return {"image": y, "extra": (self.head(y), torch.ones(3)), "name": "a"}


class ManyOutputs(players.Rules):
    def discriminator_inputs(self, batch: dict[str, Tensor], output: Any) -> tuple[Tensor, Tensor]:
        return super().discriminator_inputs(batch, output["image"])

    def task_losses(self, batch: dict[str, Tensor], output: Any) -> dict[str, Tensor]:
        again = self.generator.head(output["image"])
        around = (again - batch["target"]).square().mean()
        return {"head": output["extra"][0].square().mean(), "around": around}


def test_outputs_of_many_tensors_and_losses_that_go_around_the_cut() -> None:
    torch.manual_seed(1)
    g, d = Branches(), players.Patch().double()
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    UPDATES["shared"]()(Game(ManyOutputs(g), g, d, LOSSES["hinge"](), Fixed(0.3)), data, 0, nothing)
    rules = ManyOutputs(twin_g)
    output = twin_g(data["image"])
    fake = twin_d(rules.discriminator_inputs(data, output)[1])[-1]
    total = sum(rules.task_losses(data, output).values()) - 0.3 * fake.mean()
    total.backward(inputs=list(twin_g.parameters()))
    assert players.furthest(players.gradients(g), players.gradients(twin_g)) < 1e-12
    assert all(p.grad is None for p in g.idle.parameters())


class SharpPairs(players.Rules):
    """D is shown the output through one of G's own layers."""

    def discriminator_inputs(self, batch: dict[str, Tensor], output: Any) -> tuple[Tensor, Tensor]:
        return super().discriminator_inputs(batch, self.generator.head(output["image"]))

    def task_losses(self, batch: dict[str, Tensor], output: Any) -> dict[str, Tensor]:
        return {"l2": output["image"].square().mean()}


@pytest.mark.parametrize("update", ["shared", "g_first", "one_backward"])
def test_d_s_phase_leaves_g_s_layers_in_its_own_graph_alone(update: str) -> None:
    torch.manual_seed(1)
    g, d = Branches(), players.scalar()
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    UPDATES[update]()(Game(SharpPairs(g), g, d, LOSSES["wasserstein"](), Fixed(0.3)), data, 0, nothing)
    rules = SharpPairs(twin_g)
    output = twin_g(data["image"])
    fake = twin_d(rules.discriminator_inputs(data, output)[1])
    total = rules.task_losses(data, output)["l2"] - 0.3 * fake.mean()
    total.backward(inputs=list(twin_g.parameters()))
    assert players.furthest(players.gradients(g), players.gradients(twin_g)) < 1e-12


class Conditional(nn.Module):
    """D of an image and a class."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.classes = players.scalar(), nn.Embedding(3, 1).double()

    def forward(self, x: Tensor, kind: Tensor) -> Tensor:
        return self.net(x) * self.classes(kind)


class WithClasses(players.Rules):
    def discriminator_inputs(self, batch: dict[str, Tensor], output: Tensor) -> Any:
        real, fake = super().discriminator_inputs(batch, output)
        kind = torch.arange(len(real)) % 3
        return (real, kind), (fake, kind)


@pytest.mark.parametrize("update", UPDATES)
def test_d_of_several_arguments(update: str) -> None:
    torch.manual_seed(1)
    g, d = players.generator(), Conditional()
    penalties = [PENALTIES[name]() for name in ("r1", "r2", "gradient_penalty")]
    game = Game(WithClasses(g), g, d, LOSSES["hinge"](), penalties=penalties)
    log = UPDATES[update]()(game, players.batch(), 0, nothing)
    assert all(value.isfinite() for value in log.values())
    assert all(p.grad is not None for p in [*g.parameters(), *d.parameters()])


def test_settings_out_of_range_are_refused() -> None:
    for name in ("n_critic", "accumulate"):
        with pytest.raises(UserError, match=f"update.{name}: must be at least 1, got 0"):
            UPDATES["shared"](**{name: 0})
    with pytest.raises(UserError, match="loss"):
        g = players.generator()
        Game(players.Rules(g), g, players.scalar(), None)
    with pytest.raises(UserError, match=r"^update: foo is not one of textbook, .*, auto$"):
        plan(setting()[0], "foo")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"loss": "hinge"}, "loss: 'hinge' is not a loss"),
        ({"loss": LOSSES["hinge"]}, "loss: <class .* is not a loss"),
        ({"weight": 0.5}, "weight: 0.5 is not a weight"),
        ({"penalties": "r1"}, "penalties: 'r1' is not a list of penalties"),
        ({"penalties": PENALTIES["r1"]()}, r"penalties: .* is not a list of penalties; give e.g. \["),
        ({"penalties": [PENALTIES["r1"]]}, r"penalties: \[<class .*\] is not a list of penalties"),
    ],
)
def test_a_name_or_a_class_is_no_object(given: dict[str, Any], line: str) -> None:
    g = players.generator()
    with pytest.raises(UserError, match=rf"^{line}"):
        Game(players.Rules(g), g, players.scalar(), **{"loss": LOSSES["hinge"](), **given})


class Asked(TorchDispatchMode):
    """Counts how often the host asks a tensor for its value."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.times += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("update", ["shared", "textbook", "g_first"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_host_never_waits_for_the_device(loss: str, update: str) -> None:
    names = ("r1", "r2", "gradient_penalty", "lecam", "weight_clip", "spectral_norm")
    more = {"weight": WEIGHTS["adaptive"](), "feature_matching": 1.0}
    for augment in AUGMENTS.values():
        change = augment(augment.known, image_channels=1)
        penalties = [PENALTIES[name]() for name in names]
        game, g, _ = setting("patch", loss, penalties=penalties, augment=change, **more)
        watch, average = GradientMonitor(game, at_once=False), Ema(g)

        def stepper(player: str, watch: GradientMonitor = watch) -> None:
            watch.observe(player, 0)

        with Asked() as asked:
            for step in range(4):
                UPDATES[update]()(game, players.batch(), step, stepper)
                average.update(4)
        assert asked.times == 0
        with Asked() as asked:
            watch.raise_if_bad()
        assert asked.times == 2
