"""One loader in a process of its own: prints the processor time of an item, ms, for every line it reads.

python benchmarks/_loader_jobs.py JOB WHOSE FOLDER, with PYTHONPATH naming the checkout to measure. WHOSE
is memory or disk (a cache of ours), or monai. See benchmarks/loader.py.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import DataLoader, PersistentDataset
from monai.transforms import (
    EnsureTyped,
    FgBgToIndicesd,
    Lambda,
    RandAffined,
    RandCropByPosNegLabeld,
    RandFlipd,
    SelectItemsd,
)

HOUSE = "ganatomy" if find_spec("ganatomy") else "src"
"""Name of the package; checkouts of the first version have the second."""
BOTH = ["image", "label"]
CASES = 9


def flip() -> Any:
    return RandFlipd(BOTH, 0.5, spatial_axis=1)


def affine() -> Any:
    return RandAffined(
        BOTH,
        prob=0.5,
        rotate_range=0.15,
        scale_range=0.1,
        mode=["bilinear", "nearest"],
        padding_mode="border",
    )


class Volumes:
    """Cases of 256x256x128 voxels with a label map, made when they are loaded."""

    channels, spatial_dims, size = 1, 3, None
    classes, box_classes, image_classes = ("background", "organ", "lesion"), (), ()

    def records(self) -> list[Any]:
        record = importlib.import_module(f"{HOUSE}.data.records").Record
        return [record(f"case{n}", f"subject{n}", content={"n": n}) for n in range(CASES)]

    def load(self, record: Any) -> dict[str, np.ndarray]:
        shape = (256, 256, 128)
        image = np.random.default_rng(record.content["n"]).standard_normal((1, *shape), dtype=np.float32)
        label = np.zeros((1, *shape), np.uint8)
        label[:, 60:180, 60:180, 30:90] = 1
        label[:, 90:110, 100:120, 50:60] = 2
        return {"image": image + label, "label": label, "affine": np.eye(4), "spacing": np.ones(3)}

    def fingerprint(self, record: Any) -> str:
        return f"loader benchmark {record.case}"

    content = fingerprint


def settings(job: str) -> tuple[Any, dict[str, Any]]:
    """Return the source of a job and the arguments of its DataModule; default runs have fewer subjects."""
    brain = importlib.import_module(f"{HOUSE}.data.sources.brain").Brain
    lesions = importlib.import_module(f"{HOUSE}.data.sources.lesions").BrainLesions
    if job == "patches":
        return Volumes(), {"batch_size": 2, "patch": [64, 64, 64]}
    if job == "segmentation":
        return brain(subjects=8), {"batch_size": 16, "augment": [flip(), affine()]}
    if job == "enhancement":
        noise = importlib.import_module(f"{HOUSE}.degradations.noise").Rician(0.1)
        return brain(subjects=8), {"batch_size": 4, "augment": [flip()], "degrade": noise}
    if job == "synthesis":
        return brain(subjects=8, size=64), {"batch_size": 16, "augment": [flip()]}
    if job == "detection":
        return lesions(subjects=8, healthy=0.1), {"batch_size": 16, "augment": [flip(), affine()]}
    healthy = lesions(subjects=8, size=64, lesions=5, train_healthy=True)
    return healthy, {"batch_size": 16, "augment": [flip()], "intensity": "percentile", "with_boxes": False}


def ours(job: str, cache: str, folder: str) -> Iterator[Any]:
    module = importlib.import_module(f"{HOUSE}.data.datamodule").DataModule
    source, given = settings(job)
    if "with_boxes" not in module.__init__.__annotations__:
        given.pop("with_boxes", None)
    return iter(module(source, cache=cache, cache_dir=folder, **given).train_dataloader())


def monais(folder: str) -> Iterator[Any]:
    """PersistentDataset with the places of foreground kept, and a crop about one of them."""
    source = Volumes()

    def prepared(number: int) -> dict[str, torch.Tensor]:
        case = source.load(source.records()[number])
        return {key: torch.from_numpy(case[key]) for key in BOTH}

    fixed = [
        Lambda(prepared),
        FgBgToIndicesd("label"),
        EnsureTyped(["label_fg_indices", "label_bg_indices"], track_meta=False),
    ]
    crop = RandCropByPosNegLabeld(
        BOTH,
        "label",
        [64, 64, 64],
        num_samples=1,
        fg_indices_key="label_fg_indices",
        bg_indices_key="label_bg_indices",
    )

    items = PersistentDataset(range(CASES * 2 // 3), [*fixed, crop, SelectItemsd(BOTH)], cache_dir=folder)
    for n in range(len(items)):
        items[n]
    return itertools.chain.from_iterable(itertools.repeat(DataLoader(items, batch_size=2, shuffle=True)))


def main() -> None:
    job, whose, folder = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    Path(folder).mkdir(parents=True, exist_ok=True)
    batches = monais(folder) if whose == "monai" else ours(job, whose, folder)
    rows = len(next(batches)["image"])
    for _ in itertools.islice(batches, 200 // rows if job != "patches" else 10):
        pass  # every file has been read and verified
    print("ready", flush=True)
    for line in sys.stdin:
        count, begun = int(line), time.process_time()
        for _ in itertools.islice(batches, count):
            pass
        print(1000 * (time.process_time() - begun) / count / rows, flush=True)


if __name__ == "__main__":
    main()
