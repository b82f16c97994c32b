"""Order: a function of (seed, epoch), the same from any start and for any number of processes."""

from __future__ import annotations

from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.sampler import Stream, item_seed, order

sizes = st.integers(1, 40)


def take(stream: Stream, n: int) -> list[list[tuple[int, int]]]:
    return list(islice(stream, n))


@given(n=sizes, batch=sizes, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_every_epoch_is_its_permutation(n, batch, seed):
    places = list(chain.from_iterable(take(Stream(n, batch, seed), -(-3 * n // batch))))
    for epoch in range(3):
        indices = [index for e, index in places[epoch * n : (epoch + 1) * n] if e == epoch]
        assert indices == np.random.default_rng([seed, epoch]).permutation(n).tolist()


@given(n=sizes, batch=sizes, start=st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_a_later_start_is_the_tail(n, batch, start):
    assert take(Stream(n, batch, 7, start), 5) == take(Stream(n, batch, 7), start + 5)[start:]


@given(n=sizes, share=st.integers(1, 5), world=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_processes_together_read_the_global_batch(n, share, world):
    ranks = [take(Stream(n, share * world, 7, 2, rank, world), 4) for rank in range(world)]
    assert [list(chain(*parts)) for parts in zip(*ranks, strict=True)] == take(
        Stream(n, share * world, 7, 2), 4
    )


def test_seeds_and_epochs_differ():
    assert not np.array_equal(order(50, 0, 0), order(50, 1, 0))
    assert not np.array_equal(order(50, 0, 0), order(50, 0, 1))
    seeds = {item_seed(s, e, i) for s in range(5) for e in range(5) for i in range(40)}
    assert len(seeds) == 1000


def test_shares_must_be_equal():
    with pytest.raises(ValueError, match="shared out"):
        Stream(10, 3, 0, world_size=2)
