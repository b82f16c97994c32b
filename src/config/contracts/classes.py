"""Check that a class of the user's own derives from the right one and overrides something of it."""

from __future__ import annotations

import re

from ganatomy.errors import UserError

METHODS = {
    "AdversarialLoss": ("discriminator", "generator"),
    "Penalty": ("forward", "prepare", "after_step"),
    "Weight": ("__call__",),
    "Augment": ("change", "forward"),
}
"""Methods of each base class; a derived class must override at least one."""


def check_class(found: type, kind: type, path: str) -> None:
    """Refuse a class that does not derive from a base class, or that overrides nothing of it.

    Args:
        found: The class that the configuration names.
        kind: Base class that it must derive from.
        path: Key of its `_target_`.

    Raises:
        UserError: One line that says what the class lacks.
    """
    name = found.__name__
    if not issubclass(found, kind):
        base = f"{kind.__module__}.{kind.__name__}"
        raise UserError(f"{path}: {name} is not a subclass of {kind.__name__}; derive it from {base}")
    methods = METHODS[kind.__name__]
    if all(getattr(found, method) is getattr(kind, method) for method in methods):
        raise UserError(f"{path}: {name} does nothing; write its {' or '.join(methods)}")
    if kind.__name__ == "Penalty":
        _check_name(found, f"{path}: {name}")


def _check_name(penalty: type, subject: str) -> None:
    logged = getattr(penalty, "name", None)
    if not isinstance(logged, str):
        raise UserError(f'{subject} has no name for the log; give the class one, name = "..."')
    if not re.fullmatch(r"[A-Za-z][\w-]*", logged):
        raise UserError(f"{subject} has name = {logged!r}; use letters, digits and underscores, letter first")
