"""Which images are kept: the same ones whatever the order, the batches and the processes."""

from __future__ import annotations

import pytest
import torch

from ganatomy.metrics.synthesis.pool import ImagePool

NAMES = [f"subject_{i} {i % 3}" for i in range(30)]
REAL = torch.arange(30.0)[:, None, None, None].expand(-1, 1, 2, 3).contiguous()


def filled(pool: ImagePool, order: list[int], size: int) -> ImagePool:
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        pool.update([NAMES[i] for i in rows], REAL[rows], -REAL[rows])
    return pool


def test_order_and_batches_change_nothing_and_memory_is_bounded() -> None:
    forwards, backwards = (
        filled(ImagePool(8), order, size) for order, size in (([*range(30)], 3), ([*range(29, -1, -1)], 7))
    )
    (real, fake), (real_too, fake_too) = forwards.compute(), backwards.compute()
    assert torch.equal(real, real_too) and torch.equal(fake, fake_too) and torch.equal(fake, -real)
    assert real.shape == (8, 1, 2, 3) and len(real.flatten(1)[:, 0].unique()) == 8
    assert sum(len(part) for part in forwards.fake) <= 10 * 6


def test_an_image_that_comes_twice_counts_once() -> None:
    pool = filled(filled(ImagePool(100), [*range(30)], 4), [3, 4, 5], 3)
    assert sorted(pool.compute()[0][:, 0, 0, 0].tolist()) == list(range(30))


def test_two_processes_keep_what_one_does() -> None:
    """The states of two, joined as torchmetrics joins them; a third has nothing."""
    parts = [filled(ImagePool(8), [*range(17)], 5), filled(ImagePool(8), [*range(17, 30)], 5)]
    joined = ImagePool(8)
    for name in ("keys", "shapes", "real", "fake"):
        setattr(
            joined, name, torch.cat([*(torch.cat(getattr(part, name)) for part in parts), torch.empty(0)])
        )
    assert torch.equal(joined.compute()[0], filled(ImagePool(8), [*range(30)], 30).compute()[0])


def test_one_shape_for_all() -> None:
    with pytest.raises(ValueError, match=r"an image of \(1, 3, 3\) among those of \(1, 2, 3\)"):
        filled(ImagePool(8), [0], 1).update(["other"], torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3))


def test_nothing_in_nothing_out() -> None:
    real, fake = ImagePool(4).compute()
    assert len(real) == len(fake) == 0
