"""Doubt from streams of members against scipy and numpy over all of them at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from torch import Tensor

from ganatomy.inference.ensembles.doubt import Averaging, Moments, case_doubt, entropy
from ganatomy.tasks.soft import SoftKind, each_part, parts_of


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


def members(count: int, *shape: int, kind: SoftKind = "classes") -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    logits = [3 * torch.randn(*shape, generator=draw) for _ in range(count)]
    return [each.softmax(1) if kind == "classes" else each.sigmoid() for each in logits]


def averaged(kind: SoftKind, each: list[Any], doubted: int = 0) -> Averaging:
    found = Averaging(kind, doubted)
    for member in each:
        found.add(member)
    return found


def test_moments_are_those_of_all_members_at_once() -> None:
    """Also where the mean is far above the spread, which a sum of squares would lose."""
    for offset in (0.0, 1e4):
        values = offset + np.random.default_rng(0).normal(size=(7, 4, 5)).astype(np.float32)
        moments = Moments()
        for each in values:
            moments.add(torch.from_numpy(each))
        assert np.allclose(moments.mean, values.mean(0), rtol=1e-6, atol=1e-5)
        assert np.allclose(moments.variance, values.astype(np.float64).var(0), rtol=2e-3)


def test_entropy_is_that_of_scipy_and_splits_into_two_parts() -> None:
    each = members(4, 2, 3, 6, 5)
    found = averaged("classes", each).maps()
    stacked = torch.stack(each).double().numpy()
    whole = scipy_entropy(stacked.mean(0), axis=1)
    own = scipy_entropy(stacked, axis=2).mean(0)
    assert np.allclose(found["entropy"], whole, atol=1e-6)
    assert np.allclose(found["mutual_information"], whole - own, atol=1e-6)
    assert np.allclose(found["variance"], stacked.var(0).sum(1), atol=1e-6)
    kullback = scipy_entropy(stacked, stacked.mean(0)[None], axis=2).mean(0)  # the same, as a divergence
    assert np.allclose(found["mutual_information"], kullback, atol=1e-6)


def test_presence_is_the_most_doubtful_of_the_things() -> None:
    each = members(3, 2, 4, 6, 5, kind="presence")
    found = averaged("presence", each).maps()
    p = torch.stack(each).double().numpy()
    binary = scipy_entropy(np.stack([p.mean(0), 1 - p.mean(0)]), axis=0)
    assert np.allclose(found["entropy"], binary.max(1), atol=1e-6)
    assert np.allclose(found["variance"], p.var(0).max(1), atol=1e-6)


def test_certainty_has_no_entropy() -> None:
    sure = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    found = averaged("classes", [sure, sure]).maps()
    assert all(float(each) == 0 for each in found.values())
    assert float(entropy(torch.full((1, 3, 1, 1), 1 / 3))) == pytest.approx(np.log(3))


def test_deviation_is_in_the_units_of_the_scale() -> None:
    each = [10 * torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(n)) for n in range(5)]
    scale = torch.tensor([2.0, 3.0]).reshape(1, 2, 1, 1)
    found = averaged("values", each).maps(scale)["deviation"]
    assert np.allclose(found, torch.stack(each).numpy().std(0) * scale.numpy(), rtol=1e-4)


def test_one_member_is_itself_bit_by_bit_and_has_no_disagreement() -> None:
    (one,) = members(1, 1, 3, 4, 4)
    alone = averaged("classes", [Pair(one, one[:, 0, 0, 0])])
    assert all(torch.equal(a, b) for a, b in zip(alone.mean(), (one, one[:, 0, 0, 0]), strict=True))
    assert isinstance(alone.mean(), Pair) and set(alone.maps()) == {"entropy"}
    assert averaged("values", [one]).maps() == {}


def test_the_part_that_is_doubted_is_the_named_one() -> None:
    each = [Pair(torch.zeros(1, 1, 3, 3), torch.full((1, 3, 3), float(n))) for n in range(3)]
    assert averaged("values", each, doubted=1).maps()["deviation"].mean() == pytest.approx((2 / 3) ** 0.5)


def test_the_number_of_a_case_does_not_count_the_background() -> None:
    """The same lesion in twice the background: the same doubt."""
    lesion = torch.full((1, 2, 4, 4), 0.5)
    sure = torch.tensor([0.999, 0.001]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    numbers = []
    for background in (1, 2):
        found = averaged("classes", [torch.cat([lesion, *[sure] * background], 2)])
        numbers.append(case_doubt(found.maps(), found.in_question())["entropy"])
    assert numbers[0] == numbers[1] == pytest.approx(np.log(2))
    nothing = averaged("classes", [sure])
    assert case_doubt(nothing.maps(), nothing.in_question()) == {"entropy": 0.0}


def test_parts_keep_their_form() -> None:
    pair = Pair(torch.ones(2), torch.zeros(2))
    assert isinstance(each_part(pair, torch.neg), Pair) and len(parts_of(pair[0])) == 1
