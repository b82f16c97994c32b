"""Members of an ensemble: runs, mirror images and dropout samples, that answer as one."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd

from ganatomy.data.records import Batch
from ganatomy.inference.ensembles.doubt import Averaging, case_doubt
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.shared.mirrors import subsets
from ganatomy.tasks.shared.volumes import rows_by_case, scale_and_offset, stack_slices
from ganatomy.tasks.soft import parts_of, rebuilt

SPREAD = "score_deviation"
"""Standard deviation over the members of the anomaly score of a case."""


@dataclass(eq=False)
class Members:
    """Soft prediction of several members: of each task, of each mirror image, of each dropout sample.

    It takes the place of `soft_prediction` in the task that answers for all. Members are computed one after
    another, and none is kept.

    Attributes:
        tasks: Tasks with their weights, in evaluation mode.
        dims: Number of spatial axes.
        mirror_axes: Axes, from 0, along every subset of which the image is mirrored.
        samples: Passes with dropout per task and mirror image; 0 for one pass without.
        seed: Seed of the dropout. The masks are a function of (seed, case, number of the pass).
        averaging: Mean and doubt of the last batch.
    """

    tasks: Sequence[AdversarialTask]
    dims: int
    mirror_axes: tuple[int, ...] = ()
    samples: int = 0
    seed: int = 0
    averaging: Averaging | None = None

    @property
    def count(self) -> int:
        """Return the number of members."""
        return len(self.tasks) * len(subsets(self.mirror_axes)) * max(1, self.samples)

    def __call__(self, batch: Batch) -> Any:
        """Return the mean soft prediction of a batch."""
        first = self.tasks[0]
        averaging = Averaging(first.soft_kind, first.doubted)
        batch = self._whole_cells(batch)
        for number, (task, axes, _) in enumerate(self._each()):
            back = [axis - self.dims for axis in axes]
            image = batch["image"].flip(back) if back else batch["image"]
            soft = self._pass(task, {**batch, "image": image}, number)
            averaging.add(task.mirrored_back(soft, back) if back else soft)
        self.averaging = averaging
        return averaging.mean()

    def _each(self) -> Iterator[tuple[AdversarialTask, tuple[int, ...], int]]:
        for task in self.tasks:
            for axes in subsets(self.mirror_axes):
                for sample in range(max(1, self.samples)):
                    yield task, axes, sample

    def _whole_cells(self, batch: Batch) -> Batch:
        """Return the batch with images of whole cells, where mirrored cells have to lie on cells."""
        stride, image = self.tasks[0].stride, batch["image"]
        margins = [n for side in reversed(image.shape[2:]) for n in (0, -side % stride)]
        if not self.mirror_axes or not any(margins):
            return batch
        return {**batch, "image": F.pad(image, margins, mode="replicate")}

    def _pass(self, task: AdversarialTask, batch: Batch, number: int) -> Any:
        """Return the soft prediction of one member; with dropout case by case, whatever else is there."""
        if not self.samples:
            return task.soft_prediction(batch)
        order: list[int] = []
        parts = []
        for case, rows in rows_by_case(batch):
            order += rows
            with dropout_kept(task.evaluator, _seed(self.seed, case, number)):
                parts.append(task.soft_prediction(rows_of(batch, rows)))
        back = torch.argsort(torch.tensor(order))
        columns = zip(*map(parts_of, parts), strict=True)
        return rebuilt(parts[0], [torch.cat(column)[back] for column in columns])


def rows_of(batch: Batch, rows: Sequence[int]) -> Batch:
    """Return some rows of a batch."""
    count = len(batch["case"])

    def taken(values: Any) -> Any:
        if isinstance(values, Tensor):
            return values[list(rows)] if values.dim() and len(values) == count else values
        is_column = isinstance(values, list | tuple) and len(values) == count
        return [values[row] for row in rows] if is_column else values

    return {key: taken(values) for key, values in batch.items()}


def dropouts(network: nn.Module) -> list[nn.Module]:
    """Return the dropout layers that drop anything."""
    return [layer for layer in network.modules() if isinstance(layer, _DropoutNd) and layer.p > 0]


@contextlib.contextmanager
def dropout_kept(network: nn.Module, seed: int) -> Iterator[None]:
    """Keep the dropout of a network on, all else in evaluation mode; torch's random state is put back.

    Gal and Ghahramani, "Dropout as a Bayesian approximation", ICML 2016 (arXiv 1506.02142).

    Args:
        network: Network in evaluation mode.
        seed: Seed of the masks.
    """
    layers = dropouts(network)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in layers:
            layer.train()
        try:
            yield
        finally:
            for layer in layers:
                layer.eval()


def _seed(seed: int, case: str, number: int) -> int:
    digest = hashlib.sha256(f"{seed}/{number}/{case}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def with_doubt(task: AdversarialTask, batch: Batch, answer: Answer) -> Answer:
    """Return the answer to a case with maps and numbers of doubt, where several members gave it.

    Maps are on the network's grid, [C, *spatial]; a `deviation` is in the units of the answer's file.

    Args:
        task: Task that answered, just now.
        batch: Batch of this case alone.
        answer: Its answer.
    """
    members = task.members
    if not isinstance(members, Members) or members.averaging is None:
        return answer
    averaging, rows = members.averaging, list(range(len(batch["case"])))
    maps = averaging.maps(scales(batch, members.dims, answer.role))
    values = case_doubt(maps, averaging.in_question())
    sides = batch["image"].shape[2:]
    whole = {name: stack_slices(batch, _channels(each, task, sides), rows) for name, each in maps.items()}
    if averaging.kind == "values" and len(averaging.parts) > 1 and members.count > 1:
        score = averaging.parts[-1]
        values[SPREAD] = float(score.variance[score.mean.argmax()].sqrt())
    return replace(answer, maps=whole, values={**answer.values, **values})


def scales(batch: Batch, dims: int, role: str) -> Tensor | None:
    """Return the factors to the units of the files, [B, C or 1, 1, ...]; None for maps, which keep theirs.

    Args:
        batch: Evaluation batch.
        dims: Number of spatial axes.
        role: File that the answer is like, see `TaskHooks.written_like`.
    """
    if role == "map":
        return None
    return torch.stack([scale_and_offset(batch, row, dims, role)[0] for row in range(len(batch["case"]))])


def _channels(values: Tensor, task: AdversarialTask, sides: Sequence[int]) -> Tensor:
    """Return maps as [B, C, *spatial] in pixels."""
    maps = values if values.dim() == len(sides) + 2 else values[:, None]
    if task.stride > 1:
        maps = F.interpolate(maps, scale_factor=float(task.stride), mode="nearest")
    for axis, side in enumerate(sides, 2):
        maps = maps.narrow(axis, 0, side)
    return maps
