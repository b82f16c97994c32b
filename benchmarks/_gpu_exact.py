"""What must hold on a GPU, for gpu.py: no waiting in a step, NCCL, the same bits after a resume."""

from __future__ import annotations

import copy
import os
import socket
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor

from benchmarks._gpu_players import EVERYBODY, Setting, wait
from benchmarks._gpu_step import setting_of
from benchmarks._results import table
from ganatomy.adversarial import Ema, GradientAverage, GradientMonitor


class Training:
    """Our step as a run takes it: noise by the step, watched gradients, DiffAugment, R1, averaged weights."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.game, self.update = setting.game()
        self.monitor = GradientMonitor(self.game)
        self.average = Ema(setting.generator, 1000)

    def step(self, number: int) -> None:
        torch.manual_seed(number)
        batch = torch.randn_like(self.setting.image)

        def stepper(player: str) -> None:
            self.monitor.observe(player, number)
            self.setting.stepper(player)

        with self.setting.numerics():
            self.update(self.game, batch, number, stepper)
        self.average.update(len(batch))

    def state(self) -> dict[str, Any]:
        parts = {"generator": self.setting.generator, "discriminator": self.setting.discriminator}
        found = {name: part.state_dict() for name, part in {**parts, "average": self.average}.items()}
        for name, optimiser in self.setting.optimisers.items():
            found[f"{name} moments"] = optimiser.state_dict()
        return copy.deepcopy(found)

    def load(self, state: dict[str, Any]) -> None:
        for name, part in self.setting.optimisers.items():
            part.load_state_dict(state[f"{name} moments"])
        self.setting.generator.load_state_dict(state["generator"])
        self.setting.discriminator.load_state_dict(state["discriminator"])
        self.average.load_state_dict(state["average"])


def waits_of(work: Callable[[], object], device: str) -> int:
    """Count the calls for which torch lets the host wait for the device."""
    if device != "cuda":
        work()
        return 0
    wait(device)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(each.message) for each in found)


def syncs(device: str, tiny: bool) -> str:
    """Waits of the host in a step, of all contenders, after a step to warm up."""
    rows = []
    for precision in ("fp32", "bf16"):
        training = Training(setting_of(device, tiny, precision=precision, r1_every=2, augment=True))
        for number in range(2):
            training.step(number)
        own = [waits_of(lambda number=number: training.step(number), device) for number in (2, 3)]  # noqa: B023
        found = {}
        for name in [name for name in EVERYBODY if name != "ours"]:
            steps = EVERYBODY[name](setting_of(device, tiny, precision=precision))
            steps(1)
            found[name] = waits_of(lambda steps=steps: steps(4), device) / 4
        rows.append((precision, max(own), *(f"{value:.3g}" for value in found.values())))
    names = [f"{name} (a step)" for name in EVERYBODY if name != "ours"]
    text = (
        "Operations in a step for which the host waits for the device, as torch.cuda.set_sync_debug_mode "
        "reports them. Ours with DiffAugment, R1, watched gradients and averaged weights: it must be 0."
    )
    return f"{text}\n\n{table(('precision', 'ours', *names), rows)}"


def nccl(device: str, tiny: bool) -> str:
    """Average gradients in a group of one process, told that there are two: each must be halved exactly."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, rank=0, world_size=1)
    try:
        setting = setting_of(device, tiny)
        parameters = [*setting.generator.parameters()]
        gradients = [torch.randn_like(parameter) for parameter in parameters]
        average = GradientAverage()
        place = "ganatomy.adversarial.distributed.gradient_average.processes"

        def averaged() -> None:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient.clone()
            with mock.patch(place, lambda: 2):
                average(parameters)

        averaged()
        average.seconds()
        waited = waits_of(averaged, device)
        pairs = zip(parameters, gradients, strict=True)
        halves = all(p.grad is not None and torch.equal(p.grad, g / 2) for p, g in pairs)
        took = average.seconds()
    finally:
        dist.destroy_process_group()
    size = sum(gradient.numel() for gradient in gradients)
    rows = [(backend, size, "yes" if halves else "NO", waited, f"{1000 * took:.2f}")]
    head = ("backend", "numbers", "halved exactly", "waits of the host", "ms")
    text = "One process, told that it is one of two: the sum is its own gradient, and half of it must arrive."
    return f"{text}\n\n{table(head, rows)}"


def resume(device: str, tiny: bool) -> str:
    """Train twice as long, and once with a stop in the middle, with deterministic kernels."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    rows = []
    for precision in ("fp32", "bf16"):

        def fresh(precision: str = precision) -> Training:
            return Training(setting_of(device, tiny, precision=precision, r1_every=2, augment=True))

        whole, again, first = fresh(), fresh(), fresh()
        for number in range(8):
            whole.step(number)
            again.step(number)
        for number in range(4):
            first.step(number)
        with tempfile.TemporaryDirectory() as folder:
            torch.save(first.state(), Path(folder) / "state")
            second = fresh()
            second.load(torch.load(Path(folder) / "state", weights_only=True, map_location=device))
        for number in range(4, 8):
            second.step(number)
        rows.append((precision, _same(whole, again), _same(whole, second)))
    torch.use_deterministic_algorithms(False)
    text = "Weights, averaged weights and Adam's moments after 8 steps with torch's deterministic kernels."
    return f"{text}\n\n{table(('precision', 'run again', 'stopped after 4 and resumed'), rows)}"


def _same(one: Training, other: Training) -> str:
    pairs = zip(_tensors(one.state()), _tensors(other.state()), strict=True)
    return "the same bits" if all(torch.equal(a, b) for a, b in pairs) else "OTHER BITS"


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, dict):
        return [tensor for entry in value.values() for tensor in _tensors(entry)]
    return [value] if isinstance(value, Tensor) else []
