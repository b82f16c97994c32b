"""The verdict on a game: all events that hold now, and those that the test's scores add."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ganatomy.guard.causes import frozen, one_sided, overfitted, thrown
from ganatomy.guard.events import Event, ordered
from ganatomy.guard.outcome import diversity_events, enough, hopeless, improving, score_events
from ganatomy.guard.record import Record
from ganatomy.metrics.registry import describe


def assess(record: Record, of_data: Sequence[Event] = ()) -> list[Event]:
    """Return the events that hold after the last validation, those that name the cause first.

    A game has failed if its outcome is bad, if a player does not move, or if its data can teach nothing. Only
    then are further causes named.

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
    doubtful = bool(frozen(record, failed=True) or thrown(record) or hopeless(record))
    return with_causes(record, [*of_data, *score_events(record, doubtful), *diversity_events(record)])


def with_causes(record: Record, outcome: Sequence[Event]) -> list[Event]:
    """Return the events of a bad outcome with their causes; without one, only players that do not move."""
    failed = any(event.fatal for event in outcome)
    found = [*outcome, *frozen(record, failed)]
    if failed:
        found += [*thrown(record), *one_sided(record), *overfitted(record)]
    return ordered(found)


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
    found = assess(record, of_data)
    ours, theirs = (scores.get(f"{side}/{score}", math.nan) for side in ("test", f"baseline/{trivial}"))
    sure = scores.get(f"test/{score}_high")  # end of its interval
    known = math.isfinite(ours) and math.isfinite(theirs)
    better = describe(score.split("/")[0]).sign * ((sure or ours) - theirs) > 0
    if not known or better or not enough(record) or (sure is None and improving(record)):
        return found
    if any(event.name in ("falling", "worse_than_baseline") for event in found):
        return found
    cause = f"the test score {score} is {ours:.4g}, that of the baseline {trivial} {theirs:.4g}"
    return with_causes(record, [*found, Event.named("worse_than_baseline", record.step, "", cause)])
