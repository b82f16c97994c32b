"""Answers to test cases as files: on the grid, in the units and of the type of those they were made from."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from src.core.quiet import say
from src.core.run import Run, write_atomically
from src.data.prepare import restore
from src.data.records import Record
from src.data.writers import Original, encoded, original
from src.errors import UserError
from src.tasks.base import AdversarialTask, Batch
from src.tasks.cases import cases


class Predictions(pl.Callback):
    """Writes what the task says of the first `count` test cases ("all" or -1: of all) to predictions/.

    Files are numbered, because the name of a case may tell who it is; predictions.csv, beside the folder,
    names them. Each process writes the cases that it tested. root: the folder of the data, where nothing is
    written.
    """

    def __init__(self, run: Run, count: int | str, root: str | None = None) -> None:
        self.run, self.folder = run, run.path / "predictions"
        self.count = None if count in ("all", -1) else int(count)
        self.numbered: dict[str, tuple[str, Record]] = {}
        refuse_to_become_data(run, root)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if data.one_size and data.cut:
            raise UserError(f"save_predictions: {data.cut}, so a file would hold made-up voxels; set 0")

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.data: Any = trainer.datamodule  # type: ignore[attr-defined]
        records = self.data.records["test"][: self.count]
        self.numbered = {record.case: (f"case_{n:04d}", record) for n, record in enumerate(records, 1)}

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        *rest: Any,
        **more: Any,
    ) -> None:
        assert isinstance(pl_module, AdversarialTask)
        for case, rows in cases(batch):
            if case not in self.numbered:
                continue
            answer = pl_module.written(batch, outputs["prediction"], rows)
            if answer is not None:
                self._write(*self.numbered[case], batch, rows[0], answer, pl_module)

    def _write(
        self, name: str, record: Record, batch: Batch, row: int, answer: Tensor, task: AdversarialTask
    ) -> None:
        values, file = answer.detach().cpu().numpy(), original(self.data.source, record, task.written_like)
        if task.writes_maps:
            file = Original(np.dtype(np.float32), header=file.header)
        case = {key: batch[key][row].cpu().numpy() for key in ("affine", "input_affine", "input_shape")}
        if answer.is_floating_point():
            on_file = restore(values, case, fill=float(values.min()))
        else:
            on_file = self._names_of_classes(restore(values, case, order=0))
            file = Original(on_file.dtype, header=file.header)
        ending, content = encoded(on_file, case["input_affine"], file)
        write_atomically(self.folder / f"{name}{ending}", content)

    def _names_of_classes(self, label: np.ndarray) -> np.ndarray:
        """Class numbers as the masks of the data set have them, in the smallest type that holds them all."""
        known = getattr(self.data.source, "label_values", None) or range(max(len(self.data.classes), 2))
        values = np.array(known)
        smallest = np.result_type(np.min_scalar_type(values.min()), np.min_scalar_type(values.max()))
        written: np.ndarray = values.astype(smallest)[label]
        return written

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if not any(self.folder.glob("case_*")):
            say("save_predictions: this task writes no file for each case; see the run's folder")
            return
        text = io.StringIO()
        rows = [(name, case) for case, (name, _) in self.numbered.items()]
        csv.writer(text, lineterminator="\n").writerows([("prediction", "case"), *rows])
        write_atomically(self.run.path / "predictions.csv", text.getvalue().encode())


def refuse_to_become_data(run: Run, root: str | None) -> None:
    """UserError where files of this run would lie in the folder of the data."""
    if root and run.path.resolve().is_relative_to(Path(root).expanduser().resolve()):
        raise UserError(
            f"run_dir: {run.path} lies in data.root={root}, where its images would become data; "
            "choose another run_dir"
        )
