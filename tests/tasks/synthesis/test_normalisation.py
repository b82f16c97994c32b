"""What players of synthesis see does not depend on the data's units."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganatomy.tasks.synthesis import normalisation
from ganatomy.tasks.synthesis.normalisation import Normalisation, normalisation_of, resolve_normalisation


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Any:
    images = 100 + 40 * torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(
        normalisation, "sample_training_images", lambda data, max_images: images * data.factor
    )
    return lambda factor: SimpleNamespace(factor=factor, images=images * factor)


@pytest.mark.parametrize("factor", [1.0, 1e-3])
def test_training_images_are_seen_with_mean_0_and_deviation_a_half(data: Any, factor: float) -> None:
    of = normalisation_of(data(factor))
    seen = of.normalise(data(factor).images)
    assert seen.mean() == pytest.approx(0, abs=1e-5) and seen.std() == pytest.approx(0.5, rel=1e-4)
    torch.testing.assert_close(of.denormalise(seen), data(factor).images)
    torch.testing.assert_close(
        seen, normalisation_of(data(1.0)).normalise(data(1.0).images), rtol=1e-4, atol=1e-5
    )


def test_what_is_given_stays(data: Any) -> None:
    found = resolve_normalisation({"offset": None, "scale": 2.0, "max_images": 3}, data(1.0))
    assert (
        found["scale"] == 2.0 and found["max_images"] == 3 and found["offset"] == pytest.approx(100, rel=0.02)
    )
    given = {"offset": 0.0, "scale": 1.0}
    assert resolve_normalisation(given, None) == given


def test_equal_images_keep_their_scale(data: Any) -> None:
    assert normalisation_of(data(0.0)) == Normalisation(0.0, 1.0)
