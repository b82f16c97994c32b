"""What D sees is changed, what G makes is not: a small game played to its end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import LOSSES, PENALTIES, UPDATES, Game
from ganatomy.adversarial.augment.ada import Ada


class Image(nn.Module):
    """G: one learned image, whatever it is asked."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.image = nn.Parameter(torch.zeros(1, side, side))


class Matching:
    """Rules: as many copies of G's image as there are real ones."""

    def __init__(self, g: Image) -> None:
        self.g = g

    def generate(self, batch: Tensor) -> Tensor:
        return self.g.image.expand_as(batch)

    def discriminator_inputs(self, batch: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        return batch, output

    def task_losses(self, batch: Tensor, output: Tensor) -> dict[str, Tensor]:
        return {}


def learned(real: Tensor, p: float, steps: int = 400) -> Tensor:
    """G's image in the end, averaged. D is linear, held by R1, and sees flips and turns with chance p."""
    torch.manual_seed(0)
    g, d = Image(real.shape[-1]), nn.Sequential(nn.Flatten(), nn.Linear(real[0].numel(), 1, bias=False))
    ada = Ada(["flip", "rotate90"], interval=10**9, start=p)
    penalty = PENALTIES["r1"](gamma=1.0)
    game = Game(Matching(g), g, d, LOSSES["wasserstein"](), penalties=[penalty], augment=ada)
    optimizers = {"generator": torch.optim.SGD(g.parameters(), 0.2)}
    optimizers["discriminator"] = torch.optim.SGD(d.parameters(), 0.2)

    def stepper(player: str) -> None:
        optimizers[player].step()
        optimizers[player].zero_grad()

    update, mean = UPDATES["shared"](), torch.zeros_like(real[0])
    for step in range(steps):
        update(game, real, step, stepper)
        if step >= steps // 2:
            mean += g.image.detach() / (steps - steps // 2)
    return mean


@pytest.mark.parametrize(("p", "leaks"), [(0.5, False), (1.0, True)])
def test_changes_do_not_leak_unless_they_always_happen(p: float, leaks: bool) -> None:
    """Half of the images unchanged are enough to know which way is up; none are not.

    Karras et al. 2020, section 2.2: below p = 1 what such changes do to a distribution can be undone.
    """
    torch.manual_seed(1)
    image = torch.randn(1, 4, 4)
    upright = image - torch.stack([image.rot90(k, (1, 2)) for k in range(4)]).mean(0)  # its turns cancel out
    made = learned(upright.expand(64, 1, 4, 4), p)
    leaked = float((made * upright).sum() / upright.square().sum())
    assert abs(leaked) < 0.2 if leaks else leaked == pytest.approx(1, abs=0.2)
