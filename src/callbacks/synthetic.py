"""Synthetic images as files (`save_samples`), with an index and their provenance."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytorch_lightning as pl

from ganatomy.callbacks.predictions import refuse_to_become_data
from ganatomy.data.io.synthetic import Form, SyntheticFolder, form
from ganatomy.data.io.writers import original
from ganatomy.runs.directory import Run
from ganatomy.runs.weights import weights
from ganatomy.tasks.synthesis.facts import ImageFacts, provenance
from ganatomy.tasks.synthesis.sampler import Sampler, TrainingMaps
from ganatomy.tasks.synthesis.task import SynthesisTask

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule


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
        """Refuse a format that cannot hold the images before the first step."""
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        like = original(data.source, data.records["train"][0])
        form(self.cfg.save_format, like, data.channels, data.spatial_dims, data.sliced, lambda: (0.0, 1.0))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SynthesisTask)
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        facts, masks = pl_module.facts(data), bool(pl_module.condition.masks)
        maps = TrainingMaps(data, pl_module.recipe.seed) if masks else None
        sampler = Sampler(pl_module.drawer, facts, maps)
        if trainer.is_global_zero:  # earlier images of a resumed run are from other weights
            shutil.rmtree(self.folder, ignore_errors=True)
        trainer.strategy.barrier("synthetic")
        stored = facts.form(self.cfg.save_format)
        folder = SyntheticFolder(self.folder, stored, facts.label_values if masks else None, self.count)
        for number in range(1 + trainer.global_rank, self.count + 1, trainer.world_size):
            made = sampler(number)
            folder.write(number, made.image, made.label, sampler.affine)
        if trainer.is_global_zero:
            folder.write_index(sampler.kind_names(self.count))
            self._write_provenance(pl_module, facts, stored)

    def _write_provenance(self, task: SynthesisTask, facts: ImageFacts, stored: Form) -> None:
        content = provenance(
            facts,
            stored,
            images=self.count,
            seed=task.recipe.seed,
            weights_hash=hashlib.sha256(weights(task.evaluator)).hexdigest(),
            scores=task.final,
            configuration=self.cfg.to_plain(),
            environment=self.run.read("environment.json") or {},
        )
        self.run.write("synthetic/provenance.json", content)
