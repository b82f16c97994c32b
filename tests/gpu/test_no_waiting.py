"""In a step the host never waits for the device: it would stand idle until the host has caught up."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import GradientAverage
from ganatomy.adversarial.distributed import gradient_average
from tests.gpu.step import GAMES, Played
from tests.gpu.waits import Waits

HARD = {
    "adaptive augmentation": ["synthesis", "model.adversarial.augment=ada"],
    "path length": ["synthesis", "model=stylegan2", "task.path_length={weight: 2.0, every: 2}"],
    "all penalties": [
        "segmentation",
        "model.adversarial.penalties=[{name: r1, every: 2},{name: lecam},{name: gradient_penalty},"
        "{name: spectral_norm},{name: weight_clip}]",
        "update.clip.generator=1.0",
    ],
    "one backward of a zero-sum loss": [
        "segmentation",
        "update=one_backward",
        "model.adversarial.loss=wasserstein",
    ],
    "micro-batches": ["detection", "update.accumulate=2"],
}


@pytest.mark.parametrize("words", [*([name] for name in GAMES), *HARD.values()], ids=[*GAMES, *HARD])
def test_a_step_looks_at_nothing_on_the_device(words: list[str]) -> None:
    played, waits = Played(words[0], "meta", *words[1:]), Waits()
    for number in range(5):
        played.step(number, waits)
    assert not waits.found


def test_one_backward_looks_at_its_ratio_and_at_nothing_else() -> None:
    words = ["update=one_backward", "model.adversarial.penalties=[]"]
    played, waits = Played("synthesis", "meta", *words), Waits()
    played.step(0, waits)
    assert len(waits.found) == 1 and "one_backward.py" in waits.found[0]


def test_a_phase_that_ends_is_checked_once_and_the_next_waits_for_nothing() -> None:
    """f-AnoGAN: after 13 of 20 steps the encoder's phase begins, after a last look at the gradients."""
    played, waits = Played("anomaly", "meta"), [Waits() for _ in range(17)]
    for number, each in enumerate(waits):
        played.step(number, each)
    assert played.task.number == 1  # type: ignore[attr-defined]
    assert [number for number, each in enumerate(waits) if each.found] == [13]


def test_averaging_gradients_copies_nothing_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    done = SimpleNamespace(wait=lambda: None)
    monkeypatch.setattr(gradient_average, "processes", lambda: 2)
    monkeypatch.setattr(gradient_average.dist, "all_reduce", lambda x, *args, **kwargs: done)
    player, waits = nn.Linear(3, 2, device="meta"), Waits()
    for parameter in player.parameters():
        parameter.grad = torch.zeros_like(parameter)
    average = GradientAverage()
    with waits:
        average(player.parameters())
    assert average.calls == 1 and not waits.found


PLANTED: dict[str, Callable[[Tensor], object]] = {
    "a number": lambda x: float(x.sum()),
    "a branch": lambda x: bool(x.sum() > 0),
    "places": lambda x: torch.bincount(x.flatten().long()),
    "a mask as an index": lambda x: x[x > 0],
    "numbers of the host": lambda x: torch.tensor([1.0, 2.0], device=x.device),
    "numbers of the host, like another": lambda x: x.new_tensor([1.0, 2.0]),
    "a tensor of the host": lambda x: torch.zeros(3).to(x.device),
    "a tensor of the device": lambda x: x.cpu(),
    "rows by a count": lambda x: torch.repeat_interleave(x, torch.ones(2, device=x.device).long(), 0),
}


@pytest.mark.parametrize("look", PLANTED.values(), ids=list(PLANTED))
def test_a_planted_look_is_found(look: Callable[[Tensor], object]) -> None:
    x, waits = torch.zeros(2, 3, device="meta"), Waits()
    with waits:
        try:
            look(x)
        except (RuntimeError, NotImplementedError):  # of torch: its size depends on values
            assert waits.found
    assert waits.found


def test_boxes_stay_with_the_host() -> None:
    played = Played("detection", "meta")
    batch = played.task.transfer_batch_to_device(played.batches[0], played.device, 0)
    assert batch["image"].is_meta and {box.device.type for box in batch["boxes"]} == {"cpu"}
