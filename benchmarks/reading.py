"""What reading data sets costs in processor time, beside another checkout of this repository."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402 - it needs the line above

START = """
import os, sys
from ganatomy.tasks.base import AdversarialTask
step = AdversarialTask.training_step
def once(self, *batch):
    step(self, *batch)
    sys.stdout.flush()
    os._exit(0)
AdversarialTask.training_step = once
from ganatomy.train import main
sys.argv = ["train", *sys.argv[1:]]
main()
"""
PLAYERS = ["model.generator.channels=[4,8]", "model.generator.strides=[2]", "model.discriminator=null"]


def pictures(root: Path, count: int) -> None:
    """Small grey pictures, and their masks."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        smooth = gaussian_filter(rng.standard_normal((64, 64)), 2)
        smooth = (smooth - smooth.min()) / np.ptp(smooth)
        for array, folder in ((smooth * 255, "images"), (smooth > 0.6, "masks")):
            Image.fromarray(array.astype(np.uint8)).save(
                root / folder / f"{number:05d}.png", compress_level=1
            )


def volumes(root: Path, count: int, sides: tuple[int, int, int]) -> None:
    """Volumes of 16 bits, and their masks."""
    import nibabel

    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        image = np.random.default_rng(number).integers(-1000, 2000, sides, dtype=np.int16)
        for array, folder in ((image, "images"), ((image > 500).astype(np.uint8), "masks")):
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), root / folder / f"{number:02d}.nii")


def seconds(checkout: Path, words: list[str]) -> float:
    """User and system time of a fresh interpreter that runs the checkout's code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, *words], cwd=checkout, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(words[-4:])}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def jobs(folder: Path, quick: bool) -> dict[str, list[str]]:
    """Command lines by what they answer; `@` is where a checkout's own caches and runs lie."""
    pictures(folder / "pictures", 50 if quick else 20_000)
    volumes(folder / "volumes", 6 if quick else 40, (16, 16, 8) if quick else (256, 256, 128))
    data = ["data=folder", "data.label='masks/{name}'", "data.classes=[a,b]"]
    small = ["-m", "src.check", *data, f"data.root={folder}/pictures", "data.size=64", "output=@/check.html"]
    large = [*data, f"data.root={folder}/volumes", "data.spatial_dims=3", "data.size=null", "data.patch=16"]
    start = [
        "-c",
        START,
        "task=segmentation",
        *PLAYERS,
        "logger=csv",
        "trainer.accelerator=cpu",
        "run_dir=@/run#",
    ]
    return {
        "`check` of 20,000 pictures of 64x64 with masks": small,
        "second start on 40 volumes of 256x256x128, cache=disk": [*start, *large, "data.cache=disk"],
        "second start on 40 volumes of 256x256x128, cache=memory": [*start, *large, "data.cache=memory"],
        "the default job until its first step": [
            "-c",
            START,
            "logger=csv",
            "run_dir=@/run#",
            "paths.cache=@/cache",
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python benchmarks/reading.py --beside ../062eb33 --rounds 3"
    )
    parser.add_argument("--beside", type=Path, help="the other checkout; none: nothing is compared")
    parser.add_argument("--rounds", type=int, default=3, help="each once in turn, so often")
    parser.add_argument("--only", default="", help="jobs whose names hold this")
    parser.add_argument("--quick", action="store_true", help="one round on little data: does it run?")
    options = parser.parse_args()
    checkouts = [ROOT, (options.beside or ROOT).resolve()]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, words in jobs(Path(place), options.quick).items():
            if options.only not in name:
                continue
            pairs: list[list[float]] = []
            for index in range(-1, 1 if options.quick else options.rounds):  # the first fills the caches
                pair = []
                for which, checkout in enumerate(checkouts):
                    own = Path(place) / str(which)
                    own.mkdir(exist_ok=True)
                    more = [f"data.cache_dir={own}/cache"] if "-c" in words and "data=folder" in words else []
                    filled = [
                        word.replace("@", str(own)).replace("#", f"{len(rows)}_{index}") for word in words
                    ]
                    pair.append(seconds(checkout, [*filled, *more]))
                if index >= 0:
                    pairs.append(pair)
            ratios = [ours / theirs for ours, theirs in pairs]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
            rows.append([name, spread, f"{ours:.1f}", f"{theirs:.1f}"])
            print(*rows[-1], sep="; ", file=sys.stderr, flush=True)
    if options.beside or options.quick:
        text = (
            "User and system time of a fresh interpreter over that of the checkout beside it, in turn, one\n"
        )
        text += (
            "thread; median of paired ratios, and range. The first pair fills the caches and is left out.\n\n"
        )
        text += table(["job", "ratio", "s", "s beside it"], rows)
        write("Reading", text, ("torch", "pillow", "nibabel"), keep=not options.quick and not options.only)


if __name__ == "__main__":
    main()
