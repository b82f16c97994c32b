"""What each baseline can find is found; a stored forest predicts as scikit-learn does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import RandomForestRegressor

from ganatomy.baselines.translation import Forest, Histogram, Linear, View
from ganatomy.baselines.translation.view import (
    at,
    context_count,
    context_maps,
    patch_count,
    patch_maps,
)
from ganatomy.errors import UserError

SHAPES = [(1, 24, 20), (3, 14, 17), (1, 9, 12, 5), (2, 8, 7, 3)]


def image_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    smooth = gaussian_filter(draw.normal(size=shape), (0, *[1.5] * (len(shape) - 1)))
    return (smooth * 5 + 0.2 * draw.normal(size=shape)).astype(np.float32)


def flat(image: np.ndarray) -> np.ndarray:
    return image.reshape(len(image), -1).T


def every(image: np.ndarray) -> np.ndarray:
    return np.arange(image[0].size)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_linear_finds_a_linear_map_of_the_channels(shape: tuple[int, ...]) -> None:
    images = [image_of(shape, seed) for seed in range(4)]
    mixing = np.random.default_rng(9).normal(size=(2, shape[0]))
    level = np.array([3.0, -40.0]).reshape(2, *[1] * (len(shape) - 1))
    targets = [np.tensordot(mixing, image, 1) + level for image in images]
    features = np.concatenate([at(patch_maps(View(image)), every(image)) for image in images[:3]])
    wanted = np.concatenate([flat(target) for target in targets[:3]])
    found = Linear.fitted(features, wanted)
    np.testing.assert_allclose(found(View(images[3])), targets[3], atol=1e-6)


def test_linear_finds_a_blur_of_the_patch_and_chooses_its_penalty_on_others() -> None:
    images = [image_of((1, 24, 20), seed) for seed in range(4)]
    targets = [gaussian_filter(image.astype(float), (0, 0.5, 0.5), truncate=1.5) for image in images]
    pairs = [(at(patch_maps(View(i)), every(i)), flat(t)) for i, t in zip(images, targets, strict=True)]
    found = Linear.fitted(*pairs[0], held_out=pairs[1])
    np.testing.assert_allclose(found(View(images[3]))[:, 1:-1, 1:-1], targets[3][:, 1:-1, 1:-1], atol=1e-6)
    draw = np.random.default_rng(0)
    few, noise = draw.normal(size=(20, 17)), draw.normal(size=(20, 1))
    others = draw.normal(size=(500, 17)), draw.normal(size=(500, 1))
    chosen, smallest = Linear.fitted(few, noise, held_out=others), Linear.fitted(few, noise)
    assert np.linalg.norm(chosen.weights) < np.linalg.norm(smallest.weights), "noise asks for small weights"


def test_the_patch_is_the_neighbours_and_the_surround_means_of_boxes() -> None:
    image = image_of((1, 20, 20))
    maps = [each[9, 11] for each in patch_maps(View(image))]
    plain = image[0].astype(float)
    near = [plain[9 + a, 11 + b] for a in (-1, 0, 1) for b in (-1, 0, 1)]
    far = [
        plain[9 + 3 * a - 1 : 9 + 3 * a + 2, 11 + 3 * b - 1 : 11 + 3 * b + 2].mean()
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
        if (a, b) != (0, 0)
    ]
    np.testing.assert_allclose(maps, [*near, *far])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_features_are_as_many_as_said(shape: tuple[int, ...]) -> None:
    view, dims = View(image_of(shape)), len(shape) - 1
    for maps, count in ((patch_maps, patch_count), (context_maps, context_count)):
        found = list(maps(view))
        assert len(found) == count(shape[0], dims)
        assert all(each.shape == shape[1:] and np.isfinite(each).all() for each in found)


@pytest.mark.parametrize(
    "function", [np.exp, lambda x: 2 * x - 7, lambda x: np.sign(x) * x**2], ids=["exp", "line", "square"]
)
def test_histogram_finds_an_increasing_map(function: np.ufunc) -> None:
    train, test = image_of((1, 60, 60)), image_of((1, 30, 30), 5)
    found = Histogram.fitted(flat(train), flat(function(train.astype(float))))
    inside = test.clip(np.quantile(train, 0.01), np.quantile(train, 0.99))
    span = np.ptp(function(inside))
    np.testing.assert_allclose(found(View(inside)), function(inside.astype(float)), atol=0.01 * span)


def test_histogram_needs_no_pairs_and_gives_the_targets_histogram() -> None:
    draw = np.random.default_rng(0)
    train, targets = draw.normal(size=(1, 200, 200)), draw.gamma(2, 50, size=(1, 150, 150))
    found = Histogram.fitted(flat(train), flat(targets))(View(draw.normal(size=(1, 200, 200))))
    levels = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(np.quantile(found, levels), np.quantile(targets, levels), rtol=0.06)


def test_histogram_of_many_equal_values_takes_the_mean_of_their_targets() -> None:
    """Half of the image is air, and that of the target is not constant."""
    image = np.concatenate([np.zeros(1000), np.linspace(1, 2, 1000)])[:, None]
    targets = np.linspace(0, 4, 2000)[:, None]
    found = Histogram.fitted(image, targets)
    np.testing.assert_allclose(found(View(np.array([[0.0, 1.5, 9.0, -9.0]]))), [[1, 3, 4, 1]], atol=0.01)


def test_histogram_of_channels() -> None:
    image = np.stack([image_of((1, 30, 30))[0], image_of((1, 30, 30), 1)[0]])
    both = Histogram.fitted(flat(image), flat(image * [[[2]], [[3]]]))
    np.testing.assert_allclose(both(View(image)), image * [[[2]], [[3]]], atol=0.05)
    three = Histogram.fitted(flat(image), flat(np.stack([image[0], 2 * image[0], 3 * image[0]])))
    np.testing.assert_allclose(three(View(image))[2], 3 * image[0], atol=0.05)


def contexts(image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    return at(context_maps(View(image, mask)), every(image))


def test_forest_finds_steps_of_the_intensity() -> None:
    images = [image_of((1, 40, 40), seed) for seed in range(4)]

    def step(image: np.ndarray) -> np.ndarray:
        return np.where(image > 0.8, 1000.0, np.where(image > -0.5, 40.0, -1000.0))

    features = np.concatenate([contexts(image) for image in images[:3]])
    found = Forest.fitted(features, np.concatenate([flat(step(image)) for image in images[:3]]), 0)
    levels, made = np.array([-1000.0, 40.0, 1000.0]), found(View(images[3]))
    nearest = levels[np.abs(made[..., None] - levels).argmin(-1)]
    assert (nearest == step(images[3])).mean() > 0.97
    assert made.min() >= -1000 and made.max() <= 1000


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("leaf", [1, 7])
def test_a_stored_forest_predicts_as_scikit_learn_does(outputs: int, leaf: int) -> None:
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(800, 14)) * 8).round().astype(np.float32) / 8  # thresholds are exact
    targets = np.stack([features[:, k] ** 2 + draw.normal(size=800) for k in range(outputs)], 1)
    forest = RandomForestRegressor(9, min_samples_leaf=leaf, max_features=0.4, random_state=3)
    forest.fit(features, targets[:, 0] if outputs == 1 else targets)
    ours = Forest.of(forest)
    new = np.concatenate([draw.normal(size=(500, 14)).astype(np.float32), features])
    thresholds = ours.threshold[ours.feature == 0][:99]
    new[: len(thresholds), 0] = thresholds
    np.testing.assert_allclose(ours.predict(new), forest.predict(new).reshape(-1, outputs), atol=1e-12)
    again = Forest.from_state(ours.state(), channels=1, outputs=outputs, dims=2)
    np.testing.assert_array_equal(again.predict(new), ours.predict(new))


def test_the_place_is_that_relative_to_the_mask_in_mm() -> None:
    image, mask = image_of((1, 12, 10, 6)), np.zeros((12, 10, 6), bool)
    mask[2:5, 4:9, 1:4] = True
    down, right, deep = list(context_maps(View(image, mask, (1, 2, 5))))[-3:]
    assert (down[3, 0, 0], right[0, 6, 0], deep[0, 0, 2]) == (0, 0, 0), "the centroid"
    assert (down[5, 0, 0], right[0, 9, 0], deep[0, 0, 5]) == (2, 6, 15)
    moved = list(context_maps(View(image, np.zeros_like(mask), (1, 1, 1))))[-3:]
    assert moved[0][0, 0, 0] == -5.5, "an empty mask has no centroid"


def test_smoothing_is_less_across_thick_slices() -> None:
    point = np.zeros((1, 21, 21, 21), np.float32)
    point[0, 10, 10, 10] = 1
    smooth = list(context_maps(View(point, None, (1, 1, 4))))[-4]
    along, across = smooth[10, 14, 10], smooth[10, 10, 11]
    assert across == pytest.approx(along, rel=0.15), "one slice is as far as four voxels"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_constant_images_and_targets_give_constant_answers(shape: tuple[int, ...]) -> None:
    image, target = np.full(shape, 2.5, np.float32), np.full(shape, -7.0)
    for found in fitted(image, target):
        np.testing.assert_allclose(found(View(image)), target, atol=1e-9)
        assert np.isfinite(found(View(image_of(shape)))).all()


def fitted(image: np.ndarray, target: np.ndarray) -> Iterator[Histogram | Linear | Forest]:
    yield Histogram.fitted(flat(image), flat(target))
    yield Linear.fitted(at(patch_maps(View(image)), every(image)), flat(target))
    yield Forest.fitted(contexts(image), flat(target), 0)


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, np.ndarray]]:
    image = image_of((1, 12, 12))
    return {type(each).__name__.lower(): each.state() for each in fitted(image, np.exp(image))}


def restored(
    name: str, kept: dict[str, np.ndarray], channels: int = 1, outputs: int = 1, dims: int = 2
) -> object:
    if name == "histogram":
        return Histogram.from_state(kept, channels, outputs)
    return {"linear": Linear, "forest": Forest}[name].from_state(kept, channels, outputs, dims)


FAULTS = {
    "histogram": ["source", "target", "channel"],
    "linear": ["weights", "bias"],
    "forest": ["left", "right", "feature", "threshold", "value", "roots", "width"],
}


@pytest.mark.parametrize("name, key", [(name, key) for name, keys in FAULTS.items() for key in keys])
def test_wrong_arrays_are_refused_in_one_line(
    states: dict[str, dict[str, np.ndarray]], name: str, key: str
) -> None:
    kept = states[name]
    assert isinstance(restored(name, kept), Histogram | Linear | Forest)
    array = kept[key]
    nothing = {k: v for k, v in kept.items() if k != key}
    texts = np.full(array.shape, "1")
    for wrong in (array[:0], array[None], texts, array + np.array(np.nan), array.astype(bool)):
        with pytest.raises(UserError, match=f"{name}/") as error:
            restored(name, nothing | {key: wrong})
        assert "\n" not in str(error.value) and "resume=" in str(error.value)
    with pytest.raises(UserError, match=f"{name}/{key} is missing|{name}/"):
        restored(name, nothing)


@pytest.mark.parametrize("name", FAULTS)
def test_arrays_of_other_channels_are_refused(states: dict[str, dict[str, np.ndarray]], name: str) -> None:
    with pytest.raises(UserError, match=f"{name}/"):
        restored(name, states[name], outputs=2)
    for other in ({"channels": 2}, {"dims": 3}) if name != "histogram" else ():
        with pytest.raises(UserError, match=f"{name}/"):
            restored(name, states[name], **other)


def test_a_forest_that_would_not_end_is_refused(states: dict[str, dict[str, np.ndarray]]) -> None:
    forest = states["forest"]
    inner = int(np.flatnonzero(forest["feature"] >= 0)[3])
    for key, value in (("left", inner), ("right", 0), ("left", -1), ("right", 10**6), ("feature", 14)):
        wrong = forest[key].copy()
        wrong[inner] = value
        with pytest.raises(UserError, match=f"forest/{key}"):
            restored("forest", forest | {key: wrong})
    with pytest.raises(UserError, match="forest/roots"):
        restored("forest", forest | {"roots": forest["roots"] + 10**6})


def test_quantiles_that_fall_and_channels_that_are_not_there_are_refused(
    states: dict[str, dict[str, np.ndarray]],
) -> None:
    kept = states["histogram"]
    for key, value in (("source", kept["source"][:, ::-1]), ("channel", kept["channel"] + 1)):
        with pytest.raises(UserError, match="histogram"):
            restored("histogram", kept | {key: value})


def test_a_histogram_that_is_no_map_is_refused(states: dict[str, dict[str, np.ndarray]]) -> None:
    kept = states["histogram"]
    with pytest.raises(UserError, match="histogram has quantiles that fall"):
        restored("histogram", kept | {"source": kept["source"][:, ::-1]})
    with pytest.raises(UserError, match="histogram takes a channel that images of 1 do not have"):
        restored("histogram", kept | {"channel": kept["channel"] + 1})
