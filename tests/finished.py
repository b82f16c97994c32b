"""Tiny finished runs on files that are made here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from tests.conftest import TINY, composed

OBLIQUE = np.array([[0.9, -0.3, 0.0, 12.5], [0.3, 1.1, 0.2, -7.0], [0.0, -0.2, 2.0, 31.0], [0, 0, 0, 1]])
SKIPPED = ("data.", "model.")
"""Keys of TINY that are of other data or networks."""


def blobs(seed: int, *shape: int) -> np.ndarray:
    """Return a smooth random image, float, from 0 to 1."""
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth))


def png16(folder: Path, count: int = 8) -> None:
    """Write 16-bit pictures of two sizes, and masks with the values 0 and 255."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for n in range(count):
        image = blobs(n, 40, 32 + 8 * (n % 2))
        Image.fromarray((image * 40_000).astype(np.uint16)).save(folder / f"images/p{n}.png")
        Image.fromarray(((image > 0.6) * 255).astype(np.uint8)).save(folder / f"masks/p{n}.png")


def nifti_pairs(folder: Path, count: int = 8) -> None:
    """Write oblique int16 volumes with a slope of their own, noisy and clean."""
    for name in ("noisy", "clean"):
        (folder / name).mkdir(parents=True)
    for n in range(count):
        clean = blobs(n, 20, 16, 12) * 1500
        noisy = clean + np.random.default_rng(n).normal(0, 60, clean.shape)
        for name, values in (("noisy", noisy), ("clean", clean)):
            image = nib.Nifti1Image(np.rint(values / 0.5 + 100).astype(np.int16), OBLIQUE)
            image.header.set_slope_inter(0.5, -50)
            nib.save(image, folder / name / f"v{n}.nii.gz")


def colour_objects(folder: Path, count: int = 8) -> None:
    """Write RGB pictures, and masks of what is bright in red."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for n in range(count):
        image = np.stack([blobs(10 * n + channel, 40, 40) for channel in range(3)], -1)
        Image.fromarray((image * 255).astype(np.uint8)).save(folder / f"images/p{n}.png")
        Image.fromarray((image[..., 0] > 0.6).astype(np.uint8)).save(folder / f"masks/p{n}.png")


def healthy_and_ill(folder: Path, count: int = 12) -> None:
    """Write pictures in folders of healthy and ill, and masks of what is ill."""
    for name in ("images/healthy", "images/ill", "masks"):
        (folder / name).mkdir(parents=True)
    for n in range(count):
        image, mask = blobs(n, 32, 32).copy(), np.zeros((32, 32), np.uint8)
        if n % 3 == 0:
            image[8:16, 10:20], mask[8:16, 10:20] = 1, 1
        kind = "healthy" if n % 3 else "ill"
        Image.fromarray((image * 255).astype(np.uint8)).save(folder / f"images/{kind}/p{n}.png")
        Image.fromarray(mask).save(folder / f"masks/p{n}.png")


def other_types(folder: Path, count: int = 8) -> None:
    """Write volumes of uint16 whose targets are int16, with values below zero."""
    for name in ("image", "target"):
        (folder / name).mkdir(parents=True)
    for n in range(count):
        values = blobs(n, 20, 16, 4)
        image, target = (values * 900).astype(np.uint16), (values**2 * 2000 - 1000).astype(np.int16)
        nib.save(nib.Nifti1Image(image, OBLIQUE), folder / f"image/v{n}.nii.gz")
        nib.save(nib.Nifti1Image(target, OBLIQUE), folder / f"target/v{n}.nii.gz")


SETS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "segmentation": (
        png16,
        (
            "task=segmentation",
            "data=folder",
            "data.label='masks/{name}'",
            "data.classes=[background,bright]",
            "data.label_values=[0,255]",
            "data.size=32",
            "data.batch_size=2",
            *(word for word in TINY if word.startswith("model.")),
        ),
    ),
    "enhancement": (
        nifti_pairs,
        (
            "task=enhancement",
            "data=folder",
            "data.image=noisy/*",
            "data.target='clean/{name}'",
            "data.spatial_dims=2",
            "data.size=null",
            "data.batch_size=2",
            "degradation=none",
            "model.generator.channels=[4,8]",
            "model.discriminator.channels=[4,8]",
        ),
    ),
    "other types": (
        other_types,
        (
            *("task=enhancement", "data=folder", "data.image=image/*", "data.target='target/{name}'"),
            *("data.spatial_dims=2", "data.size=null", "data.batch_size=2", "degradation=none"),
            *("model.generator.channels=[4,8]", "model.discriminator.channels=[4,8]"),
        ),
    ),
    "cut": (
        other_types,
        (
            *("task=translation", "data=folder", "data.image=image/*", "data.target='target/{name}'"),
            *("data.spatial_dims=2", "data.size=null", "data.batch_size=2", "degradation=none", "model=cut"),
            *("model.generator.translator.channels=[4,8]", "model.generator.translator.blocks=1"),
            *(
                "model.generator.head.layers=[0,2,3]",
                "model.generator.head.width=8",
                "task.method.patches=32",
            ),
            *("model.discriminator.target.channels=4", "model.discriminator.target.num_layers_d=1"),
        ),
    ),
    "detection": (
        colour_objects,
        (
            *("task=detection", "data=folder", "data.label='masks/{name}'", "data.split=[2,1,1]"),
            *("data.classes=[background,bright]", "data.box_classes=[bright]", "data.boxes_from_label=true"),
            *("data.channels=3", "data.size=32", "data.batch_size=2", "model.discriminator=null"),
            *("model.generator.stem=4", "model.generator.head=4", "model.generator.body.channels=[4,8]"),
            *("model.generator.body.strides=[2]", "model.generator.body.out_channels=4"),
        ),
    ),
    "anomaly": (
        healthy_and_ill,
        (
            *("task=anomaly", "data=folder", "data.image='images/*/*'", "data.label='masks/{name}'"),
            *("data.kind='{parent}'", "data.image_classes=[healthy,ill]", "data.split=[2,1,1]"),
            *("data.classes=[background,lesion]", "data.size=32", "data.batch_size=2", "model=fanogan"),
            *("model.generator.channels=4", "model.generator.latent=6", "model.discriminator.channels=4"),
            *("task.denoising_steps=2", "task.components=2", "task.search_images=0"),
        ),
    ),
}


def trained(name: str, folder: Path) -> Path:
    """Train the run of a set in `folder/run`; its files are in `folder/files`, its training data gone.

    Args:
        name: One of SETS.
        folder: Empty folder.
    """
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    write, words = SETS[name]
    write(folder / "data")
    shutil.copytree(folder / "data", folder / "files")
    given = [*words, f"data.root={folder / 'data'}", "data.cache=none"]
    rest = [word for word in TINY if not word.startswith(SKIPPED)]
    train(validate(composed(*given, *rest, tiny=False)), folder / "run")
    shutil.rmtree(folder / "data")
    return folder / "run"
