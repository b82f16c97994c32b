"""Temporary files that a killed process left in a run directory."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path

WRITTEN_BY = re.compile(r"-(\d+)\.tmp$")
"""End of the name of a file that is being written (`files.write_whole`): the writer's process id."""
ABANDONED = 3600.0
"""Seconds after which a temporary file of another machine belongs to nobody: each is written in one go."""
LIBRARIES = {"wandb", "tensorboard", "mlflow", "trackio"}
"""Folders of a run that are not ours to tidy."""


def remove_orphans(run: Path) -> None:
    """Remove the temporary files that processes which ended left in a run directory and its folders."""
    for path in run.rglob(".*.tmp"):
        with suppress(FileNotFoundError):
            if not LIBRARIES & set(path.relative_to(run).parts) and not _being_written(path):
                path.unlink()


def _being_written(path: Path) -> bool:
    """Return True if the process that a temporary file is named after may still write it."""
    writer = WRITTEN_BY.search(path.name)
    if writer is None or not path.name.endswith(f".{socket.gethostname()}{writer[0]}"):
        return time.time() - path.stat().st_mtime < ABANDONED
    pid = int(writer[1])
    if pid == os.getpid():  # a number used again: this process has written nothing here yet
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
