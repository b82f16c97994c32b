"""Coverage by matrix products against distances one by one: the same decisions, ties and copies too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganatomy.metrics.synthesis import coverage
from ganatomy.metrics.synthesis.coverage import Coverage, density_and_coverage
from ganatomy.metrics.synthesis.kernel import KernelDistance, kernel_distance
from ganatomy.metrics.synthesis.nearest import distances as neighbours


def drawn(rows: int, columns: int = 7, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def plain(fake: Tensor, real: Tensor, k: int = 5) -> tuple[float, float]:
    """The definition, from all distances of float64."""
    fake, real = fake.double(), real.double()
    mode = "donot_use_mm_for_euclid_dist"
    radius = torch.cdist(real, real, compute_mode=mode).kthvalue(k + 1, dim=1, keepdim=True).values
    inside = torch.cdist(real, fake, compute_mode=mode) < radius
    return int(inside.sum()) / (k * len(fake)), int(inside.any(1).sum()) / len(real)


def lattice(rows: int, seed: int) -> Tensor:
    return torch.randint(0, 3, (rows, 4), generator=torch.Generator().manual_seed(seed)).float()


REAL = drawn(90, seed=1)
SETS = {
    "two sets": (drawn(80), REAL),
    "the real set itself": (REAL, REAL),
    "half of it copied": (torch.cat([REAL[:40], drawn(40)]), REAL),
    "copies among the real": (REAL, REAL[torch.arange(90) // 3]),
    "one image many times": (drawn(1).expand(80, -1), torch.cat([REAL[:1].expand(60, -1), REAL[:30]])),
    "constant sets": (torch.ones(20, 3), torch.ones(20, 3)),
    "a lattice": (lattice(120, 0), lattice(90, 1)),
    "far from zero": (drawn(80) * 8 + 2**20, REAL * 8 + 2**20),
    "as large as float32 goes": (drawn(80) * 1e37, REAL * 1e37),
    "as small": (drawn(80) * 1e-37, REAL * 1e-37),
    "one far away": (drawn(80), torch.cat([REAL, torch.full((1, 7), 1e30)])),
    "as few as can be": (drawn(1), REAL[:6]),
}


@pytest.mark.parametrize("rows", [coverage.ROWS, 32])
@pytest.mark.parametrize("name", SETS)
def test_decisions_are_those_of_distances_one_by_one(
    name: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "ROWS", rows)
    fake, real = SETS[name]
    assert density_and_coverage(fake, real) == plain(fake, real)


@pytest.mark.parametrize("many", [0.0, 1.0])
def test_pairs_and_whole_rows_decide_alike(many: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MANY", many)
    monkeypatch.setattr(neighbours, "PAIRS", 20)
    for fake, real in SETS.values():
        assert density_and_coverage(fake, real) == plain(fake, real)


def test_the_product_alone_would_decide_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the set itself a neighbour lies at each radius, and rounding puts it on one side or the other."""
    squares = neighbours._squares
    monkeypatch.setattr(neighbours, "_squares", lambda a, b: (squares(a, b)[0], -1.0))
    assert density_and_coverage(REAL, REAL) != plain(REAL, REAL)


def test_a_real_set_may_be_used_again() -> None:
    again = Coverage(REAL)
    distance = KernelDistance(REAL)
    for seed in range(3):
        fake = drawn(70, seed=seed)
        assert again(fake) == density_and_coverage(fake, REAL)
        assert distance(fake) == kernel_distance(fake, REAL)


def test_the_kernel_distance_is_its_formula() -> None:
    """More rows than a block; sets of two images too."""
    for n, m in ((1100, 700), (2, 3)):
        fake, real = drawn(n).double(), drawn(m, seed=1).double() + 0.2
        kernels = [((a @ b.T / 7 + 1) ** 3) for a, b in ((fake, fake), (real, real), (fake, real))]
        within = [(k.sum() - k.diag().sum()) / (len(k) * (len(k) - 1)) for k in kernels[:2]]
        expected = float(within[0] + within[1] - 2 * kernels[2].mean())
        assert kernel_distance(fake, real) == pytest.approx(expected, rel=1e-8, abs=1e-10)
