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
        "git": code_state(),
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


def code_state() -> dict[str, Any] | None:
    """Return commit and dirty flag of the code that runs; None outside a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    commit, changed = (
        _git(here, "rev-parse", "HEAD"),
        _git(here, "status", "--porcelain", "--", "src", "conf"),
    )
    return None if commit is None or changed is None else {"commit": commit, "dirty": bool(changed)}


def day_of_commit(folder: Path) -> str | None:
    """Return the day of the last commit that changed a folder, as 2026-11-30; None if it is in none."""
    return _git(folder, "log", "-1", "--format=%cs", "--", ".") or None


def _git(folder: Path, *words: str) -> str | None:
    """Return what git prints, without blanks around it; None where it is missing or refuses.

    It takes no lock: one of a run that is killed meanwhile would stay, and refuse the user's next commit.
    """
    asked = ["git", "--no-optional-locks", "-C", str(folder), *words]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
