"""guard=rollback: a game that failed goes back, changes one thing and is played again.

A rollback is made in memory and takes effect with the first last.ckpt of the new game, which lists it. Until
then a killed run resumes from a checkpoint of the old game, comes to the same event and goes back again.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganatomy.adversarial import NotFinite
from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.callbacks.checkpoint import Checkpoints
from ganatomy.callbacks.guard import Guard
from ganatomy.callbacks.loggers import close
from ganatomy.callbacks.rollbacks import Rollbacks, found
from ganatomy.config.schema import Config
from ganatomy.guard.events import Event, GameFailed
from ganatomy.guard.record import Record
from ganatomy.runs.checkpoints.resumption import fault_of_best, shapes
from ganatomy.runs.console import print_status
from ganatomy.runs.process_place import from_rank_zero
from ganatomy.training.remedies import PLAYERS, Change, changed, remedy

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from ganatomy.runs.directory import Run

Row = Mapping[str, Any]
"""A change as status.json lists it: try, step, event, back_to, key, before, after."""


@dataclass(frozen=True)
class Attempt:
    """One go at the game.

    Attributes:
        cfg: Configuration, with what the rollbacks changed.
        checkpoint: Where it begins; None for the initial weights.
        rollbacks: Changes so far.
        start: Step that a rollback has just gone back to; None if there was none.
    """

    cfg: Config
    checkpoint: Path | None
    rollbacks: tuple[Row, ...] = ()
    start: int | None = None

    def watch(self, trainer: pl.Trainer) -> None:
        """Have every checkpoint list the rollbacks; after the last one the game ends as with guard=stop."""
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        callbacks.append(Rollbacks([dict(row) for row in self.rollbacks], fresh=self.start is not None))
        guard = self.cfg.guard
        if guard.name == "rollback" and _tries(self.rollbacks) >= guard.tries:
            found(trainer, Guard).name = "stop"

    def goes_on(self, run: Run) -> str:
        """Return a line on where a resumed run goes on; empty for another run."""
        there = run.resumption
        return f"resume: goes on after step {there.step} of {self.cfg.trainer.max_steps}" if there else ""

    def closing_lines(self, game: str) -> list[str]:
        """Return a line on the rollbacks of a run that ends, if there were any.

        Args:
            game: How the last game ended: "healthy", or the event.
        """
        if not self.rollbacks:
            return []
        tried = _listing(_changes(self.rollbacks))
        return [f"rollbacks: {_tries(self.rollbacks)} ({tried}); the last game: {game}"]


def first(cfg: Config, run: Run) -> Attempt:
    """Return the attempt that a command begins with; of a resumed run, the one that its checkpoint is of.

    config.yaml may be ahead of the checkpoint, by a rollback that did not come to its first checkpoint, or
    behind it: the checkpoint decides.
    """
    chosen = run.resumption
    if chosen is None or chosen.foreign:  # which is refused once the model is compared with it
        return Attempt(cfg, None)
    made, known = from_rank_zero(lambda: (_listed(chosen.path), run.known_status().get("rollbacks", [])))
    if made != known:
        plain = changed(changed(cfg.to_plain(), _changes(known), undo=True), _changes(made))
        cfg = Config.from_plain(plain)
        kept = aside(run, _tries(made) + 1) / "metrics.csv"
        if run.is_rank_zero and len(made) < len(known) and kept.is_file():
            run.write_bytes("metrics.csv", kept.read_bytes())
        run.write("config.yaml", plain)
        run.status("running", rollbacks=made)
    return Attempt(cfg, run.last, tuple(made))


def after(failure: GameFailed | NotFinite, attempt: Attempt, run: Run, trainer: pl.Trainer) -> Attempt | None:
    """Go back after a failure.

    Args:
        failure: Why the training ended.
        attempt: What was played.
        run: Run directory.
        trainer: Trainer that played it.

    Returns:
        What to play next; None if the run ends here.
    """
    guard, before = attempt.cfg.guard, attempt.rollbacks
    number = _tries(before) + 1
    event = failure.event if isinstance(failure, GameFailed) else _event(failure, trainer)
    if guard.name != "rollback" or event is None:
        return None
    plain = attempt.cfg.to_plain()
    chosen = remedy(event, plain, _changes(before)) if number <= guard.tries else None
    if chosen is None:
        print_status("\n".join(attempt.closing_lines(event.name)))
        return None
    step, now = _good_step(before, run, trainer), trainer.lightning_module.batches_done
    common = {"try": number, "step": now, "event": event.name, "back_to": step}
    made = (*before, *({**common, **asdict(change)} for change in chosen))
    print_status(
        f"rollback {number} of {guard.tries}: {event.name} at step {now} ({event.cause}); "
        f"back to step {step}, {_listing(chosen)}"
    )
    for logger in trainer.loggers:
        logger.save()
    close(trainer.loggers, 0)
    _set_aside(run, number, step)
    run.status("running", f"from step {step}, after rollback {number}", rollbacks=list(made))
    run.resumption = None
    return Attempt(Config.from_plain(changed(plain, chosen)), run.best if step else None, made, step)


def aside(run: Run, number: int) -> Path:
    """Return the folder of what a game left that was given up."""
    return run.path / "rollbacks" / str(number)


def sound(record: Record, reported: Sequence[Event], step: int) -> bool:
    """Return True if the game was in order at a validation, and better than the trivial baseline.

    Where no baseline is known it must be better than the first validation, which stands for random weights.

    Args:
        record: What the guard has seen.
        reported: Events of the run so far.
        step: Step of the validation.
    """
    if any(event.fatal and event.step <= step for event in reported):
        return False
    looks = record.scored()
    at = next((look for look in looks if look.step == step), None)
    if at is None:
        return False
    beaten = at.trivial if math.isfinite(at.trivial) else looks[0].score
    return record.sign * (at.score - beaten) > 0


def _event(error: NotFinite, trainer: pl.Trainer) -> Event | None:
    """Return the event of a gradient that is not finite; None for an output, which one process alone sees."""
    where, _, why = str(error).partition(": ")
    player = next((name for name in PLAYERS if f"gradient of the {name}" in why), "")
    if not player and "overflows" not in why and processes() > 1:
        return None
    task: Any = trainer.lightning_module
    return Event.named("not_finite", task.batches_done, player, why.partition("; ")[0] or where)


def _good_step(before: Sequence[Row], run: Run, trainer: pl.Trainer) -> int:
    """Return the step of best.ckpt if its game was sound then and did not fail from there before; else 0."""
    guard, step = found(trainer, Guard), found(trainer, Checkpoints).best_step
    if not step or any(row["back_to"] == step for row in before):
        return 0
    if not sound(guard.record, list(guard.reported.values()), step):
        return 0
    weights = shapes(trainer.lightning_module.state_dict())
    return 0 if from_rank_zero(lambda: fault_of_best(run.best, step, weights)) else step


def _set_aside(run: Run, number: int, step: int) -> None:
    """Copy the history, and move pictures of later steps, into the folder of the rollback."""
    if not run.is_rank_zero:
        return
    folder = aside(run, number)
    folder.mkdir(parents=True, exist_ok=True)
    if (run.path / "metrics.csv").is_file():
        shutil.copyfile(run.path / "metrics.csv", folder / "metrics.csv")
    for picture in run.samples.glob("step_*.png"):
        if int(picture.stem.removeprefix("step_")) > step:
            (folder / "samples").mkdir(exist_ok=True)
            picture.replace(folder / "samples" / picture.name)


def _listed(checkpoint: Path) -> list[Row]:
    """Return the rollbacks that a checkpoint lists, one that was found to be sound."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return list(state["callbacks"].get(Rollbacks.__qualname__, {}).get("made", []))


def _changes(rows: Sequence[Row]) -> list[Change]:
    return [Change(row["key"], row["before"], row["after"]) for row in rows]


def _tries(rows: Sequence[Row]) -> int:
    return max((row["try"] for row in rows), default=0)


def _listing(changes: Sequence[Change]) -> str:
    return ", ".join(map(str, changes))
