"""Losses against their papers' formulas written out in numpy, and against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from ganatomy.adversarial import LOSSES, DiscriminatorOutput, read_output
from ganatomy.adversarial.losses.features import feature_matching
from ganatomy.errors import UserError

RNG = np.random.default_rng(0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def bce(logits: np.ndarray, target: float) -> float:
    p = sigmoid(logits)
    return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean())


FORMULAS: dict[str, tuple[Callable[..., float], Callable[..., float]]] = {
    "non_saturating": (lambda r, f: bce(r, 1) + bce(f, 0), lambda r, f: bce(f, 1)),
    "minimax": (lambda r, f: bce(r, 1) + bce(f, 0), lambda r, f: -bce(f, 0)),
    "least_squares": (
        lambda r, f: 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean(),
        lambda r, f: 0.5 * ((f - 1) ** 2).mean(),
    ),
    "hinge": (
        lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
        lambda r, f: -f.mean(),
    ),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "relativistic_paired": (lambda r, f: bce(r - f, 1), lambda r, f: bce(f - r, 1)),
    "relativistic_average": (
        lambda r, f: bce(r - f.mean(), 1) + bce(f - r.mean(), 0),
        lambda r, f: bce(f - r.mean(), 1) + bce(r - f.mean(), 0),
    ),
}


def output_of(*maps: np.ndarray) -> DiscriminatorOutput:
    return DiscriminatorOutput([torch.tensor(m) for m in maps], [[] for _ in maps])


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 1, 4, 3), (6, 1, 2, 3, 2)])
@pytest.mark.parametrize("loss", FORMULAS)
def test_pairs_equal_their_formulas(loss: str, shape: tuple[int, ...]) -> None:
    r, f = 3 * RNG.normal(size=shape), 3 * RNG.normal(size=shape)
    for player, formula in zip(("discriminator", "generator"), FORMULAS[loss], strict=True):
        got = getattr(LOSSES[loss](), player)(output_of(r), output_of(f))
        assert got.shape == ()
        assert float(got) == pytest.approx(formula(r, f), rel=1e-12)


@pytest.mark.parametrize("loss", FORMULAS)
def test_scales_count_alike_whatever_their_size(loss: str) -> None:
    maps = [RNG.normal(size=(4, 1, 8, 8)), RNG.normal(size=(4, 1, 2, 2))]
    others = [RNG.normal(size=m.shape) for m in maps]
    for player, formula in zip(("discriminator", "generator"), FORMULAS[loss], strict=True):
        got = getattr(LOSSES[loss](), player)(output_of(*maps), output_of(*others))
        expected = np.mean([formula(r, f) for r, f in zip(maps, others, strict=True)])
        assert float(got) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("loss", FORMULAS)
def test_gradients_equal_finite_differences(loss: str, player: str) -> None:
    r = torch.tensor(RNG.normal(size=(5, 1)), requires_grad=True)
    f = torch.tensor(RNG.normal(size=(5, 1)), requires_grad=True)
    pair = LOSSES[loss]()

    def value(r: Tensor, f: Tensor) -> Tensor:
        return getattr(pair, player)(DiscriminatorOutput([r], [[]]), DiscriminatorOutput([f], [[]]))

    torch.autograd.gradcheck(value, (r, f), rtol=1e-6)


@pytest.mark.parametrize("loss", ["hinge", "non_saturating", "wasserstein"])
def test_a_generator_far_behind_still_learns(loss: str) -> None:
    f = torch.full((1, 1), -30.0, requires_grad=True)
    LOSSES[loss]().generator(None, DiscriminatorOutput([f], [[]])).backward()
    assert f.grad is not None
    assert float(f.grad) == pytest.approx(-1.0, rel=1e-6)


@pytest.mark.parametrize("loss", FORMULAS)
def test_extreme_logits_stay_finite_in_half_precision(loss: str) -> None:
    r = torch.tensor([[3e4], [-3e4]], dtype=torch.float16, requires_grad=True)
    f = torch.tensor([[-3e4], [3e4]], dtype=torch.float16, requires_grad=True)
    for player in ("discriminator", "generator"):
        value = getattr(LOSSES[loss](), player)(
            DiscriminatorOutput([r], [[]]), DiscriminatorOutput([f], [[]])
        )
        assert value.dtype == torch.float32
        (gradient,) = torch.autograd.grad(value, f)
        assert gradient.isfinite().all()
        assert value.isfinite() or loss == "least_squares"


def layered(*features: float, logits: float) -> DiscriminatorOutput:
    maps = [torch.full((2, 3, 4 - i, 4 - i), value, dtype=torch.float64) for i, value in enumerate(features)]
    return DiscriminatorOutput([torch.full((2, 1, 2, 2), logits, dtype=torch.float64)], [maps])


def test_feature_matching_adds_the_layers_mean_distances() -> None:
    real, fake = layered(1.0, 5.0, logits=9.0), layered(1.5, 3.0, logits=0.0)
    assert float(feature_matching(real, fake)) == pytest.approx(0.5 + 2.0)
    scales = (
        DiscriminatorOutput(real.logits * 2, real.features * 2),
        DiscriminatorOutput(fake.logits * 2, fake.features * 2),
    )
    assert float(feature_matching(*scales)) == pytest.approx(2.5)


def test_feature_matching_leaves_the_real_alone() -> None:
    real, fake = layered(1.0, logits=0.0), layered(2.0, logits=0.0)
    for answer in (real, fake):
        answer.features[0][0].requires_grad_()
    feature_matching(real, fake).backward()
    assert real.features[0][0].grad is None
    assert fake.features[0][0].grad is not None


def test_feature_matching_needs_features() -> None:
    with pytest.raises(UserError, match="feature_matching"):
        feature_matching(output_of(np.zeros((2, 1))), output_of(np.zeros((2, 1))))


def test_multiscale_l1_is_the_mean_distance_over_layers_and_zero_sum() -> None:
    real, fake = layered(1.0, 5.0, logits=9.0), layered(1.5, 3.0, logits=8.0)
    loss = LOSSES["multiscale_l1"]()
    assert float(loss.generator(real, fake)) == pytest.approx((0.5 + 2.0 + 1.0) / 3)
    assert float(loss.discriminator(real, fake)) == -float(loss.generator(real, fake))


def test_verdicts_of_every_form() -> None:
    a, b, c = torch.zeros(2, 1), torch.ones(2, 3), torch.ones(2, 4)
    assert read_output(a) == DiscriminatorOutput([a], [[]])
    assert read_output([b, c, a]) == DiscriminatorOutput([a], [[b, c]])
    assert read_output(([a, a], [[b], [c]])) == DiscriminatorOutput([a, a], [[b], [c]])
    with pytest.raises(UserError, match="discriminator"):
        read_output({"logits": a})


def test_a_score_is_a_sample_s_mean_over_map_and_scales() -> None:
    maps = [torch.arange(8.0).reshape(2, 1, 2, 2), torch.tensor([[10.0], [20.0]])]
    expected = torch.tensor([(1.5 + 10) / 2, (5.5 + 20) / 2])
    torch.testing.assert_close(DiscriminatorOutput(maps, [[], []]).score(), expected)
