"""How a game turns out: is it worse than a trivial baseline, does it still get better, did it collapse?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from ganatomy.guard.events import Event
from ganatomy.guard.record import Record

ENOUGH_STEPS = 100
"""Batches below which nothing is said: the game is not trained yet."""
GAIN = 0.05
"""Least share of the way from the score to the trivial baseline that counts as getting better."""
FAR = 100.0
"""Factor beyond the trivial baseline from which no score gets better in time."""
MANY_STEPS, MANY_LOOKS = 500, 6
"""Batches and validations without a better score after which a run no longer counts as not trained yet."""
NOT_YET = "train for longer (trainer.max_steps); if that does not help, look at the data (`ganatomy check`)"
"""Advice where only the score is bad."""
FALL = 3.0
"""Factor between the best score and the last ones of a game that fell."""
LEAST = 0.05
"""Score below which a fall says nothing, as of Dice or mAP."""
UNRELATED, UNRELATED_LOOKS = 0.8, 3
"""Least `match` of outputs that tell nothing about their input, and validations in a row that show it."""
COLLAPSED, CONSTANT = 0.02, 0.002
"""Largest diversity of fakes, over that of real images, of a collapsed game, and of outputs all alike."""
NARROW = 0.25
"""The same of a game none of whose images is near a real one; healthy ones of 300 steps have more."""
REACHABLE = 0.5
"""Least coverage of real images by other real ones for which a coverage of 0 says something."""


def enough(record: Record) -> bool:
    """Return True if the run was long enough to be judged."""
    return record.step >= ENOUGH_STEPS


def improving(record: Record) -> bool:
    """Return True if the later half of the validations holds a better score than the earlier half.

    With fewer than two validations nothing speaks against it: True.
    """
    scores = [record.sign * look.score for look in record.scored()]
    if len(scores) < 2:
        return True
    half = len(scores) // 2
    before, after = max(scores[:half]), max(scores[half:])
    trivial = record.sign * record.looks[-1].trivial
    missing = abs(trivial - before) if math.isfinite(trivial) else abs(before)
    return after > before + GAIN * missing


def hopeless(record: Record) -> bool:
    """Return True if the last two validations are many times as bad as the trivial baseline."""
    looks = [look for look in record.scored()[-2:] if math.isfinite(look.trivial)]
    return len(looks) == 2 and record.sign < 0 and all(look.score > FAR * look.trivial for look in looks)


def worse(record: Record) -> bool:
    """Return True if the last two validations are no better than the trivial baseline."""
    looks = [look for look in record.scored()[-2:] if math.isfinite(look.trivial)]
    return len(looks) == 2 and all(record.sign * (look.score - look.trivial) <= 0 for look in looks)


def fell(record: Record) -> bool:
    """Return True if the last two validations are far worse than the best one."""
    looks = record.scored()
    if len(looks) < 3:
        return False
    best = max(record.sign * look.score for look in looks)
    last = max(record.sign * look.score for look in looks[-2:])
    return last < best / FALL and best > LEAST if record.sign > 0 else last < best * FALL < 0


def stuck(record: Record) -> bool:
    """Return True if many validations of a run of many steps brought no better score."""
    return record.step >= MANY_STEPS and len(record.scored()) >= MANY_LOOKS and not improving(record)


def proved(record: Record, seconded: bool) -> bool:
    """Return True if a bad score is a failure, not that of a game that is not trained yet.

    Args:
        record: The run so far.
        seconded: True if something besides the score is wrong too.
    """
    return seconded or hopeless(record) or fell(record) or stuck(record)


def score_events(record: Record, doubtful: bool = False, seconded: bool = False) -> list[Event]:
    """Return the events that the monitored score gives: warnings, unless there is more evidence than it.

    Args:
        record: The run so far.
        doubtful: True if a player does what cannot end well, so that a score that gets better is no excuse.
        seconded: True if something besides the score is wrong too.
    """
    is_worse = worse(record) and (doubtful or not improving(record))
    if not is_worse and not fell(record):
        return []
    looks = record.scored()
    best = max(looks, key=lambda look: record.sign * look.score)
    last = looks[-1]
    figures = f"{last.score:.4g} at step {last.step}"
    if is_worse:
        figures += f"; the trivial baseline has {last.trivial:.4g}"
    if not is_worse or record.sign * (best.score - last.trivial) > 0:
        cause = f"the validation score went from {best.score:.4g} at step {best.step} to {figures}"
        return [bad_score("falling", record, cause, seconded)]
    cause = f"the validation score is no better than without learning: {figures}"
    return [bad_score("worse_than_baseline", record, cause, seconded)]


def bad_score(name: str, record: Record, cause: str, seconded: bool) -> Event:
    """Return an event of the score alone, as a warning unless it is proved.

    Args:
        name: "falling" or "worse_than_baseline".
        record: The run so far.
        cause: What was seen.
        seconded: True if something besides the score is wrong too.
    """
    event = Event.named(name, record.step, "", cause)
    return event if proved(record, seconded) else replace(event, advice=NOT_YET, fatal=False)


def diversity_events(record: Record) -> list[Event]:
    """Return `collapse` or `constant_output` where all outputs are alike."""
    fits = [look.match for look in record.looks[-UNRELATED_LOOKS:] if math.isfinite(look.match)]
    if len(fits) == UNRELATED_LOOKS and min(fits) > UNRELATED and not improving(record):
        cause = "an output fits the truth of other images as well as that of its own"
        return [Event.named("constant_output", record.step, "generator", cause)]
    limit = COLLAPSED if record.from_noise else CONSTANT
    seen = [look.diversity for look in record.looks if math.isfinite(look.diversity)][-2:]
    if not seen or max(seen) > (limit if len(seen) > 1 else limit / 10):
        return []
    if not record.from_noise and improving(record):
        return []
    figure = f"their variance is {100 * median(seen):.2g} % of the real ones'"
    if record.from_noise:
        return [Event.named("collapse", record.step, "generator", f"all images are nearly alike: {figure}")]
    cause = f"the output hardly depends on the input: {figure}"
    return [Event.named("constant_output", record.step, "generator", cause)]


def uncovered(scores: Mapping[str, float]) -> bool:
    """Return True if no synthetic image of the test is near a real one, though other real ones are."""
    return scores.get("test/coverage") == 0 and scores.get("floor/coverage", 0.0) >= REACHABLE


def no_image_near(record: Record, seconded: bool) -> list[Event]:
    """Return `collapse` of a game none of whose images is near a real one.

    It is a warning if nothing else speaks for it: a short run may not have got there yet.

    Args:
        record: The run so far.
        seconded: True if a player is thrown about.
    """
    seen = [look.diversity for look in record.looks if math.isfinite(look.diversity)]
    narrow = bool(seen) and median(seen[-2:]) < NARROW
    cause = "none of the images that were tested is near a real one (coverage 0)"
    event = Event.named("collapse", record.step, "generator", cause)
    return [event if seconded or narrow else replace(event, advice=NOT_YET, fatal=False)]
