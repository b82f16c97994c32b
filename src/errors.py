"""The one error that is the user's to mend."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input. Its message is one line: the key, file or case, what is wrong, how to mend it.

    Every command prints it without a traceback and exits with code 2.
    """
