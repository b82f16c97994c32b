"""The sections of gpu.py: what each needs, its time, and running it in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks._gpu_time import allow, left_out

GAME = ("torch", "numpy", "monai")
COMMAND = (
    *GAME, "hydra", "omegaconf", "antlr4", "pydantic", "pytorch_lightning", "torchmetrics", "scipy",
    "skimage", "sklearn", "matplotlib", "PIL", "rich", "yaml", "safetensors", "einops", "nilearn", "nibabel",
    "pydantic_core", "annotated_types", "typing_inspection", "lightning_utilities", "joblib", "packaging",
)  # fmt: skip
DISTRIBUTIONS = {
    "hydra": "hydra-core", "antlr4": "antlr4-python3-runtime", "pytorch_lightning": "pytorch-lightning",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "PIL": "Pillow", "yaml": "PyYAML",
    "pydantic_core": "pydantic-core", "annotated_types": "annotated-types",
    "typing_inspection": "typing-inspection", "lightning_utilities": "lightning-utilities",
    "ignite": "pytorch-ignite",
}  # fmt: skip
"""Names under which packages are installed, where not those they are imported by."""


_method = "fork"


@dataclass(frozen=True)
class Section:
    """A measurement.

    Attributes:
        place: `module.function` in this folder; called with the device and True for tiny sizes.
        needs: Packages that it imports.
        seconds: Its time at most.
    """

    place: str
    needs: tuple[str, ...]
    seconds: float


SECTIONS = {
    "syncs": Section("_gpu_exact.syncs", (*GAME, "ignite"), 40),
    "resume": Section("_gpu_exact.resume", GAME, 40),
    "nccl": Section("_gpu_exact.nccl", GAME, 30),
    "tests": Section("_gpu_command.tests", (*COMMAND, "pytest", "hypothesis"), 120),
    "step": Section("_gpu_step.step", (*GAME, "ignite"), 100),
    "graphs": Section("_gpu_graph.measure", GAME, 60),
    "tasks": Section("_gpu_command.tasks", COMMAND, 90),
    "loader": Section("_gpu_command.loader", COMMAND, 80),
    "penalties": Section("_gpu_step.penalties", GAME, 30),
    "memory": Section("_gpu_step.memory", GAME, 60),
    "layout": Section("_gpu_step.layout", GAME, 50),
    "compiled": Section("_gpu_step.compiled", GAME, 100),
}
"""In the order in which they run: what must hold first, what can be missed last."""


def lacking(needs: Iterable[str]) -> list[str]:
    """Return the packages that cannot be imported, by the names under which they are installed."""
    return [DISTRIBUTIONS.get(name, name) for name in needs if find_spec(name) is None]


def missing_packages(sections: Mapping[str, Section]) -> str:
    """Say which packages the sections lack, and how to bring them to a machine without internet."""
    lines = {name: lacking(section.needs) for name, section in sections.items()}
    absent = sorted({package for found in lines.values() for package in found})
    if not absent:
        return "packages: all there"
    python = ".".join(platform.python_version_tuple()[:2])
    names = " ".join(absent)
    return "\n".join(
        [
            f"packages missing: {', '.join(absent)}",
            *(f"  {name}: not run, needs {', '.join(found)}" for name, found in lines.items() if found),
            f"bring them from a machine with internet and Python {python}:",
            f"  python{python} -m pip wheel --no-deps -c constraints.txt -w wheels {names}",
            "and install them here:",
            f"  pip install --no-index --no-deps --find-links wheels {names}",
        ]
    )


def preload(sections: Mapping[str, Section], card: str) -> None:
    """Import what the sections use once, for all forks; fresh interpreters if that opened the card."""
    global _method
    for section in sections.values():
        if not lacking(section.needs):
            import_module(f"benchmarks.{section.place.partition('.')[0]}")
    if card and not about("cuda"):
        _method = "spawn"


def about(device: str, long: bool = False) -> str:
    """Return the card's name; `long` adds memory, capability and driver. Empty without a card."""
    found = _apart(_card, (long,), 150)[0] if device == "cuda" else ""
    return str(found)


def run(section: Section, device: str, tiny: bool, seconds: float) -> tuple[str, str]:
    """Run a section in a process of its own; return its text, and how it ended."""
    return _apart(_measured, (section.place, device, tiny, seconds), seconds)


def _card(long: bool) -> str:
    import torch

    if not torch.cuda.is_available():
        return ""
    name = torch.cuda.get_device_name()
    if not long:
        return name
    card = torch.cuda.get_device_properties(0)
    size = f"{card.total_memory / 2**30:.0f} GiB, compute capability {card.major}.{card.minor}"
    return f"{name}, {size}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}."


def _measured(place: str, device: str, tiny: bool, seconds: float) -> str:
    import torch

    allow(seconds)

    warnings.simplefilter("ignore")
    if tiny:
        torch.set_num_threads(1)
    module, _, function = place.partition(".")
    text = getattr(import_module(f"benchmarks.{module}"), function)(device, tiny)
    return f"{text}{left_out()}"


def _apart(work: Any, arguments: tuple[Any, ...], seconds: float) -> tuple[str, str]:
    """Call `work` in a process that leads a group; the group ends with it, or when the time is over."""
    context: Any = multiprocessing.get_context(_method)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(there, work, arguments))
    process.start()
    there.close()
    text, end = "", f"failed: not done after {seconds:.0f} s"
    try:
        if here.poll(seconds):
            text, end = here.recv()
    except EOFError:
        process.join(10)
        end = f"failed: its process ended with {process.exitcode}"
    finally:
        _end(process)
    return text, end


def _child(pipe: Any, work: Any, arguments: tuple[Any, ...]) -> None:
    os.setsid()
    try:
        pipe.send((work(*arguments), "done"))
    except BaseException as error:  # whatever it is, the other sections go on
        said = " ".join(str(error).split())[:300].replace("|", "/")
        pipe.send(("", f"failed: {type(error).__name__}: {said}"))
    pipe.close()
    sys.stdout.flush()


def _end(process: Any) -> None:
    """End a process and those that it started."""
    process.join(2)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join(10)
