"""How throughput should grow from 1 to 64 processes, computed from a step's cost and the ring all-reduce.

A step's cost is measured here, on one thread of this processor, for machines like it. Nothing is measured on
a GPU: for these, operations are counted on the networks themselves, and what the hardware does is assumed and
named on the page that this writes (docs/scaling.md).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._results import processor, table
from ganatomy.adversarial import plan
from ganatomy.config.compose import composed
from ganatomy.config.schema import Config
from ganatomy.config.targets import build, fill
from ganatomy.training.build import build_data, build_task, complete

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
COUNTS = (1, 2, 4, 8, 16, 32, 64)
NODE = 8
PEAK, SHARE = 312e12, 0.30
WITHIN, BETWEEN = 250e9, 20e9
LATENCY = {"within": 10e-6, "between": 30e-6}
CALL = 0.3e-3
STARTING = 6e-3
CARD = 80e9
BUCKET = 25e6
FIXED = 64
NETWORK, DELAY = 1.25e9, 50e-6
"""Bytes a second and seconds a message between machines without GPUs: 10 Gbit/s Ethernet."""


@dataclass
class Model:
    """words: its configuration. size: of an image. each: images a process. steps: how many are timed."""

    name: str
    words: list[str]
    size: tuple[int, ...]
    each: int
    steps: int


MODELS = [
    Model("small", ["task=synthesis", "model=fast"], (64, 64), 32, 15),
    Model("middle", ["task=enhancement", "model=pix2pix"], (256, 256), 8, 5),
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
        1,
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
    d_channels = 1 + out if task != "synthesis" else 1
    d_known = {**known, **player, "in_channels": d_channels}
    d = build(fill(cfg["model"]["discriminator"], "discriminator", d_known), "discriminator")
    begin = (g.latent,) if hasattr(g, "latent") else (1, *model.size)
    start, shown = (torch.empty(1, *shape, device="meta") for shape in (begin, (d_channels, *model.size)))
    forwards = []
    for network, x in ((g, start), (d, shown)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.to("meta").eval()(x)
        forwards.append(counter.get_total_flops())
    sizes = [sum(p.numel() for p in network.parameters()) for network in (g, d)]
    return Counted((sizes[0], sizes[1]), (forwards[0], forwards[1]))


def measured(model: Model) -> float:
    """Seconds of a step on one thread: the shared update and Adam, median of several after a first one."""
    small = [
        "data.subjects=6",
        f"data.size={model.size[0]}",
        f"data.batch_size={model.each}",
        "data.augment=[]",
    ]
    words = [*model.words, *small, *(["data.slices=8"] if len(model.size) == 2 else [])]
    cfg = Config.from_plain(composed(words))
    data = build_data(cfg)
    data.setup()
    cfg = complete(cfg, data)
    task = build_task(cfg, data.mask_classes)
    batch = next(iter(data.train_dataloader()))
    update = plan(task.game, "shared").update
    players = {"generator": task.generator, "discriminator": task.discriminator}
    adam = {name: torch.optim.Adam(player.parameters(), 1e-5, fused=True) for name, player in players.items()}

    def stepper(player: str) -> None:
        adam[player].step()
        adam[player].zero_grad()

    spent = []
    for step in range(1 + model.steps):
        begun = time.perf_counter()
        update(task.game, batch, step, stepper)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent[1:])


def operations(model: Model, counted: Counted) -> float:
    """Of the shared update: 3 F_G + 7 F_D for each image."""
    g, d = counted.forward
    return model.each * (3.0 * g + 7.0 * d)


def averaging(counted: Counted, processes: int, bandwidth: float, latency: float) -> float:
    """Seconds of a ring all-reduce for each player: 2(N - 1)/N · bytes / bandwidth + 2(N - 1) · latency."""
    if processes == 1:
        return 0.0
    rounds = 2 * (processes - 1)
    return sum(
        rounds / processes * 4 * size / bandwidth + rounds * latency + CALL for size in counted.parameters
    )


def on_gpus(model: Model, counted: Counted, gpus: int) -> tuple[float, float]:
    """Seconds of a step: computing, and averaging over cards of one machine or of several."""
    link = (WITHIN, LATENCY["within"]) if gpus <= NODE else (BETWEEN, LATENCY["between"])
    return operations(model, counted) / (PEAK * SHARE) + STARTING, averaging(counted, gpus, *link)


def in_buckets(model: Model, counted: Counted, gpus: int) -> tuple[float, float]:
    """Seconds of a step where a player's last backward pass (2 F_G, 4 F_D) hides all but its last bucket."""
    step, _ = on_gpus(model, counted, gpus)
    if gpus == 1:
        return step, 0.0
    bandwidth, latency = (WITHIN, LATENCY["within"]) if gpus <= NODE else (BETWEEN, LATENCY["between"])
    rounds, shown = 2 * (gpus - 1), 0.0
    for size, forward, passes in zip(counted.parameters, counted.forward, (2, 4), strict=True):
        buckets = math.ceil(4 * size / BUCKET)
        spent = rounds / gpus * 4 * size / bandwidth + buckets * (rounds * latency + CALL)
        window = model.each * passes * forward / (PEAK * SHARE)
        shown += max(spent - window * (1 - 1 / buckets), spent / buckets)
    return step, shown


def fixed_batch(model: Model, counted: Counted) -> str:
    """Table of images a second where `FIXED` images are divided among the cards."""
    rows: list[list[object]] = []
    alone = 0.0
    for gpus in COUNTS:
        divided = replace(model, each=FIXED // gpus)
        rate = FIXED / sum(on_gpus(divided, counted, gpus))
        alone = alone or rate
        rows.append([gpus, divided.each, three_digits(rate), f"{rate / alone:.1f}"])
    return table(("GPUs", "images a GPU", "images a second", "times one GPU"), rows)


def throughput(found: dict[str, Counted], cost: Any) -> list[list[object]]:
    """Rows of images a second, and their share of what as many processes alone would make."""
    rows = []
    for processes in COUNTS:
        row: list[object] = [processes]
        for model in MODELS:
            step, wait = cost(model, found[model.name], processes)
            row.append(f"{three_digits(processes * model.each / (step + wait))} ({step / (step + wait):.0%})")
        rows.append(row)
    return rows


WAYS = (on_gpus, in_buckets)


def three_digits(value: float) -> str:
    """1234.5 as 1,230 and 0.71649 as 0.716."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.3g}"


def page() -> str:
    found = {model.name: count(model) for model in MODELS}
    first = table(
        (
            "model",
            "configuration",
            "image",
            "a process",
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
                f"{operations(m, c) / 1e9:.0f}",
                f"{4 * sum(c.parameters) / 1e6:.1f}",
            )
            for m, c in ((m, found[m.name]) for m in MODELS)
        ],
    )
    columns = [f"{m.name}: images a second (efficiency)" for m in MODELS]
    second = table(("GPUs", *columns), throughput(found, on_gpus))
    middle, large = MODELS[1:]
    buckets = [
        (
            gpus,
            *(
                f"{step / (step + wait):.0%}"
                for step, wait in (at(large, found[large.name], gpus) for at in WAYS)
            ),
        )
        for gpus in COUNTS
    ]
    overlap = table(("GPUs", "large: efficiency in one call", "in buckets of 25 MB"), buckets)
    divided = fixed_batch(middle, found[middle.name])
    spent = {m.name: measured(m) for m in MODELS}
    cost = table(
        ("model", "measured, s a step", "GFLOP/s reached"),
        [
            (m.name, f"{spent[m.name]:.2f}", f"{operations(m, found[m.name]) / spent[m.name] / 1e9:.0f}")
            for m in MODELS
        ],
    )
    plain = table(
        ("machines", *columns),
        throughput(found, lambda m, c, n: (spent[m.name], averaging(c, n, NETWORK, DELAY))),
    )
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
`time/reducing` in `metrics.csv`, the share of the time that goes into averaging gradients. What two processes
reach on one machine, and what a step costs by batch, size and depth, is measured in
[results.md](../benchmarks/results.md).

## The models

{first}

A step is the shared update: 3 forward passes' worth of the generator and 7 of the discriminator for each
image (see [results.md](../benchmarks/results.md)).

## What a step costs, measured

On one thread of {processor()}, with torch {torch.__version__}, in float32; the median of
several steps after a first one (of the large model, one).

{cost}

## From 1 to 64 such threads, a machine each

From the measured costs, and a ring all-reduce of float32 gradients over 10 Gbit/s Ethernet
({NETWORK / 1e9:.2f} GB/s, {1e6 * DELAY:.0f} µs a message). Each machine keeps its own batch, so the global
batch grows with their number. Machines with more cores compute faster and wait as long: they scale less well.

{plain}

## From 1 to 64 GPUs

Here the step's cost is computed too, from its operations.

{second}

### In buckets while the backward pass goes on

`trainer.bucket_mb=25` begins to average a player's gradients in its last backward pass, in buckets, and hides
all but the last behind that pass; each bucket pays the latency anew. A player below 25 MB is one bucket, as
both are in the small and in the middle model: nothing changes. The large one:

{overlap}

Where bandwidth is what is waited for, it helps; where latency is, it harms. It is off unless you set it, as
it was never run on GPUs; two processes of one machine are measured in [results.md](../benchmarks/results.md).

### At a fixed global batch

The middle model with {FIXED} images in all: computing is divided, starting kernels and averaging are not.

{divided}

## Assumptions for GPUs

- Computing: {PEAK / 1e12:.0f} TFLOP/s a GPU (an A100 in bfloat16), of which {SHARE:.0%} are reached, and
  {1000 * STARTING:.0f} ms a step for starting kernels, which small models pay above all.
- Averaging: a ring all-reduce of float32 gradients for each player, 2(N-1)/N · bytes / bandwidth +
  2(N-1) · latency + {1000 * CALL:.1f} ms for flattening and starting.
- Up to {NODE} GPUs {WITHIN / 1e9:.0f} GB/s and {1e6 * LATENCY["within"]:.0f} µs: NVLink in one machine.
  Beyond that {BETWEEN / 1e9:.0f} GB/s and {1e6 * LATENCY["between"]:.0f} µs: one network card of 200 Gbit/s a
  machine, and one ring. Machines with a card for each GPU lose far less from {NODE} to {2 * NODE}.
- Nothing overlaps unless said: a player's gradients are averaged when they are complete, in one call. They
  are complete only when the last piece and the last penalty are in. What is lost to one process is that.
- Loading keeps up, no GPU is slower than the others, validation is not counted, and the learning rate suits
  the larger batch.

## What was never run

Several GPUs, NCCL between GPUs, several machines, InfiniBand: no number on this page comes from them. What
was run is gloo with two and three processes of one machine (every test of equality with one process, and
[results.md](../benchmarks/results.md)), and torchrun and srun by stand-ins that set what they set.

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
    torch.set_num_threads(1)
    text = page()
    if parser.parse_args().quick:
        print(text)
    else:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
