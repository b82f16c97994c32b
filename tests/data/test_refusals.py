"""Settings of the data, and lists of splits, that mean nothing are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ganatomy.data.io.regions import named_regions
from ganatomy.data.io.synthetic import form
from ganatomy.data.labels import Labels
from ganatomy.data.quality.contract import ATTRIBUTES, METHODS, check_source
from ganatomy.data.records import Record
from ganatomy.data.sampling.sampled import Sampled
from ganatomy.data.sampling.weights import Sampling
from ganatomy.data.sides.sides import Sides
from ganatomy.data.splits.lists import read_splits
from ganatomy.data.splits.split import Splitting
from ganatomy.data.transforms.prepare import Preparation
from ganatomy.errors import UserError

PNG_FILE: Any = SimpleNamespace(dtype=np.dtype(np.uint8), slope=1, inter=0)
SOURCE: Any = SimpleNamespace(**dict.fromkeys((*ATTRIBUTES, *METHODS)) | {"spatial_dims": 4})


def divided(count: int, images: bool = True) -> Any:
    side = "" if images else "target"
    records = [Record(f"c{n}", f"s{n}", side=side) for n in range(count)]
    return Sides("disjoint", 0).divide({"train": records, "val": [], "test": []}, lambda record: True)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda: Preparation(2, resize="squash"), "data.resize=squash: choose "),
        (lambda: Preparation(2, spacing=[1.0, 0.0]), r"data.spacing=\[1.0, 0.0\]: must be above 0"),
        (lambda: Preparation(2, size=0), "data.size=0: must be 1 or more"),
        (
            lambda: Preparation._per_axis([1.0] * 3, [1.0] * 2, "spacing"),
            r"data.spacing=\[1.0, 1.0, 1.0\]: the images have 2 dimensions; give as many",
        ),
        (
            lambda: named_regions({"bg": [1]}, ("bg", "a"), (0, 1)),
            "data.regions.bg: is the name of the background; rename the region",
        ),
        (
            lambda: form("png8", PNG_FILE, 1, 3, False, lambda: (0, 1)),
            "save_format: png8 cannot hold volumes; choose nifti or npz",
        ),
        (
            lambda: form("png16", PNG_FILE, 5, 2, False, lambda: (0, 1)),
            "save_format: png16 cannot hold images of 5 channels; choose nifti or npz",
        ),
        (
            lambda: Labels(0.5, 0.5, 6, 0).shares(1, 0, 2),
            r"data.batch_size=6 \(3 with labels, 3 without\): both must be multiples of the 2 processes",
        ),
        (
            lambda: Labels(1.0, 0.0, 2, 0).shares(2, 0, 2),
            "data.batch_size=2: too few for 2 processes in 2 pieces; give at least 4",
        ),
        (lambda: check_source(SOURCE), "data: SimpleNamespace.spatial_dims is 4; give 2 or 3"),
        (
            lambda: Sampled.set_sampling(SimpleNamespace(unpaired=True), None, Sampling("classes"), None),  # type: ignore[arg-type]
            "data.sampling=classes: the two sides of data.unpaired are drawn independently; set it to null",
        ),
        (
            lambda: divided(1),
            "data.unpaired=disjoint: 1 training subject with both sides leave no target; give more subjects",
        ),
        (lambda: divided(3, images=False), "data.unpaired=disjoint: no case has an image; see data.image"),
    ],
)
def test_settings_that_mean_nothing(ask: Callable[[], Any], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}"):
        ask()


@pytest.mark.parametrize(
    ("name", "text", "fold", "line"),
    [
        ("s.csv", "file,split\na,train\n", 1, "data.fold=1: .*s.csv holds no folds; remove data.fold"),
        ("s.json", '{"train": ["a"]}', 0, "data.fold=0: .*s.json holds no folds; remove data.fold"),
        ("s.json", "{", None, r".*s.json: cannot be read as lists of names \(.*line 1"),
        ("lists/train.txt", "\udcff", None, r".*train.txt: cannot be read as a list of names \(.*utf-8"),
    ],
)
def test_lists_of_splits_that_are_none(
    name: str, text: str, fold: int | None, line: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=f"^{line}"):
        read_splits(path.parent if path.suffix == ".txt" else path, fold)


@pytest.mark.parametrize(
    ("folds", "subjects", "shares", "line"),
    [
        (
            (0, 1, 1, 0),
            3,
            (4, 1, 1),
            "data.given_fold: c0 is in another fold than the rest of its subject; give a",
        ),
        ((None,) * 4, 2, (1, 1, 1), "data.folds=2: 2 subjects leave none to train on; give more subjects"),
    ],
)
def test_folds_that_cannot_be(
    folds: tuple[int | None, ...], subjects: int, shares: tuple[int, int, int], line: str
) -> None:
    records = [Record(f"c{n}", f"s{max(0, n - 4 + subjects)}", fold=fold) for n, fold in enumerate(folds)]
    with pytest.raises(UserError, match=f"^{line}"):
        Splitting(shares, folds=2, fold=0)(records)
