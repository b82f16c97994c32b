"""Ways between two numbered images."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganatomy.generate.maker import on_the_way
from ganatomy.generate.request import Way
from ganatomy.tasks.shared.fixed_noise import fixed_noise
from tests.generate.conftest import files

Drawn = Callable[..., Path]
Finished = Callable[[str], Path]


def test_a_way_begins_and_ends_with_the_images_of_these_numbers(finished: Finished, drawn: Drawn) -> None:
    run = finished("plain")
    numbered, where = files(drawn(run, "numbered", n=5)), drawn(run, from_=5, to=2, steps=6)
    way = files(where)
    assert way["images/0001.png"] == numbered["images/0005.png"]
    assert way["images/0006.png"] == numbered["images/0002.png"]
    pixels = [np.asarray(Image.open(where / f"images/000{n}.png"), float) for n in range(1, 7)]
    whole = np.abs(pixels[-1] - pixels[0]).mean()
    assert 0 < max(np.abs(b - a).mean() for a, b in pairwise(pixels)) < whole
    shares = [float(row["share"]) for row in csv.DictReader((where / "index.csv").open())]
    np.testing.assert_allclose(shares, np.linspace(0, 1, 6), atol=1e-6)
    assert Image.open(where / "way.gif").n_frames == 10, "there and back"


def test_noise_on_the_way_is_as_long_as_noise() -> None:
    """The arc between unit vectors at a right angle: cos and sin, whatever the library."""
    ends = {3: torch.tensor([2.0, 0.0]), 7: torch.tensor([0.0, 2.0])}
    noise = on_the_way(ends.__getitem__, Way(3, 7, 5))
    for n in range(1, 6):
        angle = (n - 1) / 4 * np.pi / 2
        np.testing.assert_allclose(noise(n), [2 * np.cos(angle), 2 * np.sin(angle)], atol=1e-6)
    many = {n: fixed_noise(0, f"synthetic {n}", 50) for n in (3, 7)}
    noise = on_the_way(many.__getitem__, Way(3, 7, 5))
    assert torch.equal(noise(1), many[3]) and torch.equal(noise(5), many[7]), "to the last bit"


def test_a_way_keeps_one_class(finished: Finished, drawn: Drawn) -> None:
    where = drawn(finished("kinds"), from_=2, to=6, steps=3)
    assert [row["kind"] for row in csv.DictReader((where / "index.csv").open())] == ["dark"] * 3
