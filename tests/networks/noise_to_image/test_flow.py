"""Rectified flow: Euler's steps against closed forms and MONAI's scheduler; what the network is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.schedulers import RFlowScheduler
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.networks.noise_to_image.flow import RectifiedFlow


def flow(**given: Any) -> RectifiedFlow:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"size": (8, 8), "channels": [8, 16], "steps": 4} | given
    made = RectifiedFlow(2 if len(arguments["size"]) == 2 else 3, 1, **arguments)
    for weight in made.parameters():  # many begin at 0, the last layer among them
        torch.nn.init.normal_(weight, 0.0, 0.1)
    return made.eval()


@pytest.mark.parametrize("steps", [1, 3, 30])
def test_steps_on_a_velocity_that_is_known(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """x' = a x ends in x (1 + a/n)^n; x' = 2 t ends in x + Σ 2 t/n = x + (n - 1)/n."""
    made, z = flow(steps=steps), torch.randn(3, 64)
    monkeypatch.setattr(made, "velocity", lambda x, t: 0.7 * x)
    torch.testing.assert_close(made(z).flatten(1), z * (1 + 0.7 / steps) ** steps)
    monkeypatch.setattr(made, "velocity", lambda x, t: 2 * t.reshape(-1, 1, 1, 1) * torch.ones_like(x))
    torch.testing.assert_close(made(z).flatten(1), z + (steps - 1) / steps)


@pytest.mark.parametrize("steps", [1, 10, 20, 25])  # whose times are whole in its float16
@torch.no_grad()
def test_images_are_those_of_monai_s_scheduler(steps: int) -> None:
    made, z = flow(steps=steps), torch.randn(2, 64)
    scheduler = RFlowScheduler(num_train_timesteps=1000, use_discrete_timesteps=False)
    scheduler.set_timesteps(steps)
    x = z.reshape(2, 1, 8, 8)
    for now, after in zip(scheduler.timesteps, [*scheduler.timesteps[1:], torch.tensor(0.0)], strict=True):
        x, _ = scheduler.step(made.network(x, now.float().expand(2)), now, x, after)
    assert (x - z.reshape_as(x)).abs().max() > 0.1
    torch.testing.assert_close(made(z), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(8, 8), (9, 11), (8, 9, 10)])
@torch.no_grad()
def test_any_sides(size: tuple[int, ...]) -> None:
    made = flow(size=size)
    assert made.latent == torch.Size(size).numel()
    images = made(torch.randn(2, made.latent))
    assert images.shape == (2, 1, *size) and images.isfinite().all()


@torch.no_grad()
def test_padding_is_black_around_the_image() -> None:
    """As if the image had been given with a border of zeros, which is then cut off."""
    small, large = flow(size=(9, 11)), flow(size=(10, 12))
    x, t = torch.randn(2, 1, 9, 11), torch.tensor([0.1, 0.8])
    padded = torch.zeros(2, 1, 10, 12)
    padded[:, :, :9, :11] = x
    assert torch.equal(small.velocity(x, t), large.velocity(padded, t)[:, :, :9, :11])


@torch.no_grad()
def test_the_network_knows_time_and_class() -> None:
    made, x = flow(classes=3, class_conditional=True), torch.randn(2, 1, 8, 8)
    told: list[Tensor] = []
    made.network.register_forward_hook(lambda _, given, __: told.extend(given[1:]))
    kind, t = torch.tensor([0, 2]), torch.tensor([0.0, 0.25])
    first = made.velocity(x, t, kind)
    assert told[0].tolist() == [1000.0, 750.0] and told[1] is None and torch.equal(told[2], kind)
    assert not torch.allclose(first[0], made.velocity(x, t + 0.5, kind)[0])
    other = made.velocity(x, t, torch.tensor([0, 1]))
    assert torch.equal(first[0], other[0]) and not torch.allclose(first[1], other[1])


@pytest.mark.parametrize(
    "given, message",
    [
        ({"steps": 0}, "steps: 0"),
        ({"blocks": 0}, "blocks: 0"),
        ({"channels": []}, "channels: []"),
        ({"attention": 3}, "attention: 3 of 2 levels; give 0 to 2"),
        ({"class_conditional": True}, "data.image_classes: there are 0, and this model draws by class"),
    ],
)
def test_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        flow(**given)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)
