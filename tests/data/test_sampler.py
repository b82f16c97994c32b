"""Order: a function of (seed, epoch), the same from any start and for any number of processes."""

from __future__ import annotations

from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganatomy.data.sampler import EndlessSampler, item_seed, order, shares

sizes = st.integers(1, 40)


def take(stream: EndlessSampler, n: int) -> list[list[tuple[int, int]]]:
    return list(islice(stream, n))


@given(n=sizes, batch=sizes, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_every_epoch_is_its_permutation(n, batch, seed):
    places = list(chain.from_iterable(take(EndlessSampler(n, batch, seed), -(-3 * n // batch))))
    for epoch in range(3):
        indices = [index for e, index in places[epoch * n : (epoch + 1) * n] if e == epoch]
        assert indices == np.random.default_rng([seed, epoch]).permutation(n).tolist()


@given(n=sizes, batch=sizes, start=st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_a_later_start_is_the_tail(n, batch, start):
    assert take(EndlessSampler(n, batch, 7, start), 5) == take(EndlessSampler(n, batch, 7), start + 5)[start:]


@given(n=sizes, more=st.integers(0, 5), world=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_processes_together_read_the_global_batch(n, more, world):
    size = world + more
    ranks = [take(EndlessSampler(n, size, 7, 2, rank, world), 4) for rank in range(world)]
    assert [list(chain(*parts)) for parts in zip(*ranks, strict=True)] == take(
        EndlessSampler(n, size, 7, 2), 4
    )


@given(more=st.integers(0, 9), pieces=st.integers(1, 3), world=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_a_piece_holds_the_same_rows_however_many_processes_there_are(more, pieces, world):
    size = world * pieces + more
    ranks = [shares(size, pieces, rank, world) for rank in range(world)]
    alone = shares(size, pieces, 0, 1)
    for piece, parts in zip(alone, zip(*ranks, strict=True), strict=True):
        assert [row for part in parts for row in part.rows] == list(piece.rows) == list(piece.piece)
        assert all(part.piece == piece.piece for part in parts)
        sizes = [len(part.rows) for part in parts]
        assert min(sizes) > 0 and max(sizes) - min(sizes) <= 1


def test_seeds_and_epochs_differ():
    assert not np.array_equal(order(50, 0, 0), order(50, 1, 0))
    assert not np.array_equal(order(50, 0, 0), order(50, 0, 1))
    seeds = {item_seed(s, e, i) for s in range(5) for e in range(5) for i in range(40)}
    assert len(seeds) == 1000


def test_nobody_goes_without():
    with pytest.raises(ValueError, match="5: too few for 3 processes in 2 pieces; give at least 6"):
        EndlessSampler(10, 5, 0, world_size=3, pieces=2)
