"""What is refused before the first step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ganatomy.data.quality.faults import inspect
from ganatomy.data.records import Record
from ganatomy.errors import UserError
from ganatomy.tasks.shared.foreseen import refuse_constant_truths


def of(split: str, key: str, degraded: bool = False, target: bool = True) -> Any:
    """Data of one case in a split, of which the image or the target is constant."""
    record = Record("c1", "s1", content={"target": ["t.png"]} if target else {})
    case: Any = {role: np.arange(16.0).reshape(1, 4, 4) for role in ("image", "target")}
    case[key] = np.full((1, 4, 4), 7.0)
    faults = inspect(record, case, SimpleNamespace(classes=(), channels=1))  # type: ignore[arg-type]
    facts = {"c1": SimpleNamespace(faults=faults)}
    records = dict.fromkeys(("train", "val", "test"), ()) | {split: [record]}
    return SimpleNamespace(records=records, facts=facts, degrade=object() if degraded else None)


@pytest.mark.parametrize("data_range", [None, [255.0, None]])
@pytest.mark.parametrize("split", ["val", "test"])
def test_a_constant_truth_has_no_range_of_its_own(split: str, data_range: Any) -> None:
    for data in (of(split, "target"), of(split, "image", degraded=True, target=False)):
        with pytest.raises(UserError, match=r"^task.data_range: c1, a .* case, has a constant"):
            refuse_constant_truths(data, data_range)


def test_a_range_constant_inputs_and_training_cases_are_as_good_as_any() -> None:
    refuse_constant_truths(of("test", "target"), 255.0)
    refuse_constant_truths(of("test", "target"), [1.0, 2.0])
    refuse_constant_truths(of("train", "target"), None)
    refuse_constant_truths(of("test", "image"), None)
    refuse_constant_truths(of("test", "image", degraded=True), None)
