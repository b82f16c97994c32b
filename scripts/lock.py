"""Write requirements.lock: every package of the default install but torch, with the hashes of its files.

`make lock` runs it. torch and what it brings depend on the machine (CPU, CUDA), so constraints.txt pins their
versions and no hash.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MACHINE = re.compile(r"(torch|triton|setuptools|nvidia-[\w-]+|cuda-[\w-]+)==")
"""Packages that the machine decides on, and the one that builds wheels."""
HEAD = """# The default install with the hashes of its files; torch comes first, by constraints.txt:
#   pip install -c constraints.txt torch && pip install --no-deps --require-hashes -r requirements.lock
# Written by `make lock`.
"""
WORDS = (
    *("pip", "compile", "pyproject.toml", "-c", "constraints.txt", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-annotate", "--no-header", "--quiet"),
)


def main() -> None:
    """Resolve with uv, leave out what the machine decides on, and write the file."""
    command = [str(Path(sys.executable).with_name("uv")), *WORDS]
    found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    blocks = re.split(r"\n(?=\S)", found.strip())
    kept = [block for block in blocks if not MACHINE.match(block)]
    (ROOT / "requirements.lock").write_text(HEAD + "\n".join(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
