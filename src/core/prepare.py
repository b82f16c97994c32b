"""Before the first step: does the size fit the network, which update is exact, what is written down."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch

from src.core.config import Plain
from src.core.names import nearest
from src.errors import UserError


def plan_update(cfg: Plain, task: Any, data: Any) -> str:
    """Let the planner choose the task's update by showing D two training items; its one line."""
    from src.adversarial import plan
    from src.data.pipeline import collate

    items = data.train_items()
    example = collate([items[0, 0], items[0, len(items) - 1]])
    update = cfg["update"]
    chosen = plan(task.game, update["name"], update["n_critic"], update["accumulate"], example)
    task.update = chosen.update
    return str(chosen)


def check_monitor(task: Any) -> None:
    """Raise one line when the score that shall choose the best checkpoint does not exist."""
    names = [f"val/{name}" for name in task.scores("val")]
    if task.monitor not in names:
        raise UserError(f"task.monitor: no score is named {task.monitor}{nearest(task.monitor, names)}")


def check_size(task: Any, data: Any) -> None:
    """Raise one line when the generator cannot take the images' size. On meta tensors: shapes alone."""
    size = tuple(data.train_items()[0, 0]["image"].shape[1:])
    trial = functools.partial(_runs, task, data.channels)
    if trial(size):
        return
    near = [s for s in _neighbours(size) if trial(s)]
    hint = f"; nearest sizes that fit: {', '.join('x'.join(map(str, s)) for s in near[:2])}" if near else ""
    shape = "x".join(map(str, size))
    raise UserError(f"data.size: {type(task.generator).__name__} cannot halve images of {shape}{hint}")


def _runs(task: Any, channels: int, size: tuple[int, ...]) -> bool:
    try:
        with torch.no_grad():
            image = torch.empty(2, channels, *size, device="meta")
            generator = copy.deepcopy(task.generator).to("meta")
            output = generator(image)
            return not isinstance(output, torch.Tensor) or output.shape[2:] == image.shape[2:]
    except NotImplementedError:  # an operation without a meta kernel: nothing is known, so nothing is said
        return True
    except (RuntimeError, ValueError, AssertionError):
        return False


def _neighbours(size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Sizes near `size`, nearest first: each axis rounded down and up to multiples of 8, 16 and 32."""
    found = set()
    for base in (8, 16, 32):
        found.add(tuple(max(base, side // base * base) for side in size))
        found.add(tuple(-(-side // base) * base for side in size))
    return sorted(found, key=lambda s: (sum(abs(a - b) for a, b in zip(s, size, strict=True)), s))


def describe(run: Any, cfg: Plain, data: Any, task: Any) -> int:
    """Write what the run is, once all of it stands; the value is the step it begins at."""
    from src.core.run import check_room, environment

    start = 0
    if cfg["resume"]:
        start = int(torch.load(run.last, map_location="cpu", weights_only=True)["batches_done"])
    weights = sum(value.numel() * value.element_size() for value in task.state_dict().values())
    check_room(
        run.path, 8 * weights + 20_000_000
    )  # two checkpoints with Adam's moments, a third while it is written
    run.write("config.yaml", cfg)
    run.write("environment.json", environment(cfg["seed"]))
    run.write("data.json", data.summary())
    run.status("running", f"from step {start}")
    return start
