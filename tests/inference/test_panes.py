"""Pictures of predictions: a class has one colour in all of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.inference.panes import class_numbers, panes
from ganatomy.pictures import colours

CLASSES = ("background", "liver", "kidney")


def ready(values: tuple[int, ...]) -> Any:
    kept = SimpleNamespace(label_values=values, label_classes=CLASSES)
    return SimpleNamespace(kept=kept, case={"image": np.zeros((1, 40, 40), np.float32)})


@pytest.mark.parametrize("values", [(), (0, 60, 120), (255, 0, 40)])
def test_numbers_are_those_of_the_classes(values: tuple[int, ...]) -> None:
    stored = values or (0, 1, 2)
    labels = np.array([[stored[2], stored[0]], [stored[1], stored[2]]], np.float64)
    assert class_numbers(ready(values), labels).tolist() == [[2, 0], [1, 2]]


def test_a_class_keeps_its_colour_where_another_is_absent() -> None:
    labels = np.zeros((1, 40, 40))
    labels[:, 10:30, 10:30] = 120
    answer = SimpleNamespace(array=torch.zeros(1, dtype=torch.uint8), boxes=None, role="label")
    predicted: Any = SimpleNamespace(values=labels, answer=answer, maps={})
    columns, legends = panes(ready((0, 60, 120)), predicted, None)
    drawn = {tuple(int(v) for v in pixel) for pixel in columns["answer"].reshape(-1, 3)}
    assert colours(CLASSES)["kidney"] in drawn and colours(CLASSES)["liver"] not in drawn
    assert legends["answer"] == colours(CLASSES)
