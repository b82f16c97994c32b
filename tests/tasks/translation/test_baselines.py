"""The baselines of a run: fitted on its training cases alone, kept, and the same when they are restored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Case, Record
from ganatomy.errors import UserError
from ganatomy.runs import baselines as files
from ganatomy.runs.directory import Run
from ganatomy.tasks.shared.cohort import evaluation_batches
from ganatomy.tasks.translation import baselines, sampled
from ganatomy.tasks.translation.baselines import Baselines, fit, restored, settled
from ganatomy.tasks.translation.compared import Compared

Mapping = Callable[[np.ndarray], np.ndarray]


class Pairs:
    """Images of one or several channels, and targets that are a function of them."""

    classes, box_classes, image_classes = (), (), ()

    def __init__(
        self,
        shape: tuple[int, ...],
        function: Mapping,
        channels: tuple[int, int] = (1, 1),
        spatial_dims: int = 2,
        cases: int = 4,
    ) -> None:
        self.shape, self.function, self.cases = shape, function, cases
        self.channels, self.target_channels = channels
        self.spatial_dims, self.size = spatial_dims, None

    def records(self) -> list[Record]:
        splits = ["train"] * (self.cases - 2) + ["val", "test"]
        return [
            Record(f"scan{n}", f"patient{n}", split=split, content={"number": n})
            for n, split in enumerate(splits)
        ]

    def load(self, record: Record) -> Case:
        draw = np.random.default_rng(record.content["number"])
        smooth = gaussian_filter(draw.normal(size=(self.channels, *self.shape)), (0, *[1] * len(self.shape)))
        image = smooth * 300 + draw.normal(size=smooth.shape) * 30 + 500
        spacing = np.ones(len(self.shape)) if len(self.shape) == 2 else np.array([1.0, 1.0, 4.0])
        affine = np.diag([*(spacing if len(spacing) == 3 else [1, 1, 1]), 1.0])
        return {
            "image": image,
            "target": self.function(image),
            "affine": affine if len(self.shape) == 3 else np.eye(4),
            "spacing": spacing,
        }

    def fingerprint(self, record: Record) -> str:
        return f"pairs {record.case} {self.shape} {self.channels} {self.target_channels} {self.function}"

    content = fingerprint


def double(image: np.ndarray) -> np.ndarray:
    return 2 * image[:1] - 300


def mixed(image: np.ndarray) -> np.ndarray:
    """Three channels of one, or one of three."""
    return image.sum(0, keepdims=True) if len(image) == 3 else np.concatenate([image, -image, 0.5 * image])


def curved(image: np.ndarray) -> np.ndarray:
    return np.exp(image / 400) * 100


def module(source: Any, **given: Any) -> DataModule:
    settings = {"intensity": [0.0, 1000.0], "target_intensity": [-1000.0, 1000.0], **given}
    data = DataModule(source, batch_size=2, orientation=None, **settings)
    data.setup()
    return data


def answers(data: DataModule, fitted: Baselines) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Prediction and truth of the test case by baseline, in network units."""
    (batch,) = evaluation_batches(data, "test", torch.device("cpu"))
    rows = list(range(len(batch["image"])))
    found = fitted.predictions(batch, rows)
    assert all(made.shape == batch["target"].shape for made in found.values())
    return {name: (made.numpy(), batch["target"].numpy()) for name, made in found.items()}


CASES = {
    "pictures": {"shape": (32, 28), "function": double},
    "slices": {"shape": (20, 18, 4), "function": double},
    "anisotropic volumes": {"shape": (16, 14, 5), "function": double, "spatial_dims": 3},
    "three to one": {"shape": (32, 28), "function": mixed, "channels": (3, 1)},
    "one to three": {"shape": (12, 14, 5), "function": mixed, "channels": (1, 3), "spatial_dims": 3},
}


@pytest.mark.parametrize("name", CASES)
def test_a_linear_relation_is_found_in_any_form_of_data(name: str) -> None:
    data = module(Pairs(**CASES[name], cases=5))
    names = settled(data, None)
    assert ("identity" in names) == (data.channels == data.target_channels)
    fitted = fit(data, names, seed=0)
    assert fitted.available == names
    found = answers(data, fitted)
    np.testing.assert_allclose(*found["linear"], atol=2e-6)
    error = {name: np.abs(made - truth).mean() for name, (made, truth) in found.items()}
    assert error["forest"] < 0.5 * np.abs(found["forest"][1] - found["forest"][1].mean()).mean()
    if data.channels == 1:
        assert np.abs(found["histogram"][0][:, 0] - found["histogram"][1][:, 0]).mean() < 0.05


def test_a_curved_relation_is_found_by_histogram_and_forest_and_not_by_a_line() -> None:
    found = answers(data := module(Pairs((40, 40), curved, cases=6)), fit(data, settled(data, None), 0))
    error = {name: float(np.abs(made - truth).mean()) for name, (made, truth) in found.items()}
    assert max(error["histogram"], error["forest"]) < 0.5 * error["linear"] < 0.5 * error["identity"]


def test_identity_is_the_image_in_the_units_of_the_target() -> None:
    """Where both sides share their units, the values of the file; else the same place in the window."""
    for own in (None, [-1000.0, 1000.0]):
        source = Pairs((32, 28), double)
        data = module(source, target_intensity=own)
        made, _ = answers(data, fit(data, ["identity"], 0))["identity"]
        image = source.load(data.records["test"][0])["image"]
        expected = image / 1000  # the window of the image, and of the target if it has none of its own
        np.testing.assert_allclose(made[0], expected, atol=1e-5)


def test_nothing_but_training_and_validation_cases_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    data = module(Pairs((32, 28), double, cases=6))
    read: list[str] = []
    get = data.cache.get
    monkeypatch.setattr(data.cache, "get", lambda record, *z: read.append(record.split) or get(record, *z))
    fit(data, settled(data, None), 0)
    assert set(read) == {"train", "val"}


def same(one: Baselines, other: Baselines) -> bool:
    kept, again = one.kept(), other.kept()
    return kept.keys() == again.keys() and all(np.array_equal(kept[key], again[key]) for key in kept)


def test_the_seed_decides_all_and_a_file_keeps_it(tmp_path: Path) -> None:
    data = module(Pairs((40, 40), curved, cases=6))
    names = settled(data, None)
    first = fit(data, names, 7)
    assert same(first, fit(data, names, 7)) and not same(first, fit(data, names, 8))
    Run(tmp_path).write_bytes(files.NAME, files.content(first.kept()))
    kept = files.read(tmp_path)
    assert kept is not None
    again = restored(kept, data, names)
    for (name, (ours, _)), (other, (theirs, _)) in zip(
        answers(data, first).items(), answers(data, again).items(), strict=True
    ):
        assert name == other
        np.testing.assert_array_equal(ours, theirs)
    fewer = {key: value for key, value in kept.items() if not key.startswith("forest/")}
    assert restored(fewer, data, names).available == ["identity", "histogram", "linear"]


def test_arrays_of_another_run_are_refused_in_one_line() -> None:
    data = module(Pairs((20, 20), double))
    other = module(Pairs((20, 20), mixed, (3, 1)))
    kept = fit(other, ["linear", "forest"], 0).kept()
    for name in ("linear", "forest"):
        with pytest.raises(UserError, match=f"^baselines.safetensors: {name}/.*resume=[^\n]*$"):
            restored({key: v for key, v in kept.items() if key.startswith(name)}, data, [name])


@pytest.mark.parametrize("unpaired", [True, "disjoint"])
def test_without_pairs_there_are_identity_and_histogram(unpaired: Any) -> None:
    data = module(Pairs((40, 40), curved, cases=10), unpaired=unpaired)
    names = settled(data, None)
    assert names == ["identity", "histogram"]
    assert baselines.notes(names) == [
        "note: beside it stand the baselines that need no pairs: identity, histogram"
    ]
    assert not baselines.notes([*names, "linear"]) and not baselines.notes(["identity"])
    fitted = fit(data, names, 0)
    made, truth = answers(data, fitted)["histogram"]
    assert np.abs(made - truth).mean() < 0.05 * np.ptp(truth), "the cohorts have one histogram"
    seen = {record.case for record in data.records["train"]}, {r.case for r in data.target_cases("train")}
    assert unpaired is True or not seen[0] & seen[1]


@pytest.mark.parametrize(
    "given, message",
    [
        ("otsu", "task.baselines: there is no otsu; choose among identity, histogram, linear, forest"),
        (["identity"], "task.baselines: identity: an image of 3 channels is no target of 1; leave it out"),
    ],
)
def test_baselines_that_cannot_be_are_refused(given: Any, message: str) -> None:
    data = module(Pairs((20, 20), mixed, (3, 1)))
    with pytest.raises(UserError) as error:
        settled(data, given)
    assert str(error.value) == message
    assert settled(data, ["forest", "histogram"]) == ["histogram", "forest"] and settled(data, []) == []


def test_pairs_are_not_used_where_training_has_none() -> None:
    data = module(Pairs((20, 20), double, cases=8), unpaired=True)
    with pytest.raises(UserError, match=r"task\.baselines: linear: there are no pairs"):
        settled(data, ["linear"])


def masked(data: DataModule, monkeypatch: pytest.MonkeyPatch, region: Callable[[Case], np.ndarray]) -> None:
    """Give every case of the data a mask."""
    get = data.cache.get
    monkeypatch.setattr(
        data.cache, "get", lambda record, *z: (case := get(record, *z)) | {"mask": region(case)}
    )


def test_only_voxels_in_the_mask_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside it the target is another function of the image."""

    def split(image: np.ndarray) -> np.ndarray:
        outside = np.broadcast_to(np.arange(image.shape[-1]) >= 20, image.shape)
        return np.where(outside, 5000 - 9 * image, double(image))

    data = module(Pairs((32, 28), split, cases=6))
    masked(
        data, monkeypatch, lambda case: np.broadcast_to(np.arange(28) < 20, case["image"].shape[-2:])[None]
    )
    found = answers(data, fit(data, settled(data, None), 0))
    for name, tolerance in (("linear", 2e-6), ("histogram", 0.1), ("forest", 0.2)):
        made, truth = (each[..., 1:-1, 1:17] for each in found[name])
        assert np.abs(made - truth).max() < tolerance, name


def test_cases_that_lack_a_contrast_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one case a channel is missing, and its target is nonsense."""
    data = module(Pairs((24, 20), mixed, (3, 1), cases=6))
    get, odd = data.cache.get, data.records["train"][0].case

    def served(record: Record, *z: Any) -> Case:
        case = get(record, *z)
        there = np.array([True, True, record.case != odd])
        nonsense = {"target": case["target"] * 0 + 9} if record.case == odd else {}
        return case | nonsense | {"present": there}

    monkeypatch.setattr(data.cache, "get", served)
    made, truth = answers(data, fit(data, ["linear"], 0))["linear"]
    assert np.abs(made - truth)[..., 1:-1, 1:-1].max() < 2e-6


def test_a_mask_of_one_case_may_be_empty_and_one_of_all_leaves_them_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = {"scan1", "scan5"}
    data = module(Pairs((32, 28), double, cases=6))
    get = data.cache.get
    shape = (1, 32, 28)
    monkeypatch.setattr(
        data.cache,
        "get",
        lambda record, *z: get(record, *z) | {"mask": np.full(shape, record.case not in empty)},
    )
    found = answers(data, fit(data, settled(data, None), 0))
    np.testing.assert_allclose(*found["linear"], atol=2e-6)
    assert all(np.isfinite(made).all() for made, _ in found.values())
    empty |= {f"scan{n}" for n in range(6)}
    nothing = fit(data, settled(data, None), 0)
    assert nothing.available == ["identity"] and nothing.kept() == {}
    assert nothing.lines == [
        "baselines histogram, linear, forest: left out: no voxel of a complete training case lies in a mask"
    ]


def test_as_many_voxels_of_each_case_whatever_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled, "VOXELS", 500)
    data = module(Pairs((32, 28), double, cases=7))
    found = sampled.sample_pairs(data, "train", 0)
    assert len(found.targets) == len(found.images) == len(found.patches) == 5 * 101
    assert 0 < len(found.contexts) == len(found.context_targets) < len(found.targets)
    np.testing.assert_allclose(found.targets, (2 * found.images * 1000 - 300 + 1000) / 2000, atol=1e-5)
    np.testing.assert_array_equal(found.patches[:, 4], found.images[:, 0].astype(float), "the middle one")
    monkeypatch.setattr(sampled, "READ", 3 * 32 * 28)
    assert len(sampled.sample_pairs(data, "train", 0).targets) == 3 * 167


def test_a_forest_comes_from_the_cache_only_for_the_same_voxels(tmp_path: Path) -> None:
    place = {"cache": "disk", "cache_dir": str(tmp_path)}
    data = module(Pairs((32, 28), curved), **place)
    first, again = (fit(data, ["forest"], 0) for _ in range(2))
    assert first.lines == [] and len(again.lines) == 1 and "from the cache" in again.lines[0]
    assert same(first, again)
    other = module(Pairs((32, 28), double), **place)
    for fresh in (fit(other, ["forest"], 0), fit(data, ["forest"], 1)):
        assert fresh.lines == [] and not same(first, fresh)


UNET = ["model.generator.channels=[4,8]", "model.discriminator=null"]
CUT = [
    *("model=cut", "model.generator.translator.channels=[4,6]", "model.generator.translator.blocks=1"),
    *("model.generator.head.layers=[0,1,2]", "model.generator.head.width=8"),
    *("model.discriminator.target.channels=4", "model.discriminator.target.num_layers_d=1"),
]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    own = ["task=translation", "data.subjects=8", "data.size=16", "data.slices=2", "data.split=[5,1,2]"]
    return lambda *words: [*own, *words]


def test_a_run_is_scored_beside_its_baselines_and_evaluate_finds_the_same(
    train_small: Callable[..., Path], tmp_path: Path
) -> None:
    from tests.evaluate.conftest import evaluated

    run = train_small("run", *UNET, "callbacks.samples=1")
    scores = json.loads((run / "metrics.json").read_text())
    names = {f"baseline/{name}/{score}" for name in baselines.NAMES for score in ("mae", "ssim")}
    assert names <= scores.keys() and np.isfinite([scores[name] for name in names]).all()
    assert scores["baseline/forest/mae"] < scores["baseline/identity/mae"]
    with Image.open(run / "samples" / "baselines.png") as picture:
        assert picture.width > 7 * 192, "input, four baselines, ours and the truth"
    again = evaluated(tmp_path / "evaluated", f"run={run}")
    for name in sorted(names):
        assert again.metrics[name] == pytest.approx(scores[name], rel=1e-6), name
    kept = (run / "baselines.safetensors").read_bytes()
    train_small("run", resume=True)
    assert (run / "baselines.safetensors").read_bytes() == kept


def test_a_run_may_go_without_baselines(
    train_small: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = train_small("run", *UNET, "task.baselines=identity")
    scores = json.loads((run / "metrics.json").read_text())
    assert {name.split("/")[1] for name in scores if name.startswith("baseline/")} == {"identity"}
    assert not (run / "baselines.safetensors").exists()
    train_small("histogram", *UNET, "task.baselines=[histogram]")
    assert "need no pairs" not in capsys.readouterr().err, "this run has pairs"
    with pytest.raises(UserError, match=r"^task\.lesion: nothing looks for lesions; name a finished run"):
        train_small("lesion", *UNET, "task.lesion=lesion")


def test_a_run_without_pairs_is_scored_beside_two(train_small: Callable[..., Path]) -> None:
    run = train_small("run", *CUT, "data.unpaired=disjoint")
    scores = json.loads((run / "metrics.json").read_text())
    assert {name.split("/")[1] for name in scores if name.startswith("baseline/")} == {
        "identity",
        "histogram",
    }
    assert np.isfinite(scores["baseline/histogram/mae"])


def test_the_picture_has_one_window_for_all_translations() -> None:
    """Values of the truth's ends are black and white in every column of the target's side."""
    truth = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    one = {
        "image": 5 * truth,
        "target": truth,
        "target_scale": torch.ones(1, 1),
        "target_offset": torch.zeros(1, 1),
    }
    batch = one | {"scale": torch.ones(1, 1), "offset": torch.zeros(1, 1)}
    compared = Compared((0.0, 1.0))
    assert compared.pictures() == {}
    for number in range(6):
        dim = 0.5 * truth if number < 5 else torch.zeros(1, 1, 9, 9)
        compared.add(batch if number else batch | {"target": dim}, [0], {"test": truth, "histogram": dim})
    columns = compared.pictures()["baselines"].columns
    assert list(columns) == ["input", "histogram", "ours", "truth"] and compared.pictures() == {}
    assert {len(tiles) for tiles in columns.values()} == {4}
    tops = {name: tiles[1].max() / columns["ours"][1].max() for name, tiles in columns.items()}
    assert tops == pytest.approx({"input": 1, "histogram": 0.5, "ours": 1, "truth": 1}, abs=0.01)
    compared.add(batch, [0], {"test": truth})
    assert compared.pictures() == {}, "nothing to compare with"
