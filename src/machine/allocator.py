"""Memory allocator of processes that train.

A training step asks for the same large blocks again and again. glibc gives them back to the system each time,
and the system clears their pages anew: 50,600 page faults a step of a 3D network. tcmalloc keeps them, and so
does glibc where it is told to. A process reads these settings when it starts, so it is started with them.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from ganatomy.invocation import PROGRAM

NAME = "GANATOMY_ALLOCATOR"
"""Environment variable: the allocator in use; set it to `system` to leave everything as it is."""
SYSTEM, KEEPING = "system", "glibc, keeping its memory"
LIBRARIES = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4")
FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
)
KEPT = 2**32
"""Bytes that glibc keeps at the end of its heap before it gives memory back."""
STARTS, PACKAGES = ("src.train", "ganatomy.train"), ("src.__main__", "ganatomy.__main__")
"""Modules that `python -m` starts `train` by: its own, and the package with the verb as its first word."""


def environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what to add to these variables for the faster allocator; nothing where one is chosen."""
    taken = ("LD_PRELOAD", "GLIBC_TUNABLES")
    if NAME in given or sys.platform != "linux" or any(given.get(name) for name in taken):
        return {}
    folders = [*FOLDERS, str(Path(sys.prefix) / "lib")]
    found = [path for name in LIBRARIES for folder in folders if (path := Path(folder) / name).is_file()]
    if found:
        return {NAME: "tcmalloc", "LD_PRELOAD": str(found[0])}
    if platform.libc_ver()[0] != "glibc":
        return {}
    tunables = {"hugetlb": 1, "mmap_max": 0, "trim_threshold": KEPT, "top_pad": 2**26}
    words = [f"glibc.malloc.{name}={value}" for name, value in tunables.items()]
    return {NAME: KEEPING, "GLIBC_TUNABLES": ":".join(words)}


def start_anew() -> None:
    """Start this process anew with the faster allocator, unless it has it, or is not `train` itself.

    A debugger or profiler would lose it, so a process that one follows stays as it is.
    """
    followed = sys.gettrace() is not None or sys.getprofile() is not None or "pydevd" in sys.modules
    if followed or not sys.executable or not _is_train():
        return
    more = environment()
    if more:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **more})


def in_use() -> str:
    """Return the name of the allocator that this process was started with."""
    return os.environ.get(NAME, SYSTEM)


def _is_train() -> bool:
    """Return True in a process that was started as `python -m src.train` or `ganatomy train`."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name in STARTS:
        return True
    file = Path(getattr(main, "__file__", None) or "")
    ours = file.name == PROGRAM if spec is None else spec.name in PACKAGES
    return ours and sys.argv[0] == f"{PROGRAM} train"
