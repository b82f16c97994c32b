"""Speed and memory of a step on a GPU, for gpu.py."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor, nn
from torch._functorch import config as functorch

from benchmarks._gpu_players import (
    EVERYBODY,
    PRECISIONS,
    Setting,
    in_turn,
    ours,
    ratio,
    seconds,
    wait,
)
from benchmarks._gpu_time import in_time
from benchmarks._results import table

TINY = {"size": 16, "batch": 2, "channels": (4, 8)}


def setting_of(device: str, tiny: bool, **more: object) -> Setting:
    return Setting(device, **{**more, **(TINY if tiny else {})})  # type: ignore[arg-type]


def step(device: str, tiny: bool) -> str:
    """Everybody's milliseconds, and their ratio to ours in the same precision."""
    sizes = [(16, 2)] if tiny else [(64, 8), (128, 16), (256, 16)]
    rows = []
    for (size, batch), precision in in_time(product(sizes, ("fp32", "bf16") if tiny else PRECISIONS)):
        setting = setting_of(device, tiny, size=size, batch=batch, precision=precision)
        steps = {name: make(replace(setting)) for name, make in EVERYBODY.items()}
        times = in_turn(steps, 3 if tiny else 5, 2 if tiny else 10, device)
        cells = [ratio(times[name], times["ours"]) for name in EVERYBODY if name != "ours"]
        own = 1000 * statistics.median(times["ours"])
        rows.append((f"{size}, batch {batch}", precision, f"{own:.2f}", *cells))
    head = ("images", "precision", "ours, ms", *(f"{name} / ours" for name in EVERYBODY if name != "ours"))
    text = (
        "A step of a U-Net against a patch discriminator (L1, hinge), all with fused Adam, the batch on the "
        "device. fp32: float32 in convolutions and products alike; tf32: TF32 in both; torch's own "
        "default is TF32 in convolutions alone. bf16, fp16: autocast, MONAI's trainers too; no loss scale. "
        "Median, and median and quartiles of ratios of rounds in turn."
    )
    return f"{text}\n\n{table(head, rows)}"


def compiled(device: str, tiny: bool) -> str:
    """Our step with both players compiled by torch, where no penalty differentiates twice."""
    rows = []
    backend = "aot_eager" if tiny else "inductor"
    functorch.donated_buffer = False  # a pass of D is differentiated twice, once for each player
    for precision in in_time(("fp32",) if tiny else ("bf16", "tf32")):
        setting = setting_of(device, tiny, size=128, batch=16, precision=precision)
        fast = replace(setting)
        fast.generator = torch.compile(fast.generator, backend=backend)  # type: ignore[assignment]
        fast.discriminator = torch.compile(fast.discriminator, backend=backend)  # type: ignore[assignment]
        steps = {"as ever": ours(setting), "compiled": ours(fast)}
        begun = time.perf_counter()
        steps["compiled"](1)
        wait(device)
        took = time.perf_counter() - begun
        times = in_turn(steps, 3 if tiny else 7, 2 if tiny else 10, device)
        rows.append((precision, f"{took:.0f}", ratio(times["as ever"], times["compiled"])))
    text = (
        f"Our step at {setting.size}, batch {setting.batch}, with torch.compile (backend {backend}) of both "
        "players; torch compiles no second derivative, so R1, R2 and the gradient penalty exclude it."
    )
    return f"{text}\n\n{table(('precision', 's to compile', 'as ever / compiled'), rows)}"


def layout(device: str, tiny: bool) -> str:
    """What channels innermost and cudnn's search for the fastest kernel do to our step."""
    rows = []
    cases = [(2, 16, 2)] if tiny else [(2, 64, 16), (2, 256, 8), (3, 64, 2)]
    for (dims, size, batch), precision in in_time(product(cases, ("fp32",) if tiny else PRECISIONS[1:3])):
        more = {"channels": (4, 8) if tiny else (32, 64, 128, 256)}
        setting = Setting(device, size, batch, dims, precision, **more)  # type: ignore[arg-type]
        both = {name: ours(replace(setting, channels_last=name == "last")) for name in ("first", "last")}
        rounds, count = (3, 2) if tiny else (5, 8)
        times = in_turn(both, rounds, count, device)
        plain = statistics.median(times["first"])
        torch.backends.cudnn.benchmark = True
        searched = in_turn({"searched": both["last"]}, rounds, count, device)["searched"]
        torch.backends.cudnn.benchmark = False
        sides = "x".join([str(size)] * dims)
        cells = (ratio(times["first"], times["last"]), f"{plain / statistics.median(searched):.2f}")
        rows.append((f"{sides}, batch {batch}", precision, f"{1000 * plain:.2f}", *cells))
    head = ("images", "precision", "channels first, ms", "first / last", "first / last and benchmark")
    text = "Our step with channels innermost in memory, and with cudnn.benchmark besides."
    return f"{text}\n\n{table(head, rows)}"


def memory(device: str, tiny: bool) -> str:
    """Peak memory of a step as batch and size grow, beside the largest that fits by doubling."""
    ladders: list[list[dict[str, int]]] = [
        [{"size": 64, "batch": n} for n in (1, 4, 16, 64, 256)],
        [{"size": n, "batch": 8} for n in (64, 128, 256, 512, 1024)],
        [{"size": n, "batch": 2, "dims": 3} for n in (32, 64, 96, 128, 160)],
    ]
    rows = []
    for ladder in ladders:
        for more in in_time(ladder[: 1 if tiny else None]):
            cells = []
            for precision in ("fp32", "bf16"):
                setting = setting_of(device, tiny, **more, precision=precision)
                cells.append(
                    _peak(setting) if device == "cuda" else f"{seconds(ours(setting), 1, device):.1g} s"
                )
            dims = more.get("dims", 2)
            rows.append(("x".join([str(more["size"])] * dims), more["batch"], *cells))
    text = "Peak of the memory that torch allocated in two steps, GiB, networks and Adam's moments included."
    return f"{text}\n\n{table(('images', 'batch', 'fp32', 'bf16'), rows)}"


def _peak(setting: Setting) -> str:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        ours(setting)(2)
        torch.cuda.synchronize()
    except torch.OutOfMemoryError:
        return "out of memory"
    return f"{torch.cuda.max_memory_allocated() / 2**30:.2f}"


def penalties(device: str, tiny: bool) -> str:
    """How far D's gradient of R1 is from float64's, and how long the step with R1 takes."""
    rows = []
    base = setting_of(device, tiny, size=64, batch=8, r1_every=1)
    exact = _penalty_gradient(base, torch.float64)
    for precision in in_time(("fp32", "tf32", "bf16")):
        setting = replace(base, precision=precision)
        error = float((_penalty_gradient(setting, torch.float32) - exact).norm() / exact.norm())
        time_of = statistics.median(in_turn({"": ours(setting)}, 3, 2 if tiny else 10, device)[""])
        rows.append((precision, f"{error:.1e}", f"{1000 * time_of:.2f}"))
    text = (
        "R1 at every step. Error of D's gradient of the penalty alone against float64, relative to its norm: "
        "in bf16 the penalty runs outside autocast, in what the flags of TF32 allow. It decides whether "
        "`32-true` should keep torch's TF32 in convolutions."
    )
    return f"{text}\n\n{table(('precision', 'error', 'ms a step'), rows)}"


def _penalty_gradient(setting: Setting, dtype: torch.dtype) -> Tensor:
    """Return D's gradient of R1 on the real batch, flat, in float64."""
    network: nn.Module = replace(setting).discriminator.to(dtype)
    x = setting.image.to(dtype).requires_grad_()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = setting.precision != "fp32"
    score = network(x)[-1].flatten(1).mean(1).sum()
    (gradient,) = torch.autograd.grad(score, x, create_graph=True)
    penalty = gradient.flatten(1).square().sum(1).mean()
    found: Sequence[Tensor | None] = torch.autograd.grad(
        penalty, list(network.parameters()), allow_unused=True
    )
    return torch.cat([g.double().flatten() for g in found if g is not None])
