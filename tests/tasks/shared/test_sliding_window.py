"""Evaluation of segmentation through the windows it was trained on, by the generator that is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ganatomy.tasks.shared.mirrors import mirrored


@pytest.fixture
def small() -> Callable[..., list[str]]:
    brains = ["data.subjects=6", "data.size=24", "data.slices=2", "data.augment=[]", "data.patch=16"]
    players = [
        "model.generator.channels=[4,8]",
        "model.generator.strides=[2]",
        "model.discriminator.channels=4",
    ]
    return lambda *words: [
        "task=segmentation",
        *brains,
        *players,
        "model.discriminator.num_layers_d=1",
        *words,
    ]


@pytest.mark.parametrize("dims", [2, 3])
def test_larger_images_are_segmented_in_windows_by_the_averaged_generator(prepared: Any, dims: int) -> None:
    data, task = prepared(f"data.spatial_dims={dims}")
    sizes = []
    task.average.module.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[2:])))
    task.generator.register_forward_pre_hook(lambda *_: pytest.fail("not the generator that is judged"))
    batch = next(iter(data.test_dataloader()))
    with torch.no_grad():
        prediction = task.predict(batch)
    assert prediction.shape == batch["label"].shape and not prediction.is_floating_point()
    assert set(sizes) == {(16,) * dims}


def test_logits_are_blended_before_the_class_is_chosen(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of classes that depend on the pixel alone, no window shows."""
    data, task = prepared()
    batch = next(iter(data.test_dataloader()))
    monkeypatch.setattr(task.average.module, "forward", lambda x: torch.cat([x, -x, x - 1, 1 - x], 1))
    image = batch["image"]
    assert torch.equal(
        task.predict(batch), torch.cat([image, -image, image - 1, 1 - image], 1).argmax(1, True)
    )


def test_mirrored_answers_are_a_mean_on_the_images_own_grid(prepared: Any) -> None:
    """Of an answer that depends on the side; and in a task's predictions."""
    image = torch.randn(2, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    left = torch.linspace(0, 1, 6)
    expected = image * (left + left.flip(0)) / 2
    torch.testing.assert_close(mirrored(lambda x: x * left, image, [1]), expected)
    both = left * torch.linspace(0, 3, 4)[:, None]
    turned = [both, both.flip(0), both.flip(1), both.flip(0, 1)]
    torch.testing.assert_close(mirrored(lambda x: x * both, image, [0, 1]), image * sum(turned) / 4)
    assert torch.equal(mirrored(lambda x: x * left, image, []), image * left)
    data, task = prepared("task.mirror_axes=[1]")
    batch = next(iter(data.test_dataloader()))
    image = batch["image"][..., :16, :16]
    with torch.no_grad():
        one, other = (task.average.module(x).softmax(1) for x in (image, image.flip(3)))
        found = task.predict({**batch, "image": image})
    assert torch.equal(found, (one + other.flip(3)).argmax(1, True))
