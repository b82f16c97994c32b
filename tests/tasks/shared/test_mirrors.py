"""Axes of mirror images as training flips them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from monai.transforms import Compose, OneOf, RandAffined, RandAxisFlipd, RandFlipd, RandGaussianNoised

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.tasks.shared.mirrors import checked_mirror_axes, flipped_axes
from ganatomy.training import build

KEYS = ["image", "label"]


@pytest.mark.parametrize(
    ("augment", "axes"),
    [
        ([], []),
        ([RandFlipd(KEYS, 0.5, 1), RandAffined(KEYS, 0.5)], [1]),
        ([RandFlipd(KEYS, 0.5, -1)], [2]),
        ([RandFlipd(KEYS, 0.5, [0]), RandFlipd(KEYS, 0.5, 2)], [0, 2]),
        ([RandFlipd(KEYS, 0.5, [0, 1])], []),  # both at once: neither alone
        ([RandFlipd(KEYS, 0.5)], []),  # all at once
        ([RandAxisFlipd(KEYS, 0.5)], [0, 1, 2]),
        ([Compose([OneOf([RandFlipd(KEYS, 0.5, 0), RandGaussianNoised("image", 0.5)])])], [0]),
    ],
)
def test_axes_that_training_flips_one_by_one(augment: list[Any], axes: list[int]) -> None:
    assert flipped_axes(augment, 3) == axes


@pytest.mark.parametrize("wrong", ["both", [2], [0, 0], [-1]])
def test_what_is_no_axis_is_refused(wrong: Any) -> None:
    with pytest.raises(
        UserError, match=r"^task\.mirror_axes: .*; choose among \[0, 1\], each once, or auto$"
    ):
        checked_mirror_axes(wrong, 2)


FLIP = "[{_target_: monai.transforms.RandFlipd, keys: [%s], spatial_axis: %d}]"


@pytest.mark.parametrize(
    ("task", "augment", "axes"),
    [
        ("segmentation", FLIP % ("image,label", 1), [1]),
        ("detection", FLIP % ("image,label", 0), [0]),
        ("enhancement", FLIP % ("image", 1), [1]),
        ("detection", "[]", []),
    ],
)
def test_auto_is_what_training_flips(
    task: str, augment: str, axes: list[int], compose: Callable[..., Any]
) -> None:
    words = ["task.mirror_axes=auto", f"data.augment={augment}", "data.size=32"]
    cfg = validate(compose(f"task={task}", "data.subjects=6", "data.slices=4", *words, tiny=False))
    data = build.build_data(cfg)
    data.setup()
    assert build.complete(cfg, data).task.to_plain()["mirror_axes"] == axes


def test_auto_of_a_task_is_not_that_of_the_intensity(compose: Callable[..., Any]) -> None:
    words = ["data=brain_contrasts", "data.intensity=auto", "task.class_weights=auto", "data.size=32"]
    cfg = validate(compose("task=segmentation", "data.subjects=6", "data.slices=2", *words, tiny=False))
    data = build.build_data(cfg)
    data.setup()
    found = build.complete(cfg, data)
    weights = found.task.to_plain()["class_weights"]
    assert set(weights) == set(data.mask_classes) and found.data.intensity not in ("auto", weights)
