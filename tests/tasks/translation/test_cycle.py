"""CycleGAN beside a loop written out plainly: losses, four players in every order, passes, refusals."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.flops import flops
from ganatomy.adversarial import LOSSES, UPDATES, Game, plan
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.resnet import ResidualGenerator
from ganatomy.tasks.translation.base import Method, Players
from ganatomy.tasks.translation.cycle import Cycle
from tests.adversarial.count import count_forwards

CYCLE, IDENTITY, WEIGHT = 10.0, 0.5, 2.0
RATES = {"generator": 3e-3, "discriminator": 2e-3}
NAMES = {"generator": ("to_target", "to_source"), "discriminator": ("target", "source")}


def networks(dims: int = 2, inputs: int = 1, outputs: int = 1) -> dict[str, nn.ModuleDict]:
    """Build the four players in float64, with the channels that the method says."""
    torch.manual_seed(0)
    found = Method.network_arguments(inputs, outputs)

    def built(player: str, name: str) -> nn.Module:
        given = found.get(f"{player}.{name}", found[player])
        kinds = (nn.Conv2d, nn.Conv3d)[dims - 2]
        if player == "generator":
            return ResidualGenerator(dims, given["in_channels"], given["out_channels"], [4, 6], 1, 3)
        first = kinds(given["in_channels"], 4, 4, 2, 1)
        return nn.Sequential(first, nn.LeakyReLU(0.2), kinds(4, 1, 4, 1, 1))

    return {p: nn.ModuleDict({n: built(p, n) for n in names}).double() for p, names in NAMES.items()}


def batch(
    seed: int = 0, size: int = 4, dims: int = 2, inputs: int = 1, outputs: int = 1
) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    draw = lambda c: torch.randn(size, c, *[8] * dims, generator=chance, dtype=torch.float64)  # noqa: E731
    return {"image": draw(inputs), "target": draw(outputs)}


def game_of(nets: dict[str, nn.ModuleDict], identity: float = IDENTITY, **more: Any) -> Game:
    cycle = Cycle(CYCLE, identity)
    cycle.begin(Players(nets["generator"], nets["discriminator"], 2))
    loss = LOSSES["least_squares"]()
    return Game(cycle, nets["generator"], nets["discriminator"], loss, Fixed(WEIGHT), **more)


class Written:
    """Zhu et al., eqs. 1 to 3 and section 5.2, a forward pass for every use; D's loss halved (section 4)."""

    def __init__(self, nets: dict[str, nn.ModuleDict], identity: float, order: str) -> None:
        self.g, self.d = nets["generator"], nets["discriminator"]
        self.identity, self.order = identity, order
        self.steps = {p: torch.optim.Adam(nets[p].parameters(), RATES[p], betas=(0.5, 0.999)) for p in RATES}

    def generator_losses(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        there, back = self.g["to_target"], self.g["to_source"]
        losses = {
            "adversarial/target": ((self.d["target"](there(x)) - 1) ** 2).mean(),
            "adversarial/source": ((self.d["source"](back(y)) - 1) ** 2).mean(),
            "cycle/source": CYCLE * (back(there(x)) - x).abs().mean(),
            "cycle/target": CYCLE * (there(back(y)) - y).abs().mean(),
        }
        if self.identity:
            losses["identity/target"] = CYCLE * self.identity * (there(y) - y).abs().mean()
            losses["identity/source"] = CYCLE * self.identity * (back(x) - x).abs().mean()
        return losses

    def discriminator_loss(self, x: Tensor, y: Tensor, fakes: dict[str, Tensor]) -> Tensor:
        parts = [
            (((self.d[n](r) - 1) ** 2).mean() + (self.d[n](fakes[n]) ** 2).mean()) / 2
            for n, r in (("target", y), ("source", x))
        ]
        return parts[0] + parts[1]

    def step(self, data: dict[str, Tensor]) -> None:
        x, y = data["image"], data["target"]
        with torch.no_grad():
            fakes = {"target": self.g["to_target"](x), "source": self.g["to_source"](y)}
        for player in ("discriminator", "generator")[:: 1 if self.order == "textbook" else -1]:
            for each in self.steps.values():
                each.zero_grad()
            if player == "generator":
                sum(self.generator_losses(x, y).values()).backward()
            else:
                self.discriminator_loss(x, y, fakes).backward()
            self.steps[player].step()


def optimised(game: Game) -> Any:
    """Return a stepper of the same Adam as `Written` has."""
    steps = {p: torch.optim.Adam(game.parameters(p), RATES[p], betas=(0.5, 0.999)) for p in RATES}

    def step(player: str) -> None:
        steps[player].step()
        steps[player].zero_grad()

    return step


@pytest.mark.parametrize("identity", [0.0, 0.5])
def test_the_losses_are_those_of_the_paper(identity: float) -> None:
    nets = networks()
    data = batch()
    game = game_of(nets, identity)
    written = Written(nets, identity, "shared").generator_losses(data["image"], data["target"])
    log = UPDATES["shared"]()(game, data, 0, lambda player: None)
    for name, value in written.items():
        kind, _, side = name.partition("/")
        ours = WEIGHT * log[f"loss/generator/{side}/adversarial"] if kind == "adversarial" else None
        ours = log[f"loss/generator/{name}"] if ours is None else ours
        torch.testing.assert_close(ours, value.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        log["loss/generator/total"], sum(written.values()).detach(), rtol=1e-12, atol=0
    )
    assert ("loss/generator/identity/source" in log) == bool(identity)


@pytest.mark.parametrize("identity", [0.0, 0.5])
@pytest.mark.parametrize("update", UPDATES)
def test_after_steps_the_players_are_those_of_a_plain_loop(update: str, identity: float) -> None:
    ours, theirs = networks(), networks()
    chosen = plan(game := game_of(ours, identity), update, batch=batch())
    assert chosen.name == {"one_backward": "shared"}.get(update, update)  # several logits, not zero-sum
    loop, stepper = Written(theirs, identity, chosen.name), optimised(game)
    for number in range(6):
        chosen.update(game, batch(number), number, stepper)
        loop.step(batch(number))
    away = [
        float((a - b).detach().abs().max() / b.detach().abs().max())
        for player in NAMES
        for a, b in zip(ours[player].parameters(), theirs[player].parameters(), strict=True)
    ]
    assert max(away) < 1e-9, max(away)


@pytest.mark.parametrize(("accumulate", "update"), [(2, "shared"), (2, "textbook"), (3, "g_first")])
def test_micro_batches_add_up_to_the_batch(update: str, accumulate: int) -> None:
    found = []
    for pieces in (1, accumulate):
        nets = networks()
        chosen = plan(game := game_of(nets), update, accumulate=pieces, batch=batch())
        chosen.update(game, batch(size=6), 0, optimised(game))
        found.append([p.detach() for net in nets.values() for p in net.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


CHANNELS = [(1, 1), (3, 1), (1, 3)]


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("update", UPDATES)
def test_every_parameter_of_all_players_learns(update: str, dims: int, channels: tuple[int, int]) -> None:
    nets = networks(dims, *channels)
    data = batch(0, 2, dims, *channels)
    game = game_of(nets, IDENTITY if channels[0] == channels[1] else 0.0)
    plan(game, update, batch=data).update(game, data, 0, lambda player: None)
    for player, net in nets.items():
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), f"{player}.{name}"
            assert parameter.grad.abs().max() > 0, f"{player}.{name}"


@pytest.mark.parametrize(("identity", "passes"), [(0.0, 4), (0.5, 6)])
@pytest.mark.parametrize(("update", "d_forwards", "d_backwards"), [("shared", 4, 6), ("textbook", 6, 6)])
def test_every_pass_is_made_once(
    update: str, d_forwards: int, d_backwards: int, identity: float, passes: int
) -> None:
    """Calls of the networks by hooks; the gradients that arrive at D's outputs and at G's."""
    nets = networks()
    game = game_of(nets, identity)
    counted = {"forwards": 0, "backwards": 0, "discriminator": 0, "at the logits": 0}
    for g in nets["generator"].values():
        g.register_forward_hook(lambda *_: counted.update(forwards=counted["forwards"] + 1))
        g.leave.register_full_backward_hook(lambda *_: counted.update(backwards=counted["backwards"] + 1))
    of = [count_forwards(nn.Identity(), nets["discriminator"][name]) for name in NAMES["discriminator"]]
    with of[0] as target, of[1] as source:
        plan(game, update).update(game, batch(), 0, lambda player: None)
    assert counted["forwards"] == counted["backwards"] == passes
    assert target["discriminator"] + source["discriminator"] == d_forwards
    assert target["backward"] + source["backward"] == d_backwards


@pytest.mark.parametrize("identity", [0.0, 0.5])
@pytest.mark.parametrize(("update", "f_d"), [("shared", 14), ("textbook", 16), ("g_first", 16)])
def test_the_plan_counts_what_is_computed(update: str, f_d: float, identity: float) -> None:
    f_g = 18 if identity else 12
    nets = networks()
    game, data = game_of(nets, identity), batch()
    chosen = plan(game, update)
    assert (chosen.cost.generator_forwards, chosen.cost.discriminator_forwards) == (f_g, f_d)
    one_g = flops(lambda: nets["generator"]["to_target"](data["image"]))
    one_d = flops(lambda: nets["discriminator"]["target"](data["image"]))
    measured = flops(lambda: chosen.update(game, data, 0, lambda player: None))
    said = f_g * one_g + f_d * one_d
    assert 0.93 * said < measured <= said  # first layers need no gradient at the data


def test_a_step_of_the_discriminators_alone_makes_the_translations_alone() -> None:
    nets = networks()
    calls: list[int] = []
    for g in nets["generator"].values():
        g.register_forward_hook(lambda *_: calls.append(1))
    chosen = plan(game := game_of(nets), "shared", n_critic=3)
    chosen.update(game, batch(), 0, lambda player: None)
    assert len(calls) == 2
    assert chosen.cost.generator_forwards == pytest.approx((18 + 2 * 2) / 3)


def test_a_generator_that_ignores_its_image_is_seen_by_the_cycle_alone() -> None:
    """Planted: a translation that says nothing of the image costs the cycle, a faithful one does not."""

    class Scaled(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(factor, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * x

    def losses(there: float, back: float) -> dict[str, Tensor]:
        cycle = Cycle(1.0, 0.0)
        pair = nn.ModuleDict({"to_target": Scaled(there), "to_source": Scaled(back)})
        cycle.begin(Players(pair, networks()["discriminator"], 2))
        return cycle.task_losses(batch(), cycle.generate(batch()))

    assert all(float(value.detach()) < 1e-12 for value in losses(2.0, 0.5).values())
    x = batch()["image"]
    torch.testing.assert_close(losses(0.0, 0.5)["cycle/source"].detach(), x.abs().mean())


@pytest.mark.parametrize("channels", [(3, 1), (1, 3)])
def test_identity_needs_equal_channels(channels: tuple[int, int]) -> None:
    game = game_of(networks(2, *channels))
    with pytest.raises(UserError, match=r"^task\.method\.identity: images have . channels.*identity=0$"):
        plan(game, batch=batch(0, 2, 2, *channels))


def refusal(generator: nn.Module, discriminator: nn.Module | None) -> str:
    with pytest.raises(UserError) as error:
        Cycle().begin(Players(generator, discriminator, 2))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_networks_that_do_not_suit_are_refused() -> None:
    nets = networks()
    g, d = nets["generator"], nets["discriminator"]
    assert refusal(g, None).startswith("model.discriminator: null leaves nothing")
    assert "model.generator: is one network; this method trains two, to_target" in refusal(g["to_target"], d)
    one = nn.ModuleDict({"target": d["target"]})
    assert "model.discriminator: has the networks target; this method" in refusal(g, one)
    three = nn.ModuleDict({**copy.deepcopy(dict(d.items())), "third": d["target"]})
    assert "target, source, third" in refusal(g, three)


@pytest.mark.parametrize(
    ("given", "says"),
    [({"cycle": 0.0}, r"task\.method\.cycle: 0\.0"), ({"identity": -1.0}, r"task\.method\.identity: -1\.0")],
)
def test_weights_out_of_range_are_refused(given: dict[str, float], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Cycle(**given)
