"""GANatomy: train, compare and ship GANs for medical images.

`import ganatomy` loads nothing else; a public name loads its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from src.version import __version__

if TYPE_CHECKING:
    from src.adversarial import LOSSES, PENALTIES, Game, Rules, plan
    from src.data.datamodule import DataModule
    from src.data.records import Case, Record, Source
    from src.errors import UserError
    from src.tasks.base import AdversarialTask


_PLACES = {
    "LOSSES": "src.adversarial",
    "PENALTIES": "src.adversarial",
    "Game": "src.adversarial",
    "Rules": "src.adversarial",
    "plan": "src.adversarial",
    "AdversarialTask": "src.tasks.base",
    "DataModule": "src.data.datamodule",
    "Case": "src.data.records",
    "Record": "src.data.records",
    "Source": "src.data.records",
    "UserError": "src.errors",
}
"""Public name -> the module that defines it."""

__all__ = [
    "LOSSES",
    "PENALTIES",
    "AdversarialTask",
    "Case",
    "DataModule",
    "Game",
    "Record",
    "Rules",
    "Source",
    "UserError",
    "__version__",
    "plan",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Complete public names in an interactive session before they are loaded."""
    return sorted({*globals(), *__all__})
