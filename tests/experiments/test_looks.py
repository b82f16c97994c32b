"""Verdicts over several looks: shares by hand, and the error over whole sequences of simulated studies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ganatomy.errors import UserError
from ganatomy.experiments.claims.claims import Claim, Look, Verdict, decide, parse
from ganatomy.experiments.looks import Looks, schedule
from ganatomy.metrics.differences.statistics import LEVEL, Estimate, estimate

STUDIES, MOST, SUBJECTS = 2000, 13, 20
AT = [(parse("a.x > b.x", 0.0), 0.0), (parse("a.y > b.y", 1.0), 1.0), (parse("a.z ~ b.z", 1.0), 1.0)]
"""Claims, and true differences that lie where each changes from wrong to right."""
CLAIMS = [claim for claim, _ in AT]


def differences(design: str, rng: np.random.Generator) -> np.ndarray:
    """[studies, claims, seeds, subjects] of no true difference."""
    shape = (STUDIES, len(AT), MOST, SUBJECTS)
    seeds, subjects = rng.normal(size=(*shape[:3], 1)), rng.normal(size=(*shape[:2], 1, SUBJECTS))
    rest = rng.normal(size=shape)
    if design == "heavy tails":
        seeds, subjects = rng.standard_t(2, seeds.shape), rng.standard_t(3, subjects.shape)
    made = {
        "seeds alone": seeds,
        "subjects alone": subjects + 0.5 * rest,
        "both": 0.3 * seeds + subjects + rest,
        "heavy tails": seeds + subjects + rest,
    }
    return np.asarray(made[design])


def looks_at(tables: np.ndarray, shares: list[float]) -> list[Look]:
    """The looks at a study, of which each has the seeds of the one before and some more."""
    return [
        Look(
            [estimate(table[:seeds] + true) for table, (_, true) in zip(tables, AT, strict=True)],
            [True] * 3,
            share,
            seeds,
        )
        for seeds, share in zip(schedule(3, MOST), shares, strict=True)
    ]


def wrong(words: list[str]) -> np.ndarray:
    """(one claim or more wrongly supported, one or more wrongly not supported)."""
    first, second, third = words
    return np.array(["supported" in (first, third), "not supported" in (first, second, third)])


def told(verdicts: list[Verdict]) -> list[str]:
    return [verdict.word for verdict in verdicts]


@pytest.mark.slow
@pytest.mark.parametrize("design", ["seeds alone", "subjects alone", "both", "heavy tails"])
def test_the_error_holds_over_the_whole_sequence(design: str) -> None:
    """Within chance 2.5 % each way; 5 % if the looks begin only where a verdict without them did not fall."""
    shares = Looks(MOST, tuple(schedule(3, MOST))).shares()
    by_looks, after_verdict = np.zeros(2), np.zeros(2)
    for tables in differences(design, np.random.default_rng(0)):
        looks = looks_at(tables, shares)
        words = told(decide(CLAIMS, looks))
        first = told(decide(CLAIMS, [Look(looks[0].differences, [True] * 3)]))
        by_looks += wrong(words)
        after_verdict += wrong(
            [one if one != "undecided" else other for one, other in zip(first, words, strict=True)]
        )
    chance = 3 * (0.025 * 0.975 / STUDIES) ** 0.5
    assert (by_looks / STUDIES <= 0.025 + chance).all(), by_looks / STUDIES
    assert (after_verdict / STUDIES <= 0.05).all(), after_verdict / STUDIES


@pytest.mark.slow
def test_looks_that_all_spend_the_whole_error_err_too_often() -> None:
    """What the shares prevent: without them these studies would exceed the bound of the test above."""
    found = np.zeros(2)
    for tables in differences("seeds alone", np.random.default_rng(0)):
        found += wrong(told(decide(CLAIMS, looks_at(tables, [1.0] * 5))))
    assert (found / STUDIES > 0.05).all(), found / STUDIES


def test_shares_by_hand() -> None:
    """Cubes of 3, 4, 6, 9 and 13 of 13, each less the one before it."""
    assert schedule(3, 13) == [3, 4, 6, 9, 13] and schedule(3, 4) == [3, 4] and schedule(5, 8) == [5, 6, 8]
    shares = Looks(13, (3, 4, 6, 9, 13)).shares()
    assert shares == pytest.approx([27 / 2197, 37 / 2197, 152 / 2197, 513 / 2197, 1468 / 2197])
    assert sum(shares) == pytest.approx(1)
    assert Looks(13, (3, 4)).ahead(3) == [6, 9, 13] and Looks(13, (3, 4, 6, 9, 13)).ahead(3) == []


def known(mean: float) -> Estimate:
    return Estimate(mean, ((0.01, 1e9),), 5, 50)


def by_looks(claims: list[Claim], *means: list[float | None]) -> list[Verdict]:
    """Verdicts after looks of a quarter, a quarter and half of the error, with standard errors of 0.1."""
    shares = (0.25, 0.25, 0.5)
    looks = [
        Look([None if mean is None else known(mean) for mean in row], [True] * len(row), share, 3 + number)
        for number, (row, share) in enumerate(zip(means, shares, strict=False))
    ]
    return decide(claims, looks)


def test_p_is_divided_by_the_share_and_the_smallest_counts() -> None:
    """0.2242 is 2.242 errors: p = 0.025, of which a look with a quarter of the error makes 0.1."""
    claim = parse("a.x > b.x", 0.0)
    (first,) = by_looks([claim], [0.22414])
    assert first.p == pytest.approx(0.1, rel=1e-3) and first.word == "undecided" and first.looks == (3,)
    assert first.interval[0] == pytest.approx(known(0.22414).interval(LEVEL / 4)[0])
    (second,) = by_looks([claim], [0.22414], [0.1])
    assert second.p == pytest.approx(0.1, rel=1e-3) and second.looks == (3, 4) and second.estimate.mean == 0.1
    (third,) = by_looks([claim], [0.22414], [0.1], [0.22414])
    assert third.p == pytest.approx(0.05, rel=1e-3)


def test_a_decided_claim_stays_and_lifts_the_others() -> None:
    """p = 0.013 in a look with half of the error: 0.026 alone, 0.052 beside a claim that is undecided."""
    claims = [parse("a.x > b.x", 0.0), parse("a.y > b.y", 0.0)]
    decided, other = by_looks(claims, [0.4, 0.0], [None, 0.0], [None, 0.24838])
    assert (decided.word, decided.looks, decided.estimate.mean) == ("supported", (3,), 0.4)
    assert other.word == "supported" and other.p == pytest.approx(0.026, rel=1e-2)
    alone = by_looks(claims, [0.0, 0.0], [None, 0.0], [None, 0.24838])
    assert told(alone) == ["undecided", "undecided"] and alone[1].p == pytest.approx(0.052, rel=1e-2)
    assert told(by_looks(claims, [0.4, 0.0], [-0.9, 0.0])) == ["supported", "undecided"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"max_seeds": 9, "made": []}',
        '{"max_seeds": 9, "made": [4, 3]}',
        '{"max_seeds": 3, "made": [4]}',
        '{"max_seeds": "9", "made": [3]}',
    ],
)
def test_broken_looks_are_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "looks.json").write_text(text)
    with pytest.raises(UserError, match=r"looks.json: is broken .*; restore it"):
        Looks.read(tmp_path)


def test_looks_are_kept(tmp_path: Path) -> None:
    looks = Looks(9, (3,)).after(4)
    looks.write(tmp_path)
    assert Looks.read(tmp_path) == looks
    assert json.loads((tmp_path / "looks.json").read_text()) == {"max_seeds": 9, "made": [3, 4]}
