"""A source that gives what no case may hold is told so in one line, before the first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.quality.contract import breach
from ganatomy.data.records import Case, Record
from ganatomy.errors import UserError


class Lab:
    """Six pictures with everything that a case may hold; `spoil` changes what `load` gives."""

    channels, spatial_dims, size = 1, 2, None
    classes, box_classes, image_classes = ("background", "spot"), ("spot",), ("a", "b")

    def __init__(self, spoil: Callable[[Case], Any] = lambda case: case, shape: Any = (8, 6)) -> None:
        self.spoil, self.shape = spoil, shape

    def records(self) -> list[Record]:
        return [Record(f"lab {n}", f"subject {n}") for n in range(6)]

    def load(self, record: Record) -> Case:
        dims = len(self.shape)
        image = np.random.default_rng(0).random((1, *self.shape), np.float32)
        case = {
            "image": image,
            "target": image.astype(np.float64),
            "label": (image > 0.5).astype(np.uint8),
            "boxes": np.array([[1.0] * dims + [3.0] * dims]),
            "classes": np.zeros(1, np.int64),
            "class": np.array(1),
            "affine": np.eye(4),
            "spacing": np.ones(dims),
        }
        return self.spoil(case)

    def fingerprint(self, record: Record) -> str:
        return record.case

    content = fingerprint


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "no channels": ({"image": np.zeros((8, 6))}, r"image [8, 6] float64; expected [C, *spatial]"),
    "channels": ({"image": np.zeros((3, 8, 6))}, "image [3, 8, 6] float64; expected 1 channels"),
    "nothing": ({"image": np.zeros((1, 0, 6))}, "image [1, 0, 6] float64; expected [C, *spatial]"),
    "complex": ({"image": np.zeros((1, 8, 6), complex)}, "image [1, 8, 6] complex128; expected real numbers"),
    "list": ({"image": [[1, 2]]}, "image as a list; expected a NumPy array"),
    "integer": ({"label": 3}, "label as an int; expected a NumPy array"),
    "none": ({"label": None}, "label as a NoneType; expected a NumPy array"),
    "affine": ({"affine": np.eye(3)}, "affine [3, 3] float64; expected [4, 4], voxel index to mm"),
    "singular": ({"affine": np.diag([1.0, 0, 1, 1])}, "affine that cannot be inverted"),
    "parallel": ({"affine": np.ones((4, 4))}, "affine that cannot be inverted"),
    "nan": ({"affine": np.diag([np.nan, 1, 1, 1])}, "affine with values that are not finite"),
    "spacing": ({"spacing": np.ones(3)}, "spacing [1.0, 1.0, 1.0]; expected 2 numbers above 0, in mm"),
    "label": ({"label": np.zeros((8, 6), np.uint8)}, "label [8, 6] uint8; expected [1, 8, 6]"),
    "one-hot": ({"label": np.zeros((2, 8, 6), np.uint8)}, "label [2, 8, 6] uint8; expected [1, 8, 6]"),
    "mask": ({"label": np.zeros((1, 8, 6), np.float32)}, "label [1, 8, 6] float32; expected integers"),
    "target": ({"target": np.zeros((8, 6))}, "target [8, 6] float64; expected [C, 8, 6] of real numbers"),
    "boxes": ({"boxes": np.zeros((1, 6))}, "boxes [1, 6] float64; expected [N, 4]"),
    "classes": ({"classes": np.zeros(2, int)}, "classes [2] int64; expected [1] integers, one for each box"),
    "class": ({"class": np.zeros(1, int)}, "class [1] int64; expected a single integer"),
    "kind": ({"class": np.array(2)}, "class 2; expected 0 to 1, a place among data.image_classes"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_no_case_may_hold_is_one_line(name: str) -> None:
    changes, words = SPOILT[name]
    with pytest.raises(UserError) as caught:
        DataModule(Lab(lambda case: case | changes), 2, cache="none").setup()
    told, mend = str(caught.value).splitlines()
    assert told.startswith(f"lab 0: Lab.load gives {words}") and told.endswith(
        "and 5 more (see `ganatomy check`)"
    )
    assert "data.on_error=skip" in mend


@pytest.mark.parametrize("key", ["image", "affine", "spacing", "classes"])
def test_what_every_case_must_hold(key: str) -> None:
    lab = Lab(lambda case: {name: value for name, value in case.items() if name != key})
    record = lab.records()[0]
    assert f"'{key}'" in breach(record, lab.load(record), lab)  # type: ignore[arg-type]


def test_a_case_needs_no_label_before_a_task_asks_for_one() -> None:
    """Classes may stand beside a task that looks at none of them."""
    lab = Lab(lambda case: {name: value for name, value in case.items() if name != "label"})
    record = lab.records()[0]
    assert breach(record, lab.load(record), lab) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 4)])
def test_a_sound_case_passes(shape: tuple[int, ...]) -> None:
    lab = Lab(shape=shape)
    record = lab.records()[0]
    thin = lambda case: case | {"affine": np.diag([1e-3, 2e-3, 5e-3, 1])}  # noqa: E731
    for source in (lab, Lab(thin, shape)):
        assert breach(record, source.load(record), source) == ""  # type: ignore[arg-type]
    assert breach(record, [], lab).endswith("gives a list; expected a dict of arrays")  # type: ignore[arg-type]


def test_a_load_that_fails_is_one_line_with_its_case() -> None:
    with pytest.raises(UserError) as caught:
        DataModule(Lab(lambda case: case["mask"]), 2, cache="none").setup()
    told = str(caught.value).splitlines()[0]
    assert told.startswith("lab 0: Lab.load fails (KeyError: 'mask'; test_contract.py, line ")

    with pytest.raises(UserError, match=r"lab 0: Lab.load fails \(ValueError: .*; test_contract.py, line "):
        DataModule(Lab(lambda case: np.concatenate([])), 2, cache="none").setup()

    def exhausted(case: Case) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        DataModule(Lab(exhausted), 2, cache="none").setup()


def test_a_source_that_was_mended_is_read_again(tmp_path: Path) -> None:
    """Though its fingerprint is that of before."""
    spoilt = Lab(lambda case: case | {"affine": np.eye(3)})
    with pytest.raises(UserError, match=r"affine \[3, 3\]"):
        DataModule(spoilt, 2, cache="disk", cache_dir=str(tmp_path)).setup()
    DataModule(Lab(), 2, cache="disk", cache_dir=str(tmp_path)).setup()


def test_a_source_without_a_part_is_named() -> None:
    given = {"channels": 1, "spatial_dims": 2, "size": None, "classes": (), "image_classes": ()}
    bare = SimpleNamespace(**given, records=list, load=dict)
    with pytest.raises(UserError, match=r"SimpleNamespace has no box_classes, fingerprint, content"):
        DataModule(bare, 2)  # type: ignore[arg-type]
