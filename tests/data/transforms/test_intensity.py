"""Units: one setting of all channels or one each, a target's own, and the way back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.data.sides.two_sided import TwoSided
from ganatomy.data.transforms.degrade import numbers
from ganatomy.data.transforms.intensity import in_units, mapping, units
from ganatomy.data.transforms.prepare import Preparation
from ganatomy.degradations.noise import Gaussian, Rician
from ganatomy.errors import UserError

T1 = np.arange(101.0).reshape(1, 101, 1)  # its 1st and 99th percentiles are 1 and 99
T2 = np.where(np.arange(101) % 2, 5.0, 1.0).reshape(1, 101, 1)  # mean 3 - 2/101
BOTH = np.concatenate([T1, T2]).astype(np.float32)


def case(**more: Any) -> dict[str, np.ndarray]:
    return {"image": BOTH, "affine": np.eye(4), "spacing": np.ones(2), **more}


@pytest.mark.parametrize(
    ("setting", "offset", "scale"),
    [
        (["percentile", "none"], [1, 0], [98, 1]),
        ([[-160, 240], "range"], [-160, 1], [400, 4]),
        (["none", None], [0, 0], [1, 1]),
        (["zscore", "percentile:0:50"], [50, 1], [np.sqrt((101**2 - 1) / 12), 1]),  # T2's median is its least
        ([-160, 240], [-160], [400]),  # two numbers are one window of both
        ("range", [0], [100]),
    ],
)
def test_a_setting_for_each_channel(setting, offset, scale):
    found = units(BOTH, setting)
    np.testing.assert_allclose(found, [offset, np.where(np.array(scale) > 0, scale, 1)], rtol=1e-6)
    ready = Preparation(2, setting)(case())
    wanted = (BOTH - np.reshape(offset, (-1, 1, 1))) / np.reshape(scale, (-1, 1, 1))
    np.testing.assert_allclose(ready["image"], wanted, rtol=1e-5, atol=1e-6)
    for back in (np.asarray, torch.from_numpy):
        seen, where = back(ready["image"].astype(float)), (back(ready["offset"]), back(ready["scale"]))
        np.testing.assert_allclose(in_units(seen, *where), BOTH, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(in_units(seen[None], *where, stacked=True)[0], BOTH, rtol=1e-5, atol=1e-4)


def test_one_setting_is_one_pair_for_all_channels():
    ready = Preparation(2, "zscore")(case())
    assert ready["offset"].shape == ready["scale"].shape == (1,)
    assert (ready["offset"][0], ready["scale"][0]) == mapping(BOTH, "zscore")
    np.testing.assert_array_equal(
        ready["image"],
        ((BOTH.astype(np.float64) - BOTH.mean(dtype=float)) / BOTH.std(dtype=float)).astype("f"),
    )


@pytest.mark.parametrize(
    "setting",
    [[1, 2, 3], ["zscore", 4], [240, -160], "percentile:90:10", ["zscore", "mean"], [0, float("nan")]],
)
def test_what_is_no_setting_is_refused(setting):
    with pytest.raises(UserError, match=r"^data\.target_intensity=.*choose zscore, percentile"):
        Preparation(2, target_intensity=setting)
    with pytest.raises(UserError, match=r"^data\.intensity="):
        Preparation(2, setting)


def test_as_many_settings_as_channels():
    with pytest.raises(
        UserError, match=r"^data\.intensity=\[zscore,\[0,1\],none\]: 3 settings for 2 channels"
    ):
        units(BOTH, ["zscore", [0, 1], "none"])


def test_a_target_has_its_own_units():
    ct = np.linspace(-1024, 1500, 101).reshape(1, 101, 1).astype(np.int16)
    ready = Preparation(2, ["percentile", "zscore"], target_intensity=[-1024, 1500])(case(target=ct))
    assert ready["target"].min() == 0 and ready["target"].max() == 1
    assert (ready["target_offset"], ready["target_scale"]) == (-1024, 2524)
    assert ready["offset"].shape == (2,)
    np.testing.assert_allclose(
        in_units(ready["target"].astype(float), ready["target_offset"], ready["target_scale"]), ct, atol=1e-3
    )


def test_a_target_without_its_own_has_its_images():
    noisy = Preparation(2, ["percentile", "none"])(case(target=2 * BOTH))
    np.testing.assert_array_equal(noisy["target_offset"], noisy["offset"])
    np.testing.assert_allclose(noisy["target"][0, :, 0], (2 * T1[0, :, 0] - 1) / 98, rtol=1e-5)
    with pytest.raises(
        UserError, match=r"data\.intensity.* 2 channels, and the target has 1; set data\.targ"
    ):
        Preparation(2, ["percentile", "none"])(case(target=T1))


def test_hashed_words_are_those_of_before():
    """`repr` is part of the hash of data."""
    assert repr(Preparation(2, [0, 255], seeds=True)) == (
        "Preparation(spatial_dims=2, intensity=[0, 255], orientation='PLS', spacing=None, size=None, "
        "fit=None, seeds=True)"
    )
    assert repr(Preparation(2, target_intensity="range")).endswith("seeds=False, target_intensity='range')")


def test_noise_is_added_in_the_units_of_each_channel():
    """Of 0.1 standard deviations: 0.1 times each channel's own; Rician noise counts from each one's zero."""
    rng = np.random.default_rng(0)
    image = np.stack([rng.normal(1000, 200, (64, 64)), rng.normal(1, 0.1, (64, 64))])
    ready = Preparation(2, ["zscore", "zscore"])({"image": image, "affine": np.eye(4), "spacing": np.ones(2)})
    where = numbers(ready, 2)
    noisy = Gaussian(0.1)(ready["image"], *where, np.random.default_rng(1))
    apart = in_units(noisy.astype(float), ready["offset"], ready["scale"]) - image
    np.testing.assert_allclose(apart.std((1, 2)), [20, 0.01], rtol=0.05)
    magnitude = Rician(0.5)(ready["image"], *where, np.random.default_rng(1))
    values = in_units(magnitude.astype(float), ready["offset"], ready["scale"])
    assert values.min() >= -1e-6
    second = (values**2).mean((1, 2)) - (image**2).mean((1, 2))
    np.testing.assert_allclose(second, 2 * np.array([100, 0.05]) ** 2, rtol=0.25)


@pytest.mark.parametrize("setting", ["zscore", "percentile", "range"])
@pytest.mark.parametrize("value", [0.1, 123.456, -1e6 - 0.1])
def test_a_constant_image_of_float64_is_zeros(setting: str, value: float) -> None:
    """Its deviation is the rounding of its mean, 1e-17 for 0.1; resizing rounds to float32."""
    image = np.full((1, 37, 41), value)
    assert image.std() > 0 or value < 0
    ready = Preparation(2, setting, size=32)(case(image=image))
    assert ready["scale"].tolist() == [1.0]
    assert np.abs(ready["image"]).max() <= np.spacing(np.float32(abs(value)))


@pytest.mark.parametrize("setting", [None, "none", [-1024, 1500], [[0, 1], "none"]])
def test_units_that_are_the_same_for_all_targets_need_no_note(setting: Any) -> None:
    assert notes_of(setting) == []


@pytest.mark.parametrize("setting", ["zscore", "percentile", [[0, 1], "range"]])
def test_scores_in_units_that_predict_cannot_know_are_said(setting: Any) -> None:
    (line,) = notes_of(setting)
    assert line.startswith("note: data.target_intensity=") and "each truth's own scale" in line


def notes_of(setting: Any) -> list[str]:
    sides: Any = SimpleNamespace(unpaired=False, preparation=Preparation(2, target_intensity=setting))
    found: list[str] = TwoSided.side_notes.fget(sides)  # type: ignore[attr-defined]
    return found
