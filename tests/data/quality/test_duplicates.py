"""Near-duplicates are found between groups, as comparing all with all would; and what `check` counts."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ganatomy.data.label_values import classes, counts
from ganatomy.data.quality.duplicates import CORRELATION, correlation, fingerprint, pairs


@pytest.mark.parametrize("groups", [1, 3, 60])
def test_pairs_are_those_of_a_comparison_of_all_with_all(groups):
    rng = np.random.default_rng(0)
    scenes = rng.random((12, 1, 40, 40))
    images = [scenes[n % 12] + rng.random((1, 40, 40)) * 0.03 * (n % 7) for n in range(60)]
    prints = [fingerprint(image.astype(np.float32)) for image in images]
    names = [str(n) for n in rng.permutation(60) % groups]
    expected = [
        (i, j, pytest.approx(correlation(prints[i].picture, prints[j].picture)))
        for i, j in combinations(range(60), 2)
        if names[i] != names[j]
        and (prints[i].bits != prints[j].bits).sum() <= 16
        and correlation(prints[i].picture, prints[j].picture) >= CORRELATION
    ]
    assert list(pairs(prints, names)) == expected
    assert (len(expected) > 50) == (groups > 1)


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_labels_are_counted(kind):
    label = np.array([[[7, 0, 0], [200 if kind == np.uint8 else -1, 7, 7]]], kind)
    other = 200 if kind == np.uint8 else -1
    assert counts(label) == {0: 2, 7: 3, other: 1}
    assert classes(label) == ([7, 200] if kind == np.uint8 else [7])
