"""How much memory the validation of a large volume takes, from its file to its scores."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402 - it needs the line above

WINDOW = 64


def make(root: Path, shape: tuple[int, ...]) -> None:
    """Write a cohort of three 16-bit volumes; the one for validation is large."""
    import nibabel

    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number, sides in enumerate(((WINDOW,) * 3, shape, (WINDOW,) * 3)):
        rng = np.random.default_rng(number)
        coarse = rng.standard_normal([-(-side // 8) for side in sides]).astype(np.float32)
        lumps = np.kron(coarse, np.ones((8, 8, 8), np.float32))[tuple(slice(side) for side in sides)]
        image = (200 * lumps).astype(np.int16) + rng.integers(-50, 50, sides, dtype=np.int16)
        for array, folder in ((image, "images"), ((lumps > 0.5).astype(np.uint8), "masks")):
            nibabel.save(
                nibabel.Nifti1Image(array, np.diag([0.8, 0.8, 1, 1])), root / folder / f"{number}.nii"
            )
    split = {"train": ["images_0"], "val": ["images_1"], "test": ["images_2"]}
    (root / "split.json").write_text(json.dumps(split))


def validate(root: Path, cache: str) -> None:
    """Print the peak of resident memory, GB, after each part of the way, and the seconds it took."""
    import torch
    from hydra import compose, initialize_config_dir

    from ganatomy.config.resolve import to_plain
    from ganatomy.config.schema import Config
    from ganatomy.training import build

    words = [
        "task=segmentation", "data=folder", f"data.root={root}", "data.image='images/*.nii'",
        "data.label='masks/{name}'", "data.classes=[background,lump]", "data.spatial_dims=3",
        "data.size=null", f"data.patch={WINDOW}", "data.batch_size=2", f"data.split_file={root}/split.json",
        f"data.cache={cache}", f"data.cache_dir={root}/cache", "model.generator.channels=[4,8]",
        "model.generator.strides=[2]", "model.discriminator=null", "logger=none", "name=x", "run_dir=x",
    ]  # fmt: skip
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = Config.from_plain(to_plain(compose("train", overrides=words)))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found, begun = {}, time.process_time()

    def done(part: str) -> None:
        nonlocal begun
        now = time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        found[part], begun = (peak, now - begun), now

    data = build.build_data(cfg)
    data.setup()
    done("reading, checking and preparing all")
    cfg = build.complete(cfg, data)
    task = build.build_task(cfg, data.mask_classes).eval()
    with torch.inference_mode():
        batch = next(iter(data.val_dataloader()))
        done("loading the batch")
        prediction = task.predict(batch)
        done("predicting in windows")
        task.score("val", batch, prediction)
        scores = task.scores("val")
        done("scoring")
    print(json.dumps({"parts": found, "hd95": scores["hd95"]}))


def measured(shape: tuple[int, ...], cache: str) -> dict[str, tuple[float, float]]:
    """Of a fresh interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "data", shape)
        command = [sys.executable, __file__, "--validate", str(Path(folder) / "data"), "--cache", cache]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])["parts"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 300))
    parser.add_argument("--cache", default="memory", choices=("memory", "disk", "none"))
    parser.add_argument("--quick", action="store_true", help="a small volume: does it run?")
    parser.add_argument("--validate", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.validate:
        validate(options.validate, options.cache)
        return
    shape = (96, 96, 64) if options.quick else tuple(options.shape)
    sides = "x".join(map(str, shape))
    found = measured(shape, options.cache)
    text = (
        f"One volume of {sides} voxels, two classes, from its file to its scores, in windows of {WINDOW}; a\n"
    )
    text += (
        f"network of two levels, cache={options.cache}, one thread. Peak of the process's memory so far.\n\n"
    )
    rows = [[part, f"{peak:.1f} GiB", f"{seconds:.0f}"] for part, (peak, seconds) in found.items()]
    write("Memory", text + table(["until after", "peak", "s"], rows), ("torch", "monai"), not options.quick)


if __name__ == "__main__":
    main()
