"""What a first start costs: data prepared without a cache, compressed volumes, baselines of anomaly."""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402 - it needs the line above

TASKS = ("segmentation", "enhancement", "detection", "anomaly", "synthesis")
FEWER = ["data.subjects=12", "data.split=[8,2,2]"]
SETUP = """
import os, sys, time, torch
torch.set_num_threads(1)
from PACKAGE.data.datamodule import DataModule
setup = DataModule.setup
def timed(self, stage=None):
    before = time.process_time()
    setup(self, stage)
    print("cpu", time.process_time() - before, flush=True)
    os._exit(0)
DataModule.setup = timed
from PACKAGE.train import main
sys.argv = ["train", *sys.argv[1:]]
main()
"""


def preparation(checkout: Path, package: str, words: list[str]) -> float:
    """CPU seconds of `DataModule.setup` in a fresh interpreter with an empty cache."""
    with tempfile.TemporaryDirectory() as place:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(checkout),
            "GANATOMY_CACHE": f"{place}/cache",
        }
        script = SETUP.replace("PACKAGE", package)
        done = subprocess.run(
            [sys.executable, "-c", script, *words, "logger=csv", f"run_dir={place}/run"],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
        )
    line = next((line for line in done.stdout.splitlines() if line.startswith("cpu ")), None)
    if line is None:
        raise SystemExit(f"{checkout}: {' '.join(words)}\n{done.stderr[-2000:]}")
    return float(line.split()[1])


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """CPU seconds of one call."""
    before = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - before) / times


def spread(ratios: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def prepared(old: Path | None, rounds: int, quick: bool) -> list[list[str]]:
    """Rows of cold preparation by task; the old checkout's package is called `src`."""
    rows = []
    for task in TASKS:
        words = [f"task={task}", *FEWER]
        pairs = []
        for _ in range(rounds):
            own = preparation(ROOT, "ganatomy", words)
            pairs.append((own, preparation(old, "src", words) if old else own))
        ratios = [ours / theirs for ours, theirs in pairs]
        ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
        rows.append([f"`task={task}`, 12 subjects", spread(ratios), f"{ours:.2f}", f"{theirs:.2f}"])
        print(*rows[-1], sep="; ", file=sys.stderr, flush=True)
        if quick:
            break
    return rows


def compressed(folder: Path, rounds: int) -> tuple[list[list[str]], str]:
    """Rows of reading a .nii.gz beside nibabel and of compressing beside zlib, and a line about sizes."""
    import nibabel

    from ganatomy.data.io.readers import read
    from ganatomy.data.io.writers import packed

    rng = np.random.default_rng(0)
    voxels = (rng.normal(1000, 60, (128, 128, 64)) * np.linspace(0.2, 1, 64)).astype(np.int16)
    path = folder / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
    content = gzip.decompress(path.read_bytes())
    assert (read(path)[0][0] == voxels).all() and gzip.decompress(packed(content)) == content
    pairs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        own = seconds(lambda: read(path), 5)
        theirs = seconds(lambda: np.asanyarray(nibabel.load(path).dataobj), 5)
        pairs.setdefault("read .nii.gz, beside nibabel alone", []).append((own, theirs))
        own = seconds(lambda: packed(content), 5)
        for level in (1, 9):
            theirs = seconds(lambda level=level: gzip.compress(content, level))
            pairs.setdefault(f"compress, beside zlib at {level}", []).append((own, theirs))
    rows = []
    for name, found in pairs.items():
        ours, theirs = (statistics.median(times) for times in zip(*found, strict=True))
        rows.append([name, spread([a / b for a, b in found]), f"{ours:.4f}", f"{theirs:.4f}"])
    sizes = [len(x) / len(content) for x in (packed(content), *(gzip.compress(content, n) for n in (1, 9)))]
    return rows, "Share of the size: {:.3f}, of zlib at 1 {:.3f}, at 9 {:.3f}.".format(*sizes)


def baselines(folder: Path, quick: bool) -> list[str]:
    """Row of the baselines of anomaly detection, the second time and the first."""
    import torch

    from ganatomy.tasks.anomaly import baselines as fits

    images = torch.rand(64 if quick else 576, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    data = SimpleNamespace(folder=folder, cache=SimpleNamespace(kind="disk"), spatial_dims=2, channels=1)
    steps = 2 if quick else 250
    first, second = (
        seconds(lambda: fits.fitted_once(data, images, 64 if not quick else 8, steps, 0)) for _ in range(2)
    )
    name = f"baselines of anomaly, {len(images)} images, {steps} steps: second time beside the first"
    return [name, f"{second / first:.3f}", f"{second:.2f}", f"{first:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python benchmarks/cold.py --old ../062eb33 --rounds 5"
    )
    parser.add_argument("--old", type=Path, help="a checkout of 062eb33; none: the new code beside itself")
    parser.add_argument("--rounds", type=int, default=5, help="each in turn, so often")
    parser.add_argument("--quick", action="store_true", help="one round, one task: does it run?")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    rounds = 1 if options.quick else options.rounds
    old = options.old.resolve() if options.old else None
    with tempfile.TemporaryDirectory() as place:
        rows = prepared(old, rounds, options.quick)
        more, sizes = compressed(Path(place), rounds)
        rows += [*more, baselines(Path(place), options.quick)]
    text = "CPU time of one thread, in turn: median ratio and quartiles. Preparation is `DataModule.setup`\n"
    text += "with an empty cache, beside 062eb33. " + sizes + "\n\n"
    text += table(["job", "ratio", "s", "s beside it"], rows)
    write("Cold start", text, ("torch", "nibabel", "isal"), keep=not options.quick and old is not None)


if __name__ == "__main__":
    main()
