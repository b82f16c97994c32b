#!/usr/bin/env bash
# Seeds of several numbers that differ by zeros at the end give one and the same random stream in NumPy.
#
# One would guess: default_rng([seed, epoch]) and default_rng([seed, epoch, item]) are unrelated streams for every item, as every other
#   pair of different lists is; that is what lists are for.
# What happens: the list is padded with zeros to a pool of four words, so [5], [5, 0] and [5, 0, 0] are equal, and [7, 3] is [7, 3, 0].
#   From the fifth word on every zero counts. Zeros in front always do.
# Why it matters: the order of an epoch and the augmentation of item 0 of it, or the run with seed 5 and worker 0 of seed 5, are drawn
#   from the same numbers: what should be independent is not, for index 0 alone, which is where nobody looks.
# Versions: numpy 2.4.6.
# This project: streams of a further purpose put a constant in front of their numbers (ganatomy.data.sides).
# Exit code: 0 it is still so, 1 it changed, 2 the package could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install numpy==2.4.6; } || exit 2
"$T/venv/bin/python" - <<'PY'
import sys

from numpy.random import default_rng


def same(one: list[int], other: list[int]) -> bool:
    return bool((default_rng(one).integers(2**63, size=8) == default_rng(other).integers(2**63, size=8)).all())


behind, item, front = same([5], [5, 0, 0]), same([7, 3], [7, 3, 0]), same([5], [0, 5])
fifth = same([1, 2, 3, 4], [1, 2, 3, 4, 0])
print("expected: different streams; seen:")
print(f"  [5] and [5, 0, 0]: {'equal' if behind else 'different'}")
print(f"  [7, 3] and [7, 3, 0]: {'equal' if item else 'different'}; [7, 3] and [7, 3, 1]: "
      f"{'equal' if same([7, 3], [7, 3, 1]) else 'different'}")
print(f"  [5] and [0, 5]: {'equal' if front else 'different'}; [1, 2, 3, 4] and [1, 2, 3, 4, 0]: {'equal' if fifth else 'different'}")
sys.exit(not (behind and item and not front and not fifth))
PY
