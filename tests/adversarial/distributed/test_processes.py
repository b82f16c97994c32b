"""Two processes with half of the batch each equal one with all of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from ganatomy.adversarial import AUGMENTS, LOSSES, PENALTIES, UPDATES, WEIGHTS, Game
from tests.adversarial import players
from tests.commands import spawn

LISTENING = ("relativistic_average", "hinge")


def step(loss: str, data: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients and state after a step with everything that looks at the whole batch."""
    torch.manual_seed(0)
    g, d = players.generator(), players.scalar()
    augment = AUGMENTS["ada"](["brightness"], start=0.5, interval=1, images=100)
    penalties = [PENALTIES["lecam"](), PENALTIES["gradient_penalty"]()]
    weight = WEIGHTS["adaptive"](share=0.3)
    game = Game(players.Rules(g), g, d, LOSSES[loss](), weight, penalties=penalties, augment=augment)
    torch.manual_seed(7)
    UPDATES["shared"]()(game, data, 0, lambda player: None)
    gradients = {f"{i}": p.grad for i, p in enumerate([*g.parameters(), *d.parameters()])}
    return {**gradients, "p": augment.p, "real_mean": penalties[0].real_mean}


def halves(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    data = {key: value[2 * rank : 2 * rank + 2] for key, value in players.batch(4).items()}
    found = {loss: step(loss, data) for loss in LISTENING}
    for values in found.values():
        for name, value in values.items():
            if name.isdigit():
                dist.all_reduce(value)
                value /= 2
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_halves_equal_the_whole(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    spawn(halves, (port, str(tmp_path)), 2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for loss in LISTENING:
            expected = step(loss, players.batch(4))
            assert found[loss].keys() == expected.keys()
            for name, value in expected.items():
                torch.testing.assert_close(found[loss][name], value, rtol=1e-9, atol=1e-12)
