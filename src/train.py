"""`python -m src.train`: compose, train, score, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from omegaconf import DictConfig

    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.runs.directory import Run
    from ganatomy.tasks.base import AdversarialTask


@command("train")
def main(cfg: DictConfig) -> float:
    """Compose the configuration of one run and train it; return its best validation score."""
    from hydra.core.hydra_config import HydraConfig

    from ganatomy.config.resolve import resolve_config, validate
    from ganatomy.launch.distributed import settle_place
    from ganatomy.launch.processes import end_by_game, processes_of, train_in_processes
    from ganatomy.runs.multirun import given_words

    hydra = HydraConfig.get()
    plain = resolve_config(cfg, given_words(hydra))
    plain["run_dir"] = hydra.runtime.output_dir
    settled = settle_place(validate(plain))
    directory = Path(hydra.runtime.output_dir)
    count = processes_of(settled.trainer)
    score = train_in_processes(count, directory) if count else train(settled, directory)
    end_by_game(directory)
    return score


def train(cfg: Config, directory: Path) -> float:
    """Train, test and report one run in `directory`; with `resume`, go on with the run that is there."""
    from ganatomy.callbacks.checkpoint import ending_at_once
    from ganatomy.callbacks.loggers import build_loggers
    from ganatomy.config.mistakes import memory
    from ganatomy.data.summary import check_held
    from ganatomy.launch import distributed
    from ganatomy.runs import console
    from ganatomy.runs.directory import open_again, open_new
    from ganatomy.runs.process_place import is_rank_zero
    from ganatomy.training import build, preflight, pretrained
    from ganatomy.training.trainer import build_trainer

    console.silence_libraries()
    directory = distributed.join_group(cfg.trainer, directory)
    run = (open_again if cfg.resume else open_new)(directory, is_rank_zero())
    console.seed_everything(cfg.seed, cfg.trainer.threads)
    data = build.build_data(cfg)
    with memory.explained(cfg, begun=False):
        data.setup()
    cfg = build.complete(cfg, data)
    check_held(data)
    task = build.build_task(cfg, data.mask_classes)
    pretrained.attach_evaluator(cfg, task, data)
    preflight.check_size(task, data)
    preflight.check_monitor(task)
    preflight.check_schedules(cfg, task)
    plan = preflight.plan_update(cfg.update, task, data)
    preflight.check_processes(task)
    trainer = build_trainer(cfg, run)
    without = f" ({data.left_out} cases left out)" if data.left_out else ""
    items = f"data: {len(data.train_items())} training items{without}, cache: {data.cache.room}"
    notes = [data.cut, *data.notes, *task.notes, *task.undefined(data)]
    console.print_status("\n".join(filter(None, [str(plan), items, *notes])))
    start = preflight.describe(run, cfg, data, task)
    data.start_at(start)
    try:
        trainer.loggers = build_loggers(cfg, run, start if cfg.resume else None) if run.is_rank_zero else []
        last = run.last if cfg.resume else None
        with memory.explained(cfg):
            trainer.fit(task, datamodule=data, ckpt_path=last, weights_only=True)
            with ending_at_once(task.batches_done):
                score = _finish(cfg, run, trainer, task, data)
    except BaseException as error:
        _fail(run, trainer, error)
        raise
    distributed.leave_group()
    if run.is_rank_zero:
        sys.stdout.write(f"run: {_short(run.path)}\n")
    return score


def _finish(cfg: Config, run: Run, trainer: pl.Trainer, task: AdversarialTask, data: DataModule) -> float:
    """Score the chosen checkpoint on the test split and write the results."""
    from ganatomy.training import results

    if task.batches_done % trainer.val_check_interval:
        trainer.validate(task, datamodule=data, verbose=False)
    best = results.best(trainer)
    checkpoint, undefined = results.checkpoint_to_test(run, task, best, cfg.trainer.test_checkpoint)
    trainer.test(task, datamodule=data, ckpt_path=checkpoint, verbose=False, weights_only=True)
    if not run.is_rank_zero:
        return float(best["score"])
    results.write(run, task, trainer)
    run.timed()
    why = [f"{cfg.trainer.max_steps} steps", *([undefined] if undefined else [])]
    run.status("done", "; ".join(why), best=best, **results.game(trainer))
    for logger in trainer.loggers:
        logger.finalize("success")
    results.close_wandb(0)
    results.show(run, [*task.closing_lines, *why[1:]], cfg.callbacks.report)
    return float(best["score"])


def _fail(run: Run, trainer: pl.Trainer, error: BaseException) -> None:
    """Write a status that says what happened, and close the loggers."""
    from ganatomy.callbacks.checkpoint import Preempted
    from ganatomy.errors import UserError
    from ganatomy.invocation import typed
    from ganatomy.launch import distributed
    from ganatomy.training import results

    for logger in trainer.loggers:
        logger.save()
    if run.is_rank_zero:
        run.timed()
    if isinstance(error, Preempted):
        run.status("preempted", str(error))
        results.close_wandb(0)
        if run.is_rank_zero:
            sys.stderr.write(f"{error}; go on with: {typed('train')} resume={_short(run.path)}\n")
        raise SystemExit(128 + error.signum) from None
    why = f"{type(error).__name__}: {error}" if not isinstance(error, UserError) else str(error)
    why = "another process ended" if distributed.is_peer_failure(error) else why
    run.status("failed", " ".join(why.split()), **results.failed_game(trainer, error))
    results.close_wandb(1)


def _short(path: Path) -> str:
    """Return the path relative to the current folder if it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    main()
