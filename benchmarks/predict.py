"""Throughput of `predict` beside MONAI's sliding-window script: same network, same files, both cores.

The script follows inference.json of the bundle spleen_ct_segmentation in MONAI's model zoo: LoadImaged,
Orientationd, an intensity transform, a DataLoader with 4 workers, SlidingWindowInferer(sw_batch_size=4,
overlap=0.5), Activationsd, Invertd, AsDiscreted, SaveImaged as float32. Its `amp: true` acts on CUDA alone.
Ours overlaps windows by a quarter. Each contender works through the same part of the files in turn, in a
process of its own; ratios are of wall time within a round (median and quartiles).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402 - it needs the line above

PACKAGES = ("torch", "monai", "nibabel")
SETS = {"volumes": "NIfTI volumes of 128x128x64", "pictures": "PNGs of 512x512"}
ARMS = {
    "ours": "ours, as the run is",
    "ours bf16": "ours, precision=bf16-mixed",
    "shipped": "MONAI's script as shipped",
    "alike": "MONAI's script in our overlap, precision and layout",
}


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--starts", type=int, default=3, help="fresh processes of which each start is the median"
    )
    parser.add_argument("--kinds", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--dry", action="store_true", help="write nothing into results.md")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(*args.worker)
        return
    with tempfile.TemporaryDirectory() as folder:
        parts = [
            section(Path(folder), kind, vars(args)[kind], args.rounds, args.starts) for kind in args.kinds
        ]
    text = f"{__doc__}\n\n".replace("\n", " ").strip() + "\n\n" + "\n\n".join(parts)
    write("Prediction", text, PACKAGES, keep=not args.dry)


def section(folder: Path, kind: str, count: int, rounds: int, starts: int) -> str:
    """Return the table of one kind of files."""
    place = folder / kind
    run = prepared(place, kind, count)
    files = sorted((place / "files").iterdir())
    parts = [files[n::rounds] for n in range(rounds)]
    workers = {arm: Worker(run, place / "files", arm) for arm in ARMS}
    found: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for number, part in enumerate(parts):
        arms = list(ARMS)
        for arm in arms[number % len(arms) :] + arms[: number % len(arms)]:
            found[arm].append(workers[arm].seconds(part))
            sys.stderr.write(f"{kind}, round {number + 1}: {arm} {found[arm][-1]:.1f} s\n")
    memory = {arm: workers[arm].close() for arm in ARMS}
    alone = {arm: once(run, files[0], arm, starts) for arm in ARMS}
    base = "ours bf16"
    rows = []
    for arm, words in ARMS.items():
        ratios = [other / own for other, own in zip(found[arm], found[base], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        speed = statistics.median(len(part) / s for part, s in zip(parts, found[arm], strict=True))
        cells = [words, f"{speed:.2f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        rows.append([*cells, f"{alone[arm] / alone[base]:.2f}", f"{memory[arm] / memory[base]:.2f}"])
    head = ["", "files a second", "time / ours bf16", "one file, start included / ours", "peak memory / ours"]
    same = agreement(workers, files)
    return f"{count} {SETS[kind]}, {rounds} rounds. {same}\n\n" + table(head, rows)


def prepared(place: Path, kind: str, count: int) -> Path:
    """Write files and a run whose networks have their default size, and return the run."""
    for name in ("data/images", "data/masks", "files"):
        (place / name).mkdir(parents=True)
    for n in range(8):
        image = blobs(n, (128, 128, 64) if kind == "volumes" else (512, 512))
        save(place / "data/images", n, image * 1000)
        save(place / "data/masks", n, image > 0.6)
    for n in range(count):
        save(
            place / "files",
            n,
            blobs(100 + n % 16, (128, 128, 64) if kind == "volumes" else (512, 512)) * 1000,
        )
    ending = "nii.gz" if kind == "volumes" else "png"
    words = [
        *(
            "task=segmentation",
            "data=folder",
            f"data.root={place / 'data'}",
            f"data.label=masks/{{stem}}.{ending}",
        ),
        *("data.classes=[background,bright]", "data.size=null", "trainer.max_steps=2", "trainer.val_every=2"),
        *(
            "callbacks.samples=0",
            "logger=csv",
            "data.cache=none",
            "data.batch_size=2",
            f"run_dir={place / 'run'}",
        ),
        *(("data.spatial_dims=3", "data.patch=64") if kind == "volumes" else ("data.patch=256",)),
    ]
    words = [f"'{word}'" if "{" in word else word for word in words]
    words = [word.replace("'data.label=", "data.label='").replace("''", "'") for word in words]
    subprocess.run([sys.executable, "-m", "src.train", *words], cwd=ROOT, check=True, capture_output=True)
    return place / "run"


def blobs(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return a smooth random image from 0 to 1."""
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 6)
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth))


def save(folder: Path, number: int, image: np.ndarray) -> None:
    """Write an image as NIfTI (3D, int16) or PNG (2D, uint16; masks uint8)."""
    is_mask = image.dtype == bool
    if image.ndim == 3:
        kind = np.uint8 if is_mask else np.int16
        nib.save(
            nib.Nifti1Image(image.astype(kind), np.diag([1.0, 1, 2, 1])), folder / f"v{number:03d}.nii.gz"
        )
    else:
        Image.fromarray(image.astype(np.uint8 if is_mask else np.uint16)).save(folder / f"p{number:03d}.png")


class Worker:
    """One of the contenders in a process of its own, which answers how long a part of the files took."""

    def __init__(self, run: Path, files: Path, arm: str) -> None:
        self.output = run.parent / f"out_{arm.replace(' ', '_')}"
        words = [sys.executable, __file__, "--worker", str(run), str(self.output), arm]
        self.process = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def seconds(self, files: list[Path]) -> float:
        """Return the seconds of wall time that these files took."""
        return float(self._ask(json.dumps([str(path) for path in files])))

    def close(self) -> float:
        """End the process; return its peak memory in MB, its workers' included."""
        memory = float(self._ask("end"))
        self.process.wait()
        return memory

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


def environment() -> dict[str, str]:
    """Return the environment of a contender: both cores, nothing said."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(os.cpu_count()),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }


def worker(run: str, output: str, arm: str) -> None:
    """Answer on stdout how long each part of the files that comes on stdin took."""
    answer = (
        ours(Path(run), Path(output), arm)
        if arm.startswith("ours")
        else monai_script(Path(run), Path(output), arm)
    )
    next(answer)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        if line.strip() == "end":
            peak = sum(
                resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            )
            sys.stdout.write(f"{peak / 1024}\n")
            sys.stdout.flush()
            return
        begun = time.perf_counter()
        answer.send([Path(path) for path in json.loads(line)])
        sys.stdout.write(f"{time.perf_counter() - begun}\n")
        sys.stdout.flush()


def ours(run: Path, output: Path, arm: str) -> Iterator[Any]:
    """Predict each part that is sent, as the command does."""
    from ganatomy.inference.inputs import inputs
    from ganatomy.predict.plan import names_of
    from ganatomy.predict.setup import job_of, load
    from ganatomy.predict.work import work
    from tests.predict.test_predict import settings

    output.mkdir()
    precision = "bf16-mixed" if arm.endswith("bf16") else "run"
    threads = os.cpu_count()
    config = settings(run, "x", output, precision=precision, threads=threads, familiarity=False)
    loaded = load(config)
    files = yield
    while True:
        source = inputs(loaded.preprocessing, files)
        records = source.records()
        work(job_of(config, loaded, source, records, names_of(records)), iter(records), lambda entry: None)
        files = yield


def monai_script(run: Path, output: Path, arm: str) -> Iterator[Any]:
    """Run the script on each part that is sent; `alike` has our overlap, precision and weights' layout."""
    import torch
    from monai.data import DataLoader, Dataset, decollate_batch
    from monai.inferers import SlidingWindowInferer
    from monai.transforms import (
        Activationsd,
        AsDiscreted,
        Compose,
        EnsureChannelFirstd,
        Invertd,
        LoadImaged,
        NormalizeIntensityd,
        Orientationd,
        SaveImaged,
    )

    from ganatomy.inference.loaded import load_run
    from ganatomy.training.build import laid_out

    loaded = load_run(run)
    network, dims, window = loaded.task.evaluator, loaded.preprocessing.spatial_dims, loaded.task.window
    axes = loaded.preprocessing.orientation
    volumes = [Orientationd("image", axcodes=axes, labels=None)] if dims == 3 else []
    reader = {} if dims == 3 else {"reader": "PILReader", "reverse_indexing": False}  # rows stay rows
    before = Compose(
        [
            LoadImaged("image", **reader),
            EnsureChannelFirstd("image"),
            *volumes,
            NormalizeIntensityd("image"),
        ]
    )
    ending = ".nii.gz" if dims == 3 else ".png"
    save_settings: dict[str, Any] = {"output_ext": ending, "separate_folder": False, "print_log": False}
    save_settings["output_dtype"] = np.float32
    save_settings |= {} if dims == 3 else {"writer": "PILWriter", "output_dtype": np.uint8, "resample": False}
    after = Compose(
        [
            Activationsd("pred", softmax=True),
            Invertd("pred", before, orig_keys="image", nearest_interp=False, to_tensor=True),
            AsDiscreted("pred", argmax=True),
            SaveImaged("pred", output_dir=str(output), output_postfix="", **save_settings),
        ]
    )
    alike = arm == "alike"
    size = [window] * dims if isinstance(window, int) else list(window)
    ours = {"overlap": 0.25, "mode": "gaussian"} if alike else {"overlap": 0.5}
    inferer = SlidingWindowInferer(size, 4, **ours)
    if alike:
        laid_out(network, True)
    cast = torch.autocast("cpu", torch.bfloat16, enabled=alike)
    files = yield
    while True:
        data = Dataset([{"image": str(path)} for path in files], before)
        with torch.no_grad(), cast:
            for batch in DataLoader(data, batch_size=1, num_workers=4):
                batch["pred"] = inferer(batch["image"], network).float()
                for item in decollate_batch(batch):
                    after(item)
        files = yield


def once(run: Path, file: Path, arm: str, starts: int) -> float:
    """Return the seconds of one file in a fresh process, start included; the median of a few."""
    found = []
    for _ in range(starts):
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, __file__, "--worker", str(run), f"{folder}/out", arm]
            subprocess.run(
                words,
                cwd=ROOT,
                input=f"{json.dumps([str(file)])}\nend\n",
                text=True,
                check=True,
                capture_output=True,
                env=environment(),
            )
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def agreement(workers: dict[str, Worker], files: list[Path]) -> str:
    """Return a sentence on how far the label maps of the contenders agree."""

    def labels(arm: str, path: Path) -> np.ndarray:
        """Return where a contender finds the class that is not the background."""
        place = next(workers[arm].output.rglob(f"{path.name.split('.')[0]}*"))
        if place.name.endswith(".nii.gz"):
            return np.asarray(nib.load(place).dataobj) > 0
        found = np.asarray(Image.open(place)) > 0  # two classes; MONAI's PNG holds 0 and 255
        return found if arm.startswith("ours") else found.T  # its PILWriter swaps rows and columns

    shares = {
        arm: np.mean([(labels(arm, path) == labels("ours", path)).mean() for path in files[:8]])
        for arm in ARMS
    }
    words = ", ".join(f"{ARMS[arm]} {share:.4%}" for arm, share in shares.items() if arm != "ours")
    return f"Voxels with the label that ours gives in the run's precision: {words}."


if __name__ == "__main__":
    main()
