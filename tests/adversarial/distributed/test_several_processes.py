"""After five steps two and three processes hold what one holds: every loss with every penalty."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganatomy.adversarial import (
    AUGMENTS,
    LOSSES,
    PENALTIES,
    UPDATES,
    WEIGHTS,
    Ema,
    Game,
    GradientAverage,
    OverlappedAverage,
    Rows,
)
from ganatomy.adversarial.distributed.collectives import all_sum, processes, without_collectives
from ganatomy.adversarial.distributed.global_layers import (
    GlobalBatchNorm,
    GlobalDropout,
    convert_global_layers,
    couples,
    first_unsupported_layer,
)
from ganatomy.adversarial.distributed.random import drawing_rows, normal
from ganatomy.data.sampler import shares
from tests.adversarial import players
from tests.commands import spawn

CLIP = 5.0
"""Largest norm of a player's gradient."""
BATCH, STEPS = 7, 5  # seven: shared unevenly by two and by three, whole or in two pieces
KINDS: dict[str, list[Callable[[], nn.Module]]] = {
    "none": [],
    "r1, r2": [lambda: PENALTIES["r1"](every=2), lambda: PENALTIES["r2"](gamma=0.5)],
    "gradient_penalty": [PENALTIES["gradient_penalty"]],
    "lecam": [PENALTIES["lecam"]],
    "weight_clip": [lambda: PENALTIES["weight_clip"](limit=0.1)],
    "spectral_norm": [PENALTIES["spectral_norm"]],
}
WHOLE = {"lecam", "spectral_norm", "relativistic_average"}
"""What cannot be worked through in pieces."""
TYPES = {"float64": (torch.float64, 1e-12), "float32": (torch.float32, 1e-6)}


class NoisyRules(players.Rules):
    """The generator is given noise beside the image."""

    def generate(self, batch: dict[str, Tensor]) -> Tensor:
        image = batch["image"]
        return self.generator(image + 0.1 * normal(image, image.shape[1:]).to(image.dtype))


def train(
    loss: str, kind: str, dtype: torch.dtype, reduce: GradientAverage | None = None
) -> dict[str, Tensor]:
    """Train `STEPS` batches with all that draws, couples samples or holds state; return log and state."""
    torch.manual_seed(0)
    g, d = players.generator(), players.Patch().double()
    count = 1 if {loss, kind} & WHOLE else 2
    if count == 1:
        g = convert_global_layers(nn.Sequential(g, nn.BatchNorm2d(1).double(), nn.Dropout(0.3)))
    penalties: Any = [make() for make in KINDS[kind]]
    augment = AUGMENTS["ada"](["flip", "translation", "brightness"], start=0.6, interval=2, images=50)
    names = list(LOSSES)
    weight = WEIGHTS["adaptive"](share=0.3) if names.index(loss) % 2 else WEIGHTS["fixed"](0.5)
    matching = 0.1 if names.index(loss) % 3 == 0 else 0.0
    game = Game(NoisyRules(g), g, d, LOSSES[loss](), weight, matching, penalties, augment)
    for module in (g, d, augment, *penalties):
        module.to(dtype)
    update = UPDATES[("shared", "textbook")[names.index(loss) % 2]](n_critic=2, accumulate=count)
    optimizers = {"generator": torch.optim.SGD(g.parameters(), 0.02)}
    optimizers["discriminator"] = torch.optim.SGD(d.parameters(), 0.02)
    average, reduce = Ema(g, 20), reduce or GradientAverage()

    def step(player: str) -> None:
        reduce(game.parameters(player))
        nn.utils.clip_grad_norm_(game.parameters(player), CLIP)
        optimizers[player].step()
        optimizers[player].zero_grad()

    def last_backward(player: str, simple: bool) -> AbstractContextManager[None]:
        if not isinstance(reduce, OverlappedAverage):
            return nullcontext()
        network = g if player == "generator" else d
        return reduce.last_backward(game.parameters(player), simple and not couples(network))

    found = shares(BATCH, count, dist.get_rank() if processes() > 1 else 0, processes())
    local = [row for each in found for row in each.rows]
    rows = [
        Rows(local_rows.start - micro_batch.start, len(local_rows), len(micro_batch))
        for micro_batch, local_rows in found
    ]
    log = {}
    for number in range(STEPS):
        data = {key: value[local].to(dtype) for key, value in players.batch(BATCH, seed=number).items()}
        torch.manual_seed(100 + number)
        log = update(game, data, number, step, rows=rows, last_backward=last_backward)
        average.update(BATCH)
    states = {"g": g, "d": d, "ema": average.module, "ada": augment, "penalties": nn.ModuleList(penalties)}
    logged = {f"log/{name}": all_sum(value.double()) / processes() for name, value in log.items()}
    kept = {f"{name}/{key}": v for name, m in states.items() for key, v in m.state_dict().items()}
    return logged | {key: value.double() for key, value in kept.items()}


def everything() -> dict[str, dict[str, Tensor]]:
    """Each loss with each penalty in float64; in float32, and by three, each loss with one of them."""
    kinds = list(KINDS)
    some = {(loss, kinds[number % len(kinds)]) for number, loss in enumerate(LOSSES)}
    every = [(a, b, c) for a in LOSSES for b in KINDS for c in TYPES]
    cases = [case for case in every if case[:2] in some or (case[2] == "float64" and processes() < 3)]
    return {f"{a} / {b} / {c}": train(a, b, TYPES[c][0]) for a, b, c in cases}


def everything_in_buckets() -> dict[str, Any]:
    """Every loss with one penalty and every penalty with one loss, in one call and in buckets.

    Return by case what differs, and how many buckets began within a backward pass.
    """
    losses, kinds = list(LOSSES), list(KINDS)
    cases = {(losses[i % len(losses)], kinds[i % len(kinds)]) for i in range(max(len(losses), len(kinds)))}
    differs, early = {}, {}
    for loss, kind in sorted(cases):
        reduce = Watched(400.0)
        expected, found = (train(loss, kind, torch.float32, each) for each in (None, reduce))
        differs[f"{loss} / {kind}"] = [k for k in expected if not torch.equal(expected[k], found[k])]
        early[f"{loss} / {kind}"] = reduce.early
        assert expected.keys() == found.keys() and not reduce._begun and reduce.seconds() > 0
    return {"differs": differs, "early": early}


class Watched(OverlappedAverage):
    """Counts the buckets that begin while a backward pass goes on."""

    early = 0

    def _start(self, bucket: Any) -> None:
        self.early += torch._C._current_graph_task_id() != -1
        super()._start(bucket)


def within(rank: int, size: int, port: int, folder: str, name: str) -> None:
    """Run the function of this name in a group, and leave what it gives."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=size)
    torch.save(globals()[name](), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def in_processes(size: int, folder: Path, name: str) -> Iterator[Any]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    spawn(within, (size, port, str(folder), name), size)
    for rank in range(size):
        yield torch.load(folder / f"{rank}.pt", weights_only=True)


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, Tensor]]:
    return everything()


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_every_loss_with_every_penalty(size: int, tmp_path: Path, alone: dict[str, Any]) -> None:
    for found in in_processes(size, tmp_path, "everything"):
        assert found.keys() == alone.keys() if size == 2 else len(found) == 2 * len(LOSSES)
        for case in found:
            expected = alone[case]
            _, atol = TYPES[case.rpartition(" / ")[2]]
            for name, value in expected.items():
                scale = max(1.0, float(value.abs().max())) if value.numel() else 1.0
                away = (found[case][name] - value).abs()
                assert bool((away <= atol * scale).all()), f"{case}: {name} is {float(away.max()):.1e} away"


def norms() -> dict[str, Tensor]:
    """Pass a batch of 5 through batch normalisation; return output, first and second derivative."""
    torch.manual_seed(0)
    batch = torch.randn(5, 3, 4, dtype=torch.float64) * 3 + 7
    first, size = (dist.get_rank(), processes()) if processes() > 1 else (0, 1)
    x = batch[5 * first // size : 5 * (first + 1) // size].requires_grad_()
    torch.manual_seed(1)
    layer = convert_global_layers(nn.Sequential(nn.BatchNorm1d(3), nn.Dropout1d(0.4)).double())
    norm = layer[0]
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    torch.manual_seed(2)
    rows = Rows(5 * first // size, len(x), 5)
    with drawing_rows(rows):
        y = layer(x)
    (derivative,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
    derivative.square().sum().backward()
    local_gradients = {"weight": norm.weight.grad, "bias": norm.bias.grad}
    summed = {name: all_sum(value) for name, value in local_gradients.items()}
    rows_of = {"y": y, "derivative": derivative, "twice": x.grad}
    kept = {"mean": norm.running_mean, "var": norm.running_var, "count": norm.num_batches_tracked}
    return summed | {k: v.detach() for k, v in rows_of.items()} | kept


def test_batch_norm_and_dropout_see_the_whole_batch(tmp_path: Path) -> None:
    expected = norms()
    parts = list(in_processes(2, tmp_path, "norms"))
    for name, value in expected.items():
        if name in ("y", "derivative", "twice"):
            torch.testing.assert_close(torch.cat([p[name] for p in parts]), value, rtol=1e-10, atol=1e-10)
        else:
            for part in parts:
                torch.testing.assert_close(part[name], value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layer", [nn.Dropout(0.3), nn.Dropout2d(0.5)])
def test_dropout_is_torchs_own_in_one_process(layer: nn.Module) -> None:
    x = torch.randn(6, 4, 3, 5)
    torch.manual_seed(3)
    expected = layer(x)
    torch.manual_seed(3)
    torch.testing.assert_close(convert_global_layers(layer)(x), expected, rtol=0, atol=0)
    assert torch.equal(convert_global_layers(layer).eval()(x), x)


def test_layers_are_exchanged_and_their_weights_stay() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.1)))
    before = dict(network.named_parameters())
    network(torch.randn(3, 1, 5, 5))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    made = convert_global_layers(network)
    assert isinstance(made[1][0], GlobalBatchNorm) and isinstance(made[1][1], GlobalDropout)
    assert dict(made.named_parameters()).keys() == before.keys()
    assert all(parameter is before[name] for name, parameter in made.named_parameters())
    assert made.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in made.state_dict().items())
    assert first_unsupported_layer(made) == ""
    assert first_unsupported_layer(nn.Sequential(nn.SyncBatchNorm(2))) == "SyncBatchNorm"
    assert first_unsupported_layer(nn.Sequential(nn.AlphaDropout())) == "AlphaDropout"


@pytest.mark.slow
def test_buckets_give_the_bits_of_one_call(tmp_path: Path) -> None:
    """With penalties, micro-batches, batch norm, clipping, EMA and players that sit out."""
    for found in in_processes(2, tmp_path, "everything_in_buckets"):
        assert not any(found["differs"].values()), found["differs"]
        assert len(found["differs"]) >= max(len(LOSSES), len(KINDS)) and all(found["early"].values())


def some_missing() -> dict[str, Tensor]:
    """As `missing`, by a backward pass that rank 1 makes through less; in buckets of one parameter."""
    a, b, c = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    reduce = OverlappedAverage(8.0)
    with reduce.last_backward([a, b, c]):
        loss = a.sum() * (1.0 + dist.get_rank()) + (4 * b.sum() if dist.get_rank() == 0 else 0.0)
        loss.backward()
    reduce([a, b, c])
    left = torch.tensor([bool(p._post_accumulate_grad_hooks) for p in (a, b, c)])
    return {"a": a.grad, "b": b.grad, "none": torch.tensor(c.grad is None), "hooks": left}


def test_a_gradient_that_only_one_has_is_averaged_in_buckets(tmp_path: Path) -> None:
    for found in in_processes(2, tmp_path, "some_missing"):
        assert found["a"].tolist() == [1.5, 1.5] and found["b"].tolist() == [2.0, 2.0] and found["none"]
        assert not found["hooks"].any()


def missing() -> dict[str, Tensor]:
    """Average gradients: rank 0 has them for two parameters, rank 1 for one, nobody for the third."""
    rank = dist.get_rank()
    a, b, c = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    a.grad = torch.full((2,), 1.0 + rank)
    if rank == 0:
        b.grad = torch.full((2,), 4.0)
    reduce = GradientAverage()
    reduce([a, b, c])
    with without_collectives():
        assert processes() == 1
    assert reduce.calls == 1 and reduce.seconds() > 0 and reduce.seconds() == 0
    return {"a": a.grad, "b": b.grad, "none": torch.tensor(c.grad is None)}


def test_a_gradient_that_only_one_has_is_averaged(tmp_path: Path) -> None:
    for found in in_processes(2, tmp_path, "missing"):
        assert found["a"].tolist() == [1.5, 1.5] and found["b"].tolist() == [2.0, 2.0] and found["none"]
