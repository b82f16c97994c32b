"""Steps for the time that there is, and less memory where a trial took too much."""

from __future__ import annotations

import math

from ganatomy.errors import UserError
from ganatomy.planning.draft import Draft
from ganatomy.planning.rules import networks
from ganatomy.planning.rules.images import shape_of
from ganatomy.planning.trials.measuring import Measured
from ganatomy.planning.trials.usage import GB

USED = 0.95
"""Share of the time that a plan fills, and"""
ROOM = 0.85
"""share of the memory: what is measured differs from run to run."""
VALIDATIONS, FEWEST, DEAR = 5, 2, 0.15
"""Validations of a run, the fewest, and the share of its time that they may take."""
ZOOMED = 0.25
"""Share of the time that the test and the fewest validations may take at several sizes of the images."""
CACHED = 0.3
"""Share of the memory from which prepared cases are better kept on disk."""
LEAST = 20
"""Fewest steps that a plan is made for."""
MANY = 500
"""Steps below which a plan says that they are few: most runs of docs/results.md gain much beyond them."""
SMALLEST = 32
"""Shortest side that memory makes of a training image."""
PATCHED = ("segmentation", "enhancement", "translation")
"""Tasks that train on a patch of images whose size the user has set."""
IDLE = 0.5 * GB
"""Memory of a process that has imported everything and trains nothing."""


def choose_steps(draft: Draft, found: Measured) -> None:
    """Choose the number of steps and of validations; steps that the user set are not asked whether they fit.

    Raises:
        UserError: The time is too short for any training.
    """
    every = draft.get("callbacks.checkpoint_every", 100)
    time = USED * draft.steps_for
    count = max(FEWEST, min(VALIDATIONS, int(DEAR * time / max(found.validation, 1e-9))))
    cost = found.step + found.checkpoint / every
    if time - found.fixed - count * found.validation < LEAST * cost:
        count = FEWEST
    steps = int((time - found.fixed - count * found.validation) / cost)
    if steps < LEAST and not draft.is_given("trainer.max_steps"):
        need = (found.seconds(LEAST, FEWEST, every)) / USED / 60
        raise UserError(
            f"plan_minutes: {draft.steps_for / 60:.3g} minutes leave no {LEAST} steps here, as reading, "
            f"validation and test take {found.fixed + FEWEST * found.validation:.0f} s; "
            f"give at least {math.ceil(need * 10) / 10:g}"
        )
    steps = _round(max(steps, LEAST))
    why = f"{draft.steps_for / 60:.3g} min at {found.step:.3g} s a step"
    few = "; few, as most networks learn for a thousand and more: better give more minutes"
    draft.put("trainer.max_steps", steps, why + few * (steps < MANY))
    steps = draft.get("trainer.max_steps")
    why = f"{count} validations of {found.validation:.2g} s each"
    draft.put("trainer.val_every", max(1, math.ceil(steps / count)), why)


def estimate(draft: Draft, found: Measured) -> tuple[float, float]:
    """Return the minutes and the GB that the run is expected to take."""
    steps = draft.get("trainer.max_steps")
    count = math.ceil(steps / min(steps, draft.get("trainer.val_every")))
    seconds = found.seconds(steps, count, draft.get("callbacks.checkpoint_every", 100))
    return seconds / 60, found.memory / GB


def is_evaluated_too_long(draft: Draft, found: Measured) -> bool:
    """Return True if zoomed images, which the user did not ask for, leave too little time for training."""
    if not draft.get("task.zooms") or draft.is_given("task.zooms"):
        return False
    return FEWEST * found.validation + found.test > ZOOMED * USED * draft.steps_for


def evaluate_sooner(draft: Draft) -> None:
    """Leave zoomed images out."""
    why = f"but in {draft.steps_for / 60:.3g} min they would take more than a quarter of the time"
    draft.again("task.zooms", [], why)


def too_much(draft: Draft, found: Measured) -> bool:
    """Return True if a run would take more than its share of the memory."""
    return found.memory > ROOM * draft.memory * GB


def shrink(draft: Draft, found: Measured) -> None:
    """Cache on disk, or make batch, then image, smaller, so that the memory suffices by a rule of three.

    Raises:
        UserError: Nothing is left that could be made smaller.
    """
    more = f"smaller, as a trial took {found.memory / GB:.2g} of {draft.memory:g} GB"
    if found.cached > CACHED * found.memory and not draft.is_given("data.cache"):
        why = f"prepared cases would take {found.cached / GB:.2g} of {draft.memory:g} GB"
        draft.put("data.cache", "disk", why)
        return
    always = IDLE + found.cached
    wanted = (ROOM * draft.memory * GB - always) / max(found.memory - always, 1)
    if wanted <= 0:
        raise UserError(
            f"plan_memory: {draft.memory:g} GB are too few: {always / GB:.2g} are taken without any network"
        )
    before = draft.words()
    batch = draft.get("data.batch_size")
    rows = max(1, 2 ** int(math.log2(max(1.0, batch * wanted))))
    least = 1 if draft.task in ("synthesis", "anomaly") else 2
    if batch > least and rows < batch:
        draft.again("data.batch_size", max(least, rows), more)
        wanted *= batch / draft.get("data.batch_size")
    if wanted < 0.95 or draft.words() == before:
        shape = shape_of(draft)
        factor = wanted ** (1 / len(shape))
        sides = [min(n, max(SMALLEST, int(n * factor) // 8 * 8)) for n in shape]
        whole = draft.get("data.patch") is None and draft.get("data.size") is not None
        cut = draft.is_given("data.size") and draft.task in PATCHED
        key = "data.size" if whole and not cut else "data.patch"
        draft.again(key, sides[0] if len(set(sides)) == 1 else sides, more)
        networks.choose(draft)
    if draft.words() == before:
        raise UserError(
            f"plan_memory: a run takes {found.memory / GB:.2g} GB with the smallest batch and image that "
            f"are allowed, of {draft.memory:g}; give more memory, or a smaller data.patch"
        )


def _round(steps: int) -> int:
    """Round down to two or three figures."""
    unit: int = 10 ** max(0, int(math.log10(steps)) - 2)
    return max(1, steps // unit * unit)
