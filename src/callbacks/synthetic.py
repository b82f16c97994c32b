"""Synthetic images as files (`save_samples`), with an index and their provenance."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl

from ganatomy.callbacks.predictions import refuse_to_become_data
from ganatomy.data.io.synthetic import NOTE, Form, Span, form
from ganatomy.data.io.writers import original
from ganatomy.data.summary import content_hash
from ganatomy.runs.directory import Run, write_atomically
from ganatomy.runs.weights import weights
from ganatomy.tasks.synthesis.sampler import Sampler
from ganatomy.tasks.synthesis.task import SynthesisTask
from ganatomy.text.tables import csv_text

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule

PRIVATE = ("paths", "run_dir", "resume", "debug")
"""Keys of the configuration that describe the machine, not the images."""


class SyntheticImages(pl.Callback):
    """Write `save_samples` images to synthetic/ after the test, each process a part of them.

    synthetic/index.csv lists them for data=table; synthetic/provenance.json says that they are synthetic, and
    from which weights, seed, data and configuration they were made.
    """

    def __init__(self, run: Run, cfg: Config) -> None:
        self.run, self.cfg, self.folder = run, cfg, run.path / "synthetic"
        self.count = cfg.save_samples
        refuse_to_become_data(run, cfg.data.extra.get("root"))

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._form(trainer.datamodule, lambda: (0.0, 1.0))  # type: ignore[attr-defined]  # fails early

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SynthesisTask)
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        sampler = Sampler(pl_module.drawer, data)
        stored = self._form(data, sampler.span)
        if trainer.is_global_zero:  # earlier images of a resumed run are from other weights
            shutil.rmtree(self.folder, ignore_errors=True)
        trainer.strategy.barrier("synthetic")
        known = data.label_values
        maps = Form(stored.format, np.min_scalar_type(max(known)))
        width = max(4, len(str(self.count)))
        for number in range(1 + trainer.global_rank, self.count + 1, trainer.world_size):
            made, name = sampler(number), f"{number:0{width}d}"
            self._write("images", name, stored.encoded(made.image, sampler.affine))
            if made.label is not None:
                numbers = np.array(known)[made.label]
                self._write("labels", name, maps.encoded(numbers, sampler.affine))
        if trainer.is_global_zero:
            self._write_index(pl_module, data, stored, width)

    def _form(self, data: DataModule, span: Callable[[], Span]) -> Form:
        like = original(data.source, data.records["train"][0])
        wanted = self.cfg.save_format
        return form(wanted, like, data.channels, data.spatial_dims, data.sliced, span)

    def _write(self, folder: str, name: str, file: tuple[str, bytes]) -> None:
        ending, content = file
        write_atomically(self.folder / folder / f"{name}{ending}", content)

    def _write_index(self, task: SynthesisTask, data: DataModule, stored: Form, width: int) -> None:
        """Write the index and the provenance."""
        ending = {"nifti": ".nii.gz", "npz": ".npz"}.get(stored.format, ".png")
        names = [f"{number:0{width}d}{ending}" for number in range(1, self.count + 1)]
        columns = {"image": [f"images/{name}" for name in names]}
        if task.condition.masks:
            columns["label"] = [f"labels/{name}" for name in names]
        if task.condition.classes:
            columns["kind"] = [data.image_classes[n % len(data.image_classes)] for n in range(self.count)]
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        write_atomically(self.folder / "index.csv", csv_text(list(columns), rows).encode())
        self.run.write("synthetic/provenance.json", self._provenance(task, data, stored))

    def _provenance(self, task: SynthesisTask, data: DataModule, stored: Form) -> dict[str, Any]:
        configuration = {key: value for key, value in self.cfg.to_plain().items() if key not in PRIVATE}
        own = {key: v for key, v in configuration["data"].items() if key not in ("root", "cache_dir")}
        made_by = self.run.read("environment.json") or {}
        return {
            "synthetic": True,
            "what": NOTE,
            "images": self.count,
            "format": stored.format,
            "type": str(stored.dtype),
            "units": {"of": "the data", "value": "number * slope + inter"}
            | {"slope": stored.slope, "inter": stored.inter},
            "generator": {
                "file": "generator.safetensors",
                "sha256": hashlib.sha256(weights(task.evaluator)).hexdigest(),
                "steps": task.batches_done,
            },
            "seed": task.recipe.seed,
            "noise": "of image n: default_rng([seed, *b'synthetic n']).standard_normal(latent, float32)",
            "data": {"sha256": content_hash(data), "images": len(data.train_items())},
            "copies": task.pictures["nearest"][0] if "nearest" in task.pictures else None,
            "scores": {name: value for name, value in task.final.items() if name.startswith("test/")},
            "versions": made_by.get("versions"),
            "git": made_by.get("git"),
            "configuration": configuration | {"data": own},
        }
