"""Run a module as `python -m` does and end at once: `python -m tests.forked MODULE WORDS...`.

A process that was forked from one with all libraries would spend most of its time on taking them down.
"""

from __future__ import annotations

import atexit
import os
import runpy
import sys
import threading


def main() -> None:
    """Run the module; what it registered for the end is run, and its threads are waited for."""
    module, *words = sys.argv[1:]
    sys.orig_argv[:] = [sys.executable, "-m", module, *words]
    sys.argv[:] = [module, *words]
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    if not isinstance(code, int | None):
        raise SystemExit(code)  # Python writes it
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    main()
