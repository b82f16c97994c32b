"""Post-processing travels in a bundle: its label maps are those of the run's test and of `predict`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from ganatomy.export.export import export
from ganatomy.inference.loaded import load_run
from tests.conftest import composed
from tests.export.conftest import SHORT, config
from tests.export.test_bundle import content, ours

WORDS = ["task=segmentation", "task.postprocess=auto", "save_predictions=-1", *SHORT]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of pictures with specks, whose validation chooses to drop some."""
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    folder = tmp_path_factory.mktemp("postprocessed")
    for name in ("images", "masks"):
        (folder / "data" / name).mkdir(parents=True)
    for n in range(12):
        rng, mask = np.random.default_rng(n), np.zeros((40, 32), np.uint8)
        mask[8 + n : 22 + n, 6:20] = 1
        image = np.where(mask, 170, 60) + rng.normal(0, 25, mask.shape)
        image[rng.random(mask.shape) < 0.02] = 190  # specks that look like the disc
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"data/images/p{n}.png")
        Image.fromarray(mask * 255).save(folder / f"data/masks/p{n}.png")
    data = ["data=folder", f"data.root={folder}/data", "data.label='masks/{name}'", "data.size=[40,32]"]
    data += ["data.label_values=[0,255]", "data.classes=[background,disc]", "data.split=[4,5,3]"]
    data += ["data.augment=[]"]
    own = [word for word in WORDS if not word.startswith(("data.subjects", "data.slices", "data.size"))]
    small = ["model.generator.channels=[4,8]", "model.generator.strides=[2]", "model.discriminator=null"]
    more = ["trainer.max_steps=40", "trainer.val_every=40"]
    train(validate(composed(*own, *data, *small, *more, tiny=False)), folder / "run")
    return folder / "run"


def test_a_bundle_gives_the_label_maps_of_the_run(
    run: Path, tmp_path: Path, scripts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = load_run(run, device="cpu").task
    assert task.own_steps, "the validation chose nothing, so nothing is tested"
    folder = tmp_path / "bundle"
    export(config(run, folder, format="bundle"), lambda line: None)
    monkeypatch.syspath_prepend(str(folder))
    parser = ConfigParser()
    parser.read_config(folder / "configs/inference.json")
    parser["bundle_root"], parser["output_dir"] = str(folder), str(tmp_path / "out")
    application = parser.get_parsed_content("application")
    tested = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(tested) == 3
    changed = 0
    for row in tested:
        file = run.parent / f"data/images/{row['case'].removeprefix('images_')}.png"
        application.one(file)
        found = content(tmp_path / f"out/{file.stem}_pred.png")
        values = ours(run, file).values
        assert values is not None and np.array_equal(found, values[0].squeeze())
        assert np.array_equal(found, content(run / f"predictions/{row['prediction']}.png"))
        application.postprocessing.transforms[0].steps = {}
        application.one(file)
        changed += int((content(tmp_path / f"out/{file.stem}_pred.png") != found).sum())
        application.postprocessing.transforms[0].steps = dict(task.own_steps)
    assert changed, "the steps did nothing to these cases"


def test_other_formats_say_what_is_to_be_done(run: Path, tmp_path: Path) -> None:
    export(config(run, tmp_path / "model.ts"), lambda line: None)
    told = {"ganatomy.json": ""}
    torch.jit.load(tmp_path / "model.ts", _extra_files=told)
    known = json.loads((run / "postprocessing.json").read_text())["disc"]
    del known["validation_dice"]
    assert json.loads(told["ganatomy.json"])["postprocessing"] == {"disc": known}
