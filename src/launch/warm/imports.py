"""What the server imports, and what decided how: a run under another setting starts as a fresh process."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import os
import pkgutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

from ganatomy.errors import UserError

LIBRARIES: tuple[str, ...] = (
    "torch",
    "pytorch_lightning",
    "monai",
    "hydra",
    "hydra._internal.hydra",
    "hydra._internal.utils",
    "hydra._internal.core_plugins.basic_launcher",
    "hydra._internal.core_plugins.basic_sweeper",
    "pandas",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "optuna",
    "scipy.interpolate",
    "scipy.stats",
    "wandb",
    "PIL.BmpImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "rich.panel",
    "rich.progress",
)
ROOMS = (
    *("adversarial", "networks", "metrics", "data", "degradations", "baselines", "pictures", "guard"),
    *("optim", "tasks", "callbacks", "config", "runs", "launch", "machine", "training"),
)
"""Rooms that a run of `train` imports from."""
CALLED = (("ganatomy.data.sources.brain", "template"),)
"""Functions without arguments whose cached value many runs need: half a second for the virtual brains."""
NATIVE = (
    *(
        "OMP_",
        "GOMP_",
        "KMP_",
        "MKL_",
        "OPENBLAS_",
        "DNNL_",
        "ONEDNN_",
        "ATEN_",
        "TORCH",
        "PYTORCH_",
        "NVIDIA_",
    ),
    *("CUDA_MODULE_", "LD_", "GLIBC_", "MALLOC_", "TCMALLOC_", "JE_", "PYTHON", "LC_", "LANG", "TZ"),
)
"""Beginnings of variables that libraries may read when they are loaded, unseen by Python."""


class Recording(type(os.environ)):  # type: ignore[misc]  # the class has no public name
    """Environment that records which variables are asked for one by one."""

    asked: set[str]
    listed: set[str]

    def __getitem__(self, name: str) -> str:
        if name in self.listed:
            self.listed.discard(name)  # a copy of all is made
        else:
            self.asked.add(os.fsdecode(name))  # os.get_exec_path asks for bytes, too, and is refused
        return str(super().__getitem__(name))

    def __iter__(self) -> Iterator[str]:
        names = list(super().__iter__())
        self.listed.update(names)
        yield from names


class Imported:
    """Modules that are imported, with the settings under which they were.

    Attributes:
        refusal: Why no run may be forked from this process; empty if it may.
    """

    def __init__(self) -> None:
        before = dict(os.environ)
        kind = type(os.environ)
        Recording.asked, Recording.listed = set(), set()
        os.environ.__class__ = Recording
        try:
            _import_all()
        finally:
            os.environ.__class__ = kind
        self.before = before
        self.made = {name: value for name, value in os.environ.items() if before.get(name) != value}
        self.asked = Recording.asked | set(self.made)
        self.temporary = _temporary_folders()
        for folder in self.temporary:
            folder.cleanup()  # each run makes its own; the server is killed in the end and could not
        self.folder = Path.cwd()
        self.refusal = ""

    def differs(self, environment: Mapping[str, str]) -> str:
        """Return a variable that may have decided something here and is another there; empty for none."""
        names = self.asked | {n for n in {*environment, *self.before} if n.startswith(NATIVE)}
        return next((n for n in sorted(names) if environment.get(n) not in self._same_as(n)), "")

    def _same_as(self, name: str) -> tuple[str | None, ...]:
        """Return the values that are no difference: that before the imports, and what they made of it."""
        before = self.before.get(name)
        return (before, self.made[name]) if name in self.made else (before,)

    def hidden_by(self, folder: Path) -> str:
        """Return a module that is imported here and would come from that folder; empty for none."""
        if sys.flags.safe_path or folder == self.folder:
            return ""
        extra = filter(None, self.before.get("PYTHONPATH", "").split(os.pathsep))
        if not all(Path(part).is_absolute() for part in extra):
            return "PYTHONPATH"
        for entry in os.scandir(folder):
            name = entry.name.partition(".")[0]
            known = sys.modules.get(name)
            if known is not None and _importable(Path(entry.path)) and not _same(known, Path(entry.path)):
                return name
        return ""


def _import_all() -> None:
    """Import what a run needs, as far as it is installed, and fill caches."""
    for name in LIBRARIES:
        _import(name)
    for room in ROOMS:
        package = importlib.import_module(f"ganatomy.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            _import(found.name)
    for module, name in CALLED:
        with contextlib.suppress(UserError):  # a run that needs it says so
            getattr(sys.modules[module], name)()


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:  # an extra that is not installed
        return


def _temporary_folders() -> list[tempfile.TemporaryDirectory[str]]:
    """Return the temporary folders that libraries made when they were imported, as W&B does for pictures."""
    found = (finalizer.peek() for finalizer in list(weakref.finalize._registry))  # type: ignore[attr-defined]
    return [each[0] for each in found if each and isinstance(each[0], tempfile.TemporaryDirectory)]


def _importable(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.name.endswith(tuple(importlib.machinery.all_suffixes()))


def _same(module: object, path: Path) -> bool:
    """Return True if the module was imported from this file or folder."""
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    return path.resolve() in (Path(file).resolve(), Path(file).resolve().parent)
