"""Why a game fails: a player that does not move or is thrown about, or that always wins."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from ganatomy.guard.events import Event
from ganatomy.guard.record import Record

FROZEN = 1e-4
"""Relative change of each weight tensor since the start, below which a player does not move."""
SLOW = 0.015
"""The same where the game has failed: the player hardly moves. A demodulated generator (StyleGAN2), most of
whose norm lies in its mapping network, changes by 5 % in some tensor within 100 steps."""
THROWN = 0.2
"""Relative change of the weights since the start, over the root of the number of steps, beyond which they are
thrown about, in a game that fails; healthy ones stay below 0.17."""
SURELY_THROWN = 1.0
"""The same whatever the scores say."""
WILD = 1000.0
"""Diversity of fakes that weights of ordinary size do not give."""
SATURATED = 0.005
"""D's loss, over that of a D that cannot tell, below which it always wins."""
SURE, GUESSING, FOOLED = 0.99, 0.6, 0.4
"""Separation above which D always wins, below which it guesses, and below which it takes fakes for real."""
MEMORISED = 0.8
"""Share of the way from training images to fakes at which D puts held-out ones, if it has memorised."""


def frozen(record: Record, failed: bool) -> list[Event]:
    """Return an event for each player that does not move.

    Args:
        record: The run so far.
        failed: True if the game is known to have failed: a player that hardly moves is then named too.
    """
    if not record.looks:
        return []
    limit = SLOW if failed else FROZEN
    return [
        Event.named(
            f"{player}_frozen",
            record.step,
            player,
            f"the weights of the {player} changed by {100 * moved:.2g} % at most since the start",
        )
        for player, moved in record.looks[-1].moved.items()
        if player in ("generator", "discriminator") and moved < limit
    ]


def thrown(record: Record, failed: bool) -> list[Event]:
    """Return an event for the player whose weights went farthest, if they are thrown about.

    Weights that take a random walk of ordinary steps go as far as the root of their number.

    Args:
        record: The run so far.
        failed: True if the game is known to have failed; else they must be thrown beyond all doubt.
    """
    walks = [
        (drift / look.step**0.5, drift, look.step, player)
        for look in record.looks
        for player, drift in look.drift.items()
        if look.step
    ]
    speed, drift, step, player = max(walks, default=(0.0, 0.0, 0, ""))
    if wild := failed and max(_finite(look.diversity for look in record.looks), default=0.0) > WILD:
        player = "generator"
    if speed < (THROWN if failed else SURELY_THROWN) and not wild:
        return []
    cause = (
        f"images of the generator vary more than {WILD:.0f} times as much as real ones"
        if wild
        else f"the first {step} steps changed the weights of the {player} by {100 * drift:.0f} %"
    )
    return [Event.named("weights_thrown", record.step, player, cause)]


def one_sided(record: Record, failed: bool) -> list[Event]:
    """Return `discriminator_wins` or `discriminator_loses` if the recent lines and looks agree on it.

    Args:
        record: The run so far.
        failed: True if the game is known to have failed: a D that guesses is then named too.
    """
    separations = _finite(look.separation for look in record.looks[-2:])
    guess = record.looks[-1].guess if record.looks else math.nan
    shares = _finite(line.loss / guess for line in record.recent()) if guess else []
    if not separations:
        return []
    share = median(shares) if shares else math.nan
    besides = f" and its loss is {share:.2g} times that of guessing" if shares else ""
    if min(separations) > SURE and not share > SATURATED:
        cause = (
            f"the discriminator tells {100 * min(separations):.0f} % of real and fake images apart{besides}"
        )
        return [Event.named("discriminator_wins", record.step, "discriminator", cause)]
    if max(separations) < (GUESSING if failed else FOOLED):
        cause = (
            f"the discriminator prefers real images in {100 * max(separations):.0f} % of pairs only{besides}"
        )
        return [Event.named("discriminator_loses", record.step, "discriminator", cause)]
    return []


def overfitted(record: Record) -> list[Event]:
    """Return `overfitting` if D takes held-out images for fakes."""
    seen = [look.memory for look in record.looks[-2:]]
    if len(seen) < 2 or not min(seen) > MEMORISED:
        return []
    cause = "the discriminator takes real images that it was not trained on for fakes"
    return [Event.named("overfitting", record.step, "discriminator", cause)]


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
