"""Networks and classifiers of real images, shown synthetic ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.tasks.shared.cohort import sample_classified_images, sample_training_images
from ganatomy.tasks.synthesis.evaluators import ClassEvaluator, MaskEvaluator
from ganatomy.tasks.synthesis.normalisation import Normalisation
from ganatomy.train import train
from tests.tasks.conftest import SMALL
from tests.tasks.synthesis.test_task import Train, small, words_of  # noqa: F401

BRAINS = ["data=brain_images", "data.size=24", "data.subjects=6", "data.split=[4,1,1]", "data.slices=8"]
SEGMENTER = [
    *("task=segmentation", "model.generator.channels=[4,8]", "model.generator.strides=[2]"),
    *("model.discriminator=null", *BRAINS),
]


@pytest.fixture
def segmenter(compose: Any, tmp_path: Path) -> Path:
    """A finished segmentation run on the real images."""
    cfg = compose(*SMALL, *SEGMENTER, tiny=False)
    train(validate(cfg), tmp_path / "judge")
    return tmp_path / "judge"


def test_a_segmentation_network_is_shown_both_kinds_of_images(train_small: Train, segmenter: Path) -> None:
    """On the real ones it scores what its own run says."""
    run = train_small("run", *words_of("spade"), f"task.evaluator={segmenter}", "callbacks.samples=3")
    ours, theirs = (json.loads((path / "metrics.json").read_text()) for path in (run, segmenter))
    own = {name.removeprefix("test/"): v for name, v in theirs.items() if name.startswith("test/dice")}
    assert len(own) > 1
    for name, value in own.items():
        floor = ours[f"floor/judge_{name}"]
        assert floor == value or floor == pytest.approx(value)  # null where no image of the test can tell
        assert f"test/judge_{name}" in ours
    assert ours["test/judge_dice"] != ours["floor/judge_dice"]
    assert (run / "samples/test.png").is_file() and (run / "samples/interpolation.png").is_file()
    state = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert not any("evaluator" in name for name in state), "the evaluator is no part of what it scores"


class Threshold(nn.Module):
    """Class 1 where the image is above 0."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([-image, image], 1)


def test_dice_of_planted_fakes() -> None:
    label = torch.zeros(2, 1, 8, 8, dtype=torch.long)
    label[0, :, 2:6, 2:6], label[1, :, :4] = 1, 1
    batch = {"image": 2.0 * label - 1, "label": label, "case": ["a", "b"], "spacing": torch.ones(2, 2)}
    fake = batch["image"].clone()
    fake[0, :, 2:4, 2:6] = -1  # half of what was asked for
    evaluator = MaskEvaluator(Threshold(), ("background", "lesion"), None)
    evaluator.update(["a", "b"], batch, fake)
    ours, real = evaluator.scores()
    assert real["judge_dice"] == 1 and ours["judge_dice"] == pytest.approx((2 / 3 + 1) / 2)
    assert ours["judge_dice/lesion"] == ours["judge_dice"] and "judge_hd95" not in ours


def test_a_run_that_is_no_evaluator_is_refused(train_small: Train, segmenter: Path) -> None:
    cases = {
        "task.evaluator: only images made from label maps": ("fast", []),
        "nowhere: is no run directory": ("spade", ["task.evaluator=nowhere"]),
        "has data.intensity=zscore, this run range": ("spade", ["data.intensity=range"]),
        "was trained on 1 of this run's 1 test subjects; give both runs the same split": ("spade", []),
    }
    told = json.loads((segmenter / "data.json").read_text())
    told["subjects"]["train"] += told["subjects"]["test"]
    (segmenter / "data.json").write_text(json.dumps(told))
    for message, (model, words) in cases.items():
        named = any(word.startswith("task.evaluator") for word in words)
        evaluator = [] if named else [f"task.evaluator={segmenter}"]
        with pytest.raises(UserError) as refusal:
            train_small(model + str(len(message)), *words_of(model), *evaluator, *words)
        assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_damaged_weights_of_an_evaluator_are_named(train_small: Train, segmenter: Path) -> None:
    from safetensors.torch import load, save

    from ganatomy.runs.directory import Run

    path = segmenter / "generator.safetensors"
    whole = path.read_bytes()
    state = load(whole)
    first = next(iter(state))
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    other = save({name: value for name, value in state.items() if name != first})
    nan = save({**state, first: torch.full_like(state[first], torch.nan)})
    cases = {
        "is damaged (not what the run wrote)": (flipped, False),
        "is damaged (": (whole[: len(whole) // 2], True),  # True: with a checksum that fits
        "is of another network": (other, True),
        f"{first} is not finite": (nan, True),
    }
    for number, (message, (content, recorded)) in enumerate(cases.items()):
        Run(segmenter).write_bytes(path.name, content) if recorded else path.write_bytes(content)
        with pytest.raises(UserError) as refusal:
            train_small(f"damaged{number}", *words_of("spade"), f"task.evaluator={segmenter}")
        assert message in str(refusal.value) and str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)


class Asked(nn.Module):
    """A generator of flat images, bright or dark as it was asked; or just the other way round."""

    latent, classes = 4, 2

    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, z: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        dark = kind.bool() != self.wrong
        level = torch.where(dark, 70.0, 210.0) / 255
        return level[:, None, None, None] + 0.07 * torch.randn(len(z), 1, 24, 24)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_classifier_of_real_images_names_what_it_is_shown(
    prepared: Callable[..., Any],
    two_kinds: list[str],
    wrong: bool,
) -> None:
    data, task = prepared(*words_of("fast_class"), *two_kinds)
    task.average, task.generator, task.normalisation = None, Asked(wrong), Normalisation()
    task.prepare_baselines(data)
    for _ in range(2):  # a case that reaches two processes counts once
        for batch in data.test_dataloader():
            task.score("test", batch, task.predict(batch))
    scores, floor = task.scores("test"), task.floor_scores()
    for name in ("judge_accuracy", "judge_accuracy/dark", "judge_accuracy/bright"):
        assert floor[name] == 1 and scores[name] == (0 if wrong else 1), name


def test_images_and_their_classes_stay_together(prepared: Callable[..., Any], two_kinds: list[str]) -> None:
    data, _ = prepared(*words_of("fast_class"), *two_kinds)
    images, kinds = sample_classified_images(data, 9)
    assert torch.equal(images, sample_training_images(data, 9)) and len(kinds) == 9
    bright = images.flatten(1).mean(1) > 0.5
    assert [data.image_classes[kind] for kind in kinds] == ["bright" if one else "dark" for one in bright]
    judge = ClassEvaluator(data, 9, torch.device("cpu"))
    assert np.mean((judge.classify(images) == kinds).numpy()) == 1
