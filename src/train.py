"""`python -m src.train`: compose, train, score, report."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytorch_lightning as pl
    from omegaconf import DictConfig

    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.inference.trained import TrainedRun
    from ganatomy.runs.directory import Run
    from ganatomy.tasks.base import AdversarialTask
    from ganatomy.training.rollback import Attempt

BEGUN = time.monotonic()
"""Start of this process, as nearly as Python code sees it."""


@command("train")
def main(cfg: DictConfig) -> float:
    """Compose the configuration of one run and train it; return its best validation score."""
    from hydra.core.hydra_config import HydraConfig

    from ganatomy.config.resolve import resolve_config, validate
    from ganatomy.config.security.connections import check_connections
    from ganatomy.launch.distributed import settle_place
    from ganatomy.launch.processes import end_by_game, processes_of, train_in_processes
    from ganatomy.runs.multirun import given_words

    hydra = HydraConfig.get()
    plain = resolve_config(cfg, given_words(hydra))
    check_connections(plain, sys.argv[1:])
    plain["run_dir"] = hydra.runtime.output_dir
    settled = settle_place(validate(plain))
    directory = Path(hydra.runtime.output_dir)
    count = processes_of(settled.trainer)
    score = train_in_processes(count, directory) if count else train(settled, directory)
    end_by_game(directory)
    return score


@dataclass(frozen=True)
class Session:
    """A game that is set up: what is played, where, and with what."""

    attempt: Attempt
    cfg: Config
    run: Run
    data: DataModule
    task: AdversarialTask
    trainer: pl.Trainer
    start: int


def train(cfg: Config, directory: Path) -> float:
    """Train, test and report one run in `directory`; with `resume`, go on with the run that is there.

    The directory is this run's alone meanwhile.
    """
    from ganatomy.launch.distributed import join_group
    from ganatomy.launch.ownership import owned
    from ganatomy.runs.process_place import is_rank_zero

    directory = join_group(cfg.trainer, directory)
    with owned(directory, bool(cfg.resume), is_rank_zero()):
        return _train(cfg, directory)


def _train(cfg: Config, directory: Path) -> float:
    """Do the work of `train` in a directory that is this run's: play until a game does not go back."""
    from ganatomy.callbacks.loggers import check_installed
    from ganatomy.config.mistakes import memory
    from ganatomy.invocation import shown
    from ganatomy.launch import distributed
    from ganatomy.planning import running
    from ganatomy.runs import console
    from ganatomy.runs.directory import open_again, open_new
    from ganatomy.runs.process_place import is_rank_zero
    from ganatomy.training import build, rollback
    from ganatomy.training.failure import fail
    from ganatomy.training.initial.source import check_place

    console.silence_libraries()
    check_installed(cfg.logger.name)
    run = (open_again if cfg.resume else open_new)(directory, is_rank_zero())
    if cfg.plan and not cfg.resume:
        cfg = running.planned(cfg, run)
    attempt = rollback.first(cfg, run)
    console.seed_everything(attempt.cfg.seed, cfg.trainer.threads)
    if cfg.init and not cfg.resume:
        check_place(cfg.init)
    data = build.build_data(attempt.cfg)
    with memory.explained(cfg, begun=False):
        data.setup()
    for line in running.check_plan(cfg, data):
        console.print_status(line)
    session = _set_up(attempt, run, data)
    try:
        while isinstance(outcome := _play(session), rollback.Attempt):
            session = _set_up(outcome, run, data)
    except BaseException as error:
        fail(run, session.trainer, error)
        raise
    distributed.leave_group()
    if run.is_rank_zero:
        sys.stdout.write(f"run: {shown(run.path)}\n")
    return outcome


def _set_up(attempt: Attempt, run: Run, data: DataModule) -> Session:
    """Build task and trainer, check them, and describe the run in its directory."""
    from ganatomy.data.summary import check_held
    from ganatomy.runs import console
    from ganatomy.training import build, evaluators, perception, preflight, structure
    from ganatomy.training.initial.begin import begin
    from ganatomy.training.machine.planner import plan_machine
    from ganatomy.training.synthetic.attach import attach_synthetic
    from ganatomy.training.trainer import build_trainer

    cfg = build.complete(attempt.cfg, data)
    check_held(data)
    task = build.build_task(cfg, data.mask_classes)
    data.check_learner(task.unpaired)
    resumes = bool(cfg.resume) and attempt.start is None
    beginning = begin(cfg, task, data, fresh=attempt.checkpoint is None and not resumes)
    cfg = beginning.cfg
    evaluators.attach_evaluator(cfg, task, data)
    cfg = perception.attach_perception(cfg, task, data)
    cfg = structure.attach_structure(cfg, task, data)
    joined = attach_synthetic(cfg, task, data)
    cfg = joined.cfg
    preflight.check_size(task, data)
    preflight.check_monitor(task)
    preflight.check_schedules(cfg, task)
    plan = preflight.plan_update(cfg.update, task, data)
    preflight.check_processes(task)
    cfg, machine = plan_machine(cfg, task, data)
    build.lay_out(task, cfg.trainer)
    console.set_threads(cfg.trainer.threads)
    trainer = build_trainer(cfg, run)
    hashes = {"init_hash": cfg.init_hash, "synthetic_hash": cfg.synthetic_hash}
    settled = attempt.cfg.with_values(**hashes, trainer=cfg.trainer.to_plain())
    attempt = replace(attempt, cfg=settled)
    attempt.watch(trainer)
    without = f" ({len(data.left_out)} cases left out)" if data.left_out else ""
    items = f"data: {len(data.train_items())} training items{without}, cache: {data.cache.room}"
    notes = [*beginning.lines, *joined.lines, data.cut, *data.notes, *task.notes, *task.undefined(data)]
    lines = [attempt.goes_on(run), machine, str(plan), items, *notes]
    console.print_status("\n".join(filter(None, lines)))
    origins = {"init": beginning.record, "synthetic": joined.record}
    start = preflight.describe(run, cfg, data, task, origins)
    if attempt.start is not None:
        start = attempt.start
    data.start_at(start, cfg.seed)
    return Session(attempt, cfg, run, data, task, trainer, start)


def _play(session: Session) -> float | Attempt:
    """Train and finish; of a failed game that goes back, return how it goes on."""
    from ganatomy.adversarial import NotFinite
    from ganatomy.callbacks.checkpoint import ending_at_once
    from ganatomy.callbacks.loggers import build_loggers
    from ganatomy.config.mistakes import memory
    from ganatomy.guard.events import GameFailed
    from ganatomy.training import rollback

    cfg, run, trainer, attempt = session.cfg, session.run, session.trainer, session.attempt
    goes_on = bool(cfg.resume) or attempt.start is not None
    trainer.loggers = build_loggers(cfg, run, session.start if goes_on else None) if run.is_rank_zero else []
    with memory.explained(cfg):
        try:
            trainer.fit(
                session.task, datamodule=session.data, ckpt_path=attempt.checkpoint, weights_only=True
            )
        except (GameFailed, NotFinite) as failure:
            if again := rollback.after(failure, attempt, run, trainer):
                return again
            raise
        with ending_at_once(session.task.batches_done):
            return _finish(session)


def _finish(session: Session) -> float:
    """Score the chosen checkpoint on the test split and write the results."""
    from ganatomy.callbacks.loggers import close, keep
    from ganatomy.planning import running
    from ganatomy.training import results

    cfg, run, data = session.cfg, session.run, session.data
    trainer, task = session.trainer, session.task
    steps = task.batches_done  # the test loads a checkpoint, perhaps of an earlier step
    length, early = results.length(steps, cfg)
    if steps % trainer.val_check_interval or results.best(trainer)["score"] is None:
        trainer.validate(task, datamodule=data, verbose=False)
    best = results.best(trainer)
    checkpoint, undefined = results.weights_to_test(run, task, best, cfg.trainer.test_checkpoint)
    trainer.test(task, datamodule=data, ckpt_path=checkpoint, verbose=False, weights_only=True)
    if not run.is_rank_zero:
        return float(best["score"])
    results.write(run, task, trainer)
    run.timed()
    notes = [undefined] if undefined else []
    game = results.game(trainer)
    behind, standing = results.behind(run, task, trainer, steps)
    run.status("done", "; ".join([length, *notes]), best=best, behind=behind, **game)
    if getattr(cfg.logger, "artifacts", False):
        keep(trainer.loggers, run)
    for logger in trainer.loggers:
        logger.finalize("success")
    close(trainer.loggers, 0)
    lines = [
        *running.closing_lines(cfg, time.monotonic() - BEGUN),
        *task.closing_lines,
        *session.attempt.closing_lines(game.get("game", "")),
        *early,
        *notes,
        *standing,
    ]
    results.show(run, lines, cfg.callbacks.report)
    return float(best["score"])


class _Callable(ModuleType):
    """This module, which `ganatomy.train([...])` calls."""

    def __call__(self, words: Sequence[str] = (), quiet: bool = False) -> TrainedRun:
        """Train a run in a process of its own and return it; see `ganatomy.inference.trained.train`."""
        from ganatomy.inference.trained import train as train_words

        return train_words(words, quiet)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    main()
