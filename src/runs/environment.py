"""Environment of a run: versions, commit, command line, machine."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ganatomy.invocation import own_prefixes, redacted
from ganatomy.machine.allocator import in_use

VERSIONS = ("torch", "pytorch-lightning", "monai", "hydra-core", "wandb", "torchmetrics", "numpy", "nilearn")


def environment(seed: int) -> dict[str, Any]:
    """Return versions, commit, command line and machine: what it takes to reproduce the numbers."""
    import torch

    return {
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONS},
        "git": _git(),
        "seed": seed,
        "command": [Path(sys.argv[0]).name, *map(redacted, sys.argv[1:])],
        **({"targets": list(prefixes)} if (prefixes := own_prefixes()) else {}),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "allocator": in_use(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git() -> dict[str, Any] | None:
    """Return commit and dirty flag of the code that runs; None outside a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None

    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {
            "commit": ask("rev-parse", "HEAD"),
            "dirty": bool(ask("status", "--porcelain", "--", "src", "conf")),
        }
    except (OSError, subprocess.CalledProcessError):
        return None
