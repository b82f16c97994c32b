"""Risk-coverage curves against the definition, written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from ganatomy.metrics.calibration.risk_coverage import DoubtBins, risk_coverage


def area(losses: np.ndarray) -> float:
    """AURC by its definition: losses in the order in which they are covered."""
    return float(np.mean([losses[: k + 1].mean() for k in range(len(losses))]))


def test_the_area_is_the_mean_of_all_selective_risks() -> None:
    rng = np.random.default_rng(0)
    doubt, loss = rng.random(50), rng.random(50)
    found = risk_coverage(doubt, loss)
    assert found.aurc == pytest.approx(area(loss[np.argsort(doubt)]))
    assert found.excess == pytest.approx(found.aurc - area(np.sort(loss)))
    assert found.coverage[-1] == 1 and found.risk[-1] == pytest.approx(loss.mean())
    assert found.at(0.5) == pytest.approx(loss[np.argsort(doubt)][:25].mean())


def test_ties_have_the_mean_over_their_orders() -> None:
    doubt, loss = np.array([1, 2, 2, 2, 3, 3.0]), np.array([0.1, 0.9, 0.0, 0.4, 0.2, 0.7])
    orders = [(0, *a, *b) for a in permutations((1, 2, 3)) for b in permutations((4, 5))]
    wanted = np.mean([area(loss[list(order)]) for order in orders])
    assert risk_coverage(doubt, loss).aurc == pytest.approx(wanted)


def test_doubt_that_knows_the_errors_has_no_excess_and_blind_doubt_the_mean_loss() -> None:
    loss = np.random.default_rng(1).random(40)
    assert risk_coverage(loss**2, loss).excess == pytest.approx(0, abs=1e-12)
    assert risk_coverage(np.zeros(40), loss).aurc == pytest.approx(loss.mean())
    assert risk_coverage(-loss, loss).aurc > risk_coverage(np.zeros(40), loss).aurc


def test_counts_stand_for_so_many_answers() -> None:
    doubt, loss, count = [0.1, 0.5, 0.9], [0.0, 1.0, 0.0], [4, 3, 2]
    many = np.repeat(doubt, count), np.repeat(loss, count)
    ours, theirs = risk_coverage(doubt, loss, count), risk_coverage(*many)
    assert ours.aurc == pytest.approx(theirs.aurc) and ours.excess == pytest.approx(theirs.excess)


def test_pixels_in_bins_come_near_pixels_one_by_one() -> None:
    rng = np.random.default_rng(2)
    doubt = rng.random(20_000)
    wrong = rng.random(20_000) < doubt / 2
    bins = DoubtBins()
    for part in np.array_split(np.arange(20_000), 3):
        bins.update(doubt[part], wrong[part])
    exact = risk_coverage(doubt, wrong)
    assert bins.curve().aurc == pytest.approx(exact.aurc, abs=2e-4)
    assert bins.curve().excess == pytest.approx(exact.excess, abs=2e-4)
    edge = DoubtBins(highest=0.5)
    edge.update([0.5, 0.0], [True, False])
    assert edge.curve().risk.tolist() == [0.0, 0.5]


def test_an_undefined_loss_is_left_out_and_an_undefined_doubt_is_refused() -> None:
    assert (
        risk_coverage([0.1, 0.2, 0.3], [0.5, np.nan, 0.1]).aurc == risk_coverage([0.1, 0.3], [0.5, 0.1]).aurc
    )
    with pytest.raises(ValueError, match="doubt: 1 of 2"):
        risk_coverage([0.1, np.nan], [0.5, 0.1])
    with pytest.raises(ValueError, match="one for each"):
        risk_coverage([0.1], [0.5, 0.1])
    assert np.isnan(risk_coverage([], []).aurc) and np.isnan(risk_coverage([], []).at(0.5))
