"""Counting modes: planted sets of images whose combinations are known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.stacked_digits import StackedDigits
from ganatomy.tasks.synthesis.modes import ModeEvaluator, symbol_count


@pytest.fixture(scope="module")
def data() -> DataModule:
    made = DataModule(StackedDigits(train=500, val=2, test=300), 50, intensity=[0, 16], cache="none")
    made.setup()
    return made


def images(data: DataModule, split: str) -> tuple[torch.Tensor, list[int]]:
    """All images of a split, and what they show."""
    cases = [data.evaluated(record) for record in data.records[split]]  # type: ignore[index]
    stacked = np.stack([np.asarray(case["image"]) for case in cases])
    return torch.from_numpy(stacked).float(), [int(case["class"]) for case in cases]


def judged(judge: ModeEvaluator, fake: torch.Tensor, real: torch.Tensor) -> tuple[dict[str, float], ...]:
    judge.update([str(i) for i in range(len(fake))], {"image": real}, fake)
    return judge.scores()


def test_training_images_are_read_without_error(data: DataModule) -> None:
    shown, modes = images(data, "train")
    assert ModeEvaluator(data, torch.device("cpu")).modes_of(shown).tolist() == modes


def test_unseen_digits_are_read_as_a_nearest_neighbour_can(data: DataModule) -> None:
    shown, modes = images(data, "test")
    read = ModeEvaluator(data, torch.device("cpu")).modes_of(shown)
    assert (read == torch.tensor(modes)).float().mean() > 0.75  # 0.94 of these hands' digits, cubed


def test_a_collapse_to_one_mode(data: DataModule) -> None:
    shown, _ = images(data, "train")
    real, _ = images(data, "test")
    fake = shown[:1].expand(len(real), -1, -1, -1)
    of_fake, of_real = judged(ModeEvaluator(data, torch.device("cpu")), fake, real)
    assert of_fake == {"modes": 1.0, "kl": pytest.approx(math.log(1000))}
    assert of_real["modes"] > 200 and of_real["kl"] < 2


def test_all_modes_alike_are_a_divergence_of_zero(data: DataModule) -> None:
    """Ten digits of training in all thousand combinations."""
    shown, modes = images(data, "train")
    first = {mode // 100: shown[row, 0] for row, mode in enumerate(modes)}
    every = torch.stack([torch.stack([first[int(c)] for c in f"{mode:03d}"]) for mode in range(1000)])
    of_fake, _ = judged(ModeEvaluator(data, torch.device("cpu")), every, every)
    assert of_fake == {"modes": 1000.0, "kl": pytest.approx(0.0, abs=1e-12)}


def test_an_image_that_comes_twice_counts_once(data: DataModule) -> None:
    """As when samplers fill up the last round of several processes."""
    shown, _ = images(data, "train")
    judge = ModeEvaluator(data, torch.device("cpu"))
    for names in (["a", "b", "c"], ["c"]):
        judge.update(names, {"image": shown[: len(names)]}, shown[: len(names)])
    assert len(judge.tables["fake"].per_case()) == 3


def test_every_test_counts_anew(data: DataModule) -> None:
    shown, _ = images(data, "train")
    judge = ModeEvaluator(data, torch.device("cpu"))
    for row in (0, 1):
        judge.update([str(row)], {"image": shown[:1]}, shown[row : row + 1])
        assert judge.scores()[0]["modes"] == 1


def test_other_data_have_no_symbols() -> None:
    assert symbol_count(SimpleNamespace(source=SimpleNamespace(symbols=10))) == 10
    assert symbol_count(SimpleNamespace(source=SimpleNamespace())) == 0
