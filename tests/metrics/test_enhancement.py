"""Scores per case: means over cases, one row a case, the same over processes and orders."""

from __future__ import annotations

import math

import pytest
import torch

from ganatomy.metrics.case_metric import NAME_BYTES
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.enhancement import SCORES, score_case


def table(cases: dict[str, tuple[float, float]]) -> CaseTable:
    made = CaseTable(("psnr", "ssim"))
    for case, (psnr, ssim) in cases.items():
        made.update(case, {"psnr": psnr, "ssim": ssim})
    return made


CASES = {"b": (20.0, 0.5), "a": (30.0, float("nan")), "c": (40.0, 0.75)}


def test_means_leave_out_what_cannot_be_measured() -> None:
    made = table(CASES)
    assert {k: float(v) for k, v in made.compute().items()} == {"psnr": 30.0, "ssim": 0.625}
    assert [row["case"] for row in made.per_case()] == ["a", "b", "c"]
    assert made.per_case()[1] == {"case": "b", "psnr": 20.0, "ssim": 0.5}
    made.reset()
    assert made.per_case() == []


def test_two_processes_give_what_one_gives() -> None:
    """Their states laid end to end, in any order; the case "a" reached both."""
    shares = [table(dict(list(CASES.items())[part])) for part in (slice(1, 3), slice(0, 2))]
    gathered = CaseTable(("psnr", "ssim"))
    for share in shares:
        gathered.names += share.names  # type: ignore[operator]
        gathered.rows += share.rows  # type: ignore[operator]
    assert [row["case"] for row in gathered.per_case()] == ["a", "b", "c"]
    gathered.update("a", {"psnr": 30.0, "ssim": float("nan")})
    assert gathered.compute() == table(CASES).compute()


def test_a_long_name_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{NAME_BYTES + 1} bytes"):
        table({"x" * (NAME_BYTES + 1): (1, 1)})


def test_a_case_has_every_score() -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.rand(3, 1, 32, 32, generator=rng) * 200
    ours = truth + 5
    scores = score_case(ours, truth)
    assert tuple(scores) == SCORES and scores["mae"] == pytest.approx(5, abs=1e-4)
    fixed = score_case(ours, truth, data_range=255.0)
    assert fixed["psnr"] == pytest.approx(20 * torch.log10(torch.tensor(255 / 5.0)).item(), abs=1e-4)
    assert scores["psnr"] == pytest.approx(fixed["psnr"], abs=2.2) and scores["psnr"] < fixed["psnr"]


@pytest.mark.parametrize("sides", [(1, 16), (16, 1), (1, 1), (5, 1, 16)])
def test_images_of_one_row_have_scores(sides: tuple[int, ...]) -> None:
    """Of texture those that such an image can have: no tile of 8 pixels fits."""
    draw = torch.Generator().manual_seed(0)
    truth, ours = (torch.rand(1, 1, *sides, generator=draw) for _ in range(2))
    scores = score_case(ours, truth, data_range=1.0)
    assert all(math.isfinite(scores[name]) for name in ("psnr", "ssim", "mae"))
    assert math.isnan(scores["nps_distance"]) and math.isnan(scores["flat_deviation"])
    assert math.isfinite(scores["edge_gradient"]) == (len(set(sides)) > 1)


def test_what_cannot_be_scored_is_said() -> None:
    truth = torch.rand(1, 1, 16, 16)
    with pytest.raises(ValueError, match="differ in shape"):
        score_case(truth[..., :8], truth)
    with pytest.raises(ValueError, match="diverged"):
        score_case(truth / 0, truth)
