"""guard=rollback: what a game that went back ends with, however often it was killed on the way."""

from __future__ import annotations

import json
import math
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.callbacks import checkpoint as checkpoints
from ganatomy.callbacks.guard import Guard
from ganatomy.callbacks.rollbacks import Rollbacks, found
from ganatomy.guard.events import Event, GameFailed
from ganatomy.guard.record import Look, Record
from ganatomy.runs.directory import Run
from ganatomy.training import preflight, rollback
from ganatomy.training.remedies import Change
from tests.test_resume import assert_same, assert_same_end, checkpoint, history

G, D = "model.optimizer.generator.lr", "model.optimizer.discriminator.lr"
STEPS = ["trainer.max_steps=14", "trainer.val_every=3", "callbacks.checkpoint_every=4", "callbacks.samples=2"]
WORDS = [*STEPS, "guard=rollback", f"{D}=0.008"]
FAILS_AT = 9


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The game fails at its third validation, `times` times; `good`: it was sound at the best one before."""

    def plant(good: bool, times: int = 1, player: str = "discriminator") -> None:
        def act(self: Guard, trainer: Any) -> None:
            made = len(found(trainer, Rollbacks).made)
            if (
                trainer.state.fn != "fit"
                or trainer.lightning_module.batches_done != FAILS_AT
                or made >= times
            ):
                return
            self.events = [Event.named("weights_thrown", FAILS_AT, player, "planted")]
            if self.name == "rollback":
                raise GameFailed(self.events[0])
            trainer.should_stop = True

        monkeypatch.setattr(Guard, "_act", act)
        monkeypatch.setattr(rollback, "sound", lambda *seen: good)

    return plant


def status(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "status.json").read_text()))


def configuration(run: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((run / "config.yaml").read_text()))


def pictures(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "samples").glob("*.png")}


def files(run: Path) -> set[str]:
    """Names of the kept files, without the clock's and half-written ones."""
    return {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file() and not p.name.startswith(".")}


def test_from_the_start_it_is_the_run_with_the_other_rate(run, failing) -> None:
    """Step 0 and the initial weights: nothing of the abandoned game is left in what comes after."""
    other = run("other", *STEPS, f"{D}=0.0008")
    failing(good=False)
    back = run("back", *WORDS)
    for end in (first := checkpoint(other)), (second := checkpoint(back)):
        del end["callbacks"]["Rollbacks"]
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "callbacks"):
        assert_same(first[part], second[part], part)
    assert history(other) == history(back)
    for name in ("metrics.json", "generator.safetensors"):
        assert (other / name).read_bytes() == (back / name).read_bytes()
    assert pictures(other) == pictures(back)
    told = {"try": 1, "step": 9, "event": "weights_thrown", "back_to": 0}
    assert status(back)["rollbacks"] == [{**told, "key": D, "before": 0.008, "after": 0.0008}]
    assert status(back)["status"] == "done"
    assert configuration(back)["model"]["optimizer"]["discriminator"]["lr"] == 0.0008
    assert "\n9," in (back / "rollbacks" / "1" / "metrics.csv").read_text()


def test_a_checkpoint_brings_no_old_rate(run, failing, tmp_path: Path) -> None:
    """The rates after going back to step k are those of the new schedule at k, in closed form."""
    failing(good=True, player="generator")
    back = run("back", *STEPS, "guard=rollback", f"{G}=0.004", f"{D}=0.0001")
    (row,) = status(back)["rollbacks"]
    assert row["back_to"] in (3, 6) and (row["before"], row["after"]) == (0.004, 0.0004)
    end = checkpoint(back)
    group = end["optimizer_states"][0]["param_groups"][0]
    least = configuration(back)["model"]["scheduler"]["generator"].get("eta_min", 0)
    expected = least + (0.0004 - least) * (1 + math.cos(math.pi * 14 / 20)) / 2
    assert group["lr"] == pytest.approx(expected, rel=1e-6)
    assert group["initial_lr"] == 0.0004 and end["lr_schedulers"][0]["base_lrs"] == [0.0004]
    assert end["optimizer_states"][0]["state"][0]["step"] == 14, "moments go on from the good checkpoint"


def test_going_back_repeats_and_skips_nothing(run, failing, monkeypatch) -> None:
    """A rollback that changes no number ends like a run that never failed."""
    whole = run("whole", *WORDS)
    failing(good=True)
    monkeypatch.setattr(rollback, "remedy", lambda *given: (Change("name", "whole", "other"),))
    back = run("back", *WORDS)
    assert status(back)["rollbacks"][0]["back_to"] in (3, 6)
    for end in (first := checkpoint(whole)), (second := checkpoint(back)):
        del end["callbacks"]["Rollbacks"]
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "callbacks", "loops"):
        assert_same(first[part], second[part], part)
    assert history(whole) == history(back)
    assert (whole / "metrics.json").read_text() == (back / "metrics.json").read_text()


def killed(run: Callable[..., Path], point: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Train in a child that SIGKILLs itself at a point; `point` plants where."""
    child = os.fork()
    if child == 0:
        try:
            point(pytest.MonkeyPatch())
            run("cut", *WORDS)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def die(*given: Any, **more: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(step: int, times: int = 1) -> Callable[[pytest.MonkeyPatch], None]:
    """The batch of this number begins, for the n-th time."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        begin, seen = checkpoints.Checkpoints.on_train_batch_start, []

        def counted(self: Any, trainer: Any, task: Any, *rest: Any) -> None:
            seen.append(task.batches_done)
            if seen.count(step) == times:
                die()
            begin(self, trainer, task, *rest)

        patch.setattr(checkpoints.Checkpoints, "on_train_batch_start", counted)

    return plant


def after_status(patch: pytest.MonkeyPatch) -> None:
    """status.json tells of the rollback; config.yaml does not yet."""
    write = Run.status

    def told(self: Run, *words: Any, **more: Any) -> None:
        write(self, *words, **more)
        if more.get("rollbacks"):
            die()

    patch.setattr(Run, "status", told)


def before_status(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rollback, "_set_aside", die)


def after_description(patch: pytest.MonkeyPatch) -> None:
    """config.yaml holds the change; last.ckpt is of the old game."""
    describe = preflight.describe

    def described(run: Run, *rest: Any) -> int:
        start = describe(run, *rest)
        if (run.read("status.json") or {}).get("rollbacks"):
            die()
        return start

    patch.setattr(preflight, "describe", described)


def in_the_first_write(patch: pytest.MonkeyPatch) -> None:
    """metrics.csv is cut to the step gone back to; last.ckpt of the new game is half written."""
    write = checkpoints.AtomicCheckpointIO.save_checkpoint

    def cut(self: Any, content: Any, path: Path, *rest: Any, **more: Any) -> None:
        if content["callbacks"]["Rollbacks"]["made"]:
            die()
        write(self, content, path, *rest, **more)

    patch.setattr(checkpoints.AtomicCheckpointIO, "save_checkpoint", cut)


def after_the_first_write(patch: pytest.MonkeyPatch) -> None:
    write = checkpoints.AtomicCheckpointIO.save_checkpoint

    def cut(self: Any, content: Any, path: Path, *rest: Any, **more: Any) -> None:
        write(self, content, path, *rest, **more)
        if content["callbacks"]["Rollbacks"]["made"]:
            die()

    patch.setattr(checkpoints.AtomicCheckpointIO, "save_checkpoint", cut)


POINTS = {
    "before": at_step(7),
    "going back": before_status,
    "status written": after_status,
    "configuration written": after_description,
    "first checkpoint": in_the_first_write,
    "first checkpoint written": after_the_first_write,
    "after": at_step(8, times=2),
}


QUICK = {("going back", True), ("first checkpoint", True), ("configuration written", False)}
CASES = [
    pytest.param(point, good, marks=[] if (point, good) in QUICK else pytest.mark.long)
    for good in (False, True)
    for point in POINTS
]


@pytest.mark.parametrize(("point", "good"), CASES)
def test_killed_anywhere_and_resumed(run, failing, point: str, good: bool) -> None:
    failing(good=good)
    whole = run("whole", *WORDS)
    assert bool(status(whole)["rollbacks"][0]["back_to"]) == good
    killed(run, POINTS[point])
    cut = run("cut", resume=True)
    assert_same_end(whole, cut)
    for part in ("rollbacks", "best"):
        assert status(cut)[part] == status(whole)[part]
    for key in ("model", "seed", "data"):
        assert configuration(whole)[key] == configuration(cut)[key]
    assert files(whole) == files(cut)


def test_it_gives_up_after_n_tries(run, failing, capsys) -> None:
    """The last game ends as with guard=stop: it is scored, and the run says what was tried."""
    failing(good=False, times=9)
    ended = run("ended", *WORDS, "guard.tries=2")
    assert status(ended)["status"] == "done" and checkpoint(ended)["batches_done"] == FAILS_AT
    assert [(row["try"], row["key"]) for row in status(ended)["rollbacks"]] == [(1, D), (2, D)]
    assert "test/dice" in (ended / "metrics.json").read_text()
    words = capsys.readouterr().err
    assert (
        f"rollback 1 of 2: weights_thrown at step 9 (planted); back to step 0, {D} 0.008 -> 0.0008" in words
    )


def test_sound_before() -> None:
    """Better than the trivial baseline at that validation, and no event before it."""
    looks = [Look(50, 470.0, trivial=441.0), Look(100, 300.0, trivial=441.0), Look(150, 290.0, trivial=441.0)]
    record = Record(sign=-1, looks=looks)
    assert [rollback.sound(record, [], step) for step in (50, 100, 150)] == [False, True, True]
    told = [Event.named("collapse", 150, "generator", "seen")]
    assert [rollback.sound(record, told, step) for step in (100, 150)] == [True, False]
    assert rollback.sound(record, [told[0].warning()], 150)
    unknown = Record(sign=1, looks=[Look(50, 0.4), Look(100, 0.3), Look(150, 0.5)])
    assert [rollback.sound(unknown, [], step) for step in (50, 100, 150)] == [False, False, True]
