"""Base class of all tasks: score tables, and the validation and test loops around the hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torchmetrics import Metric

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import one_of
from ganatomy.metrics.registry import describe
from ganatomy.pictures import Picture
from ganatomy.tasks.gan_module import GanModule
from ganatomy.tasks.hooks import TaskHooks, all_labelled
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.shared.as_written import Originals

__all__ = ["AdversarialTask", "Batch", "all_labelled"]

SCORED = ("file", "network")


class AdversarialTask(TaskHooks, GanModule):
    """Base class of a task: override the hooks of `TaskHooks`; training, validation and test are given.

    Call `register_tables` once in `__init__`.

    Args:
        recipe: Players, game, optimisers and schedules.
        monitor: Validation score that chooses the best checkpoint, e.g. "val/dice".
        scored: Whether test scores are those of the `file` that is written or of the `network`'s output.

    Example:
        Map an image to its target; the discriminator sees the target or the output.

        >>> import torch
        >>> from ganatomy.adversarial import LOSSES
        >>> from ganatomy.metrics.cases import CaseTable
        >>> from ganatomy.tasks.recipe import Recipe
        >>> class Restoration(AdversarialTask):
        ...     def __init__(self, recipe, monitor="val/mae"):
        ...         super().__init__(recipe, monitor)
        ...         self.register_tables({"val": CaseTable(["mae"]), "test": CaseTable(["mae"])})
        ...
        ...     @staticmethod
        ...     def network_arguments(data):
        ...         channels = {"in_channels": data.channels, "out_channels": data.target_channels}
        ...         return {"generator": channels, "discriminator": {"in_channels": data.target_channels}}
        ...
        ...     def generate(self, batch):
        ...         return self.generator(batch["image"])
        ...
        ...     def discriminator_inputs(self, batch, output):
        ...         return batch["target"], output
        ...
        ...     def task_losses(self, batch, output):
        ...         return {"l1": (output - batch["target"]).abs().mean()}
        ...
        ...     def predict(self, batch):
        ...         return self.evaluator(batch["image"])
        ...
        ...     def score(self, stage, batch, prediction):
        ...         errors = (prediction - batch["target"]).abs().flatten(1).mean(1)
        ...         for case, error in zip(batch["case"], errors.tolist()):
        ...             self.tables[stage].update(case, {"mae": error})
        >>> players = {"generator": torch.nn.Conv2d(1, 1, 1), "discriminator": torch.nn.Conv2d(1, 1, 3)}
        >>> task = Restoration(Recipe(**players, game={"loss": LOSSES["hinge"]()}, optimizers={}))
        >>> batch = {"image": torch.ones(2, 1, 8, 8), "target": torch.ones(2, 1, 8, 8), "case": ["a", "b"]}
        >>> steps = []
        >>> log = task.update(task.game, batch, 0, steps.append)  # a real run steps optimisers
        >>> steps
        ['generator', 'discriminator']
        >>> bool(log["loss/generator/l1"].isfinite())
        True
        >>> task.score("val", batch, task.predict(batch))
        >>> list(task.scores("val")), [row["case"] for row in task.case_scores]
        (['mae'], ['a', 'b'])

    Attributes:
        monitor: Validation score that chooses the best checkpoint.
        scored: "file" to take test scores on the content of the written file, on its grid; "network" for the
            network's output. Validation always scores the network's output.
        originals: The files of the test cases; set when the test begins.
        tables: Score tables by name: "val", "test" and one per baseline.
        case_scores: One row per case of the table that was read last.
        baseline_cases: The same of the baselines of the test, by name, where their tables keep cases.
        final: Scores of the last finished validation or test, with their stage: "val/dice".
        legends: Colours of the entries below a column of the pictures, by the column's name.
        pictures: Pictures of the test as a whole, by file name.
        notes: Lines printed before training.
        closing_lines: Lines printed after the test.
    """

    def __init__(self, recipe: Recipe, monitor: str, scored: str = "network") -> None:
        super().__init__(recipe)
        one_of("task.scored", scored, SCORED)
        self.monitor, self.scored = monitor, scored
        self.originals: Originals | None = None
        self.tables: dict[str, Any] = {}
        self.case_scores: list[dict[str, Any]] = []
        self.baseline_cases: dict[str, list[dict[str, Any]]] = {}
        self.final: dict[str, float] = {}
        self.legends: dict[str, Any] = {}
        self.pictures: dict[str, Picture] = {}
        self.notes: list[str] = []
        self.closing_lines: list[str] = []

    @property
    def direction(self) -> int:
        """Return 1 if a higher monitored score is better, -1 if a lower one is, 0 if neither is."""
        return describe(self.monitor.split("/")[1]).sign

    @property
    def main_score(self) -> str:
        """Return the test score that rates the run against baselines and its twin, such as psnr."""
        return self.judged_by or self.monitor.removeprefix("val/")

    def register_tables(self, tables: Mapping[str, Metric]) -> None:
        """Register the score tables as submodules, so that they follow the device and gather over processes.

        Args:
            tables: One table for "val", one for "test" and one per baseline, by name. `compute()` must return
                {flat score name: number} and `per_case()` a list with one dict per case.
        """
        self.tables = dict(tables)
        self.metrics = nn.ModuleDict(tables)

    def scores(self, stage: str) -> dict[str, float]:
        """Return the flat scores of a stage and reset its table; called by every process."""
        self.case_scores = self.tables[stage].per_case()
        return self._empty(stage)

    def baseline_scores(self) -> dict[str, float]:
        """Return `<baseline>/<score>` of the test split; plain counts are left out."""
        baselines = [name for name in self.tables if name not in ("val", "test")]
        kept = [name for name in baselines if hasattr(self.tables[name], "per_case")]
        self.baseline_cases = {name: self.tables[name].per_case() for name in kept}
        scores = {name: self._empty(name) for name in baselines}
        flat = {f"{name}/{key}": value for name, found in scores.items() for key, value in found.items()}
        return {name: value for name, value in flat.items() if not describe(name.split("/")[1]).counts}

    def _empty(self, name: str) -> dict[str, float]:
        scores = {key: float(value) for key, value in self.tables[name].compute().items()}
        self.tables[name].reset()
        return scores

    def state_to_keep(self) -> dict[str, Tensor]:
        """Return what answers depend on besides the generator's weights: its own buffers by default."""
        return dict(self.named_buffers(recurse=False))

    def load_kept_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_to_keep` returned at the end of the run."""
        for name, buffer in self.named_buffers(recurse=False):
            buffer.copy_(state[name])

    def validation_step(self, batch: Batch, index: int) -> Any:
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, index: int) -> Any:
        return self._evaluate("test", batch)

    def _evaluate(self, stage: str, batch: Batch) -> Any:
        prediction = self.predict(batch)
        self.score(stage, batch, prediction)
        return {"prediction": prediction}

    def on_test_start(self) -> None:
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        self.originals = Originals(data, data.target_form())
        self.prepare_baselines(data)

    def files_of(self, stage: str) -> Originals | None:
        """Return the files of the cases if this stage scores what the written file holds, else None."""
        return self.originals if self.scored == "file" and stage != "val" else None

    def on_validation_epoch_end(self) -> None:
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        self._finish("test")

    def final_scores(self, stage: str) -> dict[str, float]:
        """Return the flat scores of a stage, in the test with baselines and floor, and reset the tables."""
        found = {f"{stage}/{name}": value for name, value in self.scores(stage).items()}
        if stage == "test":
            found |= {f"baseline/{name}": value for name, value in self.baseline_scores().items()}
            found |= {f"floor/{name}": value for name, value in self.floor_scores().items()}
        return found

    def _finish(self, stage: str) -> None:
        self.final = self.final_scores(stage)
        self.log_dict(self.final, logger=False, rank_zero_only=True)
        self.record(self.final)
