"""Who is trained on, who validates, who tests."""

from __future__ import annotations

from collections.abc import Sequence

from src.errors import UserError


def shares(n: int, parts: Sequence[float]) -> tuple[int, int, int]:
    """Counts of train, val and test among `n`, in proportion to `parts`; no part above zero gets nobody.

    The remainder is trained on: (16, 4, 4) of 24 is 16/4/4, of 6 is 4/1/1.
    """
    if len(parts) != 3 or min(parts) < 0 or parts[0] <= 0:
        raise UserError(f"data.split={list(parts)}: give three shares, train, val and test, e.g. [16,4,4]")
    val, test = (max(1, round(n * part / sum(parts))) if part else 0 for part in parts[1:])
    if n - val - test < 1:
        raise UserError(
            f"data.split={list(parts)}: {n} subjects leave nobody to train on; give more subjects"
        )
    return n - val - test, val, test
