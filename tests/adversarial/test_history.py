"""D learns from a history of fakes: what is shown and kept, and what each player then learns."""

from __future__ import annotations

import copy
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganatomy.adversarial import AUGMENTS, LOSSES, PENALTIES, UPDATES, Game, Rows, plan
from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.adversarial.history import History
from ganatomy.data.sampler import shares
from ganatomy.errors import UserError
from tests.adversarial import players
from tests.commands import spawn


def numbered(start: int, count: int) -> Tensor:
    """Return `count` fakes of 2x2, each filled with its own number."""
    return torch.arange(start, start + count, dtype=torch.float64)[:, None, None, None].expand(-1, 1, 2, 2)


def numbers(images: Tensor) -> list[int]:
    return images[:, 0, 0, 0].long().tolist()


@pytest.mark.parametrize(("size", "rows"), [(5, 3), (4, 4), (1, 1), (3, 7)])
def test_every_fake_is_shown_or_held(size: int, rows: int) -> None:
    """None is lost, none shown twice from the same slot, and each is kept first while there is room."""
    history = History(size)
    shown: list[int] = []
    for step in range(40):
        now = numbers(history(numbered(step * rows, rows), step))
        if (step + 1) * rows <= size:
            assert now == list(range(step * rows, (step + 1) * rows))
        shown += now
    held = numbers(history.state_dict()["fake_0"])
    assert int(history.count) == size and len(held) == size
    first = list(range(size))  # shown when they came, and once more when they went or held still
    assert sorted(shown + held) == sorted([*range(40 * rows), *first])


def test_half_of_the_fakes_are_earlier_ones_from_anywhere_in_the_history() -> None:
    """Binomial: 4000 draws of 1/2; the slot is uniform, so ages follow a geometric law of mean 2 · size."""
    size, history = 10, History(10)
    history(numbered(0, size), 0)
    ages = []
    for step in range(1, 1001):
        start = size + 4 * (step - 1)
        now = numbers(history(numbered(start, 4), step))
        ages += [start + row - number for row, number in enumerate(now)]
    earlier = [age for age in ages if age > 0]
    assert abs(len(earlier) / 4000 - 0.5) < 4 * 0.5 / 4000**0.5
    later = earlier[200:]  # each of ten slots goes with chance 1/20 a row
    assert sum(later) / len(later) == pytest.approx(2 * size, rel=0.15)


def test_draws_depend_on_seed_step_and_name_alone() -> None:
    def play(seed: int, name: str = "", disturb: bool = False, sizes: tuple[int, ...] = (6,)) -> list[int]:
        history, shown = History(4, name), []
        for step in range(8):
            torch.manual_seed(seed)
            torch.rand(step) if disturb else None
            begin = 6 * step
            for count in sizes:
                shown += numbers(history(numbered(begin, count), step))
                begin += count
        return shown

    first = play(0)
    assert first == play(0) == play(0, disturb=True) == play(0, sizes=(2, 4)) == play(0, sizes=(3, 2, 1))
    assert first != play(1) and first != play(0, "other")


def test_it_goes_on_from_its_state() -> None:
    """Also in one that has seen no fake yet, and so knows no shapes."""
    whole, cut = History(5), History(5)
    for step in range(4):
        whole(numbered(3 * step, 3), step), cut(numbered(3 * step, 3), step)
    again = History(5)
    again.load_state_dict(cut.state_dict())
    for step in range(4, 8):
        assert torch.equal(whole(numbered(3 * step, 3), step), again(numbered(3 * step, 3), step))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())


def test_an_input_is_kept_with_its_condition() -> None:
    history = History(3)
    for step in range(20):
        image = numbered(4 * step, 4)
        first, condition, number = history((image, -image, image[:, 0, 0, 0].long()), step)
        assert torch.equal(condition, -first) and torch.equal(number, first[:, 0, 0, 0].long())
    assert number.dtype == torch.long and {"fake_0", "fake_1", "fake_2", "count"} == set(history.state_dict())


def test_it_keeps_float32_of_half_precision_and_no_graph() -> None:
    history = History(2)
    fake = torch.ones(3, 1, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    shown = history(fake * 2, 0)
    assert shown.dtype == history.state_dict()["fake_0"].dtype == torch.float32 and not shown.requires_grad


class Plain:
    """Images in, images out, no condition: D sees the target or the output."""

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator

    def generate(self, batch: dict[str, Tensor]) -> Tensor:
        return self.generator(batch["image"])

    def discriminator_inputs(self, batch: dict[str, Tensor], output: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([batch["target"]] * 2, 1), torch.cat([output] * 2, 1)

    def task_losses(self, batch: dict[str, Tensor], output: Tensor) -> dict[str, Tensor]:
        return {"l2": (output - batch["target"]).square().mean()}


def game_of(history: int, loss: str = "hinge", rules: Any = Plain, **more: Any) -> Game:
    torch.manual_seed(1)
    g, d = players.generator(), players.scalar()
    return Game(rules(g), g, d, LOSSES[loss](), history=history, **more)


class Pool:
    """Zhu et al.'s buffer, image by image, with the draws of ours."""

    def __init__(self, size: int) -> None:
        self.size, self.images = size, []

    def query(self, fakes: Tensor, chance: Any) -> Tensor:
        found = []
        for fake in fakes:
            if len(self.images) < self.size:
                self.images.append(fake)
                found.append(fake)
            elif chance.random() < 0.5:
                place = int(chance.random() * self.size)
                found.append(self.images[place])
                self.images[place] = fake
            else:
                found.append(fake)
        return torch.stack(found)


@pytest.mark.parametrize("loss", ["hinge", "least_squares", "relativistic_paired"])
@pytest.mark.parametrize("update", ["g_first", "textbook"])
@pytest.mark.parametrize("rules", [Plain, players.Rules])
def test_d_learns_from_the_history_and_g_from_its_newest(update: str, loss: str, rules: Any) -> None:
    """After eight steps both players are those of a loop with a buffer written out plainly."""
    import random

    ours, theirs = game_of(6, loss, rules), game_of(0, loss, rules)
    of_d, of_g = players.REFERENCE[loss]
    steps = [
        {p: torch.optim.SGD(game.parameters(p), 0.05) for p in ("generator", "discriminator")}
        for game in (ours, theirs)
    ]
    pool, d, other = Pool(6), theirs.discriminator, theirs.rules
    chosen = plan(ours, update, batch=players.batch())
    assert chosen.name == update

    def step(player: str) -> None:
        steps[0][player].step()
        steps[0][player].zero_grad()

    def learn(player: str, data: dict[str, Tensor], shown: Tensor) -> None:
        output = other.generate(data)
        real, fake = other.discriminator_inputs(data, output)
        if player == "generator":
            total = of_g(d(real).detach(), d(fake)) + sum(other.task_losses(data, output).values())
        else:
            total = of_d(d(real), d(shown))
        total.backward(inputs=theirs.parameters(player))
        steps[1][player].step()
        steps[1][player].zero_grad()

    for number in range(8):
        data = players.batch(seed=number)
        torch.manual_seed(100 + number)
        chosen.update(ours, data, number, step)
        with torch.no_grad():
            fake = other.discriminator_inputs(data, other.generate(data))[1]
        shown = pool.query(fake, random.Random(f"{100 + number}/{number}/"))
        order = ["generator", "discriminator"]
        for player in order if update == "g_first" else order[::-1]:
            learn(player, data, shown)
    for player in ("generator", "discriminator"):
        pair = [game.parameters(player) for game in (ours, theirs)]
        assert players.furthest(*pair) < 1e-9


@pytest.mark.parametrize(
    ("asked", "name"), [("auto", "g_first"), ("shared", "g_first"), ("textbook", "textbook")]
)
def test_the_plan_says_why_nothing_is_shared(asked: str, name: str) -> None:
    game = game_of(50, "wasserstein")
    chosen = plan(game, asked, batch=players.batch())
    assert chosen.name == name and chosen.cost.discriminator_forwards == 8
    assert name == "textbook" or "D learns from 50 earlier fakes" in chosen.reason
    state = game.remembered().state_dict()  # its form is known before the first step
    assert state["fake_0"].shape == (50, 2, 8, 8) and int(state["count"]) == 0
    assert plan(game_of(0, "wasserstein"), asked, batch=players.batch()).name != "g_first"


@pytest.mark.parametrize("update", ["shared", "one_backward"])
def test_an_update_that_would_pass_it_by_is_refused(update: str) -> None:
    with pytest.raises(UserError, match=r"^history: D learns from 5 earlier fakes.*g_first"):
        UPDATES[update]()(game_of(5), players.batch(), 0, lambda player: None)


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="history: -1 fakes"):
        game_of(-1)


@pytest.mark.parametrize("kind", ["r1", "r2", "gradient_penalty", "lecam", "spectral_norm", "weight_clip"])
def test_penalties_and_augmentation_go_with_it(kind: str) -> None:
    """Augmentation is of what is shown: what is kept stays as it was made."""
    augment = AUGMENTS["diffaugment"](["brightness"], brightness=0.5)
    game = game_of(4, penalties=[PENALTIES[kind]()], augment=augment)
    chosen = plan(game, "auto", n_critic=2, batch=players.batch())
    made: list[Tensor] = []
    game.generator.register_forward_hook(lambda module, x, output: made.append(output.detach()))
    for number in range(6):
        chosen.update(game, players.batch(seed=number), number, lambda player: None)
        assert all(bool(p.grad.isfinite().all()) for p in game.parameters("discriminator"))
    kept = game.remembered().state_dict()["fake_0"]
    whole = torch.cat(made)
    assert all(any(torch.equal(image[0], other[0]) for other in whole) for image in kept)


BATCH, STEPS = 7, 6


def train(count: int) -> dict[str, Tensor]:
    """Train on batches of seven in `count` pieces; return the players and what is remembered."""
    game = game_of(9, "least_squares", players.Rules)
    chosen = plan(game, "auto", accumulate=count, batch=players.batch())
    steps = {p: torch.optim.SGD(game.parameters(p), 0.05) for p in ("generator", "discriminator")}

    def step(player: str) -> None:
        for parameter in game.parameters(player) if processes() > 1 else ():
            dist.all_reduce(parameter.grad)
            parameter.grad /= processes()
        steps[player].step()
        steps[player].zero_grad()

    found = shares(BATCH, count, dist.get_rank() if processes() > 1 else 0, processes())
    local = [row for each in found for row in each.rows]
    rows = [Rows(own.start - whole.start, len(own), len(whole)) for whole, own in found]
    for number in range(STEPS):
        data = {key: value[local] for key, value in players.batch(BATCH, seed=number).items()}
        torch.manual_seed(100 + number)
        chosen.update(game, data, number, step, rows=rows)
    modules = {"g": game.generator, "d": game.discriminator, "history": game.remembered()}
    state = {f"{name}/{key}": v for name, m in modules.items() for key, v in m.state_dict().items()}
    return copy.deepcopy(state)


def within(rank: int, size: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=size)
    torch.save({str(count): train(count) for count in (1, 2)}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_micro_batches_and_processes_remember_what_one_batch_does(tmp_path: Path) -> None:
    whole = train(1)
    assert int(whole["history/count"]) == 9
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    spawn(within, (2, port, str(tmp_path)), 2)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for state in (train(2), *(each[count] for each in found for count in ("1", "2"))):
        for name, value in whole.items():
            torch.testing.assert_close(state[name], value, rtol=1e-9, atol=1e-11)
