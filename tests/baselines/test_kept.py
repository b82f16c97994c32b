"""Fitted baselines: their arrays, through the file that a run keeps, give the same predictions bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganatomy.baselines import anomaly, detection, enhancement, segmentation
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.runs import baselines
from ganatomy.runs.directory import Run


def through_a_file(arrays: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    Run(folder).write_bytes(baselines.NAME, baselines.content(arrays))
    found = baselines.read(folder)
    assert found is not None
    return found


@pytest.mark.parametrize("classes", [3, 7])
def test_segmentation(tmp_path: Path, classes: int) -> None:
    draw = np.random.default_rng(0)
    labels = [draw.integers(0, classes, (6, 7, 5)) for _ in range(4)]
    cohort = [(draw.normal(label, 0.3), label) for label in labels]
    fitted = segmentation.Baselines.fitted(lambda: cohort, classes)
    kept = through_a_file(fitted.state(), tmp_path)
    assert kept["mean_label"].dtype == np.uint8, "a byte a voxel"
    again = segmentation.Baselines.from_state(kept)
    for image in (draw.normal(1, 1, (6, 7, 5)), draw.normal(1, 1, (9, 4, 8))):
        ours, theirs = dict(fitted(image)), dict(again(image))
        assert ours.keys() == theirs.keys() and ("otsu" in ours) == (classes == 3)
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])
            assert ours[name].dtype == theirs[name].dtype


def test_detection(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    image = draw.normal(0, 0.1, (1, 40, 40)).astype(np.float32)
    image[0, 5:12, 20:28] += 1.3
    boxes, classes = np.array([[5, 20, 12, 28], [1, 1, 9, 6]], np.float32), np.array([0, 1])
    sizes = detection.sizes_of(boxes, classes, 3)
    assert np.isinf(sizes.usual[2]), "a class without a box"
    fitted = detection.threshold_detectors([image], sizes)
    for number, one in enumerate(fitted):
        again = detection.ThresholdDetector.from_state(through_a_file(one.state(), tmp_path / str(number)))
        assert (again.level, again.sign, again.blur) == (one.level, one.sign, one.blur)
        for ours, theirs in zip(one(image), again(image), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    mean = detection.mean_box([boxes], [classes])
    again_mean = detection.MeanBox.from_state(through_a_file(mean.state(), tmp_path / "mean"))
    for ours, theirs in zip(mean(image), again_mean(image), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_enhancement(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(0, 1, (1, 24, 24)).cumsum(1).astype(np.float32)
    pairs = [(truth + draw.normal(0, 0.4, truth.shape).astype(np.float32), truth)]
    fitted = enhancement.chosen(pairs, np.abs)
    again = enhancement.from_state(through_a_file(enhancement.state(fitted), tmp_path), np.abs)
    assert fitted.keys() == again.keys() == enhancement.FILTERS.keys()
    for name, ours in fitted.items():
        np.testing.assert_array_equal(ours(pairs[0][0]), again[name](pairs[0][0]))


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 8, 6, 10)], ids=["2D", "3D"])
def test_anomaly(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(0)
    training, images = (torch.randn(n, *shape, generator=rng) for n in (12, 5))
    fitted = anomaly.principal_components(training, 4)
    kept = through_a_file(fitted.state(), tmp_path)
    again = anomaly.PrincipalComponents.from_state(kept, torch.device("cpu"))
    assert torch.equal(fitted(images), again(images))
    network = UNet(len(shape) - 1, shape[0], shape[0], (4, 8))
    denoising = anomaly.denoising_autoencoder(network, training, 3, 4, 0)
    state = through_a_file(denoising.state(), tmp_path / "network")
    other = UNet(len(shape) - 1, shape[0], shape[0], (4, 8))
    other.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    restored = anomaly.Denoising(other.eval(), torch.empty(0))
    assert torch.equal(denoising(images), restored(images))


def test_a_baseline_that_is_too_large_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "LIMIT", 100)
    arrays = {"pca/axes": np.zeros(20), "pca/centre": np.zeros(2), "denoising/weight": np.zeros(12)}
    assert list(through_a_file(arrays, tmp_path)) == ["denoising/weight"]


def test_a_damaged_file_is_refused_and_none_is_none(tmp_path: Path) -> None:
    assert baselines.read(tmp_path) is None
    path = Run(tmp_path).write_bytes(baselines.NAME, baselines.content({"otsu": np.arange(3)}))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="is damaged"):
        baselines.read(tmp_path)
