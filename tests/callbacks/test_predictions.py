"""Saved predictions: through the training function, by networks whose answer is known."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.tasks.enhancement.task import EnhancementTask

OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([0.9, 1.1, 1.7]), [-31.5, 20.25, 7.0]
)
PERSON = b"Doe^Jane"
SLOPE, INTER = 0.5, -1024.0
Write = Callable[[Path, np.ndarray], None]


def nifti(path: Path, array: np.ndarray, slope: float = 1.0, inter: float = 0.0) -> None:
    image = nibabel.Nifti1Image(array, OBLIQUE)
    image.header["descrip"], image.header["db_name"] = PERSON, PERSON
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_slope_inter(slope, inter)
    image.set_sform(OBLIQUE, 1)
    image.set_qform(OBLIQUE, 1)
    nibabel.save(image, path)


def png(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


def scaled(path: Path, array: np.ndarray) -> None:
    nifti(path, array, SLOPE, INTER)


VOLUME, PICTURE = (16, 18, 17), (20, 24)
KINDS: dict[str, tuple[Write, str, type, tuple[int, ...], str]] = {
    "int16 volume": (nifti, "nii.gz", np.int16, VOLUME, "nii.gz"),
    "uint16 volume": (nifti, "nii", np.uint16, VOLUME, "nii.gz"),
    "int16 volume with a slope": (scaled, "nii.gz", np.int16, VOLUME, "nii.gz"),
    "float32 volume": (nifti, "nii.gz", np.float32, VOLUME, "nii.gz"),
    "uint16 PNG": (png, "png", np.uint16, PICTURE, "png"),
    "uint8 PNG": (png, "png", np.uint8, PICTURE, "png"),
    "uint8 colour PNG": (png, "png", np.uint8, (*PICTURE, 3), "png"),
    "uint16 TIFF": (tifffile.imwrite, "tif", np.uint16, PICTURE, "png"),
    "int16 TIFF": (tifffile.imwrite, "tif", np.int16, PICTURE, "tiff"),
    "float32 TIFF": (tifffile.imwrite, "tif", np.float32, PICTURE, "tiff"),
}


def numbers(kind: type, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers from one end of their type's range to the other."""
    rng = np.random.default_rng(seed)
    if kind is np.float32:
        return rng.normal(0, 1e-3, shape).astype(np.float32)
    limits = np.iinfo(kind)
    array = rng.integers(limits.min, limits.max, shape, endpoint=True).astype(kind)
    array.flat[:2] = limits.min, limits.max
    return array


def stored(path: Path) -> np.ndarray:
    """The numbers in a file, without any scaling."""
    if path.name.endswith((".nii", ".nii.gz")):
        return np.asarray(nibabel.load(path).dataobj.get_unscaled())
    return tifffile.imread(path) if path.suffix in (".tif", ".tiff") else np.asarray(Image.open(path))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Five images, and one file of each beside it, named after a patient."""

    def fill(kind: str) -> Path:
        write, suffix, dtype, shape, _ = KINDS[kind]
        for role in ("images", "targets"):
            (tmp_path / "data" / role).mkdir(parents=True)
        for n in range(5):
            write(tmp_path / f"data/images/Doe_Jane_{n}.{suffix}", numbers(dtype, shape, n))
            other = numbers(dtype, shape, n + 10)
            write(tmp_path / f"data/targets/Doe_Jane_{n}.{suffix}", other)
        return tmp_path / "data"

    return fill


@pytest.fixture
def train(compose: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Train one step on a folder of files, with a planted generator alone if named; the value is the run."""
    from ganatomy.train import train

    monkeypatch.setenv("GANATOMY_TARGETS", "tests.callbacks.planted.")

    def of(data: Path, *words: str, network: str = "Identity", run: str = "run") -> Path:
        common = f"data=folder data.root={data} data.split=[2,1,2] data.batch_size=1 data.size=null"
        if network:
            common += f" model.generator._target_=tests.callbacks.planted.{network} model.discriminator=null"
        common += " trainer.max_steps=1 trainer.val_every=1 trainer.threads=1 trainer.accelerator=cpu"
        common += " callbacks.progress=none callbacks.report=false callbacks.samples=0 logger=none"
        cfg = compose(*common.split(), *words, tiny=False)
        train(validate(cfg), tmp_path / run)
        return tmp_path / run

    return of


PAIRS = ["task=enhancement", "data.target='targets/{name}'", "degradation=none"]


def cases_of(run: Path) -> dict[str, str]:
    with (run / "predictions.csv").open() as file:
        return {row["prediction"]: row["case"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind, size", [*((kind, "null") for kind in KINDS), ("int16 volume", "22")])
def test_the_identity_gives_back_every_file(
    train: Any, folder: Any, kind: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Type, grid and range; in memory too. The volume is padded to 22 voxels, and back."""
    _, suffix, dtype, shape, ending = KINDS[kind]
    in_memory: list[torch.Tensor] = []
    written = EnhancementTask.saved_prediction
    monkeypatch.setattr(
        EnhancementTask,
        "saved_prediction",
        lambda *given: in_memory.append(written(*given)) or in_memory[-1],
    )
    data = folder(kind)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in data.rglob("*")}
    words = [f"data.channels={3 if len(shape) == 3 and shape[:2] == PICTURE else 1}", f"data.size={size}"]
    run = train(data, *PAIRS, *words, "save_predictions=all")
    named = cases_of(run)
    assert {path.name for path in (run / "predictions").iterdir()} == {f"{name}.{ending}" for name in named}
    assert list(named) == ["case_0001", "case_0002"]
    near = 1e-8 if dtype is np.float32 else 1
    for (name, case), values in zip(named.items(), in_memory, strict=True):
        given = data / "images" / f"{case.removeprefix('images_')}.{suffix}"
        saved = run / "predictions" / f"{name}.{ending}"
        ours, theirs = stored(saved), stored(given)
        assert ours.dtype == theirs.dtype == dtype and ours.shape == theirs.shape
        assert np.abs(ours.astype(float) - theirs).max() <= near
        slope, inter = (SLOPE, INTER) if "slope" in kind else (1, 0)
        for end in (np.min, np.max):
            assert abs(end(values.numpy()) - (end(theirs.astype(float)) * slope + inter)) <= near
        if ending == "nii.gz":
            kept, source = nibabel.load(saved), nibabel.load(given)
            np.testing.assert_array_equal(kept.affine, source.affine)
            np.testing.assert_array_equal(kept.get_qform(), source.get_qform())
            for key in ("sform_code", "qform_code", "xyzt_units", "pixdim"):
                np.testing.assert_array_equal(kept.header[key], source.header[key])
            np.testing.assert_allclose(kept.get_fdata(), source.get_fdata(), atol=near)
            assert PERSON not in gzip.decompress(saved.read_bytes()) and b"Doe" not in saved.read_bytes()
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in data.rglob("*")}


@pytest.mark.parametrize("dims", [2, 3])
def test_label_maps_lie_on_the_grid_of_their_file_in_the_masks_own_values(
    train: Any, folder: Any, dims: int
) -> None:
    data = folder("int16 volume")
    for path in (data / "targets").iterdir():
        array = (stored(path) > 0).astype(np.uint8) * 255
        nibabel.save(nibabel.Nifti1Image(array, OBLIQUE), path)
    words = ["data.label='targets/{name}'", "data.classes=[background,lesion]", "data.label_values=[0,255]"]
    run = train(
        data,
        "task=segmentation",
        *words,
        f"data.spatial_dims={dims}",
        "save_predictions=-1",
        network="Brighter",
    )
    named = cases_of(run)
    assert len(named) == 2
    for name, case in named.items():
        source = nibabel.load(data / "images" / f"{case.removeprefix('images_')}.nii.gz")
        mask = nibabel.load(run / "predictions" / f"{name}.nii.gz")
        values = stored(run / "predictions" / f"{name}.nii.gz")
        assert values.dtype == np.uint8 and set(np.unique(values)) == {0, 255}
        np.testing.assert_array_equal(mask.affine, source.affine)
        image = source.get_fdata()
        np.testing.assert_array_equal(values == 255, image > image.mean())


def test_only_as_many_as_asked_for(train: Any, folder: Any) -> None:
    data = folder("uint16 PNG")
    some = train(data, *PAIRS, "save_predictions=1", run="some")
    assert [path.name for path in (some / "predictions").iterdir()] == ["case_0001.png"]
    assert list(cases_of(some)) == ["case_0001"]
    none = train(data, *PAIRS, run="none")
    assert not (none / "predictions").exists() and not (none / "predictions.csv").exists()


def test_pictures_come_back_in_their_own_size(train: Any, folder: Any) -> None:
    run = train(folder("uint16 PNG"), *PAIRS, "data.size=32", "save_predictions=1")
    assert stored(run / "predictions/case_0001.png").shape == PICTURE


def test_synthetic_images_are_files_like_the_real_ones(train: Any, folder: Any) -> None:
    players = ["model=dcgan", "model.generator.channels=4", "model.discriminator.channels=4"]
    done = train(
        folder("uint8 PNG"),
        "task=synthesis",
        "task.imagenet=false",
        *players,
        "data.size=16",
        "save_predictions=2",
        network="",
    )
    for name in cases_of(done):
        assert stored(done / f"predictions/{name}.png").shape == PICTURE


def test_predictions_never_become_data(train: Any, folder: Any) -> None:
    data = folder("uint16 PNG")
    with pytest.raises(UserError, match=r"run_dir: .* lies in data\.root="):
        train(data, *PAIRS, "save_predictions=1", run="data/run")
    assert not [path for path in data.rglob("*") if path.is_file() and path.parent.name == "run"]


@pytest.mark.parametrize("words", ["save_predictions=-2", "save_predictions=some"])
def test_a_count_that_is_none(compose: Any, words: str) -> None:
    with pytest.raises(UserError, match=r"^save_predictions: must be"):
        validate(compose(words))
