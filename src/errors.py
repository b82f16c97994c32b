"""Error for bad user input, and a check of choices."""

from __future__ import annotations

from collections.abc import Iterable

from ganatomy.text.values import as_typed

GAME_FAILED = 3
"""Exit code of a run that ended, but whose game failed (`ganatomy.guard`)."""


class UserError(ValueError):
    """Bad input; the message is one line: the key, file or case, what is wrong, how to mend it.

    Commands print it without a traceback and exit with code 2.

    Example:
        >>> from ganatomy.errors import one_of
        >>> one_of("data.cache", "ram", ("memory", "disk", "none"))
        Traceback (most recent call last):
        ganatomy.errors.UserError: data.cache=ram: choose memory, disk, none
    """


def one_of(key: str, value: object, choices: Iterable[object]) -> None:
    """Raise UserError unless `value` is one of `choices`.

    Args:
        key: Configuration key to name in the message.
        value: Value given for the key.
        choices: Allowed values.

    Raises:
        UserError: If the value is not allowed.
    """
    allowed = list(choices)
    if value not in allowed:
        raise UserError(f"{key}={as_typed(value)}: choose {', '.join(map(as_typed, allowed))}")
