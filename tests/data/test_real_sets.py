"""The named configurations on the real sets, where GANATOMY_DATA has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.data.summary import summary

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("GANATOMY_DATA", "data"))
SETS: dict[str, tuple[str, dict[str, Any]]] = {
    "busi": ("busi_256", {"cases": [540, 123, 117], "kinds": 3, "faults": 0}),
    "cbc": ("cbc_blood", {"cases": [240, 60, 60], "box_classes": 3, "faults": 2}),
    "oct": ("oct_sdoct", {"cases": [10, 2, 6], "faults": 0}),
    "nih_cxr": ("nih_cxr_256", {"cases": [698, 183, 119], "kinds": 2, "faults": 0}),
    "hippocampus": ("hippocampus_msd", {"cases": [185, 40, 35], "classes": 3, "faults": 0}),
    "mednist": ("mednist_64_subset", {"cases": [3334, 833, 833], "kinds": 5, "faults": 0}),
}


@pytest.fixture
def load(compose: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Any]:
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_data

    def build(name: str, *overrides: str) -> Any:
        if not (DATA / SETS[name][0]).is_dir():
            pytest.skip(f"GANATOMY_DATA has no {SETS[name][0]}")
        words = [f"data={name}", f"data.cache_dir={tmp_path}", f"paths.data={DATA}", *overrides]
        return build_data(Config.from_plain(compose(*words, tiny=False)))

    return build


@pytest.mark.parametrize("name", SETS)
def test_the_set_is_what_it_is_known_to_be(load, name):
    data = load(name, "data.batch_size=2")
    told, known = summary(data), SETS[name][1]
    assert list(told["cases"].values()) == known["cases"]
    assert len(told["faults"]) == known["faults"]
    for key in ("kinds", "box_classes", "classes"):
        assert key not in known or len(told[key]) == known[key]
    subjects = [set(names) for names in told["subjects"].values()]
    assert not (subjects[0] & subjects[1] or subjects[0] & subjects[2] or subjects[1] & subjects[2])
    for loader in (data.train_dataloader(), data.val_dataloader()):
        batch = next(iter(loader))
        assert torch.isfinite(batch["image"]).all() and len(batch["case"]) == len(batch["image"])


def test_blood_cells_are_those_counted_by_their_authors(load):
    """README of the set: RBC 3341 and 792, WBC 307 and 61, platelets 304 and 55, two of them without area."""
    data = load("cbc")
    classes = [c for record in data.source.records() for c in record.content["classes"]]
    assert [classes.count(k) for k in range(3)] == [3341 + 792, 307 + 61, 304 + 55]


def test_busi_leaks_on_a_random_split_and_not_on_its_own(load):
    from ganatomy.data.quality.inventory import take

    own, random = load("busi"), load("busi", "data.splits=null")
    assert take(own.splitting(own.source.records()), own.source).alike == []
    found = take(random.splitting(random.source.records()), random.source).alike
    groups = {record.case: record.subject for record in own.source.records()}
    assert len(found) > 30
    known = [groups[one.case] == groups[other.case] for one, other, _ in found]
    assert sum(known) > 0.9 * len(known)  # a few are alike that the grouping of the set missed
