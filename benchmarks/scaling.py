"""How throughput should grow from 1 to 64 GPUs, computed: operations of a step, and the ring all-reduce.

Nothing here is measured on a GPU. Operations and parameters are counted on the networks themselves; what the
hardware does is assumed, and named on the page that this writes (docs/scaling.md).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._results import table
from src.core.compose import composed
from src.core.targets import build, fill

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
GPUS = (1, 2, 4, 8, 16, 32, 64)
NODE = 8
PEAK, SHARE = 312e12, 0.30
WITHIN, BETWEEN = 250e9, 20e9
LATENCY = {"within": 10e-6, "between": 30e-6}
CALL = 0.3e-3
STARTING = 6e-3
CARD = 80e9


@dataclass
class Model:
    """words: its configuration. size: of an image. each: images a GPU."""

    name: str
    words: list[str]
    size: tuple[int, ...]
    each: int


MODELS = [
    Model("small", ["task=synthesis", "model=fast"], (64, 64), 32),
    Model("middle", ["task=enhancement", "model=pix2pix"], (256, 256), 8),
    Model(
        "large",
        [
            "task=segmentation",
            "data.spatial_dims=3",
            "model.generator.channels=[64,128,256,512,1024]",
            "model.generator.strides=[2,2,2,2]",
            "model.discriminator.channels=64",
            "model.discriminator.num_layers_d=3",
        ],
        (96, 96, 96),
        2,
    ),
]


@dataclass
class Counted:
    """Parameters and operations (multiply and add are two) of a forward pass of one image, of G and of D."""

    parameters: tuple[int, int]
    forward: tuple[int, int]


def count(model: Model) -> Counted:
    """On meta tensors: shapes alone."""
    cfg, classes = composed(model.words), 4
    dims, task = len(model.size), model.words[0].partition("=")[2]
    known: dict[str, Any] = {"spatial_dims": dims, "size": list(model.size), "classes": 0, "in_channels": 1}
    out = classes if task == "segmentation" else 1
    player = {"image_channels": 1, "out_channels": 1}
    g = build(fill(cfg["model"]["generator"], "generator", {**known, "out_channels": out}), "generator")
    seen = 1 + out if task != "synthesis" else 1
    d_known = {**known, **player, "in_channels": seen}
    d = build(fill(cfg["model"]["discriminator"], "discriminator", d_known), "discriminator")
    begin = (g.latent,) if hasattr(g, "latent") else (1, *model.size)
    start, shown = (torch.empty(1, *shape, device="meta") for shape in (begin, (seen, *model.size)))
    forwards = []
    for network, x in ((g, start), (d, shown)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.to("meta").eval()(x)
        forwards.append(counter.get_total_flops())
    sizes = [sum(p.numel() for p in network.parameters()) for network in (g, d)]
    return Counted((sizes[0], sizes[1]), (forwards[0], forwards[1]))


def computing(counted: Counted, each: int) -> float:
    """Seconds of the shared update: 3 F_G + 7 F_D for each image, and a fixed cost of its calls."""
    g, d = counted.forward
    return each * (3 * g + 7 * d) / (PEAK * SHARE) + STARTING


def averaging(counted: Counted, gpus: int) -> float:
    """Seconds of a ring all-reduce for each player: 2(N - 1)/N · bytes / bandwidth + 2(N - 1) · latency."""
    if gpus == 1:
        return 0.0
    kind, bandwidth = ("within", WITHIN) if gpus <= NODE else ("between", BETWEEN)
    rounds = 2 * (gpus - 1)
    return sum(
        rounds / gpus * 4 * size / bandwidth + rounds * LATENCY[kind] + CALL for size in counted.parameters
    )


def page() -> str:
    found = {model.name: count(model) for model in MODELS}
    first = table(
        (
            "model",
            "configuration",
            "image",
            "a GPU",
            "parameters G",
            "parameters D",
            "GFLOP a step",
            "MB averaged",
        ),
        [
            (
                m.name,
                " ".join(f"`{word}`" for word in m.words),
                "x".join(map(str, m.size)),
                m.each,
                f"{c.parameters[0] / 1e6:.2f} M",
                f"{c.parameters[1] / 1e6:.2f} M",
                f"{m.each * (3 * c.forward[0] + 7 * c.forward[1]) / 1e9:.0f}",
                f"{4 * sum(c.parameters) / 1e6:.1f}",
            )
            for m, c in ((m, found[m.name]) for m in MODELS)
        ],
    )
    rows = []
    for gpus in GPUS:
        row: list[object] = [gpus]
        for m in MODELS:
            step, wait = computing(found[m.name], m.each), averaging(found[m.name], gpus)
            row.append(f"{gpus * m.each / (step + wait):,.0f} ({step / (step + wait):.0%})")
        rows.append(row)
    second = table(("GPUs", *(f"{m.name}: images a second (efficiency)" for m in MODELS)), rows)
    memory = table(
        ("model", "held for both players", "share of a card of 80 GB"),
        [
            (m.name, f"{held(found[m.name]) / 1e9:.2f} GB", f"{held(found[m.name]) / CARD:.1%}")
            for m in MODELS
        ],
    )
    largest = max(found.values(), key=held)
    room = CARD / 2 / (held(largest) / sum(largest.parameters))
    return f"""# Scaling, computed

Written by `python benchmarks/scaling.py`; nothing on this page was measured on a GPU. Measure your own with
`time/reducing` in `metrics.csv`, the share of the time that goes into averaging gradients.

## The models

{first}

A step is the shared update: 3 forward passes' worth of the generator and 7 of the discriminator for each
image (see [results.md](../benchmarks/results.md)).

## From 1 to 64 GPUs

Each GPU keeps its own batch, so the global batch grows with their number.

{second}

## Assumptions

- Computing: {PEAK / 1e12:.0f} TFLOP/s a GPU (an A100 in bfloat16), of which {SHARE:.0%} are reached, and
  {1000 * STARTING:.0f} ms a step for starting kernels, which small models pay above all.
- Averaging: a ring all-reduce of float32 gradients for each player, 2(N-1)/N · bytes / bandwidth +
  2(N-1) · latency + {1000 * CALL:.1f} ms for flattening and starting.
- Up to {NODE} GPUs {WITHIN / 1e9:.0f} GB/s and {1e6 * LATENCY["within"]:.0f} µs: NVLink in one machine.
  Beyond that {BETWEEN / 1e9:.0f} GB/s and {1e6 * LATENCY["between"]:.0f} µs: one network card of 200 Gbit/s a
  machine, and one ring. Machines with a card for each GPU lose far less from {NODE} to {2 * NODE}.
- Nothing overlaps: a player's gradients are averaged when they are complete, in one call. They are complete
  only when the last piece and the last penalty are in. What is lost to one process is that.
- Loading keeps up, no GPU is slower than the others, validation is not counted, and the learning rate suits
  the larger batch. More GPUs at a fixed global batch divide the computing, and leave the averaging as it is.

## Why there is no `trainer=fsdp`

Sharding parameters over GPUs pays when one card cannot hold them. A player in training has its weights, their
gradients and Adam's two moments in float32, 16 bytes a parameter, and the generator its average, 4 more:

{memory}

What fills a card is activations, which FSDP does not shard; `update.accumulate`, `data.patch` and
`trainer.precision=bf16-mixed` lower those. Half of a card of 80 GB would be full at
{room / 1e9:.1f} billion parameters, {room / sum(largest.parameters):.0f} times the largest model above.
Against that stands what FSDP would take away: penalties derive gradients twice, which sharded weights make
slow where they allow it; a player's weights would be gathered for each of its passes; and the averaged
generator and the one reduction a player would be of shards. So it is not offered.
"""


def held(counted: Counted) -> float:
    """Bytes of weights, gradients, two moments of both players, and the generator's average."""
    return 16.0 * sum(counted.parameters) + 4.0 * counted.parameters[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="print the page, do not write it")
    text = page()
    if parser.parse_args().quick:
        print(text)
    else:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
