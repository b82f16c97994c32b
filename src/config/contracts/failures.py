"""Failures of the user's own code while it is tried."""

from __future__ import annotations

import re


class MissingAttribute(AttributeError):
    """An attribute that the tiny discriminator lacks; the user's own may have it."""


def depends_on_network(error: Exception) -> bool:
    """Return True if an error may be due to the tiny discriminator, such as one about shapes."""
    about_shapes = re.search(r"shape|size|channels|dimension", str(error))
    return isinstance(error, MissingAttribute) or (isinstance(error, RuntimeError) and bool(about_shapes))


def reason_of(error: Exception) -> str:
    """Return the kind of an error and its message in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
