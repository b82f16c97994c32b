"""Call a function of a test in this process: `python -m tests.call MODULE FUNCTION ARGUMENTS` (as JSON)."""

from __future__ import annotations

import importlib
import json
import sys

if __name__ == "__main__":
    module, name, arguments = sys.argv[1:]
    getattr(importlib.import_module(module), name)(*json.loads(arguments))
