"""Interpolations, rows of classes, label maps with the images made from them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.pictures import grey, panel
from ganatomy.tasks.synthesis.figures import (
    INTERPOLATIONS,
    STEPS,
    class_rows,
    conditioning_rows,
    interpolations,
    slerp,
)
from tests.tasks.synthesis.test_task import small, words_of  # noqa: F401


def test_slerp_goes_along_the_arc() -> None:
    """In a plane: angle and length in closed form."""
    start, end = torch.tensor([2.0, 0, 0]), torch.tensor([0, 2.0, 0])
    for share in (0.0, 0.25, 0.5, 1.0):
        angle = share * math.pi / 2
        expected = 2 * torch.tensor([math.cos(angle), math.sin(angle), 0])
        torch.testing.assert_close(slerp(start, end, share), expected)
    torch.testing.assert_close(slerp(start, 2 * start, 0.5), 1.5 * start)
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 400, generator=draw)
    lengths = [float(slerp(a, b, share).norm()) for share in np.linspace(0, 1, 9)]
    assert min(lengths) > 0.95 * min(float(a.norm()), float(b.norm())), "never short, as on a straight line"


WINDOW = (-1.0, 2.0)


@pytest.mark.parametrize("model", ["fast", "fast_class", "spade"])
def test_interpolations_begin_and_end_at_images_of_their_own(
    prepared: Any,
    two_kinds: list[str],
    model: str,
) -> None:
    data, task = prepared(*words_of(model), *(two_kinds if model == "fast_class" else []))
    picture = interpolations(task.drawer, data, WINDOW)
    assert len(picture.columns) == STEPS and panel(picture.columns, picture.title).ndim == 3
    count = INTERPOLATIONS if model != "spade" else min(INTERPOLATIONS, len(data.records["test"]))
    for row, conditioning in enumerate(conditioning_rows(task.drawer, data, INTERPOLATIONS)):
        for column, end in ((0, "start"), (-1, "end")):
            image = task.drawer(task.drawer.noise(f"way {row} {end}")[None], *conditioning)[0]
            tiles = list(picture.columns.values())[column]
            assert len(tiles) == count
            off = tiles[row].astype(int) - grey(image.detach().numpy(), WINDOW)[0]
            assert np.abs(off).max() <= 1


def test_a_row_for_each_class_with_the_same_noise(prepared: Any, two_kinds: list[str]) -> None:
    data, task = prepared(*words_of("fast_class"), *two_kinds)
    title, columns, rows = class_rows(task.drawer, data, (0.0, 1.0))
    assert title and tuple(rows) == ("bright", "dark") and len(columns) == 7
    assert columns["real"][0].mean() > columns["real"][1].mean() + 50
    for column in range(6):
        noise = task.drawer.noise(f"class {column}")[None]
        for kind in (0, 1):
            image = task.drawer(noise, torch.tensor([kind]))[0].detach().numpy()
            off = columns[f"synthetic {column + 1}"][kind].astype(int) - grey(image, (0.0, 1.0))[0]
            assert np.abs(off).max() <= 1


def test_label_map_fake_and_real_stand_side_by_side(prepared: Any) -> None:
    data, task = prepared(*words_of("spade"))
    batch = next(iter(data.test_dataloader()))
    shown = task.sample_panels(batch, task.predict(batch))
    assert list(shown)[:3] == ["label map", "synthetic", "real"]
    assert {len(tiles) for tiles in shown.values()} == {len(batch["image"])}
    coloured = shown["label map"].max(-1) > 0
    truth = batch["label"][:, 0].numpy() > 0
    np.testing.assert_array_equal(coloured[:, ::8, ::8], truth)
    assert task.legends["label map"].keys() == set(data.mask_classes[1:])
