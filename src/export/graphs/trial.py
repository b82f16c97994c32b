"""Inputs on which an exported network is compared with torch, and the sides that a network takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph

STEPS = (1, 2, 4, 8, 16, 32)
"""Multiples that are tried: by which the sides of an image may grow."""
COARSE = 8
"""Pixels of a cell of the coarse noise in made-up images."""
BATCHES = (2, 1, 3)
"""Images in each made-up batch, so that another batch size is tried too."""

Inputs = tuple[Tensor, ...]


def step_of(graph: Graph) -> int:
    """Return by what multiple the sides may differ from those of training; 0 if they may not.

    The network is run on larger images, one step after another, until it answers with the sides that it
    should.
    """
    if graph.one_size:
        return 0
    before = _per_side(graph, graph.sides)
    for step in STEPS:
        larger = tuple(side + step for side in graph.sides)
        try:
            after = _per_side(graph, larger)
        except Exception:
            continue
        if all(
            abs(a * s - b * w) <= b for a, b, s, w in zip(after, before, graph.sides, larger, strict=True)
        ):
            return step
    return 0


def _per_side(graph: Graph, sides: Sequence[int]) -> tuple[int, ...]:
    """Return the sides of the first result for an image of these sides."""
    return tuple(graph(torch.zeros(1, graph.channels, *sides))[0].shape[2:])


def sides_words(graph: Graph, step: int) -> str:
    """Return which sides images may have, in words."""
    known = "x".join(map(str, graph.sides))
    if step == 0:
        return f"images of {known} only"
    return (
        "images of any sides"
        if step == 1
        else f"images of {known}, or of sides that differ by multiples of {step}"
    )


def sizes_of(graph: Graph, step: int) -> list[tuple[int, ...]]:
    """Return three sizes, no two alike, or three times the only one."""
    first = list(graph.sides)
    one, two = first.copy(), first.copy()
    one[0] += step
    two[-1] += 3 * step
    two[0] += 2 * step
    return [tuple(first), tuple(one), tuple(two)]


def made_up(graph: Graph, step: int, classes: int = 0, masks: int = 0, unit: bool = False) -> list[Inputs]:
    """Return seeded inputs in the shape of training data: three sizes, or three batches of one size.

    Args:
        graph: The network.
        step: What `step_of` returns.
        classes: Number of classes, if the network takes one.
        masks: Number of label map classes, if the network takes a label map.
        unit: True if intensities lie between 0 and 1; else they have mean 0 and deviation 1.
    """
    draw = torch.Generator().manual_seed(0)
    batches: list[Inputs] = []
    for rows, sides in zip(BATCHES, sizes_of(graph, step), strict=True):
        if graph.channels:
            batches.append((image(rows, graph.channels, sides, unit, draw),))
            continue
        latent = int(graph.inputs["noise"].split()[1].rstrip("],"))
        arguments = [torch.randn(rows, latent, generator=draw)]
        if classes:
            arguments.append(torch.randint(classes, (rows,), generator=draw))
        if masks:
            regions = image(rows, masks, sides, unit, draw).argmax(1)
            arguments.append(F.one_hot(regions, masks).movedim(-1, 1).float())
        batches.append(tuple(arguments))
    return batches


def image(rows: int, channels: int, sides: Sequence[int], unit: bool, draw: torch.Generator) -> Tensor:
    """Return images of coarse and fine noise, [rows, channels, *sides].

    Args:
        rows: Number of images.
        channels: Channels of each.
        sides: Sides of each.
        unit: Between 0 and 1; else of mean 0 and deviation 1.
        draw: Generator of the noise.
    """
    cells = [-(-side // COARSE) + 1 for side in sides]
    coarse = torch.randn(rows, channels, *cells, generator=draw)
    mode = "bilinear" if len(sides) == 2 else "trilinear"
    values = F.interpolate(coarse, size=list(sides), mode=mode, align_corners=True)
    values = values + 0.1 * torch.randn(rows, channels, *sides, generator=draw)
    flat = values.flatten(1)
    shape = (-1, *[1] * (values.dim() - 1))
    if unit:
        low, high = flat.amin(1).view(shape), flat.amax(1).view(shape)
        return (values - low) / (high - low)
    return (values - flat.mean(1).view(shape)) / flat.std(1).view(shape)


def suited(images: Tensor, graph: Graph, step: int) -> Tensor:
    """Return images cut or padded about their middle to sides that the network takes.

    Args:
        images: [B, C, *sides].
        graph: The network.
        step: What `step_of` returns.
    """
    for axis, wanted in enumerate(_wanted(images.shape[2:], graph.sides, step), start=2):
        side = images.shape[axis]
        first = (side - wanted) // 2
        index = (torch.arange(wanted) + first).clamp(0, side - 1)
        images = images.index_select(axis, index)
    return images


def _wanted(given: Sequence[int], sides: Sequence[int], step: int) -> Iterator[int]:
    for side, known in zip(given, sides, strict=True):
        yield known if step == 0 or side < known else known + (side - known) // step * step
