"""Which score chooses the checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from ganatomy.errors import UserError
from ganatomy.tasks.translation.scores.monitor import chosen_monitor


class Data:
    """Pairs in some of the splits."""

    def __init__(self, *splits: str) -> None:
        self.splits = splits

    def has_pairs(self, split: str) -> bool:
        return split in self.splits


def test_pairs_of_the_validation_decide() -> None:
    data: Any = Data("val")
    assert chosen_monitor(data, "val/mae") == "val/mae" and chosen_monitor(data, "val/psnr") == "val/psnr"
    only_test: Any = Data("train", "test")
    assert chosen_monitor(only_test, "val/mae") == chosen_monitor(only_test, "val/swd") == "val/swd"
    with pytest.raises(UserError, match=r"^task\.monitor: val/psnr compares with targets"):
        chosen_monitor(only_test, "val/psnr")
