"""The one error that is the user's to mend."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(ValueError):
    """Bad input. Its message is one line: the key, file or case, what is wrong, how to mend it.

    Every command prints it without a traceback and exits with code 2.
    """


def one_of(key: str, value: object, choices: Iterable[object]) -> None:
    """Raise UserError for a value of a key that is none of its choices."""
    known = list(choices)
    if value not in known:
        words = ", ".join("null" if choice is None else str(choice) for choice in known)
        raise UserError(f"{key}={value}: choose {words}")
