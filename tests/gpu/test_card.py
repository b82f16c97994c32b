"""What holds on a card alone. Written without one: benchmarks/results.md says where they have run."""

from __future__ import annotations

import copy
import filecmp
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from benchmarks._gpu_graph import difference
from benchmarks._gpu_players import Setting
from ganatomy.tasks.segmentation.losses.cross_entropy import cross_entropy
from tests.conftest import TINY
from tests.gpu.step import GAMES, Played

pytestmark = pytest.mark.gpu
ON_CARD = [word for word in TINY if not word.startswith("trainer.accelerator")]
ON_CARD += ["trainer.channels_last=false"]  # nothing is left to a trial that may end otherwise the next time
TASKS = {
    "segmentation": ON_CARD,
    "detection": [word for word in ON_CARD if not word.startswith("model.")],
    "synthesis": [word for word in ON_CARD if not word.startswith("model.")],
}


@pytest.fixture
def float32() -> Iterator[None]:
    """Convolutions in float32 too."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("name", GAMES)
def test_no_step_lets_the_host_wait(name: str) -> None:
    played = Played(name, "cuda")
    for number in range(4):
        played.step(number)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(4, 8):
            played.step(number)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    played.task.check_finite()


@pytest.mark.parametrize("name", ["segmentation", "enhancement", "detection"])
def test_a_step_on_the_card_is_the_processors(float32: None, name: str) -> None:
    """These games draw nothing in a step, so only rounding differs; the first step of Adam is a sign: SGD."""
    found = []
    for device in ("cpu", "cuda"):
        played = Played(name, device, "model.ema_half_life=null")
        for player in played.task.optimizers():
            player.optimizer = torch.optim.SGD(player.optimizer.param_groups[0]["params"], 0.1)
        played.step(0)
        weights = [parameter.detach().cpu().flatten() for parameter in played.task.parameters()]
        found.append(torch.cat(weights))
    assert float((found[0] - found[1]).abs().max()) < 1e-4 * float(found[0].abs().max())


@pytest.mark.parametrize("task", TASKS)
def test_a_resumed_run_has_the_bits_of_one_that_never_stopped(
    command: Callable[..., CompletedProcess[str]], tmp_path: Path, task: str
) -> None:
    words = [f"task={task}", *TASKS[task], "trainer.deterministic=true", "trainer.precision=32-true"]
    whole = command(*words, "run_dir=whole")
    assert whole.returncode == 0, whole.stderr
    half = command(*words, "run_dir=half", "trainer.max_steps=4")
    assert half.returncode == 0, half.stderr
    again = command(*words, "resume=half")
    assert again.returncode == 0, again.stderr
    names = ["generator.safetensors"]
    assert filecmp.cmpfiles(tmp_path / "whole", tmp_path / "half", names, shallow=False)[0] == names


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_the_command_ends_in_half_precision(
    command: Callable[..., CompletedProcess[str]], precision: str
) -> None:
    done = command("task=segmentation", *ON_CARD, f"trainer.precision={precision}")
    assert done.returncode == 0, done.stderr


def test_cross_entropy_repeats_itself_and_is_right() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        logits = torch.randn(2, 3, 32, 32, dtype=torch.float64)
        target = torch.randint(0, 3, (2, 32, 32))
        found = cross_entropy(logits.cuda(), target.cuda())
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found.cpu(), torch.nn.functional.cross_entropy(logits, target))


@pytest.mark.parametrize("every", [0, 3])
def test_a_replayed_update_is_the_update(every: int) -> None:
    setting = Setting("cuda", 32, 4, r1_every=every, channels=(8, 16), augment=True)
    assert difference(setting, 9) == "the same bits"


def test_half_precision_keeps_the_penalty_in_float32(float32: None) -> None:
    """R1's gradient in D under autocast equals that of the same weights without."""
    gradients = []
    for precision in ("fp32", "bf16"):
        setting = Setting("cuda", 32, 4, precision="fp32", r1_every=1, channels=(8, 16))
        game, update = replace(setting).game()
        alone = copy.copy(game.penalties[0])
        alone.gamma = 1e6  # so that the adversarial loss's own rounding is nothing beside it
        game.penalties = [alone]
        game.__post_init__()
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            update(game, setting.image, 0, lambda player: None)
        assert game.discriminator is not None
        found = [p.grad.flatten() for p in game.discriminator.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-3
