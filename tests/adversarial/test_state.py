"""Discriminators with state: BatchNorm, spectral norm, dropout, layers that look across the batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, spectral_norm

from ganatomy.adversarial import LOSSES, PENALTIES, UPDATES, Game, plan
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.adversarial.updates.network_traits import traits_from_trial
from ganatomy.errors import UserError
from tests.adversarial import players


class MinibatchDeviation(nn.Module):
    """Appends the batch's standard deviation; nothing tells of it but its behaviour."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.std(0).mean().expand(len(x), 1, *x.shape[2:])], 1)


def with_layer(layer: nn.Module, channels: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 6, 4, 2, 1, bias=False),
        layer,
        nn.SiLU(),
        nn.Conv2d(channels, 1, 4, 2, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ).double()


def hooked() -> nn.Module:
    d = players.scalar()
    spectral_norm(d[0])
    return d


STATEFUL = {
    "batch_norm": lambda: with_layer(nn.BatchNorm2d(6)),
    "minibatch": lambda: with_layer(MinibatchDeviation(), 7),
    "dropout": lambda: with_layer(nn.Dropout(0.4)),
    "hooked": hooked,
    "plain": players.scalar,
    "instance_norm": lambda: with_layer(nn.InstanceNorm2d(6, track_running_stats=True)),
    "patch": lambda: players.Patch().double(),
}


def game_of(d: nn.Module, loss: str = "hinge", **more: object) -> Game:
    torch.manual_seed(1)
    g = players.generator()
    return Game(players.Rules(g), g, d, LOSSES[loss](), Fixed(0.3), **more)


@pytest.mark.parametrize(
    ("kind", "couples_samples", "is_stochastic", "one_logit"),
    [
        ("batch_norm", True, False, True),
        ("minibatch", True, False, True),
        ("dropout", False, True, True),
        ("hooked", False, True, True),
        ("plain", False, False, True),
        ("instance_norm", False, False, True),
        ("patch", False, False, False),
    ],
)
def test_the_trial_finds_state_and_leaves_no_trace(
    kind: str, couples_samples: bool, is_stochastic: bool, one_logit: bool
) -> None:
    d = STATEFUL[kind]()
    game = game_of(d)
    d[0].eval() if kind != "patch" else None
    before = copy.deepcopy(d.state_dict())
    modes = [module.training for module in d.modules()]
    torch.manual_seed(9)
    chance = torch.get_rng_state()
    traits = traits_from_trial(game, players.batch())
    assert (bool(traits.couples_samples), bool(traits.is_stochastic), traits.one_logit) == (
        couples_samples,
        is_stochastic,
        one_logit,
    )
    assert all(torch.equal(value, before[name]) for name, value in d.state_dict().items())
    assert modes == [module.training for module in d.modules()]
    assert torch.equal(chance, torch.get_rng_state())
    assert all(p.grad is None for p in d.parameters())


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("batch_norm", "shared", "BatchNorm"),
        ("minibatch", "shared", "across the batch"),
        ("dropout", "g_first", "dropout"),
        ("hooked", "g_first", "spectral norm"),
        ("plain", "shared", "both players"),
    ],
)
def test_the_plan_for_each_kind(kind: str, name: str, says: str) -> None:
    chosen = plan(game_of(STATEFUL[kind]()), "shared", batch=players.batch())
    assert chosen.name == name
    assert says in chosen.reason
    assert type(chosen.update) is UPDATES[name]
    assert "\n" not in str(chosen)


def test_batch_norm_is_shared_exactly_and_its_statistics_see_each_batch_once() -> None:
    d = STATEFUL["batch_norm"]()
    game = game_of(d, "non_saturating")
    g = game.generator
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    plan(game, "shared", batch=data).update(game, data, 0, lambda player: None)
    rules = players.Rules(twin_g)
    d_loss, g_loss = players.REFERENCE["non_saturating"]
    untouched = copy.deepcopy(twin_d)
    output = twin_g(data["image"])
    real, fake = rules.discriminator_inputs(data, output)
    total = 0.3 * g_loss(None, untouched(fake)) + rules.task_losses(data, output)["l2"]
    total.backward(inputs=list(twin_g.parameters()))
    d_loss(twin_d(real), twin_d(fake.detach())).backward()
    assert players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)) < 1e-12
    for buffer, reference in zip(d.buffers(), twin_d.buffers(), strict=True):
        torch.testing.assert_close(buffer, reference, rtol=1e-12, atol=0)


@pytest.mark.parametrize("update", ["shared", "one_backward", "g_first", "textbook"])
def test_spectral_norm_takes_one_power_iteration_a_phase(update: str) -> None:
    torch.manual_seed(0)
    d = players.scalar()
    game = game_of(d, "wasserstein", penalties=[PENALTIES["spectral_norm"](), PENALTIES["r1"]()])
    layer = d[0].parametrizations.weight[0]
    twin = copy.deepcopy(d)
    data = players.batch()
    UPDATES[update]()(game, data, 0, lambda player: None)
    phases = 1 if update in ("shared", "one_backward") else 2
    for _ in range(phases):
        twin[0](torch.zeros(1, 2, 8, 8, dtype=torch.float64))
    torch.testing.assert_close(layer._u, twin[0].parametrizations.weight[0]._u, rtol=1e-12, atol=0)


def test_shared_under_spectral_norm_equals_the_reference_with_one_norm_for_all_passes() -> None:
    torch.manual_seed(0)
    d = players.scalar()
    game = game_of(d, "non_saturating", penalties=[PENALTIES["spectral_norm"]()])
    g = game.generator
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    UPDATES["shared"]()(game, data, 0, lambda player: None)
    with parametrize.cached():
        twin_d(torch.zeros(1, 2, 8, 8, dtype=torch.float64))
    twin_d.eval()
    players.g_first(players.Rules(twin_g), twin_g, twin_d, data, "non_saturating", weight=0.3)
    assert players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)) < 1e-10


def test_dropout_draws_anew_for_each_player() -> None:
    d = STATEFUL["dropout"]()
    game = game_of(d, "wasserstein")
    g = game.generator
    twin_g, twin_d = copy.deepcopy(g), copy.deepcopy(d)
    data = players.batch()
    torch.manual_seed(5)
    plan(game, "shared").update(game, data, 0, lambda player: None)
    torch.manual_seed(5)
    rules = players.Rules(twin_g)
    output = twin_g(data["image"])
    real, fake = rules.discriminator_inputs(data, output)
    total = rules.task_losses(data, output)["l2"] - 0.3 * twin_d(fake).mean()
    total.backward(inputs=list(twin_g.parameters()))
    r = twin_d(real)
    (twin_d(fake.detach()).mean() - r.mean()).backward()
    assert players.furthest(players.gradients(g, d), players.gradients(twin_g, twin_d)) < 1e-12


def test_one_backward_where_allowed_and_the_reason_where_not() -> None:
    data = players.batch()

    def chosen(
        loss: str, kind: str, wanted: str = "one_backward", tried: bool = True, **more: object
    ) -> tuple[str, str]:
        found = plan(game_of(STATEFUL[kind](), loss, **more), wanted, batch=data if tried else None)
        return found.name, found.reason

    for loss in ("non_saturating", "least_squares", "hinge", "relativistic_average", "relativistic_paired"):
        assert chosen(loss, "plain")[0] == "one_backward"
        assert "several logits" in chosen(loss, "patch")[1]
        assert "D was not run" in chosen(loss, "plain", tried=False)[1]
        assert "BatchNorm" in chosen(loss, "batch_norm")[1]
        assert "across the batch" in chosen(loss, "minibatch")[1]
        assert chosen(loss, "dropout")[0] == "g_first"
    for loss in ("minimax", "wasserstein"):
        for kind in ("plain", "patch", "batch_norm", "minibatch"):
            assert chosen(loss, kind, "auto", tried=False)[0] == "one_backward"
        assert chosen(loss, "plain", penalties=[PENALTIES["gradient_penalty"]()])[0] == "one_backward"
        assert "r2" in chosen(loss, "plain", penalties=[PENALTIES["r2"]()])[1]
        assert "lecam" in chosen(loss, "plain", penalties=[PENALTIES["lecam"]()])[1]
        assert "feature matching" in chosen(loss, "patch", feature_matching=1.0)[1]
    assert chosen("hinge", "plain", "shared")[0] == "shared"
    assert chosen("hinge", "plain", "textbook")[0] == "textbook"


@pytest.mark.parametrize("kind", ["batch_norm", "minibatch"])
@pytest.mark.parametrize("loss", ["minimax", "wasserstein"])
def test_zero_sum_losses_need_no_samples_kept_apart(loss: str, kind: str) -> None:
    gradients = []
    for update in ("one_backward", "shared"):
        torch.manual_seed(0)
        d = STATEFUL[kind]()
        game = game_of(d, loss)
        UPDATES[update]()(game, players.batch(), 0, lambda player: None)
        gradients.append(players.gradients(game.generator, d))
    assert players.furthest(*gradients) < 1e-12


@pytest.mark.parametrize("kind", ["batch_norm", "minibatch"])
def test_pieces_of_a_batch_that_is_looked_at_as_a_whole_are_refused(kind: str) -> None:
    with pytest.raises(UserError, match="accumulate"):
        plan(game_of(STATEFUL[kind]()), "shared", accumulate=2, batch=players.batch())


def test_pieces_are_refused_for_losses_penalties_and_generators_too() -> None:
    cases = [
        game_of(players.scalar(), "relativistic_average"),
        game_of(players.scalar(), penalties=[PENALTIES["lecam"]()]),
        game_of(players.scalar(), penalties=[PENALTIES["spectral_norm"]()]),
    ]
    g = nn.Sequential(players.generator(), nn.BatchNorm2d(1).double())
    cases.append(Game(players.Rules(g), g, players.scalar(), LOSSES["hinge"]()))
    cases.append(Game(players.Rules(g), g, None, None))
    for game in cases:
        with pytest.raises(UserError, match="accumulate"):
            plan(game, "shared", accumulate=2)
        assert plan(game, "shared").update.accumulate == 1
    assert plan(game_of(players.scalar()), "shared", accumulate=2).update.accumulate == 2


def test_a_loss_that_needs_the_whole_batch_is_named_by_its_class() -> None:
    class OfTheLab(LOSSES["hinge"]):  # type: ignore[misc]
        needs_whole_batch = True

    game = game_of(players.scalar())
    game.loss = OfTheLab()
    with pytest.raises(UserError, match=r"^update\.accumulate: the loss OfTheLab needs the whole batch; set"):
        plan(game, "shared", accumulate=2)


def test_real_and_fake_are_joined_only_where_samples_are_kept_apart() -> None:
    data = players.batch()
    assert plan(game_of(players.scalar()), "shared", batch=data).update.join_real_and_fake
    for kind in ("batch_norm", "minibatch"):
        assert not plan(game_of(STATEFUL[kind]()), "shared", batch=data).update.join_real_and_fake


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match="fastest"):
        plan(game_of(players.scalar()), "fastest")
