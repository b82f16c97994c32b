"""What a run scored is what it wrote: every file read again by another reader, and scored again."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
import torch
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.config.schema import Config
from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.brain import Brain
from ganatomy.errors import UserError
from ganatomy.metrics.anomaly import AnomalyTable
from ganatomy.metrics.detection import DetectionTable
from ganatomy.metrics.detection.table import Image as Boxes
from ganatomy.metrics.enhancement import score_case
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.metrics.synthesis.pool import ImagePool
from ganatomy.metrics.synthesis.scores import SetScores
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.detection.centernet_decoding import Found
from ganatomy.tasks.detection.task import DetectionTask
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.cohort import evaluation_batches

TURNED = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, 6], [0, 0, 1.0, 7], [0, 0, 0, 1]])
"""Axes that lead elsewhere than the network's, of three spacings."""
UNET = ["model=residual_unet", "model.generator.channels=[4,8]", "model.discriminator=null"]
DETECTOR = ["stem=4", "head=4", "body.channels=[4,8]", "body.strides=[2]", "body.out_channels=4"]
DETECTOR = [f"model.generator.{word}" for word in DETECTOR]
ANOMALIES = ["model.generator.channels=[4,8]", "task.denoising_steps=1", "task.search_images=0"]
ANOMALIES += ["task.components=3"]
SCALED = (0.5, -1024.0)
Write = Callable[[Path, np.ndarray], None]


def nifti(path: Path, array: np.ndarray, slope: tuple[float, float] = (1.0, 0.0)) -> None:
    image = nibabel.Nifti1Image(array, TURNED)
    image.header.set_slope_inter(*slope)
    nibabel.save(image, path)


def read(path: Path) -> np.ndarray:
    """[*spatial], or [3, H, W], in the file's units; by nibabel, tifffile or Pillow."""
    if path.name.endswith((".nii", ".nii.gz")):
        return nibabel.load(path).get_fdata()
    array = tifffile.imread(path) if path.suffix in (".tif", ".tiff") else np.asarray(Image.open(path))
    return np.moveaxis(array, -1, 0).astype(float) if array.ndim == 3 else array.astype(float)


def png(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


def anatomy(kind: type, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A bright ellipsoid in noise, over a good part of the range of its type."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape[:3]), indexing="ij")
    inside = sum((axis - 0.1 * seed % 1) ** 2 for axis in axes) < 0.5
    values = 0.2 + 0.5 * inside + 0.1 * rng.random(shape[: len(axes)])
    if kind is np.float32:
        return (values - 0.4).astype(np.float32)
    low, high = (-1000, 3000) if kind is np.int16 else (0, np.iinfo(kind).max)
    return (low + values * (high - low)).astype(kind)


@pytest.fixture
def train(compose: Any, tmp_path: Path) -> Callable[..., tuple[Path, dict[str, float]]]:
    """Train two steps and write every answer: (directory, metrics.json)."""
    from ganatomy.train import train

    def of(*words: str, run: str = "run") -> tuple[Path, dict[str, float]]:
        common = "data=folder data.split=[2,1,3] data.batch_size=2 data.augment=[] save_predictions=all"
        common += " trainer.max_steps=2 trainer.val_every=2 trainer.threads=1 trainer.accelerator=cpu"
        common += " callbacks.progress=none callbacks.report=false callbacks.samples=0 logger=none"
        cfg = compose(*common.split(), f"data.root={tmp_path / 'data'}", *words, tiny=False)
        train(validate(cfg), tmp_path / run)
        metrics = json.loads((tmp_path / run / "metrics.json").read_text())
        return tmp_path / run, {k: math.nan if v is None else v for k, v in metrics.items()}

    return of


@pytest.fixture
def fill(tmp_path: Path) -> Callable[[str, str, Callable[[Path, int], None]], None]:
    """Six files of a role, written by a function of path and number."""

    def of(role: str, suffix: str, write: Callable[[Path, int], None]) -> None:
        (tmp_path / "data" / role).mkdir(parents=True)
        for number in range(6):
            write(tmp_path / f"data/{role}/{number}.{suffix}", number)

    return of


def written(run: Path) -> list[tuple[str, Path]]:
    """(case, its file) of every prediction."""
    with (run / "predictions.csv").open() as file:
        names = {row["prediction"]: row["case"] for row in csv.DictReader(file)}
    found = [(names[path.name.split(".")[0]], path) for path in sorted((run / "predictions").iterdir())]
    assert len(found) == len(names) == 3
    return found


def beside(run: Path, case: str, role: str) -> Path:
    """The case's file of a role."""
    (found,) = (run.parent / "data" / role).glob(f"{case.rpartition('_')[2]}.*")
    return found


PICTURE, VOLUME = (48, 64), (14, 13, 12)
SMALLER = ["data.size=32"]
PAIRS: dict[str, tuple[Write, type, Write, type, str, tuple[int, ...], list[str]]] = {
    "uint8 PNG": (png, np.uint8, png, np.uint8, "png", PICTURE, ["data.size=null"]),
    "uint8 PNG, resampled": (png, np.uint8, png, np.uint8, "png", PICTURE, SMALLER),
    "uint16 PNG": (png, np.uint16, png, np.uint16, "png", PICTURE, ["data.size=null", "data.intensity=none"]),
    "uint16 TIFF in windows": (
        *(tifffile.imwrite, np.uint16, tifffile.imwrite, np.uint16, "tif"),
        PICTURE,
        ["data.size=null", "data.patch=16"],
    ),
    "float32 NIfTI": (
        *(nifti, np.float32, nifti, np.float32, "nii.gz"),
        VOLUME,
        ["data.size=null", "data.spatial_dims=3"],
    ),
    "int16 NIfTI with a slope, slices": (
        lambda path, array: nifti(path, array, SCALED),
        *(np.int16, lambda path, array: nifti(path, array, SCALED), np.int16, "nii.gz"),
        VOLUME,
        ["data.size=16"],
    ),
    "MR to CT": (
        *(nifti, np.uint16, nifti, np.int16, "nii.gz"),
        VOLUME,
        ["data.size=null", "data.spatial_dims=3", "data.patch=8"],
    ),
    "volumes, respaced": (
        *(nifti, np.uint16, nifti, np.int16, "nii.gz"),
        VOLUME,
        ["data.size=null", "data.spatial_dims=3", "data.spacing=[1.2,2.2,1.1]"],
    ),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_enhanced_files_have_the_scores_of_the_run(train: Any, fill: Any, kind: str) -> None:
    """Slices of a volume are scored as images across its last axis, which here is the network's too."""
    write, dtype, other, target, suffix, shape, words = PAIRS[kind]
    fill("images", suffix, lambda path, n: write(path, anatomy(dtype, shape, n)))
    fill("targets", suffix, lambda path, n: other(path, anatomy(target, shape, n + 10)))
    pairs = ["task=enhancement", "data.target='targets/{name}'", "degradation=none"]
    run, metrics = train(*pairs, *UNET, *words)
    rows = []
    for case, path in written(run):
        ours, truth = (read(each)[None] for each in (path, beside(run, case, "targets")))
        if suffix == "nii.gz" and "spatial_dims=3" not in "".join(words):
            ours, truth = (np.moveaxis(each, -1, 0) for each in (ours, truth))
        else:
            ours, truth = ours[None], truth[None]
        rows.append(score_case(torch.from_numpy(ours.copy()), torch.from_numpy(truth.copy())))
    for name in rows[0]:
        expected = np.nanmean([row[name] for row in rows])
        assert metrics[f"test/{name}"] == pytest.approx(expected, rel=1e-6, abs=1e-9), name
    if kind in ("uint8 PNG", "uint16 PNG"):  # where nothing is resampled the input is scored as its file
        cases = [
            score_case(
                *(torch.from_numpy(read(beside(run, c, r))[None, None]) for r in ("images", "targets"))
            )
            for c, _ in written(run)
        ]
        assert metrics["baseline/input/psnr"] == pytest.approx(np.mean([c["psnr"] for c in cases]), rel=1e-6)


def test_of_a_degraded_image_the_clean_file_is_the_truth(train: Any, fill: Any) -> None:
    fill("images", "png", lambda path, n: png(path, anatomy(np.uint8, PICTURE, n)))
    run, metrics = train("task=enhancement", "degradation=rician", *UNET, "data.size=32")
    scores = []
    for case, path in written(run):
        pair = (torch.from_numpy(read(each)[None, None]) for each in (path, beside(run, case, "images")))
        scores.append(score_case(*pair)["psnr"])
    assert metrics["test/psnr"] == pytest.approx(np.mean(scores), rel=1e-6)


def masks(shape: tuple[int, ...], number: int, values: tuple[int, ...] = (0, 128, 255)) -> np.ndarray:
    """A small square in a larger one."""
    label = np.full(shape, values[0], np.uint8)
    label[tuple(slice(side // 6, side // 2 + number % 3) for side in shape)] = values[1]
    label[tuple(slice(side // 4, side // 3 + 1) for side in shape)] = values[2]
    return label


SEGMENTS = ["task=segmentation", "data.label='labels/{name}'", "data.classes=[background,organ,lesion]"]
SEGMENTS += ["data.label_values=[0,128,255]", "model.generator.channels=[4,8]", "model.generator.strides=[2]"]
SEGMENTS += ["model.discriminator=null", "trainer.max_steps=12", "trainer.val_every=6"]


@pytest.mark.parametrize(
    "suffix, shape, words",
    [
        ("png", PICTURE, ["data.size=32"]),
        ("png", PICTURE, ["data.size=null"]),
        ("nii.gz", VOLUME, ["data.size=16"]),
        ("nii.gz", VOLUME, ["data.size=null", "data.spatial_dims=3", "data.patch=8"]),
        ("nii.gz", VOLUME, ["data.size=16", "data.spatial_dims=3", "data.spacing=[1.2,2.2,1.1]"]),
        ("nii.gz", PICTURE, ["data.size=32"]),
    ],
)
def test_label_files_have_the_scores_of_the_run(
    train: Any, fill: Any, suffix: str, shape: tuple[int, ...], words: list[str]
) -> None:
    save = png if suffix == "png" else nifti
    fill("labels", suffix, lambda path, n: save(path, masks(shape, n)))
    fill(
        "images", suffix, lambda path, n: save(path, masks(shape, n) // 2 + anatomy(np.uint8, shape, n) // 4)
    )
    run, metrics = train(*SEGMENTS, *words)
    table = VolumeScores(["background", "organ", "lesion"])
    for case, path in written(run):
        ours, truth = (
            torch.from_numpy(np.searchsorted([0, 128, 255], read(each)))
            for each in (path, beside(run, case, "labels"))
        )
        spacing = nibabel.load(path).header.get_zooms() if suffix == "nii.gz" else (1.0, 1.0)
        assert ours.shape == truth.shape == shape
        table.update(case, ours, truth, [float(step) for step in spacing])
    for name, value in table.compute().items():
        assert metrics[f"test/{name}"] == pytest.approx(float(value), rel=1e-6, nan_ok=True), name
    assert 0 < metrics["test/dice"] < 1


def test_a_plane_of_another_format_stays_one(train: Any, fill: Any) -> None:
    """Two axes in, two out, at the place where the file has them."""

    def write(path: Path, n: int) -> None:
        image = SimpleITK.GetImageFromArray(anatomy(np.int16, PICTURE, n).T)
        image.SetSpacing((1.5, 2.0))
        image.SetOrigin((3.0, 4.0))
        SimpleITK.WriteImage(image, str(path))

    fill("images", "mha", write)
    run, _ = train("task=enhancement", "degradation=gaussian", *UNET, "data.size=24")
    for case, path in written(run):
        ours, theirs = (SimpleITK.ReadImage(str(p)) for p in (path, beside(run, case, "images")))
        assert ours.GetSize() == theirs.GetSize() == PICTURE
        for place in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(ours, place)() == pytest.approx(getattr(theirs, place)(), abs=1e-6)
        found, true = (SimpleITK.GetArrayFromImage(each) for each in (ours, theirs))
        assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("dims", [2, 3])
def test_on_a_grid_that_is_only_turned_both_ways_of_scoring_agree(train: Any, fill: Any, dims: int) -> None:
    fill("labels", "nii.gz", lambda path, n: nifti(path, masks(VOLUME, n)))
    fill("images", "nii.gz", lambda path, n: nifti(path, masks(VOLUME, n) // 2))
    words = [*SEGMENTS, "data.size=null", f"data.spatial_dims={dims}", "data.patch=8"]
    of_files, of_networks = (
        train(*words, f"task.scored={scored}", run=scored)[1] for scored in ("file", "network")
    )
    assert of_files.keys() == of_networks.keys()
    for name, value in of_files.items():
        exact = name.split("/")[-2:][0] in ("dice", "iou", "volumes") or name.endswith(("dice", "iou"))
        assert of_networks[name] == pytest.approx(value, rel=0 if exact else 1e-6, nan_ok=True), name


@pytest.mark.parametrize("size", ["32", "[48,64]"])
def test_boxes_in_the_files_have_the_scores_of_the_run(
    train: Any, fill: Any, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that finds the truth, a little beside it, with scores that differ in the ninth digit."""
    honest = DetectionTask.predict

    def knows(self: DetectionTask, batch: dict[str, Any]) -> dict[str, Any]:
        found = []
        for boxes, kinds in zip(batch["boxes"], batch["classes"], strict=True):
            draw = torch.Generator().manual_seed(len(boxes))
            several = boxes.repeat(4, 1) + torch.rand(4 * len(boxes), 4, generator=draw) * 3
            scores = 1e-6 * torch.rand(len(several), generator=draw)
            found.append(Found(several, scores, kinds.repeat(4)))
        return honest(self, batch) | {"found": found}

    monkeypatch.setattr(DetectionTask, "predict", knows)
    fill("labels", "png", lambda path, n: png(path, masks(PICTURE, n)))
    fill("images", "png", lambda path, n: png(path, masks(PICTURE, n)))
    words = ["task=detection", *SEGMENTS[1:4], "data.boxes_from_label=true", "model.discriminator=null"]
    run, metrics = train(*words, *DETECTOR, f"data.size={size}")
    found, truth = (json.loads((run / f"predictions/{n}.json").read_text()) for n in ("boxes", "truth"))
    table = DetectionTable([category["name"] for category in truth["categories"]], 2)

    def of(image: int, notes: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own = [note for note in notes if note["image_id"] == image]
        x, y, w, h = np.array([note["bbox"] for note in own]).reshape(-1, 4).T
        scores = np.array([note.get("score", 1.0) for note in own])
        return np.stack([y, x, y + h, x + w], 1), scores, np.array([n["category_id"] - 1 for n in own])

    for image in truth["images"]:
        boxes, scores, kinds = of(image["id"], found)
        true, _, classes = of(image["id"], truth["annotations"])
        shape = np.array([image["height"], image["width"]])
        table.update(Boxes(image["file_name"], boxes, scores, kinds, true, classes, shape, boxes, true))
        mask = read(run.parent / f"data/labels/{image['file_name'].rpartition('_')[2]}.png")
        edges = np.flatnonzero((mask == 128).any(1))
        assert true[classes == 0][0][[0, 2]].tolist() == [edges[0], edges[-1] + 1]
    scored = {
        k: float(v) for k, v in table.compute().items() if k.startswith(("map", "froc", "sensitivity_"))
    }
    assert 0 < scored["map"] < 1
    for name, value in scored.items():
        assert metrics[f"test/{name}"] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize(
    "suffix, shape, words",
    [
        ("png", PICTURE, ["data.size=32"]),
        ("nii.gz", VOLUME, ["data.size=32"]),
        ("nii.gz", VOLUME, ["data.size=32", "data.spacing=[1.2,2.2,2.0]"]),
        ("nii.gz", VOLUME, ["data.size=[32,32,16]", "data.spatial_dims=3"]),
    ],
)
def test_maps_of_anomalies_have_the_scores_of_the_run(
    train: Any, fill: Any, tmp_path: Path, suffix: str, shape: tuple[int, ...], words: list[str]
) -> None:
    """Two of the three that are tested have a lesion, which is not told by its intensity alone."""
    save, ill = (png if suffix == "png" else nifti), (3, 4)

    def label(number: int) -> np.ndarray:
        return (masks(shape, number) == 255).astype(np.uint8) * (number in ill)

    fill("labels", suffix, lambda path, n: save(path, label(n)))
    fill("images", suffix, lambda path, n: save(path, anatomy(np.uint8, shape, n) // 2 + 60 * label(n)))
    given = [f"images/{n}.{suffix},{'train' if n < 2 else 'val' if n < 3 else 'test'}" for n in range(6)]
    (tmp_path / "data/splits.csv").write_text("\n".join(["file,split", *given]))
    own = ["task=anomaly", "data.label='labels/{name}'", "data.classes=[background,lesion]"]
    own += ["model=autoencoder", *ANOMALIES, "data.splits=splits.csv", *words]
    run, metrics = train(*own)
    table = AnomalyTable(True)
    for case, path in written(run):
        found, lesion = read(path), read(beside(run, case, "labels"))
        sliced = suffix == "nii.gz" and "data.spatial_dims=3" not in words
        drawn, mask = (
            torch.from_numpy(np.moveaxis(each, 2, 0).copy() if sliced else each[None])
            for each in (found, lesion)
        )
        called = [f"{case} {number}" for number in range(len(mask))]
        zeros = torch.zeros(len(mask))
        table.update(called, [case] * len(mask), zeros, mask.flatten(1).any(1), drawn.float(), mask)
    for name in ("pixel_ap", "aupro"):
        assert metrics[f"test/{name}"] == pytest.approx(float(table.compute()[name]), rel=1e-6)
    with (run / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    scores, told = (np.array([float(row[key]) for row in rows]) for key in ("score", "anomalous"))
    pairs = [(a > b) + (a == b) / 2 for a in scores[told > 0] for b in scores[told == 0]]
    assert metrics["test/auroc"] == pytest.approx(np.mean(pairs), abs=1e-6)
    assert 0 < metrics["test/pixel_ap"] < 1


def test_the_gain_of_a_scanner_ranks_no_pixel(train: Any, fill: Any, tmp_path: Path) -> None:
    """The same pictures, every second one ten times as bright: zscore sees no difference, nor do maps."""

    def lesion(number: int) -> np.ndarray:
        return masks(PICTURE, number, (0, 0, 1)) * np.uint8(number in (3, 4))

    found = []
    for gain, run in ((1, "plain"), (10, "loud")):
        root = tmp_path / "data"
        shutil.rmtree(root, ignore_errors=True)
        fill("labels", "tif", lambda path, n: tifffile.imwrite(path, lesion(n)))

        def picture(path: Path, n: int, gain: int = gain) -> None:
            values = (anatomy(np.float32, PICTURE, n) + 0.3 * lesion(n)) * (gain if n % 2 else 1)
            tifffile.imwrite(path, values.astype(np.float32))

        fill("images", "tif", picture)
        given = [f"images/{n}.tif,{'train' if n < 2 else 'val' if n < 3 else 'test'}" for n in range(6)]
        (root / "splits.csv").write_text("\n".join(["file,split", *given]))
        own = ["task=anomaly", "data.label='labels/{name}'", "data.classes=[background,lesion]"]
        own += [
            "model=autoencoder",
            *ANOMALIES,
            "data.splits=splits.csv",
            "data.size=32",
            "task.healthy=null",
        ]
        directory, metrics = train(*own, run=run)
        found.append((metrics["test/pixel_ap"], [read(path) for _, path in written(directory)]))
    (plain, maps), (loud, others) = found
    assert loud == pytest.approx(plain, rel=1e-4)
    for one, other in zip(maps, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3)


@pytest.mark.parametrize("kind", ["uint8 PNG", "uint16 PNG", "slices"])
def test_synthetic_files_have_the_scores_of_the_run(train: Any, fill: Any, kind: str) -> None:
    """Real images as the network sees them, synthetic ones as their files hold them."""
    dtype = np.uint16 if "16" in kind else np.uint8
    if kind == "slices":
        fill("images", "nii.gz", lambda path, n: nifti(path, anatomy(np.int16, (16, 16, 5), n)))
    else:
        fill("images", "png", lambda path, n: png(path, anatomy(dtype, (16, 16), n)))
    players = ["model=dcgan", "model.generator.channels=4", "model.discriminator.channels=4"]
    run, metrics = train("task=synthesis", "task.imagenet=false", *players, "data.size=16")
    pool = ImagePool(1000)
    for case, path in written(run):
        real, fake = read(beside(run, case, "images")), read(path)
        offset, scale = real.mean(), real.std()
        pair = [torch.from_numpy((each - offset) / scale).float() for each in (real, fake)]
        if kind == "slices":
            upright = [each.permute(2, 0, 1).flip(1)[:, None] for each in pair]  # as PLS has it
            pool.update([f"{case} {z}" for z in range(5)], *upright)
        else:
            pool.update([case], *(each[None, None] for each in pair))
    scores = SetScores(pool.compute()[0])(pool.compute()[1])
    for name in ("swd", "kid/random", "density", "coverage", "ms_ssim"):
        assert metrics[f"test/{name}"] == pytest.approx(scores[name], rel=1e-6, nan_ok=True), name


def test_a_word_that_is_none(compose: Any) -> None:
    from ganatomy.training import build

    cfg = Config.from_plain(compose("task=segmentation", "task.scored=files"))
    with pytest.raises(UserError, match=r"^task\.scored=files: choose file, network"):
        data = build.build_data(cfg)
        build.build_task(build.complete(cfg, data), data.mask_classes)


PLAYERS = {
    "enhancement": ["degradation=rician", *UNET],
    "segmentation": SEGMENTS[1:6],
    "detection": [*SEGMENTS[1:4], "data.boxes_from_label=true", "model.discriminator=null", *DETECTOR],
    "anomaly": [*SEGMENTS[1:4], "task.lesion=lesion", "task.healthy=null", "model=autoencoder", *ANOMALIES],
    "synthesis": [
        "model=dcgan",
        "model.generator.channels=4",
        "model.discriminator.channels=4",
        "data.size=16",
    ],
}


@pytest.mark.parametrize("task", PLAYERS)
def test_a_diverged_generator_is_refused_by_name(
    train: Any, fill: Any, tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: weights that are no numbers. An argmax makes background of them, a ranking the last place."""
    honest = AdversarialTask.validation_step

    def broken(self: AdversarialTask, batch: Any, index: int) -> Any:
        for weight in self.evaluator.parameters():
            weight.data.fill_(float("nan"))
        return honest(self, batch, index)

    monkeypatch.setattr(AdversarialTask, "validation_step", broken)
    fill("labels", "png", lambda path, n: png(path, masks((32, 32), n) * (n % 2 if task == "anomaly" else 1)))
    fill("images", "png", lambda path, n: png(path, anatomy(np.uint8, (32, 32), n)))
    given = [f"images/{n}.png,{'val' if n in (4, 5) else 'test' if n == 3 else 'train'}" for n in range(6)]
    (tmp_path / "data/splits.csv").write_text("\n".join(["file,split", *given]))
    words = [f"task={task}", "data.size=32", *PLAYERS[task], "data.splits=splits.csv"]
    with pytest.raises(UserError, match=r"^images_[45]: .*not finite: the generator has diverged; .*[^\n]$"):
        train(*words, "trainer.max_steps=2", "trainer.val_every=2")
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert status["status"] == "failed" and "not finite" in status["why"]


def test_a_case_that_is_no_file_is_not_loaded_for_its_type_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of several methods are written case by case; the source makes each case anew when it loads it."""
    source = Brain(subjects=18, size=16, slices=2)
    data = DataModule(source, batch_size=4)
    data.setup()
    originals, batches = Originals(data), list(evaluation_batches(data, "test", torch.device("cpu")))
    loads: list[str] = []
    load = source.load
    monkeypatch.setattr(source, "load", lambda record: (loads.append(record.case), load(record))[1])
    for _ in range(4):
        for batch in batches:
            written = originals.as_written(batch, [0, 1], torch.rand(1, 16, 16, 2), "map")
            assert written.like.dtype == np.float32
    assert len(batches) == 3 and sorted(loads) == sorted(record.case for record in data.records["test"])
    originals.hold(data.records["test"][0], load(data.records["test"][0]))
    originals.as_written(batches[0], [0, 1], torch.rand(1, 16, 16, 2))
    assert len(loads) == 4, "of a case that was handed over the type is looked up anew"
