"""Made-up and real data sets, and the mistakes that familiarity.py and the tests make with their images."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

Affine = np.ndarray


@dataclass(frozen=True)
class Scan:
    """An image as a source reads it: [C, *spatial], its affine, and its spacing in mm (1 for pictures)."""

    image: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: np.eye(4))
    spacing: np.ndarray = field(default_factory=lambda: np.ones(2))


def volume(image: np.ndarray, spacing: np.ndarray) -> Scan:
    return Scan(image[None], np.diag([*spacing, 1.0]), np.asarray(spacing, float))


def body(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A bright body with a few brighter parts on a dark ground, 0 to 1."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"), -1)
    image = np.zeros(shape)
    centre, radius = rng.uniform(-0.15, 0.15, len(shape)), rng.uniform(0.55, 0.85)
    image[((grid - centre) ** 2).sum(-1) < radius**2] = rng.uniform(0.35, 0.55)
    for _ in range(rng.integers(1, 5)):
        centre, radius = rng.uniform(-0.4, 0.4, len(shape)), rng.uniform(0.1, 0.25)
        image[((grid - centre) ** 2).sum(-1) < radius**2] = rng.uniform(0.6, 1)
    smooth: np.ndarray = gaussian_filter(image, 0.7)
    return smooth


def tomogram(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A CT in HU: air, fat, soft tissue, bone, noise of 15 HU."""
    rows, columns, *_ = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    image = np.full(shape, -1024.0)
    image[rows**2 + columns**2 < 0.7] = rng.uniform(-110, -80)
    image[rows**2 + columns**2 < 0.6] = rng.uniform(30, 60)
    image[rows**2 + (columns - 0.4) ** 2 < 0.03] = rng.uniform(600, 1500)
    image[(rows - 0.3) ** 2 + (columns + 0.1) ** 2 < 0.05] = -800
    noisy = gaussian_filter(image, 0.6) + rng.normal(0, 15, shape)
    return np.clip(noisy, -1024, 3071).astype(np.int16)


def png_32(rng: np.random.Generator) -> Scan:
    image = body(rng, (32, 32)) * 200 + rng.normal(20, 8, (32, 32))
    return Scan(np.clip(image, 0, 255).astype(np.uint8)[None])


def png_sizes(rng: np.random.Generator) -> Scan:
    shape = tuple(rng.integers(40, 90, 2))
    image = body(rng, shape) * rng.uniform(150, 230) + np.abs(rng.normal(0, 6, shape))
    return Scan(np.clip(image, 0, 255).astype(np.uint8)[None])


def png_16_bit(rng: np.random.Generator) -> Scan:
    image = gaussian_filter(rng.normal(size=(40, 56)), 3)
    image = ((image - image.min()) / np.ptp(image)) ** 1.5 * rng.uniform(30_000, 60_000)
    return Scan(image.astype(np.uint16)[None])


def rgb(rng: np.random.Generator) -> Scan:
    ground = 1 - 0.6 * body(rng, (48, 48))
    ends = rng.uniform((225, 160, 190), (245, 190, 215))
    image = ground * ends[:, None, None] - np.array([5, 20, 0])[:, None, None]
    return Scan(np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8))


def floats(rng: np.random.Generator) -> Scan:
    image = body(rng, (24, 24, 16)) * 0.8 + rng.normal(0.1, 0.03, (24, 24, 16))
    return volume(np.clip(image, 0, 1).astype(np.float32), rng.uniform(0.95, 1.05, 3))


def mr(rng: np.random.Generator) -> Scan:
    shape = tuple(rng.integers(28, 40, 3))
    image = np.abs(body(rng, shape) * rng.uniform(1200, 1700) + rng.normal(0, 40, shape))
    plane = rng.uniform(0.9, 1.1)
    return volume(image.astype(np.int16), np.array([plane, plane, rng.uniform(2.5, 3.5)]))


def mr_any_unit(rng: np.random.Generator) -> Scan:
    image = np.abs(body(rng, (32, 32, 16)) + rng.normal(0, 0.03, (32, 32, 16)))
    return volume((image * 10 ** rng.uniform(2, 6)).astype(np.float32), np.array([1.0, 1, 1]))


def ct(rng: np.random.Generator) -> Scan:
    return volume(tomogram(rng, (40, 40, 20)), np.array([0.8, 0.8, 2.5]))


MADE: dict[str, Callable[[np.random.Generator], Scan]] = {
    "made up: PNG 32x32, 8 bits": png_32,
    "made up: PNG of 40 to 90 pixels, 8 bits": png_sizes,
    "made up: PNG 40x56, 16 bits": png_16_bit,
    "made up: RGB 48x48": rgb,
    "made up: volumes of floats, 0 to 1": floats,
    "made up: MR volumes, 12 bits": mr,
    "made up: MR volumes, 100 to 1 million": mr_any_unit,
    "made up: CT volumes": ct,
}


def made(name: str, count: int, seed: int = 0) -> list[Scan]:
    """Return so many images of a made-up set, each from its own seed."""
    return [MADE[name](np.random.default_rng([seed, number])) for number in range(count)]


Row = tuple[str, str, Scan]
"""Split, subject and image."""


def picture(path: Path, mode: str = "L") -> Scan:
    pixels = np.asarray(Image.open(path).convert(mode))
    return Scan(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def nifti(path: Path) -> Scan:
    file = nibabel.load(path)
    spacing = np.array(file.header.get_zooms()[:3], float)
    return Scan(np.asanyarray(file.dataobj)[None], file.affine, spacing)


def _listed(folder: Path, read: Callable[[str], Scan]) -> Iterator[Row]:
    with (folder / "splits.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield row["split"], row["group"], read(row["file"])


def mednist(data: Path, kinds: str) -> Iterator[Row]:
    for path in sorted((data / "mednist_64_subset").glob(f"{kinds}/*.jpeg"))[::4]:
        split = ("train", "train", "val", "test")[int(path.stem.lstrip("0") or 0) // 4 % 4]
        yield split, str(path), picture(path)


REAL: dict[str, Callable[[Path], Iterator[Row]]] = {
    "hippocampus": lambda data: _listed(d := data / "hippocampus_msd", lambda f: nifti(d / "images" / f)),
    "busi": lambda data: _listed(d := data / "busi_256", lambda f: picture(d / "images" / f)),
    "cbc": lambda data: _listed(d := data / "cbc_blood", lambda f: picture(d / f, "RGB")),
    "nih_cxr": lambda data: _listed(d := data / "nih_cxr_256", lambda f: picture(d / f)),
    "oct": lambda data: _listed(d := data / "oct_sdoct", lambda f: picture(d / f / "noisy.png")),
    "mednist (1250)": lambda data: mednist(data, "*"),
    "mednist, breast MR": lambda data: mednist(data, "BreastMRI"),
}


def _typed(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    if like.dtype.kind == "f":
        return image.astype(like.dtype)
    ends = np.iinfo(like.dtype)
    return np.clip(np.rint(image), ends.min, ends.max).astype(like.dtype)


def mistakes(scan: Scan, rng: np.random.Generator, names: Collection[str] = ()) -> dict[str, Scan]:
    """Return the image after each mistake that can be made with it, or after those that are named.

    An image of 8 bits has no 8-bit mistakes, and one without colours has no BGR.
    """
    image, values = scan.image, scan.image.astype(np.float64)
    low, high = values.min(), values.max()
    spread, dims = (high - low) or 1.0, image.ndim - 1
    top = 255.0 if image.dtype == np.uint8 else high + low
    thirds = tuple(slice(n // 3, max(n // 3 + 1, 2 * n // 3)) for n in image.shape[1:])

    def same(changed: np.ndarray) -> Scan:
        return Scan(changed, scan.affine, scan.spacing)

    def spaced(changed: np.ndarray, factor: float) -> Scan:
        if dims == 2:
            return same(changed)
        return Scan(changed, scan.affine @ np.diag([factor] * 3 + [1]), scan.spacing * factor)

    def blurred(width: float) -> np.ndarray:
        smooth: np.ndarray = gaussian_filter(values, [0] + [width] * dims)
        return smooth

    def zoomed(array: np.ndarray, factor: float) -> np.ndarray:
        return _typed(np.stack([zoom(channel, factor, order=1) for channel in array]), image)

    def levels() -> np.ndarray:
        return (np.rint((values - low) / spread * 255) / 255 * spread + low).astype(np.float32)

    made_by: dict[str, Callable[[], Scan]] = {
        "a CT": lambda: same(np.repeat(tomogram(rng, image.shape[1:])[None], len(image), 0)),
        "inverted": lambda: same(_typed(top - values, image)),
        "spacing x 2": lambda: same(zoomed(blurred(0.6), 0.5)) if dims == 2 else spaced(image, 2),
        "standardised": lambda: same(((values - values.mean()) / (values.std() or 1)).astype(np.float32)),
        "other unit": lambda: same(
            ((values - low) / spread if high > 2 else 1000 * values).astype(np.float32)
        ),
        "noise": lambda: same(_typed(values + rng.normal(0, values.std(), values.shape), image)),
        "blurred": lambda: same(_typed(blurred(2), image)),
        "size x 3": lambda: spaced(zoomed(values, 3), 1 / 3),
        "a third cut out": lambda: same(image[(slice(None), *thirds)]),
        "blank": lambda: same(np.full_like(image, image.flat[0])),
    }
    if image.dtype != np.uint8:
        made_by["clipped at 8 bits"] = lambda: same(np.clip(values, 0, 255).astype(np.uint8))
        made_by["256 levels"] = lambda: same(levels())
    if len(image) == 3:
        made_by["BGR"] = lambda: same(image[::-1])
    return {name: make() for name, make in made_by.items() if not names or name in names}
