"""GANatomy: train, compare and ship GANs for medical images.

`import ganatomy` loads nothing else; a public name loads its module when it is first used.
"""

from __future__ import annotations

import getpass
import importlib
import os
from typing import TYPE_CHECKING, Any

from ganatomy.version import __version__

if __name__ == "src":  # by the folder's name, as `python -m src.train` does
    from ganatomy.folder_name import refuse_imports

    refuse_imports()

try:
    getpass.getuser()
except (KeyError, OSError):  # a number without a name, as in a container: MONAI 1.6.1 imports only with one
    os.environ["USER"] = f"uid_{os.getuid()}"  # torch's word for it

# With AMX, bfloat16 convolutions of few channels in volumes write beyond their memory (oneDNN of torch 2.13).
# This is read when torch computes for the first time.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

if TYPE_CHECKING:
    from ganatomy.adversarial import LOSSES, PENALTIES, Game, Rules, plan
    from ganatomy.data.datamodule import DataModule
    from ganatomy.data.records import Case, Record, Source
    from ganatomy.errors import UserError
    from ganatomy.inference.model import Model, Prediction, load
    from ganatomy.inference.trained import TrainedRun, train
    from ganatomy.tasks.base import AdversarialTask


_PLACES = {
    "LOSSES": "ganatomy.adversarial",
    "PENALTIES": "ganatomy.adversarial",
    "Game": "ganatomy.adversarial",
    "Rules": "ganatomy.adversarial",
    "plan": "ganatomy.adversarial",
    "AdversarialTask": "ganatomy.tasks.base",
    "DataModule": "ganatomy.data.datamodule",
    "Case": "ganatomy.data.records",
    "Record": "ganatomy.data.records",
    "Source": "ganatomy.data.records",
    "UserError": "ganatomy.errors",
    "Model": "ganatomy.inference.model",
    "Prediction": "ganatomy.inference.model",
    "load": "ganatomy.inference.model",
    "TrainedRun": "ganatomy.inference.trained",
}
"""Public name -> the module that defines it."""

__all__ = [
    "LOSSES",
    "PENALTIES",
    "AdversarialTask",
    "Case",
    "DataModule",
    "Game",
    "Model",
    "Prediction",
    "Record",
    "Rules",
    "Source",
    "TrainedRun",
    "UserError",
    "__version__",
    "load",
    "plan",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use; `train` is the module of the command, which may be called."""
    if name == "train":
        return importlib.import_module("ganatomy.train")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Complete public names in an interactive session before they are loaded."""
    return sorted({*globals(), *__all__})
