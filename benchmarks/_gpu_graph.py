"""A whole update as CUDA graphs: a prototype that measures what `trainer.cuda_graph` would bring.

The first step of each kind of turn runs as ever, on the stream that captures; the second is captured, which
computes nothing, and replayed; from then on only the batch is copied and the graph launched. What differs
from step to step must lie on the device. So a product would have to refuse, or first change: a γ or weight
that follows a schedule, a rate that is a Python number, `one_backward`'s look at γ, maps made of boxes (their
number varies), other shapes, and more than one process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks._gpu_players import Setting, Steps, in_turn, ratio
from benchmarks._gpu_time import in_time
from benchmarks._results import table
from ganatomy.adversarial import Ema

Values = dict[str, Tensor]
Record = Callable[[Callable[[], Values]], Callable[[], Values]]


def recorder(stream: Any) -> Record:
    """Return a function that captures a call on a stream and returns its replay; without one, the call."""
    if stream is None:
        return lambda call: call
    pool = torch.cuda.graph_pool_handle()

    def record(call: Callable[[], Values]) -> Callable[[], Values]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, stream=stream):
            values = call()

        def replay() -> Values:
            graph.replay()
            return values

        return replay

    return record


class CapturedUpdate:
    """The update of a game, captured once for each kind of turn.

    Args:
        setting: The game; its optimisers must be capturable on a GPU.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.game, self.update = setting.game()
        self.stream = torch.cuda.Stream() if setting.device == "cuda" else None
        self.record = recorder(self.stream)
        self.batch = setting.image.clone()
        self.warm: set[int] = set()
        self.replays: dict[int, Callable[[], Values]] = {}

    def __call__(self, batch: Tensor, step: int, seed: int) -> Values:
        """Take one step; the values are overwritten by the next step of the same kind."""
        self.batch.copy_(batch)
        torch.manual_seed(seed)  # a replay draws what a fresh step with this seed would
        kind = int(step % (self.setting.r1_every or 1) == 0)  # which penalties are due
        if kind in self.replays:
            return self.replays[kind]()
        if kind not in self.warm:
            self.warm.add(kind)
            return self._beside(step)
        self.replays[kind] = self.record(lambda: self._take(step))
        return self.replays[kind]()

    def _take(self, step: int) -> Values:
        with self.setting.numerics():
            return self.update(self.game, self.batch, step, self.setting.stepper)

    def _beside(self, step: int) -> Values:
        """Take a step as ever, on the side stream: what torch makes at a first call must not be captured."""
        if self.stream is None:
            return self._take(step)
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            values = self._take(step)
        torch.cuda.current_stream().wait_stream(self.stream)
        return values


def captured(setting: Setting) -> Steps:
    """Return the captured update in a bare loop."""
    update = CapturedUpdate(setting)
    for step in range(2 * (setting.r1_every or 1)):
        update(setting.image, step, seed=step)

    def steps(count: int) -> None:
        for step in range(count):
            update(setting.image, step, seed=step)

    return steps


def seeded(setting: Setting) -> Steps:
    """Return the update as ever in a bare loop that seeds every step, as a run does."""
    game, update = setting.game()

    def steps(count: int) -> None:
        for step in range(count):
            torch.manual_seed(step)
            with setting.numerics():
                update(game, setting.image, step, setting.stepper)

    return steps


def weights(setting: Setting) -> Tensor:
    networks: tuple[nn.Module, ...] = (setting.generator, setting.discriminator)
    return torch.cat([p.detach().flatten().double() for network in networks for p in network.parameters()])


def difference(setting: Setting, steps: int) -> str:
    """Train twice, as ever and by replay, and compare all weights and averaged weights."""
    batches = [torch.randn_like(setting.image) for _ in range(steps)]
    found = []
    for by_graph in (False, True):
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        own = replace(setting, capturable=True)
        average = Ema(own.generator, 1000)
        game, update = own.game()
        replayed = CapturedUpdate(own)
        for step, batch in enumerate(batches):
            if by_graph:
                replayed(batch, step, seed=step)
            else:
                torch.manual_seed(step)
                with own.numerics():
                    update(game, batch, step, own.stepper)
            average.update(len(batch))
        averaged = [p.double().flatten() for p in average.module.parameters()]
        found.append(torch.cat([weights(own), *averaged]))
    torch.backends.cudnn.deterministic = False
    if torch.equal(*found):
        return "the same bits"
    return f"{float((found[0] - found[1]).abs().max() / found[0].abs().max()):.1e} of the largest weight"


def measure(device: str, tiny: bool) -> str:
    """Time replay beside the update as ever, and compare the weights they end with."""
    sizes = [(16, 2, 0), (16, 2, 4)] if tiny else [(64, 8, 0), (64, 8, 4), (64, 64, 0), (256, 8, 0)]
    rows = []
    channels = (4, 8) if tiny else (32, 64, 128, 256)
    for (size, batch, every), precision in in_time(product(sizes, ("fp32",) if tiny else ("fp32", "bf16"))):
        setting = Setting(device, size, batch, precision=precision, r1_every=every, channels=channels)
        both = {"as ever": seeded(setting), "replayed": captured(replace(setting, capturable=True))}
        times = in_turn(both, 3 if tiny else 7, 4 if tiny else 20, device)
        rows.append(
            (
                f"{size}, batch {batch}",
                f"every {every}" if every else "none",
                precision,
                f"{1000 * min(times['as ever']):.2f}",
                f"{1000 * min(times['replayed']):.2f}",
                ratio(times["as ever"], times["replayed"]),
                difference(setting, 6 if tiny else 12),
            )
        )
    head = (
        "images",
        "R1",
        "precision",
        "ms a step",
        "ms replayed",
        "as ever / replayed",
        "weights differ by",
    )
    text = (
        "The whole update (both players' phases, fused Adam) captured as CUDA graphs, one for each kind of "
        "turn, beside the same update as ever. Best of the rounds, median and quartiles of ratios. Weights, "
        "averaged ones too, after some steps on other batches with convolutions that repeat themselves."
    )
    return f"{text}\n\n{table(head, rows)}"
