"""Observer of the game: looks at what is logged and at each validation, and tells when the game fails."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from ganatomy.callbacks.loggers import alert, summarise
from ganatomy.callbacks.pairing import Pairing
from ganatomy.callbacks.probe import Answers, change, greatest_change, probe, probe_batch, some_weights
from ganatomy.data.datamodule import DataModule
from ganatomy.guard.events import OF_DATA, Event, GameFailed, game_of
from ganatomy.guard.record import Line, Look, Record
from ganatomy.guard.training_data import constant_images, few_images, one_class
from ganatomy.guard.verdict import assess, final
from ganatomy.runs import console
from ganatomy.tasks.base import AdversarialTask, Batch

WORTHLESS = ("constant_images", "generator_frozen", "collapse", "constant_output", "worse_than_baseline")
"""Events after which the outputs are worth nothing, whatever else was seen."""
PLACES = {"label": "label maps", "boxes": "boxes", "class": "class labels"}


class Guard(pl.Callback):
    """Watch both players; at a game that fails warn, stop the training or raise `GameFailed`.

    Nothing is drawn from random generators of the run and no buffer changes, so the numbers of a run do not
    depend on it. All that it has seen is in its state, so a resumed run gets the events of an uninterrupted
    one; all processes see the same.

    Attributes:
        events: Events that hold now; after the test those of the whole run.
        reported: Every event so far, with the step at which it was first seen.
    """

    def __init__(self, name: Literal["warn", "stop", "rollback"] = "warn") -> None:
        self.name = name
        self.record = Record()
        self.of_data: list[Event] = []
        self.events: list[Event] = []
        self.reported: dict[str, Event] = {}
        self.begun: dict[str, Tensor] = {}
        self.pairing = Pairing()
        self._batch: Batch | None = None

    @property
    def game(self) -> str:
        """Return the name of the failed game, or `healthy`."""
        return game_of(self.events)

    def outcome(self) -> dict[str, Any]:
        """Return what status.json holds: the `game`, and all `events` with those that `healed` meanwhile."""
        now = {event.name: event for event in self.events}
        shown = [now.get(name, event) for name, event in self.reported.items()]
        events = [{**event.to_plain(), "healed": event.name not in now} for event in shown]
        return {"game": self.game, "events": events}

    def state_dict(self) -> dict[str, Any]:
        shown = [event.to_plain() for event in self.reported.values()]
        return {**self.record.to_plain(), "begun": self.begun, "reported": shown}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with what was seen; the checkpoint that is tested is older and tells nothing new."""
        state = checkpoint["callbacks"].get(self.state_key)
        if trainer.state.fn == TrainerFn.FITTING and state is not None:
            self.record.load(state)
            self.begun = dict(state["begun"])
            self.reported = {plain["name"]: Event.from_plain(plain) for plain in state["reported"]}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = _task(pl_module)
        self._prepare(trainer, task)
        self._tell(assess(self.record, self.of_data), trainer, task)

    def _prepare(self, trainer: pl.Trainer, task: AdversarialTask) -> Batch:
        """Load the images of the probe, and look at the training data, once."""
        if self._batch is None:
            data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
            self._batch = probe_batch(data, task.device)
            self.of_data = data_events(data, task, self._batch)
        return self._batch

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        task = _task(pl_module)
        if not self.begun:
            self.begun = _weights(task)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        task = _task(pl_module)
        phase = getattr(task, "number", 0)
        if phase != self.record.phase:
            self.record.begin(phase)
            self.begun = _weights(task)
        if task.batches_done % task.recipe.log_every == 0:
            self.record.add(Line(task.batches_done, _loss(task)))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        *rest: Any,
        **more: Any,
    ) -> None:
        task = _task(pl_module)
        classes = len(task.recipe.classes) if task.learned == "label" else 0
        self.pairing.add(batch, outputs["prediction"], classes)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = _task(pl_module)
        self.record.sign, self.record.from_noise = task.direction, task.from_noise
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        rows = max(1, data.batch_size // (data.pieces * trainer.world_size))
        answers = probe(task, self._prepare(trainer, task), rows)
        self.record.look(self._look(task, answers))
        self._record(task)
        self._tell(assess(self.record, self.of_data), trainer, task)
        self._act(trainer)

    def _look(self, task: AdversarialTask, answers: Answers) -> Look:
        pairs = {name: (self.begun[name].to(w), w) for name, w in _weights(task).items() if self.begun}
        score, final_scores = task.monitor.removeprefix("val/"), task.final
        train, held, fake = (
            final_scores.get(f"val/logits/{name}", math.nan) for name in ("train", "held_out", "fake")
        )
        return Look(
            step=task.batches_done,
            score=final_scores.get(task.monitor, math.nan),
            trivial=final_scores.get(f"val/baseline/{task.trivial}/{score}", math.nan),
            diversity=answers.diversity,
            match=math.nan if task.from_noise else self.pairing.match(),
            guess=answers.guess,
            separation=answers.separation,
            drift={name: float(change(*pair)) for name, pair in pairs.items()},
            moved={name: float(greatest_change(*pair)) for name, pair in pairs.items()},
            memory=(train - held) / (train - fake) if train > fake else math.nan,
        )

    def _record(self, task: AdversarialTask) -> None:
        """Log the last look."""
        look = self.record.looks[-1]
        seen = {"diversity": look.diversity, "match": look.match, "separation": look.separation}
        seen |= {f"drift/{player}": value for player, value in look.drift.items()}
        task.record({f"guard/{name}": value for name, value in seen.items() if math.isfinite(value)})

    def _tell(self, events: list[Event], trainer: pl.Trainer, task: AdversarialTask) -> None:
        """Print each event once, and hand it to the loggers."""
        self.events = []
        for event in events:
            before = self.reported.get(event.name)
            new = before is None or (event.fatal and not before.fatal)
            self.events.append(event if new or before is None else replace(event, step=before.step))
            if new:
                self.reported[event.name] = event
                console.print_status(f"{'the game fails' if event.fatal else 'warning'}: {event.line}")
                alert(trainer.loggers, event.name, event.line)

    def _act(self, trainer: pl.Trainer) -> None:
        fatal = next((event for event in self.events if event.fatal), None)
        if fatal is None or trainer.state.fn != TrainerFn.FITTING:
            return
        if self.name == "rollback" and fatal.name not in OF_DATA:
            raise GameFailed(fatal)
        if self.name != "warn":
            trainer.should_stop = True

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = _task(pl_module)
        found = final(self.record, self.of_data, task.final, task.main_score, task.trivial)
        self._tell(found, trainer, task)
        summarise(trainer.loggers, {"game": self.game})
        if worthless := [event for event in self.events if event.fatal and event.name in WORTHLESS]:
            task.worthless(worthless[0].cause)


def data_events(data: DataModule, task: AdversarialTask, batch: Batch) -> list[Event]:
    """Return the events of the training data.

    Args:
        data: Data of the run.
        task: Task, which says what is learned.
        batch: Some training items.
    """
    role = task.learned
    classes = {"label": data.mask_classes, "boxes": data.box_classes, "class": data.image_classes}
    used = data.labels.used(data.records["train"])
    present = {n for record in used for n in data.facts[record.case].holds.get(role, ())}
    if role == "label":  # the facts do not mention the background
        present |= set(batch["label"].unique().tolist())
    found = []
    for name in () if data.patches else ("image", "target")[: 1 + (task.written_like == "target")]:
        flat = batch[name].flatten(1)
        constant = int((flat.amax(1) == flat.amin(1)).sum())
        found += constant_images(constant, distinct(flat), len(flat), f"{name}s")
    found += few_images(data.train_items().labelled_items, task.from_noise)
    return found + (one_class(PLACES[role], classes[role], present, role == "label") if role else [])


def distinct(rows: Tensor) -> int:
    """Return the number of different rows [n, m]; sorting them, as `torch.unique` does, copies them all."""
    return sum(not any(torch.equal(row, other) for other in rows[:n]) for n, row in enumerate(rows))


def _task(pl_module: pl.LightningModule) -> AdversarialTask:
    assert isinstance(pl_module, AdversarialTask)
    return pl_module


def _weights(task: AdversarialTask) -> dict[str, Tensor]:
    """Return some weights of each player that learns now."""
    weights = {p: task.trainable(name).parameters() for p, name in task.stepping_optimizer.items()}
    return {player: some_weights([w for w in each if w.requires_grad]) for player, each in weights.items()}


def _loss(task: AdversarialTask) -> float:
    """Return D's adversarial loss in the last line of the log."""
    losses = [
        task.recorded.get(each.label("loss/discriminator", "adversarial"), math.nan)
        for each in task.game.adversaries
    ]
    return sum(losses) if losses else math.nan
