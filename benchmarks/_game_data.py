"""Small data sets of games.py, many spoiled on purpose; made from the sets of GANATOMY_DATA."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32
SETS_OF_DATA = ("mednist_64_subset", "busi_256", "hippocampus_msd", "oct_sdoct", "cbc_blood", "nih_cxr_256")
"""Folders of GANATOMY_DATA that the games need."""


def source(name: str) -> Path:
    """Return the folder of a set of GANATOMY_DATA."""
    return Path(os.environ.get("GANATOMY_DATA", "data")) / name


def _medical(kind: str, count: int) -> list[np.ndarray]:
    """First images of one kind of MedNIST, [32,32] of 8 bits."""
    files = sorted((source("mednist_64_subset") / kind).glob("*.jpeg"))[:count]
    return [np.asarray(Image.open(file).convert("L").resize((SIDE, SIDE))) for file in files]


def _write(folder: Path, images: list[np.ndarray], names: list[str] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{names[index] if names else f'case_{index:03d}'}.png")


def heads(folder: Path) -> None:
    """200 images of heads: 134 to train."""
    _write(folder / "images", _medical("HeadCT", 200))


def constant(folder: Path) -> None:
    """60 times one grey."""
    _write(folder / "images", [np.full((SIDE, SIDE), 100, np.uint8)] * 60)


def three(folder: Path) -> None:
    """5 images of heads: with data.split=[3,1,1] 3 to train."""
    _write(folder / "images", _medical("HeadCT", 5))


def raw_numbers(folder: Path) -> None:
    """Heads in 16 bits: up to 65 535, as a scanner may write them."""
    _write(folder / "images", [image.astype(np.uint16) * 257 for image in _medical("HeadCT", 200)])


def _lesions(folder: Path, mask: Callable[[list[np.ndarray], int, str], np.ndarray]) -> None:
    """A third of BUSI at 32x32 with its own split, with masks by `mask` from all masks, place and split."""
    root = source("busi_256")
    with (root / "splits.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))[::3]
    pictures = {key: [] for key in ("images", "masks")}  # type: dict[str, list[np.ndarray]]
    for row in rows:
        for key, kept in pictures.items():
            image = Image.open(root / key / row["file"]).convert("L")
            way = Image.Resampling.NEAREST if key == "masks" else Image.Resampling.BOX
            kept.append(np.asarray(image.resize((SIDE, SIDE), way)))
    names = [Path(row["file"]).stem for row in rows]
    masks = [mask(pictures["masks"], index, row["split"]) for index, row in enumerate(rows)]
    _write(folder / "images", pictures["images"], names)
    _write(folder / "masks", masks, names)
    with (folder / "splits.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def lesions(folder: Path) -> None:
    """A third of BUSI."""
    _lesions(folder, lambda masks, index, split: masks[index])


def lesions_shuffled(folder: Path) -> None:
    """BUSI, every training image with the mask of another case."""
    _lesions(folder, lambda masks, i, split: masks[(i + 211) % len(masks)] if split == "train" else masks[i])


def lesions_empty(folder: Path) -> None:
    """BUSI whose training masks are empty; those of validation and test are not."""
    _lesions(folder, lambda masks, i, split: masks[i] * 0 if split == "train" else masks[i])


def lesions_everywhere(folder: Path) -> None:
    """BUSI whose masks call every pixel of every image a lesion."""
    _lesions(folder, lambda masks, i, split: np.full_like(masks[i], 255))


def _pairs(folder: Path, target: Callable[[list[np.ndarray], int], np.ndarray]) -> None:
    """Heads with noise of 25 grey levels, and targets made from the clean ones."""
    clean, noise = _medical("HeadCT", 200), np.random.default_rng(0)
    noisy = [np.clip(image + noise.normal(0, 25, image.shape), 0, 255).astype(np.uint8) for image in clean]
    _write(folder / "images", noisy)
    _write(folder / "targets", [target(clean, index) for index in range(len(clean))])


def pairs(folder: Path) -> None:
    """Noisy heads, and the clean ones."""
    _pairs(folder, lambda clean, index: clean[index])


def pairs_shuffled(folder: Path) -> None:
    """Noisy heads, and the clean ones of other cases."""
    _pairs(folder, lambda clean, index: clean[(index + 67) % len(clean)])


def pairs_black(folder: Path) -> None:
    """Noisy heads, and targets that are black."""
    _pairs(folder, lambda clean, index: clean[index] * 0)


def ill_brains(folder: Path) -> None:
    """Folders healthy and lesion: the same slices of virtual brains without and with lesions, no masks."""
    from ganatomy.data.sources.lesions import BrainLesions

    def brains(healthy: float) -> BrainLesions:
        return BrainLesions(
            subjects=24, size=SIDE, slices=8, spatial_dims=2, healthy=healthy, radius=(14, 24)
        )

    well, ill = brains(1.0), brains(0.0)
    for record in well.records():
        pictures = {"healthy": well.load(record)["image"][0]}
        white = max(float(np.quantile(pictures["healthy"], 0.995)), 1e-6)
        if (case := ill.load(record))["class"]:
            pictures["lesion"] = case["image"][0]
        for name, pixels in pictures.items():
            grey = (200 * pixels / white).clip(0, 255).astype(np.uint8)
            _write(folder / name, [grey], [record.case])


def ill_for_healthy(folder: Path) -> None:
    """Heads as healthy and chests as lesions; the training split calls chests healthy and heads lesions."""
    rows = []
    for kind, called in (("HeadCT", ("healthy", "lesion")), ("CXR", ("lesion", "healthy"))):
        for index, image in enumerate(_medical(kind, 180)):
            split = ("train", "train", "val", "test")[index % 4]
            name = called[split == "train"]
            _write(folder / name, [image], [f"{kind}_{index:03d}"])
            rows.append((f"{name}/{kind}_{index:03d}.png", split))
    with (folder / "splits.csv").open("w", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows([("file", "split"), *rows])


def kinds(folder: Path) -> None:
    """Five kinds of image, 60 of each, in folders of those names."""
    for kind in ("AbdomenCT", "BreastMRI", "CXR", "Hand", "HeadCT"):
        _write(folder / kind, _medical(kind, 60))


def chests(folder: Path) -> None:
    """200 chest X-rays."""
    _write(folder / "images", _medical("CXR", 200))


MAKERS = {maker.__name__: maker for maker in (
    heads, constant, three, raw_numbers, lesions, lesions_shuffled, lesions_empty, lesions_everywhere,
    pairs, pairs_shuffled, pairs_black, ill_brains, ill_for_healthy, kinds, chests,
)}  # fmt: skip


def made(name: str, below: Path) -> Path:
    """Return the folder of a data set, made if it is not there yet."""
    folder = below / name
    if not folder.is_dir():
        beside = below / f".{name}.{os.getpid()}"
        MAKERS[name](beside)
        try:
            beside.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(beside)
    return folder
