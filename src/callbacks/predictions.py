"""Predictions of test cases as files, with the grid, units and type of the input files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

from ganatomy.errors import UserError
from ganatomy.runs.console import print_status
from ganatomy.runs.directory import Run, write_atomically
from ganatomy.tasks.base import AdversarialTask, Batch
from ganatomy.tasks.shared.volumes import rows_by_case
from ganatomy.text.tables import csv_text

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule


class Predictions(pl.Callback):
    """Write the predictions of test cases to predictions/.

    Files are numbered, because the name of a case may identify a patient; predictions.csv, next to the
    folder, names them. Each process writes the cases that it tested.

    Args:
        run: Run directory.
        count: Number of cases, the first ones; -1 for all.
        root: Folder of the data, which no file may be written to.
    """

    def __init__(self, run: Run, count: int, root: str | None = None) -> None:
        self.run, self.folder = run, run.path / "predictions"
        self.count = None if count == -1 else count
        self.numbered: dict[str, str] = {}
        refuse_to_become_data(run, root)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        if data.one_size and data.cut:
            raise UserError(f"save_predictions: {data.cut}, so a file would hold made-up voxels; set it to 0")

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        records = data.records["test"][: self.count]
        self.numbered = {record.case: f"case_{n:04d}" for n, record in enumerate(records, 1)}

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        *rest: Any,
        **more: Any,
    ) -> None:
        assert isinstance(pl_module, AdversarialTask)
        for case, rows in rows_by_case(batch):
            if case not in self.numbered:
                continue
            answer = pl_module.saved_prediction(batch, outputs["prediction"], rows)
            if answer is not None:
                assert pl_module.originals is not None
                file = pl_module.originals.as_written(batch, rows, answer, pl_module.written_like)
                ending, content = file.encoded()
                write_atomically(self.folder / f"{self.numbered[case]}{ending}", content)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if not any(self.folder.glob("case_*")):
            print_status("save_predictions: this task writes no file for each case; see predictions/")
            return
        rows = [{"prediction": name, "case": case} for case, name in self.numbered.items()]
        text = csv_text(("prediction", "case"), rows)
        write_atomically(self.run.path / "predictions.csv", text.encode())


def refuse_to_become_data(run: Run, root: str | None) -> None:
    """Raise UserError if the run directory lies in the folder of the data."""
    if root and run.path.resolve().is_relative_to(Path(root).expanduser().resolve()):
        raise UserError(
            f"run_dir: {run.path} lies in data.root={root}, where its images would become data; "
            "choose another run_dir"
        )
