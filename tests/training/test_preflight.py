"""What a generator must answer before it is trained."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import monai.networks.nets as nets
import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial.distributed import collectives
from ganatomy.config.schema import Config, ModelConfig, SchedulersConfig, TrainerConfig
from ganatomy.errors import UserError
from ganatomy.training.preflight import check_monitor, check_processes, check_schedules, check_size


class Dictionary(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": x}


class Bare(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class ByNumpy(nn.Module):
    """Cannot run on meta tensors."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy()).repeat(1, 4, 1, 1)


class Listed(nets.DynUNet):
    """Returns a list in training, of which the first head may be wrong."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__(2, 1, channels, [3] * 3, [1, 2, 2], [2, 2], filters=[4] * 3)

    def forward(self, x: Tensor) -> list[Tensor] | Tensor:
        found = super().forward(x)
        return [found, found[..., ::2, ::2]] if self.training else found


def refused(
    generator: nn.Module, size: tuple[int, int] = (32, 32), plain: bool = True, heads: bool = False
) -> str:
    task = SimpleNamespace(
        generator=generator,
        plain_answer=plain,
        deep_supervision=heads,
        network_arguments=lambda _: {"generator": {"out_channels": 4}},
    )
    try:
        check_size(task, SimpleNamespace(shape=size, channels=1))
    except UserError as error:
        return str(error)
    return ""


DEEP = nets.DynUNet(2, 1, 4, [3] * 3, [1, 2, 2], [2, 2], filters=[4] * 3, deep_supervision=True)


@pytest.mark.parametrize(
    ("generator", "line"),
    [
        (nets.BasicUNetPlusPlus(2, 1, 4, (4,) * 6), "BasicUNetPlusPlus returns a list"),
        (DEEP, "returns arrays of 2 x 4 x 32 x 32"),
        (Dictionary(), "Dictionary returns a dictionary"),
        (Bare(), "Bare returns arrays of 32 x 32"),
        (nets.UNet(2, 1, 3, (4, 8), (2,)), "UNet returns 3 channels where 4 are needed"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told(generator: nn.Module, line: str) -> None:
    assert refused(generator).startswith("model.generator: ") and line in refused(generator)


def test_a_task_may_take_several_heads_in_training() -> None:
    for generator in (DEEP, Listed()):
        assert refused(generator, heads=True) == ""
    assert "returns 3 channels where 4 are needed" in refused(Listed(3), heads=True)
    assert "returns a list" in refused(Listed()) and "returns a dictionary" in refused(
        Dictionary(), heads=True
    )
    assert "BasicUNetPlusPlus returns a list" in refused(
        nets.BasicUNetPlusPlus(2, 1, 4, (4,) * 6), heads=True
    )


@pytest.mark.parametrize("generator", [ByNumpy(), nets.UNet(2, 1, 4, (4, 8), (2,))])
def test_one_tensor_is_let_be_and_draws_nothing(generator: nn.Module) -> None:
    before = torch.get_rng_state()
    assert refused(generator) == ""
    assert torch.equal(before, torch.get_rng_state()) and generator.training


@pytest.mark.parametrize("plain", [True, False])
def test_a_generator_is_tried_with_the_channels_of_its_task(plain: bool) -> None:
    """Two channels in, as from a mask, though the images have one."""
    task = SimpleNamespace(
        generator=nets.UNet(2, 2, 1, (4, 8), (2,)),
        plain_answer=plain,
        network_arguments=lambda _: {"generator": {"in_channels": 2, "out_channels": 1}},
    )
    check_size(task, SimpleNamespace(shape=(32, 32), channels=1))


@pytest.mark.parametrize(
    ("window", "line"),
    [
        (7, "task.window: UNet cannot halve images of 7x7; nearest sizes that fit: 8x8, 16x16"),
        (0, "task.window=0: give one side of 1 or more, or 2, or null for whole images"),
        (True, "task.window=true: give one side of 1 or more"),
        ([], r"task.window=\[\]: give one side"),
        ([32, 32, 32], r"task.window=\[32,32,32\]: give one side of 1 or more, or 2"),
        ([16, -16], r"task.window=\[16,-16\]: give one side"),
        ([16, 48], ""),
        (None, ""),
    ],
)
def test_windows_are_tried_as_images_are(window: Any, line: str) -> None:
    task = SimpleNamespace(
        generator=nets.UNet(2, 1, 4, (4, 8), (2,)),
        plain_answer=True,
        window=window,
        network_arguments=lambda _: {"generator": {"out_channels": 4}},
    )
    told = pytest.raises(UserError, match=line) if line else nullcontext()
    with told:
        check_size(task, SimpleNamespace(shape=(32, 32), channels=1))


def test_a_stride_that_divides_by_nothing_is_told() -> None:
    assert "UNet cannot take these images (integer division" in refused(nets.UNet(2, 1, 4, (4, 8), (0,)))


def test_a_task_may_ask_for_more_than_a_tensor() -> None:
    assert refused(Dictionary(), plain=False) == ""


def test_a_layer_of_the_whole_batch_takes_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    task: Any = SimpleNamespace(generator=nn.Sequential(nn.SyncBatchNorm(2)), discriminator=None)
    check_processes(task)
    monkeypatch.setattr(collectives, "processes", lambda: 2)
    with pytest.raises(UserError, match=r"^trainer\.devices: SyncBatchNorm in model\.generator looks at the"):
        check_processes(task)


@pytest.mark.parametrize(
    ("score", "more"),
    [
        (
            "psnr_like",
            ", or declare one with ganatomy.metrics.registry.register(metric) in the task's __init__",
        ),
        ("volumes", ""),
    ],
)
def test_a_score_without_direction_cannot_be_monitored(score: str, more: str) -> None:
    """A task's own score can be given one."""
    task = SimpleNamespace(monitor=f"val/{score}", direction=0, scores=lambda _: {score: 0.0})
    with pytest.raises(UserError) as caught:
        check_monitor(task)
    words = f"val/{score} declares no direction (higher_is_better); choose another score"
    assert str(caught.value) == f"task.monitor: {words}{more}"


@pytest.mark.parametrize(
    ("steps", "total", "line"),
    [
        (
            10,
            10,
            "OneCycleLR cannot divide a run of 10 steps into its parts; give a larger trainer.max_steps",
        ),
        (30, 20, "OneCycleLR ends after 20 of 30 steps"),
        (9, 9, ""),
        (20, 20, ""),
    ],
)
def test_a_schedule_that_cannot_be_followed_is_told_before_the_first_step(
    steps: int, total: int, line: str
) -> None:
    """A tenth of ten steps less one is no step, and torch divides by it."""

    def make(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.OneCycleLR:
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=total, pct_start=0.1)

    recipe = SimpleNamespace(schedulers={"generator": make}, optimizers={"generator": torch.optim.Adam})
    node = {"_target_": "torch.optim.lr_scheduler.OneCycleLR"}
    cfg = Config.model_construct(
        trainer=TrainerConfig.model_construct(max_steps=steps),
        model=ModelConfig.model_construct(scheduler=SchedulersConfig.model_construct(generator=node)),
    )
    if not line:
        return check_schedules(cfg, SimpleNamespace(recipe=recipe))
    with pytest.raises(UserError, match=rf"^model\.scheduler\.generator: {line}"):
        check_schedules(cfg, SimpleNamespace(recipe=recipe))
    return None
