"""What a process has used of memory."""

from __future__ import annotations

import resource
import sys

GB = 2**30


def peak_memory() -> int:
    """Return the peak of this process's memory in bytes: on a GPU of the card, else the resident set."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_reserved():
        return int(torch.cuda.max_memory_reserved())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
