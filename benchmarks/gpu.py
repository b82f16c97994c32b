"""Everything that is measured on a GPU, in one call of at most eight minutes for a bare machine.

  python benchmarks/gpu.py --tests             all sections, pytest -m gpu among them
  python benchmarks/gpu.py --quick             rehearsal: tiny sizes on the CPU, nothing is kept
  python benchmarks/gpu.py --only step,graphs  some sections
  python benchmarks/gpu.py --packages          which packages are missing, and how to bring them

Each section runs in a process of its own within its time, and is written to results.md, under the card's
name, as soon as it ends; one that fails or is late says so in a line, and the others go on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asking must not open the GPU: forks open it
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks import _results
from benchmarks._gpu_run import SECTIONS, Section, about, lacking, missing_packages, preload, run
from benchmarks._results import table, write

PACKAGES = ("torch", "monai", "pytorch-lightning", "pytorch-ignite", "triton")


def state_of(section: Section, device: str, tiny: bool, left: float) -> tuple[str, str]:
    """Run a section; return what it says, and how it ended in a word or a line."""
    if absent := lacking(section.needs):
        return "", f"not run: needs {', '.join(absent)}"
    if left < 5:
        return "", "not run: the time was spent"
    return run(section, device, tiny, left if tiny else min(left, section.seconds))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="cpu: a rehearsal")
    parser.add_argument("--quick", action="store_true", help="the same as --device cpu")
    parser.add_argument("--tests", action="store_true", help="run the tests marked gpu too")
    parser.add_argument("--only", default="", help="sections, by commas: " + ", ".join(SECTIONS))
    parser.add_argument("--seconds", type=float, help="time for all (480; in a rehearsal 3600)")
    parser.add_argument("--results", type=Path, help="file to write instead of benchmarks/results.md")
    parser.add_argument("--packages", action="store_true", help="say which packages are missing, and end")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name] or [
        name for name in SECTIONS if name != "tests" or options.tests
    ]
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(
            f"--only: {', '.join(sorted(unknown))} is no section; choose among {', '.join(SECTIONS)}"
        )
    print(missing_packages({name: SECTIONS[name] for name in chosen}), flush=True)
    if options.packages:
        return
    if options.results:
        _results.FILE = options.results
    tiny = options.quick or options.device == "cpu"
    card = "" if tiny else about("cuda")
    if not card and not tiny:
        measured = _results.FILE.exists() and "\n## GPU\n" in _results.FILE.read_text()
        write("GPU", "Not run: no GPU was at hand.", PACKAGES, keep=not measured)
        sys.exit(2 if options.device == "cuda" else 0)
    title, keep = ("GPU: CPU rehearsal", bool(options.results)) if tiny else (f"GPU: {card}", True)
    lead = "CPU rehearsal: tiny sizes, numbers of no meaning." if tiny else about("cuda", long=True)
    write("GPU", f"{lead} Begun, not ended.", PACKAGES, keep)  # unless the last line replaces it
    most = options.seconds or (3600 if tiny else 480)
    begun, ends = time.perf_counter(), []
    preload({name: SECTIONS[name] for name in chosen}, card)
    for name in chosen:
        since = time.perf_counter()
        text, end = state_of(SECTIONS[name], "cpu" if tiny else "cuda", tiny, most - since + begun)
        ends.append((name, end, f"{time.perf_counter() - since:.0f}"))
        write(f"{title}: {name}", text or end, PACKAGES, keep)
    total = time.perf_counter() - begun
    summary = table(("section", "ended", "s"), ends)
    write("GPU", f"{lead} {total:.0f} s in all.\n\n{summary}", PACKAGES, keep)


if __name__ == "__main__":
    main()
