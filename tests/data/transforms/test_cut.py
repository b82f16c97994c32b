"""`data.size` smaller than the images: training has their middle, evaluation the whole of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Case, Record
from ganatomy.data.regrid import Grid, fitted
from ganatomy.data.transforms.prepare import Preparation, restore
from ganatomy.errors import UserError


@dataclass
class Planted:
    """Images whose voxels tell where they lie, a box about one voxel near a corner."""

    shape: tuple[int, ...]
    size: Any = None
    spatial_dims: Any = 2
    channels: int = 1
    classes: Sequence[str] = ("background", "corner")
    box_classes: Sequence[str] = ("corner",)
    image_classes: Sequence[str] = ()

    def records(self) -> list[Record]:
        return [Record(f"c{n}", f"s{n}", content={"n": n}) for n in range(6)]

    def load(self, record: Record) -> Case:
        values = np.arange(np.prod(self.shape), dtype=np.float32).reshape(1, *self.shape)
        label = np.zeros_like(values, np.uint8)
        label[(0, *[1] * len(self.shape))] = 1
        corner = np.array([[1.0] * len(self.shape) + [2.0] * len(self.shape)], np.float32)
        return {
            "image": values + record.content["n"],
            "label": label,
            "boxes": corner,
            "classes": np.zeros(1, np.int64),
            "affine": np.eye(4),
            "spacing": np.ones(len(self.shape)),
        }

    def fingerprint(self, record: Record) -> str:
        return record.case

    content = fingerprint


def module(shape: tuple[int, ...], size: Any, dims: int = 2, **more: Any) -> DataModule:
    settings: dict[str, Any] = {"intensity": None, "orientation": None, "batch_size": 2} | more
    return DataModule(Planted(shape, size, dims), **settings)


@pytest.mark.parametrize(
    ("shape", "size", "dims"),
    [((20, 18), (8, 32), 2), ((20, 17, 9), 8, 3), ((20, 17, 3), (8, 7), 2), ((9, 9, 9), (4, 16, 9), 3)],
)
def test_training_has_the_middle_and_evaluation_the_whole(shape, size, dims):
    data = module(shape, size, dims, resize="pad", cache="none")
    data.setup()
    record = data.records["train"][0]
    sides = [*((size,) * dims if isinstance(size, int) else size), *shape[dims:]]
    middle = Grid(np.eye(4), shape), tuple(sides)
    case = data.cache.get(record)
    seen = np.moveaxis(case["image"], 0, -1) if data.sliced else case["image"]
    loaded = data.source.load(record)["image"]
    start = [(n - m) // 2 for n, m in zip(shape, sides, strict=True)]
    wanted = np.full((1, *sides), loaded.min())
    inner = tuple(
        slice(max(0, -s), max(0, -s) + min(n, m)) for s, n, m in zip(start, shape, sides, strict=True)
    )
    outer = tuple(
        slice(max(0, s), max(0, s) + min(n, m)) for s, n, m in zip(start, shape, sides, strict=True)
    )
    wanted[(slice(None), *inner)] = loaded[(slice(None), *outer)]
    np.testing.assert_array_equal(seen, wanted)
    assert np.allclose(case["affine"], fitted(*middle, "pad").affine)
    share = np.prod([min(1, m / n) for n, m in zip(shape, sides, strict=True)])
    assert data.facts[record.case].kept == pytest.approx(share)
    for held in (*data.records["val"], *data.records["test"]):
        whole = data.cache.get(held)
        image = np.moveaxis(whole["image"], 0, -1) if data.sliced else whole["image"]
        assert image.shape[1:] == tuple(max(n, m) for n, m in zip(shape, sides, strict=True))
        back = restore(image, whole, fill=-1)
        np.testing.assert_array_equal(back, data.source.load(held)["image"])
        if dims == len(shape):
            assert len(whole["boxes"]) == 1 and len(case["boxes"]) == 0
    assert data.window == [*sides][:dims]
    np.testing.assert_array_equal(data.whole(record)["label"].sum(), 1)
    assert f"{100 * share:.3g} % of the largest; evaluation sees all" in data.cut


def test_what_fits_is_as_it_was():
    data = module((12, 10), 16)
    data.setup()
    assert data.cut == "" and data.window is None
    assert {fact.kept for fact in data.facts.values()} == {1.0}
    assert next(iter(data.test_dataloader()))["image"].shape[2:] == (16, 16)


@given(
    shape=st.tuples(*[st.integers(1, 40)] * 2),
    size=st.tuples(*[st.integers(1, 40)] * 2),
    resize=st.sampled_from(["pad", "crop", "cover", "letterbox", "stretch"]),
)
def test_the_whole_grid_holds_the_grid_of_training_and_every_pixel(shape, size, resize):
    file = Grid(np.eye(4), shape)
    part, whole = (fitted(file, size, resize, every) for every in (False, True))
    step = np.linalg.norm(part.affine[:2, :2], axis=0)
    apart = (np.linalg.inv(whole.affine) @ part.affine)[:2]
    assert np.allclose(apart[:, :2], np.eye(2)) and np.allclose(apart[:, 3], np.round(apart[:, 3]), atol=1e-6)
    first, last = whole.affine[:2, 3], whole.affine[:2, 3] + step * (np.array(whole.shape) - 1)
    assert (first - step / 2 <= -0.5 + 1e-4 * step).all()  # the walls of the first and the last voxel
    assert (last + step / 2 >= np.array(shape) - 0.5 - 1e-4 * step).all()
    assert (np.array(whole.shape) >= size).all()
    assert resize not in ("letterbox", "stretch") or whole.shape == tuple(size)
    if resize in ("pad", "crop"):
        assert whole.shape == tuple(map(max, zip(shape, size, strict=True)))


def test_cover_shrinks_and_cuts_nothing_off_in_evaluation():
    """24x48 to 12x12: half as large, 12x24; a ramp is the same ramp."""
    data = module((24, 48), 12, resize="cover")
    data.setup()
    assert {fact.kept for fact in data.facts.values()} == {0.5}
    whole = data.cache.get(data.records["test"][0])["image"]
    assert whole.shape == (1, 12, 24)
    across = np.diff(whole[0, 6, 2:-2])
    np.testing.assert_allclose(across, 2, atol=1e-3)
    assert data.cache.get(data.records["train"][0])["image"].shape == (1, 12, 12)


@pytest.mark.parametrize("resize", [None, "pad", "crop", "cover"])
def test_a_task_of_one_size_stops_where_nobody_said_crop(resize):
    data = module((20, 16, 6), (10, 10, 6), 3, resize=resize, one_size=True)
    if resize in ("crop", "cover"):
        assert next(iter(data.test_dataloader()))["image"].shape[2:] == (10, 10, 6)
        assert data.cut.endswith("so does evaluation")
        return
    with pytest.raises(
        UserError, match=r"^data\.size=\[10,10,6\] cuts 6 of 6 images: .* 31.2 % .*data\.resize=crop"
    ):
        data.setup()
    assert module((20, 16, 6), (20, 16, 8), 3, one_size=True).shape == (20, 16, 8)


def test_prepared_cases_of_training_and_evaluation_are_kept_apart(tmp_path):
    """One fold's training case is another's test case."""
    settings: dict[str, Any] = {"cache": "disk", "cache_dir": str(tmp_path), "folds": 2, "resize": "pad"}
    shapes = []
    for fold in (0, 1):
        data = module((20, 18), 8, **settings, fold=fold)
        data.setup()
        shapes.append(
            {r.case: data.cache.get(r)["image"].shape for split in data.records.values() for r in split}
        )
        for split, records in data.records.items():
            side = (1, 8, 8) if split == "train" else (1, 20, 18)
            assert {shapes[-1][record.case] for record in records} == {side}
    assert any(shapes[0][case] != shapes[1][case] for case in shapes[0])


def test_a_large_volume_is_evaluated_alone(monkeypatch):
    monkeypatch.setattr("ganatomy.data.loader.ROOM", 2 * 20 * 18 - 1)
    data = module((20, 18), None)
    assert [len(batch["case"]) for batch in data.val_dataloader()] == [1] * len(data.records["val"])


def test_slices_of_several_sizes_are_refused_in_one_line():
    data = module((20, 18, 3), None)
    load = Planted.load
    source: Any = data.source
    source.load = lambda record: load(Planted((20 + record.content["n"], 18, 3)), record)
    with pytest.raises(UserError, match=r"^data\.size: the images differ in shape"):
        data.train_items()


def test_seeds_of_patches_lie_in_what_is_trained_on():
    ready = Preparation(2, None, size=8, resize="pad", seeds=True)
    loaded = Planted((20, 18)).load(Record("c", "s", content={"n": 0}))
    loaded["label"][:] = 1
    places = ready(loaded)["seeds"]
    assert len(places) == 64 and places.max() == 7


@pytest.mark.parametrize(("axis", "way"), [(0, "IPL"), (1, "ILP")])
def test_a_single_slice_is_never_cut_into_lines(axis, way):
    """[1,H,W] of a NIfTI file is one sagittal picture, not W lines."""
    picture = np.arange(30, dtype=np.float32).reshape(5, 6)
    case = {"image": np.expand_dims(picture, axis)[None], "affine": np.eye(4), "spacing": np.ones(3)}
    with pytest.raises(UserError, match=f"a single slice of .* set data.orientation={way}"):
        Preparation(intensity="none", orientation="PLS", spatial_dims=2)(case)
    whole = Preparation(intensity="none", orientation=way, spatial_dims=2)(case)["image"]
    assert whole.shape == (1, 1, 6, 5)
    assert np.array_equal(whole[0, 0], picture.T[::-1, ::-1])
