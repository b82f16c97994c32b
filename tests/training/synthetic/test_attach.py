"""Synthetic images in training: drawn by the contract of randomness, never of patients that are held out."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Record
from ganatomy.data.sampling.synthetic import Synthetic
from ganatomy.errors import UserError
from ganatomy.generate.command import generate
from ganatomy.generate.settings import GenerateConfig
from ganatomy.tasks.anomaly.healthy import Healthy
from ganatomy.training import build
from ganatomy.training.synthetic import attach
from ganatomy.training.synthetic.attach import Joined, attach_synthetic
from tests.conftest import TINY, composed
from tests.evaluate.conftest import QUICK, SEGMENTATION, pictures, trained
from tests.finished import healthy_and_ill
from tests.test_processes import PLAIN, assert_alike, ddp, plain_sgd
from tests.test_resume import assert_same_end, run_until

SPADE = [
    *("task=synthesis", "model=spade", "model.generator.channels=4", "model.generator.hidden=4"),
    *("model.generator.latent=4", "model.discriminator.channels=4", "task.imagenet=false"),
]
BRAINS = ["data.subjects=6", "data.size=32", "data.slices=3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder of 12 pictures with masks, and the words of its data."""
    path = tmp_path_factory.mktemp("utility")
    return path, [*pictures(path / "data", 12, seed=0, name="p"), "data.size=32", "data.split=[2,1,1]"]


@pytest.fixture(scope="module")
def spade(folder: tuple[Path, list[str]]) -> Path:
    """A finished run of synthesis from label maps that saved ten images."""
    path, words = folder
    return trained(path / "spade", *words, *SPADE, "save_samples=10")


@pytest.fixture(scope="module")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of slices of virtual heads."""
    directory = tmp_path_factory.mktemp("brains") / "spade"
    return trained(directory, *BRAINS, "data=brain", *SPADE, "save_samples=6")


@pytest.fixture
def joined(folder: tuple[Path, list[str]]) -> Callable[..., tuple[Joined, DataModule]]:
    """What `train <words>` does up to the point where synthetic images join."""

    def of(*words: str, data: list[str] | None = None) -> tuple[Joined, DataModule]:
        own = folder[1] if data is None else data
        cfg = validate(composed(*QUICK, *own, *SEGMENTATION, *words, tiny=False))
        opened = build.build_data(cfg)
        opened.setup()
        cfg = build.complete(cfg, opened)
        task = build.build_task(cfg, opened.mask_classes)
        return attach_synthetic(cfg, task, opened), opened

    return of


def synthetic(item: dict[str, Any]) -> bool:
    return "p" not in str(item["case"])  # the real ones are p0 to p11


def test_each_item_is_drawn_by_seed_epoch_and_index(spade: Path, joined: Any) -> None:
    found, data = joined(f"synthetic={spade}", "synthetic_share=0.3")
    plain = joined()[1].train_items()
    items, again = data.train_items(), joined(f"synthetic={spade}", "synthetic_share=0.3")[1].train_items()
    addresses = [(epoch, index) for epoch in range(40) for index in range(len(items))]
    assert len(items) == len(plain)
    got = {address: items[address] for address in addresses}
    for address in reversed(addresses[:30]):
        assert torch.equal(got[address]["image"], again[address]["image"])
        assert torch.equal(got[address]["label"], again[address]["label"])
    kept = [address for address in addresses if not synthetic(got[address])]
    for address in kept[:30]:
        assert torch.equal(got[address]["image"], plain[address]["image"])  # as without them, to the last bit
    share, error = 1 - len(kept) / len(addresses), (0.3 * 0.7 / len(addresses)) ** 0.5
    assert abs(share - 0.3) < 4 * error
    drawn = [got[address]["case"] for address in addresses if synthetic(got[address])]
    counts = np.unique(drawn, return_counts=True)[1]
    assert len(counts) == 10 and counts.max() < 3 * counts.min() + 10  # each as likely as the others
    assert "30% of the training items are drawn from 10 synthetic images" in found.lines[0]


def test_a_share_of_one_is_synthetic_images_alone_and_only_in_training(spade: Path, joined: Any) -> None:
    data = joined(f"synthetic={spade}", "synthetic_share=1")[1]
    items = data.train_items()
    assert all(synthetic(items[epoch, index]) for epoch in range(5) for index in range(len(items)))
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert all("p" in case for batch in loader for case in batch["case"])


def test_the_draw_differs_from_that_of_augmentation() -> None:
    places = [(Record(str(n), str(n)), None) for n in range(5)]
    drawn = Synthetic(places, lambda record, z: {}, 1.0)  # type: ignore[arg-type, return-value, misc]

    def names(*seeds: int) -> list[str]:
        return [drawn.instead(*seeds, index)[0].case for index in range(200)]  # type: ignore[index, call-arg]

    assert names(0, 0) != names(0, 1) and names(0, 0) != names(1, 0)


def test_a_run_names_the_source_and_its_weights(folder: Any, spade: Path) -> None:
    path, words = folder
    run = trained(path / "seg", *words, *SEGMENTATION, f"synthetic={spade}")
    plain = trained(path / "plain", *words, *SEGMENTATION)
    record = json.loads((run / "environment.json").read_text())["synthetic"]
    config = yaml.safe_load((run / "config.yaml").read_text())
    weights = hashlib.sha256((spade / "generator.safetensors").read_bytes()).hexdigest()
    assert record["source"] == str(spade) and record["weights_sha256"] == weights
    assert record["data_sha256"] == json.loads((spade / "data.json").read_text())["hash"]
    assert config["synthetic_hash"] == record["sha256"] and record["images"] == 10
    assert (run / "data.json").read_bytes() == (plain / "data.json").read_bytes()  # they are no cases
    ours, theirs = (json.loads((one / "metrics.json").read_text()) for one in (run, plain))
    baselines = [name for name in ours if name.startswith("baseline/")]
    assert baselines and all(ours[name] == theirs[name] for name in baselines)
    assert (run / "generator.safetensors").read_bytes() != (plain / "generator.safetensors").read_bytes()


def test_a_resumed_run_is_an_uninterrupted_one(brains: Path, run: Any) -> None:
    words = ["task=segmentation", f"synthetic={brains}"]
    whole = run("whole", *words)
    run_until(3, run, "stopped", *words)
    assert_same_end(whole, run("stopped", resume=True))


@pytest.mark.slow
def test_two_processes_train_as_one(brains: Path, command: Any, tmp_path: Path) -> None:
    words = [*TINY, *(f"{key}={value}" for key, value in PLAIN.items()), *plain_sgd("generator", 0.02)]
    words += [*plain_sgd("discriminator", 0.001), f"synthetic={brains}"]
    for name, more in {"one": [], "two": ddp(2)}.items():
        done = command(*words, f"run_dir={name}", *more)
        assert done.returncode == 0, done.stderr
    assert_alike(tmp_path / "one", tmp_path / "two")


def test_patients_that_do_not_train_here_are_refused(spade: Path, joined: Any) -> None:
    for words in (["data.split_seed=1"], ["data.label_fraction=0.5"], ["data.split=[1,1,2]"]):
        with pytest.raises(UserError, match=r"synthetic: .* was trained on \d images that do not train here"):
            joined(f"synthetic={spade}", *words)


def test_fewer_patients_than_train_here_are_welcome(folder: Any, joined: Any) -> None:
    path, words = folder
    few = trained(path / "few", *words, *SPADE, "save_samples=4", "data.label_fraction=0.5")
    assert joined(f"synthetic={few}")[0].record["images"] == 4
    assert joined(f"synthetic={few}", "data.label_fraction=0.5")[0].record["images"] == 4


def drawn(spade: Path, masks: Path, output: Path) -> Path:
    plain = {"run": str(spade), "n": 6, "masks": str(masks), "output": str(output), "device": "cpu"}
    from hydra import compose, initialize_config_dir

    from ganatomy.config.locations import CONF
    from ganatomy.config.resolve import to_plain

    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("generate", [f"{key}={value}" for key, value in plain.items()])
    return generate(GenerateConfig.from_plain(to_plain(cfg)))


def test_a_folder_that_generate_wrote_serves_if_its_masks_are_of_the_training(
    folder: Any, spade: Path, joined: Any, tmp_path: Path
) -> None:
    path, _ = folder
    contents = json.loads((spade / "data.json").read_text())["contents"]
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for case in contents[split]:
            name = f"p{case.rpartition('p')[2].removesuffix('.png')}.png"
            shutil.copy(path / "data/masks" / name, tmp_path / split / name)
        drawn(spade, tmp_path / split, tmp_path / f"{split}_images")
    assert joined(f"synthetic={tmp_path / 'train_images'}")[0].record["images"] == 6
    with pytest.raises(UserError, match=r"\d images of .* drawn from label maps of this run's val"):
        joined(f"synthetic={tmp_path / 'test_images'}")
    with pytest.raises(UserError, match="does not show that its generator knows this run's training"):
        joined(f"synthetic={tmp_path / 'train_images'}", "data.split_seed=1")


@pytest.mark.parametrize("mark", [",", ";"])
def test_an_index_that_a_spreadsheet_wrote_again_is_read(
    mark: str, spade: Path, joined: Any, tmp_path: Path
) -> None:
    """With every cell in quotes, a mark of the byte order, and this separator."""
    kept = shutil.copytree(spade, tmp_path / "spade")
    path = kept / "synthetic/index.csv"
    rows = list(csv.reader(path.open()))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=mark, quoting=csv.QUOTE_ALL).writerows(rows)
    assert (
        joined(f"synthetic={kept}")[0].cfg.synthetic_hash
        == joined(f"synthetic={spade}")[0].cfg.synthetic_hash
    )


def test_other_images_than_the_run_began_with_are_refused(spade: Path, joined: Any, tmp_path: Path) -> None:
    kept = shutil.copytree(spade, tmp_path / "spade")
    first = joined(f"synthetic={kept}")[0].cfg.synthetic_hash
    assert joined(f"synthetic={spade}")[0].cfg.synthetic_hash == first  # wherever they lie
    image = kept / "synthetic/images/0003.png"
    Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    with pytest.raises(UserError, match="holds other images than this run began with"):
        joined(f"synthetic={kept}", f"synthetic_hash={first}")


def provenance(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Have the images come from elsewhere."""
    told = json.loads((folder / "provenance.json").read_text())
    change(told)
    (folder / "provenance.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("change", "words", "line"),
    [
        ("", ["data.size=16"], "has data.size=32, this run 16; make them equal"),
        ("", ["data.channels=3"], "has data.channels=1, this run 3; make them equal"),
        ("masks", [], "has no label maps, which this task needs"),
        ("mask", [], "1 of 10 images cannot be used: .*0003.png: is not there; draw them again"),
        ("value", [], "1 of 10 images cannot be used: .*0003.png: .* 7"),
        ("images", [], "holds no synthetic images; write some with resume="),
        ("provenance", [], "provenance.json: is damaged"),
        ("index", [], "index.csv: is missing; draw the images again"),
        ("rows", [], "index.csv: names no image; draw the images again"),
        ("text", [], r"index.csv: is not UTF-8 \(byte 0\); save it as UTF-8"),
        ("classes", [], r"has the classes \[background,cyst\], this run"),
        ("column", [], "synthetic: .*: index.csv: no column image .*; there are picture, label"),
        ("twice", [], "synthetic: images/0003.png: is the image of two cases, .*; draw the images again"),
        ("crossed", [], "synthetic: images/0003.png: is the image of two cases, .*; draw the images again"),
        ("small", ["data.size=null"], "images of 16x16 and 32x32; make them with the data.size of this run"),
        ("unfinished", [], "is not finished; give the same command of generate again"),
        ("scaled", ["data.intensity=[0,255]"], "holds scaled numbers, which .* save_format=nifti"),
        ("", ["synthetic=nowhere"], "nowhere is no folder of synthetic images"),
        ("", ["synthetic_share=0"], "synthetic_share"),
        ("", ["model=semi", "data.label_fraction=0.5"], "goes with neither data.unpaired"),
    ],
)
def test_a_mistake_is_one_clear_line(
    change: str, words: list[str], line: str, spade: Path, joined: Any, tmp_path: Path
) -> None:
    kept = shutil.copytree(spade, tmp_path / "spade")
    there = kept / "synthetic"
    if change == "masks":
        rows = list(csv.DictReader((there / "index.csv").open()))
        (there / "index.csv").write_text("image\n" + "".join(f"{row['image']}\n" for row in rows))
    elif change == "mask":
        (there / "labels/0003.png").unlink()
    elif change == "value":
        Image.fromarray(np.full((32, 32), 7, np.uint8)).save(there / "labels/0003.png")
    elif change == "column":
        rows = (there / "index.csv").read_text()
        (there / "index.csv").write_text(rows.replace("image", "picture", 1))
    elif change in ("twice", "crossed"):  # a row again; an image with the label map of another
        row = f"images/0003.png,labels/000{3 if change == 'twice' else 4}.png\n"
        (there / "index.csv").write_text((there / "index.csv").read_text() + row)
    elif change == "small":
        for name in ("images", "labels"):
            Image.fromarray(np.zeros((16, 16), np.uint8)).save(there / name / "0003.png")
        provenance(there, lambda told: told["configuration"]["data"].update(size=None))
    elif change == "unfinished":
        provenance(there, lambda told: told.update(finished=False))
    elif change == "scaled":
        provenance(there, lambda told: told["units"].update(slope=2.0))
    elif change == "images":
        shutil.rmtree(there)
    elif change == "provenance":
        (there / "provenance.json").write_text("{")
    elif change == "index":
        (there / "index.csv").unlink()
    elif change == "rows":
        (there / "index.csv").write_text("image,label\n")
    elif change == "text":
        (there / "index.csv").write_bytes(b"\xff\xfei\x00m\x00")
    elif change == "classes":
        about = json.loads((kept / "data.json").read_text())
        (kept / "data.json").write_text(json.dumps(about | {"classes": ["background", "cyst"]}))
        (kept / "checksums.txt").unlink()
        shutil.rmtree(kept / "copies", ignore_errors=True)
    with pytest.raises(UserError, match=line) as refused:
        joined(*([] if "synthetic=nowhere" in words else [f"synthetic={kept}"]), *words)
    assert "\n" not in str(refused.value).strip()


def test_a_task_that_learns_no_labels_of_images_refuses(folder: Any, spade: Path) -> None:
    path, words = folder
    with pytest.raises(UserError, match="SynthesisTask does not train on synthetic images"):
        trained(path / "other", *words, *SPADE, f"synthetic={spade}")
    assert not (path / "other/config.yaml").exists()


def test_masks_that_synthetic_images_have_not(
    folder: Any, spade: Path, joined: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the run of synthesis, too, had been trained with them."""
    monkeypatch.setattr(attach, "check_patients", lambda *_: None)
    shutil.copytree(folder[0] / "data/masks", folder[0] / "data/bodies")
    with pytest.raises(UserError, match="training images have a mask here, and synthetic ones have none"):
        joined(f"synthetic={spade}", "data.mask='bodies/{name}'", "data.image='images/*'")


def test_lesion_masks_say_more_than_synthetic_healthy_images(spade: Path) -> None:
    cfg: Any = SimpleNamespace(synthetic=str(spade))
    task: Any = SimpleNamespace(synthetic="kind", healthy=Healthy(0, 1))
    data: Any = SimpleNamespace(unpaired=False, labels=SimpleNamespace(unlabelled_rows=0))
    with pytest.raises(
        UserError, match=r"^synthetic: is for data whose image classes alone say which images"
    ):
        attach_synthetic(cfg, task, data)


def test_anomaly_detection_learns_from_synthetic_healthy_images(tmp_path: Path) -> None:
    healthy_and_ill(tmp_path / "data", 24)
    words = [f"data.root={tmp_path / 'data'}", "data=folder", "data.image='images/*/*.png'", "data.size=16"]
    words += ["data.match='images/(?P<kind>[^/]+)/'", "data.kind='{kind}'", "data.split=[2,1,1]"]
    tiny = ["model.generator.channels=4", "model.discriminator.channels=4", "model.generator.latent=6"]
    source = trained(
        tmp_path / "classes", *words, "task=synthesis", "model=fast_class", *tiny, "save_samples=8"
    )
    more = ["task=anomaly", *tiny, "task.denoising_steps=1", "task.search_images=0", "task.components=3"]
    run = trained(tmp_path / "run", *words, *more, f"synthetic={source}")
    assert json.loads((run / "environment.json").read_text())["synthetic"]["images"] == 4  # of the eight
    plain = trained(tmp_path / "plain", *words, "task=synthesis", "model=fast", *tiny[:2], "save_samples=4")
    with pytest.raises(UserError, match=r"has no classes, which this task needs; .* \(model=fast_class\)"):
        trained(tmp_path / "refused", *words, *more, f"synthetic={plain}")
