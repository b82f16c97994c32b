"""How often chance alone looks like copies."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from ganatomy.metrics.synthesis.memorisation import chance, copied_share, expected_share, suspicious


@pytest.mark.parametrize("count", [5, 20, 50, 100, 200])
def test_images_alike_are_seldom_called_copies(count: int) -> None:
    """And too near as often as expected: fakes and held-out images of one distribution, 2000 times."""
    torch.manual_seed(0)
    draws = torch.rand(2000, 2, count)
    shares = torch.tensor([copied_share(*pair) for pair in draws])
    error = float(shares.std()) / 2000**0.5
    assert float(shares.mean()) == pytest.approx(expected_share(count), abs=4 * error)
    assert sum(suspicious(*pair) is True for pair in draws) <= 8, "2 expected at most"


def test_chance_by_all_ways_to_deal_the_ranks() -> None:
    """Nine ranks to four fakes and five held-out images, the largest of which lies beyond the threshold."""
    ranks = set(range(9))
    deals = [set(deal) for deal in combinations(ranks, 4)]

    def beyond(fakes: set[int]) -> int:
        second = sorted(ranks - fakes)[-2]
        return sum(rank > second for rank in fakes)

    for fakes in deals:
        ours, theirs = (torch.tensor(sorted(dealt), dtype=torch.float) for dealt in (fakes, ranks - fakes))
        near = sum(rank > max(ranks - fakes) for rank in fakes)
        expected = sum(beyond(deal) >= near for deal in deals) / len(deals)
        assert chance(ours, theirs + 0.1) == pytest.approx(expected)


def test_many_near_by_chance_are_no_reassurance() -> None:
    """Five of ten beyond ten held-out images: one is expected, and five may still be chance."""
    held_out = torch.linspace(0, 1, 10)
    for near, finding in ((1, False), (5, None), (10, True)):
        fakes = torch.cat([torch.full((near,), 2.0), torch.zeros(10 - near)])
        assert suspicious(fakes, held_out) is finding, near


@pytest.mark.parametrize(
    ("fakes", "held_out", "told"), [(5, 5, False), (8, 8, True), (30, 2, False), (4, 60, True)]
)
def test_too_few_to_tell(fakes: int, held_out: int, told: bool) -> None:
    found = suspicious(torch.full((fakes,), 2.0), torch.linspace(0, 1, held_out))
    assert found is (True if told else None)
    assert (
        suspicious(torch.empty(0), torch.rand(9)) is None
        and suspicious(torch.rand(9), torch.empty(0)) is None
    )
