"""Average of one player's gradients over the processes, in one call."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganatomy.adversarial.distributed.collectives import processes


class Bucket:
    """Parameters of one dtype whose gradients are summed over the processes together."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters
        self._absent: list[bool] = []
        self._gradients: list[Tensor] = []
        self._flat = torch.empty(0)

    def gathered(self) -> Tensor:
        """Return all gradients in one tensor, and for each a 1, or a 0 where this process has none."""
        self._absent = [p.grad is None for p in self.parameters]
        self._gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        there = self._gradients[0].new_ones(len(self.parameters))  # filled where it lies: no wait for a GPU
        for place, absent in enumerate(self._absent):
            if absent:
                there[place].zero_()
        self._flat = torch.cat([*(gradient.reshape(-1) for gradient in self._gradients), there])
        return self._flat

    def spread(self) -> None:
        """Put the average into `.grad`, once that tensor holds the sum over the processes."""
        *parts, counts = torch.split(
            self._flat, [*(p.numel() for p in self.parameters), len(self.parameters)]
        )
        averaged = [part.view_as(p) for part, p in zip(parts, self.parameters, strict=True)]
        torch._foreach_mul_(averaged, 1 / processes())
        torch._foreach_copy_(self._gradients, averaged)
        if any(self._absent):
            found = zip(self.parameters, self._gradients, self._absent, counts.tolist(), strict=True)
            for p, gradient, absent, count in found:
                if absent and count:
                    p.grad = gradient


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
            bucket = Bucket(group)
            self._sum(bucket.gathered())
            bucket.spread()
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

    def _sum(self, flat: Tensor) -> None:
        """All-reduce in place, timed."""
        with self.timed(flat.device):
            dist.all_reduce(flat)

    @contextmanager
    def timed(self, device: torch.device) -> Iterator[None]:
        """Count the time inside as reducing: by the clock on a CPU, by device events elsewhere."""
        if device.type != "cuda":
            start = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - start
            return
        begin, end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )
        begin.record()
        yield
        end.record()
        self._events.append((begin, end))
