"""Each loss beside its formula in numpy, float64: 2D and 3D, classes and regions, with a mask and without."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import monai.losses
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ganatomy.tasks.segmentation.losses import LOSSES, SegmentationLoss
from ganatomy.tasks.segmentation.losses.boundary import signed_distances
from ganatomy.tasks.segmentation.losses.skeleton import repeatable_skeleton, skeleton

Array = NDArray[np.float64]
WEIGHTS = (0.5, 3.0, 1.0)
SIDES = {2: (9, 8), 3: (6, 5, 7)}


class Case:
    """Logits [3, 3, *sides] and a truth; the first image lacks a class, and the last counts nowhere."""

    def __init__(self, dims: int, sigmoid: bool, masked: bool) -> None:
        draw = np.random.default_rng(dims)
        sides = SIDES[dims]
        self.sigmoid = sigmoid
        self.logits = 3 * draw.normal(size=(3, 3, *sides))
        label = draw.integers(0, 3, (3, *sides))
        label[0][label[0] == 2] = 1
        single = np.stack([label == k for k in range(3)], 1)
        several = draw.random((3, 3, *sides)) < 0.3
        several[0, 2] = False
        self.truth = (several if sigmoid else single).astype(float)
        self.valid = draw.random((3, 1, *sides)) < 0.7
        self.valid[2] = False
        self.masked = masked
        self.counts = self.valid if masked else np.ones_like(self.valid)
        e = np.exp(self.logits - self.logits.max(1, keepdims=True))
        self.p = 1 / (1 + np.exp(-self.logits)) if sigmoid else e / e.sum(1, keepdims=True)

    @property
    def shown(self) -> Array:
        """Structures without the background."""
        return np.arange(3)[0 if self.sigmoid else 1 :]

    def losses(self, terms: Any, weights: Any = None) -> dict[str, torch.Tensor]:
        logits, truth = (torch.tensor(each, dtype=torch.float32) for each in (self.logits, self.truth))
        valid = torch.tensor(self.valid) if self.masked else None
        return SegmentationLoss(terms, weights, self.sigmoid)(logits, truth, valid)


def voxel_losses(case: Case) -> tuple[Array, Array]:
    """(cross entropies, class of each), flat for each image, of the voxels that count."""
    if case.sigmoid:
        losses = -np.log(np.where(case.truth == 1, case.p, 1 - case.p))
        kinds = np.broadcast_to(np.arange(3).reshape(1, 3, *[1] * (case.p.ndim - 2)), losses.shape)
    else:
        losses = -np.log((case.p * case.truth).sum(1, keepdims=True))
        kinds = case.truth.argmax(1)[:, None]
    counts = np.broadcast_to(case.counts, losses.shape)
    return [losses[i][counts[i]] for i in range(3)], [kinds[i][counts[i]] for i in range(3)]


def cross_entropy(case: Case, w: Array, of: Callable[[Array], Array] = lambda losses: losses) -> float:
    losses, kinds = (np.concatenate(each) for each in voxel_losses(case))
    return float((w[kinds] * of(losses)).sum() / w[kinds].sum())


def topk(case: Case, w: Array, percent: float = 10.0) -> float:
    hardest = []
    for losses, kinds in zip(*voxel_losses(case), strict=True):
        ranked = np.sort(w[kinds] * losses)[::-1]
        hardest.append(ranked[: max(1, int(len(ranked) * percent / 100))])
    return float(np.concatenate(hardest).mean())


def each_class(case: Case, of: Callable[[Array, Array], float], w: Array, classes: Any = range(3)) -> float:
    """The mean over images of the weighted mean over classes; `of` takes what counts of p and truth."""
    found = []
    for image in range(3):
        here = case.counts[image, 0]
        values = [of(case.p[image, k][here], case.truth[image, k][here]) for k in classes]
        found.append(np.average(values, weights=w[list(classes)]))
    return float(np.mean(found))


def dice(case: Case, w: Array, s: float = 1e-5, classes: Any = range(3)) -> float:
    return each_class(case, lambda p, t: 1 - (2 * (p * t).sum() + s) / (p.sum() + t.sum() + s), w, classes)


def tversky(case: Case, w: Array, alpha: float = 0.3, beta: float = 0.7, s: float = 1e-5) -> float:
    def one(p: Array, t: Array) -> float:
        hit, more, less = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
        return 1 - (hit + s) / (hit + alpha * more + beta * less + s)

    return each_class(case, one, w)


def generalised_dice(case: Case, w: Array) -> float:
    found = []
    for image in range(3):
        here = case.counts[image, 0]
        p, t = (each[image][:, here] for each in (case.p, case.truth))
        sizes = t.sum(1)
        if not sizes.any():
            found.append(0.0 if not here.any() else 1.0)
            continue
        own = np.where(sizes > 0, 1 / np.maximum(sizes, 1) ** 2, 0)
        own = np.where(sizes > 0, own, own.max())
        found.append(1 - 2 * (own * (p * t).sum(1)).sum() / (own * (p.sum(1) + sizes)).sum())
    return float(np.mean(found))


def boundary(case: Case, w: Array) -> float:
    total, weight = 0.0, 0.0
    for image, k in itertools.product(range(3), case.shown):
        inside = case.truth[image, k] == 1
        distances = np.zeros(inside.shape)
        if inside.any() and not inside.all():
            for place in np.ndindex(inside.shape):
                others = np.argwhere(inside != inside[place])
                nearest = np.sqrt(((others - place) ** 2).sum(1)).min()
                distances[place] = 1 - nearest if inside[place] else nearest
        here = case.counts[image, 0]
        total += float((w[k] * case.p[image, k] * distances)[here].sum())
        weight += float(w[k] * here.sum())
    return total / weight


def cldice(case: Case, w: Array, iterations: int = 5) -> float:
    found = []
    for image in range(3):
        values = []
        here = case.counts[image, 0]
        for k in case.shown:
            t = case.truth[image, k]
            p = np.where(here, case.p[image, k], t)
            thin_p, thin_t = (thinned(each, iterations) for each in (p, t))
            precision = ((thin_p * t)[here].sum() + 1) / (thin_p[here].sum() + 1)
            sensitivity = ((thin_t * p)[here].sum() + 1) / (thin_t[here].sum() + 1)
            values.append(1 - 2 * precision * sensitivity / (precision + sensitivity))
        found.append(np.average(values, weights=w[case.shown]))
    return float(np.mean(found))


def thinned(image: Array, iterations: int) -> Array:
    """Algorithm 1 of the paper, by scipy's filters of grey values."""
    cross = ndimage.generate_binary_structure(image.ndim, 1)

    def eroded(given: Array) -> Array:
        return ndimage.minimum_filter(given, footprint=cross, mode="constant", cval=np.inf)

    def opened(given: Array) -> Array:
        return ndimage.maximum_filter(eroded(given), 3, mode="constant", cval=-np.inf)

    found = np.maximum(image - opened(image), 0)
    for _ in range(iterations):
        image = eroded(image)
        found = found + (1 - found) * np.maximum(image - opened(image), 0)
    return found


def focal(case: Case, w: Array, gamma: float = 2.0) -> float:
    return cross_entropy(case, w, lambda losses: (1 - np.exp(-losses)) ** gamma * losses)


FORMS: dict[str, Callable[[Case, Array], float]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "topk": topk,
    "dice": dice,
    "dice_ce": lambda case, w: dice(case, w) + cross_entropy(case, w),
    "dice_focal": lambda case, w: dice(case, w) + focal(case, w),
    "tversky": tversky,
    "generalised_dice": generalised_dice,
    "boundary": boundary,
    "cldice": cldice,
}


@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("sigmoid", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("dims", [2, 3])
def test_each_loss_is_its_formula(dims: int, sigmoid: bool, masked: bool) -> None:
    assert FORMS.keys() == LOSSES.keys()
    case = Case(dims, sigmoid, masked)
    terms = {name: {"weight": 1.0, "ramp": 0.0} for name in LOSSES}
    for given in (None, WEIGHTS):
        w = np.ones(3) if given is None else np.array(given) / np.mean(given)
        found = {name: float(value) for name, value in case.losses(terms, given).items()}
        wanted = {name: form(case, w) for name, form in FORMS.items()}
        assert found == pytest.approx(wanted, rel=2e-5, abs=1e-6), (given, found, wanted)


ARGUMENTS: list[tuple[str, dict[str, Any], Callable[[Case, Array], float]]] = [
    ("focal", {"gamma": 0.5}, lambda case, w: focal(case, w, 0.5)),
    ("topk", {"percent": 35.0}, lambda case, w: topk(case, w, 35)),
    ("topk", {"percent": 100}, cross_entropy),
    ("tversky", {"alpha": 0.5, "beta": 0.5, "smooth": 1e-9}, lambda case, w: dice(case, w, 1e-9)),
    ("tversky", {"alpha": 0.1, "beta": 2, "smooth": 1}, lambda case, w: tversky(case, w, 0.1, 2, 1)),
    ("dice", {"background": False}, lambda case, w: dice(case, w, classes=case.shown)),
    ("dice", {"smooth": 1}, lambda case, w: dice(case, w, 1)),
    ("cldice", {"iterations": 2}, lambda case, w: cldice(case, w, 2)),
]


@pytest.mark.parametrize(("name", "given", "form"), ARGUMENTS)
def test_arguments_change_what_they_should(name: str, given: dict[str, Any], form: Any) -> None:
    for sigmoid in (False, True):
        case = Case(2, sigmoid, True)
        found = case.losses({name: {"weight": 0.5, **given}})[name]
        assert float(found) == pytest.approx(0.5 * form(case, np.ones(3)), rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("shape", [(4, 4, 16, 16), (1, 2, 9, 8), (2, 3, 6, 8, 5)])
def test_the_default_is_monais_to_the_last_bit_with_its_gradient(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(shape, requires_grad=True)
    label = torch.randint(0, shape[1], (shape[0], 1, *shape[2:]))
    truth = torch.nn.functional.one_hot(label[:, 0], shape[1]).movedim(-1, 1).float()
    losses = [
        monai.losses.DiceCELoss(to_onehot_y=True, softmax=True)(logits, label),
        SegmentationLoss()(logits, truth)["dice_ce"],
    ]
    assert torch.equal(*losses)
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in losses))


def test_class_weights_are_monais_where_they_have_its_scale() -> None:
    """Given class numbers: with one-hot truths torch divides a weighted cross entropy by another number."""
    case = Case(2, False, False)
    logits, truth = (torch.tensor(each, dtype=torch.float32) for each in (case.logits, case.truth))
    weights = torch.tensor(WEIGHTS) / np.mean(WEIGHTS)
    theirs = monai.losses.DiceCELoss(to_onehot_y=True, softmax=True, weight=weights)
    wanted = theirs(logits, truth.argmax(1, keepdim=True))
    torch.testing.assert_close(case.losses("dice_ce", WEIGHTS)["dice_ce"], wanted, rtol=1e-5, atol=1e-6)


def test_monais_other_losses_where_they_are_right_and_where_not() -> None:
    """Its focal loss of classes is 1/K of the paper's; its generalised Dice fades with many voxels."""
    case = Case(2, False, False)
    logits, truth = (torch.tensor(each, dtype=torch.float32) for each in (case.logits, case.truth))
    theirs = monai.losses.FocalLoss(use_softmax=True)(logits, truth)
    torch.testing.assert_close(case.losses("focal")["focal"], 3 * theirs)
    small = monai.losses.GeneralizedDiceLoss(softmax=True, smooth_nr=0, smooth_dr=0)(logits, truth)
    torch.testing.assert_close(
        case.losses("generalised_dice")["generalised_dice"], small, rtol=1e-4, atol=1e-5
    )
    truth = torch.zeros(1, 2, 2048, 2048)
    truth[:, 0, :1024], truth[:, 1, 1024:] = 1, 1
    wrong = (1 - 2 * truth) * 20
    found = SegmentationLoss("generalised_dice")(wrong, truth)["generalised_dice"]
    assert float(found) == pytest.approx(1.0, abs=1e-4)
    assert float(monai.losses.GeneralizedDiceLoss(softmax=True)(wrong, truth)) < 0.2


@pytest.mark.parametrize("sides", [(17, 23), (9, 8, 11)])
def test_a_skeleton_without_pooling_is_the_same(sides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    maps = torch.rand(2, 3, *sides, requires_grad=True)
    found, wanted = repeatable_skeleton(maps, 4), skeleton(maps, 4)
    assert torch.equal(found, wanted)
    slopes = [torch.autograd.grad((each**2).sum(), maps)[0] for each in (found, wanted)]
    torch.testing.assert_close(*slopes)


def test_a_broken_vessel_is_worse_than_a_thin_one() -> None:
    """Of the same Dice: a vessel of 3 pixels, a third of which is missing, or one side of it not seen."""
    truth = torch.zeros(1, 1, 24, 48)
    truth[..., 10:13, :] = 1
    thin, broken = truth.clone(), truth.clone()
    thin[..., 10, :] = 0
    broken[..., 10:13, 4:20] = 0
    losses = [
        SegmentationLoss({"dice": 1.0, "cldice": 1.0}, sigmoid=True)(20 * (2 * each - 1), truth)
        for each in (thin, broken)
    ]
    assert float(losses[0]["dice"]) == pytest.approx(float(losses[1]["dice"]), abs=1e-5)
    assert float(losses[1]["cldice"]) > float(losses[0]["cldice"]) + 0.1


def test_distances_are_zero_where_there_is_no_boundary() -> None:
    truth = torch.zeros(1, 3, 5, 5)
    truth[:, 1], truth[:, 2, :, 3:] = 1, 1
    found = signed_distances(truth)
    assert not found[:, :2].any() and found[0, 2, 0].tolist() == [3, 2, 1, 0, -1]
