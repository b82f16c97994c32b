"""A short trial of a run, in a process of its own: this module is started with FILE, and a job on stdin.

It plays the real game on some of the cases: steps with loading, a validation, the test with its baselines,
and the writing of results; the process's own peak of memory is that of the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.planning.trials.clock import Clock, period_of, shortened
from ganatomy.planning.trials.usage import peak_memory

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.data.records import Record, Source
    from ganatomy.tasks.base import AdversarialTask

NEVER = 10**6


class Fewer:
    """A source that lists some of its cases; everything else is the source's own."""

    def __init__(self, source: Source, records: list[Record]) -> None:
        self._source, self._records = source, records

    def records(self) -> list[Record]:
        return self._records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def chosen(records: list[Record], limits: dict[str, int]) -> list[Record]:
    """Return at most so many cases of each split, the same at every call, in their order."""
    kept: set[str] = set()
    for split, most in limits.items():
        members = [record for record in records if record.split == split]
        members.sort(key=lambda r: hashlib.sha256(r.case.encode(errors="surrogateescape")).digest())
        kept |= {record.case for record in members[:most]}
    return [record for record in records if record.case in kept]


def try_out(cfg: Config, limits: dict[str, int], directory: Path) -> dict[str, float]:
    """Play some steps, a validation and a test; return seconds and bytes.

    Args:
        cfg: Configuration of the run.
        limits: Cases of each split that are used; empty for all.
        directory: An empty folder for the files of the trial.
    """
    from ganatomy.data.splits.split import Splitting
    from ganatomy.runs import console
    from ganatomy.runs.directory import open_new
    from ganatomy.training import build, results
    from ganatomy.training.trainer import build_trainer

    console.seed_everything(cfg.seed, cfg.trainer.threads)
    data = build.build_data(cfg)
    if limits:
        few = chosen(data.splitting(data.source.records()), limits)
        data.source, data.splitting = Fewer(data.source, few), Splitting()
    begun = time.monotonic()
    data.setup()
    surveyed = time.monotonic()
    cfg, task = _set_up(cfg, data)
    run = open_new(directory)
    trainer = build_trainer(cfg.with_values(trainer={**cfg.trainer.to_plain(), **_UNTIL_TOLD}), run)
    clock = Clock(shortened(task, cfg.trainer.max_steps), period_of(task))
    trainer.callbacks.append(clock)  # type: ignore[attr-defined]
    built = time.monotonic()
    trainer.fit(task, datamodule=data)
    fitted = time.monotonic()
    trainer.test(task, datamodule=data, verbose=False)
    tested = time.monotonic()
    run.status("done")
    results.write(run, task, trainer)
    train, val, test = (len(data.records[split]) for split in ("train", "val", "test"))
    spent = sum(map(sum, clock.steps)) + clock.validation.seconds
    return {
        "read": surveyed - begun,
        "cases": train + val + test,
        "set_up": built - surveyed + time.monotonic() - tested,
        "step": clock.step,
        "checkpoint": max(0.0, fitted - clock.begun - spent),
        "validation": clock.validation.seconds,
        "validation_further": clock.validation.further,
        "val_cases": val,
        "test": tested - fitted,
        "test_further": clock.test.further,
        "fitting": clock.test.preparing,
        "train_cases": train,
        "test_cases": test,
        "cached": data.cache.size,
        "memory": peak_memory(),
    }


_UNTIL_TOLD = {"max_steps": NEVER, "val_every": NEVER}


def _set_up(cfg: Config, data: DataModule) -> tuple[Config, AdversarialTask]:
    """Build the task as `train` does."""
    from ganatomy.runs import console
    from ganatomy.training import build, evaluators, perception, preflight, structure
    from ganatomy.training.machine.planner import plan_machine

    cfg = build.complete(cfg, data)
    task = build.build_task(cfg, data.mask_classes)
    data.check_learner(task.unpaired)
    evaluators.attach_evaluator(cfg, task, data)
    cfg = perception.attach_perception(cfg, task, data)
    cfg = structure.attach_structure(cfg, task, data)
    preflight.check_size(task, data)
    preflight.check_monitor(task)
    preflight.check_schedules(cfg, task)
    preflight.plan_update(cfg.update, task, data)
    cfg, _ = plan_machine(cfg, task, data)
    build.lay_out(task, cfg.trainer)
    console.set_threads(cfg.trainer.threads)
    return cfg, task


def main() -> None:
    """Read a job, try it out, and write the result to the file that is named."""
    from ganatomy.config.schema import Config
    from ganatomy.runs import console

    begun = time.time()
    job = json.load(sys.stdin)
    console.silence_libraries()
    result: dict[str, Any]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        try:
            result = try_out(Config.from_plain(job["config"]), job["limits"], Path(folder) / "run")
            result["start"] = begun - job["begun"]
        except UserError as error:
            result = {"error": str(error)}
    Path(sys.argv[1]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
