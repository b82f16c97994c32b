"""The verdict on a game: all events that hold now, and those that the test's scores add."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ganatomy.guard.causes import frozen, one_sided, overfitted, thrown
from ganatomy.guard.events import HEALTHY, Event, game_of, ordered
from ganatomy.guard.outcome import (
    bad_score,
    diversity_events,
    enough,
    hopeless,
    improving,
    no_image_near,
    score_events,
    uncovered,
)
from ganatomy.guard.record import Record
from ganatomy.metrics.registry import describe


def assess(record: Record, of_data: Sequence[Event] = ()) -> list[Event]:
    """Return the events that hold after the last validation, those that name the cause first.

    A game has failed if its outcome is bad and more than the score speaks for it, if a player does not move
    or is thrown about beyond all doubt, or if its data can teach nothing. Only then are further causes named.

    Args:
        record: The run so far.
        of_data: Events that the training data gave.

    Example:
        >>> from ganatomy.guard.record import Look
        >>> record = Record(sign=-1, from_noise=True)
        >>> for step, swd in ((50, 470.0), (100, 800.0), (150, 910.0)):
        ...     record.look(Look(step, score=swd, trivial=441.0))
        >>> [event.name for event in assess(record)]
        ['worse_than_baseline']
    """
    if not enough(record):
        return [event.warning() for event in of_data]
    doubtful = bool(frozen(record, failed=True) or thrown(record, failed=True) or hopeless(record))
    alike = diversity_events(record)
    seconded = bool(of_data or alike or _causes(record, failed=False))
    return with_causes(record, [*of_data, *score_events(record, doubtful, seconded), *alike])


def with_causes(record: Record, outcome: Sequence[Event]) -> list[Event]:
    """Return the events of a bad outcome with their causes; without one, only causes beyond all doubt.

    A player that is thrown about is a warning while the score gets better all the same.
    """
    if any(event.fatal for event in outcome):
        return ordered([*outcome, *_causes(record, failed=True)])
    far = thrown(record, failed=False)
    far = [event.warning() for event in far] if improving(record) else far
    return ordered([*outcome, *frozen(record, failed=False), *far])


def _causes(record: Record, failed: bool) -> list[Event]:
    """Return what besides the score is wrong with the game; of a doubtful `one_sided` only if it `failed`."""
    far = thrown(record, failed=True)
    return [
        *frozen(record, failed=not far),  # beside a player that is thrown about another may hardly move
        *far,
        *one_sided(record, failed),
        *overfitted(record),
    ]


def final(
    record: Record, of_data: Sequence[Event], scores: Mapping[str, float], score: str, trivial: str
) -> list[Event]:
    """Return the events that hold at the end, when the chosen weights have been tested.

    Args:
        record: The whole run.
        of_data: Events that the training data gave.
        scores: Scores of the test: `test/<score>`, `baseline/<trivial>/<score>`.
        score: Score that is compared.
        trivial: Baseline that every trained game beats.
    """
    found = [_tested(event, scores, score) for event in assess(record, of_data)]
    if uncovered(scores) and enough(record) and game_of(found) == HEALTHY:
        far = bool(thrown(record, failed=True))
        found = with_causes(record, [*found, *no_image_near(record, seconded=far)])
    ours, theirs = (scores.get(f"{side}/{score}", math.nan) for side in ("test", f"baseline/{trivial}"))
    low, high = (scores.get(f"test/{score}_{end}", math.nan) for end in ("low", "high"))  # of its interval
    known = math.isfinite(ours) and math.isfinite(theirs)
    better = describe(score.split("/")[0]).sign * ((high if math.isfinite(high) else ours) - theirs) > 0
    if not known or better or not enough(record) or (not math.isfinite(high) and improving(record)):
        return found
    if any(event.name in ("falling", "worse_than_baseline") for event in found):
        return found
    cause = f"the test score {score} is {ours:.4g}, that of the baseline {trivial} {theirs:.4g}"
    far = high + (high - low) < theirs  # a bootstrap over few subjects is too narrow
    seconded = far or bool(_causes(record, failed=False)) or any(event.fatal for event in found)
    return with_causes(record, [*found, bad_score("worse_than_baseline", record, cause, seconded)])


def _tested(event: Event, scores: Mapping[str, float], score: str) -> Event:
    """Return an event as the test shows it: thrown weights are no failure if every baseline is beaten."""
    if event.name != "weights_thrown":
        return event
    sign, ours = describe(score.split("/")[0]).sign, scores.get(f"test/{score}", math.nan)
    others = [v for k, v in scores.items() if k.startswith("baseline/") and k.split("/", 2)[2] == score]
    beaten = bool(others) and all(sign * (ours - other) > 0 for other in others)
    return replace(event, fatal=not beaten)
