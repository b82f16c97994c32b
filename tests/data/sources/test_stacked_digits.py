"""Digits in three channels: what they show, and that no digit is on two sides of the split."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ganatomy.data.sources.stacked_digits import StackedDigits
from ganatomy.errors import UserError


def shown(source: StackedDigits, split: str) -> tuple[list[int], list[int]]:
    """Rows of scikit-learn's table that stand in the images of a split, and what these are said to show."""
    known = {image.astype(np.float32).tobytes(): row for row, image in enumerate(load_digits().images)}
    rows, modes = [], []
    for record in source.records():
        if record.split == split:
            case = source.load(record)
            rows += [known[channel.tobytes()] for channel in case["image"]]
            modes.append(int(case["class"]))
    return rows, modes


def test_every_channel_is_a_digit_and_the_class_names_them() -> None:
    rows, modes = shown(StackedDigits(train=60, val=1, test=1), "train")
    truth = load_digits().target[rows].reshape(-1, 3)
    assert modes == [int("".join(map(str, three))) for three in truth]
    assert StackedDigits.image_classes[modes[0]] == "".join(map(str, truth[0]))


def test_no_digit_is_in_two_splits() -> None:
    source = StackedDigits(train=400, val=200, test=200)
    train, val, test = (set(shown(source, split)[0]) for split in ("train", "val", "test"))
    assert train and val and test
    assert not train & val and not train & test and not val & test


def test_combinations_are_drawn_alike() -> None:
    """Chi-square of 3000 digits over ten symbols: above 27.9 once in a thousand fair draws."""
    _, modes = shown(StackedDigits(train=1000, val=1, test=1), "train")
    counts = np.bincount([int(c) for mode in modes for c in f"{mode:03d}"], minlength=10)
    assert ((counts - 300) ** 2 / 300).sum() < 27.9


def test_an_image_depends_on_its_number_alone() -> None:
    few, many = StackedDigits(train=5, val=1, test=1), StackedDigits(train=50, val=9, test=9)
    record = few.records()[4]
    assert np.array_equal(few.load(record)["image"], many.load(record)["image"])
    assert not np.array_equal(
        few.load(record)["image"], StackedDigits(train=5, digits_seed=1).load(record)["image"]
    )


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.val=0: at least 1"):
        StackedDigits(val=0)
