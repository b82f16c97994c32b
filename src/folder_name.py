"""Imports by the folder's name: `python -m src.train` works, an import of `src.tasks` is refused.

A module that is imported as `src.x` beside `ganatomy.x` would be there twice, with classes that are not each
other's: an isinstance check fails without a reason that anybody can see.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

ROOMS = ("predict", "evaluate", "compare", "index", "generate", "export", "demo")
"""Commands that are a folder, which Python imports before its `__main__`."""
COMMANDS = (
    *("src.train", "src.check", "src.sweep", "src.experiment", "src.doctor", "src.__main__"),
    *(f"src.{room}{end}" for room in ROOMS for end in ("", ".__main__")),
)


class _Refusal(MetaPathFinder):
    """Finder that stands before all others and finds nothing."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        """Raise ImportError with today's name for a module below `src` that is no command."""
        if not name.startswith("src.") or name in COMMANDS:
            return None
        raise ImportError(_advice(_imported(name)))


def _imported(name: str) -> str:
    """Return the module that is imported: Python looks for the packages around it first."""
    frame = sys._getframe()
    while frame.f_back and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    while frame.f_back and frame.f_code.co_filename.startswith("<frozen importlib"):
        whole = frame.f_locals.get("name")
        name = whole if isinstance(whole, str) and whole.startswith(f"{name}.") else name
        frame = frame.f_back
    return name


def _advice(name: str) -> str:
    """Return what to import in place of a module below `src`, by the longest name that is known."""
    from ganatomy.config.renamed import MOVED_CLASSES, WENT
    from ganatomy.config.versions import class_of_today

    rows = [old for old in (*WENT, *MOVED_CLASSES.values()) if name == old or name.startswith(f"{old}.")]
    if (known := max(rows, key=len, default="")) in WENT:
        return f"{known} is no package any more; its modules went to {WENT[known]}; see docs/architecture.md"
    return f"{name} is called {class_of_today(name)} now; change the import"


def refuse_imports() -> None:
    """Refuse imports below `src` from now on, except of the commands."""
    sys.meta_path.insert(0, _Refusal())
