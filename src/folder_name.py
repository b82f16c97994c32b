"""Imports by the folder's name: `python -m src.train` works, an import of `src.tasks` is refused.

A module that is imported as `src.x` beside `ganatomy.x` would be there twice, with classes that are not each
other's: an isinstance check fails without a reason that anybody can see.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

COMMANDS = ("src.train", "src.check", "src.sweep", "src.experiment", "src.__main__")


class _Refusal(MetaPathFinder):
    """Finder that stands before all others and finds nothing."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        """Raise ImportError with today's name for a module below `src` that is no command."""
        if not name.startswith("src.") or name in COMMANDS:
            return None
        from ganatomy.config.versions import class_of_today

        raise ImportError(f"{name} is called {class_of_today(name)} now; change the import")


def refuse_imports() -> None:
    """Refuse imports below `src` from now on, except of the commands."""
    sys.meta_path.insert(0, _Refusal())
