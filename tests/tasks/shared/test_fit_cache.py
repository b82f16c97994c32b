"""Baselines from the cache are those that a fit gives; nothing stale is ever taken."""

from __future__ import annotations

import multiprocessing
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.brain import Brain
from ganatomy.tasks.anomaly import baselines
from ganatomy.tasks.shared import fit_cache
from ganatomy.tasks.shared.fit_cache import fitted_once

IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Fit:
    def __init__(self, number=1.0):
        self.count, self.number = 0, number

    def __call__(self):
        self.count += 1
        return {"pca/axes": np.full((3, 2), self.number, np.float32), "level": np.array(0.5)}


def place(folder, kind="disk"):
    return SimpleNamespace(folder=folder, cache=SimpleNamespace(kind=kind))


def test_the_second_run_does_not_fit_again(tmp_path):
    fit = Fit()
    first, known = fitted_once(place(tmp_path), IMAGES, {"seed": 0}, fit)
    assert not known
    again, known = fitted_once(place(tmp_path), IMAGES.clone(), {"seed": 0}, fit)
    assert known and fit.count == 1
    assert {name: value.tolist() for name, value in again.items()} == {
        name: value.tolist() for name, value in first.items()
    }


def one_pixel_changed():
    other = IMAGES.clone()
    other[3, 0, 7, 7] += 1e-7
    return other


@pytest.mark.parametrize(
    "images, settings",
    [
        (IMAGES, {"seed": 1}),
        (IMAGES, {"seed": 0, "components": 2}),
        (one_pixel_changed(), {"seed": 0}),
        (IMAGES.flip(0), {"seed": 0}),
        (IMAGES[:3], {"seed": 0}),
        (IMAGES.reshape(4, 1, 4, 16), {"seed": 0}),
    ],
)
def test_another_image_order_shape_or_setting_is_fitted(tmp_path, images, settings):
    fitted_once(place(tmp_path), IMAGES, {"seed": 0}, Fit(1.0))
    found, known = fitted_once(place(tmp_path), images, settings, Fit(2.0))
    assert not known and found["pca/axes"].max() == 2


def test_other_threads_versions_and_fits_are_fitted(tmp_path, monkeypatch):
    names = {fit_cache._name(IMAGES, {})}
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    names.add(fit_cache._name(IMAGES, {}))
    monkeypatch.setattr(torch, "__version__", "9")
    names.add(fit_cache._name(IMAGES, {}))
    monkeypatch.setattr(fit_cache, "FITS", 99)
    assert len(names | {fit_cache._name(IMAGES, {})}) == 4


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "zeros"])
def test_a_damaged_file_is_fitted_again(tmp_path, damage):
    fitted_once(place(tmp_path), IMAGES, {}, Fit(1.0))
    (path,) = (tmp_path / "baselines").iterdir()
    content = path.read_bytes()
    flipped = content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]
    path.write_bytes(
        {"cut": content[:-9], "flipped": flipped, "empty": b"", "zeros": bytes(len(content))}[damage]
    )
    found, known = fitted_once(place(tmp_path), IMAGES, {}, Fit(2.0))
    assert not known and found["pca/axes"].max() == 2
    assert fitted_once(place(tmp_path), IMAGES, {}, Fit(3.0))[1]


def test_nothing_is_kept_where_cases_are_not_kept_on_disk(tmp_path):
    for kind in ("memory", "none"):
        fitted_once(place(tmp_path, kind), IMAGES, {}, Fit())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "baselines").write_text("a file where the folder would be")
    assert fitted_once(place(tmp_path), IMAGES, {}, Fit())[1] is False


def test_the_oldest_go_first(tmp_path, monkeypatch):
    for number in range(4):
        fitted_once(place(tmp_path), IMAGES, {"n": number}, Fit())
        for path in (tmp_path / "baselines").iterdir():
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9))
    size = path.stat().st_size
    monkeypatch.setattr(fit_cache, "ROOM", 3 * size)
    fitted_once(place(tmp_path), IMAGES, {"n": 4}, Fit())
    assert [fitted_once(place(tmp_path), IMAGES, {"n": n}, Fit())[1] for n in (4, 3, 2)] == [True] * 3
    assert len(list((tmp_path / "baselines").iterdir())) == 3


def work(folder):
    torch.set_num_threads(1)
    return [
        fitted_once(place(folder), IMAGES, {"n": n % 3}, Fit(n % 3))[0]["pca/axes"].max() for n in range(30)
    ]


def test_several_processes_at_once_read_whole_files(tmp_path):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        for found in pool.map(work, [tmp_path] * 4):
            assert found == [n % 3 for n in range(30)]
    assert len(list((tmp_path / "baselines").iterdir())) == 3  # no temporary file stays


def test_baselines_of_anomaly_from_the_cache_give_the_same_maps(tmp_path):
    data = DataModule(Brain(subjects=6, size=16, slices=2), 4, cache="disk", cache_dir=str(tmp_path))
    training = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    fresh = baselines.fitted(training, 3, 2, 0)
    once, lines = baselines.fitted_once(data, training, 3, 2, 0)
    assert lines == []
    again, lines = baselines.fitted_once(data, training, 3, 2, 0)
    assert lines == [baselines.FITTED_BEFORE]
    for name, each in fresh.items():
        assert torch.equal(each(training), once[name](training)) and torch.equal(
            each(training), again[name](training)
        )
    assert list(fresh) == list(once) == list(again)
