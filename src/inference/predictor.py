"""One case after another through the network of a finished run, back onto the grid of its file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ganatomy.data.records import Batch, Case, Record, Source
from ganatomy.errors import UserError
from ganatomy.inference.applied import AppliedData, applied, to_device
from ganatomy.inference.enlarging import enlarged
from ganatomy.inference.ensembles.ensemble import member_tasks
from ganatomy.inference.ensembles.members import with_doubt
from ganatomy.inference.loaded import LoadedRun
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.shared.as_written import AsWritten, Originals
from ganatomy.training.preprocessing import Preprocessing


@dataclass(frozen=True)
class Loaded:
    """A case that is read and prepared, before the network.

    Attributes:
        record: Its record.
        case: Arrays of its files.
        batch: Rows for the network.
        kept: What the run kept of how files reach the network, and of its training images.
        finer: The case is on a finer grid than its file (super-resolution).
    """

    record: Record
    case: Case
    batch: Batch
    kept: Preprocessing
    finer: bool = False


@dataclass(frozen=True)
class Predicted:
    """Prediction of one case.

    Attributes:
        record: Record of the case.
        answer: Boxes and numbers; its `array` is on the network's grid.
        file: Content of the image or label map, on the grid of the case's file; None for a task without one.
        maps: Content of the maps of doubt of an ensemble by name, float32, on the same grid.
    """

    record: Record
    answer: Answer
    file: AsWritten | None
    maps: dict[str, AsWritten] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return lines about how it was computed, and about values that its file cannot hold."""
        clipped = self.file.note if self.file else ""
        return (*self.answer.notes, clipped) if clipped else self.answer.notes

    @property
    def values(self) -> np.ndarray | None:
        """Return the image or label map [C, *spatial] on the file's grid, in units; None without one."""
        return None if self.file is None else self.file.values


class Predictor:
    """Prediction of the cases of a source, in three steps that may run side by side.

    `read` loads and prepares a case (files, CPU), `compute` runs the network (device), `finish` resamples the
    answer to the file (CPU). Calling the predictor does all three.

    Args:
        loaded: The finished run.
        source: Where the cases come from.
        records: The cases; None for all of the source.
    """

    def __init__(self, loaded: LoadedRun, source: Source, records: list[Record] | None = None) -> None:
        self.loaded = loaded
        self.data: AppliedData = applied(loaded, source, records)
        self.records = self.data.records["test"]

    def __call__(self, record: Record) -> Predicted:
        """Return the prediction of a case."""
        ready = self.read(record)
        return self.finish(ready, self.compute(ready))

    def read(self, record: Record) -> Loaded:
        """Load and prepare a case.

        Raises:
            ReadError: A file cannot be read.
            UserError: The case does not suit the network.
        """
        case, factor = self.data.source.load(record), getattr(self.loaded.task, "factor", None)
        _refuse_not_finite(record.case, case["image"])
        finer = enlarged(case, factor, self.data.preparation) if factor else None
        case = case if finer is None else finer
        batch = self.data.batch(record, self.data.prepare(record, case))
        return Loaded(record, case, batch, self.loaded.preprocessing, finer is not None)

    def compute(self, ready: Loaded) -> Answer:
        """Run the network, in the precision of the run's test."""
        task, batch = self.loaded.task, to_device(ready.batch, self.loaded.device)
        with self.loaded.precision():
            prediction, notes = self._predict(batch)
            answer = task.answer(batch, prediction, list(range(len(batch["case"]))))
        return replace(with_doubt(task, batch, answer), notes=(*answer.notes, *notes))

    def _predict(self, batch: Batch) -> tuple[Any, tuple[str, ...]]:
        """Return the task's prediction, and a note if it was made in windows.

        A network that halves its image several times takes whole images of some sides alone. Images of other
        sides are then seen in windows of those that it trained on.
        """
        tasks, sides = member_tasks(self.loaded), self.loaded.preprocessing.shape
        present = tuple(batch["image"].shape[2:])
        whole = [task for task in tasks if getattr(task, "window", sides) is None]
        try:
            return self.loaded.task.predict(batch), ()
        except (RuntimeError, UserError) as error:
            if not (whole and sides) or present == sides or isinstance(error, torch.OutOfMemoryError):
                raise
        try:
            for task in whole:
                setattr(task, "window", list(sides))  # noqa: B010 - not every task has one
            found = self.loaded.task.predict(batch)
        finally:
            for task in whole:
                setattr(task, "window", None)  # noqa: B010
        seen, own = ("x".join(map(str, each)) for each in (sides, present))
        return found, (f"computed in windows of {seen}, as the network does not take {own} whole",)

    def finish(self, ready: Loaded, answer: Answer) -> Predicted:
        """Bring an answer onto the grid, and into the units and type, of the case's file."""
        kept = self.loaded.preprocessing
        files = Originals(self.data, kept.target or kept.target_file)
        files.hold(ready.record, ready.case, ready.finer)
        write = partial(files.as_written, ready.batch, list(range(len(ready.batch["case"]))))
        file = None if answer.array is None else write(answer.array, answer.role)
        maps = {name: write(each, "map") for name, each in answer.maps.items()}
        return Predicted(ready.record, answer, file, maps)


def _refuse_not_finite(name: str, image: np.ndarray) -> None:
    """Raise UserError if values are not finite in the precision of networks, as training does."""
    if image.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        bad = image.size - int(np.isfinite(image.astype(np.float32, copy=False)).sum())
    if bad:
        raise UserError(
            f"{name}: {bad} of {image.size} values are NaN, infinite or beyond the range of float32; replace "
            "them"
        )
