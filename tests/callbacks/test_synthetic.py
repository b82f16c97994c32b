"""`save_samples`: what is written is what the generator makes, in the data's units, and says so of itself."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from ganatomy.callbacks.synthetic import SyntheticImages
from ganatomy.config.resolve import validate
from ganatomy.data.io.synthetic import NOTE
from ganatomy.errors import UserError
from ganatomy.runs.directory import Run
from ganatomy.tasks.synthesis.sampler import Sampler
from ganatomy.training import build

SIDE = 16
SMALL = [
    *("task=synthesis", "data.split=[3,1,1]", "data.batch_size=4", "model.generator.channels=2"),
    *("model.discriminator.channels=2", "trainer.max_steps=1", "trainer.val_every=1", "trainer.threads=1"),
    *("trainer.accelerator=cpu", "callbacks.progress=none", "callbacks.report=false", "callbacks.samples=0"),
    "logger=none",
    "task.imagenet=false",
]
Made = Callable[..., tuple[Any, Any, dict[str, Any]]]


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[type], Path]:
    """A folder of fifteen pictures, five of them dark; with masks beside them."""

    def fill(dtype: type) -> Path:
        draw, most = np.random.default_rng(0), np.iinfo(dtype).max
        for n in range(15):
            folder = tmp_path / "data" / ("dark" if n < 5 else "bright")
            for name in (folder, tmp_path / "masks"):
                name.mkdir(parents=True, exist_ok=True)
            level = most // (4 if n < 5 else 2)
            pixels = draw.integers(level // 2, level, (SIDE, SIDE)).astype(dtype)
            Image.fromarray(pixels).save(folder / f"{n}.png")
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[n : n + 2, 3:9] = 255
            Image.fromarray(mask).save(tmp_path / "masks" / f"{n}.png")
        return tmp_path / "data"

    return fill


@pytest.fixture
def made(compose: Any) -> Made:
    """(data, task, cfg) of a run that has not begun."""

    def of(*words: str) -> tuple[Any, Any, dict[str, Any]]:
        cfg = validate(compose(*SMALL, *words, tiny=False))
        data = build.build_data(cfg)
        data.setup()
        cfg = build.complete(cfg, data)
        return data, build.build_task(cfg, data.mask_classes), cfg

    return of


def folder(root: Path, *more: str) -> list[str]:
    own = ["data=folder", f"data.root={root}", "data.image='*/*.png'", "data.size=null", "data.channels=1"]
    return [*own, *more]


def write(where: Path, made: tuple[Any, Any, dict[str, Any]], processes: int = 1) -> Path:
    """What a run's callback writes when its test ends, in this many processes."""
    data, task, cfg = made
    for rank in range(processes):
        trainer: Any = SimpleNamespace(
            datamodule=data,
            global_rank=rank,
            world_size=processes,
            is_global_zero=rank == 0,
            strategy=SimpleNamespace(barrier=lambda name: None),
        )
        SyntheticImages(Run(where), cfg).on_test_end(trainer, task)
    return where / "synthetic"


def contents(where: Path) -> dict[str, bytes]:
    return {str(path.relative_to(where)): path.read_bytes() for path in where.rglob("*") if path.is_file()}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_of_the_datas_own_depth_in_its_units(
    made: Made, pictures: Any, tmp_path: Path, dtype: type
) -> None:
    """The generator's own pixels, times the median scale of the training images and so on, rounded."""
    run = made(*folder(pictures(dtype)), "save_samples=3")
    data, task, _ = run
    where = write(tmp_path / "run", run)
    cases = [data.evaluated(record) for record in data.records["train"]]
    scale, offset = (np.median([float(case[key][0]) for case in cases]) for key in ("scale", "offset"))
    for n in (1, 2, 3):
        saved = Image.open(where / f"images/000{n}.png")
        with torch.no_grad():
            seen = task.drawer(task.drawer.noise(f"synthetic {n}")[None])[0, 0].double().numpy()
        expected = np.clip(np.rint(seen * scale + offset), 0, np.iinfo(dtype).max)
        pixels = np.asarray(saved)
        assert pixels.dtype == dtype and saved.info["Comment"] == NOTE
        np.testing.assert_array_equal(pixels, expected)
    assert len(list((where / "images").iterdir())) == 3


def test_the_same_files_by_any_number_of_processes_and_images(
    made: Made, pictures: Any, tmp_path: Path
) -> None:
    """And whatever the batch; another seed makes others."""
    root = folder(pictures(np.uint16))
    run = made(*root, "save_samples=5")
    one = contents(write(tmp_path / "one", run))
    assert contents(write(tmp_path / "two", run, processes=2)) == one
    state = run[1].state_dict()

    def as_run(*words: str) -> tuple[Any, Any, dict[str, Any]]:
        other = made(*root, *words)
        other[1].load_state_dict(state)
        return other

    more = contents(write(tmp_path / "more", as_run("save_samples=7", "data.batch_size=3")))
    assert len(more) == len(one) + 2
    images = [name for name in one if name.startswith("images/")]
    assert len(images) == 5 and all(more[name] == one[name] for name in images)
    seeded = contents(write(tmp_path / "seeded", as_run("save_samples=5", "seed=1")))
    assert not any(seeded[name] == one[name] for name in images)


@pytest.mark.parametrize("wanted", ["png8", "png16", "nifti", "npz"])
def test_every_format_gives_back_the_units_that_the_provenance_tells(
    made: Made, pictures: Any, tmp_path: Path, wanted: str
) -> None:
    run = made(*folder(pictures(np.uint16)), "save_samples=2", f"save_format={wanted}")
    where = write(tmp_path / "run", run)
    told = json.loads((where / "provenance.json").read_text())
    assert told["synthetic"] is True and told["format"] == wanted and told["seed"] == 0
    (first, _) = sorted((where / "images").iterdir())
    if wanted == "nifti":
        volume: Any = nibabel.load(first)
        numbers, note = (
            np.asarray(volume.dataobj)[..., 0],
            bytes(volume.header["descrip"]).decode().strip("\0"),
        )
        np.testing.assert_array_equal(volume.affine, np.eye(4))
    elif wanted == "npz":
        with np.load(first) as arrays:
            numbers, note = arrays["image"][0], str(arrays["note"])
    else:
        numbers, note = np.asarray(Image.open(first)), Image.open(first).info["Comment"]
    assert note == NOTE and str(numbers.dtype) == told["type"] == ("uint8" if wanted == "png8" else "uint16")
    truth = Sampler(run[1].drawer, run[1].facts(run[0]))(1).image[0]
    units = told["units"]
    within = np.clip(truth, units["inter"], units["inter"] + units["slope"] * np.iinfo(numbers.dtype).max)
    np.testing.assert_allclose(numbers * units["slope"] + units["inter"], within, atol=0.51 * units["slope"])
    assert (units["slope"] == 1) == (wanted != "png8")


def test_slices_of_volumes_become_nifti_with_their_voxels(made: Made, tmp_path: Path) -> None:
    words = ["data.subjects=6", "data.split=[4,1,1]", "data.slices=3", "data.size=16", "save_samples=1"]
    where = write(tmp_path / "run", made(*words))
    (path,) = (where / "images").iterdir()
    volume: Any = nibabel.load(path)
    assert path.name == "0001.nii.gz" and volume.shape == (16, 16, 1)
    assert volume.header.get_zooms()[:2] == (12, 12) and not volume.affine[:3, 3].any()


def test_classes_take_turns_and_the_index_is_data(made: Made, pictures: Any, tmp_path: Path) -> None:
    """The folder is read by data=table, with the kinds of its images."""
    root = folder(pictures(np.uint8), "data.kind='{parent}'")
    run = made(*root, "model=fast_class", "save_samples=4")
    where = write(tmp_path / "run", run)
    rows = list(csv.DictReader((where / "index.csv").open()))
    assert [row["kind"] for row in rows] == ["bright", "dark", "bright", "dark"]
    assert [row["image"] for row in rows] == [f"images/000{n}.png" for n in (1, 2, 3, 4)]
    table = [
        "data=table",
        f"data.root={where}",
        "data.kind=kind",
        "data.image_classes=[bright,dark]",
        "data.size=null",
    ]
    read, _, _ = made(*table, "data.split=[2,1,1]")
    assert sum(len(records) for records in read.records.values()) == 4 and read.image_classes == (
        "bright",
        "dark",
    )


def test_a_finished_run_gives_more_and_names_the_weights(compose: Any, pictures: Any, tmp_path: Path) -> None:
    from ganatomy.train import train

    done = tmp_path / "run"
    for words in (folder(pictures(np.uint8)), [f"resume={done}", "save_samples=2", "save_format=png16"]):
        cfg = compose(*(words if "resume" in words[0] else [*SMALL, *words]), tiny=False)
        train(validate(cfg), done)
        assert (done / "synthetic").exists() == ("resume" in words[0])
    told = json.loads((done / "synthetic/provenance.json").read_text())
    assert (
        told["generator"]["sha256"]
        == hashlib.sha256((done / "generator.safetensors").read_bytes()).hexdigest()
    )
    assert told["data"]["sha256"] == json.loads((done / "data.json").read_text())["hash"]
    assert told["images"] == 2 and told["configuration"]["model"]["generator"]["latent"] == 64
    assert str(tmp_path) not in json.dumps(told), "where the data lie is the machine's affair"
    assert told["copies"].startswith("too few images to tell copies"), "three held-out ones"


def test_earlier_images_do_not_stay_beside_new_ones(made: Made, pictures: Any, tmp_path: Path) -> None:
    root = folder(pictures(np.uint8))
    write(tmp_path, made(*root, "save_samples=3"))
    left = contents(write(tmp_path, made(*root, "save_samples=1", "save_format=npz")))
    assert set(left) == {"images/0001.npz", "index.csv", "provenance.json"}


@pytest.mark.parametrize(
    "words, message",
    [
        (["task=segmentation", "save_samples=2"], "save_samples: this task makes no images of noise"),
        (["save_samples=-1"], "save_samples: must be 0 or more"),
        (["save_format=png12"], "save_format: must be "),
    ],
)
def test_refused_in_one_line(compose: Any, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        validate(compose("task=synthesis", *words, tiny=False))
    assert str(refusal.value).startswith(message) and "\n" not in str(refusal.value)


def test_what_a_png_cannot_hold_is_refused(made: Made, pictures: Any, tmp_path: Path) -> None:
    root = pictures(np.uint8)
    for path in root.rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    run = made(*folder(root), "data.channels=3", "save_samples=1", "save_format=png16")
    with pytest.raises(UserError, match="save_format: png16 cannot hold images of 3 channels; choose nifti"):
        SyntheticImages(Run(tmp_path / "run"), run[2]).on_fit_start(
            SimpleNamespace(datamodule=run[0]), run[1]
        )
    inside = made(*folder(root), "data.channels=3", "save_samples=1")
    with pytest.raises(UserError, match=r"run_dir: .* lies in data\.root="):
        write(root / "run", inside)
