"""Average of one player's gradients over the processes, in one call."""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganatomy.adversarial.distributed.collectives import processes


class GradientAverage:
    """Average `.grad` over the processes in one flat all-reduce per dtype, and measure its time.

    A parameter that no process has a gradient for keeps none; one that some have a gradient for gets one in
    all of them. Only where a gradient is missing does the host wait for the device.

    Example:
        >>> discriminator = nn.Linear(1, 1, bias=False)
        >>> discriminator(torch.ones(2, 1)).mean().backward()
        >>> average = GradientAverage()
        >>> average(discriminator.parameters())  # a single process keeps its gradients
        >>> discriminator.weight.grad, average.calls
        (tensor([[1.]]), 0)
    """

    def __init__(self) -> None:
        self.calls = 0
        self._seconds = self._total = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @torch.no_grad()
    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average the gradients; every process must call it with its own copies of the same parameters."""
        if processes() == 1:
            return
        groups: dict[torch.dtype, list[nn.Parameter]] = {}
        for parameter in parameters:
            if parameter.requires_grad:
                groups.setdefault(parameter.dtype, []).append(parameter)
        for group in groups.values():
            self._average(group)
        self.calls += 1

    def seconds(self) -> float:
        """Return the seconds spent in reductions since the last call, waiting included."""
        spent = self._seconds
        if self._events:
            self._events[-1][1].synchronize()
            spent += sum(begin.elapsed_time(end) for begin, end in self._events) / 1000
        self._seconds, self._events = 0.0, []
        self._total += spent
        return spent

    def total(self) -> float:
        """Return the seconds spent in reductions since the beginning, waiting included."""
        self.seconds()
        return self._total

    def _average(self, group: list[nn.Parameter]) -> None:
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in group]
        missing = [p.grad is None for p in group]
        present = gradients[0].new_tensor([0.0 if absent else 1.0 for absent in missing])
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), present])
        self._sum(flat)
        *parts, counts = torch.split(flat, [*(gradient.numel() for gradient in gradients), len(group)])
        averaged = [part.view_as(p) for part, p in zip(parts, group, strict=True)]
        torch._foreach_mul_(averaged, 1 / processes())
        torch._foreach_copy_(gradients, averaged)
        if any(missing):
            for p, gradient, absent, count in zip(group, gradients, missing, counts.tolist(), strict=True):
                if absent and count:
                    p.grad = gradient

    def _sum(self, flat: Tensor) -> None:
        """All-reduce in place, timed: by the clock on a CPU, by device events elsewhere."""
        if flat.device.type != "cuda":
            start = time.perf_counter()
            dist.all_reduce(flat)
            self._seconds += time.perf_counter() - start
            return
        begin, end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )
        begin.record()
        dist.all_reduce(flat)
        end.record()
        self._events.append((begin, end))
