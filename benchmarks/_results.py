"""results.md: one section a question, each with the versions and the processor it was measured on."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FILE = Path(__file__).with_name("results.md")


def processor() -> str:
    """Return the processor's name and the instruction sets that matter to torch."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*: (.*)", text)
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag} " in text]
    return f"{name[1] if name else platform.machine()} ({', '.join(flags)})"


def versions(packages: Sequence[str]) -> str:
    """Python's and the packages' versions, those that are installed."""
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(title: str, text: str, packages: Sequence[str] = ("torch",), keep: bool = True) -> None:
    """Print a section, and put it into results.md in the place of the last one of that title if `keep`."""
    section = f"## {title}\n\n{text.strip()}\n\n*{versions(packages)}; {processor()}.*\n"
    print(section, flush=True)
    if not keep:
        return
    before = FILE.read_text() if FILE.exists() else "# Measured\n\nRatios; `make bench` writes them anew.\n"
    head, *sections = re.split(r"(?m)^(?=## )", before)
    kept = [part.strip() + "\n" for part in sections if not part.startswith(f"## {title}\n")]
    FILE.write_text("\n".join([head.strip() + "\n", *sorted([*kept, section])]))
